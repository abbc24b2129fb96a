"""Content digests: the same content gives the same digest on every machine and version of Python."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
from pydantic import BaseModel

__all__ = ["canonical_json", "digest", "digest_bytes", "short", "unit_interval"]

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"cannot make JSON of {type(value).__name__}")


def canonical_json(value: Any) -> bytes:
    """Return JSON bytes with sorted keys and no spaces; models lose their ``None`` fields.

    Raises:
        TypeError: something in ``value`` has no JSON form.
    """
    if isinstance(value, BaseModel):
        value = _plain(value)
    return orjson.dumps(value, default=_plain, option=_OPTIONS)


def digest(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of ``value``, as 64 hex digits."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def digest_bytes(data: bytes) -> str:
    """Return the SHA-256 of raw bytes, as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def short(full: str) -> str:
    """Return the first 12 digits of a digest, for people."""
    return full[:12]


def unit_interval(*parts: str | int) -> float:
    """Return a number in [0, 1) that depends on ``parts`` alone: the source of seeded orders and seeds."""
    raw = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(raw[:8], "big") / 2**64
