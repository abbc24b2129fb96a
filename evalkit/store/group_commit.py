"""A SQLite file written by one thread that commits whole groups of rows.

A durable commit costs the same for one row as for a hundred. Callers wait for the commit that holds their row, and all
rows that arrived meanwhile share the next one.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from evalkit.base.errors import StoreError

__all__ = ["GroupCommit", "Row", "connect", "store_error"]

Row: TypeAlias = Sequence[Any]
_MAX_GROUP = 512


@dataclass(frozen=True, slots=True)
class _Work:
    sql: str
    rows: Sequence[Row]
    done: Future[None] | asyncio.Future[None] | None


def _finish(group: list[_Work], error: StoreError | None) -> None:
    """Tell everybody who waits: threads one by one, an event loop once for all its futures."""
    waiting: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for work in group:
        if isinstance(work.done, asyncio.Future):
            waiting.setdefault(work.done.get_loop(), []).append(work.done)
        elif work.done is not None:
            _resolve([work.done], error)
    for loop, futures in waiting.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, futures, error)


def _resolve(futures: Sequence[Future[None] | asyncio.Future[None]], error: StoreError | None) -> None:
    for future in futures:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


def store_error(path: Path, error: BaseException) -> StoreError:
    """Return the :class:`StoreError` for what SQLite or the file system said about ``path``."""
    text = str(error)
    if "disk is full" in text or "No space left" in text:
        hint = "free some space, then repeat the same command: what was stored is kept"
    elif "malformed" in text or "not a database" in text:
        hint = f"run `evalkit runs verify {path.parent.name}`, or move the file away to start over"
    else:
        hint = "check the disk and the permissions, then repeat the same command: what was stored is kept"
    return StoreError(f"cannot use the store: {text}", hint=hint, where=str(path))


def connect(path: Path, *, synchronous: str = "FULL", read_only: bool = False) -> sqlite3.Connection:
    """Return a connection in WAL mode that waits up to 10 s for another process's lock.

    Raises:
        StoreError: the file cannot be opened or is not a SQLite database.
    """
    try:
        target = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        connection = sqlite3.connect(target, uri=True, timeout=10.0, isolation_level=None, check_same_thread=False)
        if not read_only:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        raise store_error(path, error) from error
    return connection


class GroupCommit:
    """One writer thread on one SQLite file.

    Args:
        path: the database file; its folder exists.
        schema: statements that create the tables, run once.
        synchronous: ``FULL`` for records that must survive a power cut, ``NORMAL`` for what can be made again.
    """

    def __init__(self, path: Path, schema: Sequence[str], *, synchronous: str = "FULL") -> None:
        self.path = path
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._connection = connect(path, synchronous=synchronous)
        self._closed = False
        try:
            for statement in schema:
                self._connection.execute(statement)
        except sqlite3.Error as error:
            self._connection.close()
            raise store_error(path, error) from error
        self._thread = threading.Thread(target=self._run, name=f"commit {path.name}", daemon=True)
        self._thread.start()

    def write(self, sql: str, rows: Sequence[Row]) -> None:
        """Write ``rows`` and return when they are durable.

        Raises:
            StoreError: they are not.
        """
        done: Future[None] = Future()
        self._put(_Work(sql, rows, done))
        done.result()

    async def awrite(self, sql: str, rows: Sequence[Row]) -> None:
        """Write ``rows`` and return when they are durable, without blocking the event loop.

        Raises:
            StoreError: they are not.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._put(_Work(sql, rows, done))
        await done

    def enqueue(self, sql: str, row: Row) -> None:
        """Write ``row`` some time soon; a failure is not reported. For what can be made again."""
        self._put(_Work(sql, [row], None))

    def close(self) -> None:
        """Commit what is queued and close the file. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._work.put(None)
        self._thread.join()
        self._connection.close()

    def _put(self, work: _Work) -> None:
        if self._closed:
            raise StoreError("the store is closed", hint="this is a bug: please report it", where=str(self.path))
        self._work.put(work)

    def _run(self) -> None:
        while (group := self._next_group()) is not None:
            _finish(group, self._commit(group))

    def _next_group(self) -> list[_Work] | None:
        first = self._work.get()
        if first is None:
            return None
        group = [first]
        while len(group) < _MAX_GROUP:
            try:
                work = self._work.get_nowait()
            except queue.Empty:
                break
            if work is None:
                self._work.put(None)
                break
            group.append(work)
        return group

    def _commit(self, group: list[_Work]) -> StoreError | None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for work in group:
                self._connection.executemany(work.sql, work.rows)
            self._connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            if self._connection.in_transaction:
                self._connection.rollback()
            return store_error(self.path, error)
        return None
