"""Commands as users type them, in real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

_DEFAULT_DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@dataclass(frozen=True)
class Finished:
    code: int
    stdout: str
    stderr: str


class Cli(Protocol):
    def __call__(self, *words: str, cwd: Path, code: int | None = 0, **environ: str) -> Finished: ...


@pytest.fixture(scope="session")
def cli() -> Cli:
    """Runs ``evalkit WORDS``; asserts the exit code unless it is None."""

    def run(*words: str, cwd: Path, code: int | None = 0, **environ: str) -> Finished:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("EVALKIT_", "MLFLOW_"))}
        done = subprocess.run(
            [sys.executable, "-m", "evalkit", *words],
            cwd=cwd,
            env={**kept, "NO_COLOR": "1", "COLUMNS": "80", **environ},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert code is None or done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return Finished(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def evalkit_data() -> Path:
    """The folder of recorded outputs, from EVALKIT_DATA or beside the repository."""
    folder = Path(os.environ.get("EVALKIT_DATA", str(_DEFAULT_DATA)))
    if not folder.is_dir():
        pytest.skip(f"no recorded outputs in {folder}: set EVALKIT_DATA")
    return folder
