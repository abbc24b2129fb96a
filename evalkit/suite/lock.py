"""``datasets/lock.json``: which content every published version has."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import orjson

from evalkit.base.model import Frozen
from evalkit.base.serial import atomic_write, read_json, validate

__all__ = ["LOCK_FILE", "read_lock", "write_lock"]

LOCK_FILE = "datasets/lock.json"


class _LockFile(Frozen):
    format: Literal[1] = 1
    datasets: dict[str, dict[str, str]] = {}


def read_lock(root: Path) -> dict[str, dict[str, str]]:
    """Return dataset to version to digest; empty where there is no lock yet.

    Raises:
        UsageError: the file is not a lock.
    """
    path = root / LOCK_FILE
    if not path.exists():
        return {}
    return {name: dict(versions) for name, versions in validate(_LockFile, read_json(path)).datasets.items()}


def write_lock(root: Path, locked: dict[str, dict[str, str]]) -> None:
    """Write the lock, sorted, so that two branches merge line by line."""
    body = {"format": 1, "datasets": locked}
    with atomic_write(root / LOCK_FILE) as file:
        file.write(orjson.dumps(body, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE))
