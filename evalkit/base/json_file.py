"""JSON and JSON lines, read strictly: UTF-8, no duplicate keys, no NaN, sizes and depth capped."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from sys import intern
from typing import Any

from evalkit.base.errors import UsageError
from evalkit.base.files import open_lines, read_text, shown
from evalkit.base.located import Located

__all__ = ["JsonlLimits", "parse_json", "read_json", "read_jsonl"]

_BOM = b"\xef\xbb\xbf"
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True, slots=True)
class JsonlLimits:
    """What a JSONL file may hold.

    Attributes:
        line_bytes: the longest line.
        total_bytes: what a ``.gz`` may hold when decompressed.
        depth: the deepest nesting.
    """

    line_bytes: int = 16 * 1024 * 1024
    total_bytes: int = 4 * 1024 * 1024 * 1024
    depth: int = 64


LIMITS = JsonlLimits()


class _RefusedError(ValueError):
    """Something JSON readers let pass and this one does not."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = {intern(key): value for key, value in pairs}  # the same keys come back in every row
    if len(content) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RefusedError(f"key {key!r} is given twice")
            seen.add(key)
    return content


def _constant(word: str) -> Any:
    raise _RefusedError(f"{word} is not JSON: leave the field out, or write null")


def _number(text: str) -> float:
    value = float(text)
    if value in {float("inf"), float("-inf")}:
        raise _RefusedError(f"{text[:30]} is too large a number")
    return value


def _integer(text: str) -> int:
    if len(text) > 24 or not -(2**63) <= (value := int(text)) < 2**64:
        raise _RefusedError(f"{text[:30]} does not fit 64 bits: quote it if it is an identifier")
    return value


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_float=_number, parse_int=_integer, strict=True
)


def parse_json(text: str, *, where: str, first_line: int = 1, depth: int = LIMITS.depth) -> Any:
    """Return the content of JSON text.

    Args:
        text: one JSON value.
        where: the file, for messages.
        first_line: the line the text begins on.
        depth: the deepest nesting allowed.

    Raises:
        UsageError: the text is not JSON of the accepted kind; ``where`` has the line.
    """
    if text.count("[") + text.count("{") > depth and _depth(text) > depth:
        raise _bad(f"nested deeper than {depth} levels", f"{where}:{first_line}")
    try:
        value = _DECODER.decode(text)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise _bad(
            f"not valid JSON: {error.msg[:1].lower()}{error.msg[1:]}", f"{where}:{line}:{error.colno}"
        ) from error
    except UnicodeEncodeError as error:
        raise _bad("half a surrogate pair is not a character", f"{where}:{first_line}") from error
    except _RefusedError as error:
        raise _bad(str(error), f"{where}:{first_line}") from error
    except RecursionError as error:
        raise _bad(f"nested deeper than {depth} levels", f"{where}:{first_line}") from error
    return value


def _bad(message: str, where: str) -> UsageError:
    return UsageError(f"{where}: {message}", where=where, hint="mend the line; `evalkit validate` checks every file")


def _depth(text: str) -> int:
    deepest = level = 0
    for char in _STRINGS.sub("", text):
        if char in "[{":
            level += 1
            deepest = max(deepest, level)
        elif char in "]}":
            level -= 1
    return deepest


def read_json(path: Path | str) -> Located:
    """Return the content of a JSON file; every problem in it is placed at its first line.

    Raises:
        UsageError: the file cannot be read or is not JSON; ``where`` has line and column.
    """
    path = Path(path)
    text = read_text(path)
    return Located(path=shown(path), data=parse_json(text, where=shown(path)))


def read_jsonl(path: Path | str, *, limits: JsonlLimits = LIMITS) -> Iterator[tuple[int, Any]]:
    """Yield the 1-based line number and content of every line that is not blank, in bounded memory.

    Files named ``*.gz`` are decompressed on the way.

    Raises:
        UsageError: the file cannot be read, or a line is not a JSON value; ``where`` has the line.
    """
    path = Path(path)
    name = shown(path)
    with open_lines(path, limit=limits.total_bytes) as file:
        number = 0
        while raw := file.readline(limits.line_bytes + 1):
            number += 1
            if len(raw) > limits.line_bytes:
                raise _bad(f"the line is longer than {limits.line_bytes:,} bytes", f"{name}:{number}")
            if number == 1:
                raw = raw.removeprefix(_BOM)
            text = _decode(raw, f"{name}:{number}").strip(" \t\r\n")
            if text:
                yield number, parse_json(text, where=name, first_line=number, depth=limits.depth)


def _decode(raw: bytes, where: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{where}: not UTF-8: byte 0x{raw[error.start]:02x} at byte {error.start + 1} of the line",
            where=where,
            hint="save the file as UTF-8",
        ) from error
