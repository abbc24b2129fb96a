"""TOML with the lines of tables and keys.

The standard library's parser gives no places; a second, line-wise reading finds where each table and each key stands.
It understands headers and ``key = value`` lines; a key inside an inline table has the line of the whole.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from evalkit.base.errors import UsageError
from evalkit.base.files import read_text, shown
from evalkit.base.located import Loc, Located, Place

__all__ = ["read_toml"]

_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_PART = r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'"""
_WAY = rf"(?:{_PART})(?:\s*\.\s*(?:{_PART}))*"
_HEADER = re.compile(rf"\s*\[\s*(?P<way>{_WAY})\s*\]\s*(?:#.*)?")
_KEY = re.compile(rf"\s*(?P<way>{_WAY})\s*=\s*")


def read_toml(path: Path | str) -> Located:
    """Return the content of a TOML file with the places of its tables and keys.

    Raises:
        UsageError: the file cannot be read or is not TOML; ``where`` has line and column.
    """
    path = Path(path)
    text = read_text(path)
    name = shown(path)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = _AT.search(str(error))
        line, column = (match.group(1), match.group(2)) if match and match.group(1) else (len(text.splitlines()), 1)
        where = f"{name}:{line}:{column}"
        message = _AT.sub("", str(error))
        raise UsageError(
            f"{where}: not valid TOML: {message[:1].lower()}{message[1:]}", where=where, hint="mend the line"
        ) from error
    lines = text.splitlines()
    keys, values = _places(lines)
    return Located(path=name, data=data, lines=lines, keys=keys, values=values)


def _places(lines: list[str]) -> tuple[dict[Loc, Place], dict[Loc, Place]]:
    keys: dict[Loc, Place] = {}
    values: dict[Loc, Place] = {(): Place(1)}
    table: Loc = ()
    for number, line in enumerate(lines, start=1):
        if header := _HEADER.fullmatch(line):
            table = _way(header["way"])
            keys.setdefault(table, Place(number, header.start("way") + 1))
        elif key := _KEY.match(line):
            loc = (*table, *_way(key["way"]))
            keys.setdefault(loc, Place(number, key.start("way") + 1))
            values.setdefault(loc, Place(number, key.end() + 1))
    return keys, values


def _way(text: str) -> Loc:
    return tuple(part.strip("\"'") for part in re.findall(_PART, text))
