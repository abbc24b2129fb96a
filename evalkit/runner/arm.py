"""One candidate's part of an execution, and which of its calls are still to be made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from evalkit.core.item import Item
from evalkit.core.output import CallKey
from evalkit.llm.model import ChatModel
from evalkit.llm.wire import ChatRequest, ChatResponse
from evalkit.runner.plan import RunPlan
from evalkit.store.journal import Journal, StoredCall

__all__ = ["Arm", "PlannedCall", "n_recorded", "pending"]

_FINAL = frozenset({"bad_request", "not_found", "not_recorded"})
"""Failures of the infrastructure that the same request will meet again."""


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call to be made. ``seq`` is above 0 when infrastructure failed it before."""

    arm: int
    position: int
    item: Item
    trial: int
    seq: int

    @property
    def key(self) -> CallKey:
        """Item, trial and step."""
        return CallKey(item_id=self.item.id, trial=self.trial)


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
        cacheable: whether an answer of another run to the very same call may be used.
        replayed: whether the request alone decides the answer (a recording, the embedded model), so that asking twice
            is no second, independent call.
        free: whether no call costs anything, so that one whose fate is unknown cost nothing either.
        answered: calls answered in this execution.
        streak: failures so far that asking again cannot mend.
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
    replayed: bool = False
    free: bool = False
    answered: int = 0
    streak: int = 0


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


def n_recorded(arm: Arm) -> int:
    """Return how many of an arm's planned calls had a usable record before this execution."""
    return sum(1 for (_, _, step), stored in arm.stored.items() if step == 0 and _next_seq(stored) is None)


def _next_seq(stored: StoredCall | None) -> int | None:
    """Return the number of the next repetition, or None if the record stands."""
    if stored is None:
        return 0
    again = stored.status == "infrastructure" and stored.code not in _FINAL
    return stored.seq + 1 if again else None
