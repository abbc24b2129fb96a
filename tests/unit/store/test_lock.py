"""One process at a time on a run; the lock dies with its holder."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from evalkit.base.errors import StoreError
from evalkit.store.lock import RunLock

SINCE = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
HOLDER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from evalkit.store.lock import RunLock
RunLock(Path(sys.argv[1]), since=datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)).acquire()
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "20261123-120000-abcdef" / "lock"


@pytest.fixture(autouse=True)
def _folder(path: Path) -> None:
    path.parent.mkdir()


def test_a_lock_held_by_another_live_process_says_who_where_and_since_when(path: Path) -> None:
    with holder(path) as process:
        assert RunLock.held(path)
        with pytest.raises(StoreError) as caught:
            RunLock(path, since=SINCE).acquire()
    message = caught.value.message
    assert f"process {process.pid}" in message
    assert "2026-11-23T12:00:00" in message
    assert "20261123-120000-abcdef" in message
    assert "end that process" in str(caught.value.hint)


def test_a_killed_holder_is_taken_over_at_once(path: Path) -> None:
    with holder(path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not RunLock.held(path)
        with RunLock(path, since=SINCE):
            assert json.loads(path.read_text())["pid"] == os.getpid()


def test_two_objects_of_one_process_exclude_each_other_too(path: Path) -> None:
    with RunLock(path, since=SINCE), pytest.raises(StoreError, match=f"process {os.getpid()}"):
        RunLock(path, since=SINCE).acquire()


def test_a_released_lock_can_be_taken_again_and_release_may_be_repeated(path: Path) -> None:
    lock = RunLock(path, since=SINCE)
    for _ in range(2):
        lock.acquire()
        assert RunLock.held(path)
        lock.release()
        lock.release()
        assert not RunLock.held(path)


def test_a_lock_never_taken_is_not_held(path: Path) -> None:
    assert not RunLock.held(path)


def test_somebody_who_only_asks_does_not_make_a_holder_fail(path: Path) -> None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    timer = threading.Timer(0.05, os.close, [handle])
    timer.start()
    with RunLock(path, since=SINCE):
        assert RunLock.held(path)
    timer.join()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}'])
def test_a_holder_whose_name_cannot_be_read_is_still_respected(path: Path, content: str) -> None:
    path.write_text(content)
    handle = os.open(path, os.O_RDWR)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(StoreError, match="another process"):
        RunLock(path, since=SINCE).acquire()
    os.close(handle)


def test_a_place_that_cannot_be_locked_is_an_error_of_the_store(path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        RunLock(path.parent / "absent" / "lock", since=SINCE).acquire()
    assert "--store" in str(caught.value.hint)


def test_a_full_disk_does_not_prevent_locking(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with RunLock(path, since=SINCE):
        assert RunLock.held(path)


def test_the_lock_is_released_when_the_block_fails(path: Path) -> None:
    with pytest.raises(ValueError, match="boom"), RunLock(path, since=SINCE):
        raise ValueError("boom")
    assert not RunLock.held(path)
