"""From a candidate and an item to the request, and to the digest of what decides its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalkit.base.errors import UsageError
from evalkit.base.hashing import digest
from evalkit.base.model import JsonObject
from evalkit.core.candidate import Candidate
from evalkit.core.item import Item
from evalkit.llm.prompt import PROMPT_VARIABLES, Template, compile_template, parse_messages, render_messages
from evalkit.llm.wire import ChatRequest, Message, Role
from evalkit.runner.plan import call_seed

__all__ = ["RequestBuilder"]

_APPLICATIONS = frozenset({"http", "python", "replay"})
"""Kinds of models that may read the item beside the request."""


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
        self._reads_item = candidate.model_identity.get("kind") in _APPLICATIONS
        self._identity = digest([candidate.model, candidate.model_identity])

    def build(self, item: Item, trial: int) -> ChatRequest:
        """Return the request of ``(item, trial)``.

        Raises:
            UsageError: the prompt needs a field the item lacks, ``inputs.messages`` is not a conversation, or
                ``inputs.tools`` is not a list of objects.
        """
        candidate = self._candidate
        messages = render_messages(self._templates, _variables(item), append=_own_messages(item))
        tools = candidate.tools or _own_tools(item)
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
        """Return the digest of everything that decides the answer: model, request, and what an application reads."""
        own = [item.id, item.digest] if self._reads_item or not request.messages else None
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


def _own_tools(item: Item) -> tuple[JsonObject, ...]:
    raw = item.inputs.get("tools") or ()
    if not isinstance(raw, (list, tuple)) or not all(isinstance(tool, Mapping) for tool in raw):
        raise UsageError(
            f"item {item.id!r}: `inputs.tools` is not a list of objects",
            hint='write each tool as {"type": "function", "function": {"name": …}}',
        )
    return tuple(raw)
