"""From planned calls to recorded exchanges: once each, interleaved, resumed, stopped, never paid twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from evalkit.base.errors import StoreError, UsageError
from evalkit.core.candidate import Candidate
from evalkit.core.item import Item
from evalkit.core.suite import Suite
from evalkit.llm.errors import ErrorCode, model_error
from evalkit.llm.limits import Pacer
from evalkit.llm.model import CallContext
from evalkit.llm.retry import RetryPolicy
from evalkit.llm.wire import ChatRequest, ChatResponse
from evalkit.runner.arm import Arm, pending
from evalkit.runner.budget import Budget
from evalkit.runner.execute import PERMANENT_STREAK, ExecuteOptions, ExecuteReport, execute
from evalkit.runner.progress import Progress
from evalkit.store.cache import ResponseCache
from evalkit.store.journal import StoredCall
from evalkit.store.store import Store

Settle = Callable[[], Awaitable[None]]
MakeArm = Callable[..., Arm]
MakeSuite = Callable[..., Suite]
ONCE = RetryPolicy(max_attempts=1)


@pytest.fixture
def model(fake_model: Callable[..., Any]) -> Any:
    return fake_model()


@pytest.fixture
def journal(fake_journal: Callable[[], Any]) -> Any:
    return fake_journal()


@pytest.fixture
def run(clock: Any) -> Callable[..., Awaitable[ExecuteReport]]:
    """Execute arms with the fake clock; keywords are options, or arguments of ``execute``."""

    def start(*arms: Arm, **given: Any) -> Awaitable[ExecuteReport]:
        passed = {name: given.pop(name) for name in ("cache", "stop", "progress", "redact") if name in given}
        budget = given.pop("budget", None) or Budget()
        return execute(arms, ExecuteOptions(**given), clock=clock, budget=budget, **passed)

    return start


Run = Callable[..., Awaitable[ExecuteReport]]


def failing(code: ErrorCode, *, after: int = 0, **fields: Any) -> Callable[..., Awaitable[ChatResponse]]:
    """Answer ``after`` calls, then fail."""
    left = [after]

    async def script(request: ChatRequest, context: CallContext) -> ChatResponse:
        if left[0]:
            left[0] -= 1
            return ChatResponse(text="yes")
        raise model_error(code, f"{code} said", **fields)

    return script


class Gate:
    """A script whose calls wait until they are let through."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.reached: list[str] = []

    async def __call__(self, request: ChatRequest, context: CallContext) -> ChatResponse:
        self.reached.append(context.item_id)
        await self.open.wait()
        return ChatResponse(text=context.item_id)


# ---- every planned call, once, in order


@pytest.mark.parametrize("concurrency", [1, 3, 64])
async def test_every_planned_call_is_asked_and_recorded_exactly_once(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, model: Any, journal: Any, concurrency: int
) -> None:
    arm = make_arm(model, journal, make_suite(20, trials=2))
    report = await run(arm, concurrency=concurrency)
    planned = [(call.item.id, call.trial) for call in pending([arm])]
    assert sorted(model.asked) == sorted(planned)
    assert sorted(journal.keys) == sorted((*key, 0) for key in planned)
    assert (report.done, report.total, report.done_here, report.failed, report.stopped) == (40, 40, 40, 0, None)
    assert model.most_in_flight <= concurrency


async def test_one_worker_asks_in_analysis_order_with_arms_side_by_side(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, fake_journal: Any
) -> None:
    order: list[tuple[str, str, int]] = []

    def told(name: str) -> Any:
        async def script(request: ChatRequest, context: CallContext) -> ChatResponse:
            order.append((name, context.item_id, context.trial))
            return ChatResponse(text="")

        return script

    suite = make_suite(4, trials=2)
    arms = [make_arm(fake_model(told(name)), fake_journal(), suite) for name in ("base", "next")]
    await run(*arms, concurrency=1)
    ids = [item.id for item in arms[0].plan.items]
    assert order == [(name, item_id, trial) for item_id in ids for name in ("base", "next") for trial in (0, 1)]


async def test_arms_of_different_length_are_interleaved_as_far_as_both_go(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, fake_journal: Any
) -> None:
    arms = [make_arm(fake_model(), fake_journal(), make_suite(n)) for n in (2, 5)]
    report = await run(*arms, concurrency=1)
    assert [call.arm for call in pending(arms)] == [0, 1, 0, 1, 1, 1, 1]
    assert [len(arm.journal.rows) for arm in arms] == [2, 5]  # type: ignore[attr-defined]
    assert report.done == 7


async def test_nothing_planned_is_nothing_done(run: Run, make_arm: MakeArm, model: Any, journal: Any) -> None:
    assert (await run()).total == 0
    arm = make_arm(model, journal)
    arm.stored = {(position, 0, 0): StoredCall(0, "ok", "") for position in range(10)}
    report = await run(arm)
    assert (report.done, report.done_here, report.stopped, model.asked) == (10, 0, None, [])


async def test_the_record_holds_answer_digest_attempts_and_time(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, model: Any, journal: Any
) -> None:
    await run(make_arm(model, journal, make_suite(1), cost=lambda response: 0.25))
    ((position, exchange, seq),) = journal.rows
    assert (position, seq, exchange.attempts, exchange.cached) == (0, 0, 1, False)
    assert exchange.started_at == "2026-11-23T00:00:00.000+00:00"
    assert (exchange.response.text, exchange.response.latency_s, exchange.response.cost_usd) == ("q0", 0.25, 0.25)
    assert len(exchange.request_digest) == 64


async def test_the_call_digest_has_draw_and_trial(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, fake_journal: Any
) -> None:
    journals = [fake_journal() for _ in range(3)]
    for journal, draw in zip(journals, ("0", "0", "1"), strict=True):
        await run(make_arm(fake_model(), journal, make_suite(1, trials=2), draw=draw), concurrency=1)
    first, same, other = ([exchange.request_digest for _, exchange, _ in journal.rows] for journal in journals)
    assert first == same
    assert len({*first, *other}) == 4


# ---- resuming


@pytest.mark.parametrize("cut", [0, 1, 7, 19, 20])
async def test_resuming_asks_the_plan_less_the_journal(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any, cut: int
) -> None:
    suite = make_suite(10, trials=2)
    first = fake_model()
    await run(make_arm(first, journal, suite), budget=Budget(max_calls=cut), concurrency=1)
    assert len(journal.rows) == cut
    second = fake_model()
    report = await run(make_arm(second, journal, suite, stored=journal.stored))
    assert len(second.asked) == 20 - cut
    assert len(set(journal.keys)) == len(journal.rows) == 20
    assert (report.done, report.done_here, report.stopped) == (20, 20 - cut, None)


@pytest.mark.parametrize(
    ("code", "again"),
    [
        ("auth", True),
        ("quota_exhausted", True),
        ("rate_limit", True),
        ("server_error", True),
        ("connection", True),
        ("bad_request", False),
        ("not_found", False),
        ("not_recorded", False),
        ("timeout", False),
        ("content_filter", False),
        ("application", False),
    ],
)
async def test_what_infrastructure_failed_is_repeated_under_the_next_number_and_nothing_else(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any, code: ErrorCode, again: bool
) -> None:
    suite = make_suite(1)
    await run(make_arm(fake_model(failing(code)), journal, suite), retry=ONCE)
    second = fake_model()
    report = await run(make_arm(second, journal, suite, stored=journal.stored))
    assert journal.keys == [("q0", 0, 0), ("q0", 0, 1)] if again else [("q0", 0, 0)]
    assert len(second.asked) == again
    assert (report.done, report.total) == (1, 1)


async def test_repetitions_are_counted_on(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any
) -> None:
    for _ in range(3):
        arm = make_arm(fake_model(failing("auth")), journal, make_suite(1), stored=journal.stored)
        await run(arm, retry=ONCE)
    assert journal.keys == [("q0", 0, 0), ("q0", 0, 1), ("q0", 0, 2)]


# ---- failures


async def test_a_failure_is_recorded_as_what_it_is(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any
) -> None:
    arm = make_arm(fake_model(failing("content_filter", status=400)), journal, make_suite(1))
    report = await run(arm, redact=lambda text: text.replace("said", "***"))
    ((_, exchange, _),) = journal.rows
    failure = exchange.failure
    assert exchange.response is None
    assert (failure.code, failure.blame, failure.message) == ("content_filter", "candidate", "content_filter ***")
    assert (failure.attempts, failure.status, failure.cost_usd, failure.elapsed_s) == (1, 400, 0.0, 0.0)
    assert (report.failed, report.done) == (1, 1)


async def test_a_secret_at_the_cut_of_a_long_message_is_redacted_whole(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any
) -> None:
    async def script(request: ChatRequest, context: CallContext) -> ChatResponse:
        raise model_error("auth", "x" * 1995 + "sk-secret")

    await run(
        make_arm(fake_model(script), journal, make_suite(1)), redact=lambda text: text.replace("sk-secret", "***")
    )
    message = journal.rows[0][1].failure.message
    assert "sk-" not in message
    assert len(message) <= 2000


async def test_retries_are_paid_counted_and_waited_for(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any, clock: Any
) -> None:
    calls: Iterator[Any] = iter(
        [model_error("rate_limit", "slow down", status=429, retry_after_s=2.0), ChatResponse(text="yes")]
    )

    async def script(request: ChatRequest, context: CallContext) -> ChatResponse:
        found: ChatResponse | Exception = next(calls)
        if isinstance(found, Exception):
            raise found
        return found

    budget = Budget()
    arm = make_arm(fake_model(script), journal, make_suite(1), cost=lambda response: 0.5)
    task = asyncio.ensure_future(run(arm, budget=budget))
    await clock.advance(1.9)
    assert journal.rows == []
    await clock.advance(1.0)
    await task
    exchange = journal.rows[0][1]
    assert (exchange.attempts, exchange.response.cost_usd) == (2, 0.5)
    assert (budget.n_calls, budget.spent_usd) == (2, 0.5)


@pytest.mark.parametrize(("free", "answer_usd", "spent_usd"), [(False, None, 2.5), (True, 0.0, 0.0)])
async def test_an_attempt_of_unknown_cost_keeps_its_reservation_unless_the_model_is_free(
    run: Run,
    make_arm: MakeArm,
    make_suite: MakeSuite,
    fake_model: Any,
    journal: Any,
    clock: Any,
    free: bool,
    answer_usd: float | None,
    spent_usd: float,
) -> None:
    calls: Iterator[Any] = iter([model_error("connection", "reset"), ChatResponse(text="yes")])

    async def script(request: ChatRequest, context: CallContext) -> ChatResponse:
        found: ChatResponse | Exception = next(calls)
        if isinstance(found, Exception):
            raise found
        return found

    budget = Budget(max_cost_usd=5.0)
    arm = make_arm(
        fake_model(script),
        journal,
        make_suite(1),
        upper_cost=lambda request: 0.0 if free else 2.0,
        cost=lambda response: 0.0 if free else 0.5,
        free=free,
    )
    task = asyncio.ensure_future(run(arm, budget=budget))
    await clock.advance(1.0)
    await task
    assert journal.rows[0][1].response.cost_usd == answer_usd
    assert budget.spent_usd == spent_usd


async def test_failures_that_asking_again_cannot_mend_end_a_run_that_got_no_answer(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any
) -> None:
    model = fake_model(failing("auth", hint="set the key"))
    report = await run(make_arm(model, journal, make_suite(50)), concurrency=4)
    assert report.stopped == "permanent_failure"
    assert report.error is not None
    assert report.error.hint == "set the key"
    assert PERMANENT_STREAK <= len(model.asked) < PERMANENT_STREAK + 4
    assert "auth" in str(report.why)


async def test_a_run_that_got_an_answer_goes_on(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any
) -> None:
    report = await run(make_arm(fake_model(failing("auth", after=1)), journal, make_suite(30)), concurrency=1)
    assert (report.stopped, report.failed, report.done) == (None, 29, 30)


async def test_failures_of_a_candidate_end_no_run(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any
) -> None:
    report = await run(make_arm(fake_model(failing("content_filter")), journal, make_suite(30)))
    assert (report.stopped, report.failed) == (None, 30)


async def test_a_permanent_failure_of_the_last_calls_is_still_reported(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any
) -> None:
    report = await run(make_arm(fake_model(failing("auth")), journal, make_suite(PERMANENT_STREAK)), concurrency=1)
    assert (report.done, report.total, report.stopped) == (10, 10, "permanent_failure")


# ---- money


async def test_a_run_ends_when_the_next_call_does_not_fit_the_budget(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, model: Any, journal: Any
) -> None:
    budget = Budget(max_cost_usd=1.0)
    arm = make_arm(model, journal, make_suite(50), upper_cost=lambda request: 0.3, cost=lambda response: 0.1)
    report = await run(arm, budget=budget, concurrency=8)
    assert report.stopped == "budget"
    assert "--max-cost 1 USD" in str(report.why)
    assert budget.spent_usd == report.cost_usd == pytest.approx(0.8)
    assert report.done == len(journal.rows) == len(model.asked) == 8


async def test_a_cap_on_calls_counts_attempts(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, model: Any, journal: Any
) -> None:
    report = await run(make_arm(model, journal, make_suite(50)), budget=Budget(max_calls=7))
    assert (report.stopped, len(model.asked), len(journal.rows)) == ("budget", 7, 7)


async def test_a_budget_that_is_just_enough_finishes(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, model: Any, journal: Any
) -> None:
    report = await run(make_arm(model, journal, make_suite(7)), budget=Budget(max_calls=7))
    assert (report.stopped, report.why, report.done) == (None, None, 7)


async def test_waiting_for_money_is_in_no_timeout_and_no_latency(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any
) -> None:
    gate = Gate()

    async def script(request: ChatRequest, context: CallContext) -> ChatResponse:
        return await gate(request, context) if context.timeout_s > 1 else ChatResponse(text="at once")

    def arm(timeout_s: float) -> Arm:
        candidate = Candidate(name="next", model="fake/model", timeout_s=timeout_s)
        suite = make_suite(1, candidates=[candidate])
        free = {"upper_cost": lambda request: 1.0, "cost": lambda response: 0.0}
        return make_arm(fake_model(script), journal, suite, **free)

    budget = Budget(max_cost_usd=1.0)
    task = asyncio.ensure_future(run(arm(3600.0), arm(0.01), budget=budget, concurrency=2, retry=ONCE))
    await asyncio.sleep(0.05)  # real time: five times what the second call may take
    gate.open.set()
    report = await task
    assert (report.failed, report.done) == (0, 2)


# ---- the cache


async def test_answers_of_another_run_are_used_and_not_paid(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, fake_journal: Any, tmp_path: Any
) -> None:
    for n_asked, n_cached in ((10, 0), (0, 10)):
        cache = Store(tmp_path).cache()
        model, journal, budget = fake_model(), fake_journal(), Budget(max_cost_usd=1.0)
        arm = make_arm(model, journal, upper_cost=lambda request: 0.1, cost=lambda response: 0.1)
        report = await run(arm, cache=cache, budget=budget)
        cache.close()
        assert (len(model.asked), report.cached, budget.n_calls) == (n_asked, n_cached, n_asked)
        assert report.cost_usd == pytest.approx(0.1 * n_asked)
        assert [exchange.cached for _, exchange, _ in journal.rows] == [bool(n_cached)] * 10
        assert all(exchange.response.cost_usd == 0.1 for _, exchange, _ in journal.rows)


async def test_failures_are_not_cached(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, fake_journal: Any, tmp_path: Any
) -> None:
    for script, n_asked in ((failing("content_filter"), 10), (None, 10)):
        cache = ResponseCache(tmp_path / "cache.db")
        model = fake_model(script)
        await run(make_arm(model, fake_journal()), cache=cache)
        cache.close()
        assert len(model.asked) == n_asked


async def test_an_arm_that_is_not_cacheable_neither_reads_nor_fills_the_cache(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, fake_journal: Any, tmp_path: Any
) -> None:
    for cacheable, n_asked in ((False, 10), (True, 10), (False, 10), (True, 0)):
        cache = ResponseCache(tmp_path / "cache.db")
        model = fake_model()
        await run(make_arm(model, fake_journal(), cacheable=cacheable), cache=cache)
        cache.close()
        assert len(model.asked) == n_asked


# ---- pacing


async def test_pacing_is_in_no_latency_and_no_timeout(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any, clock: Any
) -> None:
    async def script(request: ChatRequest, context: CallContext) -> ChatResponse:
        raise model_error("content_filter", "no", status=400)

    pacer = Pacer(clock, requests_per_minute=60)

    async def pace(request: ChatRequest) -> None:
        await pacer.reserve()

    arm = make_arm(fake_model(script), journal, make_suite(100), pace=pace)
    task = asyncio.ensure_future(run(arm, concurrency=8))
    await clock.advance(110.0)
    report = await task
    assert report.done == 100
    assert {exchange.failure.elapsed_s for _, exchange, _ in journal.rows} == {0.0}
    assert {exchange.attempts for _, exchange, _ in journal.rows} == {1}


# ---- stopping


async def test_a_stop_ends_dispatching_at_once_and_records_what_is_in_flight(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any, clock: Any, settle: Settle
) -> None:
    gate, stop = Gate(), asyncio.Event()
    model = fake_model(gate)
    task = asyncio.ensure_future(run(make_arm(model, journal, make_suite(50)), concurrency=4, stop=stop))
    await settle()
    stop.set()
    await clock.advance(9.0)
    assert not task.done()
    gate.open.set()
    report = await task
    assert len(model.asked) == len(journal.rows) == report.done == 4
    assert (report.stopped, report.why) == ("signal", "stopped on request")


async def test_calls_that_outlast_the_grace_are_cut_and_leave_no_record(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any, clock: Any, settle: Settle
) -> None:
    stop, budget = asyncio.Event(), Budget(max_cost_usd=9.0)
    model = fake_model(Gate())
    arm = make_arm(model, journal, make_suite(50), upper_cost=lambda request: 1.0)
    task = asyncio.ensure_future(run(arm, concurrency=4, stop=stop, budget=budget, grace_s=10.0))
    await settle()
    stop.set()
    await clock.advance(10.1)
    report = await task
    assert (report.done, journal.rows, model.in_flight) == (0, [], 0)
    assert report.stopped == "signal"
    assert report.cost_usd == 4.0, "a call that was cut may have been billed"


async def test_an_answer_being_recorded_when_the_grace_ends_is_counted_and_kept(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, model: Any, journal: Any, clock: Any, settle: Settle
) -> None:
    stop = asyncio.Event()
    journal.gate = asyncio.Event()
    task = asyncio.ensure_future(run(make_arm(model, journal, make_suite(50)), concurrency=4, stop=stop))
    await settle()
    stop.set()
    await clock.advance(20.0)
    assert not task.done()
    journal.gate.set()
    report = await task
    assert report.done == len(journal.rows) == 4


async def test_a_stop_does_not_wait_for_those_who_only_wait_to_ask(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, model: Any, journal: Any, clock: Any, settle: Settle
) -> None:
    stop = asyncio.Event()

    async def pace(request: ChatRequest) -> None:
        await clock.sleep(3600.0)

    task = asyncio.ensure_future(run(make_arm(model, journal, make_suite(9), pace=pace), stop=stop))
    await settle()
    stop.set()
    await settle()
    assert task.done()
    assert ((await task).stopped, model.asked, clock.time) == ("signal", [], 0.0)


async def test_a_stop_ends_the_wait_before_a_repetition_and_leaves_the_call_to_the_next_run(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any, clock: Any, settle: Settle
) -> None:
    stop = asyncio.Event()
    model = fake_model(failing("rate_limit", status=429, retry_after_s=30.0))
    task = asyncio.ensure_future(run(make_arm(model, journal, make_suite(2)), stop=stop))
    await settle()
    stop.set()
    await settle()
    assert task.done()
    assert (journal.rows, len(model.asked), (await task).stopped) == ([], 2, "signal")


async def test_a_call_that_fails_during_the_grace_is_not_asked_again(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any, settle: Settle
) -> None:
    gate, stop = Gate(), asyncio.Event()

    async def script(request: ChatRequest, context: CallContext) -> ChatResponse:
        await gate(request, context)
        raise model_error("overloaded", "busy", status=503)

    model = fake_model(script)
    task = asyncio.ensure_future(run(make_arm(model, journal, make_suite(2)), stop=stop))
    await settle()
    stop.set()
    gate.open.set()
    report = await task
    assert (len(model.asked), journal.rows, report.stopped) == (2, [], "signal")


async def test_a_last_attempt_that_fails_during_the_grace_is_recorded(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any, settle: Settle
) -> None:
    gate, stop = Gate(), asyncio.Event()

    async def script(request: ChatRequest, context: CallContext) -> ChatResponse:
        await gate(request, context)
        raise model_error("overloaded", "busy", status=503)

    task = asyncio.ensure_future(run(make_arm(fake_model(script), journal, make_suite(9)), stop=stop, retry=ONCE))
    await settle()
    stop.set()
    gate.open.set()
    assert (await task).failed == 9


async def test_a_stop_set_beforehand_asks_nothing(run: Run, make_arm: MakeArm, model: Any, journal: Any) -> None:
    stop = asyncio.Event()
    stop.set()
    report = await run(make_arm(model, journal), stop=stop)
    assert (model.asked, report.done, report.stopped) == ([], 0, "signal")


async def test_a_stop_after_the_last_answer_is_no_stop(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any, settle: Settle
) -> None:
    gate, stop = Gate(), asyncio.Event()
    task = asyncio.ensure_future(run(make_arm(fake_model(gate), journal, make_suite(3)), stop=stop))
    await settle()
    stop.set()
    gate.open.set()
    report = await task
    assert (report.done, report.stopped, report.why) == (3, None, None)


async def test_time_that_is_up_ends_dispatching_even_while_everybody_waits(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, model: Any, journal: Any, clock: Any
) -> None:
    async def pace(request: ChatRequest) -> None:
        await clock.sleep(4.0)

    task = asyncio.ensure_future(run(make_arm(model, journal, make_suite(50), pace=pace), concurrency=2, max_time_s=10))
    await clock.advance(10.0)
    report = await task
    assert (report.stopped, report.why) == ("time", "--max-time 10 s reached")
    assert len(model.asked) == report.done == 4


async def test_time_that_is_up_is_noticed_between_two_calls(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any, clock: Any
) -> None:
    async def script(request: ChatRequest, context: CallContext) -> ChatResponse:
        clock.time += 1.0
        return ChatResponse(text="")

    report = await run(make_arm(fake_model(script), journal, make_suite(50)), concurrency=1, max_time_s=5.0)
    assert (report.stopped, report.done) == ("time", 5)


async def test_calls_in_flight_when_the_time_is_up_have_the_grace(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any, clock: Any
) -> None:
    gate = Gate()
    model = fake_model(gate)
    arm = make_arm(model, journal, make_suite(50))
    task = asyncio.ensure_future(run(arm, concurrency=2, max_time_s=5.0, grace_s=10.0))
    await clock.advance(14.0)
    assert not task.done()
    gate.open.set()
    assert ((await task).done, len(model.asked)) == (2, 2)


async def test_calls_in_flight_when_the_money_is_gone_are_waited_for_without_a_limit(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any, clock: Any, settle: Settle
) -> None:
    gate, stop = Gate(), asyncio.Event()
    arm = make_arm(fake_model(gate), journal, make_suite(50))
    task = asyncio.ensure_future(run(arm, concurrency=4, budget=Budget(max_calls=3), stop=stop))
    await clock.advance(3600.0)
    assert not task.done()
    stop.set()
    await clock.advance(9.0)
    assert not task.done()
    gate.open.set()
    report = await task
    assert (report.done, report.stopped) == (3, "budget")


# ---- errors that end an execution


async def test_a_store_that_fails_ends_everything_and_is_heard_of(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any, settle: Settle
) -> None:
    told = fake_model()
    gate = Gate()

    async def script(request: ChatRequest, context: CallContext) -> ChatResponse:
        return ChatResponse(text="") if len(told.asked) == 3 else await gate(request, context)

    told.script = script
    journal.broken = True
    with pytest.raises(StoreError, match="disk full"):
        await run(make_arm(told, journal, make_suite(50)), concurrency=3)
    assert len(told.asked) == 3
    assert told.in_flight == 0


async def test_a_request_that_cannot_be_built_is_an_error_after_the_answers_in_flight_are_recorded(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any, settle: Settle
) -> None:
    gate = Gate()
    model = fake_model(gate)
    arm = make_arm(model, journal, make_suite(50))
    good, build = {item.id for item in arm.plan.items[:3]}, arm.request

    def picky(item: Item, trial: int) -> ChatRequest:
        if item.id not in good:
            raise UsageError(f"item {item.id!r} has no question")
        return build(item, trial)

    arm.request = picky
    task = asyncio.ensure_future(run(arm, concurrency=8))
    await settle()
    assert not task.done()
    gate.open.set()
    with pytest.raises(UsageError, match="no question"):
        await task
    assert sorted(key[0] for key in journal.keys) == sorted(good)


async def test_a_model_that_breaks_its_contract_surfaces_and_costs_the_others_nothing(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any
) -> None:
    told = fake_model()

    async def script(request: ChatRequest, context: CallContext) -> ChatResponse:
        if len(told.asked) == 2:
            raise ZeroDivisionError("a bug in a plug-in")
        await asyncio.sleep(0)
        return ChatResponse(text="")

    told.script = script
    with pytest.raises(ZeroDivisionError):
        await run(make_arm(told, journal, make_suite(50)), concurrency=4)
    assert len(journal.rows) == len(told.asked) - 1


async def test_answers_in_flight_when_an_error_surfaces_have_the_grace_and_no_more(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any, clock: Any
) -> None:
    told = fake_model()
    gate = Gate()

    async def script(request: ChatRequest, context: CallContext) -> ChatResponse:
        if len(told.asked) == 4:
            raise ZeroDivisionError
        return await gate(request, context)

    told.script = script
    task = asyncio.ensure_future(run(make_arm(told, journal, make_suite(50)), concurrency=4, grace_s=5.0))
    await clock.advance(4.9)
    assert not task.done()
    await clock.advance(0.2)
    with pytest.raises(ZeroDivisionError):
        await task


# ---- cancellation


async def test_cancelling_an_execution_cancels_it_and_leaves_nothing_running(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any, settle: Settle
) -> None:
    model = fake_model(Gate())
    task = asyncio.ensure_future(run(make_arm(model, journal, make_suite(50)), concurrency=4))
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert model.in_flight == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_timeout_around_an_execution_ends_it(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any
) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await run(make_arm(fake_model(Gate()), journal, make_suite(5)))
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_cancelled_while_an_answer_is_being_recorded_the_answer_is_kept(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, model: Any, tmp_path: Any, settle: Settle, monkeypatch: Any
) -> None:
    store = Store(tmp_path)
    journal = store.journal("r")
    held = asyncio.Event()
    commit = journal._writer._commit

    def slow(group: Any) -> Any:
        while not held.is_set():
            pass
        return commit(group)

    monkeypatch.setattr(journal._writer, "_commit", slow)
    task = asyncio.ensure_future(run(make_arm(model, journal, make_suite(3))))
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    held.set()
    journal.close()
    reader = store.read("r")
    assert len(reader.calls()) == len(model.asked) == 3
    reader.close()


async def test_no_task_is_left_when_an_execution_ends(run: Run, make_arm: MakeArm, model: Any, journal: Any) -> None:
    await run(make_arm(model, journal), max_time_s=1000.0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


# ---- telling


async def test_progress_begins_with_what_was_stored_and_ends_with_everything(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any, clock: Any
) -> None:
    seen: list[Progress] = []

    async def script(request: ChatRequest, context: CallContext) -> ChatResponse:
        clock.time += 0.2
        return ChatResponse(text="")

    arm = make_arm(fake_model(script), journal, make_suite(5), stored={(0, 0, 0): StoredCall(0, "ok", "")})
    await run(arm, progress=seen.append, concurrency=1)
    assert [moment.done for moment in seen] == [1, 2, 3, 4, 5, 5]
    assert (seen[0].rate, seen[0].left_s) == (None, None)
    assert seen[-1].rate == pytest.approx(5.0)
    assert {moment.total for moment in seen} == {5}
    assert seen[-1].left_s == 0.0


async def test_progress_is_told_at_most_ten_times_a_second(
    run: Run, make_arm: MakeArm, make_suite: MakeSuite, fake_model: Any, journal: Any, clock: Any
) -> None:
    seen: list[Progress] = []

    async def script(request: ChatRequest, context: CallContext) -> ChatResponse:
        clock.time += 0.001
        return ChatResponse(text="")

    await run(make_arm(fake_model(script), journal, make_suite(1000)), progress=seen.append, concurrency=1)
    assert len(seen) <= 13
