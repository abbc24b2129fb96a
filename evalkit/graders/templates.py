"""Parameters over the item: ``"{{ expected.section }}"`` compiled once, evaluated for each item.

A parameter that is exactly one expression yields the value itself (a list stays a list, a number a number); any other
text with ``{{ }}`` is rendered to text; text without braces is a constant. The names in scope are ``id``, ``inputs``,
``expected``, ``tags``, ``cluster`` and ``metadata``. Plain dotted paths, which nearly all of them are, are looked up
without a template engine; there ``expected.items`` is the field ``items``, never a method.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from evalkit.base.errors import EvalkitError, UsageError
from evalkit.base.model import JsonValue
from evalkit.core.item import Item
from evalkit.graders.check import NoScore, shown
from evalkit.llm.prompt import EXPRESSION_VARIABLES, compile_expression, compile_template

__all__ = ["VARIABLES", "ItemText", "ItemTexts", "ItemValue", "compile_condition", "item_variables"]

VARIABLES = tuple(sorted(EXPRESSION_VARIABLES))
"""What an expression over the item may name."""

_ONE_EXPRESSION = re.compile(r"\{\{-?((?:(?!\{\{|\}\}|\{%|%\}).)*?)-?\}\}", re.DOTALL)
_PATH = re.compile(rf"({'|'.join(VARIABLES)})((?:\.[A-Za-z_]\w*)*)")
_NO_EXPECTED = "the item has no expected answer"

Evaluate: TypeAlias = Callable[[Item], Any]


def item_variables(item: Item) -> dict[str, Any]:
    """Return the names an expression over ``item`` may use."""
    return {name: getattr(item, name) for name in VARIABLES}


def compile_condition(source: str, where: str | None = None) -> Callable[[Item], bool]:
    """Return ``when``: whether the sandboxed expression ``source`` is true for an item.

    Raises:
        UsageError: the expression is not valid, or names something that is not part of an item.
    """
    expression = compile_expression(source, where)
    return lambda item: expression.holds(item_variables(item))


class ItemValue:
    """A JSON value whose texts may be templates; called with an item it returns the value for it.

    Args:
        value: text, number, list or object, texts in it at any depth.
        where: the place of the parameter, for errors.

    Raises:
        UsageError: a template is not valid, or names something that is not part of an item.
    """

    def __init__(self, value: JsonValue, where: str | None = None) -> None:
        self.source = value
        self._evaluate = _compile(value, where)
        self.constant = self._evaluate is None
        self._needs_expected = not self.constant and _mentions_expected(value)

    def __call__(self, item: Item) -> Any:
        """Return the value for ``item``.

        Raises:
            NoScore: a field is missing (error), or the item has no expected answer (skipped).
        """
        if self._evaluate is None:
            return self.source
        try:
            value = self._evaluate(item)
        except (_MissingError, EvalkitError) as error:
            if self._needs_expected and item.expected is None:
                raise NoScore("skipped", _NO_EXPECTED) from error
            message = error.message if isinstance(error, EvalkitError) else str(error)
            raise NoScore("error", f"parameter {shown(self.source)}: {message}") from error
        if value is None and self._needs_expected and item.expected is None:
            raise NoScore("skipped", _NO_EXPECTED)
        return value


class ItemText:
    """A text parameter; called with an item it returns text."""

    def __init__(self, source: str, where: str | None = None) -> None:
        self._value = ItemValue(source, where)
        self.constant: str | None = source if self._value.constant else None

    def __call__(self, item: Item) -> str:
        """Return the text for ``item``; numbers are written as Python writes them.

        Raises:
            NoScore: the value is missing, null, a list or an object.
        """
        return self.constant if self.constant is not None else _as_text(self._value(item), self._value.source)


class ItemTexts:
    """A list-of-texts parameter: one text, a list of texts, or a template that yields a list.

    A template inside the list may yield a list too, which is spliced in.

    Args:
        source: the parameter.
        allow_empty: whether empty texts are meant.

    Raises:
        UsageError: a template is not valid, or the list or a text in it is empty.
    """

    def __init__(self, source: str | Sequence[str], *, allow_empty: bool = False) -> None:
        self._allow_empty = allow_empty
        self._parts = [ItemValue(part) for part in ([source] if isinstance(source, str) else source)]
        self.constant: tuple[str, ...] | None = None
        if all(part.constant for part in self._parts):
            self.constant = tuple(str(part.source) for part in self._parts)
            if self._empty(self.constant):
                raise UsageError("an empty list, or an empty text in it, matches every output", hint="give a text")

    def __call__(self, item: Item) -> tuple[str, ...]:
        """Return the texts for ``item``, at least one, none empty unless allowed.

        Raises:
            NoScore: a value is missing, null or an object, a text is empty, or there is none.
        """
        if self.constant is not None:
            return self.constant
        texts: list[str] = []
        for part in self._parts:
            value = part(item)
            values = value if isinstance(value, (list, tuple)) else (value,)
            texts.extend(_as_text(one, part.source) for one in values)
        if self._empty(texts):
            raise NoScore("error", f"parameter {shown([part.source for part in self._parts])}: empty for this item")
        return tuple(texts)

    def _empty(self, texts: Sequence[str]) -> bool:
        return not texts or (not self._allow_empty and not all(texts))


class _MissingError(Exception):
    """A path leads nowhere in this item."""


def _compile(value: JsonValue, where: str | None) -> Evaluate | None:
    """Return how to evaluate ``value``, or None if it is the same for all items."""
    if isinstance(value, str):
        return _compile_text(value, where)
    if isinstance(value, Mapping):
        members = {key: (_compile(member, where), member) for key, member in value.items()}
        if all(evaluate is None for evaluate, _ in members.values()):
            return None
        return lambda item: {key: run(item) if run else member for key, (run, member) in members.items()}
    if isinstance(value, (list, tuple)):
        entries = [(_compile(entry, where), entry) for entry in value]
        if all(evaluate is None for evaluate, _ in entries):
            return None
        return lambda item: [run(item) if run else entry for run, entry in entries]
    return None


def _compile_text(source: str, where: str | None) -> Evaluate | None:
    if "{{" not in source and "{%" not in source:
        return None
    whole = _ONE_EXPRESSION.fullmatch(source.strip())
    if whole is None:
        template = compile_template(source, where, variables=EXPRESSION_VARIABLES)
        return lambda item: template.render(item_variables(item))
    inner = whole.group(1).strip()
    path = _PATH.fullmatch(inner)
    if path is not None:
        return _compile_path(path.group(1), tuple(path.group(2).split(".")[1:]))
    expression = compile_expression(inner, where)
    return lambda item: expression.evaluate(item_variables(item))


def _compile_path(root: str, keys: tuple[str, ...]) -> Evaluate:
    def look_up(item: Item) -> Any:
        value = getattr(item, root)
        for depth, key in enumerate(keys):
            try:
                value = value[key]
            except (KeyError, TypeError, IndexError) as error:
                parent = ".".join((root, *keys[:depth]))
                raise _MissingError(f"{parent} has no field {key!r} in this item") from error
        return value

    return look_up


def _mentions_expected(value: JsonValue) -> bool:
    return re.search(r"\bexpected\b", str(value)) is not None


def _as_text(value: object, source: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return str(value)
    kind = "null" if value is None else "an object" if isinstance(value, Mapping) else "a list"
    raise NoScore("error", f"parameter {shown(source)}: {kind} for this item, where text is needed")
