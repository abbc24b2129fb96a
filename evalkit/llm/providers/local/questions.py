"""What a question is about: its words, weighted, and the kind of thing it asks for."""

# ruff: noqa: E501 - tables of patterns and words read better unbroken

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from evalkit.llm.providers.local.passages import split_sentences
from evalkit.llm.providers.local.words import stems

__all__ = ["Question", "question_language", "read_question"]

_WH = re.compile(
    r"\b(?:how|what|which|when|where|who|whom|whose|why|until when|by when|wie|was|wann|wo|wer|welche[rsnm]?|cuánt[oa]s?|"
    r"cuándo|dónde|quién|qué|cuál|cómo|can|may|do|does|is|are|must|could|darf|kann|puedo)\b",
    re.IGNORECASE,
)
_PERIOD = r"(?:seconds?|minutes?|hours?|days?|nights?|weeks?|months?|years?|Sekunden|Minuten|Stunden|Tagen?|Wochen|Monaten?|Jahren?|días|semanas|meses|años|horas|minutos)"

_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        ("percent", r"\bwhat (?:percentage|per ?cent|share|proportion|portion|rate of)|\bhow many per ?cent|\bpercentage|\bwelcher prozentsatz|\bporcentaje"),
        ("duration", rf"\b(?:how many|within (?:how many|what)|what number of|(?:nach )?wie ?viele[nm]?|cuánt[oa]s)\s(?:\w+\s)?(?:\w+\s)?{_PERIOD}\b"),
        ("count", r"\bhow (?:often|many times|frequently)|\bnumber of times|\bwie oft|\bcuántas veces|\bcada cuánto"),
        ("email", r"\be-?mail|\bwhere (?:do|should|can|shall|must|may|to) ?(?:i|we|one)? ?(?:send|forward|write|report|direct)|\bto what address|\b(?:which|what) address|\bcorreo|\bwhere .{0,30}\b(?:forward|reported|send)\b"),
        ("phone", r"\b(?:phone|telephone)\b|\b(?:which|what) number\b|\bnumber (?:to|do|can|should|shall|must|may|of the .{0,20}line|for)\b|\bhotline|\b(?:ring|call|phone|text|dial)\b[^?]{0,40}\bnumber|\bwho(?:m)? (?:do|should|can|must|to|shall) .{0,12}(?:phone|ring|call|dial)|\bnummer|\bteléfono|\btelefon"),
        ("url", r"\bwebsite|\bweb ?page|\bsite address|\burl\b|\bonline address"),
        ("contact", r"\bwhom? (?:do|should|can|must|to|shall) .{0,12}(?:contact|write|turn|reach|ask)|\bhow (?:do|can|could|should|may|to) (?:i|we|one)? ?(?:reach|contact|call|phone|report|get in touch)|\bcontact\b"),
        ("money", r"\bhow much (?:is|are|does|do|will|would|should|must|can|for|extra|more|money|of a fee|did|was|per)\b(?! .{0,20}\b(?:luggage|space|time|water|notice)\b)|\bhow much\b.{0,60}\b(?:cost|pay|charge|fee|price|fine|refund|back)|"
         r"\bwhat (?:do|does|will|would|is|are) .{0,40}\b(?:costs?|charged?|pay|owe|price|fee|fare)\b|\b(?:what|which) (?:amount|sum|fee|price|fine|charge)|\bset (?:me|us) back|\bkostet|\bkosten\b|\bcuesta|\bcuánto (?:cuesta|cobran|pago|hay que pagar)"),
        ("duration", rf"\bhow (?:long|quickly|soon|fast|far (?:ahead|in advance)|far before|early|late|much (?:notice|time|leeway|longer))\b|\b(?:within|after|for|in) (?:what|which) (?:period|time|span)|\bwhat (?:is|was) the (?:\w+ )?(?:period|deadline|notice|time limit|term|waiting time|window)|"
         rf"\b(?:notice period|grace period|waiting time|time limit|deadline)\b|\b{_PERIOD} (?:until|before|for)\b|\bwie lange|\bwie schnell|\bcuánto (?:tiempo|tarda|dura)|\bplazo"),
        ("time", r"\bwhat time|\bwhat hour|\b(?:opening|visiting|closing) (?:hours|times?)|\blatest time|\bum wie ?viel uhr|\ba qué hora"),
        ("date", r"\b(?:which|what) (?:month|day|date|weekday|season|days|week|evening)\b|\bqué (?:día|mes)"),
        ("when", r"\b(?:when|until when|by when|wann|bis wann|cuándo)\b|\bwhat hours\b"),
        ("name", r"\b(?:who|whose|whom|wer|quién)\b"),
        ("number", r"\bhow (?:many|old|big|large|heavy|high|tall|wide|deep|fast|far|big)\b|\b(?:maximum|minimum|most|least|largest|smallest|what) (?:number|age|size|weight|height|speed|temperature|distance|length)|\bwhat age|\bmaximum|\bwie ?viele|\bwie (?:alt|groß|schwer)|\bcuánt[oa]s|\b(?:limit|weigh|quota|number of)\b"),
        ("money", r"\b(?:costs?|price|fees?|fare|fine|penalt\w+|charged?|deposit|surcharge|billed|amount|sum|expens\w+|pay|rate|how much)\b|\bpreis|\bgebühr|\bprecio"),
        ("when", r"\bmonths?\b(?! until| before| for)"),
        ("place", r"\b(?:where|wo|wohin|dónde)\b"),
    )
)  # fmt: skip

_GERMAN = re.compile(
    r"\b(?:der|die|das|und|ich|wie|wir|ist|nicht|ein|eine|mein|meine|wird|werden|kann|darf|nach|für|auf|bei)\b", re.I
)
_SPANISH = re.compile(
    r"\b(?:el|los|las|qué|que|cuánto|cuándo|una|para|por|mi|se|de|del|cuesta|puedo|hay|cómo|días|está)\b|[¿¡]", re.I
)
_ENGLISH = re.compile(r"\b(?:the|is|are|do|does|what|how|when|can|my|to|of|and|you|for|in|it|we|a)\b", re.I)


@dataclass(frozen=True, slots=True)
class Question:
    """A question read.

    Attributes:
        text: as asked.
        kinds: the kinds of span that would answer it, likeliest first; empty when a sentence has to.
        terms: stems with the weight of the sentence they stand in.
    """

    text: str
    kinds: tuple[str, ...]
    terms: tuple[tuple[str, float], ...]


@lru_cache(maxsize=4096)
def read_question(text: str) -> Question:
    """Return what ``text`` asks; words outside its interrogative sentence count less."""
    parts = split_sentences(text) or [text]
    core = _core(parts)
    weights: dict[str, float] = {}
    for part in parts:
        for word in stems(part):
            weight = 1.0 if part is core else 0.45
            weights[word] = max(weight, weights.get(word, 0.0))
    return Question(text, _kinds(core) or (_kinds(text) if len(parts) < 3 else ()), tuple(weights.items()))


def _core(parts: list[str]) -> str:
    asked = [part for part in parts if part.rstrip(" \"')").endswith("?")] or parts
    typed = [part for part in asked if _kinds(part)]
    return (typed or [part for part in asked if _WH.search(part)] or asked)[-1]


def _kinds(text: str) -> tuple[str, ...]:
    found = [
        (match.start(), order, kind) for order, (kind, pattern) in enumerate(_KINDS) if (match := pattern.search(text))
    ]
    return tuple(dict.fromkeys(kind for _, _, kind in sorted(found, key=lambda each: (each[1], each[0]))))


def question_language(text: str) -> str:
    """Return ``de``, ``es`` or ``en``, by counting small words."""
    counts = {
        "en": len(_ENGLISH.findall(text)),
        "de": len(_GERMAN.findall(text)),
        "es": len(_SPANISH.findall(text)),
    }
    best = max(counts, key=lambda code: counts[code])
    return best if counts[best] > counts["en"] else "en"
