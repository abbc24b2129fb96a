"""``length``: how long the answer is, in characters, words, sentences or lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import Field, model_validator

from evalkit.base.model import Frozen
from evalkit.core.item import Item
from evalkit.core.output import Output
from evalkit.core.score import Better, MetricInfo, Score
from evalkit.graders.check import Check

__all__ = ["Length", "count_chars", "count_lines", "count_sentences", "count_words"]

_SENTENCE_END = re.compile(r"(?<=\w)[^\w\s]{0,3}[.!?…][\"'”’»)\]*_]{0,3}(?=\s|\Z)|(?<=\S)[。！？]")


def count_chars(text: str) -> int:
    """Return the number of characters, ends trimmed."""
    return len(text.strip())


def count_words(text: str) -> int:
    """Return the number of runs between spaces that hold a letter or digit; ``don't`` and ``3.5`` are one word."""
    return sum(1 for part in text.split() if any(map(str.isalnum, part)))


def count_sentences(text: str) -> int:
    """Return the number of sentences: ends (``. ! ?`` before a space, ``。！？``), and an unended rest counts.

    Abbreviations before a space (``e.g. this``) count as an end; a decimal point does not.
    """
    text = text.strip()
    if not text:
        return 0
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    rest = text[ends[-1] :] if ends else text
    return len(ends) + any(map(str.isalnum, rest))


def count_lines(text: str) -> int:
    """Return the number of lines that are not blank."""
    return sum(1 for line in text.splitlines() if line.strip())


_COUNTERS: dict[str, Callable[[str], int]] = {
    "chars": count_chars,
    "words": count_words,
    "sentences": count_sentences,
    "lines": count_lines,
}


class LengthParams(Frozen):
    """Parameters of ``length``."""

    unit: Literal["chars", "words", "sentences", "lines"] = Field(default="words", description="What is counted.")
    min: int | None = Field(default=None, ge=0, description="With it: 0 below.")
    max: int | None = Field(default=None, ge=0, description="With it: 0 above.")
    better: Better = Field(default="lower", description="Which direction is good where neither limit is given.")

    @model_validator(mode="after")
    def _ordered(self) -> LengthParams:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("`min` is above `max`")
        return self


class Length(Check):
    """1 if the count lies within the limits, else 0; without a limit, the count itself."""

    Params = LengthParams
    params: LengthParams

    def __init__(self, name: str, params: LengthParams) -> None:
        super().__init__(name, params)
        self._count = _COUNTERS[params.unit]
        self._limited = params.min is not None or params.max is not None

    def metrics(self, name: str) -> Sequence[MetricInfo]:
        """Return a binary metric, or a positive one where there is no limit."""
        if self._limited:
            return (MetricInfo(name=name, kind="binary"),)
        return (MetricInfo(name=name, kind="positive", better=self.params.better),)

    def grade(self, item: Item, output: Output) -> Sequence[Score]:  # noqa: ARG002
        """Return the score of the count."""
        count = self._count(output.text)
        if not self._limited:
            return self.scored(float(count))
        low, high = self.params.min, self.params.max
        fits = (low is None or count >= low) and (high is None or count <= high)
        wanted = f"{low if low is not None else 0} to {high if high is not None else 'any number'}"
        return self.passed(fits, f"{count} {self.params.unit}, not {wanted}")
