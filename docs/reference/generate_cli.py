"""Write the commands of cli.md anew: `python docs/reference/generate_cli.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from evalkit.cli.main import app

PAGE = Path(__file__).with_name("cli.md")
_BLOCK = re.compile(r"(<!-- commands -->\n).*?(<!-- end -->)", re.DOTALL)


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command that does something, with its words, in the order of the help."""
    root: Any = typer.main.get_command(app)
    for name, command in root.commands.items():
        if hasattr(command, "commands"):
            for inner, leaf in command.commands.items():
                yield f"{name} {inner}", leaf
        else:
            yield name, command


def with_commands(page: str) -> str:
    """Return ``page`` with the block of commands made anew."""
    text = "\n".join(_section(words, command) for words, command in commands())
    return _BLOCK.sub(lambda block: f"{block[1]}{text}{block[2]}", page)


def _section(words: str, command: Any) -> str:
    given = [param for param in command.params if param.name != "help" and not getattr(param, "hidden", False)]
    arguments = [param for param in given if param.param_type_name == "argument"]
    usage = " ".join(["evalkit", words, *(_placeholder(param) for param in arguments), "[OPTIONS]"])
    lines = [f"### {words}", "", " ".join((command.help or "").split()), "", f"    {usage}", ""]
    if given:
        lines += ["| | default | |", "|---|---|---|", *(_row(param) for param in given), ""]
    return "\n".join(lines)


def _placeholder(param: Any) -> str:
    word = param.metavar or param.name.upper()
    return word if param.required else f"[{word}]"


def _row(param: Any) -> str:
    is_argument = param.param_type_name == "argument"
    names = _placeholder(param) if is_argument else ", ".join(f"`{name}`" for name in sorted(param.opts, key=len)[::-1])
    default = "required" if param.required else _default(param)
    variable = f" Also `{param.envvar}`." if param.envvar else ""
    return f"| {names} | {default} | {_cell(param.help or '')}{variable} |"


def _default(param: Any) -> str:
    if param.default in (None, (), []) or getattr(param, "is_flag", False):
        return ""
    return f"`{param.default}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(with_commands(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
