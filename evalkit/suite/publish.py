"""New versions of a dataset: written once, listed in the card, locked."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

from evalkit.base.errors import UsageError
from evalkit.base.hashing import short
from evalkit.base.model import JsonObject
from evalkit.base.serial import atomic_write, shown
from evalkit.core.item import Item
from evalkit.suite.cards import DatasetCard, DatasetVersion, append_version, read_card
from evalkit.suite.datasets import dataset_folder, datasets_folder, digest_of
from evalkit.suite.items import DatasetDigest, item_line, items_of, read_items, unique
from evalkit.suite.lock import LOCK_FILE, read_lock, write_lock

__all__ = ["add_items", "publish_version"]


def publish_version(
    name: str, version: str, items: Iterable[Item], *, root: Path, notes: str | None = None, made: date | None = None
) -> DatasetVersion:
    """Write ``items`` as a new version of the dataset ``name``, which has a card; add it to card and lock.

    Items are streamed; only a hash of each is kept. Doing it again with the same items changes nothing, which
    also completes a publication that was interrupted.

    Args:
        name: the dataset.
        version: the new version.
        items: with unique ids.
        root: the project's folder.
        notes: what is different in it, for the card.
        made: the date for the card.

    Raises:
        UsageError: the version exists with other items, or there are no items.
    """
    folder = dataset_folder(name, root)
    card, _ = read_card(folder)
    entry = DatasetVersion(version=version, digest="0" * 64, n_items=0)
    path = folder / entry.file_name
    content = DatasetDigest()
    if path.exists():
        for item in items:
            content.add(item)
        _same_or_refuse(path, content)
    else:
        with atomic_write(path, overwrite=False) as file:
            for item in items:
                content.add(item)
                file.write(item_line(item))
            if not content.n_items:
                raise UsageError(
                    f"version {version!r} would have no items", hint="give at least one", where=shown(path)
                )
    entry = DatasetVersion(
        version=version,
        digest=content.hexdigest(),
        n_items=content.n_items,
        date=made.isoformat() if made else None,
        notes=notes,
    )
    listed = next((known for known in card.versions if known.version == version), None)
    if listed is None:
        append_version(folder, entry)
    elif listed.digest != entry.digest:
        raise UsageError(
            f"the card lists {name} {version} with other content", where=shown(path), hint="choose another version"
        )
    _lock_one(root, name, version, entry.digest)
    return entry


def _same_or_refuse(path: Path, content: DatasetDigest) -> None:
    old = digest_of(path)
    if old.hexdigest() != content.hexdigest():
        raise UsageError(
            f"{shown(path)} exists with other items ({old.n_items} there, {content.n_items} now)",
            where=shown(path),
            hint="versions never change: choose another name",
        )


def _lock_one(root: Path, name: str, version: str, digest: str) -> None:
    locked = read_lock(root)
    known = locked.setdefault(name, {}).get(version)
    if known is not None and known != digest:
        raise UsageError(
            f"{LOCK_FILE} has {name} {version} with digest {short(known)}, not {short(digest)}",
            where=LOCK_FILE,
            hint="versions never change: restore the file, or choose another version",
        )
    locked[name][version] = digest
    write_lock(root, locked)


def add_items(
    name: str,
    new_version: str,
    rows: Iterable[JsonObject],
    *,
    root: Path,
    replace: bool = False,
    notes: str | None = None,
    made: date | None = None,
    source: str = "rows",
) -> DatasetVersion:
    """Publish ``new_version``: the items of the newest version, and ``rows`` after them.

    Args:
        name: the dataset.
        new_version: the version to make.
        rows: items or flat rows.
        root: the project's folder.
        replace: whether a row takes the place of an item with its id; otherwise that is an error.
        notes: what is different, for the card.
        made: the date for the card.
        source: what the rows come from, for messages.

    Raises:
        UsageError: a row is not an item, an id is taken, or the version exists with other items.
    """
    card, _ = read_card(dataset_folder(name, root))
    added = list(unique(items_of(((n, dict(row)) for n, row in enumerate(rows, start=1)), source), source))
    by_id = {item.id: (line, item) for line, item in added}
    used: set[str] = set()

    def merged() -> Iterable[Item]:
        for item in _newest_items(card, root):
            line, other = by_id.get(item.id, (0, item))
            if line and not replace and other != item:
                raise UsageError(
                    f"{source}:{line}: {name} has an item {item.id!r} already",
                    where=f"{source}:{line}",
                    hint="give it another id, or replace the item on purpose",
                )
            used.add(item.id)
            yield other
        yield from (item for _, item in added if item.id not in used)

    return publish_version(name, new_version, merged(), root=root, notes=notes, made=made)


def _newest_items(card: DatasetCard, root: Path) -> Iterable[Item]:
    if not card.versions:
        return ()
    path = datasets_folder(root) / card.name / card.versions[-1].file_name
    return (item for _, item in read_items(path))
