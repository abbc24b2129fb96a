"""Pacing keeps within a minute's limits in order; concurrency limits hold, hand over in turn and lose no slot."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from evalkit.llm.errors import ErrorCode
from evalkit.llm.limits import AdaptiveLimit, FixedLimit, Pacer, Slot


class FakeClock:
    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> datetime:
        return datetime(2026, 11, 23, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += max(seconds, 0.0)


def starts(pacer: Pacer, clock: FakeClock, tokens: list[int]) -> list[float]:
    async def one(count: int) -> float:
        await pacer.reserve(count)
        return clock.time

    async def all_of_them() -> list[float]:
        return [await one(count) for count in tokens]

    return asyncio.run(all_of_them())


def most_in_a_minute(times: list[float], units: list[int]) -> int:
    most = total = first = 0
    for last, time in enumerate(times):
        total += units[last]
        while times[first] <= time - 60.0:
            total -= units[first]
            first += 1
        most = max(most, total)
    return most


@pytest.mark.parametrize("limit", [1, 7, 60, 600, 5000])
def test_no_minute_has_more_requests_than_its_limit(limit: int) -> None:
    clock = FakeClock()
    count = 3 * limit + 3
    times = starts(Pacer(clock, requests_per_minute=limit), clock, [0] * count)
    assert most_in_a_minute(times, [1] * count) <= limit
    assert times[-1] - times[0] <= 60.0 * count / (0.96 * limit) + 1


def test_no_minute_has_more_tokens_than_its_limit_and_one_call() -> None:
    clock = FakeClock()
    tokens = [100, 900, 50, 3000, 10] * 20
    times = starts(Pacer(clock, tokens_per_minute=6000), clock, tokens)
    assert most_in_a_minute(times, tokens) < 6000 + max(tokens)
    assert times[0] == 100.0
    assert times[-1] - times[0] <= 60.0 * sum(tokens) / 5500


def test_a_request_larger_than_the_limit_still_goes_through() -> None:
    clock = FakeClock()
    times = starts(Pacer(clock, tokens_per_minute=1000), clock, [5000, 1])
    assert times[0] == 100.0
    assert times[1] - times[0] > 250


def test_an_estimate_is_corrected_by_the_count() -> None:
    clock = FakeClock()
    pacer = Pacer(clock, tokens_per_minute=6000)
    starts(pacer, clock, [100])
    pacer.settle(reserved=100, used=6100)
    before = clock.time
    starts(pacer, clock, [1])
    assert clock.time - before > 55


def test_without_limits_nobody_waits() -> None:
    clock = FakeClock()
    pacer = Pacer(clock)
    assert not pacer.limited
    assert starts(pacer, clock, [10**9] * 5) == [100.0] * 5


async def test_a_cancelled_reservation_is_given_back() -> None:
    class Stuck(FakeClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.Event().wait()

    clock = Stuck()
    pacer = Pacer(clock, requests_per_minute=1)
    await pacer.reserve()
    clock.time += 30
    waiting = asyncio.create_task(pacer.reserve())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    clock.time += 31
    assert await asyncio.wait_for(pacer.reserve(), 1) == 0.0


async def test_at_most_the_limit_runs_and_turns_are_kept() -> None:
    limit = FixedLimit(2)
    order: list[int] = []
    most = 0

    async def one(number: int) -> None:
        nonlocal most
        slot = await limit.acquire()
        order.append(number)
        most = max(most, limit.in_flight)
        await asyncio.sleep(0)
        slot.release()
        slot.release()

    await asyncio.gather(*[one(number) for number in range(10)])
    assert most == 2
    assert order == list(range(10))
    assert limit.in_flight == 0


async def test_cancelled_waiters_lose_no_slot() -> None:
    limit = FixedLimit(1)
    held = await limit.acquire()
    waiting = [asyncio.create_task(limit.acquire()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    held.release()
    waiting[1].cancel()  # it has just been given the slot
    slot = await asyncio.wait_for(waiting[2], 1)
    slot.release()
    assert limit.in_flight == 0


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        FixedLimit(0)


async def _round(limit: AdaptiveLimit, clock: FakeClock, code: ErrorCode | None) -> None:
    slots: list[Slot] = [await limit.acquire() for _ in range(limit.limit)]
    clock.time += 1
    for slot in slots:
        slot.release(code)
    clock.time += 1


async def test_an_adaptive_limit_grows_by_one_a_round_and_is_cut_once_a_round() -> None:
    clock = FakeClock()
    limit = AdaptiveLimit(10, clock, maximum=14)
    before = limit.limit
    await _round(limit, clock, "rate_limit")
    assert limit.limit == int(before * 0.7)
    for _ in range(40):
        await _round(limit, clock, None)
    assert 8 <= limit.limit <= 14
    for _ in range(30):
        await _round(limit, clock, "overloaded")
    assert limit.limit == 1


async def test_an_adaptive_limit_ignores_faults_of_the_request() -> None:
    clock = FakeClock()
    limit = AdaptiveLimit(4, clock)
    await _round(limit, clock, "bad_request")
    assert limit.limit == 4


async def test_an_idle_adaptive_limit_does_not_grow() -> None:
    clock = FakeClock()
    limit = AdaptiveLimit(4, clock)
    for _ in range(50):
        slot = await limit.acquire()
        slot.release()
    assert limit.limit == 4
