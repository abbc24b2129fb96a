"""The record of one run: what was planned for, and every exchange, each appended once and never changed.

Tables of ``outputs.db`` (``user_version`` 1):

``item``      position in the analysis order, id, digest and the item itself as JSON
``exchange``  one planned call's answer or failure; ``seq`` counts repetitions of a call that infrastructure failed
``event``     created (the manifest), resumed, finished, accepted …: a run's status is derived from these

Every row ends in its checksum.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from evalkit.base.errors import StoreError
from evalkit.core.item import Item
from evalkit.core.output import CallKey, Exchange, Failure, Output
from evalkit.core.run import RunManifest
from evalkit.llm.wire import ChatResponse
from evalkit.store.checksum import checked, damaged, sealed
from evalkit.store.group_commit import GroupCommit, connect, format_of, select

__all__ = ["Journal", "JournalReader", "RecordedOutput", "StoredCall"]

M = TypeVar("M", bound=BaseModel)

FORMAT = 1
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS item (position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, digest TEXT NOT NULL,"
    " body TEXT NOT NULL, crc INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS exchange (position INTEGER NOT NULL, trial INTEGER NOT NULL, step INTEGER NOT NULL,"
    " seq INTEGER NOT NULL, request_digest TEXT NOT NULL, status TEXT NOT NULL, attempts INTEGER NOT NULL,"
    " cached INTEGER NOT NULL, started_at TEXT, body TEXT NOT NULL, crc INTEGER NOT NULL,"
    " PRIMARY KEY (position, trial, step, seq))",
    "CREATE INDEX IF NOT EXISTS exchange_cached ON exchange (cached) WHERE cached = 1",
    "CREATE TABLE IF NOT EXISTS event (at TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, crc INTEGER NOT NULL)",
)
_ITEM = "INSERT OR REPLACE INTO item VALUES (?,?,?,?,?)"
_EXCHANGE = "INSERT INTO exchange VALUES (?,?,?,?,?,?,?,?,?,?,?)"
_NO_END = 2**62
_EVENT = "INSERT INTO event VALUES (?,?,?,?)"


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
        self._writer = GroupCommit(path, _SCHEMA, version=FORMAT)

    def create(self, manifest: RunManifest, items: Iterable[Item]) -> None:
        """Record what is planned: the items in analysis order, then the manifest, which makes the run exist."""
        position = 0
        for group in batched_items(items):
            rows = [
                sealed(position + index, item.id, item.digest, item.model_dump_json())
                for index, item in enumerate(group)
            ]
            self._writer.write(_ITEM, rows)
            position += len(group)
        self.event("created", manifest.started_at, manifest.model_dump(mode="json"))

    def event(self, kind: str, at: str | datetime, body: object = None) -> None:
        """Append an event."""
        when = at if isinstance(at, str) else at.isoformat(timespec="milliseconds")
        self._writer.write(_EVENT, [sealed(when, kind, orjson.dumps(body).decode())])

    async def put(self, position: int, exchange: Exchange, seq: int = 0) -> None:
        """Append one exchange and return when it is durable.

        Cancelled while it waits, the exchange is written nevertheless.
        """
        failure = exchange.failure
        if failure is None:
            status, body = "ok", exchange.response.model_dump_json(exclude_defaults=True) if exchange.response else ""
        else:
            status, body = failure.blame, failure.model_dump_json(exclude_defaults=True)
        row = sealed(
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
    """Yield lists of up to 5,000 items."""
    group: list[Item] = []
    for item in items:
        group.append(item)
        if len(group) == 5000:
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
        try:
            self._created = format_of(self._db, path, FORMAT) > 0
        except StoreError:
            self._db.close()
            raise

    def manifest(self) -> RunManifest | None:
        """Return the manifest with its status derived from the events; None if the run was never fully created."""
        manifest: RunManifest | None = None
        for at, kind, body in self.events():
            if kind == "created":
                manifest = self._parsed(RunManifest, body, "the manifest")
            elif manifest is not None and kind == "finished":
                manifest = manifest.model_copy(update={"status": "finished", "finished_at": at})
            elif manifest is not None and kind in {"resumed", "interrupted"}:
                status = "running" if kind == "resumed" else "interrupted"
                manifest = manifest.model_copy(update={"status": status, "finished_at": None})
        if manifest is not None and self._any_cached():  # answers of another time: latencies have no common conditions
            manifest = manifest.model_copy(update={"batch": f"{manifest.batch} partly cached {manifest.id}"})
        return manifest

    def events(self) -> list[tuple[str, str, str]]:
        """Return ``(at, kind, JSON body)`` in the order of writing."""
        rows = self._query("SELECT at, kind, body, crc FROM event ORDER BY rowid")
        return [(at, kind, body) for at, kind, body, _ in checked(rows, self.path, "event", 2)]

    def items(self) -> Iterator[Item]:
        """Yield the items in analysis order."""
        for position, _, _, body in self.item_rows():
            yield self._parsed(Item, body, f"item {position}")

    def item_rows(self) -> Iterator[tuple[int, str, str, str]]:
        """Yield ``(position, id, digest, JSON)`` in analysis order."""
        yield from self._items((0, _NO_END))

    def calls(self) -> dict[tuple[int, int, int], StoredCall]:
        """Return ``(position, trial, step)`` to the newest record of each planned call."""
        found: dict[tuple[int, int, int], StoredCall] = {}
        kinds: dict[tuple[int, str, str], StoredCall] = {}  # a million records share a few values
        rows = checked(self._query("SELECT * FROM exchange"), self.path, "exchange", 4)
        for position, trial, step, seq, _, status, _, _, _, body, _ in rows:
            key = (position, trial, step)
            if key in found and found[key].seq > seq:
                continue
            kind = (seq, status, "" if status == "ok" else str(orjson.loads(body)["code"]))
            found[key] = kinds.setdefault(kind, StoredCall(*kind))
        return found

    def answered(self) -> Iterator[tuple[int, int, int]]:
        """Yield ``(position, trial, seq)`` of every output that has an answer, in analysis order."""
        rows = self._query(
            "SELECT position, trial, step, seq, status FROM exchange ORDER BY position, trial, step, seq"
        )
        for (position, trial), group in groupby(rows, key=lambda row: (row[0], row[1])):
            *_, (_, _, _, seq, status) = group
            if status == "ok":
                yield position, trial, seq

    def outputs(self, first: int = 0, last: int | None = None) -> Iterator[RecordedOutput]:
        """Yield every output in analysis order, the newest repetition of each call; an item is parsed once.

        Args:
            first: the first position.
            last: the last position, None for all.
        """
        bounds = (first, _NO_END if last is None else last)
        items = self._items(bounds)
        at, item = -1, None
        for (position, trial), group in groupby(self._ordered(bounds), key=lambda row: (row[0], row[1])):
            if item is None or position != at:
                at, item = position, self._item_at(items, position)
            newest = {row[2]: row for row in group}
            exchanges = tuple(self._exchange(item.id, row) for row in newest.values())
            seq = newest[max(newest)][3]
            yield RecordedOutput(position, seq, item, Output(item_id=item.id, trial=trial, exchanges=exchanges))

    def summaries(self) -> Iterator[tuple[int, int, int, str, str, str]]:
        """Yield ``(position, trial, seq, call, status, JSON body)``, oldest repetition of a call first.

        ``call`` is the request's digest and the moment it was really asked: the same in two runs only where one call's
        answer serves both, from the cache or from a recording.
        """
        for row in self._ordered((0, _NO_END)):
            position, trial, _, seq, request_digest, status, _, _, started_at, body, _ = row
            yield position, trial, seq, f"{request_digest} {started_at or ''}".rstrip(), status, body

    def count(self) -> int:
        """Return how many planned calls have a record."""
        rows = self._query("SELECT count(*) FROM (SELECT DISTINCT position, trial, step FROM exchange)")
        return int(next(rows, (0,))[0])

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _any_cached(self) -> bool:
        return next(self._query("SELECT 1 FROM exchange WHERE cached = 1 LIMIT 1"), None) is not None

    def _items(self, bounds: tuple[int, int]) -> Iterator[tuple[int, str, str, str]]:
        sql = "SELECT position, id, digest, body, crc FROM item WHERE position BETWEEN ? AND ? ORDER BY position"
        for position, item_id, digest, body, _ in checked(self._query(sql, bounds), self.path, "item", 2):
            yield position, item_id, digest, body

    def _ordered(self, bounds: tuple[int, int]) -> Iterator[tuple[Any, ...]]:
        sql = "SELECT * FROM exchange WHERE position BETWEEN ? AND ? ORDER BY position, trial, step, seq"
        return checked(self._query(sql, bounds), self.path, "exchange", 4)

    def _item_at(self, items: Iterator[tuple[int, str, str, str]], position: int) -> Item:
        for at, _, _, body in items:
            if at == position:
                return self._parsed(Item, body, f"item {position}")
        raise damaged(self.path, f"item {position} is missing")

    def _exchange(self, item_id: str, row: tuple[Any, ...]) -> Exchange:
        position, trial, step, _, request_digest, status, attempts, cached, started_at, body, _ = row
        ok, what = status == "ok", f"exchange {position} {trial} {step}"
        return Exchange(
            key=CallKey(item_id=item_id, trial=trial, step=step),
            request_digest=request_digest,
            response=self._parsed(ChatResponse, body, what) if ok else None,
            failure=None if ok else self._parsed(Failure, body, what),
            attempts=attempts,
            cached=bool(cached),
            started_at=started_at,
        )

    def _parsed(self, kind: type[M], body: str, what: str) -> M:
        try:
            return kind.model_validate_json(body)
        except ValidationError as error:
            raise damaged(self.path, f"{what} cannot be read: {error.errors()[0]['msg']}") from error

    def _query(self, sql: str, parameters: tuple[int, ...] = ()) -> Iterator[Any]:
        if not self._created:
            return
        yield from select(self._db, self.path, sql, parameters)
