"""Write the tables of settings.md anew: `python docs/reference/generate_settings.py`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from evalkit.llm.config import ModelConfig
from evalkit.settings import SETTINGS

PAGE = Path(__file__).with_name("settings.md")
_BLOCK = re.compile(r"(<!-- (?P<table>settings|models) -->\n).*?(<!-- end -->)", re.DOTALL)
_FIELD = re.compile(r"^    (?P<name>\w+): (?P<text>.*)$")


def settings_table() -> str:
    """Return a row for each setting: key, variable, option, default, meaning."""
    lines = ["| key | variable | option | default | |", "|---|---|---|---|---|"]
    for info in SETTINGS:
        key = f"`{info.name}`" if info.in_file else "not in a file"
        flag = f"`{info.flag}`" if info.flag else ""
        lines.append(f"| {key} | `{info.variable}` | {flag} | `{info.default}` | {info.description} |")
    return "\n".join(lines) + "\n"


def models_table() -> str:
    """Return a row for each key of a ``[models.NAME]`` table, as its class describes it."""
    rows: dict[str, str] = {}
    name = ""
    for line in (ModelConfig.__doc__ or "").partition("Attributes:")[2].splitlines():
        text = line.removeprefix("    ")
        if found := _FIELD.match(text):
            name = found["name"]
            rows[name] = found["text"]
        elif name and text.strip():
            rows[name] += f" {text.strip()}"
    lines = ["| key | |", "|---|---|"]
    lines += [f"| `{key}` | {text.replace('``', '`').replace('|', chr(92) + '|')} |" for key, text in rows.items()]
    return "\n".join(lines) + "\n"


_TABLES: dict[str, Callable[[], str]] = {"settings": settings_table, "models": models_table}


def with_tables(page: str) -> str:
    """Return ``page`` with both tables made anew."""
    return _BLOCK.sub(lambda block: f"{block[1]}{_TABLES[block['table']]()}{block[3]}", page)


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
