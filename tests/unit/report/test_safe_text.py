from __future__ import annotations

import csv
import io
import re

import pytest

from evalkit.report.safe_text import (
    code_block,
    code_span,
    cut,
    display_width,
    markdown_text,
    neutral_lines,
    one_line,
    spreadsheet_cell,
    terminal_text,
    visible,
    wrap,
)

FORMULAS = (
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    " =1",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1+1",
    "＋1",
    "－1",
    "＠SUM",
    "﹦1",
    "⁼1",
    "−1+1",
    "\u200b=1",
    "\ufeff=1",
    "\u2060\u00a0=1",
    "\u202e=1",
    "'=1",
    '"=1',
    "\x00=1",
    "\u00ad=1",
)
PROSE = (
    "Refunds are possible within 30 days (section 4.2); after that, only store credit.\nAsk support@shop.example.",
    "Ἀρχὴ ἥμισυ παντός. 返品は30日以内に可能です。 العربية 👩‍👩‍👧‍👦 é ñ",
    "def f(x):\n\treturn x ** 2  # a :: b, c## d",
)


def test_no_control_or_invisible_character_survives(hostile: str) -> None:
    shown = visible(hostile)
    assert not re.search(
        r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]", shown
    )
    shown.encode()


@pytest.mark.parametrize("text", PROSE)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_at_least_95_percent_of_hostile_text_stays_readable(hostile: str) -> None:
    readable = [character for character in hostile if character.isprintable() and not character.isspace()]
    shown = iter(terminal_text(hostile))
    found = sum(1 for character in readable if character in shown)
    assert found >= 0.95 * len(readable)


def test_escapes_are_shown_as_codes() -> None:
    assert visible("\x1b[31m\u202e\U000e0041\r\nnext") == "\\x1b[31m\\u202e\\U000e0041\nnext"


@pytest.mark.parametrize(
    "line",
    [
        "::error::x",
        "  ::set-output name=a::b",
        "\t::x",
        "a ##[group]b",
        "##vso[x]",
        "x##VSO[y]",
        "##teamcity[z]",
        "###[x]",
        "\u00a0::x",
    ],
)
def test_ci_commands_are_broken(line: str) -> None:
    shown = neutral_lines(line)
    assert not shown.strip().startswith("::")
    assert not re.search(r"##(\[|vso|teamcity)", shown, re.IGNORECASE)


def test_two_colons_inside_a_word_stay() -> None:
    assert neutral_lines("std::vector and a::b") == "std::vector and a::b"


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_begins_a_formula(formula: str) -> None:
    assert spreadsheet_cell(formula).startswith("'")


@pytest.mark.parametrize("separator", [";", "\t", "\n"])
def test_no_formula_begins_behind_a_separator_of_another_locale(separator: str) -> None:
    cell = spreadsheet_cell(f"x{separator}=cmd|' /C calc'!A0")
    assert not re.search(r"[;\t\n]\s*=", cell)


@pytest.mark.parametrize("text", ["plain", "a = b", "3 - 2", "mail a@b.example", ""])
def test_ordinary_cells_stay_as_they_are(text: str) -> None:
    assert spreadsheet_cell(text) == text


def test_cells_survive_csv(hostile: str) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerow([spreadsheet_cell(hostile), "next"])
    assert len(next(csv.reader(io.StringIO(buffer.getvalue())))) == 2


def test_markdown_text_has_no_markup_left(hostile: str) -> None:
    shown = markdown_text(hostile)
    assert not re.search(r"[<>]", shown)
    assert not re.search(r"[`*_\[\]|~$#]", _unescaped(shown))
    assert not re.search(r"@\w|https?:|www\.", shown)


def _unescaped(text: str) -> str:
    return re.sub(r"\\.", "", text)


def test_code_spans_and_blocks_cannot_be_closed_from_inside(hostile: str) -> None:
    span = code_span(hostile)
    fence = re.match(r"`+", span)
    assert fence
    assert span.count(fence.group()) >= 2
    assert fence.group() not in span[len(fence.group()) : -len(fence.group())]
    block = code_block(hostile).split("\n")
    assert block[0] == block[-1]
    assert not any(line.strip().startswith(block[0]) for line in block[1:-1])


def test_pipes_are_escaped_in_table_cells() -> None:
    assert code_span("a|b", in_table=True) == "`a\\|b`"


def test_width_counts_columns_not_characters() -> None:
    assert display_width("指标") == 4
    assert display_width("é") == 1
    assert cut("指标指标", 5) == "指标…"
    assert cut("latency_seconds.p95", 12, keep_end=4) == "latency….p95"
    assert cut("abc", 0) == ""


@pytest.mark.parametrize("text", ["a " * 100, "x" * 300, "指" * 99, "one " + "y" * 90, ""])
def test_wrapped_lines_fit_and_lose_nothing(text: str) -> None:
    lines = wrap(text, 40)
    assert max(map(display_width, lines), default=0) <= 40
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_one_line_joins_all_white_space() -> None:
    assert one_line(" a\n\tb\u00a0 c ") == "a b c"
