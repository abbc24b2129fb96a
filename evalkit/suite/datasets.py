"""Datasets on disk: where they lie, and loading a version as card and lock describe it.

::

    datasets/lock.json                dataset to version to digest
    datasets/<name>/dataset.yaml      the card
    datasets/<name>/<version>.jsonl   the items of a version, never changed
"""

from __future__ import annotations

import gc
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evalkit.base.errors import UsageError
from evalkit.base.hashing import short
from evalkit.base.registry import suggest
from evalkit.base.serial import inside, shown
from evalkit.core.item import DatasetInfo, Item
from evalkit.suite.cards import CARD_FILE, DatasetCard, DatasetVersion, read_card
from evalkit.suite.files import DatasetRef
from evalkit.suite.items import DatasetDigest, read_items
from evalkit.suite.lock import LOCK_FILE, read_lock

__all__ = [
    "DatasetFinding",
    "LoadedDataset",
    "check_version",
    "dataset_folder",
    "dataset_names",
    "datasets_folder",
    "digest_of",
    "load_dataset",
    "version_difference",
    "version_path",
]


@dataclass(frozen=True, slots=True)
class LoadedDataset:
    """A dataset in memory.

    Attributes:
        info: what a run records of it.
        items: in the order of the file.
        path: the file.
        lines: the 1-based line of each item, in the order of ``items``.
    """

    info: DatasetInfo
    items: tuple[Item, ...]
    path: Path
    lines: Sequence[int]

    def where(self, index: int) -> str:
        """Return ``file:line`` of the item at ``index``."""
        return f"{shown(self.path)}:{self.lines[index]}"


@dataclass(frozen=True, slots=True)
class DatasetFinding:
    """One thing in which file, card and lock disagree."""

    where: str
    message: str
    hint: str


def datasets_folder(root: Path) -> Path:
    """Return the folder of all datasets of the project at ``root``."""
    return root / "datasets"


def dataset_names(root: Path) -> list[str]:
    """Return the names of the datasets that have a card, sorted."""
    folder = datasets_folder(root)
    return sorted(card.parent.name for card in folder.glob(f"*/{CARD_FILE}")) if folder.is_dir() else []


def load_dataset(ref: DatasetRef, root: Path, *, base: Path | None = None) -> LoadedDataset:
    """Return the items that ``ref`` names.

    Args:
        ref: a version of a dataset, which must agree with card and lock, or a file, which needs neither.
        root: the project's folder; files outside it are refused.
        base: the folder a ``path`` starts from; ``root`` if None.

    Raises:
        UsageError: there is no such dataset, version or file, an item is not valid, or the content is not the locked
            one.
    """
    if ref.path is not None:
        return _load_file(ref.path, root, base or root)
    name, version = ref.name or "", ref.version or ""
    folder = dataset_folder(name, root)
    card, located = read_card(folder)
    entry = card.find(version, where=located.where(("versions",)))
    path = folder / entry.file_name
    items, lines, content = _read(path)
    check_version(card, entry, content, path=path, locked=read_lock(root).get(name, {}).get(version))
    info = DatasetInfo(
        name=name,
        version=version,
        digest=content.hexdigest(),
        n_items=len(items),
        cluster_meaning=card.clusters,
        source=card.source,
        license=card.license,
    )
    return LoadedDataset(info, items, path, lines)


def dataset_folder(name: str, root: Path) -> Path:
    """Return the folder of the dataset ``name``.

    Raises:
        UsageError: there is none with a card.
    """
    names = dataset_names(root)
    if name not in names:
        raise UsageError(
            f"there is no dataset {name!r} in {shown(datasets_folder(root))}{suggest(name, names)}",
            hint=f"datasets: {', '.join(names)}" if names else "give a file: dataset: {path: questions.jsonl}",
        )
    return datasets_folder(root) / name


def _load_file(text: str, root: Path, base: Path) -> LoadedDataset:
    path = base / text
    if not path.exists() and (root / text).exists():
        path = root / text
    if not inside(path, root):
        raise UsageError(f"{text!r} lies outside the project", hint=f"move it into {root.name}/")
    items, lines, content = _read(path)
    info = DatasetInfo(
        name=path.name.split(".")[0], version=None, digest=content.hexdigest(), n_items=len(items), source=text
    )
    return LoadedDataset(info, items, path, lines)


def _read(path: Path) -> tuple[tuple[Item, ...], Sequence[int], DatasetDigest]:
    content = DatasetDigest()
    items: list[Item] = []
    lines = array("L")
    with _collector_paused():
        for line, item in read_items(path):
            content.add(item)
            items.append(item)
            lines.append(line)
    if not items:
        raise UsageError(f"{shown(path)}:1: there are no items", where=f"{shown(path)}:1", hint="add at least one")
    return tuple(items), lines, content


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause the cyclic garbage collector: items have no cycles, and looking for some takes 40 % of reading 200,000."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def check_version(
    card: DatasetCard, entry: DatasetVersion, content: DatasetDigest, *, path: Path, locked: str | None
) -> None:
    """Raise at the first fact in which file, card and lock differ.

    Raises:
        UsageError: naming the file and the fact.
    """
    finding = version_difference(card, entry, content, path=path, locked=locked)
    if finding is not None:
        raise UsageError(finding.message, where=finding.where, hint=finding.hint)


def version_difference(
    card: DatasetCard, entry: DatasetVersion, content: DatasetDigest, *, path: Path, locked: str | None
) -> DatasetFinding | None:
    """Return the first fact in which the file of ``entry``, the card and the lock differ, or None.

    Args:
        card: the dataset's card.
        entry: the version, as the card lists it.
        content: the digest of the file.
        path: the file.
        locked: the digest in the lock, None where it has none.
    """
    name = f"{card.name} {entry.version}"
    digest = content.hexdigest()
    restore = f"restore {shown(path)}, or publish the new content as another version: evalkit dataset add"
    if locked is None:
        return DatasetFinding(shown(path), f"{name} is not in {LOCK_FILE}", "lock it: evalkit dataset lock")
    if content.n_items != entry.n_items:
        message = f"{shown(path)} has {content.n_items} items, the card says {entry.n_items}"
        return DatasetFinding(shown(path), message, restore)
    if digest != locked:
        message = f"{shown(path)} has digest {short(digest)}, {LOCK_FILE} says {short(locked)}: its content was changed"
        return DatasetFinding(shown(path), message, restore)
    if digest != entry.digest:
        message = f"the card gives {name} the digest {short(entry.digest)}, its file has {short(digest)}"
        return DatasetFinding(shown(path.parent / CARD_FILE), message, f'write digest: "{digest}"')
    return None


def version_path(name: str, version: str, root: Path) -> Path:
    """Return the file of a version.

    Raises:
        UsageError: there is no such dataset or version.
    """
    folder = dataset_folder(name, root)
    card, located = read_card(folder)
    return folder / card.find(version, where=located.where(("versions",))).file_name


def digest_of(path: Path) -> DatasetDigest:
    """Return the digest of a version file, streamed.

    Raises:
        UsageError: an item is not valid.
    """
    content = DatasetDigest()
    for _, item in read_items(path):
        content.add(item)
    return content
