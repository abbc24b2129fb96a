"""``run`` and ``grade``: outputs and scores, no verdict."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from evalkit.cli.options import (
    AsJson,
    CandidateNames,
    Concurrency,
    Draw,
    LastFailed,
    Limit,
    MaxCalls,
    MaxCost,
    MaxTime,
    NoCache,
    Quiet,
    Select,
    StorePath,
    SuitePath,
)

if TYPE_CHECKING:
    from evalkit.report.rows import MetricSummary

__all__ = ["grade", "run", "summary_json"]


def run(
    suite: SuitePath,
    candidate: CandidateNames = None,
    draw: Draw = "0",
    limit: Limit = None,
    k: Select = None,
    last_failed: LastFailed = False,
    concurrency: Concurrency = None,
    max_cost: MaxCost = None,
    max_calls: MaxCalls = None,
    max_time: MaxTime = None,
    no_cache: NoCache = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and send nothing.")] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    store: StorePath = None,
) -> None:
    """Ask and score; the same command again continues an interrupted run."""
    from evalkit.api.runs import make_runs
    from evalkit.api.verdicts import load_suite
    from evalkit.cli.interrupt import Interrupted, run_until_interrupted
    from evalkit.cli.progress import ProgressDisplay
    from evalkit.cli.project import open_session, run_options
    from evalkit.cli.stopped import ending
    from evalkit.report.collect import summarize
    from evalkit.report.terminal import render_run

    if dry_run:
        from evalkit.cli.plan import plan

        plan(suite, candidate=candidate, limit=limit, as_json=as_json, store=store)
        return
    session = open_session(suite, store=store)
    loaded = load_suite(session, suite)
    options = run_options(
        session,
        loaded,
        draw=draw,
        limit=limit,
        select=k,
        last_failed=last_failed,
        concurrency=concurrency,
        max_cost=max_cost,
        max_calls=max_calls,
        max_time=max_time,
        no_cache=no_cache,
    )
    names = candidate or [each.name for each in loaded.candidates]
    interrupted = Interrupted()
    with ending(interrupted), ProgressDisplay(plain=session.settings.ci, silent=quiet or as_json) as progress:
        runs = run_until_interrupted(
            lambda stop: make_runs(session, loaded, names, options, progress=progress, stop=stop), interrupted
        )
    for each in runs:
        summaries = summarize(each)
        if as_json:
            manifest = each.manifest.model_dump(mode="json", exclude={"candidate": {"prompt"}})
            body = {"format": 1, "run": manifest, "metrics": [summary_json(summary) for summary in summaries]}
            typer.echo(json.dumps(body))
        elif quiet:
            typer.echo(each.id)
        else:
            typer.echo(render_run(each.manifest, summaries), nl=False)


def summary_json(summary: MetricSummary) -> dict[str, object]:
    """Return a metric's summary as `run --json` and `runs show --json` print it."""
    body = {field: value for field, value in asdict(summary).items() if field != "info"}
    return {"metric": summary.info.name, "kind": summary.info.kind, **body, "not_scored": dict(summary.not_scored)}


def grade(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The run's id, its beginning or end, or `latest`.")],
    suite: Annotated[str | None, typer.Option("--suite", help="The suite file; the run's own if left out.")] = None,
    store: StorePath = None,
) -> None:
    """Score a stored run with the graders as they are now; the model under test is not asked again."""
    from evalkit.api.runs import grade_stored
    from evalkit.api.stored_run import open_run
    from evalkit.cli.progress import ProgressDisplay
    from evalkit.cli.project import open_session
    from evalkit.cli.suite_of import suite_of
    from evalkit.report.collect import summarize
    from evalkit.report.terminal import render_run

    session = open_session(None, store=store)
    found = open_run(session, run_id)
    loaded = suite_of(session, found, suite)
    with ProgressDisplay(plain=session.settings.ci) as progress:
        grade_stored(session, found, loaded, progress=progress)
    typer.echo(render_run(found.manifest, summarize(found)), nl=False)
