"""The sentences of a verdict: requirements, reasons, the summary line, and what would settle it. Decides nothing."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.compare.rules import margin_of
from evalkit.core.suite import MetricRule, Policy
from evalkit.core.verdict import Comparison, Finding, MetricComparison, Outcome

__all__ = [
    "count_reason",
    "fail_reason",
    "figure",
    "inconclusive_reason",
    "need",
    "next_step",
    "observed_reason",
    "pass_reason",
    "summary",
]

_SHOWN_ITEMS = 3
_SIGNS = {"at_least": ">", "at_most": "<", "observed_at_least": ">=", "observed_at_most": "<="}


def need(rule: MetricRule, metric: MetricComparison) -> str:
    """Return the requirement in print: ``> -0.05``, ``< 1.10x``, ``>= 0.8 observed``, ``0 failing``."""
    if rule.rule == "none_may_fail":
        return "0 failing"
    if rule.bound is not None:
        plain = " observed" if rule.rule.startswith("observed") else ""
        return f"{_SIGNS[rule.rule]} {rule.bound:g}{plain}"
    higher = metric.info.better == "higher"
    if metric.scale == "ratio":
        ratio = rule.max_ratio or 1.0
        return f"> {1.0 / ratio:.2f}x" if higher else f"< {ratio:.2f}x"
    margin = margin_of(rule)
    if margin == 0.0:
        return "> 0" if higher else "< 0"
    return f"> -{margin:g}" if higher else f"< +{margin:g}"


def figure(metric: MetricComparison) -> str:
    """Return the effect (or the candidate's own figure) with its interval, ``-0.007 [-0.038, +0.024]``."""
    value = metric.candidate if metric.scale == "absolute" else metric.effect
    if value is None:
        return "no figure"
    form = {"difference": "{:+.3f}", "ratio": "{:.3f}x", "absolute": "{:.4g}"}[metric.scale]
    if metric.low is None and metric.high is None:
        return form.format(value)
    low = "none" if metric.low is None else form.format(metric.low)
    high = "none" if metric.high is None else form.format(metric.high)
    return f"{form.format(value)} [{low}, {high}]"


def _p(value: float | None) -> str:
    return "p unknown" if value is None else f"p = {value:.2g}" if value >= 1e-4 else "p < .0001"


def pass_reason(rule: MetricRule, metric: MetricComparison, *, improved: bool, worse_within: bool) -> str:
    """Return why an inferential rule holds."""
    shown = f"{figure(metric)} is {need(rule, metric)} ({_p(metric.p_pass)})"
    if improved:
        return f"{shown}; better than the baseline"
    return f"{shown}; worse, but within the margin" if worse_within else shown


def fail_reason(rule: MetricRule, metric: MetricComparison, *, beyond: bool) -> str:
    """Return why an inferential rule is broken; ``metric`` carries the adjusted p value."""
    shown = f"{figure(metric)} where {need(rule, metric)} is needed (adjusted {_p(metric.p_fail_adjusted)})"
    if metric.scale == "absolute":
        return shown
    said = "beyond what is tolerated" if beyond else "though the loss may lie within what is tolerated"
    return f"{shown}; worse than the baseline, {said}"


def inconclusive_reason(rule: MetricRule, metric: MetricComparison, policy: Policy) -> str:
    """Return why an inferential rule is neither kept nor broken."""
    shown = f"{figure(metric)} shows neither that {need(rule, metric)} holds nor the opposite"
    if metric.p_pass is not None and metric.p_pass <= policy.alpha:
        return f"{shown} once {metric.n_grader_errors} items with a grader's error or abstention count as failing"
    if metric.p_fail is not None and metric.p_fail <= policy.alpha:
        if metric.p_fail_best_case is not None and metric.p_fail_best_case > policy.alpha:
            return f"{shown} once {metric.n_grader_errors} items with a grader's error or abstention count as passing"
        return f"{shown}: worse by itself ({_p(metric.p_fail)}), not after adjustment for the number of rules"
    return f"{shown} ({_p(metric.p_pass)} to pass, {_p(metric.p_fail)} to fail)"


def observed_reason(rule: MetricRule, metric: MetricComparison, outcome: Outcome) -> str:
    """Return what a rule on the plain figure came to."""
    shown = f"{figure(metric)} observed on {metric.n_pairs} items, {need(rule, metric)} is needed; no inference"
    if outcome == "inconclusive":
        return f"{shown}; {metric.n_grader_errors} items with a grader's error or abstention decide it"
    return shown


def count_reason(metric: MetricComparison, outcome: Outcome) -> str:
    """Return what a count of failing outputs came to."""
    failing = int(metric.candidate or 0.0)
    lost = f"; {metric.n_missing} items were never graded" if metric.n_missing else ""
    if outcome == "inconclusive":
        return f"none fails, but {metric.n_grader_errors} items have a grader's error or abstention{lost}"
    if outcome == "fail":
        return f"{failing} failing {_plural('output', failing)}{_items(metric)}{lost}"
    return f"none of {metric.n_pairs} items fails{lost}"


def _plural(word: str, n: int) -> str:
    return word if n == 1 else f"{word}s"


def _items(metric: MetricComparison) -> str:
    shown = " ".join(flip.item_id for flip in metric.regressed[:_SHOWN_ITEMS])
    more = " …" if len(metric.regressed) > _SHOWN_ITEMS else ""
    return f" ({shown}{more})" if shown else ""


def _failed(finding: Finding) -> str:
    metric, rule = finding.comparison, finding.rule
    name = rule.metric
    if rule.rule == "none_may_fail":
        return f"{name}: {finding.reason}"
    if metric.scale == "absolute":
        return f"{name} is {metric.candidate or 0.0:.4g}, needs {finding.need}"
    effect = metric.effect or 0.0
    if metric.scale == "ratio":
        moved = f"{'rose' if effect > 1.0 else 'fell'} {abs(effect - 1.0):.0%}"
    elif metric.info.kind in ("binary", "bounded"):
        moved = f"{'rose' if effect > 0.0 else 'fell'} {100.0 * abs(effect):.1f} points"
    else:
        moved = f"{'rose' if effect > 0.0 else 'fell'} by {abs(effect):.3g}"
    if metric.n_worse:
        return f"{name} {moved}: {metric.n_worse} worse, {metric.n_better} better{_items(metric)}"
    return f"{name} {moved}, needs {finding.need}"


def summary(outcome: Outcome, findings: Sequence[Finding], comparison: Comparison, problem: str | None) -> str:
    """Return the verdict in one line.

    Args:
        outcome: what was decided.
        findings: one a rule.
        comparison: what they were made of.
        problem: why the whole verdict is not a pass (error, nothing decides, a limited run), or None.
    """
    if problem is not None:
        return f"{outcome.upper()}: {problem}"
    deciding = [finding for finding in findings if finding.decides]
    there = [finding for finding in deciding if finding.outcome == outcome]
    if outcome == "pass":
        rules = "the 1 deciding rule holds" if len(deciding) == 1 else f"all {len(deciding)} deciding rules hold"
        return f"PASS: {rules} ({_size(comparison)})"
    first = min(there, key=_urgency)
    more = f"; {len(there) - 1} more {_plural('rule', len(there) - 1)}" if len(there) > 1 else ""
    if outcome == "fail":
        return f"FAIL: {_failed(first)}{more}"
    tested = first.comparison.p_pass is not None and outcome == "inconclusive"
    said = f"{figure(first.comparison)}, needs {first.need}" if tested else first.reason
    return f"{outcome.upper()}: {first.rule.metric}: {said}{more}"


def _urgency(finding: Finding) -> float:
    p = finding.comparison.p_fail_adjusted
    return -1.0 if p is None else p


def _size(comparison: Comparison) -> str:
    pairing = comparison.pairing
    return f"{pairing.n_candidate} items" if comparison.baseline is None else f"{pairing.n_paired} paired"


def next_step(finding: Finding, policy: Policy, *, run_id: str) -> str:
    """Return what would settle an inconclusive rule."""
    metric, rule = finding.comparison, finding.rule
    if metric.reason is not None:
        return f'accept a run as the baseline: evalkit baseline accept {run_id} --reason "…"'
    if metric.n_grader_errors and (metric.p_pass is None or not _needs_more(metric, policy)):
        return f"{rule.metric}: grade the {metric.n_grader_errors} open items again: evalkit grade {run_id}"
    if rule.rule == "improve":
        seen = "" if metric.detectable_effect is None else f" (now an effect of {metric.detectable_effect:.3g})"
        return f"{rule.metric}: more items see a smaller improvement{seen}"
    if metric.needed_n is None:
        return f"{rule.metric}: more items narrow the interval; their number cannot be told from these"
    if metric.needed_n > metric.n_pairs:
        clusters = f" in as many new clusters of this size as now ({metric.n_clusters})" * (metric.target == "new")
        return (
            f"{rule.metric}: about {metric.needed_n:,} items show {finding.need} for an equal candidate with power"
            f" {policy.power:g}; there are {metric.n_pairs:,}{clusters}"
        )
    return f"{rule.metric}: the size is sufficient for an equal candidate; look at the items that moved, or run again"


def _needs_more(metric: MetricComparison, policy: Policy) -> bool:
    """Whether the rule would be open even without the grader's errors."""
    return (metric.p_pass or 0.0) > policy.alpha and (metric.p_fail or 0.0) > policy.alpha
