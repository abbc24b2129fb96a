"""``baseline accept|show|list``: the committed reference scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli.help import SectionedGroup
from evalkit.cli.options import AsJson, StorePath

__all__ = ["app"]

app = typer.Typer(
    cls=SectionedGroup, help="Accept and show baselines: the reference scores under git.", no_args_is_help=True
)


@app.command()
def accept(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The run's id, its beginning or end, or `latest`.")],
    reason: Annotated[str, typer.Option("--reason", help="Why this run is the reference from now on.")],
    suite: Annotated[str | None, typer.Option("--suite", help="The suite file; the run's own if left out.")] = None,
    store: StorePath = None,
) -> None:
    """Write a finished run's scores as the suite's baseline; no model is called. Commit the file."""
    from evalkit.api.runs import grade_stored
    from evalkit.api.stored_run import open_run
    from evalkit.api.verdicts import accept_baseline
    from evalkit.base.errors import UsageError
    from evalkit.cli.project import open_session, shown
    from evalkit.cli.suite_of import suite_of

    if not reason.strip():
        raise UsageError("a baseline needs a reason", hint='say it with --reason "…"')
    session = open_session(None, store=store)
    run = open_run(session, run_id)
    loaded = suite_of(session, run, suite)
    grade_stored(session, run, loaded)
    path = accept_baseline(session, run, loaded, reason=reason)
    typer.echo(f"baseline of {loaded.name}: run {run.id} ({run.candidate.name})")
    typer.echo(f"commit: {shown(path)}")


@app.command()
def show(
    suite: Annotated[Path, typer.Argument(help="The suite file or the baseline file.")],
    as_json: AsJson = False,
) -> None:
    """Print what a baseline holds: candidate, date, reason, digests, means."""
    from evalkit.compare.baseline import read_baseline
    from evalkit.core.run import STATUS_OK

    path = suite if suite.suffix == ".jsonl" else suite.parent / "baselines" / f"{suite.stem}.jsonl"
    table = read_baseline(path).table
    manifest = table.manifest
    means = {
        name: float(column.value[column.status == STATUS_OK].mean()) if (column.status == STATUS_OK).any() else None
        for name, column in table.columns.items()
    }
    body = {
        "suite": manifest.suite,
        "candidate": manifest.candidate.name,
        "model": manifest.candidate.model,
        "candidate_digest": manifest.candidate.digest,
        "dataset": f"{manifest.dataset.name} {manifest.dataset.version or ''}".strip(),
        "dataset_digest": manifest.dataset.digest,
        "accepted_at": manifest.accepted_at,
        "reason": manifest.reason,
        "items": len(table.item_ids),
        "trials": manifest.trials,
        "commit": manifest.git.commit,
    }
    if as_json:
        typer.echo(json.dumps({"format": 1, **body, "means": means}))
        return
    for name, value in body.items():
        typer.echo(f"{name:<17} {value}")
    for name, mean in means.items():
        typer.echo(f"{name:<17} {'-' if mean is None else format(mean, '.4g')}")


@app.command("list")
def list_(
    folder: Annotated[Path, typer.Argument(help="The folder of suites.")] = Path("suites"), as_json: AsJson = False
) -> None:
    """List the baselines below a folder of suites."""
    from evalkit.compare.baseline import read_baseline

    rows = []
    for path in sorted((folder / "baselines").glob("*.jsonl")):
        table = read_baseline(path).table
        rows.append(
            {
                "suite": table.manifest.suite,
                "candidate": table.manifest.candidate.name,
                "accepted_at": table.manifest.accepted_at,
                "items": len(table.item_ids),
                "reason": table.manifest.reason,
            }
        )
    if as_json:
        typer.echo(json.dumps({"format": 1, "baselines": rows}))
        return
    for row in rows:
        typer.echo(
            f"{row['suite']:<20} {row['candidate']:<16} {row['accepted_at']}  {row['items']} items  {row['reason']}"
        )
    if not rows:
        typer.echo(f"no baselines in {folder / 'baselines'}")
