"""A checksum in every stored row: SQLite notices a torn file, but not a flipped bit inside a text or a number."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from evalkit.base.errors import StoreError

__all__ = ["checked", "damaged", "sealed"]


def _crc(fields: Sequence[Any]) -> int:
    return zlib.crc32("\x1f".join(map(str, fields)).encode("utf-8", "surrogatepass"))


def sealed(*fields: Any) -> tuple[Any, ...]:
    """Return ``fields`` (texts, integers, floats, None) with their checksum behind them."""
    return (*fields, _crc(fields))


def checked(rows: Iterable[tuple[Any, ...]], path: Path, what: str, n_key: int) -> Iterator[tuple[Any, ...]]:
    """Yield ``rows`` whose last field is the checksum of those before it.

    Args:
        rows: as selected, all columns in the order in which they were sealed.
        path: the file, for the message.
        what: what a row is, and ``n_key`` how many of its fields name it.
        n_key: see ``what``.

    Raises:
        StoreError: a row is not what was written.
    """
    for row in rows:
        if _crc(row[:-1]) != row[-1]:
            raise damaged(path, f"{what} {' '.join(map(str, row[:n_key]))} is not what was written")
        yield row


def damaged(path: Path, problem: str) -> StoreError:
    """Return the error for a record that can be read but is not to be trusted."""
    return StoreError(
        f"the store is damaged: {problem}",
        hint=f"move {path} away and repeat the command: what it held is then made again",
        where=str(path),
    )
