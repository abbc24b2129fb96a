"""The seam every model stands behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from evalkit.base.model import JsonObject
from evalkit.llm.wire import ChatRequest, ChatResponse

__all__ = ["CallContext", "ChatModel"]


@dataclass(frozen=True, slots=True)
class CallContext:
    """Which planned call a request belongs to: replay models look answers up by it; others may ignore it.

    Attributes:
        item_id: the dataset item.
        trial: 0-based repetition.
        step: 0-based call within the trial.
        inputs: the item's inputs, for models that evaluate a whole application.
        timeout_s: seconds this one attempt may take, already cut to the deadline of all attempts.
    """

    item_id: str
    trial: int
    step: int
    inputs: JsonObject
    timeout_s: float


@runtime_checkable
class ChatModel(Protocol):
    """One model behind one endpoint.

    ``complete`` makes exactly one attempt: retries, pacing, budget and caching are the runner's.
    """

    @property
    def name(self) -> str:
        """The full name, ``provider/model``."""
        ...

    @property
    def identity(self) -> JsonObject:
        """What besides its name decides the answers (kind, base URL); part of the candidate's digest; no secrets."""
        ...

    async def complete(self, request: ChatRequest, context: CallContext) -> ChatResponse:
        """Return the complete answer to ``request``.

        Raises:
            ModelError: the attempt failed; its code says how.
        """
        ...

    async def aclose(self) -> None:
        """Release connections. Safe to call twice."""
        ...
