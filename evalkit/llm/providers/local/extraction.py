"""Document to fields: what an extraction prompt asks for, filled in by rules."""

# ruff: noqa: E501 - tables of patterns and words read better unbroken

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from evalkit.llm.providers.local.documents import Document, read_document
from evalkit.llm.providers.local.features import Features
from evalkit.llm.providers.local.fieldvalues import (
    Money,
    all_money,
    find_amount,
    find_date,
    find_reference,
    find_sender,
)
from evalkit.llm.providers.local.kinds import document_kind
from evalkit.llm.providers.local.layout import Layout
from evalkit.llm.providers.local.noise import Noise
from evalkit.llm.providers.local.wording import damaged, schema_keys

__all__ = ["extract_fields", "field_role", "wants_extraction"]

_ASKS = re.compile(
    r"\b(?:extract\w*|fill (?:in|out)|pull (?:out|the)|read (?:off|the)|capture|record|parse|identify|fields?|keys?|collect|convert|classify|note down|list the)\b",
    re.IGNORECASE,
)
_ROLES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (role, re.compile(pattern, re.IGNORECASE))
    for role, pattern in (
        ("currency", r"currency|währung|iso_code"),
        ("amount", r"amount|total|sum|price|betrag|value"),
        ("date", r"date|day|when|datum|sent"),
        ("reference", r"ref|order|invoice|number|case|booking|code|_id$|^id$"),
        ("sender", r"sender|from|author|name|who|absender|customer|writer"),
        ("kind", r"kind|type|category|intent|class|topic|label"),
    )
)
_DEFAULT_KEYS = ("type", "from", "reference", "date", "total")


def field_role(key: str) -> str | None:
    """Return which business field the JSON key ``key`` asks for, or None."""
    return next((role for role, pattern in _ROLES if pattern.search(key)), None)


def wants_extraction(layout: Layout, features: Features) -> bool:
    """Return whether the prompt asks for fields of a document rather than for the answer to a question."""
    asked = bool(_ASKS.search(layout.instructions))
    return asked or sum(field_role(key) is not None for key in features.keys) >= 2


def extract_fields(
    document: str, instructions: str, features: Features, noise: Noise, *, schema: Mapping[str, Any] | None = None
) -> str:
    """Return the fields of ``document`` as JSON, or as ``key: value`` lines where the prompt asks for no JSON."""
    read = read_document(document)
    keys = features.keys or _named_keys(instructions) or _DEFAULT_KEYS
    kinds = _schema_kinds(schema, keys) or features.kinds
    values = _Values(read, kinds, features, noise)
    fields = {key: values.of(key) for key in keys}
    if not features.json:
        return "\n".join(f"{key}: {'-' if value is None else value}" for key, value in fields.items())
    text = orjson.dumps(fields).decode()
    if not features.brief and noise.draw("chatter") < 0.15:
        text = f"Here are the fields:\n{text}"
    return damaged(text, noise)


def _named_keys(instructions: str) -> tuple[str, ...]:
    named = re.findall(r"\b(kind|type|sender|reference|date|amount|currency|total)\b", instructions, re.IGNORECASE)
    return tuple(dict.fromkeys(word.lower() for word in named))


def _schema_kinds(schema: Mapping[str, Any] | None, keys: tuple[str, ...]) -> tuple[str, ...]:
    for key in keys:
        if field_role(key) == "kind" and key in schema_keys(schema):
            allowed = (schema or {})["properties"][key].get("enum") or ()
            return tuple(word for word in allowed if isinstance(word, str))
    return ()


class _Values:
    """The values of one document, each found once, slips included."""

    def __init__(self, document: Document, kinds: tuple[str, ...], features: Features, noise: Noise) -> None:
        self._document, self._features, self._noise = document, features, noise
        self._allowed = kinds
        self._kinds = document_kind(document, kinds, newest_only=features.newest)
        found = find_amount(document, self._kinds[0], newest_only=features.newest, total=features.total)
        self._money: Money | None = found or (None if features.abstain else self._any_money())
        self._finders: dict[str, Callable[[], Any]] = {
            "kind": self._kind,
            "sender": self._sender,
            "reference": self._reference,
            "date": self._date,
            "amount": self._amount,
            "currency": self._currency,
        }

    def of(self, key: str) -> Any:
        """Return the value for ``key``; None where the document has none."""
        role = field_role(key)
        if role is None:
            return self._document.fields.get(key.replace("_", " ").lower())
        if role not in {"kind", "currency"} and self._noise.slips("wrong_field", at=role):
            return self._slipped(role)
        return self._finders[role]()

    def _slipped(self, role: str) -> Any:
        if role == "sender":
            return self._document.first("to", "an", "subject", "betreff")
        if role == "amount":
            found = all_money(f"{self._document.newest}\n{self._document.quoted}")
            return found[-1].value if found and self._money is not found[-1] else None
        return None

    def _kind(self) -> str:
        second = self._noise.slips("wrong_kind") and len(self._kinds) > 1
        kind = self._kinds[1 if second else 0]
        return kind if self._allowed else kind.replace("_", " ")

    def _sender(self) -> str | None:
        found = find_sender(self._document)
        return found if found or self._features.abstain else self._document.first("from", "von", "to", "an")

    def _reference(self) -> str | None:
        found = find_reference(self._document, newest_only=self._features.newest)
        if found or self._features.abstain:
            return found
        guess = re.search(r"\b\d{2,}\b", self._document.newest)
        return guess[0] if guess else "unknown"

    def _date(self) -> str | None:
        found = find_date(self._document, newest_only=self._features.newest)
        if found:
            return found[0] if self._features.iso_date else found[1]
        return None if self._features.abstain else "2026-01-01"

    def _any_money(self) -> Money | None:
        found = all_money(f"{self._document.newest}\n{self._document.quoted}")
        return found[0] if found else None

    def _amount(self) -> float | str | None:
        if self._money is None:
            return None if self._features.abstain else 0
        return self._money.value if self._features.number else self._money.text

    def _currency(self) -> str | None:
        if self._money is None:
            return None if self._features.abstain else "EUR"
        if self._features.iso_currency:
            return self._money.currency
        sign = re.sub(r"[\d\s.,'-]", "", self._money.text)
        return sign or self._money.currency
