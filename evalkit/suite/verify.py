"""Locking all datasets, checking that files, cards and lock agree, and comparing two versions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from evalkit.base.errors import UsageError
from evalkit.base.model import Frozen, Many
from evalkit.base.serial import shown
from evalkit.suite.cards import read_card
from evalkit.suite.datasets import (
    DatasetFinding,
    check_version,
    dataset_names,
    datasets_folder,
    digest_of,
    version_difference,
    version_path,
)
from evalkit.suite.items import read_items
from evalkit.suite.lock import LOCK_FILE, read_lock, write_lock

__all__ = ["DatasetDiff", "diff", "lock", "verify"]


class DatasetDiff(Frozen):
    """What changed from one version to another, as sorted ids; ``changed`` have other inputs or another expected."""

    added: Many[str]
    removed: Many[str]
    changed: Many[str]


def lock(root: Path) -> dict[str, dict[str, str]]:
    """Write ``datasets/lock.json`` with the digest of every version of every card, and return it.

    Raises:
        UsageError: a version cannot be read, or its content is not the one locked before.
    """
    locked = read_lock(root)
    for name in dataset_names(root):
        card, _ = read_card(datasets_folder(root) / name)
        for entry in card.versions:
            path = datasets_folder(root) / name / entry.file_name
            content = digest_of(path)
            known = locked.setdefault(name, {}).setdefault(entry.version, content.hexdigest())
            check_version(card, entry, content, path=path, locked=known)
    write_lock(root, locked)
    return locked


def verify(root: Path) -> list[DatasetFinding]:
    """Return everything in which files, cards and lock disagree; an empty list if nothing does."""
    found: list[DatasetFinding] = []

    def attempt(check: Callable[[], Iterable[DatasetFinding | None]]) -> None:
        try:
            found.extend(finding for finding in check() if finding is not None)
        except UsageError as error:
            found.append(DatasetFinding(error.where or "", error.message, error.hint or "mend it"))

    attempt(partial(_stale, root))
    for name in dataset_names(root):
        attempt(partial(_strangers, name, root))
        attempt(partial(_differences, name, root))
    return found


def _stale(root: Path) -> Iterable[DatasetFinding]:
    names = set(dataset_names(root))
    for name, versions in read_lock(root).items():
        listed = set()
        if name in names:
            card, _ = read_card(datasets_folder(root) / name)
            listed = {entry.version for entry in card.versions}
        for version in sorted(set(versions) - listed):
            yield DatasetFinding(LOCK_FILE, f"{name} {version} is locked, but no card lists it", "restore the card")


def _strangers(name: str, root: Path) -> Iterable[DatasetFinding]:
    folder = datasets_folder(root) / name
    card, _ = read_card(folder)
    listed = {entry.file_name for entry in card.versions} | {"labels.jsonl"}
    for path in sorted(folder.glob("*.jsonl*")):
        if path.name not in listed:
            hint = "publish it again under its version, or remove the file"
            yield DatasetFinding(shown(path), f"{shown(path)} belongs to no version of the card", hint)


def _differences(name: str, root: Path) -> Iterable[DatasetFinding | None]:
    folder = datasets_folder(root) / name
    card, _ = read_card(folder)
    locked = read_lock(root).get(name, {})
    for entry in card.versions:
        path = folder / entry.file_name
        try:
            yield version_difference(card, entry, digest_of(path), path=path, locked=locked.get(entry.version))
        except UsageError as error:
            yield DatasetFinding(error.where or shown(path), error.message, error.hint or "mend it")


def diff(name: str, old: str, new: str, *, root: Path) -> DatasetDiff:
    """Return which items were added, removed or changed from version ``old`` to ``new``.

    Raises:
        UsageError: there is no such dataset or version, or an item is not valid.
    """
    before = {item.id: item.digest for _, item in read_items(version_path(name, old, root))}
    after = {item.id: item.digest for _, item in read_items(version_path(name, new, root))}
    return DatasetDiff(
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=tuple(sorted(key for key in before.keys() & after.keys() if before[key] != after[key])),
    )
