"""Comparisons and policies to verdicts. Pure: the same comparison under the same policy is the same verdict.

The order of checks is fixed: what cannot be judged is an error; a rule holds when its ``p_pass`` is at most alpha,
uncorrected, since all rules must hold; it is broken when its ``p_fail``, adjusted by Holm over the deciding rules of
all suites of the call, is at most alpha; anything else is inconclusive.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from evalkit.base.errors import UsageError
from evalkit.compare import wording
from evalkit.compare.pairing import MIN_MATCH
from evalkit.compare.rules import OBSERVED, margin_of
from evalkit.core.run import RunManifest
from evalkit.core.suite import MetricRule, Policy
from evalkit.core.verdict import Comparison, Finding, Grade, MetricComparison, Outcome, Verdict
from evalkit.stats import holm

__all__ = ["decide", "decide_many"]

Kind = Literal["too small by design", "borderline"]
_UNTESTED = OBSERVED | {"none_may_fail"}


class _Case(NamedTuple):
    """One suite: its comparison, policy, the metric of each rule, and why nothing in it can be judged."""

    comparison: Comparison
    policy: Policy
    metrics: tuple[MetricComparison, ...]
    problem: str | None


def decide(comparison: Comparison, policy: Policy) -> Verdict:
    """Return the verdict on one suite.

    Raises:
        UsageError: a run is restricted (``-k``, ``--last-failed``, ``-x``) and gives no verdict, or the comparison was
            made under another policy.
    """
    return decide_many([(comparison, policy)])[0]


def decide_many(cases: Sequence[tuple[Comparison, Policy]]) -> list[Verdict]:
    """Return the verdicts on several suites judged in one call; Holm's adjustment spans them all.

    Each suite's adjusted p values are held against its own policy's alpha.

    Raises:
        UsageError: as :func:`decide`.
    """
    opened = [_open(comparison, policy) for comparison, policy in cases]
    tested = [
        (case_no, rule_no, _p_fail(metric))
        for case_no, case in enumerate(opened)
        for rule_no, (rule, metric) in enumerate(zip(case.policy.rules, case.metrics, strict=True))
        if case.problem is None and _decides(rule, metric) and _is_tested(rule, metric)
    ]
    adjusted = holm([p for _, _, p in tested])
    found = {(case_no, rule_no): float(p) for (case_no, rule_no, _), p in zip(tested, adjusted, strict=True)}
    return [
        _verdict(case, {r: p for (c, r), p in found.items() if c == case_no}) for case_no, case in enumerate(opened)
    ]


def _open(comparison: Comparison, policy: Policy) -> _Case:
    for manifest in _manifests(comparison):
        if manifest.restricted is not None:
            raise UsageError(
                f"run {manifest.id} is restricted ({manifest.restricted}) and gives no verdict",
                hint="run the whole suite, without -k, --last-failed and -x",
            )
    by_rule = {metric.rule_id: metric for metric in comparison.metrics}
    for rule in policy.rules:
        if rule.id not in by_rule:
            raise UsageError(
                f"the comparison does not hold rule {rule.id}: it was made under another policy",
                hint="compare again under this policy",
                where=rule.where,
            )
    return _Case(comparison, policy, tuple(by_rule[rule.id] for rule in policy.rules), _problem(comparison, policy))


def _manifests(comparison: Comparison) -> list[RunManifest]:
    return [manifest for manifest in (comparison.candidate, comparison.baseline) if manifest is not None]


def _problem(comparison: Comparison, policy: Policy) -> str | None:
    """Return why nothing in this comparison can be judged, or None."""
    for manifest in _manifests(comparison):
        if manifest.status != "finished":
            return f"run {manifest.id} is {manifest.status}, not finished: the same command continues it"
    pairing = comparison.pairing
    if pairing.n_candidate == 0:
        return "the run has no items"
    for arm, rate in (("candidate", pairing.candidate_error_rate), ("baseline", pairing.baseline_error_rate)):
        if not rate <= policy.max_error_rate:
            return (
                f"{rate:.1%} of the {arm}'s outputs were lost to the infrastructure, {policy.max_error_rate:.1%} are"
                " tolerated: the same command asks for them again"
            )
    return None


def _decides(rule: MetricRule, metric: MetricComparison) -> bool:
    return rule.gate and metric.advisory is None


def _is_tested(rule: MetricRule, metric: MetricComparison) -> bool:
    """Whether the rule has p values that may be judged."""
    return rule.rule not in _UNTESTED and _flaw(rule, metric) is None


def _flaw(rule: MetricRule, metric: MetricComparison) -> str | None:
    """Return why one metric cannot be judged, or None."""
    if metric.reason is not None:
        return metric.reason
    if metric.n_pairs == 0:
        return "no item has a value"
    numbers = (metric.baseline, metric.candidate, metric.effect, metric.low, metric.high, metric.p_pass, metric.p_fail)
    cases = (metric.p_pass_worst_case, metric.p_fail_best_case, metric.worst_case_low, metric.worst_case_high)
    if not all(math.isfinite(number) for number in (*numbers, *cases) if number is not None):
        return "a figure is not finite"
    if metric.candidate is None or (rule.rule not in _UNTESTED and (metric.p_pass is None or metric.p_fail is None)):
        return "a figure is missing"
    if metric.n_missing > (1.0 - MIN_MATCH) * metric.n_expected:
        return f"{metric.n_missing} of {metric.n_expected} expected items have no value: under {MIN_MATCH:.0%} are left"
    return None


def _p_pass(metric: MetricComparison) -> float:
    """The p value that must be small for the rule to hold: also with every open score at its worst."""
    return max(metric.p_pass or 0.0, metric.p_pass_worst_case or 0.0)


def _p_fail(metric: MetricComparison) -> float:
    return max(metric.p_fail or 0.0, metric.p_fail_best_case or 0.0)


def _alone(rule: MetricRule, metric: MetricComparison) -> float | None:
    """The p value of a rule that does not decide: it is in no family, so that nothing is adjusted."""
    return _p_fail(metric) if _is_tested(rule, metric) else None


def _finding(rule: MetricRule, metric: MetricComparison, case: _Case, p_adjusted: float | None) -> Finding:
    metric = metric.model_copy(update={"p_fail_adjusted": p_adjusted})
    grade, outcome, reason = _judge(rule, metric, case)
    return Finding(
        rule=rule,
        comparison=metric,
        grade=grade,
        outcome=outcome,
        decides=_decides(rule, metric),
        need=wording.need(rule, metric),
        reason=reason,
    )


def _judge(rule: MetricRule, metric: MetricComparison, case: _Case) -> tuple[Grade, Outcome, str]:
    if case.problem is not None:
        return "invalid", "error", case.problem
    if case.comparison.baseline is None and metric.scale != "absolute":
        return "inconclusive", "inconclusive", metric.reason or "there is no baseline"
    if (flaw := _flaw(rule, metric)) is not None:
        return "invalid", "error", flaw
    if rule.rule == "none_may_fail":
        return _judge_count(metric)
    if rule.rule in OBSERVED:
        return _judge_observed(rule, metric)
    return _judge_tested(rule, metric, case.policy)


def _judge_count(metric: MetricComparison) -> tuple[Grade, Outcome, str]:
    grade: Grade = "pass"
    outcome: Outcome = "pass"
    if (metric.candidate or 0.0) > 0.0:
        grade, outcome = "regress", "fail"
    elif (metric.worst_case_high or 0.0) > 0.0:
        grade, outcome = "inconclusive", "inconclusive"
    return grade, outcome, wording.count_reason(metric, outcome)


def _judge_observed(rule: MetricRule, metric: MetricComparison) -> tuple[Grade, Outcome, str]:
    sign = 1.0 if rule.rule == "observed_at_least" else -1.0
    figure, bound = metric.candidate or 0.0, rule.bound or 0.0
    low = figure if metric.worst_case_low is None else metric.worst_case_low
    high = figure if metric.worst_case_high is None else metric.worst_case_high
    held = [sign * (value - bound) >= 0.0 for value in (low, figure, high)]
    unbounded = metric.n_grader_errors > 0 and metric.worst_case_low is None
    grade: Grade = "inconclusive"
    outcome: Outcome = "inconclusive"
    if all(held) and not unbounded:
        grade, outcome = "pass", "pass"
    elif not any(held) and not unbounded:
        grade, outcome = "regress", "fail"
    return grade, outcome, wording.observed_reason(rule, metric, outcome)


def _judge_tested(rule: MetricRule, metric: MetricComparison, policy: Policy) -> tuple[Grade, Outcome, str]:
    if _p_pass(metric) <= policy.alpha:
        improved = _better_beyond(metric, 0.0)
        within = not improved and _worse_beyond(metric, 0.0)
        reason = wording.pass_reason(rule, metric, improved=improved, worse_within=within)
        return ("improved" if improved else "pass"), "pass", reason
    if metric.p_fail_adjusted is not None and metric.p_fail_adjusted <= policy.alpha:
        beyond = _worse_beyond(metric, _tolerated(rule, metric))
        return "regress", "fail", wording.fail_reason(rule, metric, beyond=beyond)
    return "inconclusive", "inconclusive", wording.inconclusive_reason(rule, metric, policy)


def _tolerated(rule: MetricRule, metric: MetricComparison) -> float:
    """The tolerated loss: of a difference in its unit, of a ratio on the log scale."""
    return math.log(rule.max_ratio or 1.0) if metric.scale == "ratio" else margin_of(rule)


def _oriented(metric: MetricComparison) -> tuple[float, float]:
    """Both bounds, higher is better, 0 is no difference; infinite where there is none."""
    low = -math.inf if metric.low is None else _centred(metric, metric.low)
    high = math.inf if metric.high is None else _centred(metric, metric.high)
    return (low, high) if metric.info.better == "higher" else (-high, -low)


def _centred(metric: MetricComparison, value: float) -> float:
    if metric.scale == "ratio":
        return math.log(value) if value > 0.0 else -math.inf
    return value


def _better_beyond(metric: MetricComparison, by: float) -> bool:
    return metric.scale != "absolute" and _oriented(metric)[0] > by


def _worse_beyond(metric: MetricComparison, by: float) -> bool:
    return metric.scale != "absolute" and _oriented(metric)[1] < -by


def _verdict(case: _Case, adjusted: dict[int, float]) -> Verdict:
    rules = zip(case.policy.rules, case.metrics, strict=True)
    findings = tuple(
        _finding(rule, metric, case, adjusted.get(no, _alone(rule, metric))) for no, (rule, metric) in enumerate(rules)
    )
    outcome, problem = _outcome(case, findings)
    open_rules = [finding for finding in findings if finding.decides and finding.outcome == "inconclusive"]
    return Verdict(
        suite=case.comparison.suite,
        outcome=outcome,
        findings=findings,
        comparison=_adjusted(case.comparison, findings),
        policy=case.policy,
        summary_line=wording.summary(outcome, findings, case.comparison, problem),
        next_steps=_next_steps(case, outcome, open_rules, problem),
        inconclusive_kind=_kind(case.policy, open_rules) if outcome == "inconclusive" else None,
        probability_unchanged_passes=_unchanged_passes(findings),
    )


def _outcome(case: _Case, findings: Sequence[Finding]) -> tuple[Outcome, str | None]:
    """Return the outcome, and what keeps the whole verdict from being one of its rules (None: nothing)."""
    if case.problem is not None:
        return "error", case.problem
    outcomes = {finding.outcome for finding in findings if finding.decides}
    if not outcomes:
        why = "all are advisory" if findings else "the policy has no rules"
        return "inconclusive", f"no rule decides: {why}"
    for worst in ("error", "fail", "inconclusive"):
        if worst in outcomes:
            return worst, None
    if any(manifest.limit is not None for manifest in _manifests(case.comparison)):
        return "inconclusive", "all deciding rules hold, but on a --limit prefix, which never passes"
    return "pass", None


def _adjusted(comparison: Comparison, findings: Sequence[Finding]) -> Comparison:
    judged = {finding.rule.id: finding.comparison for finding in findings}
    metrics = tuple(judged.get(metric.rule_id or "", metric) for metric in comparison.metrics)
    return comparison.model_copy(update={"metrics": metrics})


def _next_steps(case: _Case, outcome: Outcome, open_rules: Sequence[Finding], problem: str | None) -> tuple[str, ...]:
    run_id = case.comparison.candidate.id
    if outcome != "inconclusive":
        return ()
    if open_rules:
        steps = [wording.next_step(finding, case.policy, run_id=run_id) for finding in open_rules]
        return tuple(dict.fromkeys(steps))
    if problem is not None and "--limit" in problem:
        return ("run the whole suite, without --limit",)
    return ("let at least one rule decide: drop `gate: false`, or mend what makes it advisory",)


def _kind(policy: Policy, open_rules: Sequence[Finding]) -> Kind | None:
    """Return whether an equal candidate would too rarely have passed a rule that stayed open."""
    judged = [finding for finding in open_rules if finding.comparison.reason is None]
    if not judged:
        return None
    small = any(
        finding.comparison.needed_n is not None
        and finding.comparison.probability_unchanged_passes is not None
        and finding.comparison.probability_unchanged_passes < policy.power
        for finding in judged
        if finding.rule.rule != "improve"
    )
    return "too small by design" if small else "borderline"


def _unchanged_passes(findings: Sequence[Finding]) -> float | None:
    """Return the chance that an equal candidate keeps every deciding tested rule; None where one is not known.

    The product of the rules' chances: where they move together the true chance is larger.
    """
    tested = [finding for finding in findings if finding.decides and finding.rule.rule not in _UNTESTED]
    chances = [finding.comparison.probability_unchanged_passes for finding in tested]
    known = [chance for chance in chances if chance is not None]
    if not known or len(known) < len(chances):
        return None
    return math.prod(known)
