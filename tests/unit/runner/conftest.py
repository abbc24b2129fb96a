"""A clock that moves by hand, a model that does what a test says, a journal in memory, and arms made of them."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from evalkit.base.errors import StoreError
from evalkit.base.hashing import digest
from evalkit.base.model import JsonObject
from evalkit.core.candidate import Candidate
from evalkit.core.item import DatasetInfo, Item
from evalkit.core.output import Exchange
from evalkit.core.suite import Suite
from evalkit.llm.model import CallContext
from evalkit.llm.wire import ChatRequest, ChatResponse, Message
from evalkit.runner.arm import Arm
from evalkit.runner.plan import plan_run
from evalkit.store.journal import Journal, StoredCall

Script = Callable[[ChatRequest, CallContext], Awaitable[ChatResponse]]


class FakeClock:
    """Time stands still until :meth:`advance` moves it."""

    def __init__(self) -> None:
        self.time = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return datetime(2026, 11, 23, tzinfo=UTC) + timedelta(seconds=self.time)

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.time + seconds, next(self._order), future))
        await future

    @property
    def sleeping(self) -> list[float]:
        """How long those who sleep still have to."""
        return sorted(at - self.time for at, _, future in self._sleepers if not future.done())

    async def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass, waking sleepers in their order."""
        target = self.time + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= target:
            at, _, future = heapq.heappop(self._sleepers)
            self.time = max(self.time, at)
            if not future.done():
                future.set_result(None)
            await settle()
        self.time = target
        await settle()


async def settle(turns: int = 60) -> None:
    """Let everything that can run without waiting do so."""
    for _ in range(turns):
        await asyncio.sleep(0)


class FakeModel:
    """Answers by a script; by default at once, with the item's id."""

    name = "fake/model"
    identity: JsonObject = {}

    def __init__(self, script: Script | None = None) -> None:
        self.script = script
        self.asked: list[tuple[str, int]] = []
        self.in_flight = 0
        self.most_in_flight = 0

    async def complete(self, request: ChatRequest, context: CallContext) -> ChatResponse:
        self.asked.append((context.item_id, context.trial))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.script is None:
                return ChatResponse(text=context.item_id, latency_s=0.25)
            return await self.script(request, context)
        finally:
            self.in_flight -= 1

    async def aclose(self) -> None:
        pass


class FakeJournal:
    """Keeps what is put. ``gate`` holds a commit back; ``broken`` makes every write fail."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, Exchange, int]] = []
        self.gate: asyncio.Event | None = None
        self.broken = False
        self.waiting = 0

    async def put(self, position: int, exchange: Exchange, seq: int = 0) -> None:
        if self.broken:
            raise StoreError("disk full", hint="free some space")
        self.rows.append((position, exchange, seq))
        self.waiting += 1
        if self.gate is not None:
            await self.gate.wait()
        else:
            await asyncio.sleep(0)
        self.waiting -= 1

    @property
    def keys(self) -> list[tuple[str, int, int]]:
        return [(exchange.key.item_id, exchange.key.trial, seq) for _, exchange, seq in self.rows]

    @property
    def stored(self) -> dict[tuple[int, int, int], StoredCall]:
        """What a reader would return as calls."""
        found: dict[tuple[int, int, int], StoredCall] = {}
        for position, exchange, seq in sorted(self.rows, key=lambda row: row[2]):
            failure = exchange.failure
            key = (position, exchange.key.trial, 0)
            found[key] = StoredCall(seq, failure.blame if failure else "ok", failure.code if failure else "")
        return found


def _suite(n: int = 10, **fields: Any) -> Suite:
    base = {
        "name": "support",
        "dataset": DatasetInfo(name="support", version=None, digest="d", n_items=n),
        "items": [Item(id=f"q{index}", inputs={"question": str(index)}) for index in range(n)],
        "candidates": [Candidate(name="next", model="fake/model", timeout_s=10.0)],
        "graders": [],
    }
    return Suite.model_validate({**base, **fields})


def _request(item: Item, trial: int) -> ChatRequest:
    return ChatRequest(model="model", messages=(Message(role="user", content=item.id),), seed=trial)


def _body_digest(item: Item, request: ChatRequest) -> str:
    return digest([item.id, request])


def _arm(model: FakeModel, journal: FakeJournal | Journal, suite: Suite | None = None, **fields: Any) -> Arm:
    suite = suite or _suite()
    draw = fields.pop("draw", "0")
    base: dict[str, Any] = {
        "plan": plan_run(suite, suite.candidates[0], draw=draw),
        "model": model,
        "journal": cast("Journal", journal),
        "request": _request,
        "body_digest": _body_digest,
        "stored": {},
        "upper_cost": lambda request: 0.0,
        "cost": lambda response: response.cost_usd,
    }
    return Arm(**{**base, **fields})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def fake_model() -> Callable[..., FakeModel]:
    return FakeModel


@pytest.fixture
def fake_journal() -> Callable[[], FakeJournal]:
    return FakeJournal


@pytest.fixture
def make_suite() -> Callable[..., Suite]:
    return _suite


@pytest.fixture
def make_arm() -> Callable[..., Arm]:
    return _arm


@pytest.fixture
def make_items() -> Callable[[Sequence[str]], list[Item]]:
    return lambda ids: [Item(id=item_id, inputs={"question": item_id}) for item_id in ids]


@pytest.fixture(name="settle")
def settle_fixture() -> Callable[[], Awaitable[None]]:
    return settle
