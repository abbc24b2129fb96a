"""Substring checks: ``contains_any``, ``contains_all``, ``contains_none``, ``starts_with``, ``ends_with``."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from evalkit.base.model import Frozen, Many
from evalkit.core.item import Item
from evalkit.core.output import Output
from evalkit.core.score import Score
from evalkit.graders.check import Check, shown
from evalkit.graders.checks.normalise import UnicodeForm, Whitespace, normaliser
from evalkit.graders.templates import ItemTexts

__all__ = ["ContainsAll", "ContainsAny", "ContainsNone", "EndsWith", "StartsWith"]

_LISTED = 5


class EdgeParams(Frozen):
    """Parameters of the checks that look at one end of the text."""

    values: str | Many[str] = Field(description="The texts looked for; a text, a list, or a template that yields one.")
    ignore_case: bool = Field(default=False, description="Compare without regard to case (full Unicode case folding).")
    whitespace: Whitespace = Field(
        default="trim", description="`keep` it, `trim` the ends, or `collapse` each run to one space as well."
    )
    unicode: UnicodeForm = Field(
        default="NFC", description="Unicode form compared in; `NFKC` also equates full-width and ligature forms."
    )


class ContainsParams(EdgeParams):
    """Parameters of the checks that look anywhere in the text."""

    whitespace: Whitespace = Field(
        default="keep", description="`keep` it, `trim` the ends, or `collapse` each run to one space as well."
    )
    whole_words: bool = Field(
        default=False, description="Find a text only where no letter, digit or underscore touches it."
    )


class _Search(Check):
    """Finds normalised texts in the normalised output."""

    def __init__(self, name: str, params: EdgeParams) -> None:
        super().__init__(name, params)
        self._normal = normaliser(unicode=params.unicode, ignore_case=params.ignore_case, whitespace=params.whitespace)
        self._values = ItemTexts(params.values)
        constant = self._values.constant
        self._constant = None if constant is None else self._sought(constant)

    def _sought(self, values: Sequence[str]) -> tuple[tuple[str, str], ...]:
        return tuple((value, self._normal(value)) for value in values)

    def values(self, item: Item) -> tuple[tuple[str, str], ...]:
        """Return the texts as written and as searched for."""
        return self._constant if self._constant is not None else self._sought(self._values(item))


class _Contains(_Search):
    Params = ContainsParams

    def __init__(self, name: str, params: ContainsParams) -> None:
        super().__init__(name, params)
        self._whole_words = params.whole_words

    def found(self, item: Item, output: Output) -> tuple[list[str], list[str]]:
        """Return the values that are in the text, and those that are not."""
        text = self._normal(output.text)
        there: list[str] = []
        missing: list[str] = []
        for value, sought in self.values(item):
            is_there = _has_word(text, sought) if self._whole_words else sought in text
            (there if is_there else missing).append(value)
        return there, missing


class ContainsAny(_Contains):
    """1 if at least one of the values is in the text."""

    def grade(self, item: Item, output: Output) -> Sequence[Score]:
        """Return the score of the text."""
        there, missing = self.found(item, output)
        return self.passed(True) if there else self.passed(False, f"none of {_listed(missing)}")


class ContainsAll(_Contains):
    """1 if every value is in the text."""

    def grade(self, item: Item, output: Output) -> Sequence[Score]:
        """Return the score of the text."""
        _, missing = self.found(item, output)
        return self.passed(False, f"missing: {_listed(missing)}") if missing else self.passed(True)


class ContainsNone(_Contains):
    """1 if no value is in the text."""

    def grade(self, item: Item, output: Output) -> Sequence[Score]:
        """Return the score of the text."""
        there, _ = self.found(item, output)
        return self.passed(False, f"found: {_listed(there)}") if there else self.passed(True)


class StartsWith(_Search):
    """1 if the text starts with one of the values."""

    Params = EdgeParams

    def grade(self, item: Item, output: Output) -> Sequence[Score]:
        """Return the score of the text."""
        text = self._normal(output.text)
        if any(text.startswith(sought) for _, sought in self.values(item)):
            return self.passed(True)
        return self.passed(False, f"starts with {shown(text)}")


class EndsWith(_Search):
    """1 if the text ends with one of the values."""

    Params = EdgeParams

    def grade(self, item: Item, output: Output) -> Sequence[Score]:
        """Return the score of the text."""
        text = self._normal(output.text)
        if any(text.endswith(sought) for _, sought in self.values(item)):
            return self.passed(True)
        return self.passed(False, f"ends with {shown(text[-60:])}")


def _has_word(text: str, sought: str) -> bool:
    start = text.find(sought)
    while start >= 0:
        if not _touches(text, start - 1) and not _touches(text, start + len(sought)):
            return True
        start = text.find(sought, start + 1)
    return False


def _touches(text: str, index: int) -> bool:
    return 0 <= index < len(text) and (text[index].isalnum() or text[index] == "_")


def _listed(values: Sequence[str]) -> str:
    more = f" and {len(values) - _LISTED} more" if len(values) > _LISTED else ""
    return ", ".join(map(shown, values[:_LISTED])) + more
