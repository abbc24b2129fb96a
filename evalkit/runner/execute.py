"""From planned calls to recorded exchanges.

Calls of several candidates on the same item stand next to each other, so that load and time of day meet all arms alike.
A call counts as done when its record is durable, not before.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, cast

from evalkit.base.clock import Clock
from evalkit.base.errors import ModelError, StoreError
from evalkit.core.output import Exchange, Failure
from evalkit.llm.errors import BLAME, ErrorCode
from evalkit.llm.model import CallContext
from evalkit.llm.retry import Attempt, CallOutcome, RetryPolicy, call_with_retries
from evalkit.llm.wire import ChatRequest, ChatResponse
from evalkit.runner.arm import Arm, PlannedCall, n_recorded, pending
from evalkit.runner.budget import Budget, BudgetExhaustedError, Reservation
from evalkit.runner.plan import call_digest
from evalkit.runner.progress import Progress, ProgressSink, silent
from evalkit.store.cache import ResponseCache

__all__ = ["PERMANENT_STREAK", "Arm", "ExecuteOptions", "ExecuteReport", "PlannedCall", "execute", "pending"]

PERMANENT_STREAK = 10
"""So many failures in a row that asking again cannot mend, with no answer before them, end the run."""

StopReason = Literal["budget", "signal", "time", "permanent_failure"]


@dataclass(frozen=True)
class ExecuteOptions:
    """How calls are made; nothing here changes what is asked.

    Attributes:
        concurrency: calls in flight.
        retry: attempts and waits.
        deadline_factor: a call with all its attempts may take this many times the candidate's ``timeout_s``.
        grace_s: how long calls in flight are waited for after a signal or when the time is up.
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


class _GaveUpError(Exception):
    """A call that would have been repeated, had dispatching not ended: it stays without a record."""


class _Execution:
    """Workers that take the next planned call, and the rules by which they end.

    A worker waits (for its pace, for money, before a repetition), asks, or records. When dispatching ends, those that
    wait end at once; those that ask may finish, within the grace after a signal; recording is never cut.
    """

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
        self.policies = [replace(options.retry, attempt_timeout_s=arm.plan.candidate.timeout_s) for arm in arms]
        self.clock = clock
        self.budget = budget
        self.cache = cache
        self.stop = stop
        self.progress = progress
        self.calls = pending(arms)
        self.total = sum(arm.plan.n_calls for arm in arms)
        self.done = sum(n_recorded(arm) for arm in arms)
        self.cached = 0
        self.failed = 0
        self.fresh = 0
        self.done_here = 0
        self.started = clock.monotonic()
        self.workers: list[asyncio.Task[None]] = []
        self.asking: set[asyncio.Task[None]] = set()
        self.recording: set[asyncio.Task[None]] = set()
        self.halted = asyncio.Event()
        self.stopped: StopReason | None = None
        self.why: str | None = None
        self.error: ModelError | None = None
        self.raised: Exception | None = None
        self._shown = -1.0

    async def run(self) -> ExecuteReport:
        self.show(force=True)
        self.workers = [asyncio.create_task(self.work()) for _ in range(max(1, self.options.concurrency))]
        watchers = [asyncio.create_task(each()) for each in (self.obey_stop, self.obey_time, self.cut_after_grace)]
        try:
            await asyncio.wait(self.workers, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in [*self.workers, *watchers]:
                task.cancel()
            await asyncio.gather(*self.workers, *watchers, return_exceptions=True)
        self.raise_what_failed()
        self.show(force=True)
        return self.report()

    def raise_what_failed(self) -> None:
        for worker in self.workers:
            if not worker.cancelled() and (error := worker.exception()) is not None:
                raise error
        if self.raised is not None:
            raise self.raised

    def report(self) -> ExecuteReport:
        if self.done >= self.total and self.stopped != "permanent_failure":
            self.stopped, self.why = None, None
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

    async def obey_stop(self) -> None:
        await self.stop.wait()
        self.over()

    async def obey_time(self) -> None:
        while not self.over():
            limit = self.options.max_time_s
            if limit is None:
                return
            await self.clock.sleep(limit - (self.clock.monotonic() - self.started))

    async def cut_after_grace(self) -> None:
        """End calls that outlast the grace, where somebody waits for the end or the record is in doubt."""
        await self.halted.wait()
        if self.stopped in {"budget", "permanent_failure"}:
            await self.stop.wait()
        await self.clock.sleep(self.options.grace_s)
        for worker in self.asking:
            worker.cancel()

    async def work(self) -> None:
        while not self.over():
            call = next(self.calls, None)
            if call is None:
                return
            try:
                await self.one(call)
            except BudgetExhaustedError as error:
                self.halt("budget", error.reason)
            except _GaveUpError:
                return
            except StoreError:
                self.halt(None, "the store failed")
                raise
            except Exception as error:  # noqa: BLE001 - raised again when the answers in flight are recorded
                self.raised = self.raised or error
                self.halt(None, "a call could not be made")

    def over(self) -> bool:
        limit = self.options.max_time_s
        if self.stop.is_set():
            self.halt("signal", "stopped on request")
        elif limit is not None and self.clock.monotonic() - self.started >= limit:
            self.halt("time", f"--max-time {limit:g} s reached")
        return self.halted.is_set()

    def halt(self, reason: StopReason | None, why: str) -> None:
        """End dispatching: nothing new is asked, and whoever only waits to ask ends."""
        if self.halted.is_set():
            return
        self.halted.set()
        self.stopped, self.why = reason, why
        current = asyncio.current_task()
        for worker in self.workers:
            if worker is not current and worker not in self.asking and worker not in self.recording:
                worker.cancel()

    async def one(self, call: PlannedCall) -> None:
        arm = self.arms[call.arm]
        request = arm.request(call.item, call.trial)
        digest = call_digest(arm.body_digest(call.item, request), arm.plan.draw, call.trial)
        cached = self.cache.get(digest) if self.cache is not None and arm.cacheable else None
        if cached is not None:
            self.cached += 1
            exchange = Exchange(
                key=call.key,
                request_digest=digest,
                response=cached.response,
                cached=True,
                started_at=cached.asked_at or None,
            )
            await self.record(arm, call, exchange)
            return
        exchange = await self.ask(arm, call, request, digest)
        await self.record(arm, call, exchange)
        if exchange.response is not None and self.cache is not None and arm.cacheable:
            self.cache.put(digest, exchange.response, asked_at=exchange.started_at)

    async def ask(self, arm: Arm, call: PlannedCall, request: ChatRequest, digest: str) -> Exchange:
        started_at = self.clock.now().isoformat(timespec="milliseconds")
        asking = _Asking(self, arm, call, request)
        outcome = await call_with_retries(
            asking.attempt,
            clock=self.clock,
            rng=self.rng,
            deadline_s=arm.plan.candidate.timeout_s * self.options.deadline_factor,
            policy=self.policies[call.arm],
            pace=asking.turn,
            on_attempt=self.give_up_waiting,
        )
        response, failure = outcome.response, None
        if response is not None:
            response = response.model_copy(update={"cost_usd": asking.cost_usd})
        else:
            failure = self.failure(arm, outcome, asking.cost_usd)
        return Exchange(
            key=call.key,
            request_digest=digest,
            response=response,
            failure=failure,
            attempts=outcome.attempts,
            started_at=None if arm.replayed else started_at,
        )

    def give_up_waiting(self, attempt: Attempt) -> None:
        if attempt.wait_s is not None and self.over():
            raise _GaveUpError

    def failure(self, arm: Arm, outcome: CallOutcome, cost_usd: float | None) -> Failure:
        error = outcome.error
        assert error is not None  # noqa: S101 - an outcome has a response or an error
        code = cast("ErrorCode", error.code)
        failure = Failure(
            code=code,
            blame=BLAME[code],
            message=self.redact(error.message)[:2000],
            attempts=outcome.attempts,
            status=error.status,
            elapsed_s=outcome.elapsed_s,
            cost_usd=cost_usd,
        )
        self.watch_streak(arm, failure, error)
        return failure

    def watch_streak(self, arm: Arm, failure: Failure, error: ModelError) -> None:
        if failure.blame == "infrastructure" and failure.code != "not_recorded" and arm.answered == 0:
            arm.streak += 1
            if arm.streak >= PERMANENT_STREAK:
                self.error = self.error or error
                self.halt("permanent_failure", f"{arm.streak} calls in a row failed with {failure.code}")

    async def record(self, arm: Arm, call: PlannedCall, exchange: Exchange) -> None:
        worker = _this_worker()
        self.recording.add(worker)
        try:
            await arm.journal.put(call.position, exchange, call.seq)
        finally:
            self.recording.discard(worker)
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


class _Asking:
    """One call with all its attempts: each waits its turn, asks once, and settles what it cost."""

    def __init__(self, execution: _Execution, arm: Arm, call: PlannedCall, request: ChatRequest) -> None:
        self._execution = execution
        self._arm = arm
        self._call = call
        self._request = request
        self._upper_cost = arm.upper_cost(request)
        self._reservation = Reservation(0.0)
        self._costs: list[float | None] = []

    @property
    def cost_usd(self) -> float | None:
        """What the attempts cost together; None if that of any is unknown."""
        return None if None in self._costs else sum(cost or 0.0 for cost in self._costs)

    async def turn(self) -> None:
        """Wait for the provider's pace and for money; none of it is in a latency or against a timeout."""
        if self._arm.pace is not None:
            await self._arm.pace(self._request)
        self._reservation = await self._execution.budget.reserve(self._upper_cost)
        self._execution.asking.add(_this_worker())

    async def attempt(self, limit_s: float) -> ChatResponse:
        call = self._call
        cost: float | None = 0.0 if self._arm.free else None
        try:
            context = CallContext(call.item.id, call.trial, 0, call.item.inputs, limit_s)
            response = await self._arm.model.complete(self._request, context)
            cost = self._arm.cost(response)
        except ModelError as error:
            if error.status is not None and error.status >= 400:
                cost = 0.0
            raise
        finally:
            self._execution.asking.discard(_this_worker())
            self._costs.append(cost)
            await self._execution.budget.settle(self._reservation, cost)
        return response


def _this_worker() -> asyncio.Task[None]:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - only workers come here
    return cast("asyncio.Task[None]", task)


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
    A call that was to be repeated then stays without a record, and is asked again next time.

    Raises:
        StoreError: a record could not be written; nothing more was asked after that.
        UsageError: a request could not be built; the answers in flight were recorded before.
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
