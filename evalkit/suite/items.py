"""Rows of files to items, each problem with its line, and the digest over all of them."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from evalkit.base.errors import UsageError
from evalkit.base.hashing import canonical_json, digest
from evalkit.base.serial import Located, open_regular, parse_json, read_jsonl, shown, validate
from evalkit.core.item import Item

__all__ = ["FLAT_FIELDS", "DatasetDigest", "Numbered", "item_line", "items_of", "read_items", "read_rows", "unique"]

FLAT_FIELDS = ("id", "expected", "cluster", "tags", "weight", "metadata")
"""The columns of a flat row that are not inputs."""

_ID_DIGITS = 16
_CSV_LINE = 4 * 1024 * 1024

Numbered = tuple[int, Any]


def read_items(path: Path) -> Iterator[tuple[int, Item]]:
    """Yield line number and item of a ``.jsonl``, ``.jsonl.gz`` or ``.csv`` file; ids are unique.

    Raises:
        UsageError: with file and line, for whatever is wrong.
    """
    name = shown(path)
    return unique(items_of(read_rows(path), name), name)


def read_rows(path: Path) -> Iterator[Numbered]:
    """Yield line number and content of each row of a JSONL or CSV file, as the ending of its name says.

    Raises:
        UsageError: the ending is another one, or a row cannot be read.
    """
    if path.suffix == ".csv":
        return read_csv(path)
    if path.name.endswith((".jsonl", ".jsonl.gz", ".ndjson")):
        return read_jsonl(path)
    raise UsageError(
        f"{shown(path)}: items are read from .jsonl, .jsonl.gz or .csv, not {path.suffix or 'a name without ending'!r}",
        hint="convert it: evalkit dataset import FILE --to NAME --version VERSION",
        where=shown(path),
    )


def read_csv(path: Path) -> Iterator[Numbered]:
    """Yield the line a record begins on, and the record: header to text, ``tags`` split at ``;``, ``metadata`` as JSON.

    An empty cell of one of :data:`FLAT_FIELDS` means that the row has none.

    Raises:
        UsageError: with file and line: not UTF-8, no header, a name twice, a record of another length.
    """
    name = shown(path)
    csv.field_size_limit(max(csv.field_size_limit(), _CSV_LINE))  # the limit on lines is the one that holds
    with open_regular(path) as raw:
        reader = csv.reader(_csv_lines(raw, name), strict=True)
        header: list[str] | None = None
        line = 1
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                raise _row_error(
                    name, line, f"not valid CSV: {error}", "quote cells that hold commas or quotes"
                ) from error
            if cells is None:
                break
            if header is None:
                header = _header(cells, name)
            elif cells:
                yield line, _record(header, cells, name, line)
            line = reader.line_num + 1
    if header is None:
        raise _row_error(name, 1, "the file is empty", "the first line names the columns")


def _csv_lines(raw: Any, name: str) -> Iterator[str]:
    number = 0
    while data := raw.readline(_CSV_LINE + 1):
        number += 1
        if len(data) > _CSV_LINE:
            raise _row_error(name, number, f"the line is longer than {_CSV_LINE:,} bytes", "use JSONL")
        if number == 1:
            data = data.removeprefix(b"\xef\xbb\xbf")
        if b"\0" in data:
            raise _row_error(name, number, "holds a NUL byte", "save the file as UTF-8 text")
        try:
            yield data.decode()
        except UnicodeDecodeError as error:
            message = f"not UTF-8: byte 0x{data[error.start]:02x} at byte {error.start + 1} of the line"
            raise _row_error(name, number, message, "save the file as UTF-8") from error


def _header(cells: list[str], name: str) -> list[str]:
    names = [cell.strip() for cell in cells]
    if "" in names:
        raise _row_error(name, 1, f"column {names.index('') + 1} has no name", "the first line names every column")
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise _row_error(name, 1, f"column {twice[0]!r} is named twice", "rename one of them")
    return names


def _record(header: list[str], cells: list[str], name: str, line: int) -> dict[str, Any]:
    if len(cells) != len(header):
        raise _row_error(
            name, line, f"{len(cells)} cells where the header has {len(header)}", "quote cells that hold commas"
        )
    row: dict[str, Any] = {}
    for column, cell in zip(header, cells, strict=True):
        if column not in FLAT_FIELDS:
            row[column] = cell
        elif cell.strip():
            row[column] = _cell(column, cell, name, line)
    return row


def _cell(column: str, cell: str, name: str, line: int) -> Any:
    if column == "tags":
        return [tag.strip() for tag in cell.split(";") if tag.strip()]
    if column == "weight":
        try:
            return float(cell)
        except ValueError as error:
            raise _row_error(name, line, f"weight {cell!r} is not a number", "write 1.0, or leave it empty") from error
    if column == "metadata":
        try:
            return parse_json(cell, where="metadata")
        except UsageError as error:
            raise _row_error(name, line, error.message, 'write {"key": "value"}, or leave it empty') from error
    return cell


def items_of(rows: Iterable[Numbered], name: str) -> Iterator[tuple[int, Item]]:
    """Yield an item for each row.

    A row with ``inputs`` is an item as it is; any other is flat: every column that is not one of :data:`FLAT_FIELDS` is
    an input. A row without ``id`` gets one made of the digest of its content.

    Args:
        rows: line number and content.
        name: the file, for messages.

    Raises:
        UsageError: a row is not an object, or not an item; ``where`` has the line.
    """
    for line, row in rows:
        if not isinstance(row, dict):
            raise _row_error(name, line, f"a row is an object, not {type(row).__name__}", 'write {"inputs": {…}}')
        yield line, _item(row if "inputs" in row else _unflatten(row), name, line)


def _unflatten(row: Mapping[str, Any]) -> dict[str, Any]:
    item = {key: value for key, value in row.items() if key in FLAT_FIELDS and value is not None}
    item["inputs"] = {key: value for key, value in row.items() if key not in FLAT_FIELDS}
    return item


def _item(row: dict[str, Any], name: str, line: int) -> Item:
    if row.get("id") is None:
        content = {"inputs": row["inputs"], "expected": row.get("expected")}
        row = {**row, "id": digest(content)[:_ID_DIGITS]}
    if not row["inputs"]:
        raise _row_error(
            name, line, f"item {row['id']!r} has no inputs", "give at least one field besides id and expected"
        )
    try:
        return Item.model_validate(row)
    except ValidationError:
        return validate(Item, Located(path=name, data=row, first_line=line))


def unique(items: Iterable[tuple[int, Item]], name: str) -> Iterator[tuple[int, Item]]:
    """Yield ``items``, refusing an id that comes twice.

    Keeps eight bytes of a hash and the line for each id, not the ids.

    Raises:
        UsageError: naming both lines.
    """
    seen: dict[int, int] = {}
    for line, item in items:
        key = int.from_bytes(hashlib.blake2b(item.id.encode(), digest_size=8).digest(), "big")
        first = seen.setdefault(key, line)
        if first != line:
            raise _row_error(
                name,
                line,
                f"id {item.id!r} is on line {first} already",
                "give every item an id of its own; rows without ids are told apart by their content",
            )
        yield line, item


def _row_error(name: str, line: int, message: str, hint: str) -> UsageError:
    return UsageError(f"{name}:{line}: {message}", where=f"{name}:{line}", hint=hint)


class DatasetDigest:
    """Takes items one by one; the digest does not depend on their order.

    It is the SHA-256 over the sorted SHA-256 of each item's (id, digest, cluster, tags, weight).
    """

    def __init__(self) -> None:
        self._lines: list[bytes] = []

    def add(self, item: Item) -> None:
        """Count ``item`` in."""
        line = canonical_json([item.id, item.digest, item.cluster, list(item.tags), item.weight])
        self._lines.append(hashlib.sha256(line).digest())

    @property
    def n_items(self) -> int:
        """How many items were added."""
        return len(self._lines)

    def hexdigest(self) -> str:
        """Return 64 hex digits."""
        return hashlib.sha256(b"".join(sorted(self._lines))).hexdigest()


def item_line(item: Item) -> bytes:
    """Return the item's line in a version file, with its end; fields that say nothing are left out."""
    row: dict[str, Any] = {"id": item.id, "inputs": item.inputs}
    if item.expected is not None:
        row["expected"] = item.expected
    if item.cluster is not None:
        row["cluster"] = item.cluster
    if item.tags:
        row["tags"] = item.tags
    if item.weight != 1.0:
        row["weight"] = item.weight
    if item.metadata:
        row["metadata"] = item.metadata
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
