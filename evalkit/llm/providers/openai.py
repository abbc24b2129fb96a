"""OpenAI chat completions, and every server that speaks them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from evalkit.base.model import JsonObject
from evalkit.llm.config import ModelSettings
from evalkit.llm.model import CallContext
from evalkit.llm.parse.openai import OpenAIStream, parse_completion
from evalkit.llm.providers.chat_http import HttpCaller
from evalkit.llm.wire import ChatRequest, ChatResponse, Message

if TYPE_CHECKING:
    from evalkit.llm.transport import HttpPort

__all__ = ["OpenAIModel", "message_json", "open_openai", "request_body"]

_OWN_HOST = "api.openai.com"


class OpenAIModel:
    """One model behind an OpenAI-compatible address.

    Args:
        settings: name, address, table.
        port: the transport; the real one if None.
    """

    def __init__(self, settings: ModelSettings, *, port: HttpPort | None = None) -> None:
        endpoint = settings.endpoint
        assert endpoint is not None  # noqa: S101 - open_model gives this kind an address
        key = {"Authorization": f"Bearer {endpoint.key.get_secret_value()}"} if endpoint.key else {}
        self._caller = HttpCaller(settings, key, port=port)
        self._url = f"{endpoint.url}/chat/completions"
        own = urlsplit(endpoint.url).hostname == _OWN_HOST
        self._limit_field = settings.config.max_tokens_field or ("max_completion_tokens" if own else "max_tokens")
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
        """Return the complete answer to ``request``.

        Raises:
            ModelError: the attempt failed.
        """
        body = request_body(request, self._model, limit_field=self._limit_field)
        body.update(self._extra)
        stream = None
        if self._stream:
            body["stream"] = True
            body["stream_options"] = {"include_usage": True}
            stream = OpenAIStream()
        return await self._caller.ask(
            self._url, body, timeout_s=context.timeout_s, parse=parse_completion, stream=stream
        )

    async def aclose(self) -> None:
        """Release connections. Safe to call twice."""
        await self._caller.aclose()


def open_openai(settings: ModelSettings) -> OpenAIModel:
    """Return the model ``settings`` describe."""
    return OpenAIModel(settings)


def request_body(request: ChatRequest, model: str, *, limit_field: str = "max_tokens") -> dict[str, Any]:
    """Return the JSON of ``request`` as chat completions spell it; what is not set is left to the provider."""
    body: dict[str, Any] = {"model": model, "messages": [message_json(message) for message in request.messages]}
    optional = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        limit_field: request.max_output_tokens,
        "seed": request.seed,
        "tool_choice": request.tool_choice,
    }
    body.update((key, value) for key, value in optional.items() if value is not None)
    if request.stop:
        body["stop"] = list(request.stop)
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.response_schema is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": _schema(request.response_schema)}
    if request.logprobs:
        body["logprobs"] = True
    body.update(request.extra)
    return body


def message_json(message: Message) -> dict[str, Any]:
    """Return a message as chat completions spell it."""
    content = message.content
    made: dict[str, Any] = {"role": message.role, "content": list(content) if isinstance(content, tuple) else content}
    if message.name is not None:
        made["name"] = message.name
    if message.tool_calls:
        made["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        made["tool_call_id"] = message.tool_call_id
    return made


def _tool(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a tool in OpenAI's wrapping; a bare function (``name``, ``parameters``) is wrapped."""
    return tool if "type" in tool else {"type": "function", "function": dict(tool)}


def _schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``json_schema`` object for a plain JSON Schema, or the object itself if it is one already."""
    if "schema" in schema and "name" in schema:
        return dict(schema)
    title = "".join(letter if letter.isalnum() else "_" for letter in str(schema.get("title", "answer")))
    return {"name": title[:64] or "answer", "schema": dict(schema)}
