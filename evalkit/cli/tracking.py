"""Logging verdicts to MLflow after they are printed; nothing here changes an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from evalkit.api.session import Session
from evalkit.api.verdicts import Gated
from evalkit.report.collect import summarize
from evalkit.report.mlflow_sink import MlflowSink, SinkResult
from evalkit.report.safe_text import terminal_text

if TYPE_CHECKING:
    from evalkit.cli.publish import Written

__all__ = ["log_all", "open_sink", "sync_all"]


def open_sink(session: Session) -> MlflowSink | None:
    """Return where verdicts are logged, None if tracking is off.

    Opened when the work begins: whether a server is there is found out meanwhile, so that a hanging one costs nothing.
    """
    settings = session.settings
    if settings.tracking != "mlflow":
        return None
    return MlflowSink(settings.store, environ=settings.environ, secrets=settings.secrets())


def log_all(
    sink: MlflowSink, session: Session, gated: Sequence[Gated], written: Sequence[Written], *, quiet: bool
) -> None:
    """Log the verdicts with their reports and rows; what cannot be sent now waits for ``evalkit sync``."""
    jobs = []
    for each, files in zip(gated, written, strict=True):
        scores = session.store.folder(each.run.id) / "scores.parquet"
        attached = [path for path in (files.html, files.rows, scores) if path.exists()]
        jobs.append((each.verdict, summarize(each.run), attached))
    for result in sink.log_verdicts(jobs):
        _tell(result, sink, quiet=quiet)


def _tell(result: SinkResult, sink: MlflowSink, *, quiet: bool) -> None:
    if not result.ok:
        print(f"mlflow: not logged: {terminal_text(result.reason or 'unknown')}", file=sys.stderr)  # noqa: T201
    elif not quiet:
        typer.echo(f"mlflow: {terminal_text(result.url or sink.place)}")


def sync_all(session: Session) -> int:
    """Send what waits in the outbox; return 0 if nothing is left, else 4."""
    settings = session.settings
    report = MlflowSink(settings.store, environ=settings.environ, secrets=settings.secrets()).sync()
    typer.echo(f"uploaded {len(report.uploaded)}, left {report.left}")
    for key, reason in report.failed:
        typer.echo(f"  {terminal_text(key)}: {terminal_text(reason)}")
    if report.reason:
        typer.echo(f"  {terminal_text(report.reason)}")
    return 4 if report.left else 0
