"""OpenAI chat completions and their many relatives: body or stream to :class:`ChatResponse`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalkit.llm.classify import error_from_body
from evalkit.llm.errors import model_error
from evalkit.llm.parse.sse import SseEvent, SseReader
from evalkit.llm.parse.strict import clean_text, count, load_object, mapping
from evalkit.llm.wire import ChatResponse, FinishReason, ToolCall, Usage

__all__ = ["FINISH", "OpenAIStream", "finish_reason", "parse_completion", "parse_usage"]

FINISH: Mapping[str, FinishReason] = {
    "stop": "stop", "eos": "stop", "end_turn": "stop", "stop_sequence": "stop", "complete": "stop",
    "length": "length", "max_tokens": "length", "model_length": "length", "model_context_window_exceeded": "length",
    "tool_calls": "tool_calls", "function_call": "tool_calls", "tool_use": "tool_calls",
    "content_filter": "content_filter", "safety": "content_filter", "refusal": "refusal",
    "pause_turn": "pause", "error": "error",
}  # fmt: skip
"""Providers' words for why they stopped, lower case."""


def finish_reason(word: str | None, *, refusal: bool = False) -> FinishReason:
    """Return the common word for a provider's."""
    if refusal:
        return "refusal"
    return FINISH.get(word.lower(), "unknown") if word else "unknown"


def parse_completion(body: bytes) -> ChatResponse:
    """Return the answer in the body of a success response.

    Raises:
        ModelError: it holds an error, or is no complete answer.
    """
    parsed = load_object(body)
    if parsed.get("error"):
        raise error_from_body(parsed["error"])
    choices = parsed.get("choices")
    if not isinstance(choices, list) or not choices:
        raise model_error("malformed", "the response has no choices")
    choice = mapping(_first(choices), "the choice")
    if choice.get("error"):
        raise error_from_body(choice["error"])
    word = choice.get("finish_reason")
    if choice.get("message") is None and word == "content_filter":
        raise model_error("content_filter", "the provider filtered the whole answer")
    message = mapping(choice.get("message"), "the message")
    text = _content(message.get("content"))
    calls = tuple(_tool_call(call) for call in _list(message.get("tool_calls"), "tool_calls"))
    return _answer(parsed, word, text, calls, message.get("refusal"), message)


def parse_usage(raw: Any) -> Usage:
    """Return the counts in a ``usage`` object; whatever is not a sane count is not known."""
    if not isinstance(raw, dict):
        return Usage()
    inner, outer = raw.get("prompt_tokens_details"), raw.get("completion_tokens_details")
    return Usage(
        input_tokens=count(raw.get("prompt_tokens")),
        output_tokens=count(raw.get("completion_tokens")),
        cached_input_tokens=count(inner.get("cached_tokens")) if isinstance(inner, dict) else None,
        reasoning_tokens=count(outer.get("reasoning_tokens")) if isinstance(outer, dict) else None,
    )


@dataclass(slots=True)
class _PartialCall:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class OpenAIStream:
    """Collects a streamed completion; choices other than the first are passed over.

    Attributes:
        started: whether any part of the answer has come.
        finished: whether the stream has said that it is complete.
    """

    def __init__(self) -> None:
        self.started = False
        self.finished = False
        self._reader = SseReader()
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._calls: dict[int, _PartialCall] = {}
        self._finish: str | None = None
        self._usage: Any = None
        self._about: dict[str, Any] = {}

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
            self._take(event, last=True)
        if not self.finished and self._finish is None:
            kind = "malformed" if not self._about and not self.started else "truncated"
            raise model_error("malformed" if kind == "malformed" else "truncated", "the stream ended before the answer")
        calls = tuple(
            _tool_call({"id": call.id, "function": {"name": call.name, "arguments": "".join(call.arguments)}})
            for _, call in sorted(self._calls.items())
        )
        about = {**self._about, "usage": self._usage}
        if not (self.started or self._finish):
            raise model_error("malformed", "the stream has no answer in it")
        return _answer(about, self._finish, "".join(self._text), calls, "".join(self._refusal) or None, {"content": ""})

    def _take(self, event: SseEvent, *, last: bool = False) -> None:
        data = event.data.strip()
        if not data or self.finished:
            return
        if data == b"[DONE]":
            self.finished = True
            return
        if last and self._finish is None and not data.endswith(b"}"):
            raise model_error("truncated", "the stream was cut off inside an event")
        chunk = load_object(data, "an event of the stream")
        if (chunk.get("error") or event.name == "error") and self._finish is None:
            raise error_from_body(chunk.get("error", chunk))  # after a finish reason the answer is whole all the same
        self._chunk(chunk)

    def _chunk(self, chunk: dict[str, Any]) -> None:
        for key in ("id", "model"):
            if key not in self._about and chunk.get(key):
                self._about[key] = chunk[key]
        if chunk.get("usage"):
            self._usage = chunk["usage"]
        for choice in _list(chunk.get("choices"), "choices"):
            part = mapping(choice, "the choice")
            if part.get("index") in {0, None}:
                self._choice(part)

    def _choice(self, choice: Mapping[str, Any]) -> None:
        if choice.get("error"):
            raise error_from_body(choice["error"])
        word = choice.get("finish_reason")
        if word is not None and self._finish is None:
            self._finish = _word(word)
        delta = choice.get("delta")
        if delta is None:
            return
        delta = mapping(delta, "the delta")
        text = _content(delta.get("content"))
        if text:
            self._text.append(text)
        if isinstance(delta.get("refusal"), str) and delta["refusal"]:
            self._refusal.append(delta["refusal"])
        calls = _list(delta.get("tool_calls"), "tool_calls")
        for call in calls:
            self._call(mapping(call, "a tool call"))
        self.started = self.started or bool(text or calls or delta.get("refusal"))

    def _call(self, call: Mapping[str, Any]) -> None:
        index = call.get("index")
        if not isinstance(index, int):  # providers that send whole calls leave the index out
            index = len(self._calls)
        partial = self._calls.setdefault(index, _PartialCall())
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        partial.id = partial.id or _text_of(call.get("id"))
        partial.name = partial.name or _text_of(function.get("name"))
        partial.arguments.append(_arguments(function.get("arguments")))


def _answer(
    about: Mapping[str, Any],
    word: Any,
    text: str,
    calls: tuple[ToolCall, ...],
    refusal: Any,
    message: Mapping[str, Any],
) -> ChatResponse:
    word = None if word is None else _word(word)
    finish = finish_reason(word, refusal=bool(refusal))
    if finish == "error":
        raise model_error("server_error", "the provider stopped with an error in mid answer")
    if finish == "unknown" and calls:
        finish = "tool_calls"
    silent = not text and not calls and not refusal and message.get("content") is None
    if silent and finish in {"stop", "unknown"} and not _says_something_else(message):
        raise model_error("malformed", "the message has neither content nor tool calls nor a refusal")
    model, response_id = about.get("model"), about.get("id")
    return ChatResponse(
        text=clean_text(text),
        finish=finish,
        provider_finish=word,
        tool_calls=calls,
        usage=parse_usage(about.get("usage")),
        model=model if isinstance(model, str) else None,
        response_id=response_id if isinstance(response_id, str) else None,
        refusal=clean_text(refusal) if isinstance(refusal, str) and refusal else None,
    )


def _says_something_else(message: Mapping[str, Any]) -> bool:
    """Return whether a message without content is an answer all the same: reasoning, audio, or a legacy call."""
    return any(message.get(key) for key in ("reasoning", "reasoning_content", "audio", "function_call", "images"))


def _first(choices: list[Any]) -> Any:
    for choice in choices:
        if isinstance(choice, dict) and choice.get("index") == 0:
            return choice
    return choices[0]


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise model_error("malformed", f"finish_reason is {type(value).__name__}, not text")
    return value


def _content(content: Any) -> str:
    """Return the visible text: a string, or the text parts of a list; thinking is not part of the answer."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise model_error("malformed", f"the content is {type(content).__name__}, not text")
    texts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type", "text") == "text"]
    return "".join(text for text in texts if isinstance(text, str))


def _tool_call(raw: Any) -> ToolCall:
    call = mapping(raw, "a tool call")
    function = mapping(call.get("function", call.get("custom")), "a tool call's function")
    name = function.get("name")
    if not isinstance(name, str) or not name:
        raise model_error("malformed", "a tool call has no name")
    arguments = function.get("arguments", function.get("input"))
    return ToolCall(id=_text_of(call.get("id")), name=clean_text(name), arguments=clean_text(_arguments(arguments)))


def _arguments(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _list(value: Any, what: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise model_error("malformed", f"{what} is {type(value).__name__}, not a list")
    return value
