"""Answers by what was asked: found, not found, never trusted when changed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from evalkit.base.errors import StoreError
from evalkit.llm.wire import ChatResponse, Usage
from evalkit.runner.plan import call_digest
from evalkit.store.cache import CachedAnswer, ResponseCache
from evalkit.store.store import Store

ANSWER = ChatResponse(text="ja ü", usage=Usage(input_tokens=3), latency_s=0.5, cost_usd=0.25, recorded={"a": 1})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.db"


@pytest.fixture
def filled(path: Path) -> Path:
    cache = ResponseCache(path)
    cache.put("key", ANSWER)
    cache.close()
    return path


@pytest.fixture
def cache(filled: Path) -> Iterator[ResponseCache]:
    opened = ResponseCache(filled)
    yield opened
    opened.close()


def test_a_stored_answer_comes_back_as_it_was(cache: ResponseCache) -> None:
    assert cache.get("key") == CachedAnswer(ANSWER, "")


@pytest.mark.parametrize("key", ["other", "ke", "key2", "z", ""])
def test_another_key_finds_nothing(cache: ResponseCache, key: str) -> None:
    assert cache.get(key) is None


def test_digests_that_begin_alike_are_told_apart(path: Path) -> None:
    cache = ResponseCache(path)
    for n in range(3):
        cache.put(f"abcdefgh-{n}", ChatResponse(text=str(n)))
    cache.close()
    cache = ResponseCache(path)
    found = [cache.get(f"abcdefgh-{n}") for n in range(4)]
    assert [each and each.response.text for each in found] == ["0", "1", "2", None]
    cache.close()


def test_every_one_of_many_answers_is_found(path: Path) -> None:
    cache = ResponseCache(path)
    for n in range(500):
        cache.put(call_digest(str(n), "0", 0), ChatResponse(text=str(n)))
    cache.close()
    cache = ResponseCache(path)
    assert all(
        cache.get(call_digest(str(n), "0", 0)) == CachedAnswer(ChatResponse(text=str(n)), "") for n in range(500)
    )
    assert not any(cache.get(call_digest(str(n), "1", 0)) for n in range(500))
    cache.close()


def test_an_empty_cache_finds_nothing(path: Path) -> None:
    cache = ResponseCache(path)
    assert cache.get("key") is None
    cache.close()
    cache.close()


def test_the_first_answer_to_a_call_stays(cache: ResponseCache, filled: Path) -> None:
    cache.put("key", ChatResponse(text="other"))
    cache.close()
    again = ResponseCache(filled)
    assert again.get("key") == CachedAnswer(ANSWER, "")
    again.close()


def test_draw_and_trial_are_part_of_the_key() -> None:
    keys = {call_digest("body", draw, trial) for draw in ("0", "1") for trial in (0, 1)}
    assert len(keys) == 4
    assert call_digest("body", "0", 0) == call_digest("body", "0", 0)


def _alter(path: Path, sql: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(sql)
    connection.commit()
    connection.close()


def test_a_changed_answer_is_an_error_that_says_what_to_do(filled: Path) -> None:
    _alter(filled, "UPDATE response SET body = replace(body, 'ja', 'no')")
    cache = ResponseCache(filled)
    with pytest.raises(StoreError, match="answer key") as caught:
        cache.get("key")
    assert str(filled) in str(caught.value.hint)
    cache.close()


def test_a_sealed_answer_of_another_shape_is_an_error(filled: Path) -> None:
    cache = ResponseCache(filled)
    cache._writer.write("DELETE FROM response", [()])
    from evalkit.store.checksum import sealed

    cache._writer.write("INSERT INTO response VALUES (?,?,?,?)", [sealed("key", "", "[]")])
    with pytest.raises(StoreError, match="cannot be read"):
        cache.get("key")
    cache.close()


def test_a_file_that_is_no_database_is_an_error(path: Path) -> None:
    path.write_bytes(b"x" * 5000)
    with pytest.raises(StoreError, match="not a database"):
        ResponseCache(path)


def test_a_table_that_is_gone_is_an_error(filled: Path) -> None:
    cache = ResponseCache(filled)
    _alter(filled, "ALTER TABLE response RENAME TO other")
    with pytest.raises(StoreError, match="no such table"):
        cache.get("key")
    cache.close()


OPEN = """
import sys
from pathlib import Path
from evalkit.llm.wire import ChatResponse
from evalkit.store.store import Store
sys.stdin.readline()
for n in range(8):
    cache = Store(Path(sys.argv[1])).cache()
    cache.put(f"{sys.argv[2]}-{n}", ChatResponse(text=str(n)))
    cache.close()
"""


def test_processes_that_create_and_fill_it_at_once_all_succeed(tmp_path: Path) -> None:
    def start(name: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", OPEN, str(tmp_path), str(name)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    processes = [start(n) for n in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[1] for process in processes] == [""] * 4
    cache = Store(tmp_path).cache()
    assert all(cache.get(f"{name}-{n}") is not None for name in range(4) for n in range(8))
    cache.close()
