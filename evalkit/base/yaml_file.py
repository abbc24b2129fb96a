"""YAML with places, read strictly.

A subset of YAML 1.2: ``true`` and ``false`` are the only booleans (``yes``, ``no``, ``on``, ``off`` are words), dates
stay words, keys are words and never given twice; tags, merge keys, several documents and recursive anchors are refused,
and anchors cannot blow a small file up. Everything is read from libyaml's events with an explicit stack: no nesting
depth reaches the interpreter's stack.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from evalkit.base.files import read_text, shown
from evalkit.base.located import FileError, Loc, Located, Place

__all__ = ["parse_yaml", "read_yaml"]

MAX_DEPTH = 40
MAX_NODES = 400_000
"""How many values a file may stand for, aliases written out."""

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEAN = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_yaml(path: Path | str) -> Located:
    """Return the content of a YAML file with the place of every key and value.

    Raises:
        UsageError: the file cannot be read; a :class:`FileError` with line and column where its content is wrong.
    """
    path = Path(path)
    return parse_yaml(read_text(path), path=shown(path))


def parse_yaml(text: str, *, path: str) -> Located:
    """Return the content of YAML text; ``path`` is for messages.

    Raises:
        FileError: the text is not YAML of the accepted kind.
    """
    lines = text.splitlines()
    reader = _Reader(path, lines)
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(1)
        raise reader.error(place, f"not valid YAML: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise reader.error(Place(line), f"not valid YAML: {error.reason}") from error
    if not reader.started:
        raise reader.error(Place(1), "the file is empty")
    return Located(path=path, data=reader.root, lines=lines, values=reader.values, keys=reader.keys)


class _Open:
    """A mapping or list whose end has not come yet."""

    __slots__ = ("anchor", "content", "key", "loc", "size")

    def __init__(self, content: dict[str, Any] | list[Any], loc: Loc, anchor: str | None) -> None:
        self.content, self.loc, self.anchor = content, loc, anchor
        self.key: str | None = None
        self.size = 1


class _Reader:
    """Builds plain data from libyaml's events."""

    def __init__(self, path: str, lines: list[str]) -> None:
        self.path, self.lines = path, lines
        self.values: dict[Loc, Place] = {}
        self.keys: dict[Loc, Place] = {}
        self.root: Any = None
        self.started = False
        self._documents = 0
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._total = 0

    def error(self, place: Place, message: str, *, loc: Loc = (), hint: str | None = None) -> FileError:
        """Return an error at a place that has no way yet."""
        located = Located(path=self.path, data=None, lines=self.lines, values={loc: place})
        return FileError([located.problem(loc, message, hint=hint)])

    def take(self, event: yaml.Event) -> None:
        """Take the next event.

        Raises:
            FileError: it is of a kind that is not accepted.
        """
        mark = event.start_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(1)
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self.error(place, "a second document begins here", hint="one file holds one document")
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event, place)
        elif isinstance(event, yaml.NodeEvent):
            self._node(event, place)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._close()

    def _node(self, event: yaml.NodeEvent, place: Place) -> None:
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise self.error(place, f"tag {tag!r} is not accepted", hint="remove it: files hold data, not types")
        if isinstance(event, yaml.ScalarEvent):
            if self._awaits_key():
                self._key(event, place)
                return
            value = self._scalar(event, place)
            self._put(value, place, 1)
            if event.anchor:
                self._anchors[event.anchor] = (value, 1)
            return
        if self._awaits_key():
            raise self.error(place, "a key is one word, not a list or mapping")
        content: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        loc = self._put(content, place, 1)
        self._stack.append(_Open(content, loc, event.anchor))
        if len(self._stack) > MAX_DEPTH:
            raise self.error(place, f"nested deeper than {MAX_DEPTH} levels")

    def _awaits_key(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1].content, dict) and self._stack[-1].key is None

    def _key(self, event: yaml.ScalarEvent, place: Place) -> None:
        top = self._stack[-1]
        key = event.value
        value = self._scalar(event, place)
        if not isinstance(value, str):
            raise self.error(place, f"key {key or 'null'} is not a word", hint=f'quote it: "{key}"')
        if key == "<<":
            raise self.error(place, "merge keys (<<) are not accepted", hint="write the fields out")
        loc = (*top.loc, key)
        if key in top.content:
            first = self.keys[loc]
            raise self.error(place, f"key {key!r} is given twice, first on line {first.line}", loc=top.loc)
        top.key = key
        self.keys[loc] = place

    def _alias(self, event: yaml.AliasEvent, place: Place) -> None:
        if self._awaits_key():
            raise self.error(place, "a key is a word, not an alias")
        if event.anchor not in self._anchors:
            raise self.error(place, f"alias *{event.anchor} stands before the end of its anchor, or has none")
        value, size = self._anchors[event.anchor]
        self._put(value, place, size)

    def _put(self, value: Any, place: Place, size: int) -> Loc:
        self._total += size
        if self._total > MAX_NODES:
            raise self.error(
                place, f"stands for more than {MAX_NODES:,} values", hint="write fewer aliases, or use a JSONL dataset"
            )
        if not self._stack:
            self.root, self.started = value, True
            self.values[()] = place
            return ()
        top = self._stack[-1]
        top.size += size
        if isinstance(top.content, list):
            loc: Loc = (*top.loc, len(top.content))
            top.content.append(value)
        else:
            key = top.key or ""
            loc = (*top.loc, key)
            top.content[key] = value
            top.key = None
        self.values[loc] = place
        return loc

    def _close(self) -> None:
        done = self._stack.pop()
        if self._stack:
            self._stack[-1].size += done.size - 1
        if done.anchor:
            self._anchors[done.anchor] = (done.content, done.size)

    def _scalar(self, event: yaml.ScalarEvent, place: Place) -> Any:
        text: str = event.value
        if _SURROGATE.search(text):
            raise self.error(place, "half a surrogate pair is not a character")
        return text if event.style else self._plain(text, place)

    def _plain(self, text: str, place: Place) -> str | int | float | bool | None:
        if text in _NULL:
            return None
        if text in _BOOLEAN:
            return _BOOLEAN[text]
        if _INTEGER.fullmatch(text):
            return self._integer(text, place)
        if _FLOAT.fullmatch(text):
            number = float(text)
            if number in {float("inf"), float("-inf")}:
                raise self.error(place, f"{text} is too large a number")
            return number
        if _NOT_FINITE.fullmatch(text):
            raise self.error(place, f"{text} is not a number that can be measured", hint="quote it if a word is meant")
        return text

    def _integer(self, text: str, place: Place) -> int:
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        digits = text[2:] if base != 10 else text
        if len(digits) > 24 or not -(2**63) <= (number := int(digits, base)) < 2**64:
            raise self.error(place, f"{text[:30]} does not fit 64 bits", hint="quote it if it is an identifier")
        return number
