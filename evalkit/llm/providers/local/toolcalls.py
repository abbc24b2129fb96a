"""Tool calls: which tool a question asks for, and its arguments taken from the text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from evalkit.llm.providers.local.fieldvalues import parse_date
from evalkit.llm.providers.local.noise import Noise
from evalkit.llm.providers.local.words import NUMBER_WORDS, related, stem, stems, words

__all__ = ["call_tool"]

_THRESHOLD = 0.18
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_CODE = re.compile(r"\b(?=[\w/-]*\d)[A-Z]{1,6}[-/]?\d[\w/-]*\b|\b\d{4,}\b")
_QUOTED = re.compile(r"[\"“'‘]([^\"”'’]{1,80})[\"”'’](?!\w)")
_PROPER = re.compile(r"(?:\b(?:in|at|to|from|for|near|of|is)\s+)((?:[A-ZÀ-Þ][\w'-]+)(?:\s[A-ZÀ-Þ][\w'-]+)*)")
_CAPITAL = re.compile(r"(?<!^)(?<![.!?]\s)\b([A-ZÀ-Þ][\w'-]+(?:\s[A-ZÀ-Þ][\w'-]+)*)")


def call_tool(question: str, tools: Sequence[Any], choice: Any, noise: Noise) -> dict[str, Any] | None:
    """Return the call to the tool whose name and description fit ``question`` best, or None where none fits.

    ``choice`` is the request's ``tool_choice``: ``none`` never calls, ``required`` always does, a named function wins.
    """
    known = [
        tool["function"] for tool in tools if isinstance(tool, Mapping) and isinstance(tool.get("function"), Mapping)
    ]
    if not known or choice == "none":
        return None
    if isinstance(choice, Mapping):
        wanted = (choice.get("function") or {}).get("name")
        known = [each for each in known if each.get("name") == wanted] or known
    scored = sorted(((-_fit(question, each), order) for order, each in enumerate(known)))
    best, order = -scored[0][0], scored[0][1]
    if best < _THRESHOLD and choice != "required" and not isinstance(choice, Mapping):
        return None
    tool = known[order]
    identity = f"call_{int(noise.draw('tool:' + str(tool.get('name'))) * 16**12):012x}"
    arguments = orjson.dumps(_arguments(question, tool.get("parameters"))).decode()
    return {"id": identity, "type": "function", "function": {"name": str(tool.get("name")), "arguments": arguments}}


def _fit(question: str, tool: Mapping[str, Any]) -> float:
    asked = set(stems(question))
    name = set(stems(re.sub(r"[_-]|(?<=[a-z])(?=[A-Z])", " ", str(tool.get("name", "")))))
    described = name | set(stems(str(tool.get("description", ""))))
    if not asked or not described:
        return 0.0
    hits = sum(1.0 if word in described else 0.6 if related(word) & described else 0.0 for word in asked)
    named = sum(1.0 if word in asked else 0.6 if related(word) & asked else 0.0 for word in name)
    return 0.5 * hits / len(asked) + 0.5 * named / max(len(name), 1)


def _arguments(question: str, parameters: Any) -> dict[str, Any]:
    if not isinstance(parameters, Mapping):
        return {}
    properties = parameters.get("properties")
    required = parameters.get("required") or ()
    found: dict[str, Any] = {}
    for name, schema in (properties if isinstance(properties, Mapping) else {}).items():
        value = _value(
            question, str(name), schema if isinstance(schema, Mapping) else {}, set(map(str, found.values()))
        )
        if value is not None:
            found[name] = value
        elif name in required:
            found[name] = _empty(schema if isinstance(schema, Mapping) else {})
    return found


def _value(question: str, name: str, schema: Mapping[str, Any], used: set[str]) -> Any:
    about = f"{name} {schema.get('description', '')}".lower()
    if schema.get("enum"):
        asked = set(stems(question))
        return next((each for each in schema["enum"] if set(stems(str(each).replace("_", " "))) & asked), None)
    if schema.get("type") in {"integer", "number"}:
        return _number(question, about, whole=schema.get("type") == "integer")
    if schema.get("type") == "boolean":
        return bool(set(stems(name.replace("_", " "))) & set(stems(question))) or None
    if schema.get("type") == "array":
        inner = _value(question, name, schema.get("items") or {}, used)
        return None if inner is None else [inner]
    return _text(question, about, used)


def _number(question: str, about: str, *, whole: bool) -> float | int | None:
    wanted = set(stems(about.replace("_", " ")))
    best: tuple[int, float] | None = None
    listed = words(question)
    for at, word in enumerate(listed):
        value = NUMBER_WORDS.get(word.lower()) if not word.isdigit() else int(word)
        if value is None:
            continue
        near = {stem(each) for each in listed[max(0, at - 2) : at + 3]}
        score = len(near & wanted)
        if best is None or score > best[0]:
            best = (score, value)
    decimal = re.search(r"\d+\.\d+", question)
    if decimal and not whole:
        return float(decimal[0])
    return int(best[1]) if best else None


def _text(question: str, about: str, used: set[str]) -> str | None:
    if "mail" in about and (found := _EMAIL.search(question)):
        return found[0]
    if "date" in about or "day" in about:
        parsed = parse_date(question)
        if parsed:
            return parsed[0]
    if re.search(r"\b(?:id|number|code|reference|ref)\b|_id\b|_number\b", about) and (found := _CODE.search(question)):
        return found[0]
    for pattern in (_QUOTED, _PROPER, _CAPITAL):
        for match in pattern.finditer(question):
            if match[1] not in used:
                return match[1]
    return question.strip() if re.search(r"query|question|text|message|search|prompt", about) else None


def _empty(schema: Mapping[str, Any]) -> Any:
    kinds: dict[str, Any] = {"integer": 0, "number": 0, "boolean": False, "array": [], "object": {}}
    if schema.get("enum"):
        return schema["enum"][0]
    return kinds.get(str(schema.get("type")), "")
