"""From flags to a session: settings of the project a path belongs to, with what the command line overrides."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit.api.runs import RunOptions
from evalkit.api.session import Session
from evalkit.base.errors import UsageError
from evalkit.core.suite import Suite
from evalkit.runner.plan import analysis_order
from evalkit.settings import load_settings

__all__ = ["NothingSelectedError", "open_session", "run_options", "shown", "wants_color"]


def open_session(start: Path | None, **overrides: object) -> Session:
    """Return a session for the project that ``start`` (the working directory if None) belongs to."""
    given: Mapping[str, Any] = {name: value for name, value in overrides.items() if value is not None}
    return Session(load_settings(start if start is not None else Path.cwd(), given))


def wants_color(session: Session) -> bool:
    """Return whether stdout gets colours: asked for, or a terminal outside CI."""
    import sys

    if session.settings.color != "auto":
        return session.settings.color == "always"
    return sys.stdout.isatty() and not session.settings.ci


def run_options(
    session: Session,
    suite: Suite,
    *,
    draw: str,
    limit: int | None,
    select: str | None,
    last_failed: bool,
    concurrency: int | None,
    max_cost: float | None,
    max_calls: int | None,
    max_time: float | None,
    no_cache: bool,
) -> RunOptions:
    """Return how runs of ``suite`` are made.

    Raises:
        UsageError: ``-k`` or ``--last-failed`` selects no item (exit code 5).
    """
    ids: list[str] | None = None
    words = []
    if select is not None:
        ids = [item.id for item in suite.items if select in item.id or select in item.tags]
        words.append(f"-k {select}")
    if last_failed:
        failed = _last_failed(session, suite)
        ids = [item_id for item_id in (ids if ids is not None else failed) if item_id in set(failed)]
        words.append("--last-failed")
    if ids is not None and not ids:
        raise NothingSelectedError(
            f"{' '.join(words)} selects none of the {len(suite.items)} items",
            hint="leave it out, or choose another text",
        )
    if ids is not None:
        order = {item.id: place for place, item in enumerate(analysis_order(suite.items, suite.seed))}
        ids.sort(key=order.__getitem__)
    return RunOptions(
        draw=draw,
        limit=limit,
        select=ids,
        restricted=" ".join(words) or None,
        concurrency=concurrency,
        max_cost_usd=max_cost,
        max_calls=max_calls,
        max_time_s=max_time,
        cache=False if no_cache else None,
    )


class NothingSelectedError(UsageError):
    """A selection left no item."""

    exit_code = 5


def _last_failed(session: Session, suite: Suite) -> list[str]:
    """Return the items whose output failed or scored worst on a gating metric in the suite's newest whole run."""
    from evalkit.api.stored_run import Run

    for manifest in session.store.manifests():
        if manifest.suite != suite.name or manifest.restricted or manifest.status != "finished":
            continue
        run = Run(session, manifest, suite)
        worse = {info.name: 0.0 if info.better == "higher" else 1.0 for info in manifest.metrics if info.grader}
        return [
            record.item.id
            for record in run.records()
            if record.output.failure is not None
            or any(value == worse.get(name) for name, (_, value, _) in record.scores.items())
        ]
    raise UsageError(f"suite {suite.name!r} has no finished run yet", hint="run it once without --last-failed")


def shown(path: Path | str | None) -> str | None:
    """Return a path relative to the working directory where it lies below it."""
    if path is None:
        return None
    path = Path(path)
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
