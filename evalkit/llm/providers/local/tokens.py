"""The embedded model's tokenizer: simple, documented, the same on every machine.

A token is up to six letters, up to three digits, or one other visible character, together with the white space before
it. English prose comes out at about 1.2 tokens a word.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["count_tokens", "pieces"]

_TOKEN = re.compile(r"\s*(?:[^\W\d_]{1,6}|\d{1,3}|[^\w\s]|_)|\s+\Z", re.UNICODE)


def pieces(text: str) -> list[str]:
    """Return the tokens of ``text``; joined they give ``text`` back."""
    return _TOKEN.findall(text)


@lru_cache(maxsize=1024)
def count_tokens(text: str) -> int:
    """Return how many tokens ``text`` has."""
    return len(_TOKEN.findall(text))
