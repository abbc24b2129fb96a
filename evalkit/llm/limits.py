"""How fast and how many at once: pacing by requests and tokens a minute, and limits on concurrent calls."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from evalkit.base.clock import Clock
from evalkit.llm.errors import ErrorCode

__all__ = ["AdaptiveLimit", "ConcurrencyLimit", "FixedLimit", "Pacer", "Slot"]

_WINDOW_S = 60.0
_BURST_S = 1.0
_SLOW_DOWN: frozenset[ErrorCode] = frozenset({"rate_limit", "overloaded", "timeout", "connection"})


class _Bucket:
    """Units a minute. A caller starts when one unit is there and goes into debt for the rest of what it takes.

    So single units (requests) never exceed the limit in any 60 s; larger ones (tokens) do by less than one call's.
    """

    def __init__(self, per_minute: float, now: float) -> None:
        self.capacity = max(1.0, per_minute * _BURST_S / _WINDOW_S)
        self.rate = (per_minute - self.capacity + 1.0) / _WINDOW_S * (1.0 - 1e-9)
        self.level = self.capacity
        self.at = now

    def take(self, units: float, now: float) -> float:
        """Take ``units`` now; return the seconds until the caller may start."""
        self.level = min(self.capacity, self.level + max(now - self.at, 0.0) * self.rate)
        self.at = now
        wait = max(0.0, (min(units, 1.0) - self.level) / self.rate)
        self.level -= units
        return wait


class Pacer:
    """Keeps calls within a provider's requests and tokens a minute.

    A call reserves its place at once and then sleeps until it has come, so calls start in the order they asked. Waiting
    is the caller's to leave out of its latency.

    Args:
        clock: time and sleeping.
        requests_per_minute: at least 1; None for no limit.
        tokens_per_minute: at least 1; None for no limit.
    """

    def __init__(
        self, clock: Clock, *, requests_per_minute: float | None = None, tokens_per_minute: float | None = None
    ) -> None:
        now = clock.monotonic()
        self._clock = clock
        self._requests = _Bucket(requests_per_minute, now) if requests_per_minute else None
        self._tokens = _Bucket(tokens_per_minute, now) if tokens_per_minute else None

    @property
    def limited(self) -> bool:
        """Whether there is any limit at all."""
        return self._requests is not None or self._tokens is not None

    async def reserve(self, tokens: int = 0) -> float:
        """Wait until a call of an estimated ``tokens`` may start; return the seconds waited."""
        if not self.limited:
            return 0.0
        wait = self._take(1.0, float(tokens))
        if wait > 0:
            try:
                await self._clock.sleep(wait)
            except asyncio.CancelledError:
                self._take(-1.0, -float(tokens))
                raise
        return wait

    def settle(self, *, reserved: int, used: int) -> None:
        """Correct an estimate by what the provider counted."""
        if self._tokens is not None:
            self._tokens.take(float(used - reserved), self._clock.monotonic())

    def _take(self, requests: float, tokens: float) -> float:
        now = self._clock.monotonic()
        waits = [
            bucket.take(units, now)
            for bucket, units in ((self._requests, requests), (self._tokens, tokens))
            if bucket is not None
        ]
        return max(waits, default=0.0)


class Slot(Protocol):
    """One permitted call."""

    def release(self, code: ErrorCode | None = None) -> None:
        """Give the slot back; ``code`` says how the call failed, None that it did not."""
        ...


class ConcurrencyLimit(Protocol):
    """How many calls may be in flight. Every ``acquire`` is followed by exactly one ``release`` of its slot."""

    @property
    def limit(self) -> int:
        """The number of calls allowed at present."""
        ...

    @property
    def in_flight(self) -> int:
        """The number of calls in flight."""
        ...

    async def acquire(self) -> Slot:
        """Wait for a slot, first come first served."""
        ...


class FixedLimit:
    """A constant number of calls at once.

    Args:
        limit: at least 1.
    """

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"a limit of {limit} calls lets nothing through")
        self._limit = limit
        self._in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """The number of calls allowed."""
        return self._limit

    @property
    def in_flight(self) -> int:
        """The number of calls in flight."""
        return self._in_flight

    async def acquire(self) -> Slot:
        """Wait for a slot, first come first served."""
        if self._in_flight < self.limit and not self._waiting:
            self._in_flight += 1
            return self._slot()
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free()
            raise
        return self._slot()

    def _slot(self) -> Slot:
        return _FixedSlot(self)

    def _free(self) -> None:
        self._in_flight -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._in_flight < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self._in_flight += 1
                turn.set_result(None)


class _FixedSlot:
    __slots__ = ("_owner",)

    def __init__(self, owner: FixedLimit) -> None:
        self._owner: FixedLimit | None = owner

    def release(self, code: ErrorCode | None = None) -> None:  # noqa: ARG002 - a constant limit learns nothing
        owner, self._owner = self._owner, None
        if owner is not None:
            owner._free()


class AdaptiveLimit(FixedLimit):
    """Additive increase, multiplicative decrease: finds how many calls at once a provider bears.

    A success under a full limit raises it by one call a round of calls; a failure that speaks of overload cuts it by
    ``factor``, once for all the calls that were in flight then.

    Args:
        start: the limit to begin with.
        clock: tells calls begun before a cut from those begun after it.
        minimum: never below this.
        maximum: never above this.
        factor: what is left after a cut, in (0, 1).
    """

    def __init__(self, start: int, clock: Clock, *, minimum: int = 1, maximum: int = 256, factor: float = 0.7) -> None:
        super().__init__(start)
        if not minimum <= start <= maximum or not 0 < factor < 1:
            raise ValueError("needs minimum <= start <= maximum and 0 < factor < 1")
        self._clock = clock
        self._level = float(start)
        self._bounds = (float(minimum), float(maximum))
        self._factor = factor
        self._cut_at = float("-inf")

    @property
    def limit(self) -> int:
        """The number of calls allowed at present."""
        return int(self._level)

    def _slot(self) -> Slot:
        return _AdaptiveSlot(self, self._clock.monotonic())

    def learn(self, begun: float, code: ErrorCode | None) -> None:
        """Adapt to a call begun at ``begun`` that ended with ``code``, and give its slot back."""
        low, high = self._bounds
        if code in _SLOW_DOWN:
            if begun > self._cut_at:
                self._level = max(low, self._level * self._factor)
                self._cut_at = self._clock.monotonic()
        elif code is None and self._in_flight >= int(self._level):
            self._level = min(high, self._level + 1.0 / self._level)
        self._free()


class _AdaptiveSlot:
    __slots__ = ("_begun", "_owner")

    def __init__(self, owner: AdaptiveLimit, begun: float) -> None:
        self._owner: AdaptiveLimit | None = owner
        self._begun = begun

    def release(self, code: ErrorCode | None = None) -> None:
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.learn(self._begun, code)
