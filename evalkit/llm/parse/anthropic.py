"""Anthropic messages: body or stream to :class:`ChatResponse`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalkit.llm.classify import error_from_body
from evalkit.llm.errors import model_error
from evalkit.llm.parse.openai import finish_reason
from evalkit.llm.parse.sse import SseEvent, SseReader
from evalkit.llm.parse.strict import clean_text, count, load_object, mapping
from evalkit.llm.wire import ChatResponse, ToolCall, Usage

__all__ = ["AnthropicStream", "parse_message"]


def parse_message(body: bytes) -> ChatResponse:
    """Return the answer in the body of a success response.

    Raises:
        ModelError: it holds an error, or is no complete answer.
    """
    parsed = load_object(body)
    if parsed.get("type") == "error" or parsed.get("error"):
        raise error_from_body(parsed.get("error", parsed))
    content = parsed.get("content")
    if not isinstance(content, list):
        raise model_error("malformed", "the response has no list of content blocks")
    blocks = [_whole(mapping(block, "a content block")) for block in content]
    return _answer(parsed, blocks, parsed.get("stop_reason"), parsed.get("usage"))


@dataclass(slots=True)
class _Block:
    kind: str
    id: str = ""
    name: str = ""
    text: list[str] = field(default_factory=list)
    given: Any = None


class AnthropicStream:
    """Collects a streamed message.

    Attributes:
        started: whether any part of the answer has come.
        finished: whether the stream has said that it is complete.
    """

    def __init__(self) -> None:
        self.started = False
        self.finished = False
        self._reader = SseReader()
        self._blocks: dict[int, _Block] = {}
        self._message: Mapping[str, Any] | None = None
        self._stop: Any = None
        self._usage: dict[str, Any] = {}

    def feed(self, piece: bytes) -> bool:
        """Take the next bytes; return whether the answer is complete.

        Raises:
            ModelError: the stream holds an error, or something that is no part of an answer.
        """
        for event in self._reader.feed(piece):
            self._take(event)
        return self.finished

    def close(self) -> ChatResponse:
        """Return the answer.

        Raises:
            ModelError: ``truncated`` if the stream was cut off before its end.
        """
        for event in self._reader.close():
            if not self.finished and not event.data.rstrip().endswith(b"}"):
                raise model_error("truncated", "the stream was cut off inside an event")
            self._take(event)
        if self._message is None:
            raise model_error("malformed", "the stream has no message in it")
        if not self.finished and self._stop is None:
            raise model_error("truncated", "the stream ended before the answer")
        blocks = [block for _, block in sorted(self._blocks.items())]
        return _answer(self._message, blocks, self._stop, self._usage)

    def _take(self, event: SseEvent) -> None:
        if self.finished or not event.data.strip():
            return
        data = load_object(event.data, "an event of the stream")
        kind = data.get("type") or event.name
        if kind == "error":
            raise error_from_body(data.get("error", data))
        if kind == "message_start":
            self._message = mapping(data.get("message"), "the message")
            self._count(self._message.get("usage"))
        elif kind == "content_block_start":
            self._blocks[_index(data)] = _whole(mapping(data.get("content_block"), "a content block"))
        elif kind == "content_block_delta":
            self._delta(data)
        elif kind == "message_delta":
            delta = mapping(data.get("delta"), "the delta")
            self._stop = delta.get("stop_reason") or self._stop
            self._count(data.get("usage"))
        elif kind == "message_stop":
            self.finished = True

    def _delta(self, data: Mapping[str, Any]) -> None:
        block = self._blocks.get(_index(data))
        if block is None:
            raise model_error("malformed", "the stream continues a content block it never began")
        delta = mapping(data.get("delta"), "the delta")
        piece = delta.get("text") if delta.get("type") == "text_delta" else delta.get("partial_json")
        if isinstance(piece, str) and piece:
            block.text.append(piece)
            self.started = True

    def _count(self, usage: Any) -> None:
        if isinstance(usage, dict):
            self._usage.update({key: value for key, value in usage.items() if value is not None})


def _index(data: Mapping[str, Any]) -> int:
    index = data.get("index")
    if not isinstance(index, int):
        raise model_error("malformed", "an event of the stream has no index")
    return index


def _whole(raw: Mapping[str, Any]) -> _Block:
    kind = raw.get("type")
    if not isinstance(kind, str):
        raise model_error("malformed", "a content block has no type")
    block = _Block(kind)
    if kind == "text":
        text = raw.get("text")
        if not isinstance(text, str):
            raise model_error("malformed", "a text block has no text")
        block.text.append(text)
    elif kind == "tool_use":
        block.id, block.name = str(raw.get("id") or ""), str(raw.get("name") or "")
        block.given = raw.get("input")
        if not block.name:
            raise model_error("malformed", "a tool call has no name")
    return block


def _answer(about: Mapping[str, Any], blocks: list[_Block], word: Any, usage: Any) -> ChatResponse:
    if word is not None and not isinstance(word, str):
        raise model_error("malformed", f"stop_reason is {type(word).__name__}, not text")
    finish = finish_reason(word)
    text = "".join("".join(block.text) for block in blocks if block.kind == "text")
    calls = tuple(_tool_call(block) for block in blocks if block.kind == "tool_use")
    if finish == "unknown" and calls:
        finish = "tool_calls"
    model, response_id = about.get("model"), about.get("id")
    return ChatResponse(
        text=clean_text(text),
        finish=finish,
        provider_finish=word,
        tool_calls=calls,
        usage=_usage(usage),
        model=model if isinstance(model, str) else None,
        response_id=response_id if isinstance(response_id, str) else None,
        refusal=clean_text(text) if finish == "refusal" else None,
    )


def _tool_call(block: _Block) -> ToolCall:
    streamed = "".join(block.text)
    arguments = streamed or json.dumps(block.given if block.given is not None else {}, ensure_ascii=False)
    return ToolCall(id=block.id, name=clean_text(block.name), arguments=clean_text(arguments))


def _usage(raw: Any) -> Usage:
    if not isinstance(raw, dict):
        return Usage()
    return Usage(
        input_tokens=count(raw.get("input_tokens")),
        output_tokens=count(raw.get("output_tokens")),
        cache_read_tokens=count(raw.get("cache_read_input_tokens")) or None,
        cache_write_tokens=count(raw.get("cache_creation_input_tokens")) or None,
    )
