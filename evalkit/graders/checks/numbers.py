"""Numbers in text: where they are and what they are, as exact fractions."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Literal

__all__ = ["DecimalMark", "FoundNumber", "exact_number", "last_number", "numbers_in"]

DecimalMark = Literal[".", ","]

_MAX_DIGITS = 400
_MAX_EXPONENT = 400
_LAST = 16
_SIGNS = "-\u2212\u2012\u2013\ufe63\uff0d"
"""What may stand for a minus; the hyphen comes first, so that it opens no range inside brackets."""
_CURRENCY = r"(?:(?:US|AU|CA|NZ|HK|R|C|A)?\\?[$€£¥₹₩₽₺₫฿₴₪])"
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")


@dataclass(frozen=True, slots=True)
class FoundNumber:
    """One number of a text.

    Attributes:
        value: exactly what is written; a percentage counts as the number before the sign.
        text: the characters it was read from, without currency and percent sign.
        percent: whether a percent sign or the word follows.
        start: where ``text`` begins.
    """

    value: Fraction
    text: str
    percent: bool
    start: int


def numbers_in(text: str, decimal: DecimalMark = ".") -> Iterator[FoundNumber]:
    r"""Yield the numbers of ``text`` from left to right; time is linear in its length.

    Read: signs (also the typographic minus), thousands separators that stand every three digits, decimals, scientific
    notation (``1e5``, ``6.02 × 10^23``), fractions (``3/4``, ``1 1/2``, ``\frac{3}{4}``), currency signs in front,
    percent behind. Not read: numbers that touch a letter before them (``H2``), further parts of ``1.2.3``, numbers of
    more than 400 digits or exponents beyond 400.
    """
    for match in _pattern(decimal).finditer(text):
        found = _found(match, decimal)
        if found is not None:
            yield found


def last_number(text: str, decimal: DecimalMark = ".") -> FoundNumber | None:
    """Return the last number of ``text``, or None."""
    matches = deque(_pattern(decimal).finditer(text), maxlen=_LAST)
    found = next(filter(None, (_found(match, decimal) for match in reversed(matches))), None)
    if found is None and len(matches) == _LAST:  # the last ones are all too long to be read
        return next(iter(deque(numbers_in(text, decimal), maxlen=1)), None)
    return found


def exact_number(value: object, decimal: DecimalMark = ".") -> FoundNumber | None:
    """Return ``value`` as a number if it is one or is a text that holds exactly one, else None; booleans are none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return FoundNumber(Fraction(value), str(value), False, 0) if abs(value) < 10**_MAX_DIGITS else None
    if isinstance(value, float):
        finite = value == value and abs(value) != float("inf")
        return FoundNumber(Fraction(Decimal(repr(value))), repr(value), False, 0) if finite else None
    if isinstance(value, str):
        found = list(numbers_in(value, decimal))
        return found[0] if len(found) == 1 else None
    return None


@cache
def _pattern(decimal: DecimalMark) -> re.Pattern[str]:
    point = r"\." if decimal == "." else ","
    separator = r"(?:,|\{,\}|\\,|['\u2019\u00a0\u2009\u202f])" if decimal == "." else r"[.'\u2019\u00a0\u2009\u202f]"
    unsigned = rf"(?:\d{{1,3}}(?:{separator}\d{{3}})+(?!\d)|\d+)(?:{point}\d+)?|(?<!{point}){point}\d+"
    ten = r"\s?(?:[×·*x⋅]|\\times|\\cdot)\s?10"
    return re.compile(
        rf"""
        (?<![^\W\d])(?<!\d)(?<!\d{point})(?<!\d/)       # no letter, digit, or part of 1.2.3 before it
        (?:(?<![\w)\]}}])(?P<sign>[{_SIGNS}+]))?
        (?:{_CURRENCY}\s?(?P<sign2>[{_SIGNS}])?)?
        (?:
            \\[dt]?frac\{{\s?(?P<above>\d{{1,40}})\s?\}}\{{\s?(?P<below>\d{{1,40}})\s?\}}
          | (?:(?P<whole>\d{{1,40}})\ )?(?P<over>\d{{1,40}})/(?P<under>\d{{1,40}})(?![\d/.])
          | (?P<number>{unsigned})
            (?: [eE](?P<exponent>[{_SIGNS}+]?\d{{1,6}})(?!\w)
              | {ten}\^\{{?(?P<power>[{_SIGNS}+]?\d{{1,6}})\}}?
              | {ten}(?P<raised>[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{{1,6}})
            )?
        )
        (?P<percent>\s?\\?%|\s(?:percent|per\ cent)\b)?
        """,
        re.VERBOSE,
    )


def _found(match: re.Match[str], decimal: DecimalMark) -> FoundNumber | None:
    value = _value(match, decimal)
    if value is None:
        return None
    return FoundNumber(value, match.group().strip(), match["percent"] is not None, match.start())


def _value(match: re.Match[str], decimal: DecimalMark) -> Fraction | None:
    negative = (match["sign"] or "+") in _SIGNS or match["sign2"] is not None
    size = _ratio(match) if match["number"] is None else _decimal(match, decimal)
    return None if size is None else -size if negative else size


def _ratio(match: re.Match[str]) -> Fraction | None:
    above, below = match["above"] or match["over"], match["below"] or match["under"]
    if int(below) == 0:
        return None
    return Fraction(int(above), int(below)) + int(match["whole"] or 0)


def _decimal(match: re.Match[str], decimal: DecimalMark) -> Fraction | None:
    digits = match["number"].replace(decimal, "p")
    digits = re.sub(r"[^\dp]", "", digits).replace("p", ".")
    power = match["exponent"] or match["power"] or (match["raised"] or "0").translate(_SUPERSCRIPT)
    exponent = int(power.translate({ord(sign): "-" for sign in _SIGNS}))
    if len(digits) > _MAX_DIGITS or abs(exponent) > _MAX_EXPONENT:
        return None
    return Fraction(Decimal(digits)) * Fraction(10) ** exponent
