"""Money is reserved before it is spent: no order of events walks past a cap."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.runner.budget import Budget, BudgetExhaustedError, Reservation

Settle = Callable[[], Awaitable[None]]


async def test_a_settled_call_counts_as_what_it_cost() -> None:
    budget = Budget(max_cost_usd=1.0)
    await budget.settle(await budget.reserve(0.9), 0.1)
    assert budget.spent_usd == 0.1
    await budget.settle(await budget.reserve(0.9), 0.2)
    assert budget.spent_usd == pytest.approx(0.3, abs=1e-12)
    assert budget.n_calls == 2


async def test_a_call_of_unknown_cost_keeps_its_whole_reservation() -> None:
    budget = Budget(max_cost_usd=1.0)
    await budget.settle(await budget.reserve(0.6), None)
    assert budget.spent_usd == 0.6
    with pytest.raises(BudgetExhaustedError, match=r"--max-cost 1 USD reached: 0\.6000 spent"):
        await budget.reserve(0.6)


async def test_a_caller_waits_while_open_calls_may_leave_room_and_is_then_admitted(settle: Settle) -> None:
    budget = Budget(max_cost_usd=1.0)
    first = await budget.reserve(0.8)
    waiting = asyncio.create_task(budget.reserve(0.8))
    await settle()
    assert not waiting.done()
    await budget.settle(first, 0.1)
    assert await waiting == Reservation(0.8)


async def test_all_who_wait_are_refused_when_nothing_is_in_flight_and_none_before(settle: Settle) -> None:
    budget = Budget(max_cost_usd=1.0)
    first, second = await budget.reserve(0.5), await budget.reserve(0.5)
    waiting = [asyncio.create_task(budget.reserve(0.4)) for _ in range(3)]
    await budget.settle(first, None)
    await settle()
    assert not any(task.done() for task in waiting)
    await budget.settle(second, None)
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(each, BudgetExhaustedError) for each in found)


async def test_a_caller_who_stops_waiting_blocks_nobody(settle: Settle) -> None:
    budget = Budget(max_cost_usd=1.0)
    first = await budget.reserve(1.0)
    leaving, staying = (asyncio.create_task(budget.reserve(1.0)) for _ in range(2))
    await settle()
    leaving.cancel()
    await budget.settle(first, 0.0)
    assert (await staying).cost_usd == 1.0
    assert leaving.cancelled()


async def test_the_cap_itself_can_be_spent_to_the_last_unit() -> None:
    budget = Budget(max_cost_usd=0.7)
    for _ in range(10):
        await budget.settle(await budget.reserve(0.07), 0.07)
    assert budget.spent_usd == 0.7
    with pytest.raises(BudgetExhaustedError):
        await budget.reserve(1e-9)


async def test_a_free_call_fits_a_budget_of_nothing() -> None:
    budget = Budget(max_cost_usd=0.0)
    await budget.settle(await budget.reserve(0.0), 0.0)
    with pytest.raises(BudgetExhaustedError):
        await budget.reserve(0.01)


async def test_calls_are_capped_by_number() -> None:
    budget = Budget(max_calls=2)
    for _ in range(2):
        await budget.reserve(5.0)
    with pytest.raises(BudgetExhaustedError, match="--max-calls 2 reached"):
        await budget.reserve(5.0)


async def test_waiting_for_money_does_not_walk_past_the_cap_on_calls(settle: Settle) -> None:
    budget = Budget(max_cost_usd=1.0, max_calls=2)
    first = await budget.reserve(1.0)
    waiting = [asyncio.create_task(budget.reserve(0.3)) for _ in range(3)]
    await settle()
    await budget.settle(first, 0.0)
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each).__name__ for each in found] == ["Reservation", "BudgetExhaustedError", "BudgetExhaustedError"]
    assert budget.n_calls == 2


async def test_without_a_cap_everything_is_admitted_and_counted() -> None:
    budget = Budget()
    for _ in range(100):
        await budget.settle(await budget.reserve(1e6), 0.01)
    assert budget.spent_usd == pytest.approx(1.0, abs=1e-12)


async def test_settling_never_waits() -> None:
    budget = Budget(max_cost_usd=1.0)
    first = await budget.reserve(1.0)
    waiting = asyncio.create_task(budget.reserve(0.5))
    await asyncio.sleep(0)
    settling = budget.settle(first, 1.0)
    with pytest.raises(StopIteration):
        settling.send(None)
    with pytest.raises(BudgetExhaustedError):
        await waiting


def test_a_budget_serves_one_event_loop_after_another() -> None:
    budget = Budget(max_cost_usd=1.0)

    async def contend() -> None:
        first = await budget.reserve(0.2)
        waiting = asyncio.create_task(budget.reserve(0.9))
        await asyncio.sleep(0)
        await budget.settle(first, 0.0)
        await budget.settle(await waiting, 0.0)

    asyncio.run(contend())
    asyncio.run(contend())


amounts = st.integers(0, 50).map(lambda cents: cents / 100)


@settings(max_examples=150, deadline=None)
@given(
    cap=amounts,
    calls=st.lists(st.tuples(amounts, st.floats(0, 1), st.booleans()), max_size=40),
    n_workers=st.integers(1, 8),
    seed=st.integers(0, 2**16),
)
def test_no_interleaving_overspends_and_money_left_over_is_not_refused(
    cap: float, calls: list[tuple[float, float, bool]], n_workers: int, seed: int
) -> None:
    rng = random.Random(seed)
    budget = Budget(max_cost_usd=cap)
    queue = iter(calls)
    billed = reserved = 0.0
    open_calls = 0
    refused: list[float] = []

    async def work() -> None:
        nonlocal billed, reserved, open_calls
        for upper, share, known in queue:
            for _ in range(rng.randrange(3)):
                await asyncio.sleep(0)
            try:
                reservation = await budget.reserve(upper)
            except BudgetExhaustedError:
                assert open_calls == 0, "refused although a call in flight could still leave room"
                assert budget.spent_usd + upper > cap - 1e-9
                refused.append(upper)
                continue
            open_calls += 1
            reserved += upper
            assert billed + reserved <= cap + 1e-9
            for _ in range(rng.randrange(4)):
                await asyncio.sleep(0)
            open_calls -= 1
            reserved -= upper
            billed += upper * share if known else upper
            await budget.settle(reservation, upper * share if known else None)

    async def main() -> None:
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            for _ in range(n_workers):
                group.create_task(work())

    asyncio.run(main())
    assert budget.spent_usd == pytest.approx(billed, abs=1e-9)
    assert budget.spent_usd <= cap + 1e-9
    assert budget.n_calls + len(refused) == len(calls)
