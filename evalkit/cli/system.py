"""``config`` and ``version``: what holds here."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from evalkit.cli.options import AsJson

__all__ = ["config", "version"]


def config(
    show_origin: Annotated[bool, typer.Option("--show-origin", help="Say where each value is from.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the settings that hold in this folder. Keys are named, never shown."""
    from pathlib import Path

    from evalkit.settings import SETTINGS, load_settings

    settings = load_settings(Path.cwd())
    rows = {info.name: getattr(settings, info.name) for info in SETTINGS}
    if as_json:
        body = {
            name: {"value": str(value) if isinstance(value, Path) else value, "origin": settings.origins.get(name)}
            for name, value in rows.items()
        }
        models = {name: table.model_dump(mode="json", exclude_defaults=True) for name, table in settings.models.items()}
        typer.echo(json.dumps({"format": 1, "root": str(settings.root), "settings": body, "models": models}))
        return
    for name, value in rows.items():
        origin = f"   ({settings.origins.get(name, 'default')})" if show_origin else ""
        typer.echo(f"{name:<14} {'-' if value in (None, ()) else value}{origin}")
    for name, table in settings.models.items():
        origin = f"   ({settings.origins.get(f'models.{name}', 'default')})" if show_origin else ""
        typer.echo(
            f"{'models.' + name:<14} {table.kind} {table.base_url or table.path or table.function or ''}{origin}"
        )


def version(as_json: AsJson = False) -> None:
    """Print the versions of evalkit and of what decides its figures."""
    import platform
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as version_of

    from evalkit import __version__

    found = {"evalkit": __version__, "python": platform.python_version()}
    for name in ("numpy", "scipy", "pydantic", "duckdb", "mlflow-skinny"):
        try:
            found[name] = version_of(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    if as_json:
        typer.echo(json.dumps({"format": 1, **found}))
        return
    for name, number in found.items():
        typer.echo(f"{name:<14} {number}")
