"""A call is repeated while that helps: never a permanent error, never before its time, never past the deadline."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from evalkit.base.errors import ModelError
from evalkit.llm.errors import RETRYABLE, ErrorCode, model_error
from evalkit.llm.retry import Attempt, CallOutcome, RetryBudget, RetryPolicy, call_with_retries
from evalkit.llm.wire import ChatResponse

OK = ChatResponse(text="ok")


class FakeClock:
    def __init__(self) -> None:
        self.time = 100.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 11, 23, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


class Script:
    """A model that fails as told, each attempt taking ``takes_s``, and then answers."""

    def __init__(self, clock: FakeClock, *errors: ModelError, takes_s: float = 0.1) -> None:
        self.clock = clock
        self.errors = list(errors)
        self.takes_s = takes_s
        self.begun: list[float] = []
        self.timeouts: list[float] = []

    async def __call__(self, timeout_s: float) -> ChatResponse:
        self.begun.append(self.clock.time)
        self.timeouts.append(timeout_s)
        self.clock.time += self.takes_s
        if self.errors:
            raise self.errors.pop(0)
        return OK


def run(
    script: Callable[[float], Awaitable[ChatResponse]],
    clock: FakeClock,
    *,
    deadline_s: float = 60.0,
    policy: RetryPolicy | None = None,
    budget: RetryBudget | None = None,
    pace: Callable[[], Awaitable[None]] | None = None,
    on_attempt: Callable[[Attempt], None] | None = None,
) -> CallOutcome:
    return asyncio.run(
        call_with_retries(
            script,
            clock=clock,
            rng=random.Random(1),
            deadline_s=deadline_s,
            policy=policy or RetryPolicy(),
            budget=budget,
            pace=pace,
            on_attempt=on_attempt,
        )
    )


def test_a_call_that_succeeds_is_made_once() -> None:
    clock = FakeClock()
    outcome = run(Script(clock), clock)
    assert (outcome.response, outcome.error, outcome.attempts) == (OK, None, 1)
    assert outcome.elapsed_s == pytest.approx(0.1)
    assert clock.slept == []


@pytest.mark.parametrize(
    "code", ["auth", "bad_request", "not_found", "quota_exhausted", "context_length", "application"]
)
def test_a_permanent_error_is_asked_exactly_once(code: ErrorCode) -> None:
    clock = FakeClock()
    script = Script(clock, *[model_error(code, "no")] * 9)
    outcome = run(script, clock)
    assert outcome.error is not None
    assert (outcome.response, outcome.error.code, outcome.attempts) == (None, code, 1)
    assert len(script.begun) == 1


@pytest.mark.parametrize("code", sorted(RETRYABLE))
def test_a_passing_error_is_asked_again(code: ErrorCode) -> None:
    clock = FakeClock()
    outcome = run(Script(clock, model_error(code, "x"), model_error(code, "x")), clock)
    assert (outcome.response, outcome.attempts) == (OK, 3)


def test_attempts_end_at_their_number() -> None:
    clock = FakeClock()
    outcome = run(Script(clock, *[model_error("overloaded", "x")] * 99), clock, policy=RetryPolicy(max_attempts=4))
    assert outcome.error is not None
    assert (outcome.error.code, outcome.attempts) == ("overloaded", 4)


@pytest.mark.parametrize("asked_s", [0.5, 7.0, 37.044])
def test_retry_after_is_never_undercut(asked_s: float) -> None:
    clock = FakeClock()
    script = Script(clock, model_error("rate_limit", "x", retry_after_s=asked_s))
    run(script, clock)
    assert script.begun[1] - (script.begun[0] + script.takes_s) >= asked_s


def test_a_retry_after_beyond_the_deadline_ends_the_call_at_once() -> None:
    clock = FakeClock()
    outcome = run(Script(clock, model_error("rate_limit", "x", retry_after_s=90)), clock, deadline_s=60)
    assert outcome.error is not None
    assert (outcome.error.code, outcome.attempts, clock.slept) == ("rate_limit", 1, [])


def test_one_deadline_holds_for_all_attempts() -> None:
    clock = FakeClock()
    script = Script(clock, *[model_error("timeout", "x")] * 99, takes_s=7.0)
    outcome = run(script, clock, deadline_s=20.0, policy=RetryPolicy(max_attempts=99))
    assert outcome.elapsed_s <= 20.0 + 7.0
    assert all(left <= 20.0 - (begun - 100.0) + 1e-9 for left, begun in zip(script.timeouts, script.begun, strict=True))


def test_one_attempt_is_cut_off_by_its_own_limit() -> None:
    async def never(_: float) -> ChatResponse:
        await asyncio.Event().wait()
        raise AssertionError

    outcome = run(never, FakeClock(), policy=RetryPolicy(max_attempts=2, attempt_timeout_s=0.01))
    assert outcome.error is not None
    assert (outcome.error.code, outcome.attempts) == ("timeout", 2)


def test_waits_are_full_jitter_that_doubles_up_to_its_cap() -> None:
    policy = RetryPolicy(base_s=0.5, cap_s=4.0)
    rng = random.Random(0)
    for attempt, top in ((1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (9, 4.0), (5000, 4.0)):
        waits = [policy.backoff_s(attempt, rng) for _ in range(500)]
        assert min(waits) < 0.1 * top
        assert 0.9 * top < max(waits) <= top


def test_a_used_up_budget_stops_repeats_across_calls() -> None:
    clock = FakeClock()
    budget = RetryBudget(0.1, floor=2)
    scripts = [Script(clock, *[model_error("overloaded", "x")] * 99) for _ in range(50)]
    attempts = sum(run(script, clock, budget=budget).attempts for script in scripts)
    assert 50 < attempts <= 50 + 2 + 5


def test_pacing_counts_neither_as_elapsed_nor_against_the_deadline() -> None:
    clock = FakeClock()

    async def pace() -> None:
        clock.time += 30.0

    outcome = run(Script(clock, model_error("overloaded", "x")), clock, deadline_s=10.0, pace=pace)
    assert outcome.response is OK
    assert outcome.elapsed_s < 10.0


def test_every_attempt_is_told() -> None:
    clock = FakeClock()
    told: list[Attempt] = []
    run(Script(clock, model_error("overloaded", "x")), clock, on_attempt=told.append)
    assert [(attempt.number, attempt.error is None) for attempt in told] == [(1, False), (2, True)]
    assert told[0].wait_s == clock.slept[0]
    assert told[1].wait_s is None


def test_a_bug_is_not_taken_for_a_failed_call() -> None:
    async def broken(_: float) -> ChatResponse:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        run(broken, FakeClock())


async def test_cancelling_a_call_is_not_swallowed() -> None:
    started = asyncio.Event()

    async def slow(_: float) -> ChatResponse:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    task = asyncio.create_task(
        call_with_retries(slow, clock=FakeClock(), rng=random.Random(1), deadline_s=60.0, policy=RetryPolicy())
    )
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
