"""Personal data with a recognisable shape: e-mail, card, IBAN, US social security number, IP address, phone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Literal, get_args

__all__ = ["PII_KINDS", "FoundPii", "PiiKind", "find_pii"]

PiiKind = Literal["email", "card", "iban", "ssn", "ip", "phone"]
PII_KINDS: tuple[PiiKind, ...] = get_args(PiiKind)

_EMAIL = re.compile(r"(?<![\w.+-])[\w.%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])")
_CARD = re.compile(r"(?<![\w.,-])[1-6]\d{3}(?:[ -]?\d){8,15}(?![\w]|[.,-]\d)")
_CARD_GROUPS = re.compile(r"\d{4}(?:([ -])\d{4}){2}(?:\1\d{1,4}){1,2}|\d{4}([ -])\d{6}\2\d{4,5}")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?![a-z])")
_SSN = re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\w-])")
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")
_PHONE = re.compile(
    r"(?<![\w.,+/:$€£-])(?:\+|00)?\(?\d{1,5}\)?(?:[ .\-/\u00a0]{1,2}\(?\d{1,7}\)?){1,6}(?![\w%]|[.,:/-]\d)"
)
_BARE_PHONE = re.compile(r"(?<![\w.,+/:$€£-])\+?\d{8,15}(?![\w%]|[.,:/-]\d)")

_NANP = re.compile(r"(?:\+?1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .-])[2-9]\d\d[ .-]\d{4}")
_DATE = re.compile(
    r"(?:19|20)\d\d[-./ ]\d{1,2}[-./ ]\d{1,2}|\d{1,2}[-./ ]\d{1,2}[-./ ](?:19|20)\d\d|(?:19|20)\d\d ?- ?(?:19|20)?\d\d"
)
_PHONE_WORD = re.compile(
    r"(?i)(?:\b(?:phone|tel|telephone|mobile|cell|call|fax|whatsapp|sms|dial|hotline|contact|handy|telefon|"
    r"rufnummer|t[ée]l[ée]phone|tel[ée]fono|telefone|telefono|celular|m[óo]vil|puhelin|telefoon)\b|电话|電話|手机|전화|تلفن|هاتف)"
)
_CONTEXT = 40
_MAESTRO = re.compile(r"5[0678]|6")

_IBAN_COUNTRIES = {
    15: "NO",
    16: "BE",
    18: "DK FI FO GL NL SD",
    19: "MK SI",
    20: "AT BA EE KZ LT LU MN XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ OM SO TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "BI DJ FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HU LB NI PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU YE",
    31: "MT SC",
    32: "LC",
    33: "RU",
}
_IBAN_LENGTHS = {code: length for length, codes in _IBAN_COUNTRIES.items() for code in codes.split()}


@dataclass(frozen=True, slots=True)
class FoundPii:
    """One piece of personal data.

    Attributes:
        kind: what it is.
        value: the characters.
        start: where it begins.
    """

    kind: PiiKind
    value: str
    start: int

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.start + len(self.value)


def find_pii(text: str, kinds: Sequence[PiiKind] = PII_KINDS) -> list[FoundPii]:
    """Return the personal data in ``text`` of the given kinds, in order of place.

    What one kind has found is not looked at by the next, in the order of :data:`PII_KINDS`. Time is linear in the text.
    """
    found: list[FoundPii] = []
    rest = text
    for kind in PII_KINDS:
        spans = list(_FINDERS[kind](rest))
        if kind in kinds:
            found.extend(FoundPii(kind, text[start:end], start) for start, end in spans)
        rest = _blanked(rest, spans)
    return sorted(found, key=lambda one: one.start)


def _blanked(text: str, spans: Sequence[tuple[int, int]]) -> str:
    if not spans:
        return text
    parts: list[str] = []
    position = 0
    for start, end in spans:
        parts.extend((text[position:start], "\x00" * (end - start)))
        position = end
    return "".join((*parts, text[position:]))


def _emails(text: str) -> Iterator[tuple[int, int]]:
    if "@" in text:
        for match in _EMAIL.finditer(text):
            yield match.span()


def _cards(text: str) -> Iterator[tuple[int, int]]:
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match.group())
        known_length = len(digits) >= 13 or _MAESTRO.match(digits) is not None
        known_start = digits[0] != "1" or digits.startswith("1800")
        grouped = match.group().isdigit() or _CARD_GROUPS.fullmatch(match.group()) is not None
        if known_length and known_start and grouped and _luhn(digits):
            yield match.span()


def _luhn(digits: str) -> bool:
    total = 0
    for index, char in enumerate(reversed(digits)):
        digit = int(char)
        if index % 2:
            digit = digit * 2 - 9 if digit > 4 else digit * 2
        total += digit
    return total % 10 == 0


def _ibans(text: str) -> Iterator[tuple[int, int]]:
    for match in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(match.group()[:2])
        compact = match.group().replace(" ", "")
        if length is None or len(compact) < length:
            continue
        iban = compact[:length]
        if int("".join(str(int(char, 36)) for char in iban[4:] + iban[:4])) % 97 == 1:
            yield match.start(), match.start() + _end_of(match.group(), length)


def _end_of(written: str, length: int) -> int:
    """Return how many characters of ``written`` hold its first ``length`` characters that are no spaces."""
    seen = 0
    for index, char in enumerate(written):
        seen += char != " "
        if seen == length:
            return index + 1
    return len(written)


def _ssns(text: str) -> Iterator[tuple[int, int]]:
    for match in _SSN.finditer(text):
        yield match.span()


def _ips(text: str) -> Iterator[tuple[int, int]]:
    spans = [match.span() for match in _IPV4.finditer(text) if _address(IPv4Address, match.group())]
    if "::" in text or text.count(":") >= 7:
        spans += [match.span() for match in _IPV6.finditer(text) if _address(IPv6Address, match.group())]
    yield from sorted(spans)


def _address(kind: type[IPv4Address] | type[IPv6Address], text: str) -> bool:
    try:
        address = kind(text)
    except AddressValueError:
        return False
    return not address.is_loopback and not address.is_unspecified


def _phones(text: str) -> Iterator[tuple[int, int]]:
    for match in _PHONE.finditer(text):
        written = match.group()
        if _phone_shaped(written) and (_certain(written) or _announced(text, match.start())):
            yield match.span()
    for match in _BARE_PHONE.finditer(text):
        if match.group().startswith("+") or _announced(text, match.start()):
            yield match.span()


def _phone_shaped(written: str) -> bool:
    digits = sum(map(str.isdigit, written))
    return 7 <= digits <= 15 and _DATE.fullmatch(written) is None


def _certain(written: str) -> bool:
    """Return whether a number is written as only phone numbers are."""
    digits = sum(map(str.isdigit, written))
    if written.startswith("+"):
        return digits >= 8
    if _NANP.fullmatch(written):
        return True
    groups = re.findall(r"\d+", written)
    area_code = re.match(r"\(\d{1,5}\)[ \d]|0", written) is not None
    return area_code and len(groups) >= 2 and 8 <= digits <= 13 and "." not in written[:2]


def _announced(text: str, start: int) -> bool:
    return _PHONE_WORD.search(text, max(0, start - _CONTEXT), start) is not None


_FINDERS: dict[PiiKind, Callable[[str], Iterator[tuple[int, int]]]] = {
    "email": _emails,
    "card": _cards,
    "iban": _ibans,
    "ssn": _ssns,
    "ip": _ips,
    "phone": _phones,
}
