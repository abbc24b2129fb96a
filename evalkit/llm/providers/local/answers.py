"""From a question and a context to an answer: what is said before it is put into the shape the prompt asks for."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from evalkit.llm.providers.local.features import Features
from evalkit.llm.providers.local.noise import Noise
from evalkit.llm.providers.local.passages import Passages, read_passages
from evalkit.llm.providers.local.questions import Question, read_question
from evalkit.llm.providers.local.retrieval import FITTING, Match, find_matches

__all__ = ["Answer", "answer_question", "confidence"]

_SURE_ENOUGH = 0.5
_RASH = 0.6
"""How often a model that may not abstain, and does not know, takes another than its best guess."""
_WEIGHTS = {
    "bias": -2.37,
    "coverage": 2.07,
    "exact": 0.33,
    "fits": 0.56,
    "lead": 2.69,
    "unknown": -3.17,
    "score": 0.58,
    "open": -0.78,
    "length": 2.78,
}
"""Fitted once, by logistic regression on the questions of the odd-numbered documents of ``support_qa``."""
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Answer:
    """What is to be said.

    Attributes:
        value: the answer, or None when the model abstains.
        section: the section it is from, or None.
        evidence: the sentence it stands in.
        around: sentences next to it, for answers that ramble.
        invented: a sentence the context does not hold, or None.
        sure: how sure the model is, in [0, 1].
    """

    value: str | None
    section: str | None
    evidence: str
    around: tuple[str, ...]
    invented: str | None
    sure: float


def confidence(question: Question, matches: Sequence[Match]) -> float:
    """Return how likely the first of ``matches`` answers ``question``, in [0, 1]."""
    if not matches:
        return 0.0
    best = matches[0]
    second = next((m.score for m in matches[1:] if m.sentence.index != best.sentence.index), 0.0)
    signs = {
        "bias": 1.0,
        "coverage": best.coverage,
        "exact": min(best.exact, 4),
        "fits": best.fits,
        "lead": 1.0 - second / best.score if best.score else 0.0,
        "unknown": best.unknown,
        "score": best.score / 6,
        "open": not question.kinds,
        "length": min(len(question.terms), 30) / 10,
    }
    return 1 / (1 + math.exp(-sum(_WEIGHTS[name] * value for name, value in signs.items())))


def answer_question(question: str, context: str, features: Features, noise: Noise) -> Answer:
    """Return the answer to ``question`` from ``context`` under the instructions, slips included."""
    passages = read_passages(context)
    read = read_question(question)
    matches = _matches(question, context)
    sure = confidence(read, matches)
    if _abstains(sure, features, noise):
        return Answer(None, None, "", (), None, sure)
    if not matches:
        return _blind(read, passages, features, noise)
    found = _found(matches, passages, features, noise, sure)
    return found if features.grounded else _loosened(found, noise)


@lru_cache(maxsize=2048)
def _matches(question: str, context: str) -> tuple[Match, ...]:
    return tuple(find_matches(read_question(question), read_passages(context)))


def _abstains(sure: float, features: Features, noise: Noise) -> bool:
    if not features.abstain:
        return False
    if noise.slips("over_abstain"):
        return True
    careful = 0.7 if features.steps else 1.0
    return sure < _SURE_ENOUGH and not noise.slips("guess", careful)


def _found(matches: Sequence[Match], passages: Passages, features: Features, noise: Noise, sure: float) -> Answer:
    best = matches[0]
    careful = 0.6 if features.steps else 1.0
    unsure = not features.abstain and sure < _SURE_ENOUGH and noise.draw("unsure") < _RASH
    if len(matches) > 1 and (unsure or noise.slips("wrong_span", careful)):
        best = matches[1 + noise.choose("span", len(matches) - 1)]
    section = best.sentence.section
    if section and noise.slips("wrong_section") and len(passages.sections) > 1:
        others = [label for label in passages.sections if label != section]
        section = others[noise.choose("section", len(others))]
    around = tuple(each.text for each in passages.neighbours(best.sentence.index))
    return Answer(best.text, section, best.sentence.text, around, None, sure)


def _blind(question: Question, passages: Passages, features: Features, noise: Noise) -> Answer:
    """Answer although no sentence shares a word: a sentence of the right kind, else any; from nothing, an invention."""
    kind = FITTING[question.kinds[0]][0] if question.kinds else "number"
    spans = [(s, span) for s in passages.sentences for span in s.spans(kind)]
    if spans:
        sentence, span = spans[noise.choose("blind", len(spans))]
        return Answer(span.text, sentence.section, sentence.text, (), None, 0.1)
    if passages.sentences:
        sentence = passages.sentences[noise.choose("blind", len(passages.sentences))]
        return Answer(sentence.text, sentence.section, sentence.text, (), None, 0.1)
    if features.grounded:
        return Answer(None, None, "", (), None, 0.0)
    made_up = _typical(question)
    return Answer(made_up, None, made_up, (), None, 0.1)


def _typical(question: Question) -> str:
    kind = question.kinds[0] if question.kinds else ""
    return {
        "money": "$25", "duration": "14 days", "date": "Monday", "number": "10", "count": "twice", "percent": "10 %",
        "contact": "support@company.example", "name": "the customer service team", "place": "at the front desk",
    }.get(kind, "That depends on the circumstances.")  # fmt: skip


_INVENTED = (
    "Exceptions can usually be arranged on request.",
    "As a rule, a processing fee of 5 % is added.",
    "In most cases this also applies to family members.",
    "Companies commonly allow an extra 14 days on top of that.",
    "Customers who paid by card are normally covered for 30 days more.",
)


def _loosened(answer: Answer, noise: Noise) -> Answer:
    """Return the answer as given by a model not held to its context: at times wrong, often with a fact of its own."""
    draw = noise.draw("ungrounded")
    if draw < 0.12 and answer.value:
        return replace(answer, value=_other_value(answer.value, noise), sure=answer.sure * 0.8)
    if draw < 0.5:
        return replace(answer, invented=_INVENTED[noise.choose("invented", len(_INVENTED))])
    return answer


def _other_value(value: str, noise: Noise) -> str:
    factor = (2, 3, 5)[noise.choose("factor", 3)]
    if _DIGITS.search(value):
        return _DIGITS.sub(lambda found: str(int(found[0]) * factor + 1), value, count=1)
    return ("Usually 14 days", "Normally this is free", "Typically yes")[noise.choose("typical", 3)]
