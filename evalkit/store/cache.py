"""Answers by what was asked: the exact request, the model's identity, the trial and the draw.

The journal is the record; this is only a way not to pay twice for the same call in different runs, and can be deleted.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from evalkit.llm.wire import ChatResponse
from evalkit.store.checksum import checked, damaged, sealed
from evalkit.store.group_commit import GroupCommit, Row, connect, select

__all__ = ["CachedAnswer", "ResponseCache"]

FORMAT = 1
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS response"
    " (digest TEXT PRIMARY KEY, asked_at TEXT NOT NULL, body TEXT NOT NULL, crc INTEGER NOT NULL)",
)
_INSERT = "INSERT OR IGNORE INTO response VALUES (?,?,?,?)"
_PREFIX = 8
_BATCH = 64


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """A stored answer.

    Attributes:
        response: what was answered.
        asked_at: when the call was really made; with the request it names that call. Empty if it is not known.
    """

    response: ChatResponse
    asked_at: str


class ResponseCache:
    """A file of complete answers, shared by all runs of a store.

    What was there when it was opened is known by the beginnings of the digests, 8 bytes each, so that asking for what
    is not there costs no query.

    Args:
        path: ``cache.db``, created if absent.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer = GroupCommit(path, _SCHEMA, version=FORMAT, synchronous="NORMAL")
        self._rows: list[Row] = []
        self._db = connect(path, read_only=True)
        digests = select(self._db, path, "SELECT digest FROM response ORDER BY digest")
        self._known = array("Q", (_prefix(row[0]) for row in digests))

    def get(self, request_digest: str) -> CachedAnswer | None:
        """Return the answer that was stored when the cache was opened, or None.

        Raises:
            StoreError: the file is damaged.
        """
        if not self._may_hold(request_digest):
            return None
        sql = "SELECT digest, asked_at, body, crc FROM response WHERE digest = ?"
        rows = checked(select(self._db, self.path, sql, (request_digest,)), self.path, "answer", 1)
        for _, asked_at, body, _ in rows:
            try:
                return CachedAnswer(ChatResponse.model_validate_json(body), asked_at)
            except ValidationError as error:
                raise damaged(self.path, f"answer {request_digest} cannot be read") from error
        return None

    def put(self, request_digest: str, response: ChatResponse, *, asked_at: str | None = None) -> None:
        """Store a complete answer some answers later; losing it in a crash loses no record."""
        self._rows.append(sealed(request_digest, asked_at or "", response.model_dump_json(exclude_defaults=True)))
        if len(self._rows) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        self._writer.enqueue(_INSERT, rows)

    def _may_hold(self, request_digest: str) -> bool:
        prefix = _prefix(request_digest)
        place = bisect_left(self._known, prefix)
        return place < len(self._known) and self._known[place] == prefix

    def close(self) -> None:
        """Write what is queued and close. Safe to call twice."""
        if self._rows:
            self._flush()
        self._db.close()
        self._writer.close()  # last, so that the file is left in one piece


def _prefix(digest: str) -> int:
    return int.from_bytes(digest[:_PREFIX].encode().ljust(_PREFIX, b"\0"), "big")
