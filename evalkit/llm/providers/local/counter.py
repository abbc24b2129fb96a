"""How often each request was received, so that a test can prove that nothing was paid for twice."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

__all__ = ["RequestCounter"]


class RequestCounter:
    """Counts by request digest; the digests seen longest ago are dropped beyond ``limit``.

    Args:
        limit: how many digests are kept.
    """

    def __init__(self, limit: int = 20_000) -> None:
        self._limit = limit
        self._received: OrderedDict[str, int] = OrderedDict()
        self._answered: dict[str, int] = {}
        self._faults: dict[str, int] = {}
        self._totals = {"received": 0, "answered": 0, "dropped_digests": 0}

    def receive(self, key: str) -> int:
        """Count a request with digest ``key`` and return how many times it came before."""
        before = self._received.pop(key, 0)
        self._received[key] = before + 1
        self._totals["received"] += 1
        if len(self._received) > self._limit:
            old, _ = self._received.popitem(last=False)
            self._answered.pop(old, None)
            self._totals["dropped_digests"] += 1
        return before

    def answer(self, key: str) -> None:
        """Count a complete answer to the request with digest ``key``."""
        self._totals["answered"] += 1
        if key in self._received:
            self._answered[key] = self._answered.get(key, 0) + 1

    def fault(self, kind: str) -> None:
        """Count an injected fault."""
        self._faults[kind] = self._faults.get(kind, 0) + 1

    def snapshot(self) -> dict[str, Any]:
        """Return totals, and per digest how often it was received and answered."""
        return {
            **self._totals,
            "distinct": len(self._received),
            "answered_twice": sum(count > 1 for count in self._answered.values()),
            "faults": dict(self._faults),
            "by_digest": dict(self._received),
            "answered_by_digest": dict(self._answered),
        }
