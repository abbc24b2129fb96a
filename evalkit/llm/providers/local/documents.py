"""A letter, e-mail or invoice taken apart: header fields, subject, newest text, quoted text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["Document", "read_document"]

_FIELD = re.compile(r"^\s*(?P<key>[A-Za-zÀ-ÿ][\wÀ-ÿ .#/-]{0,30}?)\s*[:=]\s*(?P<value>\S.*?)\s*$")
_COLUMNS = re.compile(r"\s{3,}")
_SPACED = re.compile(r"^\s*(?P<key>[A-Za-zÀ-ÿ][A-Za-zÀ-ÿ .]{2,24}?)\s{3,}(?P<value>\S.*?)\s*$")
_QUOTE_STARTS = re.compile(
    r"^\s*(?:-{2,}.*(?:original|forwarded|ursprüngliche|weitergeleitete|mensaje|message).*|_{5,}|"
    r"(?:on|am|le|el)\b.{4,80}\b(?:wrote|schrieb|a écrit|escribió)\b.*:?)\s*$",
    re.IGNORECASE,
)
_SUBJECT = ("subject", "betreff", "objet", "asunto", "re", "topic", "regarding")


@dataclass(frozen=True, slots=True)
class Document:
    """One document read.

    ``fields`` are the ``Key: value`` lines outside quoted text, keys in lower case, first of each; ``newest`` the text
    without header and quotes; ``quoted`` the rest.
    """

    fields: dict[str, str]
    subject: str
    newest: str
    quoted: str
    lines: tuple[str, ...]

    def first(self, *keys: str) -> str | None:
        """Return the value of the first of ``keys`` the document has."""
        return next((self.fields[key] for key in keys if key in self.fields), None)


@lru_cache(maxsize=512)
def read_document(text: str) -> Document:
    """Return ``text`` taken apart; the 512 documents used last are kept."""
    fields: dict[str, str] = {}
    newest: list[str] = []
    quoted: list[str] = []
    in_quote = False
    header = True
    for line in text.splitlines():
        in_quote = in_quote or bool(_QUOTE_STARTS.match(line))
        if in_quote or line.lstrip().startswith(">"):
            quoted.append(line.lstrip("> "))
            continue
        found = None
        for part in _COLUMNS.split(line.strip()):
            found = _FIELD.match(part)
            if found:
                fields.setdefault(found["key"].strip().lower(), found["value"])
        spaced = _SPACED.match(line)
        if spaced and not found:
            fields.setdefault(spaced["key"].strip().lower(), spaced["value"])
        if header and line.strip() and not found and newest:
            header = False
        newest.append(line)
    subject = next((fields[key] for key in _SUBJECT if key in fields), "")
    kept = tuple(line.rstrip() for line in newest if line.strip())
    return Document(fields, subject, "\n".join(newest).strip(), "\n".join(quoted).strip(), kept)
