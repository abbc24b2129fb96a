"""What came back for one (item, trial)."""

from __future__ import annotations

from pydantic import Field

from evalkit.base.model import Frozen, Many
from evalkit.llm.errors import Blame, ErrorCode
from evalkit.llm.wire import ChatRequest, ChatResponse

__all__ = ["CallKey", "Exchange", "Failure", "Output", "Task"]


class CallKey(Frozen):
    """Names one planned call: item, trial (0-based), step (0-based)."""

    item_id: str
    trial: int = Field(ge=0)
    step: int = Field(default=0, ge=0)


class Task(Frozen):
    """One planned call."""

    key: CallKey
    request: ChatRequest


class Failure(Frozen):
    """A call that produced no answer, kept as what it is and never as a number.

    ``elapsed_s`` is the time until it was given up, at which latency is censored; ``cost_usd`` what was billed for it.
    """

    code: ErrorCode
    blame: Blame
    message: str
    attempts: int = Field(ge=1)
    status: int | None = None
    elapsed_s: float | None = None
    cost_usd: float | None = None


class Exchange(Frozen):
    """One journal record: a planned call and what came of it. Exactly one of ``response`` and ``failure`` is set."""

    key: CallKey
    request_digest: str
    response: ChatResponse | None = None
    failure: Failure | None = None
    attempts: int = 1
    cached: bool = False
    started_at: str | None = None


class Output(Frozen):
    """The final answer of ``(item, trial)`` and the exchanges that led to it."""

    item_id: str
    trial: int
    exchanges: Many[Exchange]

    @property
    def response(self) -> ChatResponse | None:
        """The last exchange's answer, or None if it failed."""
        return self.exchanges[-1].response

    @property
    def failure(self) -> Failure | None:
        """The last exchange's failure, or None if it answered."""
        return self.exchanges[-1].failure

    @property
    def text(self) -> str:
        """The final text; empty for a failure."""
        return self.response.text if self.response else ""

    @property
    def cost_usd(self) -> float | None:
        """What the exchanges cost together; None if any cost is unknown."""
        costs = [
            exchange.response.cost_usd if exchange.response else exchange.failure and exchange.failure.cost_usd
            for exchange in self.exchanges
        ]
        return None if any(cost is None for cost in costs) else float(sum(cost or 0.0 for cost in costs))

    @property
    def latency_s(self) -> float | None:
        """The exchanges' latencies together; None if any is unknown or failed."""
        times = [exchange.response.latency_s if exchange.response else None for exchange in self.exchanges]
        return None if any(time is None for time in times) else float(sum(time or 0.0 for time in times))
