"""``numeric``: a number found in the text equals the expected one, within a tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

from pydantic import Field

from evalkit.base.errors import UsageError
from evalkit.base.model import Frozen, Many
from evalkit.core.item import Item
from evalkit.core.output import Output
from evalkit.core.score import Score
from evalkit.graders.check import Check, NoScore, printable, shown
from evalkit.graders.checks.numbers import DecimalMark, FoundNumber, exact_number, last_number, numbers_in
from evalkit.graders.checks.regex import compile_pattern
from evalkit.graders.templates import ItemValue

__all__ = ["Numeric"]


class NumericParams(Frozen):
    """Parameters of ``numeric``."""

    expected: str | int | float = Field(
        default="{{ expected }}", description="The number; a text may hold it in any form that is read from outputs."
    )
    after: str | Many[str] | None = Field(
        default=None,
        description="Look only behind the last of these markers, e.g. `####` or `answer is`; no marker, 0.",
    )
    pattern: str | None = Field(
        default=None,
        description="RE2 pattern; the number is looked for in its group 1, or in the match if it has none.",
    )
    which: Literal["first", "last"] | None = Field(
        default=None, description="Which number counts; if not given, the first behind a marker, else the last."
    )
    ignore_case: bool = Field(default=True, description="Find markers without regard to case.")
    decimal: DecimalMark = Field(default=".", description="The decimal mark; the other one separates thousands.")
    percent: Literal["number", "fraction"] = Field(
        default="number", description="Read `45 %` as 45 (`number`) or as 0.45 (`fraction`), on both sides."
    )
    abs_tol: float = Field(
        default=0.0, ge=0, allow_inf_nan=False, description="Largest difference that counts as equal."
    )
    rel_tol: float = Field(
        default=1e-12, ge=0, allow_inf_nan=False, description="The same as a share of the larger of the two numbers."
    )


class Numeric(Check):
    """1 if the number in the text is the expected one; 0 if it is another or there is none."""

    Params = NumericParams

    def __init__(self, name: str, params: NumericParams) -> None:
        super().__init__(name, params)
        if params.after is not None and params.pattern is not None:
            raise UsageError("`after` and `pattern` are both given", hint="a pattern can contain the marker: keep one")
        self._decimal: DecimalMark = params.decimal
        self._fraction = params.percent == "fraction"
        self._fold = params.ignore_case
        self._markers = [
            marker.lower() if self._fold else marker
            for marker in ([params.after] if isinstance(params.after, str) else params.after or ())
        ]
        if not all(self._markers):
            raise UsageError("an empty marker in `after`", hint="give the text in front of the number")
        self._pattern = None if params.pattern is None else compile_pattern(params.pattern)
        self._first = params.which == "first" or (params.which is None and params.after is not None)
        self._expected = ItemValue(params.expected)
        self._abs, self._rel = Fraction(params.abs_tol), Fraction(params.rel_tol)

    def grade(self, item: Item, output: Output) -> Sequence[Score]:
        """Return the score of the number found."""
        expected = exact_number(self._expected(item), self._decimal)
        if expected is None:
            raise NoScore("error", f"expected {shown(self._expected(item))} is not one number")
        found = self._number(output.text)
        if found is None:
            return self.passed(False, f"no number in {shown(output.text[-60:])}")
        wanted, actual = self._size(expected), self._size(found)
        near = abs(wanted - actual) <= max(self._abs, self._rel * max(abs(wanted), abs(actual)))
        return self.passed(near, f"found {shown(found.text)}, not {shown(expected.text)}", label=found.text)

    def _size(self, number: FoundNumber) -> Fraction:
        return number.value / 100 if number.percent and self._fraction else number.value

    def _number(self, text: str) -> FoundNumber | None:
        part = self._part(text)
        if part is None:
            return None
        return next(numbers_in(part, self._decimal), None) if self._first else last_number(part, self._decimal)

    def _part(self, text: str) -> str | None:
        """Return the part of the text to look at, or None if the marker or pattern is not there."""
        if self._pattern is not None:
            match = self._pattern.search(printable(text))
            return None if match is None else match.group(1 if self._pattern.groups else 0)
        if not self._markers:
            return text
        searched = text.lower() if self._fold else text
        if len(searched) != len(text):  # lower() lengthens a few letters; positions must stay those of the text
            searched = "".join(char.lower()[:1] for char in text)
        ends = [searched.rfind(marker) + len(marker) for marker in self._markers if marker in searched]
        return text[max(ends) :] if ends else None
