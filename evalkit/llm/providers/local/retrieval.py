"""Finds the sentence and the span that answer a question, and how sure that is."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evalkit.llm.providers.local.passages import Passages, Sentence
from evalkit.llm.providers.local.questions import Question
from evalkit.llm.providers.local.spans import Span
from evalkit.llm.providers.local.words import related, stem

__all__ = ["FITTING", "Match", "find_matches"]

FITTING: dict[str, tuple[str, ...]] = {
    "money": ("money", "percent"),
    "duration": ("duration", "date", "time"),
    "date": ("date", "time", "duration"),
    "time": ("time", "date", "duration"),
    "when": ("date", "time", "duration"),
    "count": ("count", "duration", "number", "date"),
    "percent": ("percent",),
    "contact": ("email", "phone", "url", "code", "name", "place"),
    "email": ("email", "url", "place", "phone"),
    "phone": ("phone", "code", "email"),
    "url": ("url", "email"),
    "name": ("name",),
    "number": ("number", "count", "duration"),
    "place": ("place", "email", "url"),
}
"""Which kinds of span may answer a question of a kind, best first."""

_USUAL = (1.0, 0.75, 0.7, 0.65, 0.6, 0.55)
_FACTORS: dict[str, tuple[float, ...]] = {"when": (1.0, 0.97, 0.75), "date": (1.0, 0.65, 0.6)}
_VAGUE = frozenset(
    map(
        stem,
        [
            "go",
            "come",
            "take",
            "make",
            "happen",
            "appear",
            "use",
            "give",
            "work",
            "put",
            "keep",
            "look",
            "see",
            "one",
            "way",
            "case",
            "thing",
        ],
    )
)
_BREAKS = re.compile(r"[;,:|]|\b(?:but|while|whereas|and|or)\b")


@dataclass(frozen=True, slots=True)
class Match:
    """One possible answer.

    Attributes:
        sentence: where it stands.
        span: the answer itself, or None where the sentence is the answer.
        score: higher is better, comparable within one question.
        coverage: which share of the question's weighted words the sentence and its heading account for, in [0, 1].
        exact: how many of the question's words stand in the sentence itself.
        fits: whether the span is of the kind asked for.
        unknown: which share of the question's weighted words the whole context knows nothing of, in [0, 1].
    """

    sentence: Sentence
    span: Span | None
    score: float
    coverage: float
    exact: int
    fits: bool
    unknown: float = 0.0

    @property
    def text(self) -> str:
        """The answer as it stands in the context."""
        return self.span.text if self.span else _clause(self.sentence.text)


@dataclass(frozen=True, slots=True)
class _Term:
    word: str
    weight: float
    others: frozenset[str]


def find_matches(question: Question, passages: Passages, limit: int = 5) -> list[Match]:
    """Return the best possible answers, best first, at most one a span."""
    terms = _terms(question, passages)
    total = sum(term.weight for term in terms) or 1.0
    found: list[Match] = []
    for sentence in passages.sentences:
        strengths = [_strength(term, sentence, passages) for term in terms]
        covered = sum(term.weight * strength for term, strength in zip(terms, strengths, strict=True))
        if covered <= 0:
            continue
        exact = sum(strength >= 0.6 for strength in strengths)
        score = covered / (1 + 0.012 * len(sentence.text.split()))
        found += _answers(question, sentence, terms, score, covered / total, exact)
    found.sort(key=lambda match: (-match.score, match.sentence.index, match.span.start if match.span else 0))
    unknown = sum(term.weight for term in terms if not _is_known(term, passages)) / total
    return [replace(match, unknown=unknown) for match in found[:limit]]


def _is_known(term: _Term, passages: Passages) -> bool:
    return passages.has(term.word) or any(passages.has(other) for other in term.others)


def _terms(question: Question, passages: Passages) -> list[_Term]:
    terms = []
    for word, weight in question.terms:
        known = passages.spelled(word)
        others = related(known)
        idf = passages.idf(known)
        if not passages.has(known):
            near = [passages.idf(other) for other in others if passages.has(other)]
            idf = 0.8 * max(near) if near else passages.unseen * 0.8
        terms.append(_Term(known, weight * idf * (0.5 if known in _VAGUE else 1.0), others))
    return terms


def _strength(term: _Term, sentence: Sentence, passages: Passages) -> float:
    if term.word in sentence.places:
        return 1.0
    if not term.others.isdisjoint(sentence.places):
        return 0.6
    if term.word in sentence.heading:
        return 0.5
    best = 0.3 if not term.others.isdisjoint(sentence.heading) else 0.0
    before = passages.sentences[sentence.index - 1] if sentence.index else None
    if before is not None and before.section == sentence.section and term.word in before.places:
        best = max(best, 0.4)
    return best


def _answers(
    question: Question, sentence: Sentence, terms: Sequence[_Term], score: float, coverage: float, exact: int
) -> list[Match]:
    if sentence.columns:
        return _cells(sentence, terms, score, coverage, exact)
    kinds = question.kinds[:2]
    found = []
    for rank, kind in enumerate(kinds):
        for order, fitting in enumerate(FITTING[kind]):
            factor = (1.0, 0.85)[rank] * _FACTORS.get(kind, _USUAL)[order]
            spans = sentence.spans(fitting)
            for span, near in zip(spans, _nearness(spans, sentence, terms), strict=True):
                value = (score + 0.7 * near) * factor * _novelty(span, question)
                found.append(Match(sentence, span, value, coverage, exact, fits=rank == 0 and order <= 1))
    if not found:
        found.append(Match(sentence, None, score * (0.6 if kinds else 1.15), coverage, exact, fits=not kinds))
    return found


def _cells(sentence: Sentence, terms: Sequence[_Term], score: float, coverage: float, exact: int) -> list[Match]:
    total = sum(term.weight for term in terms) or 1.0
    found = []
    for cell, head in list(zip(sentence.spans("cell"), sentence.columns, strict=True))[1:]:
        named = sum(term.weight * (1.0 if term.word in head else 0.6 * bool(term.others & head)) for term in terms)
        covered = min(coverage + named / total, 1.0)
        found.append(Match(sentence, cell, score + 1.2 * named, covered, exact + bool(named), fits=named > 0))
    return found


def _novelty(span: Span, question: Question) -> float:
    return 0.6 if span.text.lower() in question.text.lower() else 1.0


def _nearness(spans: Sequence[Span], sentence: Sentence, terms: Sequence[_Term]) -> list[float]:
    """Return for each of ``spans`` how near the question's words stand; a word counts most for the span nearest it."""
    near = [0.0] * len(spans)
    for term in terms if spans else ():
        places, factor = sentence.places.get(term.word, ()), 1.0
        if not places:
            places, factor = tuple(at for other in term.others for at in sentence.places.get(other, ())), 0.6
        if places:
            close = [max(_closeness(at, span, sentence.text) for at in places) for span in spans]
            total = sum(close) or 1.0
            for index, value in enumerate(close):
                near[index] += term.weight * factor * value * (0.25 + 0.75 * value / total)
    return near


def _closeness(at: int, span: Span, text: str) -> float:
    if span.start <= at < span.end:
        return 1.0
    between = text[at : span.start] if at < span.start else text[span.end : at]
    distance = len(between) / 6
    breaks = len(_BREAKS.findall(between))
    behind = 1.0 if at < span.start else 0.85
    return behind * math.exp(-distance / 6) * 0.6**breaks


def _clause(text: str) -> str:
    return text.rstrip()
