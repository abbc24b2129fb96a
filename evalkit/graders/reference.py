"""The parameters of a grader as a table, made from its ``Params`` so that no page can disagree with the code."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from evalkit.graders.registry import GRADERS

__all__ = ["params_table", "with_tables"]

_BLOCK = re.compile(r"(<!-- parameters: (?P<use>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
    "null": "null",
    "array": "list",
}


def params_table(use: str) -> str:
    """Return a Markdown table of the parameters of ``use``: name, type, default, meaning.

    Raises:
        UsageError: the grader is unknown.
    """
    schema = GRADERS.get(use).Params.model_json_schema(by_alias=True)
    required = set(schema.get("required", ()))
    lines = ["| parameter | type | default | meaning |", "|---|---|---|---|"]
    for name, field in schema.get("properties", {}).items():
        default = "required" if name in required else _default(field.get("default"))
        lines.append(f"| `{name}` | {_type(field)} | {default} | {_cell(field.get('description', ''))} |")
    return "\n".join(lines) + "\n" if len(lines) > 2 else "No parameters.\n"


def with_tables(page: str) -> str:
    """Return ``page`` with the table of every ``<!-- parameters: NAME -->`` block made anew.

    Raises:
        UsageError: a block names an unknown grader.
    """
    return _BLOCK.sub(lambda block: f"{block[1]}{params_table(block['use'])}{block[3]}", page)


def _default(value: object) -> str:
    return "none" if value is None or value == [] else f"`{_cell(json.dumps(value, ensure_ascii=False))}`"


def _type(field: Mapping[str, Any]) -> str:
    if "anyOf" in field:
        kinds = dict.fromkeys(_type(option) for option in field["anyOf"])
        kinds.pop("null", None)
        return " or ".join(kinds)
    if "enum" in field:
        return " or ".join(f"`{word}`" for word in field["enum"])
    if "items" in field:
        return f"list of {_type(field['items'])}"
    return _WORDS.get(field.get("type", ""), "any JSON")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
