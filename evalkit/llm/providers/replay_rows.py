"""The rows of a file of recorded outputs, under our column names and checked."""

from __future__ import annotations

import csv
import gzip
import io
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import orjson

from evalkit.base.errors import UsageError
from evalkit.base.registry import suggest
from evalkit.llm.parse.strict import clean_text, count

__all__ = ["COLUMNS", "read_rows"]

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "item_id": ("item_id", "id"),
    "trial": ("trial",),
    "text": ("text", "output", "response"),
    "finish": ("finish", "finish_reason"),
    "input_tokens": ("input_tokens", "prompt_tokens"),
    "output_tokens": ("output_tokens", "completion_tokens"),
    "latency_s": ("latency_s",),
    "cost_usd": ("cost_usd",),
    "error": ("error",),
}
"""Our columns and the names they are found under unless ``columns`` says otherwise; further ones go to ``recorded``."""

_MAX_LINE = 64 * 1024 * 1024
_Row = Mapping[str, Any]


def read_rows(path: Path, columns: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Return the rows of ``path`` one by one, each with ``item_id``, ``trial``, ``error`` and ``recorded``.

    Args:
        path: a .jsonl, .csv (both also .gz) or .parquet file.
        columns: our column names to the file's, where they differ from :data:`COLUMNS`.

    Raises:
        UsageError: at once for a file or mapping that cannot be used, at its turn for a row.
    """
    _check_regular(path)
    found = _Columns(_names(columns, str(path)))
    return (_normal(raw, found, where) for where, raw in _read(path))


def _check_regular(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise UsageError(
            f"the recorded outputs {str(path)!r} cannot be read: {error.strerror}", hint="check `path` of the model"
        ) from error
    if not stat.S_ISREG(mode):
        raise UsageError(f"{str(path)!r} is not a regular file", hint="name a .jsonl, .csv or .parquet file")


def _names(columns: Mapping[str, str], where: str) -> Mapping[str, tuple[str, ...]]:
    unknown = sorted(set(columns) - set(COLUMNS))
    if unknown:
        raise UsageError(
            f"`columns` has no {unknown[0]!r}{suggest(unknown[0], list(COLUMNS))}",
            hint=f"ours are {', '.join(COLUMNS)}; write ours = theirs",
            where=where,
        )
    return {**COLUMNS, **{ours: (theirs,) for ours, theirs in columns.items()}}


def _read(path: Path) -> Iterator[tuple[str, _Row]]:
    name = path.name.lower()
    if name.endswith((".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")):
        yield from _read_lines(path)
    elif name.endswith((".csv", ".csv.gz")):
        yield from _read_csv(path)
    elif name.endswith(".parquet"):
        yield from _read_parquet(path)
    else:
        raise UsageError(
            f"{path.name!r} is of no known format", hint="use .jsonl, .csv (both also .gz) or .parquet", where=str(path)
        )


def _bytes(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")  # type: ignore[return-value]


def _read_lines(path: Path) -> Iterator[tuple[str, _Row]]:
    number = 0
    try:
        with _bytes(path) as file:
            while line := file.readline(_MAX_LINE + 1):
                number += 1
                if len(line) > _MAX_LINE:
                    raise ValueError(f"the line is longer than {_MAX_LINE:,} bytes")
                if not line.strip():
                    continue
                row = orjson.loads(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
                if not isinstance(row, dict):
                    raise ValueError("the line is JSON but not an object")
                yield f"{path}:{number}", row
    except (ValueError, OSError, EOFError) as error:
        raise _unreadable(error, f"{path}:{number}") from error


def _read_csv(path: Path) -> Iterator[tuple[str, _Row]]:
    csv.field_size_limit(max(csv.field_size_limit(), _MAX_LINE))
    line = 1
    try:
        with _bytes(path) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
            reader = csv.DictReader(text, strict=True)
            for raw in reader:
                line = reader.line_num
                if None in raw or None in raw.values():
                    raise ValueError("the row has another number of fields than the head")
                yield f"{path}:{line}", {key: value for key, value in raw.items() if value != "" or key in _TEXTUAL}
    except (ValueError, csv.Error, OSError, EOFError) as error:
        raise _unreadable(error, f"{path}:{line}") from error


_TEXTUAL = frozenset(COLUMNS["text"])


def _read_parquet(path: Path) -> Iterator[tuple[str, _Row]]:
    import duckdb

    connection = duckdb.connect()
    try:
        found = connection.execute("SELECT * FROM read_parquet(?)", [str(path)])
        names = [column[0] for column in found.description or []]
        number = 0
        while batch := found.fetchmany(2000):
            for values in batch:
                number += 1
                yield f"{path}: row {number}", dict(zip(names, values, strict=True))
    except duckdb.Error as error:
        raise _unreadable(error, str(path)) from error
    finally:
        connection.close()


def _unreadable(error: Exception, where: str) -> UsageError:
    return UsageError(
        f"the recorded outputs cannot be read: {error}", hint="each row is an object with item_id and text", where=where
    )


class _Columns:
    """Finds our columns among a file's; rows of one shape are looked at once."""

    def __init__(self, names: Mapping[str, tuple[str, ...]]) -> None:
        self._names = names
        self._shapes: dict[tuple[str, ...], tuple[list[tuple[str, str]], list[str]]] = {}

    def split(self, raw: _Row) -> tuple[list[tuple[str, str]], list[str]]:
        """Return pairs (ours, theirs) for a row, and its further columns."""
        shape = tuple(raw)
        found = self._shapes.get(shape)
        if found is None:
            pairs = [(ours, name) for ours, theirs in self._names.items() if (name := _first(theirs, raw)) is not None]
            used = {theirs for _, theirs in pairs}
            found = (pairs, [name for name in shape if name not in used])
            if len(self._shapes) < 1000:
                self._shapes[shape] = found
        return found

    def named(self, ours: str) -> str:
        """Return the name one of our columns should have in the file."""
        return self._names[ours][0]


def _first(names: tuple[str, ...], raw: _Row) -> str | None:
    return next((name for name in names if name in raw), None)


def _normal(raw: _Row, columns: _Columns, where: str) -> dict[str, Any]:
    """Return a row under our names, its further columns in ``recorded``, checked."""
    pairs, further = columns.split(raw)
    row = {ours: raw[theirs] for ours, theirs in pairs if raw[theirs] is not None}
    if "item_id" not in row:
        raise _lacks(f"the row has no {columns.named('item_id')!r}", raw, where)
    row["item_id"] = str(row["item_id"])
    row["error"] = _error(row.get("error"))
    if row["error"] is None and "text" not in row:
        text = columns.named("text")
        raise _lacks(f"the row of item {row['item_id']!r} has neither {text!r} nor an error", raw, where)
    _normalise_values(row, where)
    row["recorded"] = {name: _plain(raw[name]) for name in further if raw[name] is not None}
    return row


def _lacks(message: str, raw: _Row, where: str) -> UsageError:
    return UsageError(message, hint=f"it has {', '.join(map(str, raw))}; name yours in `columns`", where=where)


def _normalise_values(row: dict[str, Any], where: str) -> None:
    row["trial"] = _whole(row.get("trial", 0), "trial", where)
    for field in ("input_tokens", "output_tokens"):
        if field in row:
            row[field] = _whole(row[field], field, where)
    for field in ("latency_s", "cost_usd"):
        if field in row:
            row[field] = _amount(row[field], field, where)
    if "text" in row:
        text = row["text"] if isinstance(row["text"], str) else orjson.dumps(_plain(row["text"])).decode()
        row["text"] = clean_text(text)


def _error(value: Any) -> str | None:
    if isinstance(value, Mapping):
        value = value.get("code") or "application"
    return str(value) if value else None


def _plain(value: Any) -> Any:
    """Return ``value`` if JSON can hold it, else its text (dates and decimals out of Parquet)."""
    try:
        orjson.dumps(value)
    except TypeError:
        return str(value)
    return value


def _whole(value: Any, field: str, where: str) -> int:
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    number = count(value)
    if number is None:
        raise UsageError(f"{field} is {value!r}, not a whole number of at least 0", hint="mend the row", where=where)
    return number


def _amount(value: Any, field: str, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 <= number < 1e12 or isinstance(value, bool):
        raise UsageError(f"{field} is {value!r}, not a number of at least 0", hint="mend the row", where=where)
    return number
