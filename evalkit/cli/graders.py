"""``graders list|show``: what can stand after ``use:``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from evalkit.cli.help import SectionedGroup
from evalkit.cli.options import AsJson

__all__ = ["app"]

app = typer.Typer(cls=SectionedGroup, help="List graders and show their parameters.", no_args_is_help=True)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List every grader with one line each."""
    from evalkit.cli.project import open_session
    from evalkit.graders.registry import GRADERS

    open_session(None).load_plugins()
    rows = {name: _first_line(GRADERS.get(name)) for name in GRADERS.names()}
    if as_json:
        typer.echo(json.dumps({"format": 1, "graders": rows}))
        return
    for name, line in rows.items():
        typer.echo(f"{name:<16} {line}"[:80])


@app.command()
def show(name: Annotated[str, typer.Argument(help="The grader.")], as_json: AsJson = False) -> None:
    """Show a grader's parameters as JSON Schema, and what it measures."""
    from evalkit.cli.project import open_session
    from evalkit.graders.registry import GRADERS

    open_session(None).load_plugins()
    grader = GRADERS.get(name)
    schema = grader.Params.model_json_schema()
    if as_json:
        body = {"name": name, "version": grader.version, "doc": grader.__doc__ or "", "params": schema}
        typer.echo(json.dumps({"format": 1, **body}))
        return
    typer.echo(f"{name} (version {grader.version})\n\n{(grader.__doc__ or '').strip()}\n")
    required = set(schema.get("required", ()))
    for key, value in schema.get("properties", {}).items():
        default = "required" if key in required else f"default {json.dumps(value.get('default'))}"
        typer.echo(f"  {key:<18} {default:<22} {value.get('description', '')}".rstrip())


def _first_line(grader: type) -> str:
    return (grader.__doc__ or "").strip().splitlines()[0] if grader.__doc__ else ""
