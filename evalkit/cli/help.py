"""Help as plain text, commands under their headings: nothing but typer is imported to print it."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

__all__ = ["SectionedGroup"]

_LONGEST = 200
"""Characters of a command's line, which wraps: its first sentence is shown in full."""


class SectionedGroup(TyperGroup):
    """A group whose help lists commands under the panel each was registered with, in that order."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write one list a panel."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is None or command.hidden:
                continue
            panel = str(getattr(command, "rich_help_panel", None) or "Commands")
            panels.setdefault(panel, []).append((name, command.get_short_help_str(_LONGEST)))
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl(rows)
