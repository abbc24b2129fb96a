"""The embedded model in process, behind the same seam as every other model."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from evalkit.base.clock import Clock, SystemClock
from evalkit.base.errors import ModelError, UsageError
from evalkit.base.hashing import digest
from evalkit.base.model import JsonObject
from evalkit.base.registry import suggest
from evalkit.llm.errors import ErrorCode, model_error
from evalkit.llm.model import CallContext
from evalkit.llm.providers.local.counter import RequestCounter
from evalkit.llm.providers.local.engine import MODELS, NOTICE, RequestError, complete
from evalkit.llm.providers.local.faults import Fault, check_rates, error_body, seeded_fault
from evalkit.llm.providers.local.latency import Latency
from evalkit.llm.providers.local.tokens import count_tokens, pieces
from evalkit.llm.wire import ChatRequest, ChatResponse, FinishReason, Message, ToolCall, Usage

__all__ = ["LocalModel", "open_local", "to_body"]

_LARGE = 40_000
_VERSION: Final = 1
_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}
_STATUS: dict[int, ErrorCode] = {
    400: "bad_request", 401: "auth", 403: "auth", 404: "not_found", 408: "timeout", 413: "too_large", 429: "rate_limit",
    503: "overloaded", 529: "overloaded",
}  # fmt: skip
_FAULT: dict[str, ErrorCode] = {
    "hang": "timeout",
    "reset": "connection",
    "sse_reset": "connection",
    "sse_cut": "connection",
    "truncate": "connection",
    "sse_error": "server_error",
    "error_in_200": "server_error",
}


class LocalModel:
    """One of the embedded models, answered in this process from the same request bodies as over HTTP."""

    def __init__(self, name: str, *, latency: Latency, faults: Mapping[str, float], seed: int, clock: Clock) -> None:
        self._name = name
        self._latency, self._seed, self._clock = latency, seed, clock
        self._rates = check_rates(faults)
        self._counter = RequestCounter()

    @property
    def name(self) -> str:
        """The full name, ``local/model``."""
        return f"local/{self._name}"

    @property
    def identity(self) -> JsonObject:
        """Its kind and the version of its rules; faults and latency change no answer."""
        return {"kind": "local", "version": _VERSION}

    def stats(self) -> dict[str, Any]:
        """Return how many requests came, in all and by digest."""
        return self._counter.snapshot()

    async def complete(self, request: ChatRequest, context: CallContext) -> ChatResponse:
        """Return the answer to ``request``.

        Raises:
            ModelError: the request is refused, or an injected fault hit it.
        """
        body = to_body(request, model=self.name)
        key = digest(body)
        attempt = self._counter.receive(key)
        fault = seeded_fault(self._rates, self._seed, key, attempt)
        started = self._clock.monotonic()
        await self._wait(self._latency.first_token_s(self._seed, key, attempt), fault, context)
        first = self._clock.monotonic() - started
        answer = await self._answer(body, fault)
        if self._latency.per_token_ms > 0:
            await self._clock.sleep(self._latency.tokens_s(answer["usage"]["completion_tokens"]))
        self._counter.answer(key)
        return _response(answer, latency_s=self._clock.monotonic() - started, first_token_s=first)

    async def _wait(self, seconds: float, fault: Fault | None, context: CallContext) -> None:
        if fault and fault.kind in {"hang", "slow"}:
            seconds += fault.value if fault.value is not None else 3600.0 if fault.kind == "hang" else 1.0
        if seconds > context.timeout_s:
            await self._clock.sleep(context.timeout_s)
            raise model_error("timeout", f"no answer within {context.timeout_s:g} s", where=self.name)
        if seconds > 0:
            await self._clock.sleep(seconds)

    async def _answer(self, body: dict[str, Any], fault: Fault | None) -> dict[str, Any]:
        if fault is not None:
            self._counter.fault(fault.kind)
            if fault.kind not in {"slow", "hang", "content_filter", "length"}:
                raise self._failure(fault)
        try:
            large = sum(len(str(each.get("content"))) for each in body["messages"]) > _LARGE
            answer = await asyncio.to_thread(complete, body) if large else complete(body)
        except RequestError as refused:
            code: ErrorCode = "context_length" if refused.code == "context_length_exceeded" else _STATUS[refused.status]
            raise model_error(code, refused.message, status=refused.status, where=self.name) from refused
        return _altered(answer, fault) if fault else answer

    def _failure(self, fault: Fault) -> ModelError:
        if fault.kind != "status":
            return model_error(_FAULT.get(fault.kind, "malformed"), f"injected fault {fault.kind!r}", where=self.name)
        status = int(fault.value or 500)
        code: ErrorCode = (
            "quota_exhausted" if fault.code == "insufficient_quota" else _STATUS.get(status, "server_error")
        )
        return model_error(
            code,
            error_body(status)["error"]["message"],
            status=status,
            retry_after_s=fault.retry_after,
            where=self.name,
        )

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""


def _altered(answer: dict[str, Any], fault: Fault) -> dict[str, Any]:
    if fault.kind in {"content_filter", "length"}:
        choice = answer["choices"][0]
        tokens = pieces(choice["message"]["content"] or "")
        kept = "" if fault.kind == "content_filter" else "".join(tokens[: len(tokens) // 2])
        choice["finish_reason"], choice["message"]["content"] = fault.kind, kept
        answer["usage"]["completion_tokens"] = count_tokens(kept)
    return answer


def to_body(request: ChatRequest, *, model: str | None = None) -> dict[str, Any]:
    """Return ``request`` as the JSON body of the OpenAI chat-completions API."""
    body: dict[str, Any] = {
        "model": model or request.model,
        "messages": [_message(message) for message in request.messages],
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_completion_tokens": request.max_output_tokens,
        "seed": request.seed,
        "stop": list(request.stop) or None,
        "tools": [dict(tool) for tool in request.tools] or None,
        "tool_choice": request.tool_choice,
        "logprobs": request.logprobs or None,
    }
    if request.response_schema is not None:
        named = {"name": "answer", "schema": dict(request.response_schema), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": named}
    return {**{key: value for key, value in body.items() if value is not None}, **request.extra}


def _message(message: Message) -> dict[str, Any]:
    content = message.content
    body: dict[str, Any] = {
        "role": message.role,
        "content": content if content is None or isinstance(content, str) else [dict(part) for part in content],
    }
    if message.tool_call_id:
        body["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        body["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    return body


def _response(answer: dict[str, Any], *, latency_s: float, first_token_s: float) -> ChatResponse:
    choice = answer["choices"][0]
    message = choice["message"]
    return ChatResponse(
        text=message["content"] or "",
        finish=_FINISH.get(choice["finish_reason"], "unknown"),
        provider_finish=choice["finish_reason"],
        tool_calls=tuple(
            ToolCall(id=call["id"], name=call["function"]["name"], arguments=call["function"]["arguments"])
            for call in message.get("tool_calls") or ()
        ),
        usage=Usage(input_tokens=answer["usage"]["prompt_tokens"], output_tokens=answer["usage"]["completion_tokens"]),
        model=answer["model"],
        response_id=answer["id"],
        latency_s=latency_s,
        first_token_s=first_token_s,
        cost_usd=0.0,
    )


def open_local(
    model: str,
    *,
    latency: Latency | Mapping[str, float] | None = None,
    faults: Mapping[str, float] | None = None,
    seed: int = 0,
    clock: Clock | None = None,
    **unknown: object,
) -> LocalModel:
    """Return an embedded model in this process (a ``ChatModel``); it needs no key and no network.

    Args:
        model: ``extract-1``, ``extract-1-mini`` or ``judge``, with or without ``local/`` before it.
        latency: how long answers take, as :class:`Latency` or its fields; none by default.
        faults: rates by fault, such as ``{"429": 0.05}``; each attempt is drawn anew.
        seed: of latency and faults; answers depend on the request's own seed alone.
        clock: waits and measures.
        unknown: settings there are none of, which is an error.

    Raises:
        UsageError: there is no such model, no such setting, or no such fault.
    """
    if unknown:
        raise UsageError(f"the embedded model has no setting {min(unknown)!r}", hint="settings: latency, faults, seed")
    short = model.removeprefix("local/")
    if short not in MODELS:
        raise UsageError(
            f"unknown embedded model {model!r}{suggest(short, list(MODELS))}",
            hint=f"there are {', '.join(f'local/{each}' for each in MODELS)} ({NOTICE})",
        )
    try:
        waits = latency if isinstance(latency, Latency) else Latency.model_validate(dict(latency or {}), strict=False)
    except ValidationError as error:
        raise UsageError(f"latency {latency!r} cannot be used", hint="fields: base_ms, per_token_ms, sigma") from error
    return LocalModel(short, latency=waits, faults=faults or {}, seed=seed, clock=clock or SystemClock())
