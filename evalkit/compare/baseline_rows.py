"""The lines of a baseline file: one item each, values exactly as they were, with a check sum that finds hand edits."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from evalkit.base.errors import UsageError
from evalkit.compare.values import keeps_value
from evalkit.core.run import (
    STATUS_CANDIDATE_FAILED,
    STATUS_MISSING,
    STATUS_NAMES,
    STATUS_OK,
    MetricColumn,
    RunTable,
)
from evalkit.core.score import MetricInfo

__all__ = ["RowReader", "check_sum", "encode_rows"]

_KEY = b',"sum":"'
_DIGITS = 12
_TAIL = len(_KEY) + _DIGITS + 2
_EXACT_INTEGER = 2**53
_CODES = {name: code for code, name in enumerate(STATUS_NAMES)}


def check_sum(body: bytes) -> bytes:
    """Return the first 12 hex digits of the SHA-256 of a line without its sum."""
    return hashlib.sha256(body).hexdigest()[:_DIGITS].encode()


def encode_rows(table: RunTable) -> Iterator[bytes]:
    """Yield a line an item, sorted by id, each ending in a newline.

    Raises:
        UsageError: a score is not a finite number.
    """
    columns = [table.columns[name] for name in sorted(table.columns)]
    for row in sorted(range(len(table.item_ids)), key=table.item_ids.__getitem__):
        body = orjson.dumps(_row(table, row, columns))
        yield body[:-1] + _KEY + check_sum(body) + b'"}\n'


def _row(table: RunTable, row: int, columns: Sequence[MetricColumn]) -> dict[str, Any]:
    fields: dict[str, Any] = {"id": table.item_ids[row], "digest": table.item_digests[row]}
    if table.clusters[row] is not None:
        fields["cluster"] = table.clusters[row]
    if table.weights[row] != 1.0:
        fields["weight"] = float(table.weights[row])
    if table.tags[row]:
        fields["tags"] = list(table.tags[row])
    if table.call_digests:
        fields["call"] = table.call_digests[row]
    return fields | {"trials": [_trial(table, row, trial, columns) for trial in range(table.manifest.trials)]}


def _trial(table: RunTable, row: int, trial: int, columns: Sequence[MetricColumn]) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    for column in columns:
        code, value = int(column.status[row, trial]), float(column.value[row, trial])
        if code == STATUS_OK:
            if not math.isfinite(value):
                raise UsageError(
                    f"{column.info.name} of item {table.item_ids[row]} is {value}: a baseline holds numbers only",
                    hint="grade the run again",
                )
            entries[column.info.name] = _number(value)
        elif code == STATUS_CANDIDATE_FAILED and keeps_value(column.info) and math.isfinite(value):
            entries[column.info.name] = [STATUS_NAMES[code], _number(value)]
        elif code != STATUS_MISSING:
            entries[column.info.name] = STATUS_NAMES[code]
    return entries


def _number(value: float) -> int | float:
    """An integer where that is the same number, for a short line."""
    whole = value.is_integer() and abs(value) < _EXACT_INTEGER and math.copysign(1.0, value) > 0.0
    return int(value) if whole else value


@dataclass(slots=True)
class RowReader:
    """Collects lines into the columns of a table.

    Attributes:
        where: the file, for messages.
        infos: the metrics, as the manifest lists them.
        n_items: how many lines there will be.
        n_trials: trials of each item.
    """

    where: str
    infos: Sequence[MetricInfo]
    n_items: int
    n_trials: int
    ids: list[str] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    clusters: list[str | None] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    tags: list[tuple[str, ...]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    columns: dict[str, MetricColumn] = field(init=False)

    def __post_init__(self) -> None:
        shape = (self.n_items, self.n_trials)
        self.columns = {
            info.name: MetricColumn(info, np.full(shape, STATUS_MISSING, dtype=np.uint8), np.zeros(shape))
            for info in self.infos
        }

    def add(self, line: bytes, number: int) -> None:
        """Take one line, without its newline.

        Raises:
            UsageError: the line was edited, or is not what this version writes; the message names file and line.
        """
        place = f"{self.where}:{number}"
        body = line[:-_TAIL] + b"}"
        if line[-_TAIL:] != _KEY + check_sum(body) + b'"}':
            raise UsageError(
                f"{place} was changed by hand: its check sum does not fit",
                where=place,
                hint="restore the file from version control; a baseline is changed with `evalkit baseline accept`",
            )
        try:
            self._take(orjson.loads(body), len(self.ids))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise UsageError(
                f"{place} is not an item of a baseline: {type(error).__name__} {error}",
                where=place,
                hint="accept the baseline again with this version of evalkit",
            ) from error

    def _take(self, row: dict[str, Any], at: int) -> None:
        if self.ids and not self.ids[-1] < row["id"]:
            raise ValueError(f"id {row['id']!r} does not come after {self.ids[-1]!r}")
        for trial, entries in enumerate(row["trials"]):
            for name, entry in entries.items():
                column = self.columns[name]
                code, value = _decode(entry)
                column.status[at, trial], column.value[at, trial] = code, value
        self.ids.append(row["id"])
        self.digests.append(row["digest"])
        self.clusters.append(row.get("cluster"))
        self.weights.append(float(row.get("weight", 1.0)))
        self.tags.append(tuple(row.get("tags", ())))
        self.calls.append(row.get("call", ""))


def _decode(entry: Any) -> tuple[int, float]:
    if isinstance(entry, (int, float)):
        return STATUS_OK, float(entry)
    if isinstance(entry, list):
        return _CODES[entry[0]], float(entry[1])
    code = _CODES[entry]
    return code, math.nan if code == STATUS_CANDIDATE_FAILED else 0.0
