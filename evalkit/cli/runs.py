"""``runs list|show|sql``: what is in the store."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from evalkit.cli.help import SectionedGroup
from evalkit.cli.options import AsJson, StorePath

__all__ = ["app"]

app = typer.Typer(cls=SectionedGroup, help="List, show and query stored runs.", no_args_is_help=True)


@app.command("list")
def list_(
    suite: Annotated[str | None, typer.Option("--suite", help="Only runs of this suite.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="At most so many, newest first.")] = 20,
    as_json: AsJson = False,
    store: StorePath = None,
) -> None:
    """List runs, newest first."""
    from itertools import islice

    from evalkit.cli.project import open_session

    session = open_session(None, store=store)
    manifests = [found for found in session.store.manifests() if suite in (None, found.suite)]
    shown = list(islice(manifests, n))
    if as_json:
        rows = [found.model_dump(mode="json", exclude={"candidate": {"prompt"}}) for found in shown]
        typer.echo(json.dumps({"format": 1, "runs": rows}))
        return
    for found in shown:
        typer.echo(
            f"{found.id}  {found.suite:<16.16} {found.candidate.name:<12.12} {found.status:<11}"
            f" {found.n_planned:>6} calls"
        )
    if not shown:
        typer.echo(f"no runs in {session.store.root}")


@app.command()
def show(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The run's id, its beginning or end, or `latest`.")],
    as_json: AsJson = False,
    store: StorePath = None,
) -> None:
    """Show a run: what was asked of what, how it ended, its means."""
    from evalkit.api.stored_run import open_run
    from evalkit.cli.project import open_session
    from evalkit.report.collect import summarize
    from evalkit.report.terminal import render_run

    run = open_run(open_session(None, store=store), run_id)
    if as_json:
        typer.echo(json.dumps({"format": 1, **run.manifest.model_dump(mode="json")}))
        return
    typer.echo(render_run(run.manifest, summarize(run)), nl=False)


@app.command()
def sql(
    statement: Annotated[str, typer.Argument(help="A SELECT over the views runs, outputs and scores.")],
    as_json: AsJson = False,
    store: StorePath = None,
) -> None:
    """Query all finished runs with SQL (DuckDB)."""
    from evalkit.cli.project import open_session
    from evalkit.store.analysis import query

    frame = query(open_session(None, store=store).store, statement)
    if as_json:
        typer.echo(frame.to_json(orient="records", lines=True), nl=False)
        return
    typer.echo(frame.to_string(index=False) if len(frame) else "no rows")
