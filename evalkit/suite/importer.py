"""Foreign files to a new version of a dataset: JSONL, CSV or Parquet, streamed, columns mapped by name."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.base.errors import UsageError
from evalkit.base.model import Frozen, Many
from evalkit.base.registry import suggest
from evalkit.base.serial import open_regular, shown
from evalkit.core.item import Item
from evalkit.suite.cards import CARD_FILE, DatasetCard, DatasetVersion, write_new_card
from evalkit.suite.datasets import datasets_folder
from evalkit.suite.items import FLAT_FIELDS, Numbered, items_of, read_rows, unique
from evalkit.suite.publish import publish_version

if TYPE_CHECKING:
    import duckdb

__all__ = ["ImportColumns", "import_file", "import_items"]

_BATCH = 2_000


class ImportColumns(Frozen):
    """Which column becomes what; the names are those of the file.

    ``inputs`` left out takes every column that has no other part. Several ``expected`` columns become an object.
    Without any choice, a row that has ``inputs`` is taken as an item, and columns named like its fields are those.
    """

    id: str | None = None
    inputs: Many[str] | None = None
    expected: Many[str] = ()
    cluster: str | None = None
    tags: str | None = None
    weight: str | None = None
    metadata: Many[str] = ()
    rename: Mapping[str, str] = {}
    """Column to the name its value gets among the inputs, expected fields or metadata."""

    @property
    def chosen(self) -> bool:
        """Whether anything was given."""
        return bool(self.model_fields_set)

    def other_parts(self) -> list[str]:
        """Return the columns that are not inputs."""
        single = [name for name in (self.id, self.cluster, self.tags, self.weight) if name is not None]
        return [*single, *self.expected, *self.metadata]

    def mentioned(self) -> list[str]:
        """Return every column named."""
        return [*self.other_parts(), *(self.inputs or ()), *self.rename]


def import_file(
    src: Path,
    name: str,
    version: str,
    *,
    root: Path,
    columns: ImportColumns | None = None,
    title: str | None = None,
    source: str | None = None,
    license: str = "not stated",
    notes: str | None = None,
    made: date | None = None,
) -> DatasetVersion:
    """Publish the rows of ``src`` as version ``version`` of dataset ``name``, which is created if there is none.

    Rows are streamed; hashes and line numbers are kept, measured at 280 bytes an item with a million items.

    Args:
        src: a ``.jsonl``, ``.jsonl.gz``, ``.csv`` or ``.parquet`` file, anywhere.
        name: the dataset.
        version: the new version.
        root: the project's folder.
        columns: which column becomes what.
        title: for the card of a new dataset; the name if None.
        source: for the card of a new dataset; the file's name if None.
        license: for the card of a new dataset.
        notes: about the version.
        made: the date of the version.

    Raises:
        UsageError: with file and line (row, for Parquet) of what is wrong.
    """
    items = import_items(src, columns or ImportColumns())
    first = next(items, None)
    if first is None:
        raise UsageError(f"{shown(src)}:1: there are no rows", where=f"{shown(src)}:1", hint="give a file with items")
    folder = datasets_folder(root) / name
    if not (folder / CARD_FILE).exists():
        card = DatasetCard(name=name, title=title or name, source=source or src.name, license=license)
        write_new_card(folder, card)
    return publish_version(name, version, _chained(first, items), root=root, notes=notes, made=made)


def _chained(first: Item, rest: Iterator[Item]) -> Iterator[Item]:
    yield first
    yield from rest


def import_items(src: Path, columns: ImportColumns) -> Iterator[Item]:
    """Yield the items of a foreign file.

    Raises:
        UsageError: with file and line (row, for Parquet) of what is wrong.
    """
    name = shown(src)
    rows = _parquet_rows(src) if src.suffix == ".parquet" else read_rows(src)
    if columns.chosen:
        rows = _mapped(rows, columns, name)
    return (item for _, item in unique(items_of(rows, name), name))


def _mapped(rows: Iterator[Numbered], columns: ImportColumns, name: str) -> Iterator[Numbered]:
    for line, row in rows:
        if not isinstance(row, dict):
            raise UsageError(f"{name}:{line}: a row is an object", where=f"{name}:{line}", hint='write {"question": …}')
        absent = [column for column in columns.mentioned() if column not in row]
        if absent:
            raise UsageError(
                f"{name}:{line}: there is no column {absent[0]!r}{suggest(absent[0], list(row))}",
                where=f"{name}:{line}",
                hint=f"columns: {', '.join(row)}",
            )
        yield line, _item_of(row, columns)


def _item_of(row: Mapping[str, Any], columns: ImportColumns) -> dict[str, Any]:
    taken = {*columns.other_parts(), *FLAT_FIELDS}
    inputs = columns.inputs if columns.inputs is not None else [column for column in row if column not in taken]
    item: dict[str, Any] = {"inputs": _picked(row, inputs, columns)}
    if columns.expected:
        many = len(columns.expected) > 1
        item["expected"] = _picked(row, columns.expected, columns) if many else row[columns.expected[0]]
    elif row.get("expected") is not None:
        item["expected"] = row["expected"]
    if columns.metadata:
        item["metadata"] = _picked(row, columns.metadata, columns)
    for field in ("id", "cluster", "tags", "weight"):
        value = row.get(getattr(columns, field) or field)
        if value not in (None, ""):
            item[field] = _converted(field, value)
    return item


def _picked(row: Mapping[str, Any], names: Sequence[str], columns: ImportColumns) -> dict[str, Any]:
    return {columns.rename.get(name, name): row[name] for name in names}


def _converted(field: str, value: Any) -> Any:
    if field == "tags" and isinstance(value, str):
        return [tag.strip() for tag in value.split(";") if tag.strip()]
    if field in {"id", "cluster"} and isinstance(value, (int, float)):
        return str(value)
    if field == "weight" and isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value  # the item's own check says what is wrong, with the line
    return value


def _parquet_rows(path: Path) -> Iterator[Numbered]:
    open_regular(path).close()
    import duckdb

    name = shown(path)
    with duckdb.connect(config={"threads": 1}) as connection:
        try:
            # Glob characters in a file's name are not meant as such.
            cursor = connection.execute("SELECT * FROM read_parquet(?)", [_escaped(path)])
            names = [column[0] for column in cursor.description or ()]
            number = 0
            while batch := cursor.fetchmany(_BATCH):
                for values in batch:
                    number += 1
                    yield number, _plain_row(dict(zip(names, values, strict=True)), f"{name}:{number}")
        except duckdb.Error as error:
            raise UsageError(
                f"{name}: not a Parquet file that can be read: {_first_line(error)}",
                where=name,
                hint="write it again, for instance by DataFrame.to_parquet",
            ) from error


def _escaped(path: Path) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in str(path))


def _first_line(error: duckdb.Error) -> str:
    return str(error).splitlines()[0]


def _plain_row(row: dict[str, Any], where: str) -> dict[str, Any]:
    return {key: _plain(value, key, where) for key, value in row.items()}


def _plain(value: Any, column: str, where: str) -> Any:
    """Return ``value`` as JSON has it; dates become ISO text."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise UsageError(
                f"{where}: column {column!r} is {value}", where=where, hint="write null where there is no value"
            )
        return value
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return [_plain(part, column, where) for part in value]
    if isinstance(value, dict):
        return {str(key): _plain(part, column, where) for key, part in value.items()}
    raise UsageError(
        f"{where}: column {column!r} holds {type(value).__name__}, which JSON has not",
        where=where,
        hint="convert the column to text",
    )
