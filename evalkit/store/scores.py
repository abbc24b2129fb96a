"""Scores of one run by one grader: a file of its own, so that a changed grader never mixes with what it replaced."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from evalkit.core.score import Score
from evalkit.store.group_commit import GroupCommit, connect, store_error

__all__ = ["ScoreReader", "ScoreWriter"]

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS score (position INTEGER NOT NULL, trial INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " metric TEXT NOT NULL, status TEXT NOT NULL, value REAL, label TEXT, reason TEXT, usage TEXT,"
    " PRIMARY KEY (position, trial, seq, metric)) WITHOUT ROWID",
    "PRAGMA user_version=1",
)


class ScoreWriter:
    """Appends scores durably. ``path`` is created if absent; its folder too."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = GroupCommit(path, _SCHEMA)

    def put(self, rows: Sequence[tuple[int, int, int, Score]]) -> None:
        """Write ``(position, trial, seq, score)`` rows; one that is there already is left as it is."""
        self._writer.write(
            "INSERT OR IGNORE INTO score VALUES (?,?,?,?,?,?,?,?,?)",
            [
                (
                    position,
                    trial,
                    seq,
                    score.metric,
                    score.status,
                    score.value,
                    score.label,
                    score.reason,
                    score.usage.model_dump_json(exclude_defaults=True) if score.usage else None,
                )
                for position, trial, seq, score in rows
            ],
        )

    def close(self) -> None:
        """Commit and close. Safe to call twice."""
        self._writer.close()


class ScoreReader:
    """Reads one grader's scores; a file that does not exist reads as no scores."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = connect(path, read_only=True) if path.exists() else None

    def done(self) -> set[tuple[int, int, int]]:
        """Return the ``(position, trial, seq)`` that have scores."""
        return {(row[0], row[1], row[2]) for row in self._query("SELECT DISTINCT position, trial, seq FROM score")}

    def rows(self) -> Iterator[tuple[int, int, int, str, str, float | None, str | None, str | None]]:
        """Yield ``(position, trial, seq, metric, status, value, label, reason)``."""
        yield from self._query(
            "SELECT position, trial, seq, metric, status, value, label, reason FROM score ORDER BY position, trial, seq"
        )

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()

    def _query(self, sql: str) -> Iterator[Any]:
        if self._db is None:
            return
        try:
            yield from self._db.execute(sql)
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error
