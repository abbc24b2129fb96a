"""From a candidate and an item to the request, and to the digest of what decides its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalkit.base.hashing import digest
from evalkit.core.candidate import Candidate
from evalkit.core.item import Item
from evalkit.llm.prompt import PROMPT_VARIABLES, Template, compile_template, parse_messages, render_messages
from evalkit.llm.wire import ChatRequest, Message, Role
from evalkit.runner.plan import call_seed

__all__ = ["RequestBuilder"]


class RequestBuilder:
    """Builds the requests of one candidate in one draw; its templates are compiled once.

    The prompt's messages come first, then the item's own ``inputs.messages``. Without either, the request has no
    messages: models that evaluate a whole application, or replay one, read the item's inputs instead.

    Args:
        candidate: what is under test.
        draw: names the independent set of calls; decides the request seeds.
    """

    def __init__(self, candidate: Candidate, draw: str) -> None:
        self._candidate = candidate
        self._draw = draw
        self._model = candidate.model.partition("/")[2] or candidate.model
        self._templates = _compiled(candidate)
        self._identity = digest([candidate.model, candidate.model_identity])

    def build(self, item: Item, trial: int) -> ChatRequest:
        """Return the request of ``(item, trial)``.

        Raises:
            UsageError: the prompt needs a field the item lacks, or ``inputs.messages`` is not a conversation.
        """
        candidate = self._candidate
        messages = render_messages(self._templates, _variables(item), append=_own_messages(item))
        tools = candidate.tools or tuple(item.inputs.get("tools", ()))
        return ChatRequest(
            model=self._model,
            messages=messages,
            temperature=candidate.temperature,
            top_p=candidate.top_p,
            max_output_tokens=candidate.max_output_tokens,
            stop=candidate.stop,
            seed=call_seed(self._draw, item.id, trial),
            tools=tools,
            tool_choice=candidate.tool_choice,
            response_schema=candidate.response_schema,
            extra=candidate.extra,
        )

    def body_digest(self, item: Item, request: ChatRequest) -> str:
        """Return the digest of everything that decides the answer: the model, the request, or the item itself."""
        own = None if request.messages else [item.id, item.digest]
        return digest([self._identity, request.model_dump(mode="json", exclude_defaults=True), own])


def _compiled(candidate: Candidate) -> tuple[tuple[Role, Template], ...]:
    if candidate.prompt is None:
        return ()
    source = candidate.prompt.source
    return tuple(
        (message.role, compile_template(message.content, source, variables=PROMPT_VARIABLES))
        for message in candidate.prompt.messages
    )


def _variables(item: Item) -> Mapping[str, Any]:
    return {"id": item.id, "inputs": item.inputs, "metadata": item.metadata}


def _own_messages(item: Item) -> tuple[Message, ...]:
    raw = item.inputs.get("messages")
    return parse_messages(raw, f"item {item.id!r}") if raw is not None else ()
