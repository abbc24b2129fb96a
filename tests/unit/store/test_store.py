"""Where runs lie, and how they are found again."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from evalkit.base.errors import StoreError, UsageError
from evalkit.core.run import RunManifest
from evalkit.store.journal import Journal
from evalkit.store.store import Store

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
FIRST, SECOND, THIRD = "20261123-120000-aaaaaa", "20261123-120001-bbbbbb", "20261124-090000-abcdef"


@pytest.fixture
def three(store: Store, make_manifest: Callable[..., RunManifest]) -> Store:
    for run_id in (SECOND, THIRD, FIRST):
        journal = store.journal(run_id)
        journal.create(make_manifest(run_id), [])
        journal.close()
    return store


def test_a_new_store_has_no_runs_and_makes_no_folder(store: Store) -> None:
    assert store.run_ids() == []
    assert list(store.manifests()) == []
    assert not store.root.exists()


def test_runs_are_listed_by_time(three: Store) -> None:
    assert three.run_ids() == [FIRST, SECOND, THIRD]
    assert [manifest.id for manifest in three.manifests()] == [THIRD, SECOND, FIRST]
    assert [manifest.id for manifest in three.manifests(newest_first=False)] == [FIRST, SECOND, THIRD]


@pytest.mark.parametrize(
    ("text", "found"), [(FIRST, FIRST), ("bbbbbb", SECOND), ("20261124", THIRD), ("latest", THIRD)]
)
def test_a_run_is_found_by_how_its_id_begins_or_ends(three: Store, text: str, found: str) -> None:
    assert three.find(text) == found


@pytest.mark.parametrize(("text", "problem"), [("zzz", "no run"), ("20261123", "2 runs"), ("../..", "no run")])
def test_none_or_several_runs_are_an_error_with_a_hint(three: Store, text: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as caught:
        three.find(text)
    assert "runs list" in str(caught.value.hint)


def test_the_latest_of_no_runs_is_an_error(store: Store) -> None:
    with pytest.raises(UsageError):
        store.find("latest")


def test_a_run_that_was_never_fully_created_is_neither_listed_nor_the_latest(three: Store) -> None:
    three.journal("20261125-000000-cccccc").close()
    assert three.find("latest") == THIRD
    assert len(list(three.manifests())) == 3


def test_other_files_in_the_folder_are_no_runs(three: Store) -> None:
    (three.root / "runs" / "note.txt").write_text("x")
    (three.root / "runs" / "empty").mkdir()
    assert len(three.run_ids()) == 3


def test_a_run_nobody_writes_is_interrupted_and_one_somebody_writes_is_running(three: Store) -> None:
    unlocked = three.manifest(FIRST)
    assert unlocked is not None
    assert unlocked.status == "interrupted"
    with three.lock(FIRST, NOW):
        locked = three.manifest(FIRST)
        assert locked is not None
        assert locked.status == "running"


def test_a_finished_run_is_finished_whoever_holds_it(three: Store) -> None:
    journal = three.journal(FIRST)
    journal.event("finished", NOW)
    journal.close()
    manifest = three.manifest(FIRST)
    assert manifest is not None
    assert manifest.status == "finished"


def test_every_grader_has_its_own_file(store: Store) -> None:
    assert store.score_path("r", "aaa") != store.score_path("r", "bbb")
    writer = store.score_writer("r", "aaa")
    writer.close()
    reader = store.score_reader("r", "aaa")
    assert list(reader.rows()) == []
    reader.close()


def test_files_obey_the_umask(store: Store, created: Callable[[], Journal], manifest: RunManifest) -> None:
    before = os.umask(0o077)
    try:
        with store.lock(manifest.id, NOW):
            created().close()
        store.cache().close()
    finally:
        os.umask(before)
    files = [path for path in store.root.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"outputs.db", "lock", "cache.db"}
    assert {path.stat().st_mode & 0o077 for path in [*files, store.root, store.folder(manifest.id)]} == {0}


def test_new_folders_are_synced_so_that_a_power_cut_keeps_their_names(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr("evalkit.store.store.sync_folder", synced.append)
    store.journal("r").close()
    assert set(synced) == {store.root.parent, store.root, store.root / "runs"}
    synced.clear()
    store.journal("r").close()
    assert synced == []


def test_a_place_where_no_folder_can_be_made_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot create") as caught:
        Store(tmp_path / "file").cache()
    assert "--store" in str(caught.value.hint)
