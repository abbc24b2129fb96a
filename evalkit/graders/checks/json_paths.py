"""Paths into JSON: ``a.b[0].c``, ``["a key"]``, with or without a leading ``$``."""

from __future__ import annotations

import re

from evalkit.base.errors import UsageError
from evalkit.base.model import JsonValue

__all__ = ["MISSING", "Path", "look_up", "parse_path"]

Path = tuple[str | int, ...]

MISSING = object()
"""What a path leads to where there is nothing; null is something."""

_STEP = re.compile(r"""\.?(?P<name>[^\W\d][\w-]*)|\[(?P<index>-?\d{1,9})\]|\[(?P<quote>["'])(?P<key>.*?)(?P=quote)\]""")


def parse_path(source: str) -> Path:
    """Return the keys and indices of ``source``; ``$`` alone is the empty path.

    Raises:
        UsageError: it is not such a path.
    """
    steps: list[str | int] = []
    position = 1 if source.startswith("$") else 0
    while position < len(source):
        match = _STEP.match(source, position)
        if match is None:
            raise UsageError(
                f"path {source!r} cannot be read from {source[position : position + 20]!r} on",
                hint='paths look like  answer.items[0].price  or  $.answer["a key"]',
            )
        name = match["name"] if match["index"] is None else int(match["index"])
        steps.append(name if name is not None else match["key"])
        position = match.end()
    if not steps and source != "$":
        raise UsageError("an empty path", hint="`$` is the whole value")
    return tuple(steps)


def look_up(value: JsonValue, path: Path) -> JsonValue:
    """Return what ``path`` leads to in ``value``, or :data:`MISSING`; negative indices count from the end."""
    for step in path:
        if isinstance(step, int):
            if not isinstance(value, list) or not -len(value) <= step < len(value):
                return MISSING
        elif not isinstance(value, dict) or step not in value:
            return MISSING
        value = value[step]
    return value
