"""Answers by what was asked: the exact request, the model's identity, the trial and the draw.

The journal is the record; this is only a way not to pay twice for the same call in different runs, and can be deleted.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from evalkit.llm.wire import ChatResponse
from evalkit.store.group_commit import GroupCommit, connect, store_error

__all__ = ["ResponseCache"]

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS response (digest TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
    "PRAGMA user_version=1",
)


class ResponseCache:
    """A file of complete answers, shared by all runs of a store.

    Args:
        path: ``cache.db``, created if absent.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer = GroupCommit(path, _SCHEMA, synchronous="NORMAL")
        self._db = connect(path, read_only=True)
        self._empty = self._db.execute("SELECT 1 FROM response LIMIT 1").fetchone() is None

    def get(self, request_digest: str) -> ChatResponse | None:
        """Return the stored answer, or None."""
        if self._empty:
            return None
        try:
            row = self._db.execute("SELECT body FROM response WHERE digest = ?", (request_digest,)).fetchone()
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error
        return ChatResponse.model_validate_json(row[0]) if row else None

    def put(self, request_digest: str, response: ChatResponse) -> None:
        """Store a complete answer soon; losing it in a crash loses no record."""
        body = response.model_dump_json(exclude_defaults=True)
        self._writer.enqueue("INSERT OR IGNORE INTO response VALUES (?,?)", (request_digest, body))

    def close(self) -> None:
        """Write what is queued and close. Safe to call twice."""
        self._writer.close()
        self._db.close()
