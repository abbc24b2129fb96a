"""Where the reference values and recorded model outputs lie, and how large the simulations run."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

_DEFAULT_DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture(scope="session")
def evalkit_data() -> Path:
    """The folder of reference values, from EVALKIT_DATA or beside the repository."""
    folder = Path(os.environ.get("EVALKIT_DATA", str(_DEFAULT_DATA)))
    if not folder.is_dir():
        pytest.skip(f"no reference data in {folder}: set EVALKIT_DATA")
    return folder


@pytest.fixture(scope="session")
def reference(evalkit_data: Path) -> dict[str, Any]:
    """The published figures of the recorded outputs."""
    loaded: dict[str, Any] = json.loads((evalkit_data / "reference.json").read_text())
    return loaded


@pytest.fixture(scope="session")
def rows(evalkit_data: Path) -> Callable[[str], list[dict[str, Any]]]:
    """Reads a gzipped JSON Lines file of model_compare."""

    def read(name: str) -> list[dict[str, Any]]:
        with gzip.open(evalkit_data / "model_compare" / name, "rt", encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    return read


@pytest.fixture(scope="session")
def full_size() -> bool:
    """Whether the simulations run at full size (EVALKIT_SIZE=full)."""
    return os.environ.get("EVALKIT_SIZE", "ci") == "full"
