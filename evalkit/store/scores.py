"""Scores of one run by one grader: a file of its own, so that a changed grader never mixes with what it replaced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from evalkit.base.errors import StoreError
from evalkit.core.score import Score
from evalkit.store.checksum import checked, sealed
from evalkit.store.group_commit import GroupCommit, Row, connect, format_of, select

__all__ = ["ScoreReader", "ScoreWriter"]

FORMAT = 1
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS score (position INTEGER NOT NULL, trial INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " metric TEXT NOT NULL, status TEXT NOT NULL, value REAL, label TEXT, reason TEXT, usage TEXT,"
    " crc INTEGER NOT NULL, PRIMARY KEY (position, trial, seq, metric)) WITHOUT ROWID",
)


_INSERT = "INSERT OR IGNORE INTO score VALUES (?,?,?,?,?,?,?,?,?,?)"


def _row(position: int, trial: int, seq: int, score: Score) -> Row:
    return sealed(
        position,
        trial,
        seq,
        score.metric,
        score.status,
        None if score.value is None else score.value + 0.0,  # SQLite has no -0.0
        score.label,
        score.reason,
        score.usage.model_dump_json(exclude_defaults=True) if score.usage else None,
    )


class ScoreWriter:
    """Appends scores durably. ``path`` is created if absent; its folder exists."""

    def __init__(self, path: Path) -> None:
        self._writer = GroupCommit(path, _SCHEMA, version=FORMAT)
        self._rows: list[Row] = []

    def add(self, position: int, trial: int, seq: int, scores: Iterable[Score]) -> int:
        """Take the scores of one output and return how many there are; :meth:`flush` writes them."""
        before = len(self._rows)
        self._rows.extend(_row(position, trial, seq, score) for score in scores)
        return len(self._rows) - before

    def flush(self) -> None:
        """Write what was added, durably; a score that is there already is left as it is."""
        if self._rows:
            rows, self._rows = self._rows, []
            self._writer.write(_INSERT, rows)

    def close(self) -> None:
        """Close; what was not flushed is not written. Safe to call twice."""
        self._writer.close()


class ScoreReader:
    """Reads one grader's scores; a file that does not exist reads as no scores."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = connect(path, read_only=True) if path.exists() else None
        try:
            self._created = self._db is not None and format_of(self._db, path, FORMAT) > 0
        except StoreError:
            self.close()
            raise

    def done(self, first: int = 0, last: int | None = None) -> set[tuple[int, int, int]]:
        """Return the ``(position, trial, seq)`` that have scores, of the positions from ``first`` to ``last``."""
        sql = "SELECT DISTINCT position, trial, seq FROM score WHERE position BETWEEN ? AND ?"
        return set(self._query(sql, (first, 2**62 if last is None else last)))

    def rows(self) -> Iterator[tuple[int, int, int, str, str, float | None, str | None, str | None]]:
        """Yield ``(position, trial, seq, metric, status, value, label, reason)``.

        Raises:
            StoreError: a score is not what was written.
        """
        rows = self._query("SELECT * FROM score ORDER BY position, trial, seq, metric")
        for position, trial, seq, metric, status, value, label, reason, _, _ in checked(rows, self.path, "score", 4):
            yield position, trial, seq, metric, status, value, label, reason

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()

    def _query(self, sql: str, parameters: tuple[int, ...] = ()) -> Iterator[Any]:
        if self._db is None or not self._created:
            return
        yield from select(self._db, self.path, sql, parameters)
