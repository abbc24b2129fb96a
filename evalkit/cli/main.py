"""The entry point: commands by group, and the one place where errors become lines and exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer

from evalkit.base.errors import EvalkitError
from evalkit.cli.help import SectionedGroup

__all__ = ["app", "main"]

_MORE = "More"
_PANEL = "Commands"
_CLOSED = 141
"""As a shell reports a program whose reader went away: neither a pass nor a fail."""

app = typer.Typer(
    cls=SectionedGroup,
    name="evalkit",
    help="Verdicts with evidence for LLM applications: pass, fail or inconclusive.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _register() -> None:
    from evalkit.cli import baseline, dataset, demo, gate, graders, model, plan, report, run, runs, system

    command = app.command
    command("demo", rich_help_panel=_PANEL)(demo.demo)
    command("plan", rich_help_panel=_PANEL)(plan.plan)
    command("run", rich_help_panel=_PANEL)(run.run)
    command("gate", rich_help_panel=_PANEL)(gate.gate)
    command("compare", rich_help_panel=_PANEL)(gate.compare)
    app.add_typer(baseline.app, name="baseline", rich_help_panel=_PANEL)
    command("report", rich_help_panel=_PANEL)(report.report)
    command("grade", rich_help_panel=_MORE)(run.grade)
    command("validate", rich_help_panel=_MORE)(plan.validate)
    command("sync", rich_help_panel=_MORE)(report.sync)
    command("config", rich_help_panel=_MORE)(system.config)
    command("version", rich_help_panel=_MORE)(system.version)
    for name, group in {
        "dataset": dataset.app,
        "graders": graders.app,
        "runs": runs.app,
        "model": model.app,
    }.items():
        app.add_typer(group, name=name, rich_help_panel=_MORE)


def _version(asked: bool) -> None:
    if asked:
        from evalkit import __version__

        typer.echo(f"evalkit {__version__}")
        raise typer.Exit


@app.callback()
def _global(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and stop.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with an error; may stand anywhere.")] = False,
) -> None:
    """Verdicts with evidence for LLM applications: pass, fail or inconclusive."""
    del version, debug  # taken from the command line by main(), so that it may follow a command too


def main() -> None:
    """Run the command line and end the process with its exit code."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    try:
        app()
    except EvalkitError as error:
        if debug:
            traceback.print_exc()
        from evalkit.report.error_text import render_error

        typer.echo(render_error(error), err=True)
        raise SystemExit(error.exit_code) from None
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            raise SystemExit(_CLOSED) from None
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(_CLOSED) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


_register()
