"""Typed spans in a sentence: money, durations, dates, counts, numbers, percentages, contacts, names."""

# ruff: noqa: E501 - tables of patterns and words read better unbroken

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["CURRENCIES", "SPAN_KINDS", "Span", "find_spans"]

_UNIT_WORD = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|"
    "eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred"
)
_NUM = rf"(?:\d+(?:[.,  ]\d{{3}})*(?:[.,]\d+)?|(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)-(?:{_UNIT_WORD})|(?:a |one )?(?:{_UNIT_WORD})(?: hundred)?)"
_MONTH = "(?-i:January|February|March|April|May|June|July|August|September|October|November|December)"
_DAY = "Mondays?|Tuesdays?|Wednesdays?|Thursdays?|Fridays?|Saturdays?|Sundays?"
_ORDINAL = (
    r"(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|"
    r"twentieth|twenty-first|\d+(?:st|nd|rd|th))"
)
_ANY_ORDINAL = rf"(?:{_ORDINAL}|last|previous|next|following|preceding)"
_QUALIFIER = re.compile(
    r"\b(?:no more than|not more than|no less than|no longer than|no later than|not later than|at least|at most|up to|"
    r"more than|less than|fewer than|within|over|under|above|below|about|around|roughly|every|each|the first|"
    r"a maximum of|a minimum of|before|after|until|by|from|exactly|between|all of|the)\s$",
    re.IGNORECASE,
)
CURRENCIES: dict[str, str] = {
    "$": "USD", "£": "GBP", "€": "EUR", "us$": "USD", "dollar": "USD", "dollars": "USD", "pound": "GBP", "pounds": "GBP",
    "euro": "EUR", "euros": "EUR", "zł": "PLN", "zloty": "PLN", "złoty": "PLN", "franc": "CHF", "francs": "CHF", "fr.": "CHF",
    "kr": "SEK", "kronor": "SEK", "kroner": "NOK", "¥": "JPY", "yen": "JPY", "kč": "CZK", "₹": "INR", "rupees": "INR",
}  # fmt: skip
"""Symbols and names to ISO codes, lower-cased."""

_ISO = "EUR|USD|GBP|PLN|CHF|SEK|NOK|DKK|CZK|HUF|JPY|CAD|AUD|NZD|INR|ZAR|SGD|HKD|ISK|RON|BGN|TRY|MXN|BRL"
_MONEY_NAME = (
    rf"(?:{_ISO}|euros?|dollars?|pounds?|cents?|pence|z[lł]oty|zł|francs?|kronor|kroner|krone|kr|Kč|yen|rupees)"
)
_CLOCK = r"(?:\d{1,2}:\d{2}(?:\s?(?:am|pm|a\.m\.|p\.m\.))?|\d{1,2}(?:\.\d{2})?\s?(?:am|pm|a\.m\.|p\.m\.|o'clock))"
_LONGER = r"(?:minute|hour|day|night|week|fortnight|month|quarter|year|term|semester)"
_TIME = rf"(?:{_CLOCK}(?:\s(?:UTC|GMT|CET))?|noon|midnight|midday)"
_PERIOD = r"(?:seconds?|minutes?|hours?|days?|nights?|weeks?|fortnights?|months?|years?|quarters?|terms?|semesters?|weekends?|sessions?)"
_DAYKIND = (
    r"(?:(?:working|business|calendar|opening|full|whole|consecutive|clear|bank|school|further|more|additional)\s)?"
)

_FIGURE = r"\d+(?:[.,  ]\d{3})*(?:[.,]\d+)?"

SPAN_KINDS: dict[str, re.Pattern[str]] = {
    "money": re.compile(
        rf"(?:\b[A-Z]{{1,2}})?[$£€¥₹]\s?{_FIGURE}|\b(?:{_ISO})\s?{_FIGURE}|\b{_NUM}\s?(?:{_MONEY_NAME}\b|[€£$])|"
        r"\bfree(?: of charge)?\b(?! (?:to|from)\b)|\bhalf price\b|\bnothing\b|\bno (?:charge|fee)\b",
        re.IGNORECASE,
    ),
    "percent": re.compile(rf"\b{_NUM}\s?(?:%|per ?cent\b)|\b(?:a (?:third|quarter|half|fifth|tenth)|two thirds|half)\b(?! price)", re.IGNORECASE),
    "duration": re.compile(
        rf"\b(?:{_NUM}(?:\s(?:to|or|and)\s{_NUM}|[-–]{_NUM})?[\s-]{_DAYKIND}{_PERIOD}\b|"
        rf"(?<=for )an?\s{_DAYKIND}{_LONGER}\b|(?<=thin )an?\s{_DAYKIND}{_LONGER}\b|(?<=fter )an?\s{_DAYKIND}{_LONGER}\b|"
        rf"(?<=than )an?\s{_DAYKIND}{_LONGER}\b|(?:a |about a )fortnight\b|half (?:an hour|a (?:day|year))\b|a year and a half\b|"
        rf"overnight\b|immediately\b|the {_ORDINAL} {_DAYKIND}day\b)",
        re.IGNORECASE,
    ),
    "date": re.compile(
        rf"\b(?:\d{{1,2}}(?:st|nd|rd|th)?\s(?:of\s)?(?:{_MONTH})\b(?:\s\d{{4}})?|"
        rf"(?:{_MONTH})\b(?:\s\d{{1,2}}(?:st|nd|rd|th)?(?!\d))?(?:,?\s\d{{4}})?(?:\s(?:to|and|until|or)\s(?:{_MONTH})\b)?|"
        rf"\d{{4}}-\d\d-\d\d|\d{{1,2}}[./]\d{{1,2}}[./]\d{{2,4}}|"
        rf"(?:{_ANY_ORDINAL}\s)?(?:working |business )?(?:{_DAY})\b(?:\s(?:morning|afternoon|evening)s?)?(?:\s(?:to|and|or)\s(?:{_DAY})\b)?"
        rf"(?:\sof\s(?:the|each|every)\smonth)?|"
        rf"{_ANY_ORDINAL}\s(?:working\s|business\s|school\s)?(?:day|week|month|morning|evening|renewal date|invoice)\b(?:\sof\s(?:the|each|every)\s\w+)?|"
        r"\d{1,2}(?:st|nd|rd|th)\b(?:\sof\s(?:the|each|every)\s\w+)?|(?<=between )\d{1,2} and \d{1,2}(?: o'clock)?)",
        re.IGNORECASE,
    ),
    "time": re.compile(rf"\b{_TIME}(?:\s?(?:to|and|until|[-–])\s?{_TIME})?(?:\son\s(?:the\s)?(?:{_ANY_ORDINAL}\s)?(?:working |business )?(?:{_DAY}|day))?", re.IGNORECASE),
    "count": re.compile(rf"\b(?:once|twice|{_NUM}\stimes|{_NUM}\sattempts)\b(?:\s(?:a|per|each|every)\s\w+)?", re.IGNORECASE),
    "number": re.compile(
        rf"\b{_NUM}(?:\sor\s(?:over|more|older|under|younger|fewer|less))?(?:\s?(?:%|per cent)|\s[a-z][\w-]+)?", re.IGNORECASE
    ),
    "email": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "phone": re.compile(r"(?<![\w.,$£€])(?:\+?\d[\d\s()/-]{3,}\d|\d{5,6})(?![\w,.]*\d)(?!\s?(?:EUR|USD|GBP|PLN|kWh|km|kg|GB|MB|m)\b)"),
    "url": re.compile(r"(?<![@\w.-])(?:https?://\S+|www\.\S+|[\w-]+(?:\.[\w-]+)*\.(?:example|com|org|net)(?:/[\w/-]*)?)", re.IGNORECASE),
    "code": re.compile(r"\b(?=[A-Z0-9-]*[A-Z])[A-Z][A-Za-z0-9]*-[A-Z0-9][A-Za-z0-9-]*\b"),
    "name": re.compile(
        r"\b(?:Dr|Mr|Mrs|Ms|Prof|Sister|Professor)\.?\s[A-Z][\w'-]+(?:[\s-][A-Z][\w'-]+)*|(?<!^)(?<![.!?]\s)\b[A-Z][a-z'-]+(?:\s(?:of\s)?[A-Z][a-z'-]+)+"
    ),
    "place": re.compile(
        r"\b(?:at|in|on|by|to|behind|beside|next to|opposite|under|near|inside|outside|through)\s(?:the|our|your|a|an|any|room|counter|desk|floor|gate|door)\b"
        r"(?:\s[\w'-]+){1,5}",
        re.IGNORECASE,
    ),
}  # fmt: skip
"""Patterns by kind; offsets are characters of the sentence."""

_NOT_NUMBERS = ("money", "percent", "date", "time")
_QUALIFIED = frozenset({"money", "percent", "duration", "date", "time", "count", "number"})


@dataclass(frozen=True, slots=True)
class Span:
    """A typed piece of a sentence."""

    kind: str
    text: str
    start: int
    end: int


def find_spans(sentence: str, kind: str) -> tuple[Span, ...]:
    """Return the spans of one kind in ``sentence``, in order.

    A figure carries the words that qualify it ("no more than three times"). A plain number that is part of an amount, a
    share, a date or a time of day is not one.
    """
    found: list[Span] = []
    taken = [span for other in _NOT_NUMBERS for span in find_spans(sentence, other)] if kind == "number" else []
    for match in SPAN_KINDS[kind].finditer(sentence):
        start = match.start()
        if any(span.start <= start < span.end for span in taken):
            continue
        if kind in _QUALIFIED and (before := _QUALIFIER.search(sentence, max(0, start - 16), start)):
            start = before.start()
        text = sentence[start : match.end()].rstrip(" ,;:")
        if text:
            found.append(Span(kind, text, start, start + len(text)))
    return tuple(found)
