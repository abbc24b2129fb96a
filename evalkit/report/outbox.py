"""What still has to be written to the tracking server, on disk before the first attempt and gone after success.

An entry is ``<key>.json`` beside a folder ``<key>/`` with copies of its files, since reports are overwritten by the
next command. One process at a time works on an outbox.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from evalkit.base.errors import StoreError
from evalkit.base.files import atomic_write
from evalkit.base.hashing import digest_bytes
from evalkit.report.mlflow_payload import TrackedFile, TrackedRun

__all__ = ["entries", "exclusive", "files_folder", "put", "read", "remove"]

_KEY = re.compile(r"[0-9a-f]{32}")


def put(outbox: Path, run: TrackedRun, files: Sequence[Path] = ()) -> Path:
    """Store ``run`` with copies of ``files`` and return the entry's path; a file that is not there is left out.

    Raises:
        StoreError: the folder cannot be written.
    """
    entry = outbox / f"{run.key}.json"
    try:
        copies = [_copy(path, files_folder(entry)) for path in files if path.is_file()]
        with atomic_write(entry) as file:
            file.write(run.model_copy(update={"files": tuple(copies)}).model_dump_json(indent=1).encode())
    except OSError as error:
        raise StoreError(
            f"cannot write the outbox: {error.strerror}", where=str(outbox), hint="free some space, or use --no-mlflow"
        ) from error
    return entry


def _copy(path: Path, folder: Path) -> TrackedFile:
    data = path.read_bytes()
    with atomic_write(folder / path.name) as file:
        file.write(data)
    return TrackedFile(name=path.name, sha256=digest_bytes(data))


def files_folder(entry: Path) -> Path:
    """Return the folder of an entry's files."""
    return entry.with_suffix("")


def entries(outbox: Path) -> list[Path]:
    """Return the entries, sorted by key; empty where there is no outbox."""
    return sorted(path for path in outbox.glob("*.json") if _KEY.fullmatch(path.stem))


def read(entry: Path) -> TrackedRun:
    """Return what an entry holds.

    Raises:
        StoreError: it is not an entry of a known format.
    """
    try:
        run = TrackedRun.model_validate_json(entry.read_bytes())
    except (OSError, ValidationError) as error:
        raise StoreError(
            f"outbox entry {entry.name} cannot be read",
            where=str(entry),
            hint="delete it: the run itself is in the store",
        ) from error
    if run.format != 1:
        raise StoreError(
            f"outbox entry {entry.name} has format {run.format}", where=str(entry), hint="use a newer evalkit"
        )
    return run


def remove(entry: Path) -> None:
    """Delete an entry, its files last: a rest of files without an entry does no harm."""
    entry.unlink(missing_ok=True)
    shutil.rmtree(files_folder(entry), ignore_errors=True)


@contextmanager
def exclusive(outbox: Path) -> Iterator[None]:
    """Hold the outbox for this process; waits for the holder, and a dead one never blocks."""
    outbox.mkdir(parents=True, exist_ok=True)
    handle = os.open(outbox / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
