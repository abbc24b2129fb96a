"""Scores of one run by one grader: written once, read back, refused when changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.base.errors import StoreError
from evalkit.core.score import Score
from evalkit.llm.wire import Usage
from evalkit.store.scores import ScoreReader, ScoreWriter


def put(writer: ScoreWriter, *rows: tuple[int, int, int, Score]) -> None:
    for position, trial, seq, score in rows:
        assert writer.add(position, trial, seq, [score]) == 1
    writer.flush()


RIGHT = Score(metric="correct", status="ok", value=1.0, label="A", reason="why", usage=Usage(input_tokens=3))
SKIPPED = Score(metric="correct", status="skipped", reason="when: 'x' in tags")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "g.db"


@pytest.fixture
def writer(path: Path) -> Iterator[ScoreWriter]:
    made = ScoreWriter(path)
    yield made
    made.close()


def read(path: Path) -> list[tuple[object, ...]]:
    reader = ScoreReader(path)
    try:
        return list(reader.rows())
    finally:
        reader.close()


def test_scores_are_read_back_by_position_trial_and_repetition(writer: ScoreWriter, path: Path) -> None:
    put(writer, (1, 0, 0, SKIPPED), (0, 1, 0, RIGHT), (0, 0, 2, RIGHT))
    assert read(path) == [
        (0, 0, 2, "correct", "ok", 1.0, "A", "why"),
        (0, 1, 0, "correct", "ok", 1.0, "A", "why"),
        (1, 0, 0, "correct", "skipped", None, None, "when: 'x' in tags"),
    ]


def test_writing_a_score_again_changes_nothing(writer: ScoreWriter, path: Path) -> None:
    put(writer, (0, 0, 0, RIGHT))
    before = read(path)
    put(writer, (0, 0, 0, RIGHT), (0, 0, 0, RIGHT.model_copy(update={"value": 0.0})), (1, 0, 0, RIGHT))
    assert read(path)[:1] == before
    assert len(read(path)) == 2


def test_what_was_not_flushed_is_not_there(writer: ScoreWriter, path: Path) -> None:
    assert writer.add(0, 0, 0, []) == 0
    writer.add(0, 0, 0, [RIGHT])
    assert read(path) == []
    writer.flush()
    writer.flush()
    assert len(read(path)) == 1


def test_what_is_done_is_known_by_range(writer: ScoreWriter, path: Path) -> None:
    two = [RIGHT, RIGHT.model_copy(update={"metric": "second"})]
    put(writer, *((position, 0, 0, score) for position in range(4) for score in two))
    reader = ScoreReader(path)
    assert reader.done() == {(position, 0, 0) for position in range(4)}
    assert reader.done(1, 2) == {(1, 0, 0), (2, 0, 0)}
    reader.close()


def test_a_file_that_does_not_exist_reads_as_no_scores_and_is_not_made(path: Path) -> None:
    reader = ScoreReader(path)
    assert reader.done() == set()
    assert list(reader.rows()) == []
    reader.close()
    assert not path.exists()


def test_a_file_without_tables_reads_as_no_scores(path: Path) -> None:
    path.touch()
    assert read(path) == []


def test_a_file_of_a_newer_format_is_refused(writer: ScoreWriter, path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=7")
    connection.close()
    with pytest.raises(StoreError, match="format 7"):
        ScoreReader(path)


@pytest.mark.parametrize(
    "damage", ["UPDATE score SET value = 0.0", "UPDATE score SET status = 'error'", "UPDATE score SET metric = 'other'"]
)
def test_a_changed_score_is_an_error_that_names_it(writer: ScoreWriter, path: Path, damage: str) -> None:
    put(writer, (4, 0, 0, RIGHT))
    writer.close()
    connection = sqlite3.connect(path)
    connection.execute(damage)
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="score 4 0 0") as caught:
        read(path)
    assert caught.value.where == str(path)


def test_a_table_that_is_gone_is_an_error(writer: ScoreWriter, path: Path) -> None:
    writer.close()
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE score RENAME TO other")
    connection.close()
    with pytest.raises(StoreError, match="no such table"):
        read(path)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.floats(allow_nan=False, allow_infinity=False),
    reason=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
)
def test_any_value_and_text_comes_back_as_it_was(tmp_path: Path, value: float, reason: str | None) -> None:
    path = tmp_path / f"{abs(hash((value, reason)))}.db"
    writer = ScoreWriter(path)
    put(writer, (0, 0, 0, Score(metric="m", status="ok", value=value, reason=reason)))
    writer.close()
    ((*_, found, label, text),) = read(path)
    assert (found, label, text) == (value, None, reason)
