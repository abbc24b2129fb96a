"""Asking again: one deadline for all attempts, full jitter, the provider's word on waiting, a budget for retries.

A permanent error is asked once. ``Retry-After`` is never undercut: if it does not fit before the deadline, the call
ends with the error it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from evalkit.base.clock import Clock
from evalkit.base.errors import ModelError
from evalkit.llm.errors import model_error
from evalkit.llm.wire import ChatResponse

__all__ = ["Attempt", "CallOutcome", "RandomSource", "RetryBudget", "RetryPolicy", "call_with_retries"]

_GRACE_S = 0.5
"""How much longer than its timeout an attempt may take to end by itself before it is cut off."""


class RandomSource(Protocol):
    """What both ``random.Random`` and ``numpy.random.Generator`` offer."""

    def random(self) -> float:
        """Return a number in [0, 1)."""
        ...


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently.

    Attributes:
        max_attempts: attempts in all, at least 1.
        base_s: upper end of the first random wait; it doubles with each further one.
        cap_s: upper end of any random wait. A provider's own Retry-After is not cut by it.
        attempt_timeout_s: limit of one attempt; None leaves it to the deadline alone.
    """

    max_attempts: int = 6
    base_s: float = 0.5
    cap_s: float = 30.0
    attempt_timeout_s: float | None = None

    def backoff_s(self, attempt: int, rng: RandomSource) -> float:
        """Return the wait after the ``attempt``-th failure (from 1): uniform in [0, base · 2^(attempt-1)), capped."""
        return float(rng.random()) * min(self.cap_s, self.base_s * 2.0 ** min(attempt - 1, 60))


class RetryBudget:
    """Retries allowed in proportion to first attempts, shared by many calls.

    Each call earns ``ratio`` retries; ``floor`` are there from the start. Used up, a failed call is not repeated, so
    that retries cannot multiply the load on a provider that is down.

    Args:
        ratio: retries earned by each call.
        floor: retries available before any call, and the most that are saved up beyond what is earned at once.
    """

    def __init__(self, ratio: float, *, floor: float = 10.0) -> None:
        self._ratio = ratio
        self._ceiling = floor + 100.0 * ratio
        self._left = floor

    def earn(self) -> None:
        """Note a first attempt."""
        self._left = min(self._left + self._ratio, self._ceiling)

    def spend(self) -> bool:
        """Take one retry; return whether there was one."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


@dataclass(frozen=True, slots=True)
class Attempt:
    """One finished attempt, as told to ``on_attempt``.

    Attributes:
        number: 1 for the first.
        elapsed_s: how long it took.
        error: why it failed, or None.
        wait_s: how long until the next one, or None if there is none.
    """

    number: int
    elapsed_s: float
    error: ModelError | None
    wait_s: float | None


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """What a call came to: exactly one of ``response`` and ``error`` is set.

    Attributes:
        response: the answer.
        error: the last attempt's error.
        attempts: how often the model was asked.
        elapsed_s: from the first attempt to the end, without the time ``pace`` waited.
    """

    response: ChatResponse | None
    error: ModelError | None
    attempts: int
    elapsed_s: float


async def call_with_retries(
    attempt: Callable[[float], Awaitable[ChatResponse]],
    *,
    clock: Clock,
    rng: RandomSource,
    deadline_s: float,
    policy: RetryPolicy = RetryPolicy(),
    budget: RetryBudget | None = None,
    pace: Callable[[], Awaitable[None]] | None = None,
    on_attempt: Callable[[Attempt], None] | None = None,
) -> CallOutcome:
    """Return what ``attempt`` came to, repeated while that can help and time is left.

    Args:
        attempt: asks once; takes the seconds it may take; raises :class:`ModelError` for a failure.
        clock: time, and the sleeping.
        rng: source of jitter.
        deadline_s: seconds for all attempts and the waits between them.
        policy: how often and how patiently.
        budget: retries shared with other calls.
        pace: waited for before every attempt; its time counts neither as elapsed nor against the deadline.
        on_attempt: told of every finished attempt.
    """
    paced = 0.0
    started = clock.monotonic()
    number = 0
    if budget is not None:
        budget.earn()
    while True:
        if pace is not None:
            before = clock.monotonic()
            await pace()
            paced += clock.monotonic() - before
        number += 1
        begun = clock.monotonic()
        left = deadline_s - (begun - started - paced)
        response, error = await _once(attempt, _timeout(left, policy))
        now = clock.monotonic()
        left = deadline_s - (now - started - paced)
        wait = _wait(error, number, left, policy, rng, budget) if error is not None else None
        if on_attempt is not None:
            on_attempt(Attempt(number, now - begun, error, wait))
        if wait is None:
            return CallOutcome(response, error, number, now - started - paced)
        await clock.sleep(wait)


def _timeout(left: float, policy: RetryPolicy) -> float:
    limit = left if policy.attempt_timeout_s is None else min(left, policy.attempt_timeout_s)
    return max(limit, 0.001)


async def _once(
    attempt: Callable[[float], Awaitable[ChatResponse]], timeout_s: float
) -> tuple[ChatResponse | None, ModelError | None]:
    try:
        async with asyncio.timeout(timeout_s + min(_GRACE_S, 0.1 * timeout_s)):
            return await attempt(timeout_s), None
    except ModelError as error:
        return None, error
    except TimeoutError:
        return None, model_error("timeout", f"no answer within {timeout_s:.1f} s")


def _wait(
    error: ModelError,
    number: int,
    left: float,
    policy: RetryPolicy,
    rng: RandomSource,
    budget: RetryBudget | None,
) -> float | None:
    """Return the wait before the next attempt, or None if there is none."""
    if not error.retryable or number >= policy.max_attempts:
        return None
    wait = policy.backoff_s(number, rng)
    if error.retry_after_s is not None:
        wait += error.retry_after_s  # jitter on top: callers told the same second do not return in the same one
    if wait >= left or (budget is not None and not budget.spend()):
        return None
    return wait
