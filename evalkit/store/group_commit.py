"""A SQLite file written by one thread that commits whole groups of rows.

A durable commit costs the same for one row as for a hundred. Callers wait for the commit that holds their row, and all
rows that arrived meanwhile share the next one.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from evalkit.base.errors import StoreError
from evalkit.store.checksum import damaged

__all__ = ["GroupCommit", "Row", "connect", "format_of", "select", "store_error"]

Row: TypeAlias = Sequence[Any]
_MAX_GROUP = 512


@dataclass(frozen=True, slots=True)
class _Work:
    sql: str
    rows: Sequence[Row]
    done: Future[None] | asyncio.Future[None] | None


class _CommitError(StoreError):
    """A group that was not written. ``rows_at_fault``: the file is usable, but not for one of these rows."""

    def __init__(self, path: Path, error: Exception) -> None:
        known = store_error(path, error)
        super().__init__(known.message, hint=known.hint, where=known.where)
        self.__cause__ = error
        broken = isinstance(error, (sqlite3.OperationalError, OSError)) or type(error) is sqlite3.DatabaseError
        self.rows_at_fault = not broken


def _finish(group: list[_Work], error: StoreError | None) -> None:
    """Tell everybody who waits: threads one by one, an event loop once for all its futures."""
    waiting: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for work in group:
        if isinstance(work.done, asyncio.Future):
            waiting.setdefault(work.done.get_loop(), []).append(work.done)
        elif work.done is not None:
            _resolve([work.done], error)
    for loop, futures in waiting.items():
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
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
        return damaged(path, text)
    else:
        hint = "check the disk and the permissions, then repeat the same command: what was stored is kept"
    return StoreError(f"cannot use the store: {text}", hint=hint, where=str(path))


def connect(path: Path, *, synchronous: str = "FULL", read_only: bool = False) -> sqlite3.Connection:
    """Return a connection in WAL mode that waits up to 10 s for another process's lock.

    Raises:
        StoreError: the file cannot be opened or is not a SQLite database.
    """
    target = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    try:
        connection = sqlite3.connect(target, uri=True, timeout=10.0, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise store_error(path, error) from error
    try:
        if not read_only:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        connection.close()
        raise store_error(path, error) from error
    return connection


def format_of(connection: sqlite3.Connection, path: Path, newest: int) -> int:
    """Return the format number of an open file, 0 if its tables were never created.

    Raises:
        StoreError: the file is damaged, or of a format newer than ``newest``.
    """
    try:
        connection.execute("BEGIN")  # one snapshot: another process may be creating the tables
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        n_tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise store_error(path, error) from error
    if version > newest:
        raise StoreError(
            f"{path.name} has format {version}; this evalkit reads up to {newest}",
            hint="upgrade evalkit, or read the run with the version that wrote it",
            where=str(path),
        )
    if bool(version) != bool(n_tables):
        raise damaged(path, "its format number and its tables disagree")
    return version


def select(connection: sqlite3.Connection, path: Path, sql: str, parameters: tuple[Any, ...] = ()) -> Iterator[Any]:
    """Yield the rows of a query.

    Raises:
        StoreError: the file cannot be read, or is damaged.
    """
    try:
        for row in connection.execute(sql, parameters):  # noqa: UP028 - `yield from` would close the cursor too late
            yield row
    except sqlite3.Error as error:
        raise store_error(path, error) from error


class GroupCommit:
    """One writer thread on one SQLite file.

    Args:
        path: the database file; its folder exists.
        schema: statements that create the tables, run once, each with ``IF NOT EXISTS``.
        version: the format number of that schema; a file with a higher one is refused.
        synchronous: ``FULL`` for records that must survive a power cut, ``NORMAL`` for what can be made again.
    """

    def __init__(self, path: Path, schema: Sequence[str], *, version: int = 1, synchronous: str = "FULL") -> None:
        self.path = path
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._connection = connect(path, synchronous=synchronous)
        self._closed = False
        self._gate = threading.Lock()
        try:
            self._create(schema, version)
        except StoreError:
            self._connection.close()
            raise
        self._thread = threading.Thread(target=self._run, name=f"commit {path.name}", daemon=True)
        self._thread.start()

    def _create(self, schema: Sequence[str], version: int) -> None:
        """Create the tables and set the format number, both or neither."""
        if format_of(self._connection, self.path, version):
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for statement in schema:
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version={version}")
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error

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

    def enqueue(self, sql: str, rows: Sequence[Row]) -> None:
        """Write ``rows`` some time soon; a failure is not reported. For what can be made again."""
        self._put(_Work(sql, rows, None))

    def close(self) -> None:
        """Commit what is queued and close the file. Safe to call twice."""
        with self._gate:
            if self._closed:
                return
            self._closed = True
            self._work.put(None)
        self._thread.join()
        self._connection.close()

    def _put(self, work: _Work) -> None:
        with self._gate:  # nothing is queued behind the mark that ends the thread
            if self._closed:
                raise StoreError("the store is closed", hint="this is a bug: please report it", where=str(self.path))
            self._work.put(work)

    def _run(self) -> None:
        while group := self._next_group():
            error = self._commit(group)
            if error is None or len(group) == 1 or not error.rows_at_fault:
                _finish(group, error)
                continue
            for work in group:  # one bad row must not cost its neighbours theirs
                _finish([work], self._commit([work]))

    def _next_group(self) -> list[_Work]:
        """Return what is queued, after waiting for the first; empty when the end is reached."""
        work = self._work.get()
        group: list[_Work] = []
        while work is not None:
            group.append(work)
            if len(group) == _MAX_GROUP:
                return group
            try:
                work = self._work.get_nowait()
            except queue.Empty:
                return group
        if group:
            self._work.put(None)
        return group

    def _commit(self, group: list[_Work]) -> _CommitError | None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for work in group:
                self._connection.executemany(work.sql, work.rows)
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            with suppress(sqlite3.Error):
                self._connection.rollback()
            return _CommitError(self.path, error)
        return None
