"""One process at a time on one run. The lock dies with its holder."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from datetime import datetime
from pathlib import Path
from types import TracebackType

from evalkit.base.errors import StoreError

__all__ = ["RunLock"]


class RunLock:
    """An advisory lock on a file, with who holds it written inside.

    The operating system releases it when the process ends, however it ends, so a dead holder never blocks anybody.

    Args:
        path: the lock file; created if absent.
        since: written into it for whoever finds it held.
    """

    def __init__(self, path: Path, *, since: datetime) -> None:
        self._path = path
        self._since = since
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            StoreError: another live process holds it; the message says which, where and since when.
        """
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(handle, 4096).decode(errors="replace")
            os.close(handle)
            raise StoreError(
                f"run {self._path.parent.name} is being written by {_describe(holder)}",
                hint="wait for it, or end that process; the same command then continues the run",
                where=str(self._path),
            ) from error
        os.ftruncate(handle, 0)
        body = {"pid": os.getpid(), "host": socket.gethostname(), "since": self._since.isoformat(timespec="seconds")}
        os.pwrite(handle, json.dumps(body).encode(), 0)
        self._handle = handle

    def release(self) -> None:
        """Give the lock back. Safe to call twice."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    @staticmethod
    def held(path: Path) -> bool:
        """Return whether a live process holds the lock at ``path``."""
        if not path.exists():
            return False
        handle = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(handle)
        return False

    def __enter__(self) -> RunLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _describe(holder: str) -> str:
    try:
        body = json.loads(holder)
        return f"process {body['pid']} on {body['host']} since {body['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
