"""One process at a time on one run. The lock dies with its holder."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType

from evalkit.base.errors import StoreError

__all__ = ["RunLock"]

_TRIES = 10
_PAUSE_S = 0.02


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
        handle = self._open()
        try:
            if not _locked(handle, tries=_TRIES):
                holder = os.pread(handle, 4096, 0).decode(errors="replace")
                raise StoreError(
                    f"run {self._path.parent.name} is being written by {_describe(holder)}",
                    hint="wait for it, or end that process; the same command then continues the run",
                    where=str(self._path),
                )
            self._sign(handle)
        except StoreError:
            os.close(handle)
            raise
        self._handle = handle

    def release(self) -> None:
        """Give the lock back. Safe to call twice."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    @staticmethod
    def held(path: Path) -> bool:
        """Return whether a live process holds the lock at ``path``."""
        try:
            handle = os.open(path, os.O_RDONLY)
        except OSError:
            return False
        try:
            return not _locked(handle, tries=1)
        finally:
            os.close(handle)

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise StoreError(
                f"cannot lock the run: {error.strerror}",
                hint="check the permissions, or choose another place with --store",
                where=str(self._path),
            ) from error

    def _sign(self, handle: int) -> None:
        """Write down who holds the lock; only a message depends on it, so a full disk is no reason to stop."""
        body = {"pid": os.getpid(), "host": socket.gethostname(), "since": self._since.isoformat(timespec="seconds")}
        with suppress(OSError):
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps(body).encode(), 0)

    def __enter__(self) -> RunLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _locked(handle: int, *, tries: int) -> bool:
    """Return whether the lock was taken; several tries outlast somebody who only asks whether it is held."""
    pause = threading.Event()
    for attempt in range(tries):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if attempt + 1 < tries:
                pause.wait(_PAUSE_S)
        else:
            return True
    return False


def _describe(holder: str) -> str:
    try:
        body = json.loads(holder)
        return f"process {body['pid']} on {body['host']} since {body['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
