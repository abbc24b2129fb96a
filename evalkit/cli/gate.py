"""``gate`` and ``compare``: verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalkit.cli.options import (
    AsJson,
    CandidateNames,
    Concurrency,
    Draw,
    JUnit,
    Limit,
    MaxCalls,
    MaxCost,
    MaxTime,
    NoCache,
    NoMlflow,
    Out,
    Quiet,
    StorePath,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.api.session import Session
    from evalkit.core.suite import Suite
    from evalkit.core.verdict import Verdict

__all__ = ["compare", "exit_code", "gate"]

CommonItems = Annotated[
    bool, typer.Option("--common-items", help="Compare on the items both sides have, however few match.")
]


def gate(
    suites: Annotated[list[Path], typer.Argument(metavar="SUITE...", help="Suite files.", show_default=False)],
    candidate: CandidateNames = None,
    against: Annotated[
        str | None,
        typer.Option("--against", help="`stored`, a candidate's name, or a run's id; the suite's own by default."),
    ] = None,
    draw: Draw = "0",
    limit: Limit = None,
    concurrency: Concurrency = None,
    max_cost: MaxCost = None,
    max_calls: MaxCalls = None,
    max_time: MaxTime = None,
    no_cache: NoCache = False,
    common_items: CommonItems = False,
    out: Out = None,
    junit: JUnit = None,
    no_mlflow: NoMlflow = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    store: StorePath = None,
) -> None:
    """Run, compare and decide: exit 0 pass, 1 fail, 3 inconclusive, 4 error."""
    from evalkit.api.verdicts import gate_suites, load_suite
    from evalkit.cli.interrupt import Interrupted, run_until_interrupted
    from evalkit.cli.progress import ProgressDisplay
    from evalkit.cli.project import open_session, run_options
    from evalkit.cli.publish import publish, show
    from evalkit.cli.stopped import ending
    from evalkit.cli.tracking import log_all, open_sink

    session = open_session(suites[0], store=store, reports=out, tracking="none" if no_mlflow else None)
    loaded = [load_suite(session, path) for path in suites]
    options = run_options(
        session,
        loaded[0],
        draw=draw,
        limit=limit,
        select=None,
        last_failed=False,
        concurrency=concurrency,
        max_cost=max_cost,
        max_calls=max_calls,
        max_time=max_time,
        no_cache=no_cache,
    )
    sink = open_sink(session)
    if not quiet and not as_json:
        _foretell(session, loaded, names=candidate, against=against, limit=limit, draw=draw)
    interrupted = Interrupted()
    with ending(interrupted), ProgressDisplay(plain=session.settings.ci, silent=quiet or as_json) as progress:
        gated = run_until_interrupted(
            lambda stop: gate_suites(
                session,
                loaded,
                options,
                against=against,
                names=candidate,
                common_items=common_items,
                progress=progress,
                stop=stop,
            ),
            interrupted,
        )
    written = publish(session, gated, junit=junit)
    show(session, gated, written, quiet=quiet, as_json=as_json)
    if sink is not None:
        log_all(sink, session, gated, written, quiet=quiet or as_json)
    raise typer.Exit(exit_code([each.verdict for each in gated]))


def _foretell(
    session: Session,
    suites: Sequence[Suite],
    *,
    names: Sequence[str] | None,
    against: str | None,
    limit: int | None,
    draw: str,
) -> None:
    """Say on stderr, before the first call, how likely each policy is to pass a candidate that has not changed."""
    import asyncio

    from evalkit.api.planning import plan_suite
    from evalkit.report.figures import percent

    for suite in suites:
        plan = asyncio.run(plan_suite(session, suite, names=names, against=against, limit=limit, draw=draw))
        chance = plan.size.probability_unchanged_passes
        if chance is not None:
            bases = {rule.source for rule in plan.size.rules if rule.source}
            typer.echo(
                f"{suite.name}: {plan.n_items} items; an unchanged candidate passes with probability {percent(chance)}"
                f" ({', '.join(sorted(bases))})",
                err=True,
            )


def compare(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The run's id, its beginning or end, or `latest`.")],
    against: Annotated[str, typer.Option("--against", help="Another run's id, or `baseline`.")] = "baseline",
    suite: Annotated[str | None, typer.Option("--suite", help="The suite file; the run's own if left out.")] = None,
    common_items: CommonItems = False,
    out: Out = None,
    junit: JUnit = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
    store: StorePath = None,
) -> None:
    """Compare two stored runs and decide; no model is called."""
    from evalkit.api.stored_run import open_run
    from evalkit.api.verdicts import STORED, Gated, compare_runs
    from evalkit.cli.project import open_session
    from evalkit.cli.publish import publish, show
    from evalkit.cli.suite_of import suite_of
    from evalkit.compare.decide import decide

    session = open_session(None, store=store, reports=out, tracking="none")
    run = open_run(session, run_id)
    loaded = suite_of(session, run, suite)
    run.suite = loaded
    target = STORED if against == "baseline" else against
    comparison, reference = compare_runs(session, run, target, loaded, common_items=common_items)
    gated = [Gated(loaded, run, reference, decide(comparison, loaded.policy))]
    written = publish(session, gated, junit=junit)
    show(session, gated, written, quiet=quiet, as_json=as_json)
    raise typer.Exit(exit_code([each.verdict for each in gated]))


def exit_code(verdicts: list[Verdict]) -> int:
    """Return the code of a call over several verdicts: the first present of 4, 1, 3, 0."""
    present = {int(verdict.exit_code) for verdict in verdicts}
    return next(code for code in (4, 1, 3, 0) if code in present or code == 0)
