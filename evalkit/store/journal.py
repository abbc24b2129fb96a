"""The record of one run: what was planned for, and every exchange, each appended once and never changed.

Tables of ``outputs.db`` (``user_version`` 1):

``item``      position in the analysis order, id, digest and the item itself as JSON
``exchange``  one planned call's answer or failure; ``seq`` counts repetitions of a call that infrastructure failed
``event``     created (the manifest), resumed, finished, accepted …: a run's status is derived from these
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from evalkit.base.errors import StoreError
from evalkit.core.item import Item
from evalkit.core.output import CallKey, Exchange, Failure, Output
from evalkit.core.run import RunManifest
from evalkit.llm.wire import ChatResponse
from evalkit.store.group_commit import GroupCommit, connect, store_error

__all__ = ["Journal", "JournalReader", "RecordedOutput", "StoredCall"]

FORMAT = 1
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS item (position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, digest TEXT NOT NULL,"
    " body TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS exchange (position INTEGER NOT NULL, trial INTEGER NOT NULL, step INTEGER NOT NULL,"
    " seq INTEGER NOT NULL, request_digest TEXT NOT NULL, status TEXT NOT NULL, attempts INTEGER NOT NULL,"
    " cached INTEGER NOT NULL, started_at TEXT, body TEXT NOT NULL, PRIMARY KEY (position, trial, step, seq))",
    "CREATE TABLE IF NOT EXISTS event (at TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL)",
    f"PRAGMA user_version={FORMAT}",
)
_EXCHANGE = "INSERT INTO exchange VALUES (?,?,?,?,?,?,?,?,?,?)"


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A planned call that has a record.

    Attributes:
        seq: how often it has been repeated, from 0.
        status: ``ok``, ``candidate`` or ``infrastructure`` (who is to blame for the failure).
        code: the failure's code, empty if ok.
    """

    seq: int
    status: str
    code: str


@dataclass(frozen=True, slots=True)
class RecordedOutput:
    """An output with its place: ``position`` in analysis order, ``seq`` of its final call, and the item asked about."""

    position: int
    seq: int
    item: Item
    output: Output


class Journal:
    """The writing side of a run's record; one open journal a run, guarded by the run's lock.

    Args:
        path: ``outputs.db``, created if absent.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer = GroupCommit(path, _SCHEMA)

    def create(self, manifest: RunManifest, items: Iterable[Item]) -> None:
        """Record what is planned: the items in analysis order, then the manifest, which makes the run exist."""
        position = 0
        for group in batched_items(items):
            rows = [
                (position + index, item.id, item.digest, orjson.dumps(item.model_dump(mode="json")).decode())
                for index, item in enumerate(group)
            ]
            self._writer.write("INSERT OR REPLACE INTO item VALUES (?,?,?,?)", rows)
            position += len(group)
        self.event("created", manifest.started_at, manifest.model_dump(mode="json"))

    def event(self, kind: str, at: str | datetime, body: object = None) -> None:
        """Append an event."""
        when = at if isinstance(at, str) else at.isoformat(timespec="milliseconds")
        self._writer.write("INSERT INTO event VALUES (?,?,?)", [(when, kind, orjson.dumps(body).decode())])

    async def put(self, position: int, exchange: Exchange, seq: int = 0) -> None:
        """Append one exchange and return when it is durable."""
        failure = exchange.failure
        if failure is None:
            status, body = "ok", exchange.response.model_dump_json(exclude_defaults=True) if exchange.response else ""
        else:
            status, body = failure.blame, failure.model_dump_json(exclude_defaults=True)
        row = (
            position,
            exchange.key.trial,
            exchange.key.step,
            seq,
            exchange.request_digest,
            status,
            exchange.attempts,
            int(exchange.cached),
            exchange.started_at,
            body,
        )
        await self._writer.awrite(_EXCHANGE, [row])

    def close(self) -> None:
        """Commit and close. Safe to call twice."""
        self._writer.close()


def batched_items(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield lists of up to 1,000 items."""
    group: list[Item] = []
    for item in items:
        group.append(item)
        if len(group) == 1000:
            yield group
            group = []
    if group:
        yield group


class JournalReader:
    """The reading side: works while another process writes.

    Raises:
        StoreError: the file is absent, damaged or of a newer format.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise StoreError(f"no record at {path}", hint="see `evalkit runs list`", where=str(path))
        self.path = path
        self._db = connect(path, read_only=True)
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > FORMAT:
            raise StoreError(
                f"run record of format {version}; this evalkit reads up to {FORMAT}",
                hint="upgrade evalkit, or read the run with the version that wrote it",
                where=str(path),
            )

    def manifest(self) -> RunManifest | None:
        """Return the manifest with its status derived from the events; None if the run was never fully created."""
        manifest: RunManifest | None = None
        for at, kind, body in self._query("SELECT at, kind, body FROM event ORDER BY rowid"):
            if kind == "created":
                manifest = RunManifest.model_validate_json(body)
            elif manifest is not None and kind == "finished":
                manifest = manifest.model_copy(update={"status": "finished", "finished_at": at})
                if orjson.loads(body).get("cached"):  # answers of another time: latencies have no common conditions
                    manifest = manifest.model_copy(update={"batch": f"{manifest.batch} partly cached {manifest.id}"})
            elif manifest is not None and kind in {"resumed", "interrupted"}:
                status = "running" if kind == "resumed" else "interrupted"
                manifest = manifest.model_copy(update={"status": status, "finished_at": None})
        return manifest

    def events(self) -> list[tuple[str, str, str]]:
        """Return ``(at, kind, JSON body)`` in the order of writing."""
        return [(at, kind, body) for at, kind, body in self._query("SELECT at, kind, body FROM event ORDER BY rowid")]

    def items(self) -> Iterator[Item]:
        """Yield the items in analysis order."""
        for (body,) in self._query("SELECT body FROM item ORDER BY position"):
            yield Item.model_validate_json(body)

    def item_rows(self) -> Iterator[tuple[int, str, str, str]]:
        """Yield ``(position, id, digest, JSON)`` in analysis order."""
        yield from self._query("SELECT position, id, digest, body FROM item ORDER BY position")

    def calls(self) -> dict[tuple[int, int, int], StoredCall]:
        """Return ``(position, trial, step)`` to the newest record of each planned call."""
        found: dict[tuple[int, int, int], StoredCall] = {}
        query = "SELECT position, trial, step, seq, status, body FROM exchange ORDER BY seq"
        for position, trial, step, seq, status, body in self._query(query):
            code = "" if status == "ok" else str(orjson.loads(body)["code"])
            found[(position, trial, step)] = StoredCall(seq, status, code)
        return found

    def outputs(self) -> Iterator[RecordedOutput]:
        """Yield every output in analysis order, the newest repetition of each call; an item is parsed once."""
        query = (
            "SELECT e.position, e.trial, e.step, e.seq, e.request_digest, e.status, e.attempts, e.cached, e.started_at,"
            " e.body, i.body FROM exchange e JOIN item i USING (position) ORDER BY e.position, e.trial, e.step, e.seq"
        )
        item: Item | None = None
        last = -1
        for (position, trial), group in groupby(self._query(query), key=lambda row: (row[0], row[1])):
            newest = {row[2]: row for row in group}
            final = newest[max(newest)]
            if item is None or position != last:
                item, last = Item.model_validate_json(final[10]), position
            exchanges = tuple(_exchange(item.id, trial, row) for row in newest.values())
            yield RecordedOutput(position, final[3], item, Output(item_id=item.id, trial=trial, exchanges=exchanges))

    def summaries(self) -> Iterator[tuple[int, int, int, str, str, str]]:
        """Yield ``(position, trial, seq, request digest, status, JSON body)``, oldest repetition of a call first."""
        yield from self._query(
            "SELECT position, trial, seq, request_digest, status, body FROM exchange"
            " ORDER BY position, trial, step, seq"
        )

    def count(self) -> int:
        """Return how many planned calls have a record."""
        rows = self._query("SELECT count(*) FROM (SELECT DISTINCT position, trial, step FROM exchange)")
        return int(next(rows)[0])

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _query(self, sql: str, parameters: tuple[object, ...] = ()) -> Iterator[Any]:
        try:
            yield from self._db.execute(sql, parameters)
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error


def _exchange(item_id: str, trial: int, row: tuple[Any, ...]) -> Exchange:
    _, _, step, _, request_digest, status, attempts, cached, started_at, body, _ = row
    ok = status == "ok"
    return Exchange(
        key=CallKey(item_id=item_id, trial=trial, step=step),
        request_digest=request_digest,
        response=ChatResponse.model_validate_json(body) if ok else None,
        failure=None if ok else Failure.model_validate_json(body),
        attempts=attempts,
        cached=bool(cached),
        started_at=started_at,
    )
