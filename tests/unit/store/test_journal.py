"""The record of a run: appended, repeated, read back, refused when it is not what was written."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from evalkit.base.errors import StoreError
from evalkit.core.item import Item
from evalkit.core.output import Exchange
from evalkit.core.run import RunManifest
from evalkit.store.journal import Journal, JournalReader, StoredCall, batched_items
from evalkit.store.store import Store

Open = Callable[[], Journal]
Make = Callable[..., Exchange]


def put(journal: Journal, *rows: tuple[int, Exchange, int]) -> None:
    async def all_of_them() -> None:
        for position, exchange, seq in rows:
            await journal.put(position, exchange, seq)

    asyncio.run(all_of_them())


def alter(path: Path, sql: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(sql)
    connection.commit()
    connection.close()


@pytest.fixture
def path(store: Store, manifest: RunManifest) -> Path:
    return store.folder(manifest.id) / "outputs.db"


def test_what_was_created_is_read_back_in_analysis_order(
    created: Open, path: Path, manifest: RunManifest, items: list[Item]
) -> None:
    created().close()
    reader = JournalReader(path)
    assert reader.manifest() == manifest
    assert list(reader.items()) == items
    assert [(position, item_id) for position, item_id, _, _ in reader.item_rows()] == [(0, "q0"), (1, "q1"), (2, "q2")]
    assert reader.count() == 0
    assert list(reader.outputs()) == []
    reader.close()


def test_a_record_without_its_created_event_is_no_run(store: Store, items: list[Item]) -> None:
    journal = store.journal("half")
    journal._writer.write("INSERT INTO item VALUES (0, 'q0', 'd', '{}', 0)", [()])
    journal.close()
    reader = store.read("half")
    assert reader.manifest() is None
    reader.close()


def test_a_creation_that_was_cut_short_is_completed_by_the_next(
    store: Store, manifest: RunManifest, items: list[Item]
) -> None:
    journal = store.journal(manifest.id)
    with pytest.raises(RuntimeError, match="killed"):
        journal.create(manifest, _breaks_after(items, 1))
    journal.create(manifest, items)
    journal.close()
    reader = store.read(manifest.id)
    assert reader.manifest() == manifest
    assert list(reader.items()) == items
    reader.close()


def _breaks_after(items: list[Item], n: int):  # type: ignore[no-untyped-def]
    yield from items[:n]
    raise RuntimeError("killed")


def test_a_file_that_was_opened_but_never_filled_reads_as_no_run(path: Path) -> None:
    path.parent.mkdir(parents=True)
    sqlite3.connect(path).close()
    path.touch()
    reader = JournalReader(path)
    assert reader.manifest() is None
    assert reader.count() == 0
    assert list(reader.items()) == []
    reader.close()


def test_an_answer_and_a_failure_are_read_back_as_they_were(
    created: Open, path: Path, answer: Make, failure: Make
) -> None:
    yes = answer("q0", "ja \x00 ü 🙂", latency_s=0.25, cost_usd=0.001, usage={"input_tokens": 3, "output_tokens": 0})
    no = failure("q1", "timeout", elapsed_s=60.0)
    journal = created()
    put(journal, (0, yes, 0), (1, no, 0))
    journal.close()
    reader = JournalReader(path)
    first, second = reader.outputs()
    assert (first.position, first.seq, first.item.id, first.output.exchanges) == (0, 0, "q0", (yes,))
    assert second.output.failure == no.failure
    assert reader.count() == 2
    assert reader.calls() == {(0, 0, 0): StoredCall(0, "ok", ""), (1, 0, 0): StoredCall(0, "candidate", "timeout")}
    reader.close()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_newest_repetition_wins_whatever_the_order_of_arrival(
    created: Open, path: Path, answer: Make, failure: Make, order: tuple[int, int]
) -> None:
    rows = [(0, failure("q0", "auth"), 0), (0, answer("q0", "later"), 1)]
    journal = created()
    put(journal, *(rows[index] for index in order))
    journal.close()
    reader = JournalReader(path)
    (only,) = reader.outputs()
    assert (only.seq, only.output.text) == (1, "later")
    assert reader.calls() == {(0, 0, 0): StoredCall(1, "ok", "")}
    assert list(reader.answered()) == [(0, 0, 1)]
    assert [row[2] for row in reader.summaries()] == [0, 1]
    assert reader.count() == 1
    reader.close()


def test_only_answers_count_as_answered(created: Open, path: Path, answer: Make, failure: Make) -> None:
    journal = created()
    put(journal, (0, answer("q0"), 0), (1, failure("q1", "timeout"), 0), (2, answer("q2", trial=1), 0))
    journal.close()
    reader = JournalReader(path)
    assert list(reader.answered()) == [(0, 0, 0), (2, 1, 0)]
    reader.close()


def test_outputs_of_a_range_of_positions_are_those_and_no_others(created: Open, path: Path, answer: Make) -> None:
    journal = created()
    put(journal, *((n, answer(f"q{n}", str(n)), 0) for n in range(3)))
    journal.close()
    reader = JournalReader(path)
    assert [each.output.text for each in reader.outputs(1, 1)] == ["1"]
    assert [each.output.text for each in reader.outputs(1)] == ["1", "2"]
    reader.close()


def test_trials_of_an_item_are_outputs_of_their_own(created: Open, path: Path, answer: Make) -> None:
    journal = created()
    put(journal, *((0, answer("q0", str(trial), trial=trial), 0) for trial in range(3)))
    journal.close()
    reader = JournalReader(path)
    assert [(each.output.trial, each.output.text) for each in reader.outputs()] == [(0, "0"), (1, "1"), (2, "2")]
    reader.close()


def test_the_same_call_is_never_recorded_twice(created: Open, answer: Make) -> None:
    journal = created()
    put(journal, (0, answer("q0"), 0))
    with pytest.raises(StoreError, match="UNIQUE"):
        put(journal, (0, answer("q0", "again"), 0))
    journal.close()


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ((), "running"),
        (("interrupted",), "interrupted"),
        (("interrupted", "resumed"), "running"),
        (("finished",), "finished"),
        (("finished", "graded"), "finished"),
        (("finished", "resumed"), "running"),
        (("interrupted", "resumed", "finished"), "finished"),
    ],
)
def test_the_status_follows_from_the_events(created: Open, path: Path, events: tuple[str, ...], status: str) -> None:
    journal = created()
    for minute, kind in enumerate(events):
        journal.event(kind, f"2026-11-23T12:{minute:02}:00")
    journal.close()
    reader = JournalReader(path)
    manifest = reader.manifest()
    assert manifest is not None
    assert manifest.status == status
    assert (manifest.finished_at is not None) == (status == "finished")
    assert [kind for _, kind, _ in reader.events()] == ["created", *events]
    reader.close()


def test_events_before_the_creation_say_nothing(store: Store) -> None:
    journal = store.journal("odd")
    journal.event("finished", "2026-11-23T12:00:00")
    journal.event("interrupted", "2026-11-23T12:00:01")
    journal.close()
    reader = store.read("odd")
    assert reader.manifest() is None
    reader.close()


def test_a_run_with_cached_answers_shares_its_conditions_with_no_other(
    created: Open, path: Path, manifest: RunManifest, answer: Make
) -> None:
    journal = created()
    put(journal, (0, answer("q0", cached=True), 0), (1, answer("q1"), 0))
    journal.close()
    reader = JournalReader(path)
    read = reader.manifest()
    assert read is not None
    assert read.batch != manifest.batch
    assert manifest.id in read.batch
    reader.close()


def test_a_reader_sees_what_is_durable_while_the_writer_is_open(created: Open, path: Path, answer: Make) -> None:
    journal = created()
    reader = JournalReader(path)
    for n in range(3):
        put(journal, (n, answer(f"q{n}"), 0))
        assert reader.count() == n + 1
    reader.close()
    journal.close()


def test_an_absent_record_is_an_error_with_a_hint(path: Path) -> None:
    with pytest.raises(StoreError, match="no record") as caught:
        JournalReader(path)
    assert caught.value.hint


def test_a_record_of_a_newer_format_is_refused_by_reader_and_writer(created: Open, path: Path) -> None:
    created().close()
    alter(path, "PRAGMA user_version=99")
    with pytest.raises(StoreError, match="format 99"):
        JournalReader(path)
    with pytest.raises(StoreError, match="format 99"):
        Journal(path)


def _everything(path: Path) -> None:
    reader = JournalReader(path)
    try:
        reader.manifest()
        reader.calls()
        list(reader.items())
        list(reader.outputs())
        list(reader.summaries())
    finally:
        reader.close()


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("UPDATE exchange SET body = replace(body, 'right', 'wrong') WHERE position = 1", "exchange 1 0 0 0"),
        ("UPDATE exchange SET status = 'candidate' WHERE position = 0", "exchange 0 0 0 0"),
        ("UPDATE exchange SET attempts = 2 WHERE position = 0", "exchange 0 0 0 0"),
        ("UPDATE item SET body = replace(body, 'What', 'Whom') WHERE position = 2", "item 2 q2"),
        ("UPDATE item SET digest = 'other' WHERE position = 0", "item 0 q0"),
        ("UPDATE event SET body = replace(body, 'support', 'suppose')", "event 2026"),
        ("UPDATE event SET kind = 'finished'", "event 2026"),
        ("DROP TABLE exchange", "no such table"),
    ],
)
def test_a_changed_row_is_an_error_that_names_file_and_record(
    created: Open, path: Path, answer: Make, damage: str, named: str
) -> None:
    journal = created()
    put(journal, *((n, answer(f"q{n}", "right"), 0) for n in range(3)))
    journal.close()
    _everything(path)
    alter(path, damage)
    with pytest.raises(StoreError, match=named) as caught:
        _everything(path)
    assert caught.value.where == str(path)
    assert caught.value.hint


def test_an_output_whose_item_is_gone_is_an_error(created: Open, path: Path, answer: Make) -> None:
    journal = created()
    put(journal, (1, answer("q1"), 0))
    journal.close()
    alter(path, "DELETE FROM item WHERE position = 1")
    reader = JournalReader(path)
    with pytest.raises(StoreError, match="item 1 is missing"):
        list(reader.outputs())
    reader.close()


def test_a_sealed_body_of_another_shape_is_an_error_that_names_it(created: Open, path: Path) -> None:
    journal = created()
    journal._writer.write("DELETE FROM event", [()])
    journal.event("created", "2026-11-23T12:00:00", {"id": "only"})
    journal.close()
    reader = JournalReader(path)
    with pytest.raises(StoreError, match="the manifest cannot be read"):
        reader.manifest()
    reader.close()


@pytest.mark.parametrize("at", [0.0, 0.02, 0.3, 0.6, 0.95])
def test_a_file_cut_or_overwritten_anywhere_never_reads_as_something_else(
    created: Open, path: Path, answer: Make, at: float
) -> None:
    journal = created()
    put(journal, *((n, answer(f"q{n}", "right " * 900), 0) for n in range(3)))
    journal.close()
    whole = path.read_bytes()
    reader = JournalReader(path)
    expected = [each.output for each in reader.outputs()]
    reader.close()
    place = int(len(whole) * at)
    for damaged in (whole[:place], whole[:place] + b"\xff" * 64 + whole[place + 64 :]):
        path.write_bytes(damaged)
        try:
            reader = JournalReader(path)
        except StoreError:
            continue
        try:
            found = [each.output for each in reader.outputs()]
            assert found == expected or reader.manifest() is None
        except StoreError:
            pass
        finally:
            reader.close()


def test_items_are_written_in_groups_of_five_thousand(make_items: Callable[[int], list[Item]]) -> None:
    assert [len(group) for group in batched_items(make_items(11_000))] == [5000, 5000, 1000]
    assert list(batched_items([])) == []


KILLED = """
import asyncio, os, sys
from pathlib import Path
from evalkit.core.output import CallKey, Exchange
from evalkit.llm.wire import ChatResponse
from evalkit.store.journal import Journal

async def main():
    journal = Journal(Path(sys.argv[1]))
    for n in range(10**6):
        key = CallKey(item_id="q0", trial=n)
        await journal.put(0, Exchange(key=key, request_digest="r", response=ChatResponse(text="x" * 500)))
        os.write(1, b"%d\\n" % n)

asyncio.run(main())
"""


def test_what_was_reported_durable_is_there_after_a_kill(created: Open, path: Path) -> None:
    created().close()
    with subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(150):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        reported = 150 + len(process.stdout.read().split(b"\n")) - 1
        process.wait()
    assert (path.parent / "outputs.db-wal").exists()
    reader = JournalReader(path)
    assert reported <= reader.count() <= reported + 1
    reader.close()
    journal = Journal(path)
    journal.close()
    assert not (path.parent / "outputs.db-wal").exists()
    assert [each.name for each in path.parent.iterdir()] == ["outputs.db"]
