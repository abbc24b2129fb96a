"""JSON from providers, read strictly: no duplicate keys, no NaN, no broken UTF-8, no depth without end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from evalkit.llm.errors import model_error

__all__ = ["MAX_DEPTH", "clean_text", "count", "load_object", "mapping"]

MAX_DEPTH = 64
_MAX_COUNT = 2**40
_BOM = b"\xef\xbb\xbf"


def load_object(data: bytes, what: str = "the response") -> dict[str, Any]:
    """Return the JSON object in ``data``; a byte order mark is passed over.

    Raises:
        ModelError: ``malformed``, ``truncated`` if it only lacks its end, ``too_large`` if nested too deeply.
    """
    try:
        text = data.removeprefix(_BOM).decode()
        value = _decoder.decode(text)
    except UnicodeDecodeError as error:
        raise model_error("malformed", f"{what} is not UTF-8: {error.reason} at byte {error.start}") from error
    except RecursionError as error:
        raise model_error("too_large", f"{what} is nested more than {MAX_DEPTH} levels deep") from error
    except ValueError as error:
        _refuse(data, text, error, what)
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise model_error("too_large", f"{what} is nested more than {MAX_DEPTH} levels deep")
    if not isinstance(value, dict):
        raise model_error("malformed", f"{what} is JSON but not an object")
    return value


def mapping(value: Any, what: str) -> Mapping[str, Any]:
    """Return ``value`` if it is an object.

    Raises:
        ModelError: ``malformed``.
    """
    if not isinstance(value, dict):
        raise model_error("malformed", f"{what} is not an object")
    return value


def count(value: Any) -> int | None:
    """Return a token count, or None for anything that is none: negative, absurd, not a whole number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value or not 0 <= value < _MAX_COUNT:
        return None
    return int(value) if int(value) == value else None


def clean_text(text: str) -> str:
    """Return ``text`` with halves of surrogate pairs, which no file can hold, replaced by U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _refuse(data: bytes, text: str, error: ValueError, what: str) -> NoReturn:
    stripped = text.strip()
    if not stripped:
        raise model_error("malformed", f"{what} is empty") from error
    if stripped[0] == "<":
        raise model_error("malformed", f"{what} is a web page, not JSON: {' '.join(stripped[:120].split())}") from error
    cut = isinstance(error, json.JSONDecodeError) and stripped[0] in "{[" and _only_lacks_its_end(error, text)
    code = "truncated" if cut else "malformed"
    raise model_error(
        "truncated" if code == "truncated" else "malformed",
        f"{what} is not JSON: {error} ({len(data):,} bytes)",
    ) from error


def _only_lacks_its_end(error: json.JSONDecodeError, text: str) -> bool:
    return error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:60]!r} is given twice")
    return made


def _constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number")


def _depth(value: Any) -> int:
    depth = 0
    level: list[Any] = [value]
    while level and depth <= MAX_DEPTH:
        inner = [element for element in level if isinstance(element, (dict, list))]
        level = [child for element in inner for child in (element.values() if isinstance(element, dict) else element)]
        depth += bool(inner)
    return depth


_decoder = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant)
