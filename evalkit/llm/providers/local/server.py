"""The embedded model over HTTP, in the OpenAI protocol. Not an LLM: for demonstration and tests.

``POST /v1/chat/completions`` (streaming too), ``GET /v1/models``, ``GET /health``, ``GET /__stats``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

import orjson

from evalkit.base.clock import Clock, SystemClock
from evalkit.base.errors import UsageError
from evalkit.base.hashing import digest
from evalkit.llm.providers.local.counter import RequestCounter
from evalkit.llm.providers.local.engine import MODELS, NOTICE, RequestError, complete
from evalkit.llm.providers.local.faults import (
    FAULT_HEADER,
    Fault,
    check_rates,
    error_body,
    parse_fault,
    seeded_fault,
)  # fmt: skip
from evalkit.llm.providers.local.latency import Latency
from evalkit.llm.providers.local.streaming import stream_chunks, to_event

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["LocalServer", "open_server", "serve"]

_MAX_BODY = 8 * 1024 * 1024
_LARGE_BODY = 40_000
_LONGEST_HANG_S = 3600.0
_DONE = b"data: [DONE]\n\n"


class LocalServer:
    """A running server; made by :func:`open_server`, closed by :meth:`aclose` or by leaving ``async with``."""

    def __init__(self, *, latency: Latency, faults: Mapping[str, float], seed: int, clock: Clock) -> None:
        self._latency, self._seed, self._clock = latency, seed, clock
        self._rates = check_rates(faults)
        self._counter = RequestCounter()
        self._runner: web.AppRunner | None = None
        self.host, self.port = "", 0

    @property
    def url(self) -> str:
        """The base URL clients are given, ending in ``/v1``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/v1"

    def stats(self) -> dict[str, Any]:
        """Return what ``GET /__stats`` returns."""
        return self._counter.snapshot()

    async def start(self, host: str, port: int) -> None:
        """Listen on ``host:port``; port 0 takes a free one.

        Raises:
            UsageError: the address cannot be used.
        """
        from aiohttp import web

        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/health", self._health)
        app.router.add_get("/__stats", self._stats)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self.aclose()
            raise UsageError(
                f"cannot listen on {host}:{port}: {error.strerror or error}",
                hint="choose another port, or 0 for a free one",
            ) from error
        self.host, self.port = self._runner.addresses[0][:2]

    async def aclose(self) -> None:
        """Stop listening and drop open connections. Safe to call twice."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def __aenter__(self) -> LocalServer:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _health(self, _: web.Request) -> web.Response:
        return _json({"status": "ok", "notice": NOTICE})

    async def _stats(self, _: web.Request) -> web.Response:
        return _json(self.stats())

    async def _models(self, _: web.Request) -> web.Response:
        rows = [
            {"id": f"local/{name}", "object": "model", "created": 0, "owned_by": "evalkit", "notice": NOTICE}
            for name in MODELS
        ]
        return _json({"object": "list", "data": rows})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError:
            body = None
        if not isinstance(body, dict):
            return _json(error_body(400, "invalid_json"), status=400)
        key = digest(body)
        attempt = self._counter.receive(key)
        try:
            fault = self._fault(request, key, attempt)
        except UsageError as error:
            return _json(
                {"error": {"message": str(error), "type": "invalid_request_error", "code": "bad_fault"}}, status=400
            )
        if fault is not None:
            self._counter.fault(fault.kind)
        try:
            answer = await asyncio.to_thread(complete, body) if len(raw) > _LARGE_BODY else complete(body)
        except RequestError as refused:
            return _json(refused.body(), status=refused.status)
        return await self._send(request, body, answer, fault, key, attempt)

    def _fault(self, request: web.Request, key: str, attempt: int) -> Fault | None:
        header = request.headers.get(FAULT_HEADER)
        if header is None:
            return seeded_fault(self._rates, self._seed, key, attempt)
        fault = parse_fault(header)
        return None if fault.times is not None and attempt >= fault.times else fault

    async def _send(
        self,
        request: web.Request,
        body: dict[str, Any],
        answer: dict[str, Any],
        fault: Fault | None,
        key: str,
        attempt: int,
    ) -> web.StreamResponse:
        wait = self._latency.first_token_s(self._seed, key, attempt)
        if fault and fault.kind in {"hang", "slow"}:
            wait += fault.value if fault.value is not None else _LONGEST_HANG_S if fault.kind == "hang" else 1.0
        if wait > 0:
            await self._clock.sleep(wait)
        if fault:
            broken = await _broken(request, answer, fault)
            if broken is not None:
                return broken
        if body.get("stream"):
            return await self._stream(request, body, answer, fault, key)
        tokens = answer["usage"]["completion_tokens"]
        if self._latency.per_token_ms > 0:
            await self._clock.sleep(self._latency.tokens_s(tokens))
        self._counter.answer(key)
        return _json(answer)

    async def _stream(
        self, request: web.Request, body: dict[str, Any], answer: dict[str, Any], fault: Fault | None, key: str
    ) -> web.StreamResponse:
        from aiohttp import web

        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await response.prepare(request)
        options = body.get("stream_options")
        chunks = list(
            stream_chunks(answer, include_usage=bool(isinstance(options, dict) and options.get("include_usage")))
        )
        cut = len(chunks) // 2 if fault and fault.kind.startswith("sse_") else None
        for chunk in chunks[:cut]:
            await response.write(to_event(chunk))
            if self._latency.per_token_ms > 0:
                await self._clock.sleep(self._latency.tokens_s(1))
        if fault and cut is not None:
            if fault.kind == "sse_reset" and request.transport is not None:
                request.transport.abort()
                return response
            if fault.kind == "sse_error":
                await response.write(to_event(error_body(500)))
        else:
            self._counter.answer(key)
            await response.write(_DONE)
        await response.write_eof()
        return response


async def _broken(request: web.Request, answer: dict[str, Any], fault: Fault) -> web.StreamResponse | None:
    """Return the response a fault makes of ``answer``, or None where the fault is one of the stream or of time."""
    from aiohttp import web

    if fault.kind == "status":
        status = int(fault.value or 500)
        headers = {"Retry-After": f"{fault.retry_after:g}"} if fault.retry_after is not None else {}
        return _json(error_body(status, fault.code), status=status, headers=headers)
    if fault.kind == "reset":
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)
    if fault.kind == "truncate":
        return await _truncated(request, orjson.dumps(answer))
    if fault.kind == "bad_json":
        return web.Response(body=orjson.dumps(answer)[:-7], content_type="application/json")
    if fault.kind == "html":
        page = "<!doctype html><title>502</title><h1>Bad gateway</h1>"
        return web.Response(text=page, content_type="text/html", status=int(fault.value or 200))
    if fault.kind == "empty":
        return web.Response(body=b"", content_type="application/json")
    if fault.kind == "error_in_200":
        return _json(error_body(500))
    return _altered(answer, fault)


def _altered(answer: dict[str, Any], fault: Fault) -> web.Response | None:
    choice = answer["choices"][0]
    if fault.kind == "no_choices":
        return _json({**answer, "choices": []})
    if fault.kind in {"content_filter", "length"}:
        text = choice["message"]["content"] or ""
        choice["finish_reason"] = fault.kind
        choice["message"]["content"] = "" if fault.kind == "content_filter" else text[: len(text) // 2]
    return None


async def _truncated(request: web.Request, data: bytes) -> web.StreamResponse:
    from aiohttp import web

    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(data))})
    await response.prepare(request)
    await response.write(data[: len(data) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


def _json(value: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    from aiohttp import web

    return web.Response(body=orjson.dumps(value), status=status, headers=headers, content_type="application/json")


async def open_server(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    latency: Latency | None = None,
    faults: Mapping[str, float] | None = None,
    seed: int = 0,
    clock: Clock | None = None,
) -> LocalServer:
    """Return a server that already listens; the caller closes it.

    Args:
        host: the address to listen on.
        port: the port; 0 takes a free one, see :attr:`LocalServer.url`.
        latency: how long answers take; none by default.
        faults: rates by fault, such as ``{"429": 0.05, "reset": 0.01}``, drawn anew for each attempt.
        seed: of latency and faults; answers depend on the request's own seed alone.
        clock: waits.

    Raises:
        UsageError: the address cannot be used, or a fault is unknown.
    """
    server = LocalServer(latency=latency or Latency(), faults=faults or {}, seed=seed, clock=clock or SystemClock())
    await server.start(host, port)
    return server


async def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    latency: Latency | None = None,
    faults: Mapping[str, float] | None = None,
    seed: int = 0,
    ready: Callable[[str], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until ``stop`` is set or the task is cancelled, then close.

    ``ready`` is called once with the base URL when requests are accepted. The rest is as for :func:`open_server`.
    """
    async with await open_server(host, port, latency=latency, faults=faults, seed=seed) as server:
        if ready is not None:
            ready(server.url)
        await (stop or asyncio.Event()).wait()
