"""Help as plain text under headings."""

from __future__ import annotations

import typer
from typer.testing import CliRunner

from evalkit.cli.help import SectionedGroup
from evalkit.cli.main import app


def small() -> typer.Typer:
    made = typer.Typer(cls=SectionedGroup, rich_markup_mode=None, no_args_is_help=True)
    made.command("one", rich_help_panel="First")(lambda: None)
    made.command("two", rich_help_panel="Second", help=f"{'word ' * 30}ends. Not shown.")(lambda: None)
    made.command("three", rich_help_panel="First")(lambda: None)
    made.command("hidden", rich_help_panel="First", hidden=True)(lambda: None)
    made.command("plain")(lambda: None)
    return made


def test_commands_stand_under_their_panels_in_order() -> None:
    text = CliRunner().invoke(small(), ["--help"]).stdout
    assert text.index("First:") < text.index("one") < text.index("three") < text.index("Second:") < text.index("two")
    assert "hidden" not in text
    assert "Commands:" in text


def test_the_first_sentence_is_whole() -> None:
    text = CliRunner().invoke(small(), ["--help"]).stdout
    assert "ends." in text
    assert "Not shown" not in text
    assert "..." not in text.partition("Second:")[2]


def test_the_first_page_leads_with_the_daily_commands() -> None:
    text = CliRunner().invoke(app, ["--help"]).stdout
    daily, _, more = text.partition("More:")
    for name in ("demo", "plan", "run", "gate", "compare", "baseline", "report"):
        assert f"\n  {name} " in daily
    for name in ("grade", "validate", "dataset", "graders", "runs"):
        assert f"\n  {name} " in more
