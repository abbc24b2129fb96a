"""Verdicts as Markdown: comments on pull requests, step summaries, and the note of a tracking run.

Texts that models and users wrote stand in code spans and fenced blocks, or with every mark escaped: nothing in them
becomes a link, a mention, an image or a row of a table.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from evalkit.base.hashing import short
from evalkit.core.run import RunManifest
from evalkit.core.verdict import Finding, MetricComparison, Verdict
from evalkit.report.figures import (
    arm_figure,
    change_text,
    confidence_text,
    detects_text,
    interval_text,
    outcome_word,
    p_value,
)
from evalkit.report.rows import ReportRow, SuiteReport, change_of
from evalkit.report.safe_text import code_block, code_span, cut, inline_html, markdown_text, visible
from evalkit.report.statements import headline, paired_phrase, statements

__all__ = ["COMMENT_LIMIT", "SUMMARY_LIMIT", "marker", "render_comment", "render_step_summary", "render_table"]

COMMENT_LIMIT = 65_535
"""Characters that a comment on GitHub may have."""
SUMMARY_LIMIT = 1024 * 1024
"""Bytes that a step summary on GitHub may have."""

_SIGNS = {"pass": "✅", "fail": "❌", "inconclusive": "❔", "error": "⚠️"}
_TEXT_LIMIT = 2_000
_DIFF_LINES = 60


@dataclass(frozen=True, slots=True)
class _Section:
    """A piece that is kept or left out as a whole; the highest priority number goes first."""

    priority: int
    text: str


def render_comment(reports: Sequence[SuiteReport], *, name: str | None = None, n_items: int = 10) -> str:
    """Return the body of one sticky comment over all suites, at most 65,535 characters, cut by section.

    Args:
        reports: the suites, in the order of the command.
        name: what the hidden marker carries; the suite's name if there is one suite, else ``gate``. Give a fixed one
            where the suites vary from push to push.
        n_items: how many regressed items of a suite are shown with their differences.
    """
    return _render(reports, name, n_items, limit=COMMENT_LIMIT, in_bytes=False)


def render_step_summary(reports: Sequence[SuiteReport], *, n_items: int = 50) -> str:
    """Return the step summary of all suites, at most 1,024 KiB, cut by section."""
    return _render(reports, None, n_items, limit=SUMMARY_LIMIT, in_bytes=True)


def render_table(verdict: Verdict) -> str:
    """Return headline, rules and statements of one verdict: the note of a tracking run."""
    return "\n\n".join([_head(verdict), _rules_table(verdict.findings), _statement_list(verdict)]).strip() + "\n"


def marker(name: str) -> str:
    """Return the hidden mark by which a later push finds its comment again."""
    return f"<!-- evalkit:{re.sub(r'[^A-Za-z0-9_.]', '_', name)[:100]} -->"


def _render(reports: Sequence[SuiteReport], name: str | None, n_items: int, *, limit: int, in_bytes: bool) -> str:
    title = name or (reports[0].verdict.suite if len(reports) == 1 else "gate")
    sections = [section for report in reports for section in _sections(report, n_items)]
    return _fit(marker(title), sections, limit=limit, in_bytes=in_bytes)


def _fit(mark: str, sections: Sequence[_Section], *, limit: int, in_bytes: bool) -> str:
    """Return mark and sections in at most ``limit``: the least important are left out, from the end, and counted."""

    def size(text: str) -> int:
        return len(text.encode()) if in_bytes else len(text)

    reserve = 200
    room = limit - size(mark) - reserve
    kept: set[int] = set()
    order = sorted(range(len(sections)), key=lambda index: (sections[index].priority, index))
    for index in order:
        room -= size(sections[index].text) + 2
        if room < 0:
            break
        kept.add(index)
    parts = [mark, *(section.text for index, section in enumerate(sections) if index in kept)]
    left_out = len(sections) - len(kept)
    if left_out:
        parts.append(f"_{left_out} more sections did not fit; the HTML report has everything._")
    return "\n\n".join(parts) + "\n"


def _sections(report: SuiteReport, n_items: int) -> Iterator[_Section]:
    verdict = report.verdict
    yield _Section(0, _head(verdict))
    yield _Section(1, _rules_table(verdict.findings))
    said = _statement_list(verdict)
    if said:
        yield _Section(2, said)
    measured = [metric for metric in verdict.comparison.metrics if metric.rule_id is None]
    if measured:
        yield _Section(3, _measured_table(measured))
    for row in islice(_regressed(report.rows, n_items), n_items):
        yield _Section(5, _item(row))
    yield _Section(4, _conditions(report))


def _head(verdict: Verdict) -> str:
    comparison = verdict.comparison
    arms = f"{code_span(comparison.candidate.candidate.name)} vs {markdown_text(comparison.baseline_label)}"
    return (
        f"### {_SIGNS[verdict.outcome]} {markdown_text(verdict.suite)}: {verdict.outcome}\n\n"
        f"**{markdown_text(headline(verdict))}**\n\n"
        f"{arms}, {paired_phrase(comparison.pairing)}"
    )


def _rules_table(findings: Sequence[Finding]) -> str:
    if not findings:
        return ""
    confidence = confidence_text(findings[0].comparison.confidence)
    head = (
        "rule",
        "base",
        "candidate",
        f"change [{confidence} CI]",
        "need",
        "p (fail, adjusted)",
        "detects",
        "outcome",
    )
    return _table(head, [_rule_cells(finding) for finding in findings])


def _rule_cells(finding: Finding) -> tuple[str, ...]:
    comparison = finding.comparison
    p_fail = comparison.p_fail if comparison.p_fail_adjusted is None else comparison.p_fail_adjusted
    outcome = outcome_word(finding)
    return (
        code_span(finding.rule.metric, in_table=True),
        *_figures(comparison),
        _table_text(finding.need),
        p_value(p_fail),
        detects_text(comparison),
        f"**{outcome}**" if finding.outcome in {"fail", "error"} else outcome,
    )


def _figures(comparison: MetricComparison) -> tuple[str, str, str]:
    change = f"{change_text(comparison)} {interval_text(comparison)}".rstrip()
    return (
        arm_figure(comparison, comparison.baseline),
        arm_figure(comparison, comparison.candidate),
        change.replace("[", "\\[").replace("]", "\\]"),
    )


def _measured_table(metrics: Iterable[MetricComparison]) -> str:
    rows = [(code_span(metric.info.name, in_table=True), *_figures(metric)) for metric in metrics]
    return "Measured without a rule:\n\n" + _table(("metric", "base", "candidate", "change"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _table_text(text: str) -> str:
    return markdown_text(text) or " "


def _statement_list(verdict: Verdict) -> str:
    words = {"warning": "warning: ", "difference": "differs: ", "next": "next: "}
    return "\n".join(
        f"- {words.get(statement.kind, '')}{markdown_text(statement.text)}" for statement in statements(verdict)
    )


def _regressed(rows: Iterable[ReportRow], n_items: int) -> Iterator[ReportRow]:
    """Yield the worst regressed rows first; only ``n_items`` of them are held."""
    held: list[tuple[float, int, ReportRow]] = []
    for index, row in enumerate(rows):
        change = change_of(row)
        if change not in {"regressed", "error"}:
            continue
        loss = max((score.loss for score in row.scores.values()), default=0.0) if change == "regressed" else -1.0
        held.append((-loss, index, row))
        if len(held) > 4 * n_items:
            held = sorted(held, key=lambda entry: entry[:2])[:n_items]
    yield from (row for _, _, row in sorted(held, key=lambda entry: entry[:2]))


def _item(row: ReportRow) -> str:
    scores = ", ".join(
        f"{code_span(name, limit=40)} {_score(score.baseline_value)} → {_score(score.candidate_value)}"
        for name, score in islice(row.scores.items(), 8)
        if score.baseline_value != score.candidate_value
    )
    if row.candidate_failure is not None:
        body = code_block(cut(f"{row.candidate_failure.code}: {row.candidate_failure.message}", _TEXT_LIMIT))
    elif row.baseline_text is None:
        body = code_block(row.candidate_text[:_TEXT_LIMIT]) + "\n\nThe baseline's text is not stored."
    else:
        body = code_block(_diff(row.baseline_text, row.candidate_text), language="diff")
    expected = "" if row.expected is None else f"\n\nexpected: {code_span(str(row.expected), limit=300)}"
    summary = inline_html(cut(row.item_id, 80))
    return f"<details><summary>{summary}</summary>\n\n{scores or 'no scores'}{expected}\n\n{body}\n\n</details>"


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _diff(baseline: str, candidate: str) -> str:
    before = visible(baseline[:_TEXT_LIMIT]).split("\n")
    after = visible(candidate[:_TEXT_LIMIT]).split("\n")
    lines = [line for line in difflib.ndiff(before, after) if not line.startswith("?")]
    more = [f"  … {len(lines) - _DIFF_LINES} more lines"] if len(lines) > _DIFF_LINES else []
    return "\n".join([*lines[:_DIFF_LINES], *more])


def _conditions(report: SuiteReport) -> str:
    comparison = report.verdict.comparison
    lines = [_manifest("candidate", comparison.candidate)]
    if comparison.baseline is not None:
        lines.append(_manifest("baseline", comparison.baseline))
    if report.report:
        lines.append(f"- report: {code_span(report.report)}")
    return "<details><summary>Run conditions</summary>\n\n" + "\n".join(lines) + "\n\n</details>"


def _manifest(side: str, manifest: RunManifest) -> str:
    candidate = manifest.candidate
    prompt = f", prompt {short(candidate.prompt.digest)}" if candidate.prompt else ""
    commit = f", commit {code_span(manifest.git.commit[:12])}" if manifest.git.commit else ""
    dataset = code_span(f"{manifest.dataset.name}@{manifest.dataset.version or short(manifest.dataset.digest)}")
    return f"- {side}: {code_span(candidate.model)}{prompt}, {dataset}, run {code_span(manifest.id)}{commit}"
