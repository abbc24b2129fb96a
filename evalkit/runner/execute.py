"""From planned calls to recorded exchanges.

Calls of several candidates on the same item stand next to each other, so that load and time of day meet all arms alike.
A call counts as done when its record is durable, not before.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, cast

from evalkit.base.clock import Clock
from evalkit.base.errors import ModelError
from evalkit.core.item import Item
from evalkit.core.output import CallKey, Exchange, Failure
from evalkit.llm.errors import BLAME, ErrorCode
from evalkit.llm.model import CallContext, ChatModel
from evalkit.llm.retry import CallOutcome, RetryPolicy, call_with_retries
from evalkit.llm.wire import ChatRequest, ChatResponse
from evalkit.runner.budget import Budget, BudgetExhaustedError
from evalkit.runner.plan import RunPlan, call_digest
from evalkit.runner.progress import Progress, ProgressSink, silent
from evalkit.store.cache import ResponseCache
from evalkit.store.journal import Journal, StoredCall

__all__ = ["Arm", "ExecuteOptions", "ExecuteReport", "PlannedCall", "execute"]

PERMANENT_STREAK = 10
"""So many failures in a row that asking again cannot mend, with no answer before them, end the run."""

StopReason = Literal["budget", "signal", "time", "permanent_failure"]


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call to be made. ``seq`` is above 0 when infrastructure failed it before."""

    arm: int
    position: int
    item: Item
    trial: int
    seq: int


@dataclass
class Arm:
    """One candidate's part of an execution.

    Attributes:
        plan: what to ask.
        model: whom; not closed here.
        journal: where answers are recorded; not closed here.
        request: builds the request of (item, trial).
        body_digest: the digest of a request with everything about the model that decides its answer.
        stored: what the journal held before, by (position, trial, step).
        upper_cost: the most a request can cost in USD.
        cost: what a response cost in USD, None if unknown.
        pace: waits until the provider's per-minute limits admit the request; the wait is in no latency.
    """

    plan: RunPlan
    model: ChatModel
    journal: Journal
    request: Callable[[Item, int], ChatRequest]
    body_digest: Callable[[Item, ChatRequest], str]
    stored: Mapping[tuple[int, int, int], StoredCall]
    upper_cost: Callable[[ChatRequest], float]
    cost: Callable[[ChatResponse], float | None]
    pace: Callable[[ChatRequest], Awaitable[None]] | None = None
    cacheable: bool = True
    answered: int = 0
    streak: int = 0


@dataclass(frozen=True)
class ExecuteOptions:
    """How calls are made; nothing here changes what is asked.

    Attributes:
        concurrency: calls in flight.
        retry: attempts and waits.
        deadline_factor: a call with all its attempts may take this many times the candidate's ``timeout_s``.
        grace_s: how long calls in flight are waited for after a stop.
        max_time_s: stop dispatching after this long, None for no limit.
    """

    concurrency: int = 16
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    deadline_factor: float = 5.0
    grace_s: float = 10.0
    max_time_s: float | None = None


@dataclass(frozen=True, slots=True)
class ExecuteReport:
    """What an execution did. ``stopped`` is None when every planned call has a record."""

    done: int
    total: int
    cached: int
    failed: int
    cost_usd: float
    stopped: StopReason | None = None
    why: str | None = None
    error: ModelError | None = None
    done_here: int = 0
    """Of ``done``, recorded by this execution."""


def pending(arms: Sequence[Arm]) -> Iterator[PlannedCall]:
    """Yield the calls without a usable record: item by item in analysis order, arms side by side."""
    longest = max((len(arm.plan.items) for arm in arms), default=0)
    for position in range(longest):
        for index, arm in enumerate(arms):
            if position >= len(arm.plan.items):
                continue
            item = arm.plan.items[position]
            for trial in range(arm.plan.suite.trials):
                seq = _next_seq(arm.stored.get((position, trial, 0)))
                if seq is not None:
                    yield PlannedCall(index, position, item, trial, seq)


def _next_seq(stored: StoredCall | None) -> int | None:
    """Return the number of the next repetition, or None if the record stands."""
    if stored is None:
        return 0
    again = stored.status == "infrastructure" and stored.code not in {"bad_request", "not_found", "not_recorded"}
    return stored.seq + 1 if again else None


class _Execution:
    def __init__(
        self,
        arms: Sequence[Arm],
        options: ExecuteOptions,
        *,
        clock: Clock,
        budget: Budget,
        cache: ResponseCache | None,
        stop: asyncio.Event,
        progress: ProgressSink,
        redact: Callable[[str], str],
    ) -> None:
        self.redact = redact
        self.rng = random.Random()  # noqa: S311 - jitter, not secrets
        self.arms = arms
        self.options = options
        self.clock = clock
        self.budget = budget
        self.cache = cache
        self.stop = stop
        self.progress = progress
        self.calls = pending(arms)
        self.total = sum(arm.plan.n_calls for arm in arms)
        self.done = self.total
        self.cached = 0
        self.failed = 0
        self.fresh = 0
        self.done_here = 0
        self.started = clock.monotonic()
        self.stopped: StopReason | None = None
        self.why: str | None = None
        self.error: ModelError | None = None
        self._shown = -1.0

    async def run(self) -> ExecuteReport:
        self.done = self.total - sum(1 for _ in pending(self.arms))
        self.show(force=True)
        workers = [asyncio.create_task(self.work()) for _ in range(max(1, self.options.concurrency))]
        stopper = asyncio.create_task(self.end_after_grace(workers))
        try:
            await asyncio.gather(*workers)
        finally:
            for task in [*workers, stopper]:
                task.cancel()
            await asyncio.gather(*workers, stopper, return_exceptions=True)
        self.show(force=True)
        if self.stop.is_set() and self.stopped is None and self.done < self.total:
            self.stopped, self.why = "signal", "stopped on request"
        return ExecuteReport(
            self.done,
            self.total,
            self.cached,
            self.failed,
            self.budget.spent_usd,
            self.stopped,
            self.why,
            self.error,
            self.done_here,
        )

    async def end_after_grace(self, workers: Sequence[asyncio.Task[None]]) -> None:
        await self.stop.wait()
        await self.clock.sleep(self.options.grace_s)
        for worker in workers:
            worker.cancel()

    async def work(self) -> None:
        with suppress(asyncio.CancelledError):
            while not self.over():
                call = next(self.calls, None)
                if call is None:
                    return
                await self.one(call)

    def over(self) -> bool:
        limit = self.options.max_time_s
        if limit is not None and self.stopped is None and self.clock.monotonic() - self.started >= limit:
            self.halt("time", f"--max-time {limit:g} s reached")
        return self.stopped is not None or self.stop.is_set()

    def halt(self, reason: StopReason, why: str) -> None:
        if self.stopped is None:
            self.stopped, self.why = reason, why

    async def one(self, call: PlannedCall) -> None:
        arm = self.arms[call.arm]
        request = arm.request(call.item, call.trial)
        digest = call_digest(arm.body_digest(call.item, request), arm.plan.draw, call.trial)
        cached = self.cache.get(digest) if self.cache is not None and arm.cacheable else None
        if cached is not None:
            self.cached += 1
            await self.record(arm, call, Exchange(key=_key(call), request_digest=digest, response=cached, cached=True))
            return
        try:
            await self.ask(arm, call, request, digest)
        except BudgetExhaustedError as error:
            self.halt("budget", error.reason)

    async def ask(self, arm: Arm, call: PlannedCall, request: ChatRequest, digest: str) -> None:
        started_at = self.clock.now().isoformat(timespec="milliseconds")
        timeout_s = arm.plan.candidate.timeout_s
        spent: list[float | None] = []

        async def attempt(limit_s: float) -> ChatResponse:
            reservation = await self.budget.reserve(arm.upper_cost(request))
            cost: float | None = None
            try:
                context = CallContext(call.item.id, call.trial, 0, call.item.inputs, limit_s)
                response = await arm.model.complete(request, context)
                cost = arm.cost(response)
            except ModelError as error:
                cost = 0.0 if error.status is not None and error.status >= 400 else None
                raise
            finally:
                spent.append(cost)
                await self.budget.settle(reservation, cost)
            return response

        outcome = await call_with_retries(
            attempt,
            clock=self.clock,
            rng=self.rng,
            deadline_s=timeout_s * self.options.deadline_factor,
            policy=replace(self.options.retry, attempt_timeout_s=timeout_s),
            pace=partial(arm.pace, request) if arm.pace is not None else None,
        )
        cost_usd = None if any(cost is None for cost in spent) else sum(cost or 0.0 for cost in spent)
        exchange = self.exchange(arm, call, digest, outcome, started_at, cost_usd)
        await self.record(arm, call, exchange)
        if exchange.response is not None and self.cache is not None and arm.cacheable:
            self.cache.put(digest, exchange.response)

    def exchange(
        self,
        arm: Arm,
        call: PlannedCall,
        digest: str,
        outcome: CallOutcome,
        started_at: str,
        cost_usd: float | None,
    ) -> Exchange:
        key = _key(call)
        if outcome.response is not None:
            response = outcome.response.model_copy(update={"cost_usd": cost_usd})
            return Exchange(
                key=key, request_digest=digest, response=response, attempts=outcome.attempts, started_at=started_at
            )
        error = outcome.error
        assert error is not None  # noqa: S101 - an outcome has a response or an error
        code = cast("ErrorCode", error.code)
        failure = Failure(
            code=code,
            blame=BLAME[code],
            message=self.redact(error.message[:2000]),
            attempts=outcome.attempts,
            status=error.status,
            elapsed_s=outcome.elapsed_s,
            cost_usd=cost_usd,
        )
        self.watch_streak(arm, failure, error)
        return Exchange(
            key=key, request_digest=digest, failure=failure, attempts=outcome.attempts, started_at=started_at
        )

    def watch_streak(self, arm: Arm, failure: Failure, error: ModelError) -> None:
        if failure.blame == "infrastructure" and not error.retryable and arm.answered == 0:
            arm.streak += 1
            if arm.streak >= PERMANENT_STREAK:
                self.error = error
                self.halt("permanent_failure", f"{arm.streak} calls in a row failed with {failure.code}")

    async def record(self, arm: Arm, call: PlannedCall, exchange: Exchange) -> None:
        await arm.journal.put(call.position, exchange, call.seq)
        self.done += 1
        self.done_here += 1
        self.fresh += not exchange.cached
        if exchange.failure is not None:
            self.failed += 1
        else:
            arm.answered += 1
        self.show()

    def show(self, *, force: bool = False) -> None:
        now = self.clock.monotonic()
        if not force and now - self._shown < 0.1:
            return
        self._shown = now
        elapsed = now - self.started
        rate = self.fresh / elapsed if self.fresh and elapsed > 0 else None
        self.progress(
            Progress("calls", self.done, self.total, self.cached, self.failed, self.budget.spent_usd, elapsed, rate)
        )


def _key(call: PlannedCall) -> CallKey:
    return CallKey(item_id=call.item.id, trial=call.trial)


async def execute(
    arms: Sequence[Arm],
    options: ExecuteOptions,
    *,
    clock: Clock,
    budget: Budget,
    cache: ResponseCache | None = None,
    stop: asyncio.Event | None = None,
    progress: ProgressSink = silent,
    redact: Callable[[str], str] = str,
) -> ExecuteReport:
    """Make every planned call that has no usable record, and record each outcome.

    Setting ``stop`` ends dispatching at once; calls in flight are waited for ``options.grace_s`` seconds and recorded.

    Raises:
        StoreError: a record could not be written; nothing more was asked after that.
    """
    execution = _Execution(
        arms,
        options,
        clock=clock,
        budget=budget,
        cache=cache,
        stop=stop or asyncio.Event(),
        progress=progress,
        redact=redact,
    )
    return await execution.run()
