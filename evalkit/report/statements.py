"""What a verdict says in words, once, for the terminal, Markdown, HTML and JUnit alike.

The sentences here are raw: each renderer escapes them in its own way, since they carry names and messages that users
and models wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from evalkit.core.verdict import Comparison, Finding, MetricComparison, PairingAccount, Verdict
from evalkit.report.figures import arm_figure, count_text, p_value, percent, rate

__all__ = [
    "EMBEDDED_MODEL_NOTE",
    "Statement",
    "StatementKind",
    "headline",
    "paired_phrase",
    "statements",
    "worst_items",
]

StatementKind = Literal["finding", "account", "warning", "difference", "clusters", "note", "next"]
EMBEDDED_MODEL_NOTE = "the embedded model is not an LLM: for demonstration and tests"

_N_IDS = 3


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence of a report, not escaped."""

    kind: StatementKind
    text: str


def headline(verdict: Verdict) -> str:
    """Return the verdict's summary with the outcome in capitals before it, and the kind of an inconclusive one."""
    word = verdict.outcome.upper()
    summary = verdict.summary_line.strip()
    kind = verdict.inconclusive_kind
    if summary.upper().startswith(word):
        summary = summary[len(word) :].lstrip(" :")
    if verdict.outcome == "inconclusive" and kind is not None and kind not in summary:
        summary = f"{kind}: {summary}"
    return f"{word}: {summary}" if summary else word


def paired_phrase(pairing: PairingAccount) -> str:
    """Return ``300 paired, 0 missing``: missing are the baseline's items that found no partner."""
    return f"{pairing.n_paired:,} paired, {max(pairing.n_baseline - pairing.n_paired, 0):,} missing"


def worst_items(verdict: Verdict) -> list[str]:
    """Return ids of regressed items, those of failed rules first, each once."""
    ordered = sorted(verdict.findings, key=lambda finding: (finding.outcome != "fail", not finding.decides))
    return list(dict.fromkeys(flip.item_id for finding in ordered for flip in finding.comparison.regressed))


def statements(verdict: Verdict) -> list[Statement]:
    """Return everything a report says beside the rules' table and the headline, in reading order."""
    comparison = verdict.comparison
    found = [
        *_findings(verdict),
        *(Statement("account", text) for text in _pairing(comparison.pairing)),
        *(Statement("account", text) for finding in verdict.findings for text in _missing(finding)),
        *(Statement("account", text) for text in _skipped(verdict.findings)),
        *(Statement("warning", text) for text in comparison.warnings),
        *(Statement("difference", text) for text in comparison.differences),
        *(
            Statement("clusters", text)
            for finding in verdict.findings
            if finding.decides
            for text in _clusters(finding)
        ),
        *(Statement("note", text) for text in _notes(verdict)),
        *(Statement("next", text) for text in verdict.next_steps),
    ]
    return list(dict.fromkeys(found))


def _findings(verdict: Verdict) -> Iterator[Statement]:
    """Yield why each deciding rule that does not pass does not, as far as the headline has not said it."""
    summary = verdict.summary_line
    for finding in verdict.findings:
        advisory = finding.comparison.advisory
        if advisory and advisory not in verdict.comparison.warnings:
            yield Statement("finding", _named(finding, advisory))
        if finding.outcome == "pass" or not finding.decides:
            continue
        flips = _flips(finding.comparison)
        if finding.outcome == "fail" and flips:
            if flips not in summary:
                yield Statement("finding", f"{finding.rule.metric}: {flips}{_ids(finding)}")
        elif finding.reason and finding.reason not in summary:
            yield Statement("finding", _named(finding, finding.reason))
        reason = finding.comparison.reason
        if reason and reason not in finding.reason and reason not in summary:
            yield Statement("finding", _named(finding, reason))


def _named(finding: Finding, text: str) -> str:
    metric = finding.rule.metric
    return text if text.startswith(metric) else f"{metric}: {text}"


def _flips(comparison: MetricComparison) -> str:
    if not comparison.n_worse and not comparison.n_better:
        return ""
    return f"{comparison.n_worse} worse, {comparison.n_better} better"


def _ids(finding: Finding) -> str:
    ids = [flip.item_id for flip in finding.comparison.regressed]
    return f" ({_some(ids, finding.comparison.n_worse)})" if ids else ""


def _some(ids: Sequence[str], total: int | None = None) -> str:
    more = " …" if (total or len(ids)) > _N_IDS else ""
    return " ".join(ids[:_N_IDS]) + more


def _pairing(pairing: PairingAccount) -> Iterator[str]:
    groups = (
        (pairing.only_baseline, "only in the baseline"),
        (pairing.only_candidate, "new, not in the baseline"),
        (pairing.changed, "changed since the baseline"),
    )
    for ids, reason in groups:
        if ids:
            yield f"{count_text(len(ids), 'item')} not compared: {reason} ({_some(ids)})"
    if pairing.same_calls:
        yield f"{count_text(pairing.same_calls, 'pair')} came from one and the same call: no evidence in them"
    if pairing.candidate_error_rate or pairing.baseline_error_rate:
        yield (
            f"lost to infrastructure: candidate {rate(pairing.candidate_error_rate)}, "
            f"baseline {rate(pairing.baseline_error_rate)} of the outputs"
        )


def _missing(finding: Finding) -> Iterator[str]:
    comparison = finding.comparison
    counts = (
        (comparison.n_missing, "missing"),
        (comparison.n_imputed, "imputed"),
        (comparison.n_grader_errors, "lost to grader errors or abstentions"),
    )
    named = [f"{number:,} {word}" for number, word in counts if number]
    if not named:
        return
    text = f"{finding.rule.metric}: {', '.join(named)}"
    if comparison.worst_case_low is not None and comparison.worst_case_high is not None:
        signed = comparison.scale == "difference"
        low = arm_figure(comparison, comparison.worst_case_low, signed=signed)
        high = arm_figure(comparison, comparison.worst_case_high, signed=signed)
        text += f"; whatever these were, the effect lies in [{low}, {high}]"
    yield text


def _skipped(findings: Sequence[Finding]) -> Iterator[str]:
    counts = {finding.rule.metric: finding.comparison.n_skipped for finding in findings if finding.comparison.n_skipped}
    if counts:
        yield f"skipped items: {', '.join(f'{metric} {count:,}' for metric, count in counts.items())}"


def _notes(verdict: Verdict) -> Iterator[str]:
    for finding in verdict.findings:
        if finding.comparison.statistic.startswith("share "):
            yield f"{finding.rule.metric}: the figures are the {finding.comparison.statistic}"
    if any(not finding.decides for finding in verdict.findings):
        yield "outcomes in parentheses are reported only and decide nothing"
    if verdict.probability_unchanged_passes is not None:
        yield f"an unchanged candidate passes with probability {percent(verdict.probability_unchanged_passes)}"
    if verdict.restricted:
        yield f"restricted run: {verdict.restricted}"
    for model in _embedded_models(verdict.comparison):
        yield f"{model}: {EMBEDDED_MODEL_NOTE}"


def _clusters(finding: Finding) -> Iterator[str]:
    comparison = finding.comparison
    if comparison.other_target is None:
        return
    clusters = f" ({comparison.n_clusters:,} clusters)" if comparison.n_clusters else ""
    yield (
        f"{finding.rule.metric}{clusters}: p of passing {p_value(comparison.p_pass)}, of failing "
        f"{p_value(comparison.p_fail)} for {_target(comparison.target)}; {p_value(comparison.p_pass_other_target)} "
        f"and {p_value(comparison.p_fail_other_target)} for {_target(comparison.other_target)}"
    )


def _target(target: str) -> str:
    return {"items": "items", "these": "these clusters", "new": "new clusters"}.get(target, target)


def _embedded_models(comparison: Comparison) -> list[str]:
    models = [comparison.candidate.candidate.model]
    if comparison.baseline is not None:
        models.append(comparison.baseline.candidate.model)
    return [model for model in dict.fromkeys(models) if model.startswith("local/")]
