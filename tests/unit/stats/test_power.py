"""Planning figures."""

import numpy as np
import pytest

from evalkit.stats import (
    StatsError,
    detectable_effect,
    discordance_upper,
    gate_test,
    min_clusters,
    needed_items,
    needed_n,
    probability_passes,
    probability_unchanged_passes,
)
from evalkit.stats.power import _binary_p


@pytest.mark.parametrize(("margin", "expected"), [(0.02, 0.28), (0.05, 0.84)])
def test_chance_of_an_unchanged_candidate(margin: float, expected: float) -> None:
    assert probability_unchanged_passes(300, 0.10, margin).value == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(("b", "c", "n"), [(3, 2, 50), (0, 0, 80), (0, 5, 200), (7, 0, 30), (5, 0, 5)])
def test_closed_form_is_the_gate(b: int, c: int, n: int) -> None:
    result = gate_test([1] * b + [-1] * c + [0] * (n - b - c), margin=0.05)
    closed = float(_binary_p(np.array([b]), np.array([c]), n, -0.05)[0])
    assert closed == pytest.approx(result.p_pass, rel=1e-9)


def test_chance_rises_with_items_and_margin_and_falls_with_a_loss() -> None:
    chances = [probability_unchanged_passes(n, 0.1, 0.03).value for n in (50, 100, 300, 1000, 100_000)]
    assert chances == sorted(chances)
    assert chances[-1] == pytest.approx(1.0)
    assert probability_passes(300, 0.1, 0.05, effect=-0.05).value < 0.06
    assert probability_unchanged_passes(1, 0.1, 0.05).value == 0.0
    assert probability_unchanged_passes(100, 0.0, 0.05).value == 1.0


def test_simulated_clusters_of_one_item_match_the_exact_value_within_error() -> None:
    exact = probability_unchanged_passes(200, 0.1, 0.05)
    rng = np.random.default_rng(1)
    simulated = probability_unchanged_passes(0, 0.1, 0.05, cluster_sizes=[1] * 200, rng=rng, n_simulations=300)
    assert simulated.value == pytest.approx(exact.value, abs=4 * simulated.error + 0.01)


def test_few_clusters_cannot_pass() -> None:
    chance = probability_unchanged_passes(
        0, 0.05, 0.05, cluster_sizes=[10] * 40, icc=0.01, rng=np.random.default_rng(1), n_simulations=50
    )
    assert chance.value == 0.0
    assert min_clusters(0.05) == 59
    assert min_clusters(0.05, max_cluster_effect=0.5) == 29


def test_needed_items_are_not_zero_when_no_difference_was_seen() -> None:
    plan = needed_items(np.zeros(50), margin=0.05)
    assert plan.n_at_observed == 2
    assert plan.n > 100
    assert plan.discordance_upper == pytest.approx(discordance_upper(0, 50))
    assert plan.detectable == pytest.approx(detectable_effect(np.sqrt(plan.discordance_upper / 50)))


def test_clusters_inflate_the_plan() -> None:
    diffs = np.repeat([1, -1, 0, 0, 1, -1, 0, 0], 5)
    alone, grouped = needed_items(diffs, margin=0.05), needed_items(diffs, margin=0.05, clusters=np.arange(40) // 5)
    assert grouped.design_effect > 4
    assert grouped.n > 4 * alone.n
    assert needed_items(np.zeros(4), margin=0.05, clusters=[1, 1, 2, 2]).design_effect == 1.0


def test_continuous_differences_use_their_size() -> None:
    small = needed_items(np.tile([0.1, -0.1, 0.0], 40), margin=0.05)
    large = needed_items(np.tile([1.0, -1.0, 0.0], 40), margin=0.05)
    assert small.n < large.n / 50


def test_impossible_plans_raise() -> None:
    with pytest.raises(StatsError, match="no number"):
        needed_n(0.1, margin=0.05, effect=-0.05)
    with pytest.raises(StatsError, match="variance"):
        needed_n(-0.1, margin=0.05)
    with pytest.raises(StatsError, match="power"):
        needed_n(0.1, margin=0.05, power=1.0)
    with pytest.raises(StatsError, match="standard error"):
        detectable_effect(-1.0)
    with pytest.raises(StatsError, match="margin"):
        min_clusters(0.0)
    with pytest.raises(StatsError, match="psi"):
        probability_passes(100, 0.1, 0.05, effect=0.2)
    with pytest.raises(StatsError, match="generator"):
        probability_unchanged_passes(0, 0.1, 0.05, cluster_sizes=[3, 3])
