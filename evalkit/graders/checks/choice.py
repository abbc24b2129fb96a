"""``choice``: which letter of a multiple-choice question the text settles on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from evalkit.base.model import Frozen
from evalkit.core.item import Item
from evalkit.core.output import Output
from evalkit.core.score import Score
from evalkit.graders.check import Check, NoScore, shown
from evalkit.graders.templates import ItemText

__all__ = ["Choice", "ChoiceRules", "choice_rules", "chosen_letter"]

_TAIL = 100_000

_CLOSE = r"(?![\w'’\[(^={]|-\w)"
"""A letter that stands alone: not the start of a word, of ``A's``, ``A-level`` or a formula such as ``F[x]``."""

_MARKS = r"[\s*_`\"“(\[{$:]*(?:\\(?:text|mathrm|textbf|mathbf)\{)?[(\[]?"
"""What may stand between the announcing words and the letter."""


@dataclass(frozen=True, slots=True)
class ChoiceRules:
    """Patterns with one group, the letter.

    Attributes:
        announced: ways of saying "the answer is", from the strictest to the loosest.
        loose: tried where nothing is announced; the last letter found counts.
    """

    announced: tuple[re.Pattern[str], ...]
    loose: tuple[re.Pattern[str], ...]


class ChoiceParams(Frozen):
    """Parameters of ``choice``."""

    expected: str = Field(default="{{ expected }}", description="The right letter, in either case.")
    letters: str = Field(
        default="ABCDEFGHIJ", pattern="^[A-Z]{2,26}$", description="The letters on offer, upper case, in order."
    )
    which: Literal["first", "last"] = Field(
        default="first",
        description="Which announcement counts where there are several: `first` for models that run on into further "
        "questions, `last` for models that correct themselves.",
    )
    bare: bool = Field(
        default=False,
        description="Where nothing announces a letter, take the last one that stands alone, even the pronoun I.",
    )


class Choice(Check):
    """1 if the letter the text settles on is the expected one; 0 if it is another, or none can be told."""

    Params = ChoiceParams

    def __init__(self, name: str, params: ChoiceParams) -> None:
        super().__init__(name, params)
        self._letters = params.letters
        self._rules = choice_rules(params.letters, bare=params.bare)
        self._last = params.which == "last"
        self._expected = ItemText(params.expected)

    def grade(self, item: Item, output: Output) -> Sequence[Score]:
        """Return the score of the letter found, which is the score's label."""
        expected = self._expected(item).strip().strip("().").upper()
        if len(expected) != 1 or expected not in self._letters:
            raise NoScore("error", f"expected {shown(expected)} is none of the letters {self._letters}")
        letter = chosen_letter(output.text, self._rules, last=self._last)
        if letter is None:
            return self.passed(False, f"no choice in {shown(output.text[-60:])}")
        return self.passed(letter == expected, f"chose {letter}, not {expected}", label=letter)


def chosen_letter(text: str, rules: ChoiceRules, *, last: bool = False) -> str | None:
    """Return the upper-case letter that ``text`` settles on, or None.

    Args:
        text: the output; of more than 100,000 characters the end is read.
        rules: made by :func:`choice_rules`.
        last: whether the last announcement counts instead of the first.
    """
    text = text[-_TAIL:]
    for rule in rules.announced:
        found = rule.findall(text) if last else rule.search(text)
        if found:
            return str(found[-1] if isinstance(found, list) else found[1]).upper()
    for rule in rules.loose:
        letters: list[str] = rule.findall(text)
        if letters:
            return letters[-1].upper()
    return None


def choice_rules(letters: str, *, bare: bool = False) -> ChoiceRules:
    """Return the rules that find one of the upper-case ``letters``; ``bare`` adds any letter that stands alone."""
    upper = f"([{letters}])"
    answer = r"(?i:\bfinal\s+answer|\bcorrect\s+(?:answer|option|choice)|\banswer|\bchoice)\b"
    announced = (
        rf"(?i:\banswer\s+is)(?i:\s+option|\s+choice)?{_MARKS}{upper}{_CLOSE}",
        rf"\\boxed\{{\s*(?:\\text\{{)?\(?{upper}{_CLOSE}",
        rf"{answer}[*_`]*\s*(?:(?i:is|would\s+be|should\s+be)\b|[:=])(?i:\s*option|\s*choice)?{_MARKS}{upper}{_CLOSE}",
        rf"(?i:\b(?:option|choice)\s){_MARKS}{upper}{_CLOSE}[)\]\s*_]*(?i:is\s+(?:the\s+)?correct)",
    )
    loose: tuple[str, ...] = (
        rf"\A[\s(\[*]*([{letters}{letters.lower()}])[)\].:*\s]*\Z",
        rf"\A\s*{upper}[).:]\s",
        rf"(?<![\w'’(])\({upper}\)",
    )
    if bare:
        loose = (*loose, rf"\b{upper}\b")
    return ChoiceRules(tuple(map(re.compile, announced)), tuple(map(re.compile, loose)))
