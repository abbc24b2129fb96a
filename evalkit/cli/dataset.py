"""``dataset add|lock|verify|diff|import``: immutable versions of items."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli.help import SectionedGroup
from evalkit.cli.options import AsJson

__all__ = ["app"]

app = typer.Typer(cls=SectionedGroup, help="Import, add to, lock and check datasets.", no_args_is_help=True)

Root = Annotated[Path, typer.Option("--root", help="The project's folder; `datasets/` lies in it.")]


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A .jsonl, .jsonl.gz, .csv or .parquet file.")],
    to: Annotated[str, typer.Option("--to", help="The dataset's name; it is created if there is none.")],
    version: Annotated[str, typer.Option("--version", help="The new version, such as 2026-11-23.")],
    id_column: Annotated[str | None, typer.Option("--id", help="Column of the item's id.")] = None,
    inputs: Annotated[list[str] | None, typer.Option("--input", help="Column of an input; repeat.")] = None,
    expected: Annotated[
        list[str] | None, typer.Option("--expected", help="Column of what is expected; repeat.")
    ] = None,
    cluster: Annotated[str | None, typer.Option("--cluster", help="Column of the cluster.")] = None,
    tags: Annotated[str | None, typer.Option("--tags", help="Column of tags.")] = None,
    weight: Annotated[str | None, typer.Option("--weight", help="Column of the weight.")] = None,
    metadata: Annotated[list[str] | None, typer.Option("--metadata", help="Column kept as metadata; repeat.")] = None,
    title: Annotated[str | None, typer.Option("--title", help="For the card of a new dataset.")] = None,
    origin: Annotated[str | None, typer.Option("--source", help="For the card: where the data are from.")] = None,
    license_: Annotated[str, typer.Option("--license", help="For the card: an SPDX identifier.")] = "not stated",
    notes: Annotated[str | None, typer.Option("--notes", help="For the card: what this version is.")] = None,
    root: Root = Path(),
) -> None:
    """Publish the rows of a file as a version of a dataset."""
    from evalkit.suite.importer import ImportColumns, import_file

    given = {
        "id": id_column,
        "inputs": tuple(inputs) if inputs else None,
        "expected": tuple(expected or ()),
        "cluster": cluster,
        "tags": tags,
        "weight": weight,
        "metadata": tuple(metadata or ()),
    }
    columns = ImportColumns(**{name: value for name, value in given.items() if value})  # type: ignore[arg-type]
    entry = import_file(
        source,
        to,
        version,
        root=root.resolve(),
        columns=columns,
        title=title,
        source=origin,
        license=license_,
        notes=notes,
        made=_today(),
    )
    typer.echo(f"datasets/{to}/{entry.file_name}: {entry.n_items} items, digest {entry.digest[:12]}")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="The dataset.")],
    rows: Annotated[Path, typer.Argument(metavar="FILE", help="A .jsonl file of items or flat rows.")],
    version: Annotated[str, typer.Option("--version", help="The new version.")],
    replace: Annotated[bool, typer.Option("--replace", help="Rows with a known id replace that item.")] = False,
    notes: Annotated[str | None, typer.Option("--notes", help="What is different.")] = None,
    root: Root = Path(),
) -> None:
    """Publish a new version: the newest one's items and the rows of a file."""
    from evalkit.base.serial import read_jsonl
    from evalkit.suite.publish import add_items

    entry = add_items(
        name,
        version,
        [row for _, row in read_jsonl(rows)],
        root=root.resolve(),
        replace=replace,
        notes=notes,
        made=_today(),
        source=str(rows),
    )
    typer.echo(f"datasets/{name}/{entry.file_name}: {entry.n_items} items, digest {entry.digest[:12]}")


@app.command()
def lock(root: Root = Path()) -> None:
    """Write the digests of every version into datasets/lock.json."""
    from evalkit.suite.verify import lock as lock_all

    locked = lock_all(root.resolve())
    for name, versions in locked.items():
        typer.echo(f"{name}: {', '.join(versions) or 'no versions'}")


@app.command()
def verify(root: Root = Path(), as_json: AsJson = False) -> None:
    """Check files, cards and lock against each other; exit 2 if anything differs."""
    from evalkit.suite.verify import verify as verify_all

    findings = verify_all(root.resolve())
    if as_json:
        body = [{"where": found.where, "message": found.message, "hint": found.hint} for found in findings]
        typer.echo(json.dumps({"format": 1, "findings": body}))
    else:
        for found in findings:
            typer.echo(f"{found.where}: {found.message}\n  hint:  {found.hint}")
        if not findings:
            typer.echo("datasets, cards and lock agree")
    raise typer.Exit(2 if findings else 0)


@app.command()
def diff(
    name: Annotated[str, typer.Argument(help="The dataset.")],
    old: Annotated[str, typer.Argument(help="The older version.")],
    new: Annotated[str, typer.Argument(help="The newer version.")],
    root: Root = Path(),
    as_json: AsJson = False,
) -> None:
    """Show which items were added, removed and changed between two versions."""
    from evalkit.suite.verify import diff as diff_versions

    found = diff_versions(name, old, new, root=root.resolve())
    if as_json:
        typer.echo(json.dumps({"format": 1, **found.model_dump(mode="json")}))
        return
    for word in ("added", "removed", "changed"):
        ids = getattr(found, word)
        typer.echo(f"{word:<8} {len(ids):>6}  {' '.join(ids[:8])}{' …' if len(ids) > 8 else ''}")


def _today() -> date:
    from evalkit.base.clock import SystemClock

    return SystemClock().now().date()
