"""Unbounded differences and sign flips."""

import math

import numpy as np
import pytest
from scipy import stats as oracle

from evalkit.stats import StatsError, mean_gate, paired_t_p, sign_flip_exact, sign_flip_random, unbounded_gate

VALUES = np.random.default_rng(1).normal(0.2, 1.0, 40)


def test_unbounded_gate_is_the_t_test() -> None:
    result = unbounded_gate(VALUES, margin=0.1)
    assert result.p_pass == pytest.approx(oracle.ttest_1samp(VALUES, -0.1, alternative="greater").pvalue, rel=1e-6)
    assert result.p_fail == pytest.approx(oracle.ttest_1samp(VALUES, 0, alternative="less").pvalue, rel=1e-6)
    assert result.p_pass == pytest.approx(paired_t_p(VALUES, null=-0.1), rel=1e-6)
    assert (result.p_pass <= 0.05) == (result.low > -0.1)


def test_clusters_widen_the_interval() -> None:
    shared = np.repeat(np.random.default_rng(2).normal(size=8), 5)
    new = mean_gate(shared, null_pass=-0.1, null_fail=0.0, clusters=np.arange(40) // 5, target="new")
    these = mean_gate(shared, null_pass=-0.1, null_fail=0.0, clusters=np.arange(40) // 5, target="these")
    assert new.high - new.low > these.high - these.low
    assert (new.method, these.method) == ("cluster-t/1", "t/1")
    assert (new.n_clusters, new.effective_clusters) == (8, 8.0)
    assert "only 8 units" in new.why


@pytest.mark.parametrize("values", [[3.0], [3.0, 3.0, 3.0]])
def test_no_spread_proves_nothing(values: list[float]) -> None:
    result = unbounded_gate(values, margin=1.0)
    assert (result.p_pass, result.p_fail) == (1.0, 1.0)
    assert (result.low, result.high) == (-math.inf, math.inf)
    assert result.no_evidence is not None


def test_one_cluster_proves_nothing() -> None:
    result = mean_gate([1.0, 2.0], null_pass=0, null_fail=0, clusters=["a", "a"], target="new")
    assert result.no_evidence is not None


def test_sign_flips_exact_and_random_agree() -> None:
    diffs = [0.05, -0.02, 0.07, 0.01, 0.03, -0.01, 0.04, 0.06, 0.0]
    exact = sign_flip_exact(diffs)
    expected = oracle.permutation_test(
        (np.array(diffs),), np.mean, permutation_type="samples", n_resamples=np.inf
    ).pvalue
    assert exact.p_value == pytest.approx(expected)
    random = sign_flip_random(diffs, np.random.default_rng(1), n_flips=20_000)
    assert random.p_value == pytest.approx(exact.p_value, abs=0.01)


def test_sign_flips_without_movement() -> None:
    assert sign_flip_exact([0.0, 0.0]).p_value == 1.0
    assert sign_flip_random([0.0], np.random.default_rng(1), n_flips=99).p_value == 1.0
    with pytest.raises(StatsError, match="too many"):
        sign_flip_exact(np.arange(1, 30))


def test_impossible_requests_raise() -> None:
    with pytest.raises(StatsError):
        unbounded_gate(VALUES, margin=-1)
    with pytest.raises(StatsError):
        mean_gate(VALUES, null_pass=0, null_fail=0, target="new")
    with pytest.raises(StatsError):
        mean_gate(VALUES, null_pass=0, null_fail=0, clusters=VALUES)
    with pytest.raises(StatsError):
        paired_t_p([1.0], null=0)
    with pytest.raises(StatsError):
        paired_t_p([1.0, 1.0], null=0)
