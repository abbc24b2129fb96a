"""Each rule is measured by its own method, in the metric's own unit, with what it rests on said."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from evalkit.base.errors import UsageError
from evalkit.compare.compare import compare
from evalkit.compare.differences import age_warning, definition_differences
from evalkit.core.candidate import Candidate, Prompt, PromptMessage
from evalkit.core.item import DatasetInfo
from evalkit.core.run import (
    STATUS_CANDIDATE_FAILED,
    STATUS_ERROR,
    STATUS_INFRASTRUCTURE_FAILED,
    STATUS_OK,
    STATUS_SKIPPED,
    MetricColumn,
    RunTable,
)
from evalkit.core.suite import MetricRule, Policy
from evalkit.core.verdict import Comparison, MetricComparison
from evalkit.stats import clopper_pearson_lower, gate_test, tango_p
from tests.unit.compare.tables import column, manifest, table

N = 200


def rule(metric: str, kind: str, **more: Any) -> MetricRule:
    return MetricRule.model_validate({"metric": metric, "rule": kind, **more})


def measured(
    ours: MetricColumn | RunTable, theirs: MetricColumn | RunTable | None, one: MetricRule, **more: Any
) -> MetricComparison:
    found = compared(ours, theirs, one, **more)
    metric = next(metric for metric in found.metrics if metric.rule_id == one.id)
    return MetricComparison.model_validate(metric.model_dump())


def compared(
    ours: MetricColumn | RunTable, theirs: MetricColumn | RunTable | None, *rules: MetricRule, **more: Any
) -> Comparison:
    first = ours if isinstance(ours, RunTable) else table(ours)
    second = table(theirs) if isinstance(theirs, MetricColumn) else theirs
    return compare(first, second, Policy(rules=rules), **more)


def outcomes(n: int, worse: int, better: int, right: int) -> tuple[np.ndarray, np.ndarray]:
    """Candidate and baseline scores of ``n`` items with so many worse, better, and right on both sides."""
    base = np.r_[np.ones(worse), np.zeros(better), np.ones(right), np.zeros(n - worse - better - right)]
    ours = np.r_[np.zeros(worse), np.ones(better), np.ones(right), np.zeros(n - worse - better - right)]
    return ours, base


def latency(values: Any, **more: Any) -> MetricColumn:
    return column(values, name="latency_s", kind="positive", better="lower", grader=None, **more)


def test_a_binary_rule_is_tangos_test_with_counts_and_flips() -> None:
    ours, base = outcomes(300, 20, 0, 260)
    found = measured(column(ours), column(base), rule("correct", "no_regression", margin=0.03))
    assert found.effect == pytest.approx(-20 / 300)
    assert found.p_pass is not None
    assert found.p_pass >= 0.5
    assert found.p_fail == pytest.approx(gate_test(ours - base, margin=0.03).p_fail)
    assert (found.n_worse, found.n_better) == (20, 0)
    assert found.discordance == pytest.approx(20 / 300)
    assert [flip.item_id for flip in found.regressed][:2] == ["q000000", "q000001"]
    assert found.regressed[0].baseline == 1.0
    assert found.baseline == pytest.approx(280 / 300)
    assert found.candidate == pytest.approx(260 / 300)
    assert found.confidence == pytest.approx(0.90)
    better, worse = outcomes(200, 5, 5, 150)
    asked = rule("correct", "no_regression", margin=0.05)
    p = measured(column(better), column(worse), asked).p_pass
    assert p == pytest.approx(tango_p(5, 5, 200, margin=0.05), rel=0.1)


def test_where_lower_is_better_the_signs_turn_and_the_p_values_stay() -> None:
    ours, base = outcomes(N, 12, 4, 150)
    high = measured(column(ours), column(base), rule("correct", "no_regression"))
    low = measured(column(1 - ours, better="lower"), column(1 - base, better="lower"), rule("correct", "no_regression"))
    assert (low.p_pass, low.p_fail) == (high.p_pass, high.p_fail)
    assert low.effect == pytest.approx(-(high.effect or math.nan))
    assert low.low is not None
    assert low.high is not None
    assert low.low == pytest.approx(-(high.high or 0))
    assert low.high == pytest.approx(-(high.low or 0))
    assert low.regressed == tuple(
        flip.model_copy(update={"baseline": 0.0, "candidate": 1.0}) for flip in high.regressed
    )


def test_a_margin_not_given_is_five_points() -> None:
    ours, base = outcomes(N, 4, 4, 150)
    by_default = measured(column(ours), column(base), rule("correct", "no_regression"))
    assert by_default.p_pass == gate_test(ours - base, margin=0.05).p_pass


def test_improve_asks_for_more_than_nothing() -> None:
    ours, base = outcomes(N, 2, 30, 150)
    found = measured(column(ours), column(base), rule("correct", "improve"))
    assert found.p_pass is not None
    assert found.p_pass < 0.05
    assert found.low is not None
    assert found.low > 0.0
    assert found.needed_n is None


def test_clusters_are_judged_for_what_they_stand_for() -> None:
    ours, base = outcomes(N, 6, 6, 150)
    clusters = [f"doc{index // 10}" for index in range(N)]
    one = rule("correct", "no_regression", margin=0.10)

    def seen(**more: Any) -> MetricComparison:
        return measured(table(column(ours), clusters=clusters), table(column(base), clusters=clusters), one, **more)

    these, new = seen(cluster_meaning="these"), seen(cluster_meaning="new")
    assert (these.target, these.other_target, these.n_clusters) == ("these", "new", 20)
    assert (new.target, new.other_target) == ("new", "these")
    assert these.p_pass == pytest.approx(new.p_pass_other_target)
    assert new.p_pass == pytest.approx(these.p_pass_other_target)
    assert new.p_pass is not None
    assert these.p_pass is not None
    assert new.p_pass > these.p_pass
    assert new.needed_n is not None
    assert new.needed_n >= 29 * 10  # log(.05) / log(.9) clusters of ten


def test_what_clusters_mean_is_said_aloud_where_nobody_said_it() -> None:
    clusters = ["a", "a", None, None] * 10
    ours = table(column(np.ones(40)), clusters=clusters)
    found = compared(ours, table(column(np.ones(40))), rule("correct", "no_regression"))
    assert found.metrics[0].target == "these"
    assert found.metrics[0].n_clusters == 21
    assert "taken as `these`" in found.warnings[0]
    card = DatasetInfo(name="d", version="1", digest="x", n_items=40, cluster_meaning="new")
    carded = table(column(np.ones(40)), clusters=clusters, dataset=card)
    assert compared(carded, carded, rule("correct", "no_regression")).metrics[0].target == "new"
    policy = Policy(rules=(rule("correct", "no_regression"),), clusters="these")
    overruled = compare(carded, carded, policy)
    assert overruled.metrics[0].target == "these"
    assert "the policy wins" in overruled.warnings[0]
    widened = compare(carded, carded, policy.model_copy(update={"clusters": "new"}), cluster_meaning="these")
    assert widened.metrics[0].target == "new"


def test_a_ratio_of_costs_is_the_bills_and_of_latencies_the_typical_factor() -> None:
    rng = np.random.default_rng(1)
    base = np.exp(rng.normal(0, 0.5, N))
    ours = base * 1.05 * np.exp(rng.normal(0, 0.05, N))
    one = rule("latency_s", "no_regression", max_ratio=1.10)
    slow = measured(latency(ours), latency(base), one)
    assert slow.scale == "ratio"
    assert slow.effect == pytest.approx(math.exp(float(np.log(ours / base).mean())))
    assert slow.p_pass is not None
    assert slow.p_pass < 0.05
    assert slow.advisory is None  # one batch
    dear = measured(
        column(ours, name="cost_usd", kind="positive", better="lower", grader=None),
        column(base, name="cost_usd", kind="positive", better="lower", grader=None),
        rule("cost_usd", "no_regression", max_ratio=1.10),
    )
    assert dear.effect == pytest.approx(float(ours.sum() / base.sum()))
    assert dear.detectable_effect is not None
    assert dear.detectable_effect > 1.0


def test_a_ratio_where_higher_is_better_is_the_same_test_turned_round() -> None:
    rng = np.random.default_rng(2)
    base = np.exp(rng.normal(0, 0.5, N))
    ours = base * 0.97
    words = measured(
        column(ours, name="words", kind="positive"),
        column(base, name="words", kind="positive"),
        rule("words", "no_regression", max_ratio=1.10),
    )
    assert words.effect == pytest.approx(0.97)
    assert words.p_pass is not None
    assert words.p_pass < 0.05


@pytest.mark.parametrize("metric", ["latency_s", "cost_usd"])
def test_latency_and_cost_only_advise_where_the_arms_were_not_interleaved(metric: str) -> None:
    values = np.linspace(1, 2, N)
    ours = column(values, name=metric, kind="positive", better="lower", grader=None)
    stored = table(ours, batch="last week", provenance="stored baseline 2026-11-20")
    asked = (rule(metric, "no_regression", max_ratio=1.1), rule(metric, "at_most", bound=8.0))
    found = compared(ours, stored, *asked)
    assert found.metrics[0].advisory is not None
    assert "another time and load" in found.metrics[0].advisory
    assert found.metrics[0].advisory in found.warnings
    assert found.metrics[1].advisory is None
    assert compared(ours, table(ours), *asked).metrics[0].advisory is None


def test_an_advisory_given_by_the_caller_reaches_its_metric() -> None:
    found = compared(
        column(np.ones(N)),
        column(np.ones(N)),
        rule("correct", "no_regression"),
        advisory={"correct": "judge correct is not calibrated"},
    )
    assert found.metrics[0].advisory == "judge correct is not calibrated"


def test_failures_of_the_candidate_count_and_those_of_the_infrastructure_do_not() -> None:
    status = [STATUS_CANDIDATE_FAILED, STATUS_INFRASTRUCTURE_FAILED, STATUS_SKIPPED] + [STATUS_OK] * (N - 3)
    found = measured(column(np.ones(N), status=status), column(np.ones(N)), rule("correct", "no_regression"))
    assert (found.n_imputed, found.n_missing, found.n_skipped, found.n_pairs) == (1, 1, 1, N - 2)
    assert found.effect == pytest.approx(-1 / (N - 2))
    assert found.n_expected == N - 1


def test_a_latency_at_the_deadline_keeps_its_place() -> None:
    values = np.r_[60.0, np.full(N - 1, 1.0)]
    status = [STATUS_CANDIDATE_FAILED] + [STATUS_OK] * (N - 1)
    found = measured(latency(values, status=status), latency(np.ones(N)), rule("latency_s", "improve"))
    assert found.n_pairs == N
    assert found.n_imputed == 1
    assert found.candidate == pytest.approx(float(values.mean()))


def test_open_scores_never_become_numbers_but_bounds() -> None:
    ours, base = outcomes(N, 2, 2, 190)
    status = [STATUS_OK] * (N - 20) + [STATUS_ERROR] * 20
    found = measured(column(ours, status=status), column(base), rule("correct", "no_regression"))
    assert (found.n_pairs, found.n_grader_errors, found.n_missing) == (N - 20, 20, 0)
    assert found.p_pass is not None
    assert found.p_pass_worst_case is not None
    assert found.p_pass <= 0.05 < found.p_pass_worst_case
    assert found.worst_case_low is not None
    assert found.worst_case_high is not None
    assert found.worst_case_low < (found.effect or 0) < found.worst_case_high


def test_open_scores_of_a_metric_without_a_range_bound_nothing() -> None:
    values = np.random.default_rng(3).normal(size=N)
    status = [STATUS_ERROR] + [STATUS_OK] * (N - 1)
    one = rule("correct", "no_regression", margin=5.0)
    found = measured(column(values, kind="unbounded", status=status), column(values * 0.9, kind="unbounded"), one)
    assert (found.p_pass_worst_case, found.p_fail_best_case, found.worst_case_low) == (1.0, 1.0, None)


def test_scores_of_different_graders_are_never_paired() -> None:
    found = measured(
        column(np.ones(N), grader="correct@aaaa"),
        column(np.ones(N), grader="correct@bbbb"),
        rule("correct", "no_regression"),
    )
    assert found.reason is not None
    assert "correct@aaaa" in found.reason
    assert "correct@bbbb" in found.reason
    assert found.effect is found.p_pass is found.low is None


@pytest.mark.parametrize(
    ("ours", "theirs", "says"),
    [
        (column(np.ones(9)), column(np.ones(9), name="other"), "no scores of correct in run"),
        (column(np.ones(9)), column(np.ones(9), kind="bounded"), "is binary here and bounded"),
        (column(np.full(9, np.nan)), column(np.ones(9)), "finite number"),
        (column(np.ones(9)), column(np.full(9, np.inf)), "finite number"),
        (column(np.ones(9), status=[STATUS_ERROR] * 9), column(np.ones(9)), "9 with a grader's error"),
        (column(np.ones(9), status=[STATUS_INFRASTRUCTURE_FAILED] * 9), column(np.ones(9)), "9 of 9 missing"),
        (column(np.ones(9), status=[STATUS_SKIPPED] * 9), column(np.ones(9)), "all 9 pairs are skipped"),
        (column([]), column([]), "no pairs"),
    ],
)
def test_what_cannot_be_compared_has_a_reason_and_no_number(
    ours: MetricColumn, theirs: MetricColumn, says: str
) -> None:
    found = measured(ours, theirs, rule("correct", "no_regression"))
    assert found.reason is not None
    assert says in found.reason
    assert found.effect is found.p_pass is found.p_fail is found.baseline is found.candidate is None


def test_a_model_free_on_both_sides_has_not_become_dearer() -> None:
    free = column(np.zeros(N), name="cost_usd", kind="positive", better="lower", grader=None)
    found = measured(free, free, rule("cost_usd", "no_regression", max_ratio=1.1))
    assert (found.effect, found.low, found.high) == (1.0, 1.0, 1.0)
    assert (found.p_pass, found.p_fail, found.reason) == (0.0, 1.0, None)


def test_a_cost_where_there_was_none_has_no_ratio() -> None:
    free = column(np.zeros(N), name="cost_usd", kind="positive", better="lower", grader=None)
    paid = column(np.ones(N), name="cost_usd", kind="positive", better="lower", grader=None)
    found = measured(paid, free, rule("cost_usd", "no_regression", max_ratio=1.1))
    assert found.reason is not None
    assert found.p_pass is None


def test_a_bound_on_a_binary_metric_is_exact() -> None:
    ours = np.r_[np.ones(190), np.zeros(10)]
    found = measured(column(ours), None, rule("correct", "at_least", bound=0.9))
    assert found.low == pytest.approx(clopper_pearson_lower(190, 200, alpha=0.05))
    assert (found.candidate, found.scale, found.effect, found.baseline) == (0.95, "absolute", None, None)
    assert found.method.startswith("clopper-pearson")


def test_a_bound_on_several_trials_or_new_clusters_is_not_the_binomial() -> None:
    trials = np.tile([[1.0, 1.0], [1.0, 0.0]], (100, 1))
    found = measured(column(trials), None, rule("correct", "at_least", bound=0.5))
    assert found.method.startswith("restricted")
    clusters = [f"c{index // 2}" for index in range(N)]
    ours = table(column(np.r_[np.ones(190), np.zeros(10)]), clusters=clusters)
    new = measured(ours, None, rule("correct", "at_least", bound=0.5), cluster_meaning="new")
    assert new.target == "new"
    assert new.method.startswith("restricted")


def test_a_bound_uses_every_item_of_the_candidate_paired_or_not() -> None:
    ours = table(column(np.r_[np.ones(100), np.zeros(20)]))
    base = table(column(np.ones(100)))
    found = measured(ours, base, rule("correct", "at_least", bound=0.5))
    assert (found.n_pairs, found.baseline) == (120, 1.0)
    assert found.candidate == pytest.approx(100 / 120)


def test_the_baselines_figure_is_left_out_where_it_was_graded_otherwise_or_is_not_there() -> None:
    floor = rule("correct", "at_least", bound=0.5)
    count = rule("correct", "none_may_fail")
    for other in (
        column(np.ones(9), grader="contains@other"),
        column(np.ones(9), name="style"),
        column(np.full(9, np.nan)),
        column(np.ones(9), status=[STATUS_ERROR] * 9),
    ):
        assert measured(column(np.ones(9)), other, floor).baseline is None
    assert measured(column(np.ones(9)), column(np.ones(9), grader="x@1"), count).baseline is None


def test_what_the_statistics_refuse_becomes_a_reason() -> None:
    ours = table(column(np.ones(9)), clusters=["a", "b", "c"] * 3)
    policy = Policy(
        rules=(rule("correct", "no_regression"), rule("correct", "at_least", bound=0.5)),
        clusters="new",
        max_cluster_effect=0.05,
    )
    found = compare(ours, ours, policy)
    assert "margin must be" in (found.metrics[0].reason or "")
    assert found.metrics[1].reason is None


def test_a_bound_on_latency_is_a_mean_or_a_quantile() -> None:
    values = np.linspace(1.0, 3.0, N)
    mean = measured(latency(values), None, rule("latency_s", "at_most", bound=2.5))
    assert mean.candidate == pytest.approx(2.0)
    assert mean.p_pass is not None
    assert mean.p_pass < 0.05
    p95 = measured(latency(values), latency(values), rule("latency_s.p95", "at_most", bound=8.0))
    assert p95.statistic == "p95"
    assert p95.candidate == pytest.approx(float(np.sort(values)[189]))
    assert p95.p_pass is not None
    assert p95.p_pass < 0.05
    assert p95.baseline == p95.candidate
    assert p95.probability_unchanged_passes is not None
    few = measured(latency(values[:20]), None, rule("latency_s.p95", "at_most", bound=8.0))
    assert few.high is None  # 20 values bound no 95th percentile
    assert few.p_pass is not None
    assert few.p_pass > 0.05


def test_a_quantile_regresses_by_the_share_of_items_beyond_it() -> None:
    base = np.linspace(1.0, 3.0, N)
    one = rule("latency_s.p95", "no_regression", margin=0.05)
    same = measured(latency(base), latency(base), one)
    assert same.effect == 0.0
    assert same.p_pass is not None
    assert same.p_pass <= 0.05
    slow = measured(latency(base * 2), latency(base), one)
    assert slow.effect is not None
    assert slow.effect > 0.3
    assert slow.p_fail is not None
    assert slow.p_fail < 0.05
    assert slow.statistic == "share beyond the baseline's p95"
    words = rule("words.p05", "no_regression", margin=0.05)
    short = measured(
        column(base / 4, name="words", kind="positive"), column(base, name="words", kind="positive"), words
    )
    assert short.effect is not None
    assert short.effect > 0.5
    assert short.info.better == "lower"


def test_observed_rules_compare_the_plain_figure_and_say_so() -> None:
    ours = np.r_[np.ones(3), np.zeros(1)]
    found = measured(column(ours), None, rule("correct", "observed_at_least", bound=0.7))
    assert (found.candidate, found.p_pass, found.method) == (0.75, None, "observed")
    status = [STATUS_OK, STATUS_OK, STATUS_OK, STATUS_ERROR]
    open_one = measured(column(ours, status=status), None, rule("correct", "observed_at_least", bound=0.7))
    assert (open_one.worst_case_low, open_one.candidate, open_one.worst_case_high) == (0.75, 1.0, 1.0)


def test_none_may_fail_counts_outputs_and_names_items() -> None:
    ours = np.array([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0], [1.0, 1.0]])
    status = [[STATUS_OK] * 2, [STATUS_OK] * 2, [STATUS_OK, STATUS_CANDIDATE_FAILED], [STATUS_OK, STATUS_ERROR]]
    base = column(np.ones((4, 2)))
    found = measured(column(ours, status=status), base, rule("correct", "none_may_fail"))
    assert (found.candidate, found.worst_case_high, found.baseline, found.n_worse) == (3.0, 4.0, 0.0, 2)
    assert [flip.item_id for flip in found.regressed] == ["q000001", "q000002"]


def test_absolute_rules_bound_open_scores_too() -> None:
    status = [STATUS_ERROR] * 30 + [STATUS_OK] * 170
    found = measured(column(np.ones(N), status=status), None, rule("correct", "at_least", bound=0.9))
    assert found.p_pass is not None
    assert found.p_pass_worst_case is not None
    assert found.p_pass <= 0.05 < found.p_pass_worst_case
    unbounded = measured(
        column(np.linspace(0, 1, N), kind="unbounded", status=status),
        None,
        rule("correct", "at_least", bound=-5.0),
    )
    assert (unbounded.p_pass_worst_case, unbounded.p_fail_best_case) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("values", "status", "says"),
    [(np.full(9, np.nan), None, "finite"), (np.ones(9), [STATUS_ERROR] * 9, "no item has a value")],
)
def test_an_absolute_rule_without_values_has_a_reason(values: Any, status: Any, says: str) -> None:
    found = measured(column(values, status=status), None, rule("correct", "at_least", bound=0.5))
    assert found.reason is not None
    assert says in found.reason


def test_weights_make_hajek_means_everywhere() -> None:
    weights = [1.0, 3.0] * (N // 2)
    ours, base = np.tile([1.0, 0.0], N // 2), np.tile([1.0, 1.0], N // 2)

    def seen(kind: Any, one: MetricRule) -> MetricComparison:
        return measured(
            table(column(ours, kind=kind), weights=weights), table(column(base, kind=kind), weights=weights), one
        )

    assert seen("binary", rule("correct", "no_regression")).effect == pytest.approx(-0.75)
    assert seen("unbounded", rule("correct", "no_regression", margin=9.0)).effect == pytest.approx(-0.75)
    assert seen("positive", rule("correct", "no_regression", max_ratio=2.0)).effect == pytest.approx(0.25)
    bounded = seen("binary", rule("correct", "at_least", bound=0.1))
    assert bounded.candidate == pytest.approx(0.25)
    assert bounded.baseline == pytest.approx(1.0)
    found = compared(table(latency(np.ones(N)), weights=weights), None, rule("latency_s.p95", "at_most", bound=8.0))
    assert "unequal weights" in found.warnings[0]


def test_without_a_baseline_only_absolute_rules_have_figures() -> None:
    one, two = rule("correct", "no_regression"), rule("correct", "at_least", bound=0.5)
    found = compared(column(np.ones(N)), None, one, two)
    assert found.metrics[0].reason == "there is no baseline to compare with"
    assert found.metrics[1].candidate == 1.0
    assert (found.baseline, found.baseline_label, found.slices) == (None, "no baseline", ())
    assert found.pairing.n_candidate == N


def test_a_metric_without_a_rule_is_reported_and_decides_nothing() -> None:
    ours, base = outcomes(N, 12, 2, 150)
    first = table(column(ours), column(ours, name="polite"), latency(np.ones(N)))
    second = table(column(base), column(base, name="polite"), latency(np.ones(N)))
    found = compared(first, second, rule("correct", "no_regression"))
    assert [metric.rule_id for metric in found.metrics] == ["correct:no_regression", None, None]
    assert found.metrics[1].n_worse == 12
    assert found.metrics[2].scale == "ratio"


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (rule("corect", "no_regression"), "did you mean 'correct'"),
        (rule("correct.p95", "no_regression"), "needs a `margin`"),
        (rule("correct", "no_regression", max_ratio=1.1), "`max_ratio` on correct, which is binary"),
        (rule("correct", "no_regression", margin=1.0), "nothing could break"),
        (rule("correct", "at_least", bound=90.0), "the bound is 90"),
        (rule("latency_s", "none_may_fail"), "counts failing outputs"),
        (rule("latency_s", "no_regression"), "neither `margin` nor `max_ratio`"),
        (rule("free", "no_regression"), "neither `margin` nor `max_ratio`"),
        (rule("latency_s.p0", "at_most", bound=1.0), "no metric"),
    ],
)
def test_a_rule_that_does_not_fit_is_refused_with_a_hint(one: MetricRule, says: str) -> None:
    ours = table(column(np.ones(9)), latency(np.ones(9)), column(np.ones(9), name="free", kind="unbounded"))
    with pytest.raises(UsageError) as refused:
        compared(ours, ours, one)
    assert says in refused.value.message
    assert refused.value.hint


def test_a_rule_may_turn_the_direction_of_a_custom_metric() -> None:
    ours, base = outcomes(N, 0, 30, 100)
    found = measured(column(ours), column(base), rule("correct", "no_regression", better="lower"))
    assert found.n_worse == 30


def test_slices_of_thirty_are_looked_at_and_adjusted_together() -> None:
    ours, base = np.ones(N), np.ones(N)
    ours[:40] = 0.0
    tags = [("refund",) if i < 60 else ("other", "rare") if i < 85 else ("other",) for i in range(N)]
    found = compared(table(column(ours), tags=tags), table(column(base), tags=tags), rule("correct", "no_regression"))
    by_tag = {one.slice: one for one in found.slices}
    assert set(by_tag) == {"refund", "other"}
    assert by_tag["refund"].flagged
    assert not by_tag["other"].flagged
    assert by_tag["refund"].effect == pytest.approx(-40 / 60)
    assert all(one.p_fail_adjusted >= one.p_fail for one in found.slices)
    assert compared(table(column(ours), tags=tags), table(column(base)), slices=False).slices == ()


def test_slices_leave_out_what_is_not_comparable() -> None:
    tags = [("a",)] * N
    ours = table(column(np.ones(N), grader="x@1"), latency(np.ones(N)), tags=tags)
    assert compared(ours, table(column(np.ones(N), grader="x@2"), latency(np.ones(N)))).slices == ()
    few = [STATUS_OK] * 20 + [STATUS_INFRASTRUCTURE_FAILED] * (N - 20)
    assert compared(table(column(np.ones(N), status=few), tags=tags), table(column(np.ones(N)))).slices == ()


def test_warnings_name_lost_trials_one_sided_skips_and_open_scores() -> None:
    status = np.full((N, 2), STATUS_OK)
    status[0, 1], status[1], status[2, 0] = STATUS_INFRASTRUCTURE_FAILED, STATUS_SKIPPED, STATUS_ERROR
    found = compared(column(np.ones((N, 2)), status=status), column(np.ones((N, 2))))
    said = " | ".join(found.warnings)
    assert "2 items lack some of their trials" in said
    assert "1 items are skipped on one side" in said
    assert "1 items have a grader's error" in said


def test_every_part_of_the_definition_that_differs_is_named() -> None:
    old = manifest(graders={"correct": "correct@1", "gone": "gone@1"})
    prompt = Prompt(
        messages=(PromptMessage(role="user", content="Be brief.\n{{ inputs.q }}"),), source="prompts/b.yaml"
    )
    new = manifest(
        candidate=Candidate(
            name="n", model="local/extract-2", prompt=prompt, temperature=0.7, stop=("\n",), extra={"top_k": 5}
        ),
        dataset=DatasetInfo(name="support_qa", version="2026-12-01", digest="e" * 64, n_items=5),
        graders={"correct": "correct@2"},
        trials=3,
        seed=7,
        limit=10,
        conditions={"region": "eu"},
        versions={"evalkit": "2"},
    )
    said = "\n".join(definition_differences(new, old))
    for part in (
        "dataset version: 2026-11-01 → 2026-12-01",
        "dataset content: dddddddddddd → eeeeeeeeeeee (0 → 5 items)",
        "prompt: prompts/a.yaml@",
        "(0 lines out, 1 in)",
        "model: local/extract-1 → local/extract-2",
        "temperature: 0.0 → 0.7",
        "stop: none → ('\\n',)",
        "parameter top_k: none → 5",
        "grader correct: correct@1 → correct@2",
        "grader gone: gone@1 → none",
        "trials: 1 → 3",
        "seed: 20261123 → 7",
        "limit: none → 10",
        "condition region: none → eu",
        "version of evalkit: none → 2",
    ):
        assert part in said
    assert definition_differences(old, old) == ()
    unprompted = manifest(candidate=Candidate(name="n", model="m"))
    assert definition_differences(unprompted, unprompted) == ()
    bare = manifest(candidate=Candidate(name="n", model="m" * 80))
    assert "prompt: none → prompts/a.yaml@" in "\n".join(definition_differences(old, bare))
    assert "→ none" in definition_differences(bare, old)[0]
    assert "…" in "\n".join(definition_differences(bare, old))


def test_an_old_baseline_is_said_to_be_old() -> None:
    old, new = manifest(started_at="2026-09-01T00:00:00+00:00"), manifest()
    assert "83 days old" in (age_warning(new, old) or "")
    assert age_warning(new, new) is None
    assert age_warning(new, manifest(started_at="long ago")) is None
    assert age_warning(new, manifest(started_at="2026-09-01T00:00:00")) is None
    found = compared(column(np.ones(9)), table(column(np.ones(9)), started_at="2026-09-01T00:00:00+00:00"))
    assert "83 days old" in found.warnings[0]


def test_no_more_than_two_hundred_flips_are_kept_worst_first() -> None:
    base, ours = np.ones(500), np.linspace(0.0, 0.9, 500)
    found = measured(column(ours, kind="bounded"), column(base, kind="bounded"), rule("correct", "no_regression"))
    assert (found.n_worse, len(found.regressed)) == (500, 200)
    assert found.regressed[0].candidate == 0.0
