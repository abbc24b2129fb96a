"""Logging verdicts to MLflow after they are printed; nothing here changes an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from evalkit.api.session import Session
from evalkit.api.verdicts import Gated
from evalkit.cli.publish import Written
from evalkit.report.collect import summarize
from evalkit.report.mlflow_sink import MlflowSink
from evalkit.report.safe_text import terminal_text

__all__ = ["log_all", "sync_all"]


def _sink(session: Session) -> MlflowSink:
    settings = session.settings
    return MlflowSink(settings.store, environ=settings.environ, secrets=settings.secrets())


def log_all(session: Session, gated: Sequence[Gated], written: Sequence[Written], *, quiet: bool) -> None:
    """Log each verdict with its report and rows; what cannot be sent now waits for ``evalkit sync``."""
    sink = _sink(session)
    for each, files in zip(gated, written, strict=True):
        folder = session.store.folder(each.run.id)
        attached = [path for path in (files.html, files.rows, folder / "scores.parquet") if path.exists()]
        result = sink.log_verdict(each.verdict, summarize(each.run), files=attached)
        if not result.ok:
            print(f"mlflow: not logged: {terminal_text(result.reason or 'unknown')}", file=sys.stderr)  # noqa: T201
        elif not quiet:
            typer.echo(f"mlflow: {terminal_text(result.url or sink.place)}")


def sync_all(session: Session) -> int:
    """Send what waits in the outbox; return 0 if nothing is left, else 4."""
    report = _sink(session).sync()
    typer.echo(f"uploaded {len(report.uploaded)}, left {report.left}")
    for key, reason in report.failed:
        typer.echo(f"  {terminal_text(key)}: {terminal_text(reason)}")
    if report.reason:
        typer.echo(f"  {terminal_text(report.reason)}")
    return 4 if report.left else 0
