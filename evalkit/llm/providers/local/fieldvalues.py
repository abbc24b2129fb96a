"""Values of the usual business fields in a document: who sent it, its reference, its date, its amount."""

# ruff: noqa: E501 - tables of patterns and words read better unbroken

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from evalkit.llm.providers.local.documents import Document
from evalkit.llm.providers.local.spans import CURRENCIES

__all__ = [
    "Money",
    "all_money",
    "find_amount",
    "find_date",
    "find_reference",
    "find_sender",
    "parse_date",
    "parse_number",
]

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar janvier enero stycznia", "february feb februar février febrero lutego", "march mar märz mars marzo marca",
            "april apr avril abril kwietnia", "may mai mayo maja", "june jun juni juin junio czerwca", "july jul juli juillet julio lipca",
            "august aug août agosto sierpnia", "september sep sept septembre septiembre września", "october oct oktober okt octobre octubre października",
            "november nov novembre noviembre listopada", "december dec dezember dez décembre diciembre grudnia",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DATES = (
    re.compile(r"\b(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})\b"),
    re.compile(
        rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th|er|\.)?[\s-]+(?:of\s+|de\s+)?(?P<name>{_MONTH})\b\.?,?[\s-]+(?:de\s+)?(?P<y>\d{{4}})\b",
        re.IGNORECASE,
    ),
    re.compile(rf"\b(?P<name>{_MONTH})\b\.?\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y>\d{{4}})\b", re.IGNORECASE),
    re.compile(r"\b(?P<d>\d{1,2})\.\s?(?P<m>\d{1,2})\.\s?(?P<y>\d{4}|\d{2})\b"),
    re.compile(r"\b(?P<a>\d{1,2})[/-](?P<b>\d{1,2})[/-](?P<y>\d{4}|\d{2})\b"),
)
_ISO = "EUR|USD|GBP|PLN|CHF|SEK|NOK|DKK|CZK|HUF|JPY|CAD|AUD|NZD|INR|ZAR|SGD|HKD|ISK|RON|MXN|BRL"
_FIGURE = r"\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d{1,2})?|\d{1,3}(?:[ .,'  ]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?"
_MONEY = re.compile(
    rf"(?P<before>(?:[A-Z]{{1,2}})?[$£€¥₹]|\b(?:{_ISO})\b|\bRs\b\.?)\s?(?P<figure1>{_FIGURE})(?:,-|\.-)?|"
    rf"\b(?P<figure2>{_FIGURE})(?:,-|\.-)?\s?(?P<after>(?:{_ISO})\b|[€£$]|zł|euros?\b|dollars?\b|pounds?\b|francs?\b|kr\b|Kč)",
    re.IGNORECASE,
)
_DOLLARS = {
    "c$": "CAD",
    "ca$": "CAD",
    "a$": "AUD",
    "au$": "AUD",
    "nz$": "NZD",
    "us$": "USD",
    "s$": "SGD",
    "hk$": "HKD",
    "rs": "INR",
}
_AMERICAN = re.compile(r"\$|\b\d{1,2}:\d{2}\s?[AP]M\b|\b555-\d{4}\b|\bZIP\b|\b(?:check|canceled|color|mailbox)\b")
_SENDER_KEYS = (
    "from",
    "von",
    "de",
    "sender",
    "absender",
    "name",
    "your name",
    "expéditeur",
    "remitente",
    "contact",
    "issued by",
    "seller",
    "full name",
)
_DATE_KEYS = (
    "date",
    "sent",
    "gesendet",
    "datum",
    "fecha",
    "received",
    "invoice date",
    "date of issue",
    "issued",
    "issue date",
    "submitted",
    "rechnungsdatum",
    "order date",
    "le",
    "date d'émission",
    "envoyé",
    "dated",
    "timestamp",
)
_NAME = re.compile(
    r"^(?:(?:Mr|Mrs|Ms|Miss|Dr|Prof)\.?\s)?(?:[A-ZÀ-Þ][\w'’.À-ÿ-]*)(?:[\s](?:[A-ZÀ-Þ][\w'’.À-ÿ-]*|van|von|de|der|la|of|and|&|\+|i|y|el)){0,5}$"
)
_GREETING = re.compile(
    r"^\s*(?:dear|hi|hello|hallo|sehr geehrte|liebe|sir|madam|to |hola|estimad|bonjour|good (?:morning|day))\b",
    re.IGNORECASE | re.MULTILINE,
)
_CLOSING = re.compile(
    r"\b(?:regards|wishes|sincerely|faithfully|thanks|thank you|cheers|yours|grüßen?|saludos|cordialement|remain|warmly|best)\b",
    re.IGNORECASE,
)
_LABELS = (
    r"invoice|tax invoice|order|booking|reservation|case|ticket|claim|reference|ref|confirmation|receipt|account|customer|policy|contract|tracking|"
    r"consignment|shipment|parcel|job|file|purchase order|credit note|po|request|patient|member|subscriber|tenancy|quote|complaint|docket|"
    r"sendung|auftrag|rechnung|bestellung|kunden|buchung|anfrage|vorgang|pedido|factura|reserva|commande|facture|dossier"
)
_CODE = r"[A-Z]{1,5}[ -]\d[\w/-]*(?: \d{2,}[\w-]*)*|[A-Z]{0,6}[-/#]?\d[\w/-]*(?:[./-]\w+)*"
_REFERENCE = re.compile(
    rf"\b(?P<label>{_LABELS})(?:s?\s?(?:number|no|nr|code|id|ref|reference|nummer|num)\b\.?|-?nummer|-?nr\.?|n[°º])?\s*(?:[:#=]{1, 2}|is|was|n°|№)?[\s#:]*(?P<code>{_CODE})",
    re.IGNORECASE,
)
_SHAPED = re.compile(r"\b[A-Z]{1,5}[-/ ]\d{2,}(?:[-/ ]?\d+)*\b|\b\d{2,}-\d{2,}(?:-\d+)?\b|\bnumber (?P<bare>\d{3,})\b")
_TOTAL = re.compile(
    r"\b(?:grand total|total|balance|amount (?:due|paid|payable)|order value|to pay|payable|sum due|gesamt\w*|summe|endbetrag|zu zahlen|in all|altogether|"
    r"amount|credit|refunded|charged in total|net payable|zahlbetrag|importe)\b",
    re.IGNORECASE,
)
_TOTAL_LINE = re.compile(
    rf"^[^\n]*?\b(?:grand total|total(?! net| ht)|amount (?:to pay|due|paid|payable)|balance(?: due)?|order value|to pay|sum due|gesamt\w*|summe|endbetrag)\b"
    rf"[^\n\d(]*(?:\((?P<code>{_ISO})\))?[\s:=.]*(?P<figure>{_FIGURE})(?:,-|\.-)?\s*$",
    re.IGNORECASE | re.MULTILINE,
)
_CLAIM = re.compile(
    r"\b(?:refund\w*|reimburse\w*|return(?:ed)?|back|claim\w*|credit(?:ed)?|erstatt\w*|zurück\w*|owed?|repay|repaid|compensat\w+|rembours\w+|reembols\w+)\b",
    re.IGNORECASE,
)
_SMALL = re.compile(
    r"\b(?:postage|shipping|delivery|vat|tax|discount|carriage|less|voucher|mwst|subtotal|deposit|fee|each|per|at|handling|net|rest|last year|instead of|special)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount as written and as a number."""

    text: str
    value: float
    currency: str
    start: int


def parse_number(text: str) -> float:
    """Return the number a figure stands for, whichever sign it uses for thousands and decimals."""
    plain = re.sub(r"[ '  ]", "", text)
    if re.fullmatch(r"\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?", plain):
        plain = plain.replace(",", "")
    if "," in plain and "." in plain:
        decimal = max(plain.rfind(","), plain.rfind("."))
        plain = re.sub(r"[.,]", "", plain[:decimal]) + "." + plain[decimal + 1 :]
    elif re.search(r"[.,]\d{3}$", plain) or plain.count(",") > 1 or plain.count(".") > 1:
        plain = re.sub(r"[.,]", "", plain)
    return float(plain.replace(",", "."))


def all_money(text: str) -> list[Money]:
    """Return every amount of money in ``text``, in order."""
    found = []
    for match in _MONEY.finditer(text):
        sign = (match["before"] or match["after"]).lower()
        sign = sign.rstrip(".") if sign != "fr." else sign
        code = _DOLLARS.get(sign) or CURRENCIES.get(sign) or CURRENCIES.get(sign[-1]) or sign.upper()
        found.append(Money(match[0].strip(), parse_number(match["figure1"] or match["figure2"]), code, match.start()))
    return found


def parse_date(text: str, *, american: bool = False) -> tuple[str, str] | None:
    """Return the first date in ``text`` as (ISO, as written), or None."""
    best: tuple[int, str, str] | None = None
    for pattern in _DATES:
        for match in pattern.finditer(text):
            iso = _iso(match.groupdict(), american=american)
            if iso and (best is None or match.start() < best[0]):
                best = (match.start(), iso, match[0])
    return (best[1], best[2]) if best else None


def _iso(parts: dict[str, str | None], *, american: bool) -> str | None:
    year = int(parts["y"] or 0)
    year += 2000 if year < 100 else 0
    if parts.get("a"):
        first, second = int(parts["a"] or 0), int(parts["b"] or 0)
        swap = (american and first <= 12) or second > 12
        day, month = (second, first) if swap else (first, second)
    else:
        day = int(parts["d"] or 0)
        month = _MONTHS[(parts["name"] or "").lower()] if parts.get("name") else int(parts["m"] or 0)
    return f"{year:04d}-{month:02d}-{day:02d}" if 1 <= month <= 12 and 1 <= day <= 31 else None


def find_sender(document: Document) -> str | None:
    """Return who wrote the document: the sender field, a letterhead, else the signature."""
    named = document.first(*_SENDER_KEYS)
    if named:
        name = re.sub(r"[<(\[][^>)\]]*[>)\]]", "", named).strip(" \"'“”,;")
        if name and "@" not in name:
            return name.split("|")[0].strip()
        if "@" in named and document.first("from", "von", "de"):
            return _signature(document)
    head = re.split(r"\||,| {3,}", document.lines[0])[0].strip() if document.lines else ""
    letterhead = head if _NAME.match(head) and (len(head.split()) > 1 or "|" in document.lines[0]) else None
    if letterhead and not _GREETING.search(document.newest):
        return letterhead
    signed = _signature(document)
    return signed or letterhead


def _signature(document: Document) -> str | None:
    for position, line in enumerate(reversed(document.lines[-6:])):
        text = line.strip().rstrip(",.")
        text = re.split(r",| - |\|", text)[0].strip()
        above = document.lines[len(document.lines) - position - 2] if len(document.lines) > position + 1 else ""
        is_name = bool(_NAME.match(text)) and not _CLOSING.search(text)
        if is_name and (len(text.split()) > 1 or _CLOSING.search(above)):
            return text
    return None


def find_reference(document: Document, *, newest_only: bool) -> str | None:
    """Return the number that names the matter: a labelled one in field, subject or text, else one shaped like it."""
    texts = [document.subject, document.newest] + ([] if newest_only else [document.quoted])
    if newest_only and not _any_reference(texts):
        texts.append(document.quoted)
    scored: list[tuple[float, int, str]] = []
    for rank, text in enumerate(texts):
        for match in _REFERENCE.finditer(text):
            code = match["code"].strip().rstrip(".-/")
            if _plausible(code, text, match.start("code")):
                labelled = 0.6 if re.search(r"[:#=]", text[match.end("label") : match.start("code")]) else 0.0
                scored.append(
                    (labelled + (0.5, 0.3, 0.0)[min(rank, 2)] + _weight(match["label"]), -match.start(), code)
                )
        for match in _SHAPED.finditer(text):
            code = (match["bare"] or match[0]).strip()
            if _plausible(code, text, match.start()):
                scored.append((0.1 + (0.5, 0.2, 0.0)[min(rank, 2)], -match.start(), code))
    return max(scored)[2] if scored else None


def _any_reference(texts: list[str]) -> bool:
    return any(_REFERENCE.search(text) or _SHAPED.search(text) for text in texts)


def _weight(label: str) -> float:
    label = label.lower()
    if label in {"account", "customer", "kunden", "member", "tracking", "patient", "subscriber"}:
        return 0.3
    return 0.9 if label in {"invoice", "order", "booking", "credit note", "receipt", "claim", "case"} else 0.7


def _plausible(code: str, text: str, start: int) -> bool:
    digits = sum(char.isdigit() for char in code)
    if digits < 2 or (digits < 3 and not re.search(r"[A-Za-z]", code)):
        return False
    before = text[max(0, start - 14) : start]
    if re.search(
        r"(?:tel\.?|phone|call|cell|mobile|fax)\W*$|[£$€]\s?$|\b(?:at|of|for|in|from|by|until|on)\s$",
        before,
        re.IGNORECASE,
    ):
        return False
    return (
        not re.fullmatch(r"555-\d{4}|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|(?:19|20)\d\d", code)
        or "invoice" in before.lower()
    )


def find_date(document: Document, *, newest_only: bool) -> tuple[str, str] | None:
    """Return when the document was written, as (ISO, as written): its date field, else the first full date in it."""
    american = bool(_AMERICAN.search(document.newest + document.quoted))
    for key in _DATE_KEYS:
        if key in document.fields:
            found = parse_date(document.fields[key], american=american)
            if found:
                return found
    head = "\n".join(document.lines[:4])
    return parse_date(head, american=american) or parse_date(
        document.newest if newest_only else document.newest + "\n" + document.quoted, american=american
    )


def _total_lines(text: str) -> list[Money]:
    """Return amounts on lines that name a total and end in a bare figure, the currency taken from the line or the text."""
    found = []
    for line in _TOTAL_LINE.finditer(text):
        code = line["code"] or _usual_currency(text)
        if code:
            found.append(Money(line["figure"], parse_number(line["figure"]), code, line.start("figure")))
    return found


def _usual_currency(text: str) -> str | None:
    named = re.search(rf"\b({_ISO})\b", text)
    near = all_money(text)
    return near[0].currency if near else named[1] if named else None


def find_amount(document: Document, kind: str, *, newest_only: bool, total: bool) -> Money | None:
    """Return the amount the document is about, or None where money is beside the point.

    Args:
        document: the document.
        kind: its kind, such as ``refund_request``; some kinds have no amount.
        newest_only: whether quoted text is left out.
        total: whether the total or claimed amount is looked for; else the first amount in the text is taken.
    """
    text = document.newest if newest_only else f"{document.newest}\n{document.quoted}"
    found = [money for money in all_money(text) if money.value > 0]
    if total:
        found += [money for money in _total_lines(text) if money.value > 0]
    if not found or not total:
        return found[0] if found else None
    if re.search(r"address|appointment|delivery|question|complaint|cancel", kind):
        return next(
            (
                m
                for m in found
                if re.search(r"balance due|\bbill\b|amount due|charged", text[max(0, m.start - 60) : m.start], re.I)
            ),
            None,
        )
    scored = [(_amount_score(money, text, kind), -order, money) for order, money in enumerate(found)]
    return max(scored, key=lambda each: each[:2])[2]


def _amount_score(money: Money, text: str, kind: str) -> float:
    line_start = max(text.rfind("\n", 0, money.start), text.rfind(". ", 0, money.start), money.start - 90) + 1
    before = text[line_start : money.start]
    after = text[money.start + len(money.text) : money.start + len(money.text) + 30].split("\n")[0]
    score = 0.0
    if _TOTAL.search(before) or _TOTAL.search(after[:15]):
        score += 3.0
    if "refund" in kind or "credit" in kind:
        score += 3.0 * bool(_CLAIM.search(before[-60:])) + 1.5 * bool(_CLAIM.search(after))
    score -= 1.2 * bool(_SMALL.search(before[-22:])) + 0.8 * bool(_SMALL.search(after[:14]))
    return score + 0.0005 * math.sqrt(money.value)
