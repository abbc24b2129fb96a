"""The gate function: coherence, symmetry, monotonicity, edges."""

import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.stats import StatsError, gate_test, p_value, tango_interval, tango_variance

ternary = st.lists(st.sampled_from([-1, 0, 1]), min_size=2, max_size=40)
scores = st.lists(st.floats(-1, 1, allow_nan=False, width=32), min_size=2, max_size=30)
margins = st.sampled_from([0.0, 0.02, 0.05, 0.2])


@given(diffs=scores, margin=margins)
@settings(max_examples=60, deadline=None)
def test_p_and_bound_agree(diffs: list[float], margin: float) -> None:
    result = gate_test(diffs, margin=margin)
    assert (result.p_pass <= 0.05) == (result.low > -margin)
    assert (result.p_fail <= 0.05) == (result.high < 0)
    assert -1 <= result.low <= result.effect + 1e-9
    assert result.effect - 1e-9 <= result.high <= 1


@given(diffs=ternary, labels=st.lists(st.integers(0, 5), min_size=40, max_size=40), margin=margins)
@settings(max_examples=60, deadline=None)
def test_p_at_the_bound_is_alpha_for_new_clusters(diffs: list[int], labels: list[int], margin: float) -> None:
    clusters = labels[: len(diffs)]
    result = gate_test(diffs, margin=margin, clusters=clusters, target="new")
    if -1 < result.low < result.effect - 1e-6 and result.low != -margin and len(set(clusters)) > 1:
        assert p_value(diffs, result.low, clusters=clusters, target="new").value == pytest.approx(0.05, abs=1e-6)


@given(diffs=scores)
@settings(max_examples=40, deadline=None)
def test_swapping_the_arms_mirrors_the_interval(diffs: list[float]) -> None:
    forward, back = gate_test(diffs, margin=0.0), gate_test([-d for d in diffs], margin=0.0)
    assert forward.low == pytest.approx(-back.high, abs=1e-9)
    assert forward.p_pass == pytest.approx(back.p_fail, abs=1e-10)


@given(diffs=scores, seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_order_of_items_and_names_of_clusters_do_not_matter(diffs: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, codes = np.array(diffs), rng.integers(0, 4, len(diffs))
    order = rng.permutation(len(diffs))
    names = np.array(["d", "a", "c", "b"])
    first = gate_test(values, margin=0.05, clusters=codes, target="new")
    second = gate_test(values[order], margin=0.05, clusters=names[codes][order], target="new")
    assert first.p_pass == pytest.approx(second.p_pass, rel=1e-6)
    assert first.low == pytest.approx(second.low, abs=1e-9)


@given(diffs=scores)
@settings(max_examples=40, deadline=None)
def test_p_falls_as_the_margin_grows(diffs: list[float]) -> None:
    p_values = [p_value(diffs, -margin) for margin in (0.0, 0.02, 0.05, 0.1, 0.3, 0.6)]
    known = [p.value for p in p_values if not p.is_bound]
    assert all(later <= earlier + 1e-12 for earlier, later in itertools.pairwise(known))


@given(b=st.integers(0, 30), c=st.integers(0, 30), rest=st.integers(1, 60), null=st.sampled_from([-0.1, -0.05, -0.01]))
@settings(max_examples=60, deadline=None)
def test_variance_on_binary_differences_is_tangos(b: int, c: int, rest: int, null: float) -> None:
    n = b + c + rest
    if n < 2 or (b - c) / n <= null + 1e-9:
        return
    result = gate_test([1] * b + [-1] * c + [0] * rest, margin=-null)
    assert result.variance == pytest.approx(tango_variance(b, c, n, null=null), rel=1e-9)


def test_interval_is_tangos_where_floor_and_t_do_not_bind() -> None:
    n, b, c = 40_000, 2_300, 2_000
    result = gate_test([1] * b + [-1] * c + [0] * (n - b - c), margin=0.05)
    tango = tango_interval(b, c, n, alpha=0.10)
    assert result.low == pytest.approx(tango.low, abs=2e-7)
    assert result.high == pytest.approx(tango.high, abs=2e-7)


def test_no_difference_in_few_items_does_not_pass() -> None:
    assert gate_test([0] * 58, margin=0.05).p_pass > 0.05
    assert gate_test([0] * 59, margin=0.05).p_pass <= 0.05


def test_clusters_seen_without_a_loss_pass_from_the_rule_of_three_on() -> None:
    def p(n_clusters: int) -> float:
        return p_value([0] * (4 * n_clusters), -0.05, clusters=np.arange(4 * n_clusters) // 4, target="new").value

    assert p(58) > 0.05
    assert p(59) <= 0.05


def test_a_declared_cluster_effect_lets_fewer_clusters_pass() -> None:
    labels = np.arange(120) // 4
    wide = gate_test([0] * 120, margin=0.05, clusters=labels, target="new")
    narrow = gate_test([0] * 120, margin=0.05, clusters=labels, target="new", max_cluster_effect=0.5)
    assert narrow.p_pass < wide.p_pass
    assert wide.p_pass > 0.05 >= narrow.p_pass


def test_both_targets_are_printed() -> None:
    rng = np.random.default_rng(1)
    diffs, labels = rng.integers(-1, 2, 80), np.arange(80) // 8
    these = gate_test(diffs, margin=0.05, clusters=labels, target="these")
    new = gate_test(diffs, margin=0.05, clusters=labels, target="new")
    assert (these.other_target, new.other_target) == ("new", "these")
    assert these.other_target_p_pass == new.p_pass
    assert new.other_target_p_fail == these.p_fail
    assert these.p_pass == p_value(diffs, -0.05).value
    assert (these.n_clusters, these.n_items, these.effective_clusters) == (10, 80, 10.0)


def test_worst_possible_data() -> None:
    lost = gate_test([-1] * 20, margin=0.05)
    assert (lost.low, lost.p_pass, lost.p_pass_is_bound) == (-1.0, 0.5, True)
    assert lost.p_fail < 1e-3
    assert lost.high < -0.5


def test_one_unit_proves_nothing_and_says_so() -> None:
    for result in (
        gate_test([1.0], margin=0.05),
        gate_test([1.0, 1.0, 1.0], margin=0.05, clusters=["a", "a", "a"], target="new"),
    ):
        assert (result.p_pass, result.p_fail, result.low, result.high) == (1.0, 1.0, -1.0, 1.0)
        assert result.no_evidence is not None
        assert "two independent units" in result.no_evidence


def test_two_items_decide_nothing_but_have_an_interval() -> None:
    result = gate_test([1.0, 1.0], margin=0.05)
    assert result.p_pass > 0.05
    assert -1 < result.low < 0


def test_flag_says_when_p_is_only_known_to_be_large() -> None:
    better = gate_test([1, 1, 0, 0], margin=0.05)
    assert better.p_fail_is_bound
    assert not better.p_pass_is_bound
    assert better.p_fail == 0.5


def test_rounding_noise_is_no_difference() -> None:
    noisy = gate_test([0.3 - 0.1 - 0.2] * 10, margin=0.0)
    assert noisy.effect == 0.0
    assert noisy.p_fail_is_bound
    assert noisy.p_pass_is_bound


def test_equal_weights_change_nothing() -> None:
    rng = np.random.default_rng(2)
    diffs, labels = np.round(rng.uniform(-1, 1, 40), 2), np.arange(40) // 5
    weights = np.full(40, 3.7)
    assert gate_test(diffs, margin=0.1).low == gate_test(diffs, margin=0.1, weights=weights).low
    plain = gate_test(diffs, margin=0.1, clusters=labels, target="new")
    weighted = gate_test(diffs, margin=0.1, clusters=labels, target="new", weights=weights)
    assert (plain.p_pass, plain.low, plain.high) == (weighted.p_pass, weighted.low, weighted.high)


def test_weights_enter_the_mean_and_cost_effective_items() -> None:
    result = gate_test([1, 0, 0, -1], margin=0.5, weights=[1, 1, 1, 5])
    assert result.effect == pytest.approx(-0.5)
    assert result.effective_clusters == pytest.approx(64 / 28)
    assert "weighted" in result.why


def test_repeating_an_item_ten_times_as_a_cluster_adds_no_evidence() -> None:
    diffs = np.array([1, 0, 0, -1, 0, 1, 0, 0] * 10)
    single = p_value(diffs, -0.1, clusters=np.arange(80), target="new").value
    repeated = p_value(np.repeat(diffs, 10), -0.1, clusters=np.repeat(np.arange(80), 10), target="new").value
    assert repeated == pytest.approx(single, rel=1e-9)


@pytest.mark.parametrize("bad", [[math.nan, 0.0], [math.inf, 0.0], [1.5, 0.0], [], [[0.0, 1.0]], ["a"]])
def test_values_that_are_no_scores_raise(bad: list[float]) -> None:
    with pytest.raises(StatsError):
        gate_test(bad, margin=0.05)


def test_settings_that_make_no_sense_raise() -> None:
    diffs = [0.0, 0.1, -0.1]
    with pytest.raises(StatsError, match="margin"):
        gate_test(diffs, margin=-0.01)
    with pytest.raises(StatsError, match="margin"):
        gate_test(diffs, margin=0.3, clusters=[1, 2, 3], target="new", max_cluster_effect=0.2)
    with pytest.raises(StatsError, match="alpha"):
        gate_test(diffs, margin=0.05, alpha=0.6)
    with pytest.raises(StatsError, match="needs a cluster label"):
        gate_test(diffs, margin=0.05, target="new")
    with pytest.raises(StatsError, match='"these" clusters or "new"'):
        gate_test(diffs, margin=0.05, clusters=[1, 2, 3])
    with pytest.raises(StatsError, match="max_cluster_effect"):
        gate_test(diffs, margin=0.0, clusters=[1, 2, 3], target="new", max_cluster_effect=2)
    with pytest.raises(StatsError, match="null"):
        p_value(diffs, -1.0)
    with pytest.raises(StatsError, match="null"):
        p_value(diffs, 1.0)


def test_a_million_items_take_seconds_not_minutes() -> None:
    rng = np.random.default_rng(3)
    start = time.perf_counter()
    result = gate_test(rng.integers(-1, 2, 1_000_000), margin=0.02)
    assert time.perf_counter() - start < 20  # generous: a quadratic algorithm would need hours
    assert result.p_pass < 1e-100
