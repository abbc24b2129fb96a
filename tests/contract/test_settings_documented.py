"""Every setting, command and option is on its page, and the pages are what the program makes of them."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from evalkit.cli.main import app
from evalkit.settings import SETTINGS, SettingInfo

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def cli() -> dict[str, Any]:
    return runpy.run_path(str(REFERENCE / "generate_cli.py"), run_name="generator")


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return runpy.run_path(str(REFERENCE / "generate_settings.py"), run_name="generator")


def test_the_page_of_settings_is_up_to_date(settings: dict[str, Any]) -> None:
    assert settings["with_tables"](page("settings.md")) == page("settings.md"), "run generate_settings.py"


def test_the_page_of_commands_is_up_to_date(cli: dict[str, Any]) -> None:
    assert cli["with_commands"](page("cli.md")) == page("cli.md"), "run generate_cli.py"


@pytest.mark.parametrize("info", SETTINGS, ids=lambda info: info.name)
def test_every_setting_is_documented_with_variable_and_option(info: SettingInfo) -> None:
    row = next(line for line in page("settings.md").splitlines() if f"`{info.variable}`" in line)
    assert info.description in row
    assert (f"`{info.name}`" in row) == info.in_file
    assert info.flag is None or f"`{info.flag}`" in row


@pytest.mark.parametrize("info", [info for info in SETTINGS if info.flag], ids=lambda info: info.name)
def test_the_option_of_a_setting_exists(info: SettingInfo, cli: dict[str, Any]) -> None:
    options = {name for _, command in cli["commands"]() for param in command.params for name in param.opts}
    assert info.flag in options


def test_every_command_option_and_argument_has_help(cli: dict[str, Any]) -> None:
    for words, command in cli["commands"]():
        assert command.help, words
        for param in command.params:
            assert param.name == "help" or (param.help or "").endswith((".", "`.")), f"{words} {param.name}"


def test_every_command_has_a_section_that_names_each_option(cli: dict[str, Any]) -> None:
    text = page("cli.md")
    for words, command in cli["commands"]():
        section = text.partition(f"### {words}\n")[2].partition("\n### ")[0]
        assert section, words
        for param in command.params:
            if param.param_type_name == "option" and param.name != "help":
                assert all(f"`{name}`" in section for name in param.opts), f"{words} {param.opts}"


def test_help_is_plain_and_fits_eighty_columns(cli: dict[str, Any]) -> None:
    for words, _ in [("", None), *cli["commands"]()]:
        done = CliRunner().invoke(app, [*words.split(), "--help"], env={"COLUMNS": "80"}, terminal_width=80)
        assert done.exit_code == 0, words
        assert max(map(len, done.stdout.splitlines())) <= 80, words
        assert "\x1b" not in done.stdout
