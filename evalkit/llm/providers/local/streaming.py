"""A complete answer as the chunks of a server-sent event stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from evalkit.llm.providers.local.tokens import pieces

__all__ = ["stream_chunks", "to_event"]


def stream_chunks(answer: Mapping[str, Any], *, include_usage: bool) -> Iterator[dict[str, Any]]:
    """Yield ``chat.completion.chunk`` objects: the role, each token, tool calls, the finish, and at last the usage."""
    choice = answer["choices"][0]
    message = choice["message"]
    yield _chunk(answer, {"role": "assistant", "content": ""})
    logprobs = (choice.get("logprobs") or {}).get("content")
    for position, piece in enumerate(pieces(message["content"] or "")):
        rows = {"content": [logprobs[position]], "refusal": None} if logprobs else None
        yield _chunk(answer, {"content": piece}, logprobs=rows)
    for index, call in enumerate(message.get("tool_calls") or ()):
        function = call["function"]
        head = {
            "index": index,
            "id": call["id"],
            "type": "function",
            "function": {"name": function["name"], "arguments": ""},
        }
        yield _chunk(answer, {"tool_calls": [head]})
        for piece in pieces(function["arguments"]):
            yield _chunk(answer, {"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield _chunk(answer, {}, finish=choice["finish_reason"])
    if include_usage:
        yield {**_head(answer), "choices": [], "usage": answer["usage"]}


def to_event(chunk: Mapping[str, Any]) -> bytes:
    """Return one ``data:`` event."""
    return b"data: " + orjson.dumps(chunk) + b"\n\n"


def _head(answer: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: answer[key] for key in ("id", "created", "model", "system_fingerprint")}
    return {**kept, "object": "chat.completion.chunk"}


def _chunk(
    answer: Mapping[str, Any], delta: Mapping[str, Any], *, finish: str | None = None, logprobs: Any = None
) -> dict[str, Any]:
    return {
        **_head(answer),
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": logprobs}],
    }
