"""Verdicts and runs as plain text of at most 80 columns, safe to print whatever the model wrote."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from evalkit.core.run import RunManifest
from evalkit.core.verdict import Comparison, Finding, Verdict
from evalkit.report.figures import (
    arm_figure,
    change_text,
    confidence_text,
    count_text,
    figure,
    interval_text,
    outcome_word,
    p_value,
    usd,
)
from evalkit.report.rows import MetricSummary
from evalkit.report.safe_text import cut, display_width, neutral_lines, terminal_text, wrap
from evalkit.report.statements import EMBEDDED_MODEL_NOTE, Statement, headline, paired_phrase, statements, worst_items
from evalkit.report.table import text_table

__all__ = ["WIDTH", "finish", "quiet_line", "render_run", "render_verdict"]

WIDTH = 80
_PREFIX = {"warning": "warning: ", "difference": "differs: ", "next": "next: "}
_COLORS = {"PASS": "32", "FAIL": "31", "INCONCLUSIVE": "33", "ERROR": "31"}
_COLORED = re.compile(r"^(PASS|FAIL|INCONCLUSIVE|ERROR)\b|(?<=  )(FAIL|ERROR)$", re.MULTILINE)


def render_verdict(
    verdict: Verdict,
    *,
    report: str | None = None,
    suite_path: str | None = None,
    color: bool = False,
    width: int = WIDTH,
) -> str:
    """Return the verdict as text: header, rules, verdict, accounts and notes, where to look next.

    Args:
        verdict: what to show.
        report: the path of the HTML report, if one was written.
        suite_path: the suite's path for the command that runs one item again; ``…`` stands for it if None.
        color: whether outcomes carry ANSI colours; everything else is plain.
        width: columns a line may take, at least 60.
    """
    lines = [
        *_header(verdict.comparison, width),
        *_rules(verdict, width),
        *wrap(terminal_text(headline(verdict)), width),
        *(line for statement in statements(verdict) for line in _said(statement, width)),
        *_targets(verdict.findings, width),
        *_where_next(verdict, report, suite_path, width),
    ]
    text = finish(lines)
    return _COLORED.sub(lambda match: f"\x1b[{_COLORS[match.group()]}m{match.group()}\x1b[0m", text) if color else text


def quiet_line(verdict: Verdict, *, width: int | None = None) -> str:
    """Return the one line that ``-q`` prints: suite and verdict."""
    line = f"{terminal_text(verdict.suite)}: {terminal_text(headline(verdict))}"
    return neutral_lines(cut(line, width) if width else line)


def finish(lines: Sequence[str]) -> str:
    """Return lines as a text that ends in a line feed and in which no CI system finds a command."""
    return neutral_lines("\n".join(line.rstrip() for line in lines)) + "\n"


def _header(comparison: Comparison, width: int) -> list[str]:
    suite, candidate = terminal_text(comparison.suite), terminal_text(comparison.candidate.candidate.name)
    arms = f"{candidate} vs {terminal_text(comparison.baseline_label)}"
    parts = [cut(suite, 30), arms, paired_phrase(comparison.pairing)]
    line = "   ".join(parts)
    if display_width(line) <= width:
        return [line]
    return [cut(f"{parts[0]}   {arms}", width), f"  {parts[2]}"]


def _rules(verdict: Verdict, width: int) -> list[str]:
    if not verdict.findings:
        return []
    confidence = confidence_text(verdict.findings[0].comparison.confidence)
    name = cut(terminal_text(verdict.comparison.candidate.candidate.name), 9)
    head = ("rule", "base", name, f"change [{confidence} CI]", "need", "outcome")
    rows = [head, *(_rule(finding) for finding in verdict.findings)]
    return text_table(rows, width=width, keep_end=5, firm=(3, 5))


def _rule(finding: Finding) -> tuple[str, ...]:
    comparison = finding.comparison
    change = f"{change_text(comparison)} {interval_text(comparison)}".rstrip()
    return (
        terminal_text(finding.rule.metric),
        arm_figure(comparison, comparison.baseline),
        arm_figure(comparison, comparison.candidate),
        change,
        terminal_text(finding.need.removesuffix(" observed")),
        outcome_word(finding),
    )


def _targets(findings: Sequence[Finding], width: int) -> list[str]:
    """Return both p values of each rule on clustered items: for these clusters and for new ones of their kind."""
    rows = []
    for finding in findings:
        comparison = finding.comparison
        if comparison.other_target is None:
            continue
        mine = f"{p_value(comparison.p_pass)} | {p_value(comparison.p_fail)}"
        other = f"{p_value(comparison.p_pass_other_target)} | {p_value(comparison.p_fail_other_target)}"
        these, new = (mine, other) if comparison.target == "these" else (other, mine)
        rows.append((terminal_text(finding.rule.metric), f"{comparison.n_clusters or 0:,}", these, new))
    if not rows:
        return []
    judged = {finding.comparison.target for finding in findings if finding.comparison.other_target is not None}
    head = ("p to pass | fail", "clusters", "for these clusters", "for new clusters")
    table = text_table([head, *rows], width=width, keep_end=5)
    return [*table, f"judged for {' and '.join(sorted(judged))} clusters"]


def _said(statement: Statement, width: int) -> list[str]:
    if statement.kind == "clusters":  # stands in a table of its own
        return []
    return wrap(_PREFIX.get(statement.kind, "") + terminal_text(statement.text), width)


def _where_next(verdict: Verdict, report: str | None, suite_path: str | None, width: int) -> list[str]:
    parts = [f"report: {terminal_text(report)}"] if report else []
    items = worst_items(verdict)
    if items:
        path = shlex.quote(terminal_text(suite_path)) if suite_path else "…"
        parts.append(f"one item: evalkit run {path} -k {shlex.quote(terminal_text(items[0]))}")
    line = "   ".join(parts)
    if len(parts) > 1 and display_width(line) > width:
        return [piece for part in parts for piece in wrap(part, width)]
    return wrap(line, width) if line else []


def render_run(manifest: RunManifest, summaries: Sequence[MetricSummary], *, width: int = WIDTH) -> str:
    """Return a run as text: what was asked, each metric's mean with its interval, failures, how to go on."""
    candidate = manifest.candidate
    answered = max((summary.n_planned for summary in summaries), default=manifest.n_planned)
    who = f"{terminal_text(candidate.name)} ({terminal_text(candidate.model)})"
    head = f"{terminal_text(manifest.suite)}   {who}   run {manifest.id}"
    lines = [*wrap(head, width), *_asked(manifest, answered, width)]
    if summaries:
        lines += text_table([_SUMMARY_HEAD, *(_summary(summary) for summary in summaries)], width=width, keep_end=5)
    if candidate.model.startswith("local/"):
        lines += wrap(f"{terminal_text(candidate.model)}: {EMBEDDED_MODEL_NOTE}", width)
    if manifest.restricted:
        lines += wrap(f"no verdict from this run: {terminal_text(manifest.restricted)}", width)
    return finish(lines)


_SUMMARY_HEAD = ("metric", "mean [95% CI]", "n", "not scored")


def _asked(manifest: RunManifest, n_answers: int, width: int) -> list[str]:
    parts = [
        f"{count_text(manifest.dataset.n_items, 'item')} of {terminal_text(manifest.dataset.name)}",
        count_text(manifest.trials, "trial"),
        f"{n_answers:,} of {manifest.n_planned:,} outputs",
        manifest.status,
    ]
    return wrap(", ".join(parts), width)


def _summary(summary: MetricSummary) -> tuple[str, ...]:
    interval = ""
    if summary.low is not None and summary.high is not None:
        interval = f" [{_amount(summary, summary.low)}, {_amount(summary, summary.high)}]"
    unscored = [f"{count:,} {reason}" for reason, count in summary.not_scored if count]
    return (
        terminal_text(summary.info.name),
        _amount(summary, summary.mean) + interval,
        f"{summary.n:,}",
        terminal_text(", ".join(unscored)) or "0",
    )


def _amount(summary: MetricSummary, value: float | None) -> str:
    if summary.info.name.endswith("_usd") and value is not None:
        return usd(value)
    return figure(value, summary.info)
