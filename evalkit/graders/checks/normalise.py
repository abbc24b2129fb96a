"""Text made comparable: Unicode form, case, whitespace, punctuation."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import reduce
from typing import Literal

__all__ = ["UnicodeForm", "Whitespace", "normaliser"]

UnicodeForm = Literal["none", "NFC", "NFKC"]
Whitespace = Literal["keep", "trim", "collapse"]


def normaliser(
    *, unicode: UnicodeForm, ignore_case: bool, whitespace: Whitespace, ignore_punctuation: bool = False
) -> Callable[[str], str]:
    """Return the function that makes texts comparable, its steps in a fixed order.

    Unicode form first, then case (full case folding), punctuation, and whitespace last, because removed punctuation
    may leave spaces behind.
    """
    steps: list[Callable[[str], str]] = []
    if unicode != "none":
        steps.append(_composed if unicode == "NFC" else _compatible)
    if ignore_case:
        steps.append(str.casefold)
    if ignore_punctuation:
        steps.append(_without_punctuation)
    if whitespace == "trim":
        steps.append(str.strip)
    elif whitespace == "collapse":
        steps.append(_collapsed)
    if len(steps) == 1:
        return steps[0]
    return lambda text: reduce(_apply, steps, text)


def _apply(text: str, step: Callable[[str], str]) -> str:
    return step(text)


def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _compatible(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def _collapsed(text: str) -> str:
    return " ".join(text.split())


def _without_punctuation(text: str) -> str:
    """Return ``text`` without the characters of the Unicode categories P (punctuation)."""
    return "".join(char for char in text if not _is_punctuation(char))


def _is_punctuation(char: str) -> bool:
    return unicodedata.category(char).startswith("P")
