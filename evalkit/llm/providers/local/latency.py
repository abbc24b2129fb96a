"""Seeded waiting times: log-normal around a base, plus a time per token."""

from __future__ import annotations

import math

from evalkit.base.hashing import unit_interval
from evalkit.base.model import Frozen

__all__ = ["Latency"]


class Latency(Frozen):
    """How long an answer takes.

    Attributes:
        base_ms: the median time to the first token, in milliseconds; 0 answers at once.
        per_token_ms: added for each token of the answer.
        sigma: the spread of the logarithm of the time to the first token.
    """

    base_ms: float = 0.0
    per_token_ms: float = 0.0
    sigma: float = 0.3

    def first_token_s(self, seed: int, key: str, attempt: int) -> float:
        """Return the seconds until the first token of the ``attempt``-th answer to the request ``key``."""
        if self.base_ms <= 0:
            return 0.0
        radius = math.sqrt(-2 * math.log(1 - unit_interval("latency", seed, key, attempt, "r")))
        angle = 2 * math.pi * unit_interval("latency", seed, key, attempt, "a")
        return self.base_ms / 1000 * math.exp(self.sigma * radius * math.cos(angle))

    def tokens_s(self, count: int) -> float:
        """Return the seconds ``count`` tokens take."""
        return self.per_token_ms * count / 1000
