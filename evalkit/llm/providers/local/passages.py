"""A context cut into sentences that know their section, with the word statistics that scoring needs."""

# ruff: noqa: E501 - tables of patterns and words read better unbroken

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from functools import lru_cache

from evalkit.llm.providers.local.spans import Span, find_spans
from evalkit.llm.providers.local.words import deletions, related, stem, stems, words

__all__ = ["Passages", "Sentence", "read_passages", "split_sentences"]

_BRACKETED = re.compile(r"^\s*\[(?P<label>[^\]\n]{1,24})\]\s*(?P<rest>.*)$")
_NUMBERED = re.compile(
    r"^\s*(?P<label>§+\s?\d+[a-z]?(?:\.\d+)*|(?:Section|Article|Clause|Art\.)\s\d+(?:\.\d+)*|\d+(?:\.\d+)*[.)]?|[A-Z]\d{0,2}[.)]|[IVX]+[.)])[\s:]+(?P<rest>\S.*)$"
)
_MARKDOWN = re.compile(r"^\s*#{1,6}\s+(?P<rest>.+?)\s*#*$")
_CELL = re.compile(r"[^|]+")
_BREAK = re.compile(r"(?<=[.!?])[\"')\]]?\s+(?=[\"'(\[£$€¥]?[A-Z0-9ÄÖÜ¿¡])")
_ABBREVIATION = re.compile(
    r"\b(?:Dr|Mr|Mrs|Ms|Prof|St|No|Nos|Art|Fig|e\.g|i\.e|approx|vs|etc|Tel|ext|Inc|Ltd|Co|a\.m|p\.m)\.$"
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a context.

    ``places`` gives for each stem the character offsets it stands at. ``columns`` is set for a row of a table: the stems
    of each column's head; its spans of kind ``cell`` are then the cells, in order.
    """

    index: int
    text: str
    section: str | None
    heading: frozenset[str]
    places: dict[str, tuple[int, ...]]
    columns: tuple[frozenset[str], ...] = ()
    typed: dict[str, tuple[Span, ...]] = field(default_factory=dict, compare=False, repr=False)

    def spans(self, kind: str) -> tuple[Span, ...]:
        """Return the spans of one kind; each kind is looked for once, when it is first asked for."""
        found = self.typed.get(kind)
        if found is None:
            found = self.typed[kind] = find_spans(self.text, kind)
        return found


class Passages:
    """The sentences of one context and how telling each word is among them."""

    def __init__(self, text: str) -> None:
        self.title, self.sentences = _read(text)
        self.sections = tuple(dict.fromkeys(s.section for s in self.sentences if s.section))
        count: dict[str, int] = {}
        for sentence in self.sentences:
            for word in sentence.places.keys() | sentence.heading:
                count[word] = count.get(word, 0) + 1
        total = len(self.sentences)
        self._idf = {word: math.log(1 + (total - n + 0.5) / (n + 0.5)) for word, n in count.items()}
        self.unseen = math.log(1 + (total + 0.5) / 0.5)
        self._near: dict[str, str] | None = None

    @staticmethod
    def _slips(vocabulary: list[str]) -> dict[str, str]:
        near: dict[str, str] = {}
        for word in vocabulary:
            if len(word) >= 4:
                for shape in deletions(word):
                    near.setdefault(shape, word)
        return near

    def idf(self, word: str) -> float:
        """Return how telling ``word`` is here; highest for a word the context does not have."""
        return self._idf.get(word, self.unseen)

    def has(self, word: str) -> bool:
        """Return whether the context has this stem."""
        return word in self._idf

    def spelled(self, word: str) -> str:
        """Return the stem of the context that ``word`` is, or is a one-letter slip of; else ``word`` itself."""
        if word in self._idf or len(word) < 5 or any(other in self._idf for other in related(word)):
            return word
        if self._near is None:
            self._near = self._slips(list(self._idf))
        for shape in deletions(word):
            found = self._near.get(shape)
            if found is not None and abs(len(found) - len(word)) <= 1:
                return found
        return word

    def neighbours(self, index: int) -> list[Sentence]:
        """Return the sentences after and before ``index`` in the same section."""
        own = self.sentences[index].section
        near = [at for at in (index + 1, index - 1, index + 2) if 0 <= at < len(self.sentences)]
        return [self.sentences[at] for at in near if self.sentences[at].section == own]


@lru_cache(maxsize=512)
def read_passages(text: str) -> Passages:
    """Return the passages of ``text``; the 512 contexts used last are kept."""
    return Passages(text)


def split_sentences(text: str) -> list[str]:
    """Return the sentences of ``text``, with abbreviations left whole."""
    found: list[str] = []
    for part in filter(None, (each.strip() for each in _BREAK.split(text))):
        if found and _ABBREVIATION.search(found[-1]):
            found[-1] += " " + part
        else:
            found.append(part)
    return found


def _read(text: str) -> tuple[str, tuple[Sentence, ...]]:
    title, section, heading = "", None, ""
    sentences: list[Sentence] = []
    for line in filter(None, (raw.strip() for raw in text.splitlines())):
        label, rest = _section_of(line)
        if label is not None or rest != line:
            section, heading = label or rest, ""
        elif not sentences and not title and section is None and len(line) < 120 and line[-1] not in ".!?":
            title = line
            continue
        for position, part in enumerate(split_sentences(rest)):
            if position == 0 and (label is not None or rest != line) and _is_heading(part, rest):
                heading = part
                continue
            sentences.append(_sentence(len(sentences), part, section, heading))
    return title, tuple(_with_columns(sentences))


def _with_columns(sentences: list[Sentence]) -> list[Sentence]:
    """Return the sentences, rows of tables (cells parted by ``|``) knowing the heads of their columns."""
    found: list[Sentence] = []
    heads: tuple[frozenset[str], ...] = ()
    section: str | None = None
    for sentence in sentences:
        cells = [match for match in _CELL.finditer(sentence.text) if match[0].strip(" .")]
        if len(cells) < 3:
            heads = ()
        elif not heads or section != sentence.section or len(heads) != len(cells):
            heads, section = tuple(frozenset(stems(cell[0])) for cell in cells), sentence.section
        else:
            cut = tuple(Span("cell", cell[0].strip(" ."), cell.start(), cell.end()) for cell in cells)
            found.append(replace(sentence, columns=heads, typed={"cell": cut}))
            continue
        found.append(sentence)
    return found


def _section_of(line: str) -> tuple[str | None, str]:
    for pattern in (_BRACKETED, _NUMBERED):
        found = pattern.match(line)
        if found:
            return found["label"].strip(), found["rest"]
    found = _MARKDOWN.match(line)
    return (None, found["rest"]) if found else (None, line)


def _is_heading(part: str, rest: str) -> bool:
    return len(words(part)) <= 8 and (len(part) < len(rest) or part[-1] not in ".!?")


def _sentence(index: int, text: str, section: str | None, heading: str) -> Sentence:
    places: dict[str, list[int]] = {}
    at = 0
    lowered = text.lower()
    for word in words(lowered):
        at = lowered.index(word, at)
        for part in stems(word):
            places.setdefault(part, []).append(at)
        at += len(word)
    return Sentence(
        index=index,
        text=text,
        section=section,
        heading=frozenset(stems(heading)) | {stem(word) for word in words(heading) if len(word) > 4},
        places={word: tuple(at) for word, at in places.items()},
    )
