"""``demo``: five acts on the embedded model, without a key or a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["demo"]


def demo(
    folder: Annotated[
        Path, typer.Option("--dir", help="The folder to play in; made, and emptied if an earlier demo made it.")
    ] = Path(".evalkit/demo"),
) -> None:
    """Show a lucky draw, a regression, its mending, too few items, and a kill: under a minute, no key, no network."""
    from evalkit.base.clock import SystemClock
    from evalkit.cli.demonstration.acts import Demonstration
    from evalkit.cli.demonstration.project import make_project, source_folder
    from evalkit.settings import load_settings

    folder = folder.resolve()
    source = source_folder(Path.cwd())
    make_project(source, folder)
    environ = {
        name: value for name, value in load_settings(Path.cwd()).environ.items() if not name.startswith("EVALKIT_")
    }
    environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a dozen processes: compile once
    environ["NO_COLOR"] = "1"
    environ["CI"] = "true"
    typer.echo(f"Suites and prompts are read from {source}; edit them and the numbers change.")
    Demonstration(folder, environ, typer.echo, SystemClock()).play()
