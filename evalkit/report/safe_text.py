r"""Text that somebody else wrote, made safe to show: terminals, CI logs, Markdown, spreadsheets, XML.

Model output is hostile. Nothing is taken away silently: what could act is shown as what it is (``\x1b``, ``\u202e``),
so that a reader sees the attempt and at least 95 % of ordinary text stays as it was. HTML needs nothing from here but
:func:`visible`: the templates escape.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = [
    "code_block",
    "code_span",
    "cut",
    "display_width",
    "inline_html",
    "markdown_text",
    "neutral_lines",
    "one_line",
    "spreadsheet_cell",
    "terminal_text",
    "visible",
    "wrap",
]

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and line feed, DEL, C1
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # bidi, zero width
    "\ud800-\udfff\ufffe\uffff"  # lone surrogates and non-characters
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"  # tags and other invisible letters
)
_SPACES = re.compile(r"\s+")
_HASH_COMMAND = re.compile(r"#(?=#(?:\[|vso|teamcity))", re.IGNORECASE)
_COLON_COMMAND = re.compile(r"(?<!\S):(?=:)")
_MARKDOWN_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$-])")
_AUTOLINK = re.compile(r"(?i)\b(?:https?|ftp|mailto|xmpp)(?=:)|\bwww(?=\.)|@(?=[\w-])|#(?=\d)|\bgh-(?=\d)")
_BREAK = "\u2060"  # word joiner: no width, no line break, and no mention or link across it
_FORMULA_STARTS = frozenset("=+-@\u2212")
_CELL_BREAK = re.compile(r"([;\t\r\n])(\s*)(?=[=+\-@\u2212\uff1d\uff0b\uff0d\uff20])")


def visible(text: str) -> str:
    r"""Return ``text`` with control, escape, bidirectional and invisible characters as ``\x`` or ``\u`` codes.

    Line feeds and tabs stay; a carriage return before a line feed is dropped, alone it is shown. Zero-width joiners
    stay, since emoji and several scripts need them.
    """
    return _HIDDEN.sub(_code, text.replace("\r\n", "\n"))


def _code(match: re.Match[str]) -> str:
    point = ord(match.group())
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def one_line(text: str) -> str:
    """Return ``text`` visible, on one line, with runs of white space as one space."""
    return _SPACES.sub(" ", visible(text)).strip()


def neutral_lines(text: str) -> str:
    """Return rendered lines in which no CI system finds a command.

    GitHub trims a line before it looks for ``::``, and finds ``##[`` and Azure ``##vso[`` anywhere in it: so the marks
    are broken by a backslash wherever they stand, not only indented.
    """
    return _COLON_COMMAND.sub(r":\\", _HASH_COMMAND.sub(r"#\\", text))


def terminal_text(text: str) -> str:
    """Return ``text`` on one line as a terminal or a CI log may show it, CI commands broken."""
    return neutral_lines(one_line(text))


def display_width(text: str) -> int:
    """Return how many terminal columns ``text`` takes: wide characters two, combining ones none."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def cut(text: str, width: int, *, keep_end: int = 0) -> str:
    """Return ``text`` in at most ``width`` columns, the rest shown as ``…``; the last ``keep_end`` characters stay."""
    if display_width(text) <= width:
        return text
    if width < 1:
        return ""
    tail = text[len(text) - keep_end :] if 0 < keep_end < width - 2 else ""
    return _fitting(text, width - 1 - display_width(tail)).rstrip() + "…" + tail


def _fitting(text: str, width: int) -> str:
    """Return the longest beginning of ``text`` that takes at most ``width`` columns."""
    for index, character in enumerate(text):
        width -= _columns(character)
        if width < 0:
            return text[:index]
    return text


def wrap(text: str, width: int, *, indent: str = "  ") -> list[str]:
    """Return ``text`` as lines of at most ``width`` columns, continued lines indented; over-long words are broken."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        joined = f"{line} {word}" if line.strip() else line + word
        if line.strip() and display_width(joined) > width:
            lines.append(line)
            joined = indent + word
        line = joined
        while display_width(line) > width:
            head = _fitting(line, width) or line[:1]
            lines.append(head)
            line = indent + line[len(head) :]
    return [*lines, line] if line.strip() or not lines else lines


def markdown_text(text: str) -> str:
    """Return ``text`` as inline Markdown that shows it literally: no markup, HTML, link, mention or reference."""
    return _MARKDOWN_SPECIAL.sub(r"\\\1", _entities(text))


def inline_html(text: str) -> str:
    """Return ``text`` for a line of HTML inside Markdown, where backslashes would show: entities alone."""
    return re.sub(r"[\\`*_{}\[\]()!|~$]", lambda match: f"&#{ord(match.group())};", _entities(text))


def _entities(text: str) -> str:
    plain = _AUTOLINK.sub(lambda match: match.group() + _BREAK, one_line(text))
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code_span(text: str, *, limit: int = 200, in_table: bool = False) -> str:
    """Return ``text`` as a Markdown code span of at most ``limit`` columns; in a table its pipes are escaped.

    Nothing inside a code span is markup, link or mention; the run of backticks around it is longer than any in it.
    """
    plain = cut(one_line(text), limit) or " "
    fence = "`" * (_longest_run(plain, "`") + 1)
    pad = " " if plain.startswith("`") or plain.endswith("`") else ""
    if in_table:
        plain = plain.replace("|", "\\|")
    return f"{fence}{pad}{plain}{pad}{fence}"


def code_block(text: str, *, language: str = "") -> str:
    """Return ``text`` as a fenced Markdown block, with a fence longer than any run of backticks in it."""
    plain = visible(text)
    fence = "`" * max(3, _longest_run(plain, "`") + 1)
    return f"{fence}{language}\n{plain}\n{fence}"


def _longest_run(text: str, character: str) -> int:
    return max((len(run) for run in re.findall(re.escape(character) + "+", text)), default=0)


def spreadsheet_cell(text: str) -> str:
    """Return ``text`` such that no spreadsheet takes it, or what follows a separator in it, for a formula.

    A quote mark goes before a first visible character that is one of ``= + - @``, also full-width, small or
    superscript, also behind blanks, zero-width characters and quotes. The exact text stands in the JSONL export.
    """
    cell = _CELL_BREAK.sub(r"\1\2'", visible(text))
    return f"'{cell}" if _starts_formula(text) else cell


def _starts_formula(text: str) -> bool:
    if text[:1] in {"\t", "\r", "\n"}:
        return True
    for character in text:
        category = unicodedata.category(character)
        if character in "\"'`" or character.isspace() or category in {"Cc", "Cf", "Mn", "Me", "Cs"}:
            continue
        return unicodedata.normalize("NFKC", character)[:1] in _FORMULA_STARTS
    return False
