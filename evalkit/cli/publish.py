"""What a verdict leaves behind: files, the screen, MLflow — in this order, so that none can hide another."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from evalkit.api.session import Session
from evalkit.api.verdicts import Gated
from evalkit.cli.project import shown, wants_color
from evalkit.report.collect import collect_rows
from evalkit.report.html import write_html
from evalkit.report.jsonl import verdict_json, write_rows_jsonl
from evalkit.report.junit import write_junit
from evalkit.report.markdown import render_comment
from evalkit.report.rows import ReportRow, SuiteReport
from evalkit.report.terminal import quiet_line, render_verdict

__all__ = ["Written", "publish", "show"]


@dataclass(frozen=True, slots=True)
class Written:
    """Files of one verdict."""

    html: Path
    rows: Path
    verdict: Path
    markdown: Path


def publish(session: Session, gated: Sequence[Gated], *, junit: Path | None) -> list[Written]:
    """Write the HTML page, the rows, the verdict as JSON and the Markdown of each verdict, and one JUnit file."""
    folder = session.settings.reports
    folder.mkdir(parents=True, exist_ok=True)
    several: dict[str, int] = {}
    for each in gated:
        several[each.suite.name] = several.get(each.suite.name, 0) + 1
    written = []
    for each in gated:
        stem = each.suite.name if several[each.suite.name] == 1 else f"{each.suite.name}.{each.run.candidate.name}"
        written.append(_write(folder, stem, each))
    if junit is not None:
        junit.parent.mkdir(parents=True, exist_ok=True)
        write_junit(junit, [each.verdict for each in gated])
    return written


def _write(folder: Path, stem: str, each: Gated) -> Written:
    files = Written(
        html=folder / f"{stem}.html",
        rows=folder / f"{stem}.rows.jsonl",
        verdict=folder / f"{stem}.verdict.json",
        markdown=folder / f"{stem}.md",
    )
    suite_path = shown(each.suite.path)
    rows = _Rows(each)
    write_rows_jsonl(files.rows, rows)
    files.verdict.write_text(json.dumps(verdict_json(each.verdict), indent=1, ensure_ascii=False), encoding="utf-8")
    page = SuiteReport(each.verdict, rows, report=files.html.name, suite_path=suite_path)
    write_html(files.html, page)
    files.markdown.write_text(render_comment([page]), encoding="utf-8")
    return files


class _Rows:
    """The rows of one verdict: read once and kept where they are few, read anew for each file where they are many."""

    _FEW = 20_000

    def __init__(self, each: Gated) -> None:
        self._each = each
        self._kept: list[ReportRow] | None = None

    def __iter__(self) -> Iterator[ReportRow]:
        if self._each.run.manifest.n_planned > self._FEW:
            return collect_rows(self._each.run, self._each.reference)
        if self._kept is None:
            self._kept = list(collect_rows(self._each.run, self._each.reference))
        return iter(self._kept)


def show(session: Session, gated: Sequence[Gated], written: Sequence[Written], *, quiet: bool, as_json: bool) -> None:
    """Print the verdicts on stdout: one JSON object, one line each, or in full."""
    if as_json:
        typer.echo(json.dumps({"format": 1, "verdicts": [verdict_json(each.verdict) for each in gated]}))
    elif quiet:
        for each in gated:
            typer.echo(quiet_line(each.verdict))
    else:
        texts = [
            render_verdict(
                each.verdict, report=shown(files.html), suite_path=shown(each.suite.path), color=wants_color(session)
            )
            for each, files in zip(gated, written, strict=True)
        ]
        typer.echo("\n".join(texts), nl=False)
    sys.stdout.flush()
