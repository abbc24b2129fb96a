"""Options that several commands share, spelled once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "AsJson",
    "CandidateNames",
    "Concurrency",
    "Draw",
    "JUnit",
    "LastFailed",
    "Limit",
    "MaxCalls",
    "MaxCost",
    "MaxTime",
    "NoCache",
    "NoMlflow",
    "Out",
    "Quiet",
    "Select",
    "StorePath",
    "SuitePath",
]

SuitePath = Annotated[Path, typer.Argument(help="The suite file.", show_default=False)]
CandidateNames = Annotated[
    list[str] | None, typer.Option("--candidate", "-c", help="Only this candidate; repeat for several.")
]
Draw = Annotated[
    str, typer.Option("--draw", help="Names an independent set of calls; `new` makes one.", envvar="EVALKIT_DRAW")
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="Only the first N items of the seeded order; such a run never passes."),
]
Select = Annotated[
    str | None, typer.Option("-k", help="Only items whose id contains this text, or that have it as a tag; no verdict.")
]
LastFailed = Annotated[
    bool, typer.Option("--last-failed", help="Only items that scored worst last time; gives no verdict.")
]
Concurrency = Annotated[int | None, typer.Option("--concurrency", "-j", min=1, help="Calls in flight.")]
MaxCost = Annotated[float | None, typer.Option("--max-cost", min=0, help="Spend at most this many USD.")]
MaxCalls = Annotated[int | None, typer.Option("--max-calls", min=0, help="Make at most this many calls.")]
MaxTime = Annotated[float | None, typer.Option("--max-time", min=0, help="Stop dispatching after this many seconds.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Ask again even what another run was answered.")]
NoMlflow = Annotated[bool, typer.Option("--no-mlflow", help="Do not log to MLflow.")]
JUnit = Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML to this file.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Folder for reports.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print one line.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
StorePath = Annotated[Path | None, typer.Option("--store", help="The local store's folder.")]
