"""Ratios of means and the ratio gate."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as oracle

from evalkit.stats import StatsError, ratio_gate, ratio_of_sums
from evalkit.stats.ratio import Mean

positive = st.lists(st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)), min_size=2, max_size=25)


@given(pairs=positive, mean=st.sampled_from(["arithmetic", "geometric"]), limit=st.sampled_from([0.8, 1.1, 2.0]))
@settings(max_examples=60, deadline=None)
def test_p_and_bounds_agree(pairs: list[tuple[float, float]], mean: Mean, limit: float) -> None:
    candidate, baseline = (np.array(column) for column in zip(*pairs, strict=True))
    result = ratio_gate(candidate, baseline, max_ratio=limit, mean=mean)
    assert (result.p_pass <= 0.05) == (result.high < limit)
    assert (result.p_fail <= 0.05) == (result.low > 1)
    assert 0 <= result.low <= result.effect <= result.high


def test_geometric_ratio_is_the_t_test_of_logs() -> None:
    rng = np.random.default_rng(1)
    baseline = rng.lognormal(0, 1, 300)
    candidate = baseline * rng.lognormal(0.02, 0.3, 300)
    result = ratio_gate(candidate, baseline, max_ratio=1.05, mean="geometric")
    logs = np.log(candidate / baseline)
    expected = oracle.ttest_1samp(logs, math.log(1.05), alternative="less").pvalue
    assert result.p_pass == pytest.approx(expected, rel=1e-6)
    assert result.variance == pytest.approx(logs.var(ddof=1) / 300)


def test_unit_of_money_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    baseline = rng.lognormal(0, 1, 40)
    candidate = baseline * rng.lognormal(0.1, 0.3, 40)
    cents, dollars = (ratio_gate(candidate * f, baseline * f, max_ratio=1.1) for f in (100.0, 1.0))
    assert cents.p_pass == pytest.approx(dollars.p_pass, rel=1e-6)
    assert cents.high == pytest.approx(dollars.high, rel=1e-6)


def test_constant_ratio_needs_the_rule_of_three() -> None:
    for mean in ("arithmetic", "geometric"):
        few, enough = (ratio_gate(np.ones(n), np.ones(n), max_ratio=1.1, mean=mean) for n in (31, 32))
        assert few.p_pass > 0.05 >= enough.p_pass
        assert enough.p_fail_is_bound
        assert few.high > 1.1 > enough.high


def test_one_unit_proves_nothing() -> None:
    single = ratio_gate([1.0], [2.0], max_ratio=1.1)
    cluster = ratio_gate([1.0, 2.0], [2.0, 4.0], max_ratio=1.1, clusters=["a", "a"], target="new", mean="geometric")
    for result in (single, cluster):
        assert (result.p_pass, result.low, result.high) == (1.0, 0.0, math.inf)
        assert result.no_evidence is not None


def test_clusters_are_the_units_for_new_ones() -> None:
    rng = np.random.default_rng(3)
    factor = np.repeat(rng.lognormal(0, 0.3, 12), 6)
    baseline = rng.lognormal(0, 0.3, 72)
    labels = np.arange(72) // 6
    for mean in ("arithmetic", "geometric"):
        new = ratio_gate(baseline * factor, baseline, max_ratio=1.1, clusters=labels, target="new", mean=mean)
        these = ratio_gate(baseline * factor, baseline, max_ratio=1.1, clusters=labels, target="these", mean=mean)
        assert new.low < these.low
        assert new.high > these.high
        assert new.n_clusters == 12


def test_delta_method_ratio() -> None:
    result = ratio_of_sums([1, 2, 3], [1, 1, 0])
    assert result.value == 3.0
    with pytest.raises(StatsError):
        ratio_of_sums([1, 2], [0, 0])
    with pytest.raises(StatsError):
        ratio_of_sums([1, 2], [1, -1])
    with pytest.raises(StatsError):
        ratio_of_sums([1, 2], [1])


def test_values_without_a_ratio_raise() -> None:
    for candidate, baseline, mean in (
        ([1, 2], [0, 0], "arithmetic"),
        ([1, 2], [1, -1], "arithmetic"),
        ([1, 0], [1, 1], "geometric"),
        ([1, 1], [1, 1], "harmonic"),
    ):
        with pytest.raises(StatsError):
            ratio_gate(candidate, baseline, max_ratio=1.1, mean=mean)  # type: ignore[arg-type]
    with pytest.raises(StatsError, match="max_ratio"):
        ratio_gate([1, 1], [1, 1], max_ratio=0.0)
