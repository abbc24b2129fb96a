"""``report`` and ``sync``: files of a stored run again, and what MLflow has not got yet."""

from __future__ import annotations

from typing import Annotated

import typer

from evalkit.cli.options import JUnit, Out, Quiet, StorePath

__all__ = ["report", "sync"]


def report(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The run's id, its beginning or end, or `latest`.")],
    against: Annotated[str, typer.Option("--against", help="Another run's id, or `baseline`.")] = "baseline",
    suite: Annotated[str | None, typer.Option("--suite", help="The suite file; the run's own if left out.")] = None,
    out: Out = None,
    junit: JUnit = None,
    quiet: Quiet = False,
    store: StorePath = None,
) -> None:
    """Write the report of a stored run again; exits 0 whatever the verdict. No model is called."""
    from evalkit.cli.gate import compare

    try:
        compare(
            run_id, against=against, suite=suite, common_items=False, out=out, junit=junit, quiet=quiet, store=store
        )
    except typer.Exit:
        raise typer.Exit(0) from None


def sync(store: StorePath = None) -> None:
    """Send to MLflow what could not be sent before, once each."""
    from evalkit.cli.project import open_session
    from evalkit.cli.tracking import sync_all

    raise typer.Exit(sync_all(open_session(None, store=store)))
