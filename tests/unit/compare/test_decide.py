"""Four outcomes, their order, and that nothing but evidence is ever a pass."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.base.errors import UsageError
from evalkit.compare.compare import compare
from evalkit.compare.decide import decide, decide_many
from evalkit.compare.wording import figure
from evalkit.core.run import STATUS_ERROR, STATUS_OK
from evalkit.core.score import MetricInfo
from evalkit.core.suite import MetricRule, Policy
from evalkit.core.verdict import Comparison, ExitCode, Flip, MetricComparison, PairingAccount, Verdict
from tests.unit.compare.tables import column, manifest, table

REGRESSION = MetricRule(metric="correct", rule="no_regression", margin=0.05)
BINARY = MetricInfo(name="correct", kind="binary", grader="c@1")
LATENCY = MetricInfo(name="latency_s", kind="positive", better="lower")
MAX_RATIO = MetricRule(metric="latency_s", rule="no_regression", max_ratio=1.1)
PASSES: dict[str, Any] = {"p_pass": 0.01, "p_fail": 0.4, "effect": -0.007, "low": -0.038, "high": 0.024}
FAILS: dict[str, Any] = {"p_pass": 0.9, "p_fail": 0.001, "effect": -0.067, "low": -0.094, "high": -0.047}
OPEN: dict[str, Any] = {"p_pass": 0.3, "p_fail": 0.2, "effect": -0.02, "low": -0.07, "high": 0.03}


def metric(rule: MetricRule | None = REGRESSION, **changes: Any) -> MetricComparison:
    fields: dict[str, Any] = {
        "info": BINARY,
        "rule_id": rule.id if rule else None,
        "baseline": 0.86,
        "candidate": 0.853,
        "n_pairs": 300,
        "n_expected": 300,
        "probability_unchanged_passes": 0.9,
        "needed_n": 250,
    }
    return MetricComparison(**(fields | PASSES | changes))


def comparison(*metrics: MetricComparison, with_baseline: bool = True, **changes: Any) -> Comparison:
    account = PairingAccount(n_baseline=300, n_candidate=300, n_paired=300)
    fields: dict[str, Any] = {
        "suite": "support_qa",
        "candidate": manifest(),
        "baseline": manifest() if with_baseline else None,
        "baseline_label": "stored baseline 2026-11-20",
        "pairing": account,
        "metrics": metrics,
    }
    return Comparison(**(fields | changes))


def verdict(*cases: tuple[MetricRule, MetricComparison], **changes: Any) -> Verdict:
    policy = Policy(rules=tuple(rule for rule, _ in cases))
    return decide(comparison(*(one for _, one in cases), **changes), policy)


def only(rule: MetricRule, **changes: Any) -> Verdict:
    return verdict((rule, metric(rule, **changes)))


@pytest.mark.parametrize(
    ("fields", "outcome", "grade"),
    [
        (PASSES, "pass", "pass"),
        (PASSES | {"low": 0.01, "effect": 0.03, "high": 0.05}, "pass", "improved"),
        (FAILS, "fail", "regress"),
        (OPEN, "inconclusive", "inconclusive"),
    ],
)
def test_each_row_of_the_table(fields: dict[str, Any], outcome: str, grade: str) -> None:
    found = only(REGRESSION, **fields)
    assert (found.outcome, found.findings[0].outcome, found.findings[0].grade) == (outcome, outcome, grade)
    assert found.findings[0].need == "> -0.05"
    assert found.passed is (outcome == "pass")


def test_worse_within_the_margin_passes_with_a_note() -> None:
    found = only(REGRESSION, p_pass=0.02, p_fail=0.01, effect=-0.02, low=-0.04, high=-0.003)
    assert found.passed
    assert found.findings[0].reason.endswith("worse, but within the margin")


def test_a_failure_says_whether_the_margin_is_excluded_too() -> None:
    beyond = only(REGRESSION, p_pass=0.9, p_fail=0.001, effect=-0.09, low=-0.12, high=-0.06)
    assert "beyond what is tolerated" in beyond.findings[0].reason
    assert "may lie within" in only(REGRESSION, **FAILS).findings[0].reason


def test_the_summary_line_names_the_fall_the_counts_and_the_items() -> None:
    flips = tuple(Flip(item_id=name, baseline=1.0, candidate=0.0) for name in ("q017", "q044", "q102", "q200"))
    found = only(REGRESSION, **FAILS, n_worse=20, n_better=0, regressed=flips)
    assert found.summary_line == "FAIL: correct fell 6.7 points: 20 worse, 0 better (q017 q044 q102 …)"
    assert found.summary() == found.summary_line


def test_a_verdict_has_no_truth_value() -> None:
    with pytest.raises(TypeError, match="four outcomes"):
        bool(only(REGRESSION))


def test_fail_needs_the_adjusted_p_over_all_deciding_rules() -> None:
    rules = [REGRESSION.model_copy(update={"metric": name}) for name in ("a", "b", "c")]
    cases = [(rule, metric(rule, **OPEN | {"p_fail": 0.03})) for rule in rules]
    found = verdict(*cases)
    assert found.outcome == "inconclusive"
    assert all(one.comparison.p_fail_adjusted == pytest.approx(0.09) for one in found.findings)
    assert "not after adjustment" in found.findings[0].reason
    assert verdict(cases[0]).outcome == "fail"
    assert found.comparison.metrics[0].p_fail_adjusted == pytest.approx(0.09)


def test_the_adjustment_spans_all_suites_of_a_call() -> None:
    case = (comparison(metric(**OPEN | {"p_fail": 0.03})), Policy(rules=(REGRESSION,)))
    assert [one.outcome for one in decide_many([case])] == ["fail"]
    assert [one.outcome for one in decide_many([case, case])] == ["inconclusive", "inconclusive"]
    assert decide_many([]) == []


def test_rules_that_do_not_decide_are_in_no_family_and_change_nothing() -> None:
    free = REGRESSION.model_copy(update={"metric": "style", "gate": False})
    advised = REGRESSION.model_copy(update={"metric": "judged"})
    cases = [
        (REGRESSION, metric(**OPEN | {"p_fail": 0.03})),
        (free, metric(free, **FAILS)),
        (advised, metric(advised, **FAILS, advisory="judge not calibrated")),
    ]
    found = verdict(*cases)
    assert found.outcome == "fail"
    assert found.findings[0].comparison.p_fail_adjusted == 0.03
    assert [one.decides for one in found.findings] == [True, False, False]
    assert found.findings[1].outcome == "fail"
    assert verdict((REGRESSION, metric()), *cases[1:]).passed


@pytest.mark.parametrize(("gate", "why"), [(False, "all are advisory"), (None, "the policy has no rules")])
def test_without_a_deciding_rule_nothing_passes(gate: bool | None, why: str) -> None:
    cases = [] if gate is None else [(REGRESSION.model_copy(update={"gate": gate}), metric())]
    found = verdict(*cases)
    assert found.outcome == "inconclusive"
    assert found.summary_line == f"INCONCLUSIVE: no rule decides: {why}"
    assert found.next_steps
    assert found.inconclusive_kind is None


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": "no pairs", "p_pass": None, "p_fail": None, "effect": None},
        {"n_pairs": 0},
        {"effect": math.nan},
        {"low": math.inf},
        {"p_pass": math.nan},
        {"p_pass": None},
        {"p_fail": None},
        {"candidate": None},
        {"worst_case_low": math.nan},
        {"n_missing": 16},
    ],
)
def test_what_cannot_be_judged_is_an_error_and_never_green(changes: dict[str, Any]) -> None:
    found = only(REGRESSION, **changes)
    assert (found.outcome, found.findings[0].grade, found.exit_code) == ("error", "invalid", ExitCode.ERROR)
    assert found.findings[0].comparison.p_fail_adjusted is None


def test_fifteen_of_three_hundred_missing_are_still_95_percent() -> None:
    assert only(REGRESSION, n_missing=15).passed


@pytest.mark.parametrize("status", ["running", "interrupted"])
def test_an_unfinished_run_is_an_error(status: str) -> None:
    found = verdict((REGRESSION, metric()), candidate=manifest(status=status))
    assert (found.outcome, found.findings[0].outcome) == ("error", "error")
    assert "the same command continues it" in found.summary_line
    assert verdict((REGRESSION, metric()), baseline=manifest(status=status)).outcome == "error"


@pytest.mark.parametrize("arm", ["candidate", "baseline"])
@pytest.mark.parametrize(("rate", "outcome"), [(0.01, "pass"), (0.0101, "error"), (math.nan, "error")])
def test_too_many_lost_outputs_are_an_error(arm: str, rate: float, outcome: str) -> None:
    account: dict[str, Any] = {"n_baseline": 300, "n_candidate": 300, "n_paired": 300, f"{arm}_error_rate": rate}
    assert verdict((REGRESSION, metric()), pairing=PairingAccount(**account)).outcome == outcome


def test_an_empty_run_is_an_error() -> None:
    nothing = PairingAccount(n_baseline=0, n_candidate=0, n_paired=0)
    assert verdict((REGRESSION, metric()), pairing=nothing).outcome == "error"


@pytest.mark.parametrize("arm", ["candidate", "baseline"])
def test_a_restricted_run_gives_no_verdict(arm: str) -> None:
    with pytest.raises(UsageError, match="-k refund") as refused:
        verdict((REGRESSION, metric()), **{arm: manifest(restricted="-k refund")})
    assert refused.value.hint


@pytest.mark.parametrize("arm", ["candidate", "baseline"])
def test_a_limited_run_never_passes_but_may_fail(arm: str) -> None:
    found = verdict((REGRESSION, metric()), **{arm: manifest(limit=50)})
    assert found.outcome == "inconclusive"
    assert "--limit" in found.summary_line
    assert found.next_steps == ("run the whole suite, without --limit",)
    assert verdict((REGRESSION, metric(**FAILS)), **{arm: manifest(limit=50)}).outcome == "fail"


def test_a_comparison_under_another_policy_is_refused() -> None:
    with pytest.raises(UsageError, match="another policy"):
        decide(comparison(metric()), Policy(rules=(MAX_RATIO,)))


def test_an_error_outweighs_a_fail_and_a_fail_an_open_rule() -> None:
    rules = [REGRESSION.model_copy(update={"metric": name}) for name in ("a", "b", "c")]
    broken, fails, undecided = (
        (rules[0], metric(rules[0], n_pairs=0)),
        (rules[1], metric(rules[1], **FAILS)),
        (rules[2], metric(rules[2], **OPEN)),
    )
    assert verdict(broken, fails, undecided).outcome == "error"
    found = verdict(fails, undecided, (REGRESSION, metric()))
    assert found.outcome == "fail"
    assert found.next_steps == ()
    assert verdict(undecided, (REGRESSION, metric())).outcome == "inconclusive"
    both = verdict(fails, (REGRESSION, metric(**FAILS)))
    assert both.summary_line.endswith("; 1 more rule")


def test_without_a_baseline_relative_rules_stay_open_and_absolute_ones_decide() -> None:
    floor = MetricRule(metric="correct", rule="at_least", bound=0.8)
    held = metric(floor, scale="absolute", effect=None, low=0.82, high=0.9)
    missing = metric(reason="there is no baseline to compare with", p_pass=None, p_fail=None, n_pairs=0)
    alone = verdict((floor, held), with_baseline=False)
    assert alone.passed
    assert "300 items" in alone.summary_line
    both = verdict((floor, held), (REGRESSION, missing), with_baseline=False)
    assert both.outcome == "inconclusive"
    assert "evalkit baseline accept" in both.next_steps[0]
    assert both.inconclusive_kind is None
    assert both.summary_line == "INCONCLUSIVE: correct: there is no baseline to compare with"
    silent = verdict((REGRESSION, metric(reason=None)), with_baseline=False)
    assert silent.findings[0].reason == "there is no baseline"


def test_grader_errors_that_could_turn_a_rule_leave_it_open() -> None:
    found = only(REGRESSION, p_pass_worst_case=0.2, p_fail_best_case=0.9, n_grader_errors=9)
    assert found.outcome == "inconclusive"
    assert "9 items with a grader's error or abstention count as failing" in found.findings[0].reason
    assert "evalkit grade" in found.next_steps[0]
    assert only(REGRESSION, p_pass_worst_case=0.04, p_fail_best_case=0.9, n_grader_errors=1).passed
    best = only(REGRESSION, **FAILS, p_pass_worst_case=0.99, p_fail_best_case=0.3, n_grader_errors=9)
    assert best.outcome == "inconclusive"
    assert "count as passing" in best.findings[0].reason
    sure = only(REGRESSION, **FAILS, p_pass_worst_case=0.99, p_fail_best_case=0.01, n_grader_errors=1)
    assert sure.outcome == "fail"
    more = only(REGRESSION, **OPEN, n_grader_errors=2, needed_n=900)
    assert "about 900 items" in more.next_steps[0]


@pytest.mark.parametrize(
    ("chance", "needed", "kind"),
    [
        (0.79, 900, "too small by design"),
        (0.8, 200, "borderline"),
        (None, 900, "borderline"),
        (0.1, None, "borderline"),
    ],
)
def test_inconclusive_says_whether_the_design_was_too_small(
    chance: float | None, needed: int | None, kind: str
) -> None:
    found = only(REGRESSION, **OPEN, probability_unchanged_passes=chance, needed_n=needed)
    assert found.inconclusive_kind == kind
    assert len(found.next_steps) == 1
    assert found.probability_unchanged_passes == chance


def test_an_improvement_not_shown_is_borderline_and_says_what_can_be_seen() -> None:
    improve = MetricRule(metric="correct", rule="improve")
    found = only(improve, **OPEN, probability_unchanged_passes=0.05, needed_n=None, detectable_effect=0.043)
    assert found.inconclusive_kind == "borderline"
    assert "0.043" in found.next_steps[0]
    assert "now" not in only(improve, **OPEN).next_steps[0]
    assert found.findings[0].need == "> 0"


def test_new_clusters_are_named_in_the_number_needed() -> None:
    found = only(REGRESSION, **OPEN, needed_n=900, target="new", n_clusters=30)
    assert "(30)" in found.next_steps[0]


def test_the_chance_of_an_unchanged_candidate_is_the_product_over_deciding_tested_rules() -> None:
    other = REGRESSION.model_copy(update={"metric": "style"})
    observed = MetricRule(metric="correct", rule="observed_at_least", bound=0.5)
    plain = metric(observed, scale="absolute", p_pass=None, p_fail=None, low=None, high=None, effect=None)
    cases = [(REGRESSION, metric()), (other, metric(other, probability_unchanged_passes=0.5)), (observed, plain)]
    assert verdict(*cases).probability_unchanged_passes == pytest.approx(0.45)
    assert verdict((observed, plain)).probability_unchanged_passes is None
    unknown = (other, metric(other, probability_unchanged_passes=None))
    assert verdict(cases[0], unknown).probability_unchanged_passes is None


@pytest.mark.parametrize(
    ("kind", "figure", "low", "high", "errors", "outcome"),
    [
        ("observed_at_least", 0.80, None, None, 0, "pass"),
        ("observed_at_least", 0.79, None, None, 0, "fail"),
        ("observed_at_most", 0.80, None, None, 0, "pass"),
        ("observed_at_most", 0.81, None, None, 0, "fail"),
        ("observed_at_least", 0.85, 0.79, 0.87, 4, "inconclusive"),
        ("observed_at_least", 0.85, 0.81, 0.87, 4, "pass"),
        ("observed_at_least", 0.70, 0.60, 0.75, 4, "fail"),
        ("observed_at_least", 0.85, None, None, 4, "inconclusive"),
        ("observed_at_least", 0.70, None, None, 4, "inconclusive"),
    ],
)
def test_observed_rules_compare_what_was_seen(
    kind: Any, figure: float, low: float | None, high: float | None, errors: int, outcome: str
) -> None:
    rule = MetricRule(metric="correct", rule=kind, bound=0.8)
    found = only(
        rule,
        scale="absolute",
        candidate=figure,
        effect=None,
        low=None,
        high=None,
        p_pass=None,
        p_fail=None,
        worst_case_low=low,
        worst_case_high=high,
        n_grader_errors=errors,
    )
    assert found.outcome == outcome
    assert found.findings[0].need.endswith("0.8 observed")
    assert "no inference" in found.findings[0].reason
    if outcome == "inconclusive":
        assert "decide it" in found.findings[0].reason


@pytest.mark.parametrize(
    ("failing", "worst", "missing", "outcome", "says"),
    [
        (0.0, 0.0, 0, "pass", "none of 300 items fails"),
        (0.0, 0.0, 2, "pass", "2 items were never graded"),
        (2.0, 2.0, 0, "fail", "2 failing outputs (q1)"),
        (1.0, 1.0, 0, "fail", "1 failing output (q1)"),
        (0.0, 3.0, 0, "inconclusive", "none fails, but"),
    ],
)
def test_none_may_fail_is_a_count(failing: float, worst: float, missing: int, outcome: str, says: str) -> None:
    rule = MetricRule(metric="correct", rule="none_may_fail")
    found = only(
        rule,
        scale="absolute",
        candidate=failing,
        effect=None,
        low=None,
        high=None,
        p_pass=None,
        p_fail=None,
        worst_case_high=worst,
        n_missing=missing,
        n_grader_errors=int(worst - failing),
        regressed=(Flip(item_id="q1", baseline=1.0, candidate=0.0),) if failing else (),
    )
    assert found.outcome == outcome
    assert says in found.findings[0].reason
    assert found.findings[0].need == "0 failing"
    if outcome == "fail":
        assert found.summary_line.startswith(f"FAIL: correct: {failing:g} failing")
    if outcome == "inconclusive":
        assert "evalkit grade" in found.next_steps[0]
        assert found.summary_line.startswith("INCONCLUSIVE: correct: none fails, but 3 items")


def test_an_undecided_rule_shows_its_figure_and_what_it_needs() -> None:
    assert only(REGRESSION, **OPEN).summary_line == "INCONCLUSIVE: correct: -0.020 [-0.070, +0.030], needs > -0.05"
    assert figure(metric(effect=None)) == "no figure"


def test_ratio_rules_are_worded_as_ratios() -> None:
    fields: dict[str, Any] = {"info": LATENCY, "scale": "ratio", "baseline": 1.0, "candidate": 1.2}
    slow = only(MAX_RATIO, **fields, effect=1.2, low=1.12, high=1.28, p_pass=0.99, p_fail=0.001)
    assert (slow.outcome, slow.findings[0].need) == ("fail", "< 1.10x")
    assert slow.summary_line == "FAIL: latency_s rose 20%, needs < 1.10x"
    assert "beyond what is tolerated" in slow.findings[0].reason
    fast = only(MAX_RATIO, **fields, effect=0.8, low=0.7, high=0.9, p_pass=0.001, p_fail=0.99)
    assert fast.findings[0].grade == "improved"
    within = only(MAX_RATIO, **fields, effect=1.05, low=1.02, high=1.08, p_pass=0.001, p_fail=0.01)
    assert "worse, but within the margin" in within.findings[0].reason
    none = only(MAX_RATIO, **fields, effect=1.0, low=0.0, high=None, p_pass=0.5, p_fail=0.5)
    assert none.outcome == "inconclusive"
    unknown = only(MAX_RATIO, **fields, effect=1.0, low=0.0, high=None, p_pass=0.01, p_fail=0.5)
    assert unknown.findings[0].grade == "pass"
    unbounded = only(MAX_RATIO, **fields, effect=1.0, low=None, high=1.05, p_pass=0.01, p_fail=0.5)
    assert unbounded.findings[0].grade == "pass"
    words = MAX_RATIO.model_copy(update={"metric": "words"})
    higher = fields | {"info": MetricInfo(name="words", kind="positive")}
    fewer = only(words, **higher, effect=0.7, low=0.6, high=0.8, p_pass=0.9, p_fail=0.001)
    assert fewer.summary_line == "FAIL: words fell 30%, needs > 0.91x"


def test_absolute_and_unbounded_failures_are_worded() -> None:
    floor = MetricRule(metric="correct", rule="at_least", bound=0.9)
    low = only(floor, scale="absolute", candidate=0.7125, effect=None, low=0.66, high=0.76, p_pass=1.0, p_fail=1e-9)
    assert low.summary_line == "FAIL: correct is 0.7125, needs > 0.9"
    assert "p < .0001" in low.findings[0].reason
    assert low.findings[0].grade == "regress"
    free = MetricInfo(name="correct", kind="unbounded", better="lower")
    found = only(REGRESSION, info=free, effect=2.5, low=1.0, high=4.0, p_pass=1.0, p_fail=0.001)
    assert found.summary_line == "FAIL: correct rose by 2.5, needs < +0.05"
    improve = MetricRule(metric="correct", rule="improve")
    assert only(improve, info=free).findings[0].need == "< 0"
    ceiling = MetricRule(metric="correct", rule="at_most", bound=0.9)
    assert only(ceiling, scale="absolute", effect=None).findings[0].need == "< 0.9"


def test_an_error_in_one_rule_is_named_in_the_summary() -> None:
    found = only(REGRESSION, reason="graded by a@1 here and by a@2 there")
    assert found.summary_line == "ERROR: correct: graded by a@1 here and by a@2 there"


def test_the_exit_code_follows_the_policy_on_inconclusive() -> None:
    case = comparison(metric(**OPEN))
    assert decide(case, Policy(rules=(REGRESSION,))).exit_code == ExitCode.PASS
    strict = Policy(rules=(REGRESSION,), on_inconclusive="fail")
    assert decide(case, strict).exit_code == ExitCode.INCONCLUSIVE


scores = st.lists(st.tuples(st.sampled_from((0.0, 1.0)), st.sampled_from((0.0, 1.0))), min_size=0, max_size=120)
halves = st.lists(
    st.tuples(st.sampled_from((0.0, 0.5, 1.0)), st.sampled_from((0.0, 0.25, 1.0))), min_size=2, max_size=60
)


def judged(pairs: list[tuple[float, float]], margin: float, *, better: Any = "higher", swap: bool = False) -> Verdict:
    rule = MetricRule(metric="correct", rule="no_regression", margin=margin)
    ours, theirs = [a for a, _ in pairs], [b for _, b in pairs]
    if swap:
        ours, theirs = theirs, ours
    columns = [column(np.array(values), kind="bounded", better=better) for values in (ours, theirs)]
    policy = Policy(rules=(rule,))
    return decide(compare(table(columns[0]), table(columns[1]), policy), policy)


@settings(max_examples=60, deadline=None)
@given(scores, st.floats(0.0, 0.4), st.floats(0.0, 0.4))
def test_a_wider_margin_never_turns_a_pass_away(pairs: list[tuple[float, float]], one: float, two: float) -> None:
    narrow, wide = sorted((one, two))
    if judged(pairs, narrow).passed:
        assert judged(pairs, wide).passed


@settings(max_examples=60, deadline=None)
@given(st.one_of(scores, halves), st.sampled_from((0.0, 0.02, 0.05, 0.2)))
def test_the_interval_and_the_p_values_tell_the_same(pairs: list[tuple[float, float]], margin: float) -> None:
    found = judged(pairs, margin).findings[0]
    one = found.comparison
    if not pairs:
        assert found.outcome == "error"
        return
    assert one.p_pass is not None
    assert one.p_fail is not None
    assert one.low is not None
    assert one.high is not None
    assert (one.p_pass <= 0.05) == (one.low > -margin)
    assert (one.p_fail <= 0.05) == (one.high < 0.0)
    assert (found.grade == "improved") == (one.low > 0.0)
    assert one.effect is not None
    assert one.low <= one.effect <= one.high


@settings(max_examples=60, deadline=None)
@given(st.one_of(scores, halves))
def test_swapping_the_arms_and_the_direction_changes_only_signs(pairs: list[tuple[float, float]]) -> None:
    first, second = judged(pairs, 0.05), judged(pairs, 0.05, better="lower", swap=True)
    assert first.outcome == second.outcome
    one, two = first.findings[0].comparison, second.findings[0].comparison
    assert (one.p_pass, one.p_fail, one.n_worse, one.n_better) == (two.p_pass, two.p_fail, two.n_worse, two.n_better)


@settings(max_examples=40, deadline=None)
@given(halves, st.randoms(use_true_random=False))
def test_the_order_of_items_changes_nothing(pairs: list[tuple[float, float]], random: Any) -> None:
    shuffled = list(pairs)
    random.shuffle(shuffled)
    first, second = judged(pairs, 0.05), judged(shuffled, 0.05)
    assert first.outcome == second.outcome
    assert first.findings[0].comparison.p_pass == pytest.approx(second.findings[0].comparison.p_pass)


@settings(max_examples=40, deadline=None)
@given(scores.filter(bool), st.integers(0, 40))
def test_open_scores_never_turn_a_verdict_round(pairs: list[tuple[float, float]], n_open: int) -> None:
    rule = MetricRule(metric="correct", rule="no_regression", margin=0.05)
    policy = Policy(rules=(rule,))
    ours, theirs = (np.array(values) for values in zip(*pairs, strict=True))
    status = np.where(np.arange(len(pairs)) < n_open, STATUS_ERROR, STATUS_OK)
    seen = decide(compare(table(column(ours, status=status)), table(column(theirs)), policy), policy)
    truth = {
        decide(
            compare(table(column(np.where(status == STATUS_ERROR, fill, ours))), table(column(theirs)), policy), policy
        ).outcome
        for fill in (0.0, 1.0)
    }
    if seen.outcome in ("pass", "fail"):
        assert truth == {seen.outcome}
