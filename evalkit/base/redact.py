"""Secrets out of text, at the moment the text leaves for a file, a log or a screen."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["Redactor"]

_MASK = "***"
_SHAPES = re.compile(
    r"\b(?:sk|pk|rk)-[A-Za-z0-9_\-]{16,}"
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{30,}"
    r"|\bxox[abprs]-[A-Za-z0-9\-]{10,}"
    r"|\bAIza[0-9A-Za-z_\-]{30,}"
    r"|(?i:\bbearer\s+)[A-Za-z0-9._\-]{16,}"
)


class Redactor:
    """Replaces known secret values and things shaped like keys by ``***``.

    Args:
        secrets: values known to be secret (provider keys); values shorter than 6 characters are not replaced.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._values = sorted({value for value in secrets if len(value) >= 6}, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return ``text`` with every secret masked."""
        for value in self._values:
            text = text.replace(value, _MASK)
        return _SHAPES.sub(_MASK, text)
