"""The restricted variance and the leave-one-out degrees of freedom, against direct computation."""

import numpy as np
import pytest
from scipy.optimize import minimize

from evalkit.stats.restricted import Units, jackknife, restricted_variance


def test_jackknife_equals_the_matrix_formula() -> None:
    rng = np.random.default_rng(1)
    sizes = rng.integers(1, 9, 12).astype(np.float64)
    totals = rng.normal(size=12) * sizes
    result = jackknife(Units.of(sizes, totals, np.ones(12)))
    n, w, v = sizes.sum(), sizes / sizes.sum(), sizes**2
    c = np.diag(v) - np.outer(w, v) - np.outer(v, w) + v.sum() * np.outer(w, w)
    b = c / np.outer(1 - w, 1 - w)
    assert result is not None
    assert result.df == pytest.approx(np.trace(b) ** 2 / np.trace(b @ b), rel=1e-12)
    residuals = (totals - sizes * totals.sum() / n) / (1 - w)
    assert result.variance == pytest.approx((residuals**2).sum() / n**2, rel=1e-12)


def test_jackknife_of_equal_units_is_the_t_test_with_n_minus_1_degrees() -> None:
    values = np.array([0.1, 0.4, -0.2, 0.3])
    result = jackknife(Units.of(np.ones(4), values, np.ones(4)))
    assert result is not None
    assert result.df == pytest.approx(3)
    assert result.variance == pytest.approx(values.var(ddof=1) / 3)


def test_jackknife_without_spread_is_left_out() -> None:
    assert jackknife(Units.of(np.ones(3), np.full(3, 0.5), np.ones(3))) is None
    assert jackknife(Units.of(np.ones(1), np.ones(1), np.ones(1))) is None


def test_counts_stand_for_repeated_values() -> None:
    values = np.array([0.25, -0.5, 0.25, 0.0, 0.25])
    grouped = Units.items(values, None)
    listed = Units.of(np.ones(5), values, np.ones(5))
    assert grouped.totals.size == 3
    first, second = (restricted_variance(units, -0.2, worst=1.0) for units in (grouped, listed))
    assert first.variance == pytest.approx(second.variance, rel=1e-12)


def test_weights_maximise_the_likelihood_under_the_null() -> None:
    values, null = np.array([0.3, 0.5, -0.2, 0.1, -0.6]), -0.1
    units = Units.items(values, None)
    n = values.size
    found = minimize(
        lambda p: -np.log(np.maximum(p, 1e-12)).sum(),
        np.full(n, 1 / n),
        bounds=[(1e-9, 1)] * n,
        constraints=[
            {"type": "eq", "fun": lambda p: p.sum() - 1},
            {"type": "eq", "fun": lambda p: p @ (values - null)},
        ],
        tol=1e-12,
    )
    expected = float(found.x @ (values - null) ** 2) / n
    assert restricted_variance(units, null, worst=0.6).variance == pytest.approx(expected, rel=1e-4)


def test_missing_losses_are_supplied_by_an_atom_at_the_worst_loss() -> None:
    units = Units.items(np.zeros(50), None)
    result = restricted_variance(units, -0.05, worst=1.0)
    assert result.worst_loss == pytest.approx(0.95)
    assert result.variance == pytest.approx(0.05 * 0.95 / 50)


def test_a_null_next_to_the_mean_ends_despite_rounding() -> None:
    """At this tiny excess Newton's step alternates between two numbers, one on each side of the root."""
    units = Units.items(np.array([-0.2380952373, 0.2380952393]), None)
    assert restricted_variance(units, 0.0, worst=1.0).variance == pytest.approx(0.2380952383**2 / 2, rel=1e-6)
