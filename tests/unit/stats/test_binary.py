"""Binary intervals and tests against scipy and statsmodels, and their edges."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from evalkit.stats import (
    StatsError,
    clopper_pearson,
    clopper_pearson_lower,
    clopper_pearson_upper,
    mcnemar_chi2,
    mcnemar_exact,
    mcnemar_exact_one_sided,
    mcnemar_midp,
    newcombe_paired,
    tango_interval,
    tango_p,
    tango_z,
    wilson,
)

counts = st.tuples(st.integers(0, 60), st.integers(0, 60)).filter(lambda pair: sum(pair) > 0)


@given(counts=counts, alpha=st.sampled_from([0.01, 0.05, 0.2]))
@settings(max_examples=40, deadline=None)
def test_intervals_of_a_rate_equal_statsmodels(counts: tuple[int, int], alpha: float) -> None:
    k, n = counts[0], sum(counts)
    for ours, method in ((wilson(k, n, alpha=alpha), "wilson"), (clopper_pearson(k, n, alpha=alpha), "beta")):
        low, high = proportion_confint(k, n, alpha=alpha, method=method)
        assert (ours.low, ours.high) == pytest.approx((max(low, 0.0), min(high, 1.0)), abs=1e-9)
        assert ours.low <= ours.estimate <= ours.high


def test_one_sided_bounds_at_the_ends() -> None:
    assert clopper_pearson_lower(0, 30) == 0.0
    assert clopper_pearson_upper(30, 30) == 1.0
    assert clopper_pearson_upper(0, 30) == pytest.approx(1 - 0.05 ** (1 / 30))


@given(b=st.integers(0, 40), c=st.integers(0, 40))
@settings(max_examples=40, deadline=None)
def test_mcnemar_equals_statsmodels(b: int, c: int) -> None:
    expected = mcnemar([[0, b], [c, 0]], exact=True).pvalue if b + c else 1.0
    assert mcnemar_exact(b, c).p_value == pytest.approx(expected, abs=1e-12)
    assert 0 < mcnemar_midp(b, c).p_value <= 1
    assert mcnemar_midp(b, c).p_value <= mcnemar_exact(b, c).p_value + 1e-12
    assert mcnemar_midp(b, c).p_value == pytest.approx(mcnemar_midp(c, b).p_value)
    if b + c:
        expected_chi2 = mcnemar([[0, b], [c, 0]], exact=False, correction=False)
        assert mcnemar_chi2(b, c).p_value == pytest.approx(expected_chi2.pvalue, abs=1e-12)


def test_no_discordant_pair_is_no_difference() -> None:
    assert mcnemar_midp(0, 0).p_value == 1.0
    assert mcnemar_chi2(0, 0).p_value == 1.0
    assert mcnemar_chi2(0, 0).statistic is None
    assert mcnemar_exact_one_sided(0, 0).p_value == 1.0
    assert mcnemar_exact_one_sided(0, 6).p_value == pytest.approx(1 / 64)


@given(b=st.integers(0, 30), c=st.integers(0, 30), rest=st.integers(0, 30), margin=st.sampled_from([0.02, 0.1]))
@settings(max_examples=60, deadline=None)
def test_tango_p_and_interval_agree(b: int, c: int, rest: int, margin: float) -> None:
    n = b + c + rest
    if n == 0:
        return
    low = tango_interval(b, c, n, alpha=0.1).low
    if abs(low + margin) > 1e-9:
        assert (tango_p(b, c, n, margin=margin) <= 0.05) == (low > -margin)


def test_tango_at_the_ends() -> None:
    assert tango_interval(0, 5, 5).low == -1.0
    assert tango_interval(5, 0, 5).high == 1.0
    assert tango_z(3, 3, 20, null=0.0) == 0.0


def test_newcombe_contains_the_estimate_and_survives_empty_margins() -> None:
    interval = newcombe_paired(10, 0, 0, 0)
    assert interval.low < 0 == interval.estimate < interval.high
    negative = newcombe_paired(1, 9, 9, 1)
    assert negative.low < 0 < negative.high


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_impossible_counts_raise(k: int, n: int) -> None:
    with pytest.raises(StatsError):
        wilson(k, n)
    with pytest.raises(StatsError):
        clopper_pearson_lower(k, n)
    with pytest.raises(StatsError):
        tango_interval(k, 0, n)


def test_impossible_levels_raise() -> None:
    with pytest.raises(StatsError, match="alpha"):
        wilson(1, 2, alpha=0.0)
    with pytest.raises(StatsError, match="null"):
        tango_z(1, 2, 5, null=1.0)
