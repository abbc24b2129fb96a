from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from evalkit.base.errors import UsageError
from evalkit.core.item import Item
from evalkit.suite.cards import DatasetCard, DatasetVersion, append_version, read_card, write_new_card
from evalkit.suite.datasets import dataset_names, load_dataset, version_path
from evalkit.suite.files import DatasetRef
from evalkit.suite.lock import read_lock
from evalkit.suite.publish import add_items, publish_version
from evalkit.suite.verify import diff, lock, verify

CARD = """\
# our card
name: qa
title: Questions
source: ours
license: Apache-2.0
clusters: these
tags:
  easy: Easy ones.
versions: []
"""


def made(*ids: str) -> Sequence[Item]:
    return [Item(id=key, inputs={"question": key}, expected={"answer": key}) for key in ids]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the dataset qa and its version 1."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "datasets/qa").mkdir(parents=True)
    (tmp_path / "datasets/qa/dataset.yaml").write_text(CARD)
    publish_version("qa", "1", made("a", "b"), root=tmp_path, made=date(2026, 11, 23), notes="the first")
    return tmp_path


def test_a_published_version_is_in_the_card_and_the_lock_and_loads(root: Path) -> None:
    loaded = load_dataset(DatasetRef(name="qa", version="1"), root)
    assert list(loaded.items) == made("a", "b")
    assert loaded.where(1) == "datasets/qa/1.jsonl:2"
    assert (loaded.info.name, loaded.info.version, loaded.info.n_items) == ("qa", "1", 2)
    assert (loaded.info.cluster_meaning, loaded.info.license) == ("these", "Apache-2.0")
    assert read_lock(root) == {"qa": {"1": loaded.info.digest}}
    assert verify(root) == []
    text = (root / "datasets/qa/dataset.yaml").read_text()
    assert text.startswith("# our card\n")
    assert text.endswith('  date: "2026-11-23"\n    notes: "the first"\n')


def test_publishing_the_same_again_changes_nothing_and_other_content_is_refused(root: Path) -> None:
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    publish_version("qa", "1", made("b", "a"), root=root)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    with pytest.raises(UsageError, match=r"exists with other items \(2 there, 3 now\)"):
        publish_version("qa", "1", made("a", "b", "c"), root=root)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_an_interrupted_publication_is_completed_by_doing_it_again(root: Path) -> None:
    card, locked = root / "datasets/qa/dataset.yaml", root / "datasets/lock.json"
    done = card.read_text(), locked.read_text()
    card.write_text(CARD)
    locked.unlink()
    assert [finding.message for finding in verify(root)] == ["datasets/qa/1.jsonl belongs to no version of the card"]
    publish_version("qa", "1", made("a", "b"), root=root, made=date(2026, 11, 23), notes="the first")
    assert (card.read_text(), locked.read_text()) == done


def test_a_version_that_fails_to_be_made_leaves_no_trace(root: Path) -> None:
    with pytest.raises(UsageError, match="would have no items"):
        publish_version("qa", "2", [], root=root)
    assert sorted(path.name for path in (root / "datasets/qa").iterdir()) == ["1.jsonl", "dataset.yaml"]
    assert list(read_lock(root)["qa"]) == ["1"]


def test_added_items_follow_those_of_the_newest_version(root: Path) -> None:
    add_items("qa", "2", [{"id": "c", "question": "c", "expected": 3}], root=root)
    assert [item.id for item in load_dataset(DatasetRef(name="qa", version="2"), root).items] == ["a", "b", "c"]
    assert [entry.version for entry in read_card(root / "datasets/qa")[0].versions] == ["1", "2"]
    assert verify(root) == []
    with pytest.raises(UsageError, match=r"new.jsonl:1: qa has an item 'a' already"):
        add_items("qa", "3", [{"id": "a", "question": "other"}], root=root, source="new.jsonl")
    assert not (root / "datasets/qa/3.jsonl").exists()
    add_items("qa", "3", [{"id": "a", "question": "other"}], root=root, replace=True)
    assert diff("qa", "2", "3", root=root).changed == ("a",)


def test_a_diff_names_added_removed_and_changed_items(root: Path) -> None:
    publish_version("qa", "2", [*made("b"), Item(id="c", inputs={"q": 1})], root=root)
    publish_version(
        "qa",
        "3",
        [Item(id="b", inputs={"question": "b"}, expected={"answer": "b"}, tags=("t",)), *made("c")],
        root=root,
    )
    first, second = diff("qa", "1", "2", root=root), diff("qa", "2", "3", root=root)
    assert (first.added, first.removed, first.changed) == (("c",), ("a",), ())
    assert (second.added, second.removed, second.changed) == ((), (), ("c",))


def test_changed_content_is_refused_naming_the_file_and_the_fact(root: Path) -> None:
    path = root / "datasets/qa/1.jsonl"
    path.write_text(path.read_text().replace('"answer":"a"', '"answer":"A"'))
    with pytest.raises(UsageError, match=r"datasets/qa/1.jsonl has digest .* its content was changed") as caught:
        load_dataset(DatasetRef(name="qa", version="1"), root)
    assert caught.value.where == "datasets/qa/1.jsonl"
    assert len(verify(root)) == 1
    with pytest.raises(UsageError, match="its content was changed"):
        lock(root)
    path.write_text(path.read_text().splitlines()[0] + "\n")
    with pytest.raises(UsageError, match="has 1 items, the card says 2"):
        load_dataset(DatasetRef(name="qa", version="1"), root)


def test_a_version_outside_the_lock_is_refused_until_it_is_locked(root: Path) -> None:
    (root / "datasets/lock.json").unlink()
    with pytest.raises(UsageError, match=r"qa 1 is not in datasets/lock.json") as caught:
        load_dataset(DatasetRef(name="qa", version="1"), root)
    assert "evalkit dataset lock" in str(caught.value.hint)
    lock(root)
    assert verify(root) == []


def test_a_card_that_disagrees_is_refused(root: Path) -> None:
    card = root / "datasets/qa/dataset.yaml"
    digest = read_lock(root)["qa"]["1"]
    card.write_text(card.read_text().replace(digest, "0" * 64))
    with pytest.raises(UsageError, match="the card gives qa 1 the digest 000000000000"):
        load_dataset(DatasetRef(name="qa", version="1"), root)


def test_verify_finds_what_is_missing_and_what_is_left_over(root: Path) -> None:
    publish_version("qa", "2", made("x"), root=root)
    (root / "datasets/qa/2.jsonl").unlink()
    (root / "datasets/qa/stray.jsonl").write_text("{}\n")
    locked = json.loads((root / "datasets/lock.json").read_text())
    locked["datasets"]["gone"] = {"1": "0" * 64}
    (root / "datasets/lock.json").write_text(json.dumps(locked))
    assert [finding.message for finding in verify(root)] == [
        "gone 1 is locked, but no card lists it",
        "datasets/qa/stray.jsonl belongs to no version of the card",
        "there is no file datasets/qa/2.jsonl",
    ]


def test_unknown_datasets_and_versions_are_refused_with_what_there_is(root: Path) -> None:
    with pytest.raises(UsageError, match=r"no dataset 'qaa' in datasets, did you mean 'qa'\?"):
        load_dataset(DatasetRef(name="qaa", version="1"), root)
    with pytest.raises(UsageError, match="has no version '9'") as caught:
        load_dataset(DatasetRef(name="qa", version="9"), root)
    assert caught.value.hint == "versions: 1"
    assert version_path("qa", "1", root) == root / "datasets/qa/1.jsonl"
    assert dataset_names(root / "elsewhere") == []


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("", "datasets/bad/dataset.yaml:1", "the file is empty"),
        (CARD, "datasets/bad/dataset.yaml:2:7", "'qa' stands in a folder called 'bad'"),
        (CARD.replace("name: qa", "name: ../x"), "datasets/bad/dataset.yaml:2:7", "is not of the form"),
        (CARD.replace("license: Apache-2.0\n", ""), "datasets/bad/dataset.yaml:2:1", "field 'license' is missing"),
        (CARD.replace("these", "those"), "datasets/bad/dataset.yaml:6:11", "is not one of"),
        (CARD.replace("[]", "[{version: 1, digest: x, n_items: 0}]"), "datasets/bad/dataset.yaml:9:22", "valid string"),
        (CARD.replace("[]", "[{version: a/b, digest: x, n_items: 0}]"), "datasets/bad/dataset.yaml:9:22", "form"),
        (CARD.replace("[]", "[{version: a, file: ../x, n_items: 0}]"), "datasets/bad/dataset.yaml:9:12", "'digest' is"),
        (CARD.replace("easy: Easy ones.", "easy: 3"), "datasets/bad/dataset.yaml:8:9", "valid string"),
        (
            CARD.replace("[]", "[" + ", ".join(["{version: a, digest: '%s', n_items: 0}" % ("0" * 64)] * 2) + "]"),
            "datasets/bad/dataset.yaml:2:1",
            "'a' is listed twice",
        ),
    ],
)
def test_every_malformed_card_is_refused_with_file_and_line(root: Path, text: str, where: str, message: str) -> None:
    folder = root / "datasets/bad"
    folder.mkdir()
    (folder / "dataset.yaml").write_text(text)
    with pytest.raises(UsageError) as caught:
        read_card(folder)
    assert message in caught.value.message
    assert str(caught.value.where).startswith(where)
    assert caught.value.hint


@pytest.mark.parametrize(
    "text", ["[]", '{"format": 2, "datasets": {}}', '{"format": 1, "datasets": {"qa": "x"}}', "{", '{"a": 1, "a": 2}']
)
def test_a_malformed_lock_is_refused_by_name(root: Path, text: str) -> None:
    (root / "datasets/lock.json").write_text(text)
    with pytest.raises(UsageError) as caught:
        load_dataset(DatasetRef(name="qa", version="1"), root)
    assert str(caught.value.where).startswith("datasets/lock.json:1")


def test_a_version_is_not_added_after_another_key_or_into_a_flow_list(root: Path) -> None:
    card = root / "datasets/qa/dataset.yaml"
    entry = DatasetVersion(version="2", digest="0" * 64, n_items=1)
    card.write_text(card.read_text() + "description: late\n")
    with pytest.raises(UsageError, match="cannot be added after 'description'"):
        append_version(card.parent, entry)


def test_a_new_card_reads_back_as_written(root: Path) -> None:
    card = DatasetCard(
        name="other", title='A "title": here', source="#1", license="MIT", description="a\nb", tags={"yes": "no: yes"}
    )
    write_new_card(root / "datasets/other", card)
    assert read_card(root / "datasets/other")[0] == card
    with pytest.raises(UsageError, match="exists already"):
        write_new_card(root / "datasets/other", card)


def test_a_plain_file_needs_no_card_and_stays_in_the_project(root: Path) -> None:
    (root / "suites").mkdir()
    (root / "suites/q.csv").write_text("id,question\na,?\n")
    loaded = load_dataset(DatasetRef(path="q.csv"), root, base=root / "suites")
    assert (loaded.info.name, loaded.info.version, loaded.info.n_items) == ("q", None, 1)
    (root / "suites/empty.jsonl").write_text("\n")
    with pytest.raises(UsageError, match=r"suites/empty.jsonl:1: there are no items"):
        load_dataset(DatasetRef(path="empty.jsonl"), root, base=root / "suites")
    (root / "suites/link.jsonl").symlink_to("/etc/passwd")
    with pytest.raises(UsageError, match="outside the project"):
        load_dataset(DatasetRef(path="link.jsonl"), root, base=root / "suites")
