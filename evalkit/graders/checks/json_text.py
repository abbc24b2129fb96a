"""JSON out of model answers: where it stands in the text, strict parsing, and equality as JSON means it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Literal, NoReturn

import orjson

from evalkit.base.model import JsonValue
from evalkit.graders.check import NoScore, shown

__all__ = ["MAX_DEPTH", "Extract", "NotJson", "json_equal", "json_in", "refuse_deep"]

Extract = Literal["whole", "fence", "first_object"]

MAX_DEPTH = 50
"""Levels of nesting that are compared or validated."""

_MAX_STARTS = 50
_MAX_SEARCHED = 1_000_000
_FENCE = re.compile(r"^[ \t]*```[ \t]*(\w*)[^\n]*\n(.*?)^[ \t]*```", re.MULTILINE | re.DOTALL)


class NotJson(Exception):  # noqa: N818 - an answer's property, not an error of ours
    """The text holds no valid JSON where it was looked for."""


def json_in(text: str, extract: Extract) -> JsonValue:
    """Return the JSON value of ``text``.

    NaN, Infinity, comments and trailing commas are no JSON. Nesting beyond 1,024 levels is refused.

    Args:
        text: the answer.
        extract: ``whole`` text; the first ``fence`` marked json, or else the first fence; or the ``first_object``, the
            first object or array anywhere (50 opening brackets in the first million characters are tried).

    Raises:
        NotJson: there is none; the message says why.
    """
    if extract == "whole":
        return _parsed(text)
    if extract == "fence":
        blocks = _FENCE.findall(text)
        chosen = next((body for mark, body in blocks if mark.lower() == "json"), blocks[0][1] if blocks else None)
        if chosen is None:
            raise NotJson("no fenced block")
        return _parsed(chosen)
    return _first_object(text[:_MAX_SEARCHED])


def refuse_deep(value: JsonValue, limit: int = MAX_DEPTH) -> None:
    """Do nothing unless ``value`` is nested deeper than ``limit``.

    Raises:
        NoScore: it is.
    """
    level = [value]
    for _ in range(limit + 1):
        level = [
            member
            for container in level
            if isinstance(container, (dict, list))
            for member in (container.values() if isinstance(container, dict) else container)
        ]
        if not level:
            return
    raise NoScore("error", f"the JSON is nested deeper than {limit} levels")


def json_equal(one: JsonValue, other: JsonValue, *, abs_tol: float = 0.0, rel_tol: float = 0.0) -> bool:
    """Return whether two values are the same JSON: 1 equals 1.0, true does not equal 1, key order does not matter.

    Args:
        one: a value.
        other: a value.
        abs_tol: largest difference of two numbers that counts as equal.
        rel_tol: the same as a share of the larger one.
    """
    if isinstance(one, bool) or isinstance(other, bool) or one is None or other is None:
        return one is other
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return one == other or math.isclose(one, other, rel_tol=rel_tol, abs_tol=abs_tol)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(
            json_equal(one[key], other[key], abs_tol=abs_tol, rel_tol=rel_tol) for key in one
        )
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(
            json_equal(left, right, abs_tol=abs_tol, rel_tol=rel_tol) for left, right in zip(one, other, strict=True)
        )
    return type(one) is type(other) and bool(one == other)


def _parsed(text: str) -> JsonValue:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise NotJson(f"{error.msg} at line {error.lineno}, column {error.colno}: {shown(text, 40)}") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def _first_object(text: str) -> JsonValue:
    starts = (match.start() for match in re.finditer(r"[{\[]", text))
    for count, start in enumerate(starts):
        if count == _MAX_STARTS:
            break
        value = _decoded(text, start)
        if isinstance(value, (dict, list)):
            return value
    raise NotJson(f"no JSON object or array in {shown(text, 40)}")


def _decoded(text: str, start: int) -> Any:
    try:
        return _DECODER.raw_decode(text, start)[0]
    except (ValueError, RecursionError):
        return None
