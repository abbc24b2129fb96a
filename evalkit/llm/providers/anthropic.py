"""Anthropic messages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from evalkit.base.model import JsonObject, JsonValue
from evalkit.llm.config import ModelSettings
from evalkit.llm.model import CallContext
from evalkit.llm.parse.anthropic import AnthropicStream, parse_message
from evalkit.llm.providers.chat_http import HttpCaller
from evalkit.llm.wire import ChatRequest, ChatResponse, Message

if TYPE_CHECKING:
    from evalkit.llm.transport import HttpPort

__all__ = ["DEFAULT_MAX_TOKENS", "AnthropicModel", "open_anthropic", "request_body"]

DEFAULT_MAX_TOKENS = 4096
"""Sent when a candidate sets no ``max_output_tokens``, since the API insists on a number."""

_VERSION = "2023-06-01"
_DATA_URL = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+);base64,(?P<data>.*)", re.DOTALL)


class AnthropicModel:
    """One model behind the Anthropic API.

    Args:
        settings: name, address, table.
        port: the transport; the real one if None.
    """

    def __init__(self, settings: ModelSettings, *, port: HttpPort | None = None) -> None:
        endpoint = settings.endpoint
        assert endpoint is not None  # noqa: S101 - open_model gives this kind an address
        headers = {"anthropic-version": _VERSION}
        if endpoint.key:
            headers["x-api-key"] = endpoint.key.get_secret_value()
        self._caller = HttpCaller(settings, headers, port=port)
        self._url = f"{endpoint.url.removesuffix('/v1')}/v1/messages"
        self._model = settings.model
        self._stream = settings.config.stream
        self._extra = settings.config.extra

    @property
    def name(self) -> str:
        """The full name, ``provider/model``."""
        return self._caller.name

    @property
    def identity(self) -> JsonObject:
        """Kind, base URL and public settings."""
        return self._caller.identity

    async def complete(self, request: ChatRequest, context: CallContext) -> ChatResponse:
        """Return the complete answer to ``request``; ``seed`` and ``logprobs``, which the API lacks, are left out.

        Raises:
            ModelError: the attempt failed.
        """
        body = request_body(request, self._model)
        body.update(self._extra)
        stream = None
        if self._stream:
            body["stream"] = True
            stream = AnthropicStream()
        return await self._caller.ask(self._url, body, timeout_s=context.timeout_s, parse=parse_message, stream=stream)

    async def aclose(self) -> None:
        """Release connections. Safe to call twice."""
        await self._caller.aclose()


def open_anthropic(settings: ModelSettings) -> AnthropicModel:
    """Return the model ``settings`` describe."""
    return AnthropicModel(settings)


def request_body(request: ChatRequest, model: str) -> dict[str, Any]:
    """Return the JSON of ``request`` as the Messages API spells it."""
    system = [message.text() for message in request.messages if message.role in {"system", "developer"}]
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": request.max_output_tokens or DEFAULT_MAX_TOKENS,
        "messages": _turns(request.messages),
    }
    if system:
        body["system"] = "\n\n".join(system)
    for key, value in (("temperature", request.temperature), ("top_p", request.top_p)):
        if value is not None:
            body[key] = value
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.tool_choice is not None:
        body["tool_choice"] = _tool_choice(request.tool_choice)
    if request.response_schema is not None:
        schema = request.response_schema.get("schema", request.response_schema)
        body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    body.update(request.extra)
    return body


def _turns(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """Return user and assistant turns; neighbouring ones of one role become one, as tool results must."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role in {"system", "developer"}:
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = _blocks(message)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] = [*turns[-1]["content"], *blocks]
        else:
            turns.append({"role": role, "content": blocks})
    return turns


def _blocks(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        return [{"type": "tool_result", "tool_use_id": message.tool_call_id or "", "content": message.text()}]
    if isinstance(message.content, str):
        blocks = [{"type": "text", "text": message.content}] if message.content else []
    else:
        blocks = [_part(part) for part in message.content or ()]
    for call in message.tool_calls:
        blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": _arguments(call.arguments)})
    return blocks


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a content part as a block; images are translated, whatever else is passed on."""
    if part.get("type") != "image_url":
        return dict(part)
    url = part["image_url"]["url"] if isinstance(part.get("image_url"), Mapping) else str(part.get("image_url"))
    inline = _DATA_URL.fullmatch(url)
    if inline:
        source = {"type": "base64", "media_type": inline["type"], "data": inline["data"]}
    else:
        source = {"type": "url", "url": url}
    return {"type": "image", "source": source}


def _arguments(raw: str) -> JsonValue:
    try:
        parsed = orjson.loads(raw or "{}")
    except orjson.JSONDecodeError:
        return {"invalid_arguments": raw}
    return parsed if isinstance(parsed, dict) else {"arguments": parsed}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = tool.get("function")
    if not isinstance(function, Mapping):
        return dict(tool)  # already in Anthropic's form
    made = {"name": function["name"], "input_schema": function.get("parameters") or {"type": "object"}}
    if function.get("description"):
        made["description"] = function["description"]
    return made


def _tool_choice(choice: JsonValue) -> JsonValue:
    words = {"auto": "auto", "required": "any", "none": "none"}
    if isinstance(choice, str):
        return {"type": words.get(choice, choice)}
    if isinstance(choice, Mapping) and isinstance(choice.get("function"), Mapping):
        return {"type": "tool", "name": choice["function"].get("name")}
    return choice
