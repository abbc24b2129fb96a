"""Answers by what was asked: the exact request, the model's identity, the trial and the draw.

The journal is the record; this is only a way not to pay twice for the same call in different runs, and can be deleted.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from evalkit.llm.wire import ChatResponse
from evalkit.store.checksum import checked, damaged, sealed
from evalkit.store.group_commit import GroupCommit, connect, store_error

__all__ = ["ResponseCache"]

FORMAT = 1
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS response (digest TEXT PRIMARY KEY, body TEXT NOT NULL, crc INTEGER NOT NULL)"
    " WITHOUT ROWID",
)


class ResponseCache:
    """A file of complete answers, shared by all runs of a store.

    Args:
        path: ``cache.db``, created if absent.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer = GroupCommit(path, _SCHEMA, version=FORMAT, synchronous="NORMAL")
        self._db = connect(path, read_only=True)
        self._empty = self._select("SELECT 1 FROM response LIMIT 1") is None

    def get(self, request_digest: str) -> ChatResponse | None:
        """Return the stored answer, or None.

        Raises:
            StoreError: the file is damaged.
        """
        if self._empty:
            return None
        row = self._select("SELECT digest, body, crc FROM response WHERE digest = ?", request_digest)
        if row is None:
            return None
        try:
            ((_, body, _),) = checked([row], self.path, "answer", 1)
            return ChatResponse.model_validate_json(body)
        except ValidationError as error:
            raise damaged(self.path, f"answer {request_digest} cannot be read") from error

    def put(self, request_digest: str, response: ChatResponse) -> None:
        """Store a complete answer soon; losing it in a crash loses no record."""
        body = response.model_dump_json(exclude_defaults=True)
        self._writer.enqueue("INSERT OR IGNORE INTO response VALUES (?,?,?)", sealed(request_digest, body))

    def _select(self, sql: str, *parameters: str) -> tuple[Any, ...] | None:
        try:
            row: tuple[Any, ...] | None = self._db.execute(sql, parameters).fetchone()
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error
        return row

    def close(self) -> None:
        """Write what is queued and close. Safe to call twice."""
        self._db.close()
        self._writer.close()  # last, so that the file is left in one piece
