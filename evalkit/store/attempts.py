"""How often a candidate was gated against a baseline: trying again until it passes is peeking, so it is counted."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from evalkit.store.group_commit import GroupCommit, connect, store_error

__all__ = ["count_attempt"]

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS attempt (at TEXT NOT NULL, suite TEXT NOT NULL, candidate TEXT NOT NULL,"
    " baseline TEXT NOT NULL, draw TEXT NOT NULL, run TEXT NOT NULL)",
    "PRAGMA user_version=1",
)


def count_attempt(path: Path, *, at: str, suite: str, candidate: str, baseline: str, draw: str, run: str) -> int:
    """Record a gate and return how many independent draws of this candidate met this baseline, this one included.

    Args:
        path: ``gates.db``, created if absent; its folder exists.
        at: when, ISO 8601.
        suite: the suite's name.
        candidate: the candidate's digest.
        baseline: the baseline's identity.
        draw: the candidate's draw; repeating the command is the same draw, and no new attempt.
        run: the candidate's run.

    Raises:
        StoreError: it cannot be written.
    """
    writer = GroupCommit(path, _SCHEMA)
    try:
        writer.write("INSERT INTO attempt VALUES (?,?,?,?,?,?)", [(at, suite, candidate, baseline, draw, run)])
    finally:
        writer.close()
    reader = connect(path, read_only=True)
    try:
        query = "SELECT count(DISTINCT draw) FROM attempt WHERE suite = ? AND candidate = ? AND baseline = ?"
        return int(reader.execute(query, (suite, candidate, baseline)).fetchone()[0])
    except sqlite3.Error as error:
        raise store_error(path, error) from error
    finally:
        reader.close()
