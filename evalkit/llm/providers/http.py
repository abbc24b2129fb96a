"""A whole application behind HTTP: a body from a template, the answer at a path of the response."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from evalkit.base.clock import SystemClock
from evalkit.base.errors import ModelError, UsageError
from evalkit.base.model import JsonObject, JsonValue
from evalkit.llm.classify import error_from_status
from evalkit.llm.config import ModelSettings
from evalkit.llm.errors import model_error
from evalkit.llm.model import CallContext
from evalkit.llm.parse.strict import clean_text, count, load_object
from evalkit.llm.prompt import Expression, Template, compile_expression, compile_template
from evalkit.llm.providers.chat_http import HttpCaller
from evalkit.llm.providers.openai import message_json
from evalkit.llm.wire import ChatRequest, ChatResponse, Usage

if TYPE_CHECKING:
    from evalkit.llm.transport import HttpPort, HttpReply

__all__ = ["BODY_VARIABLES", "HttpModel", "open_http"]

BODY_VARIABLES = frozenset({"id", "inputs", "messages", "model", "prompt", "trial"})
"""What a body template may refer to; ``prompt`` is the text of the last user message."""

_WHOLE = re.compile(r"\s*\{\{(?P<expression>[^{}]*)\}\}\s*")
_STEP = re.compile(r"\.?(?P<key>[^.\[\]]+)|\[(?P<index>\d+)\]")
_BUSY = frozenset({401, 403, 408, 429, 502, 503, 504})
_USAGE_FIELDS = frozenset({"input_tokens", "output_tokens", "cached_input_tokens", "cost_usd"})

_Compiled = Any
"""JSON in which texts with templates have become :class:`Template` or :class:`Expression`."""


class HttpModel:
    """One application address.

    Args:
        settings: name, address, table.
        port: the transport; the real one if None.

    Raises:
        UsageError: a template or path in the table is not valid.
    """

    def __init__(self, settings: ModelSettings, *, port: HttpPort | None = None) -> None:
        endpoint, config = settings.endpoint, settings.config
        assert endpoint is not None  # noqa: S101 - open_model gives this kind an address
        key = {"Authorization": f"Bearer {endpoint.key.get_secret_value()}"} if endpoint.key else {}
        place = f"[models.{settings.name.partition('/')[0]}]"
        self._caller = HttpCaller(settings, key, port=port, refuse=_refused)
        self._caller.identity = {
            **self._caller.identity, "body": config.body, "answer_path": config.answer_path,
        }  # fmt: skip
        self._url = endpoint.url
        self._model = settings.model
        self._body = _compile(config.body, f"{place} body")
        self._answer = _path(config.answer_path or "", f"{place} answer_path")
        unknown = set(config.usage_paths) - _USAGE_FIELDS
        if unknown:
            raise UsageError(
                f"usage_paths has no {sorted(unknown)[0]!r}",
                hint=f"use {', '.join(sorted(_USAGE_FIELDS))}",
                where=place,
            )
        self._usage = {name: _path(text, f"{place} usage_paths") for name, text in config.usage_paths.items()}

    @property
    def name(self) -> str:
        """The full name, ``provider/model``."""
        return self._caller.name

    @property
    def identity(self) -> JsonObject:
        """Kind, address, body template and answer path."""
        return self._caller.identity

    async def complete(self, request: ChatRequest, context: CallContext) -> ChatResponse:
        """Return the application's answer.

        Raises:
            ModelError: the attempt failed; ``application`` if the application answered with an error.
        """
        variables = {
            "id": context.item_id,
            "trial": context.trial,
            "inputs": context.inputs,
            "model": self._model,
            "messages": [message_json(message) for message in request.messages],
            "prompt": next((message.text() for message in reversed(request.messages) if message.role == "user"), ""),
        }
        return await self._caller.ask(
            self._url, _render(self._body, variables), timeout_s=context.timeout_s, parse=self._parse
        )

    async def aclose(self) -> None:
        """Release connections. Safe to call twice."""
        await self._caller.aclose()

    def _parse(self, body: bytes) -> ChatResponse:
        if not self._answer:
            try:
                return ChatResponse(text=clean_text(body.decode()))
            except UnicodeDecodeError as error:
                raise model_error("malformed", f"the response is not UTF-8 at byte {error.start}") from error
        parsed = load_object(body)
        value = _at(parsed, self._answer)
        if value is None:
            raise model_error("malformed", f"the response has nothing at {_shown(self._answer)!r}")
        counts = {name: count(_at(parsed, path)) for name, path in self._usage.items() if name != "cost_usd"}
        cost = _money(_at(parsed, self._usage["cost_usd"])) if "cost_usd" in self._usage else None
        return ChatResponse(text=clean_text(_text(value)), usage=Usage(**counts), cost_usd=cost)


def open_http(settings: ModelSettings) -> HttpModel:
    """Return the application ``settings`` describe.

    Raises:
        UsageError: a template or path in the table is not valid.
    """
    return HttpModel(settings)


def _refused(reply: HttpReply) -> ModelError:
    """Return the error of a response that is no success: the application's own, but for what stands before it."""
    error = error_from_status(reply.status, reply.headers, reply.body, clock=SystemClock())
    if reply.status in _BUSY or 300 <= reply.status < 400:
        return error
    return model_error("application", error.message, status=reply.status)


def _compile(value: JsonValue, where: str) -> _Compiled:
    if isinstance(value, Mapping):
        return {key: _compile(inner, f"{where}.{key}") for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_compile(inner, where) for inner in value]
    if not isinstance(value, str) or ("{{" not in value and "{%" not in value):
        return value
    whole = _WHOLE.fullmatch(value)
    if whole:
        return compile_expression(whole["expression"].strip(), where, variables=BODY_VARIABLES)
    return compile_template(value, where, variables=BODY_VARIABLES)


def _render(value: _Compiled, variables: Mapping[str, Any]) -> JsonValue:
    if isinstance(value, Template):
        return value.render(variables)
    if isinstance(value, Expression):
        return value.evaluate(variables)
    if isinstance(value, dict):
        return {key: _render(inner, variables) for key, inner in value.items()}
    if isinstance(value, list):
        return [_render(inner, variables) for inner in value]
    return value


def _path(text: str, where: str) -> tuple[str | int, ...]:
    steps: list[str | int] = []
    at = 0
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None:
            raise UsageError(f"{text!r} is not a path", hint="write it like data.answers[0].text", where=where)
        steps.append(step["key"] if step["key"] is not None else int(step["index"]))
        at = step.end()
    return tuple(steps)


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        try:
            value = value[step]
        except (LookupError, TypeError):
            return None
    return value


def _shown(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _money(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        return None
    return float(value)
