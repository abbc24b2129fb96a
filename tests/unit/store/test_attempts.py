"""Counting gates of one candidate against one baseline."""

from __future__ import annotations

from pathlib import Path

from evalkit.store.attempts import count_attempt


def count(path: Path, *, candidate: str = "c", baseline: str = "b", draw: str = "0") -> int:
    return count_attempt(
        path, at="2026-11-23T00:00:00", suite="s", candidate=candidate, baseline=baseline, draw=draw, run="r"
    )


def test_repeating_a_command_is_no_new_attempt_and_another_draw_is(tmp_path: Path) -> None:
    path = tmp_path / "gates.db"
    assert count(path) == 1
    assert count(path) == 1
    assert count(path, draw="again") == 2
    assert count(path, candidate="other", draw="again") == 1
    assert count(path, baseline="other", draw="again") == 1
