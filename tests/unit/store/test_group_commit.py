"""One thread writes for everybody: order, sharing of commits, errors to all who wait, closing."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from evalkit.base.errors import StoreError
from evalkit.store.group_commit import GroupCommit, connect, format_of, store_error

SCHEMA = ("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, body TEXT)",)
INSERT = "INSERT INTO t VALUES (?,?)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t.db"


@pytest.fixture
def writer(path: Path) -> Iterator[GroupCommit]:
    made = GroupCommit(path, SCHEMA)
    yield made
    made.close()


def ids(path: Path) -> list[int]:
    connection = connect(path, read_only=True)
    try:
        return [row[0] for row in connection.execute("SELECT id FROM t ORDER BY rowid")]
    finally:
        connection.close()


class Held:
    """Holds the database so that the writer's next commit waits: what arrives meanwhile becomes one group."""

    def __init__(self, path: Path) -> None:
        self.connection = connect(path)

    def __enter__(self) -> None:
        self.connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, *_: object) -> None:
        self.connection.execute("COMMIT")
        self.connection.close()


def test_a_write_is_readable_by_others_when_it_returns(writer: GroupCommit, path: Path) -> None:
    writer.write(INSERT, [(1, "a"), (2, "b")])
    assert ids(path) == [1, 2]


async def test_an_awaited_write_is_readable_by_others_when_it_returns(writer: GroupCommit, path: Path) -> None:
    await writer.awrite(INSERT, [(1, "a")])
    assert ids(path) == [1]


async def test_rows_that_arrive_during_a_commit_share_the_next_one(
    writer: GroupCommit, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    commit = writer._commit

    def counted(group: Any) -> Any:
        sizes.append(len(group))
        return commit(group)

    monkeypatch.setattr(writer, "_commit", counted)
    with Held(path):
        tasks = [asyncio.create_task(writer.awrite(INSERT, [(n, "")])) for n in range(100)]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert sum(sizes) == 100
    assert len(sizes) <= 3
    assert ids(path) == list(range(100))


async def test_a_group_is_cut_at_its_largest_size(writer: GroupCommit, path: Path) -> None:
    with Held(path):
        tasks = [asyncio.create_task(writer.awrite(INSERT, [(n, "")])) for n in range(1200)]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert ids(path) == list(range(1200))


def test_rows_are_committed_in_the_order_in_which_they_were_given(writer: GroupCommit, path: Path) -> None:
    for n in (3, 1, 2):
        writer.enqueue(INSERT, [(n, "")])
    writer.write(INSERT, [(9, "")])
    connection = sqlite3.connect(path)
    assert {row[0] for row in connection.execute("SELECT id FROM t")} == {1, 2, 3, 9}
    connection.close()


def test_several_threads_and_event_loops_write_through_one_writer(writer: GroupCommit, path: Path) -> None:
    def in_a_loop(first: int) -> None:
        async def all_at_once() -> None:
            await asyncio.gather(*(writer.awrite(INSERT, [(n, "")]) for n in range(first, first + 50)))

        asyncio.run(all_at_once())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(in_a_loop, (0, 100, 200)))
        list(pool.map(lambda n: writer.write(INSERT, [(n, "")]), range(300, 350)))
    assert len(ids(path)) == 200


def test_a_loop_that_closed_while_its_row_waited_harms_nobody(writer: GroupCommit, path: Path) -> None:
    async def leave_at_once() -> None:
        task = asyncio.create_task(writer.awrite(INSERT, [(1, "")]))
        await asyncio.sleep(0)
        task.cancel()

    with Held(path):
        asyncio.run(leave_at_once())
    writer.write(INSERT, [(2, "")])
    assert ids(path) == [1, 2]


async def test_a_row_whose_writer_is_cancelled_is_written_nevertheless(writer: GroupCommit, path: Path) -> None:
    with Held(path):
        task = asyncio.create_task(writer.awrite(INSERT, [(1, "")]))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    writer.close()
    assert ids(path) == [1]


async def test_every_waiter_hears_that_the_file_cannot_be_written(writer: GroupCommit, path: Path) -> None:
    with Held(path):
        calls = [writer.awrite("INSERT INTO absent VALUES (?)", [(n,)]) for n in range(5)]
        gathered = asyncio.gather(*calls, return_exceptions=True)
        await asyncio.sleep(0)
    found = await gathered
    assert [type(each) for each in found] == [type(found[0])] * 5
    assert all(isinstance(each, StoreError) and each.hint and each.where == str(path) for each in found)


def test_a_thread_that_waits_hears_of_the_error(writer: GroupCommit) -> None:
    with pytest.raises(StoreError, match="no such table"):
        writer.write("INSERT INTO absent VALUES (?)", [(1,)])


@pytest.mark.parametrize("bad", [(1, "taken"), (5, "lone \ud800 surrogate"), (2**70, "too large")])
async def test_a_row_that_cannot_be_written_costs_its_neighbours_nothing(
    writer: GroupCommit, path: Path, bad: tuple[int, str]
) -> None:
    writer.write(INSERT, [(1, "")])
    with Held(path):
        calls = [writer.awrite(INSERT, [row]) for row in [(2, ""), bad, (3, "")]]
        gathered = asyncio.gather(*calls, return_exceptions=True)
        await asyncio.sleep(0)
    first, middle, last = await gathered
    assert (first, last) == (None, None)
    assert isinstance(middle, StoreError)
    assert ids(path) == [1, 2, 3]


def test_a_failed_write_leaves_no_part_of_itself(writer: GroupCommit, path: Path) -> None:
    with pytest.raises(StoreError):
        writer.write(INSERT, [(1, ""), (2, ""), (1, "")])
    assert ids(path) == []
    writer.write(INSERT, [(1, "")])
    assert ids(path) == [1]


def test_closing_commits_what_is_queued_and_may_be_repeated(path: Path) -> None:
    writer = GroupCommit(path, SCHEMA)
    for n in range(2000):
        writer.enqueue(INSERT, [(n, "")])
    writer.close()
    writer.close()
    assert len(ids(path)) == 2000


def test_a_closed_writer_refuses_instead_of_waiting_for_ever(path: Path) -> None:
    writer = GroupCommit(path, SCHEMA)
    writer.close()
    with pytest.raises(StoreError, match="closed"):
        writer.write(INSERT, [(1, "")])


def test_writers_racing_with_close_either_write_or_are_refused(path: Path) -> None:
    writer = GroupCommit(path, SCHEMA)
    start = threading.Barrier(5)
    written: list[int] = []

    def write(first: int) -> None:
        start.wait()
        for n in range(first, first + 200):
            try:
                writer.write(INSERT, [(n, "")])
            except StoreError:
                return
            written.append(n)

    threads = [threading.Thread(target=write, args=(n * 1000,)) for n in range(4)]
    for thread in threads:
        thread.start()
    start.wait()
    writer.close()
    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive()
    assert sorted(ids(path)) == sorted(written)


def test_reopening_keeps_what_is_there(path: Path) -> None:
    for n in range(3):
        writer = GroupCommit(path, SCHEMA)
        writer.write(INSERT, [(n, "")])
        writer.close()
    assert ids(path) == [0, 1, 2]


def test_a_file_of_a_newer_format_is_refused_and_left_as_it_is(path: Path) -> None:
    GroupCommit(path, SCHEMA, version=3).close()
    with pytest.raises(StoreError, match="format 3; this evalkit reads up to 2") as caught:
        GroupCommit(path, SCHEMA, version=2)
    assert "upgrade" in str(caught.value.hint)
    connection = connect(path, read_only=True)
    assert format_of(connection, path, 3) == 3
    connection.close()


def test_a_schema_that_does_not_apply_is_an_error_of_the_store(path: Path) -> None:
    with pytest.raises(StoreError, match="syntax"):
        GroupCommit(path, ("CREATE NONSENSE",))
    GroupCommit(path, SCHEMA).close()


def test_tables_without_a_format_number_are_reported_as_damage(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (id)")
    connection.close()
    with pytest.raises(StoreError, match="damaged") as caught:
        GroupCommit(path, SCHEMA)
    assert str(path) in str(caught.value.hint)


@pytest.mark.parametrize("read_only", [True, False])
def test_what_is_not_a_database_is_an_error_with_a_hint(path: Path, *, read_only: bool) -> None:
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match="not a database") as caught:
        connect(path, read_only=read_only)
    assert caught.value.hint
    assert caught.value.where == str(path)


def test_a_folder_that_does_not_exist_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        connect(tmp_path / "absent" / "t.db")
    assert caught.value.hint


def test_a_damaged_file_fails_when_its_format_is_asked(path: Path) -> None:
    connection = connect(path)
    connection.close()
    closed = sqlite3.connect(path)
    closed.close()
    with pytest.raises(StoreError):
        format_of(closed, path, 1)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("database or disk is full", "free some space"),
        ("[Errno 28] No space left on device", "free some space"),
        ("database disk image is malformed", "move"),
        ("disk I/O error", "permissions"),
    ],
)
def test_the_hint_fits_what_the_system_said(path: Path, text: str, word: str) -> None:
    assert word in str(store_error(path, sqlite3.OperationalError(text)).hint)


def test_a_reader_works_while_the_writer_is_open_and_never_sees_half_a_group(writer: GroupCommit, path: Path) -> None:
    reader = connect(path, read_only=True)
    seen = set()
    for n in range(50):
        writer.write(INSERT, [(2 * n, ""), (2 * n + 1, "")])
        seen.add(reader.execute("SELECT count(*) FROM t").fetchone()[0] % 2)
    assert seen == {0}
    reader.close()
