"""``exact``: the whole text equals the expected one, after normalisation."""

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

__all__ = ["Exact"]


class ExactParams(Frozen):
    """Parameters of ``exact``."""

    expected: str | Many[str] = Field(
        default="{{ expected }}", description="The text, or several of which any one will do."
    )
    ignore_case: bool = Field(default=False, description="Compare without regard to case (full Unicode case folding).")
    ignore_punctuation: bool = Field(default=False, description="Remove all punctuation before comparing.")
    whitespace: Whitespace = Field(
        default="trim", description="`keep` it, `trim` the ends, or `collapse` each run to one space as well."
    )
    unicode: UnicodeForm = Field(
        default="NFC", description="Unicode form compared in; `NFKC` also equates full-width and ligature forms."
    )


class Exact(Check):
    """1 if the text equals one of the expected texts, else 0."""

    Params = ExactParams

    def __init__(self, name: str, params: ExactParams) -> None:
        super().__init__(name, params)
        self._normal = normaliser(
            unicode=params.unicode,
            ignore_case=params.ignore_case,
            whitespace=params.whitespace,
            ignore_punctuation=params.ignore_punctuation,
        )
        self._expected = ItemTexts(params.expected, allow_empty=True)

    def grade(self, item: Item, output: Output) -> Sequence[Score]:
        """Return the score of the whole text."""
        text = output.text
        actual = self._normal(text)
        expected = self._expected(item)
        if any(self._normal(one) == actual for one in expected):
            return self.passed(True)
        return self.passed(False, f"{shown(text)} is not {' or '.join(map(shown, expected[:3]))}")
