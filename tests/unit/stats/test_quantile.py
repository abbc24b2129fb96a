"""Quantile rules: order statistics, ties, clusters."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.stats import StatsError, quantile_bootstrap, quantile_difference_gate, quantile_gate, sample_quantile


def test_order_statistics_of_200_values() -> None:
    values = np.arange(1.0, 201.0)
    result = quantile_gate(values, bound=150.0, alpha=0.025)
    assert (result.effect, result.low, result.high) == (190.0, 184.0, 197.0)  # scipy.stats.quantile_test


def test_no_upper_bound_of_p95_below_59_values() -> None:
    values = np.arange(58.0)
    assert quantile_gate(values, bound=50.0).high == math.inf
    assert quantile_gate(np.arange(59.0), bound=50.0).high == 58.0
    assert quantile_gate([1.0, 2.0], bound=1.5, quantile=0.05).low == -math.inf


@given(values=st.lists(st.integers(0, 12), min_size=60, max_size=150), bound=st.integers(0, 12))
@settings(max_examples=50, deadline=None)
def test_rule_and_interval_agree_even_with_ties(values: list[int], bound: int) -> None:
    result = quantile_gate(values, bound=bound, quantile=0.8)
    assert (result.p_pass <= 0.05) == (result.high <= bound)
    assert (result.p_fail <= 0.05) == (result.low > bound)
    assert result.low <= result.effect <= result.high


def test_at_least_mirrors_at_most() -> None:
    values = np.random.default_rng(1).normal(size=100)
    most = quantile_gate(values, bound=2.5, quantile=0.9)
    least = quantile_gate(-values, bound=-2.5, quantile=0.1, direction="at_least")
    assert most.high == pytest.approx(-least.low)


def test_clusters_widen_the_interval_and_the_bootstrap_agrees() -> None:
    rng = np.random.default_rng(2)
    labels = np.arange(4000) // 10
    values = np.exp(np.repeat(rng.normal(0, 0.6, 400), 10) + rng.normal(0, 0.3, 4000))
    new = quantile_gate(values, bound=4.0, clusters=labels, target="new")
    these = quantile_gate(values, bound=4.0, clusters=labels, target="these")
    assert new.high - new.low > 1.3 * (these.high - these.low)
    check = quantile_bootstrap(values, rng, clusters=labels)
    assert check.high - check.low == pytest.approx(new.high - new.low, rel=0.35)
    assert quantile_bootstrap(values, rng).low > check.low


def test_difference_counts_values_above_the_baselines_quantile() -> None:
    baseline = np.arange(1.0, 101.0)
    slower = quantile_difference_gate(baseline * 1.5, baseline, margin=0.02)
    assert slower.effect == pytest.approx(-0.32)
    assert slower.p_fail < 0.001
    same = quantile_difference_gate(baseline, baseline, margin=0.05)
    assert same.effect == 0.0
    assert same.p_pass <= 0.05


def test_impossible_requests_raise() -> None:
    with pytest.raises(StatsError, match="quantile"):
        sample_quantile([1.0], 1.0)
    with pytest.raises(StatsError, match="bound"):
        quantile_gate([1.0, 2.0], bound=math.inf)
    with pytest.raises(StatsError, match="units"):
        quantile_bootstrap([1.0], np.random.default_rng(1))
