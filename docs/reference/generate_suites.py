"""Write the key tables of suites.md anew: `python docs/reference/generate_suites.py`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit.suite.cards import DatasetCard, DatasetVersion
from evalkit.suite.files import CandidateFile, DatasetRef, GraderFile, JudgesFile, PolicyFile, RuleFile, SuiteFile
from evalkit.suite.prompts import PromptFile, PromptMessageFile

PAGES = [Path(__file__).with_name(name) for name in ("suites.md", "prompts.md", "datasets.md")]
_BLOCK = re.compile(r"(<!-- keys: (?P<model>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_MODELS = {
    model.__name__: model
    for model in (
        SuiteFile,
        DatasetRef,
        CandidateFile,
        GraderFile,
        PolicyFile,
        JudgesFile,
        RuleFile,
        PromptFile,
        PromptMessageFile,
        DatasetCard,
        DatasetVersion,
    )
}
_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
    "array": "list",
}
_LIMITS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}"}


def with_tables(page: str) -> str:
    """Return ``page`` with the table of every ``<!-- keys: MODEL -->`` block made anew."""
    return _BLOCK.sub(lambda block: f"{block[1]}{keys_table(block['model'])}{block[3]}", page)


def keys_table(model: str) -> str:
    """Return a row for each key: type with its limits, default, meaning."""
    schema = _MODELS[model].model_json_schema()
    required = set(schema.get("required", ()))
    lines = ["| key | type | default | |", "|---|---|---|---|"]
    for name, field in schema["properties"].items():
        default = "required" if name in required else _default(field.get("default"))
        lines.append(f"| `{name}` | {_type(field)} | {default} | {field.get('description', '')} |")
    return "\n".join(lines) + "\n"


def _default(value: object) -> str:
    return "none" if value in (None, [], {}) or isinstance(value, dict) else f"`{json.dumps(value)}`"


def _type(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        return "object"
    if "anyOf" in field:
        kinds = dict.fromkeys(_type(option) for option in field["anyOf"] if option.get("type") != "null")
        return " or ".join(kinds)
    if "enum" in field:
        return " or ".join(f"`{word}`" for word in field["enum"])
    if "items" in field:
        return f"list of {_type(field['items']).replace('object', 'objects')}"
    limits = [text.format(f"{field[key]:g}") for key, text in _LIMITS.items() if key in field and field[key] < 2**53]
    return ", ".join([_WORDS.get(field.get("type", ""), "any JSON"), *limits])


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
