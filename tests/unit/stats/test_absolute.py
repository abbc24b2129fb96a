"""Absolute rules: exact for binary scores, restricted score otherwise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as oracle

from evalkit.stats import StatsError, gate_from_null, p_from_null
from evalkit.stats.absolute import Direction


@given(k=st.integers(0, 40), extra=st.integers(1, 40), bound=st.sampled_from([0.05, 0.5, 0.9]))
@settings(max_examples=40, deadline=None)
def test_binary_rules_are_exact_and_coherent(k: int, extra: int, bound: float) -> None:
    n = k + extra
    result = gate_from_null([1] * k + [0] * extra, bound=bound, direction="at_least")
    assert result.p_pass == pytest.approx(oracle.binomtest(k, n, bound, alternative="greater").pvalue, abs=1e-12)
    assert result.p_fail == pytest.approx(oracle.binomtest(k, n, bound, alternative="less").pvalue, abs=1e-12)
    assert (result.p_pass <= 0.05) == (result.low >= bound)
    assert (result.p_fail <= 0.05) == (result.high <= bound)


@given(
    values=st.lists(st.floats(0, 1, width=32), min_size=2, max_size=30),
    bound=st.floats(0.05, 0.95),
    direction=st.sampled_from(["at_least", "at_most"]),
)
@settings(max_examples=60, deadline=None)
def test_bounded_rules_are_coherent(values: list[float], bound: float, direction: Direction) -> None:
    result = gate_from_null(values, bound=bound, direction=direction, binary=False)
    passed, failed = result.p_pass <= 0.05, result.p_fail <= 0.05
    if direction == "at_least":
        assert (passed, failed) == (result.low > bound, result.high < bound)
    else:
        assert (passed, failed) == (result.high < bound, result.low > bound)
    assert 0 <= result.low <= result.high <= 1
    assert result.p_pass == p_from_null(values, bound=bound, direction=direction, binary=False).value


def test_at_most_mirrors_at_least() -> None:
    values = np.random.default_rng(1).beta(2, 5, 30)
    most = gate_from_null(values, bound=0.35, direction="at_most")
    least = gate_from_null(1 - values, bound=0.65, direction="at_least")
    assert most.p_pass == pytest.approx(least.p_pass, rel=1e-9)
    assert most.high == pytest.approx(1 - least.low, abs=1e-9)
    assert most.effect == pytest.approx(values.mean(), abs=1e-9)


def test_range_is_rescaled() -> None:
    values = np.random.default_rng(2).uniform(1, 5, 40)
    wide = gate_from_null(values, bound=2.5, direction="at_least", score_range=(1, 5))
    unit = gate_from_null((values - 1) / 4, bound=0.375, direction="at_least")
    assert wide.p_pass == pytest.approx(unit.p_pass, rel=1e-6)
    assert wide.low == pytest.approx(1 + 4 * unit.low, abs=1e-6)
    assert wide.variance == pytest.approx(16 * unit.variance, rel=1e-6)


def test_clusters_decide_when_new_ones_are_asked_for() -> None:
    scores, labels = [1] * 80, np.arange(80) // 8
    new = gate_from_null(scores, bound=0.9, direction="at_least", clusters=labels, target="new")
    these = gate_from_null(scores, bound=0.9, direction="at_least", clusters=labels, target="these")
    assert new.p_pass > 0.05 >= these.p_pass
    assert these.method == "clopper-pearson/1"
    assert these.other_target_p_pass == new.p_pass
    assert new.method == "restricted-score/1"


def test_a_rate_of_exactly_1_can_be_refuted_but_not_shown() -> None:
    perfect = gate_from_null([1] * 500, bound=1.0, direction="at_least")
    assert perfect.p_pass == 1.0
    assert perfect.no_evidence is not None
    flawed = gate_from_null([1] * 499 + [0], bound=1.0, direction="at_least")
    assert flawed.p_fail == 0.0
    assert gate_from_null([0.9] * 5, bound=1.0, direction="at_least").p_pass_is_bound


def test_weights_leave_the_exact_path() -> None:
    result = gate_from_null([1, 1, 0, 1] * 20, bound=0.6, direction="at_least", weights=[1, 1, 3, 1] * 20)
    assert result.method == "restricted-score/1"
    assert result.effect == pytest.approx(0.5)


def test_impossible_rules_raise() -> None:
    with pytest.raises(StatsError, match="outside the range"):
        gate_from_null([0.5], bound=1.2, direction="at_least")
    with pytest.raises(StatsError, match="outside"):
        gate_from_null([0.5, 3], bound=0.2, direction="at_least")
    with pytest.raises(StatsError, match="increase"):
        gate_from_null([0.5], bound=0.2, direction="at_least", score_range=(1, 0))
    with pytest.raises(StatsError, match="neither 0 nor 1"):
        gate_from_null([0.5], bound=0.2, direction="at_least", binary=True)
    with pytest.raises(StatsError, match="direction"):
        gate_from_null([0.5], bound=0.2, direction="under")  # type: ignore[arg-type]
