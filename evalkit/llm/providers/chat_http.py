"""What the providers that speak JSON over HTTP share: one attempt from request body to answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from evalkit.base.clock import Clock
from evalkit.base.errors import ModelError, UsageError
from evalkit.base.model import JsonObject
from evalkit.base.redact import Redactor
from evalkit.llm.classify import error_from_status
from evalkit.llm.config import Endpoint, ModelSettings
from evalkit.llm.wire import ChatResponse

if TYPE_CHECKING:
    from evalkit.llm.transport import HttpPort, HttpReply

__all__ = ["AnswerStream", "HttpCaller"]


class AnswerStream(Protocol):
    """A parser that is fed a stream."""

    started: bool

    def feed(self, piece: bytes) -> bool:
        """Take the next bytes; return whether the answer is complete."""
        ...

    def close(self) -> ChatResponse:
        """Return the answer."""
        ...


class HttpCaller:
    """One endpoint, its headers made once, asked once a call.

    Args:
        settings: name, address, limits.
        headers: what identifies us there, key included.
        port: the transport; opened when first needed if None.
        refuse: makes the error of a response that is no success.
    """

    def __init__(
        self,
        settings: ModelSettings,
        headers: Mapping[str, str],
        *,
        port: HttpPort | None = None,
        refuse: Callable[[HttpReply], ModelError] | None = None,
    ) -> None:
        assert settings.endpoint is not None  # noqa: S101 - kinds without an address do not come here
        self.endpoint: Endpoint = settings.endpoint
        self.name = settings.name
        self.identity: JsonObject = {**self.endpoint.identity}
        self._settings = settings
        self._clock: Clock = settings.clock
        self._port = port
        self._refuse = refuse or self._refused
        extra = {name: value.get_secret_value() for name, value in self.endpoint.headers.items()}
        self._headers = {"Content-Type": "application/json", "User-Agent": "evalkit", **headers, **extra}
        self._redactor = Redactor(self.endpoint.secrets)

    async def ask(
        self,
        url: str,
        body: Any,
        *,
        timeout_s: float,
        parse: Callable[[bytes], ChatResponse],
        stream: AnswerStream | None = None,
    ) -> ChatResponse:
        """Return the answer to one POST of ``body``.

        Args:
            url: where to.
            body: encoded as JSON.
            timeout_s: limit of this attempt.
            parse: reads the body of a success.
            stream: reads a success that is an event stream.

        Raises:
            ModelError: the attempt failed.
        """
        try:
            return await self._ask(url, _encode(body, self.name), timeout_s, parse, stream)
        except ModelError as error:
            raise self._named(error) from error.__cause__

    async def aclose(self) -> None:
        """Release connections. Safe to call twice."""
        if self._port is not None:
            await self._port.aclose()

    async def _ask(
        self,
        url: str,
        data: bytes,
        timeout_s: float,
        parse: Callable[[bytes], ChatResponse],
        stream: AnswerStream | None,
    ) -> ChatResponse:
        if self._settings.config.timeout_s is not None:
            timeout_s = min(timeout_s, self._settings.config.timeout_s)
        port = self._port or self._open()
        began = self._clock.monotonic()
        first: list[float] = []
        watch = None if stream is None else _watch(stream, self._clock, first)
        reply = await port.post(url, headers=self._headers, body=data, timeout_s=timeout_s, on_chunk=watch)
        if not 200 <= reply.status < 300:
            raise self._refuse(reply)
        if stream is not None and "event-stream" in reply.headers.get("Content-Type", ""):
            response = stream.close()
        else:
            response = parse(reply.body)
        update: dict[str, Any] = {"latency_s": reply.elapsed_s}
        if first:
            update["first_token_s"] = first[0] - began
        return response.model_copy(update=update)

    def _refused(self, reply: HttpReply) -> ModelError:
        return error_from_status(reply.status, reply.headers, reply.body, clock=self._clock)

    def _open(self) -> HttpPort:
        from evalkit.llm.transport import AiohttpTransport

        config = self._settings.config
        self._port = AiohttpTransport(
            limit=self._settings.limit,
            max_bytes=config.max_response_bytes,
            proxy_from_env=config.proxy_from_env,
            clock=self._clock,
        )
        return self._port

    def _named(self, error: ModelError) -> ModelError:
        return ModelError(
            self._redactor.text(error.message),
            code=error.code,
            retryable=error.retryable,
            retry_after_s=error.retry_after_s,
            status=error.status,
            hint=error.hint,
            where=self.name,
        )


def _watch(stream: AnswerStream, clock: Clock, first: list[float]) -> Callable[[bytes], bool]:
    def watch(piece: bytes) -> bool:
        done = stream.feed(piece)
        if not first and stream.started:
            first.append(clock.monotonic())
        return done

    return watch


def _encode(body: Any, name: str) -> bytes:
    try:
        return orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS)
    except TypeError as error:
        raise UsageError(
            f"the request to {name} cannot be written as JSON: {error}",
            hint="look at the item's inputs and at `extra`, `tools` and `response_schema` of the candidate",
        ) from error
