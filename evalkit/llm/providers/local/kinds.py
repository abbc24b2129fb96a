"""Which kind of document it is, by the words it uses."""

# ruff: noqa: E501 - tables of patterns and words read better unbroken

from __future__ import annotations

import re
from collections.abc import Sequence

from evalkit.llm.providers.local.documents import Document
from evalkit.llm.providers.local.words import related, stem

__all__ = ["document_kind"]

_SIGNS: dict[str, tuple[tuple[float, str], ...]] = {
    "refund_request": (
        (3, r"\b(?:refund\w*|reimburse\w*|money back|erstatt\w+|rückerstatt\w+|rembours\w+|reembols\w+)"),
        (
            2,
            r"\b(?:return(?:ed)? (?:one|the|it|my|to)|claim back|give (?:me|us) back|back to my (?:card|account)|overpa\w+|overcharg\w+|charged twice|duplicate payment|would like (?:it|them) returned)",
        ),
        (1.5, r"\b(?:deposit back|want my|my .{0,12} back|deducted|withheld|compensat\w+)"),
    ),
    "delivery_problem": (
        (2, r"\b(?:parcel|package|consignment|shipment|sendung|paket|colis|paquete|courier|tracking|driver|fahrer)\b"),
        (
            2,
            r"\b(?:not arrived|never arrived|has not come|have not (?:come|arrived)|missing|lost|stuck|where is|wrong (?:item|colour|size|address)|only (?:one|two|half)|damaged|broken|durchnässt|late|delayed|still waiting|nothing (?:came|has come|moves))",
        ),
        (1, r"\b(?:deliver\w*|arriv\w+|despatch\w*|dispatch\w*|depot|box|sent me)\b"),
    ),
    "appointment": (
        (3, r"\b(?:appointment|reschedul\w+|book (?:a|an|the|us|me) \w+|termin|abhol\w+|slot|rendez-vous|cita)\b"),
        (
            2,
            r"\b(?:can we (?:move|meet)|may i come|come (?:on|and)|would you (?:come|be free)|are you free|available on|visit|viewing|will attend|meet (?:you|on|us)|openings?|consultation|inspection)\b",
        ),
        (1, r"\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day\b.{0,40}\b(?:at|around|between|\d))"),
    ),
    "question": (
        (1, r"\?"),
        (
            1.5,
            r"\b(?:question|wonder\w*|is there (?:a|any)|do you (?:have|offer|sell|know)|could you tell|can you tell|what would|how (?:do|is|are|can|much|long)|would it be|is it (?:possible|all right|ok)|before i (?:buy|order|book)|frage|pregunta)\b",
        ),
    ),
    "address_change": (
        (
            3,
            r"\b(?:new address|change of address|address change|neue (?:anschrift|adresse)|adresse geändert|forwarding address|nouvelle adresse|nueva dirección)",
        ),
        (
            2,
            r"\b(?:moved?|moving|(?:new|mailing) (?:house|flat|place|address)|umzug|ziehen|old address|no longer (?:live|to be found)|relocat\w+|letters .{0,30}go to)\b",
        ),
        (1, r"\b(?:address|anschrift|postcode)\b"),
    ),
    "invoice": (
        (
            3,
            r"\b(?:invoice (?:number|no|date|#)|invoice:|rechnung(?:snummer| nr)|facture n|factura n|statement of account|amount due|balance due|total due|please pay|payable (?:by|within)|total to pay)",
        ),
        (1, r"\b(?:invoice|rechnung|vat|due|payment terms|net 30|statement)\b"),
    ),
    "order": (
        (
            3,
            r"\b(?:purchase order|order total|order value|please (?:send|make|supply|deliver)|we (?:would like|want) to order|i(?:'d| would) like to order|bestell(?:e|ung)|place an order|we take it|put (?:me|us) down for)",
        ),
        (1, r"\b(?:order|qty|quantity|each|\d+ x)\b"),
    ),
    "receipt": (
        (
            3,
            r"\b(?:receipt|payment received|amount paid|paid with thanks|quittung|thank you for (?:your )?payment|reçu|recibo)\b",
        ),
        (1, r"\b(?:card ending|approval|paid)\b"),
    ),
    "credit_note": ((4, r"\b(?:credit note|gutschrift|credited|nota de crédito|avoir|correction)\b"),),
    "complaint": ((2, r"\b(?:complain\w*|unacceptable|disappoint\w+|dissatisf\w+|beschwer\w+)\b"),),
    "cancellation": ((3, r"\b(?:cancel\w*|kündig\w+|terminate|withdraw from)\b"),),
}
_COMPILED = {
    kind: tuple((weight, re.compile(pattern, re.IGNORECASE)) for weight, pattern in signs)
    for kind, signs in _SIGNS.items()
}


_TITLES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        ("credit_note", r"\b(?:credit (?:note|memo)|gutschrift|avoir|nota de crédito)\b"),
        (
            "order",
            r"\b(?:order confirmation|purchase order|(?:bon de )?commande|sales order|order slip|order (?:no|number|form)|bestellung)\b|^order\b",
        ),
        ("receipt", r"\b(?:receipt|cash memo|quittung|reçu|recibo|paid in full)\b"),
        ("invoice", r"\b(?:invoice|facture|rechnung|factura|statement|bill)\b"),
    )
)


def _titled(document: Document) -> str | None:
    """Return the kind a business paper calls itself in its first lines, or None for a letter."""
    if document.subject or re.search(
        r"^\s*(?:dear|hi|hello|sir|good)\b", document.newest, re.IGNORECASE | re.MULTILINE
    ):
        return None
    for line in document.lines[:6]:
        for kind, pattern in _TITLES:
            if pattern.search(line.strip("* ")):
                return kind
    return None


def document_kind(document: Document, allowed: Sequence[str], *, newest_only: bool) -> list[str]:
    """Return the kinds the document may be of, likeliest first, out of ``allowed`` (any where it is empty)."""
    text = document.newest if newest_only else f"{document.newest}\n{document.quoted}"
    kinds = list(allowed) or list(_SIGNS)
    scored = []
    title = _titled(document)
    for order, kind in enumerate(kinds):
        signs = _COMPILED.get(_nearest(kind), ())
        value = sum(
            weight * (min(len(pattern.findall(text)), 2) + bool(pattern.search(document.subject)))
            for weight, pattern in signs
        )
        if not signs:
            value = sum(
                1.5 for word in re.split(r"[_\W]+", kind) if re.search(rf"\b{re.escape(word)}", text, re.IGNORECASE)
            )
        value += 6.0 * (title is not None and _nearest(kind) == title)
        scored.append((-value, order, kind))
    return [kind for _, _, kind in sorted(scored)]


def _nearest(kind: str) -> str:
    if kind in _SIGNS:
        return kind
    parts = {stem(word) for word in re.split(r"[_\W]+", kind)}
    wide = parts.union(*(related(word) for word in parts))
    for known in _SIGNS:
        if wide & {stem(word) for word in known.split("_")}:
            return known
    return kind
