"""The transport and the HTTP providers against a real server on 127.0.0.1 that misbehaves in every way it can."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from aiohttp import web

from evalkit.base.errors import ModelError
from evalkit.llm.config import ModelConfig, open_model
from evalkit.llm.model import CallContext, ChatModel
from evalkit.llm.transport import AiohttpTransport, TooManyBytesError, open_client
from evalkit.llm.wire import ChatRequest, ChatResponse, Message

Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

ANSWER = {
    "id": "c1",
    "model": "m-2026",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "30 days"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 3},
}
BODY = json.dumps(ANSWER).encode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SSE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
REQUEST = ChatRequest(model="test/m", messages=(Message(role="user", content="How long?"),))


@asynccontextmanager
async def serve(handle: Raw) -> AsyncIterator[str]:
    """Serve one raw exchange a connection; yield the base URL."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or b"0")
            await reader.readexactly(length)
            await handle(reader, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(once, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.close()


def sends(*parts: bytes, pause_s: float = 0.0) -> Raw:
    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            if pause_s:
                await asyncio.sleep(pause_s)

    return handle


def whole(body: bytes, *, head: bytes = HEAD, extra: bytes = b"") -> bytes:
    return head + extra + b"Content-Length: %d\r\n\r\n" % len(body) + body


def open_test(url: str, **fields: object) -> ChatModel:
    config = ModelConfig.model_validate({"kind": "openai", "base_url": url, **fields})
    return open_model("test/m", {"test": config}, resolve_env=lambda _: None)


async def ask(url: str, *, timeout_s: float = 5.0, **fields: object) -> ChatResponse:
    model = open_test(url, **fields)
    try:
        return await model.complete(REQUEST, CallContext("q1", 0, 0, {}, timeout_s))
    finally:
        await model.aclose()


async def ask_error(url: str, *, timeout_s: float = 5.0, **fields: object) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await ask(url, timeout_s=timeout_s, **fields)
    return caught.value


async def hang(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    await asyncio.sleep(5)


async def hang_after_head(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 500\r\n\r\n{")
    await asyncio.sleep(5)


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 500\r\n\r\n")
    for _count in range(100):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.close()


async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(SSE_HEAD + b"\r\n")
    piece = b'data: {"choices":[{"index":0,"delta":{"content":"' + b"x" * 4000 + b'"}}]}\n\n'
    for _count in range(100_000):
        writer.write(piece)
        await writer.drain()


BOMB = gzip.compress(b'{"choices": "' + b"0" * 50_000_000)
LONG = b'{"choices": "' + b"x" * 3_000_000 + b'"}'

SHORT_CASES = {
    "html error page": (sends(whole(b"<html><h1>502 Bad Gateway</h1></html>")), "malformed"),
    "empty body": (sends(whole(b"")), "malformed"),
    "truncated JSON": (sends(whole(BODY[:80])), "truncated"),
    "cut before the announced length": (sends(HEAD + b"Content-Length: 900\r\n\r\n" + BODY), "truncated"),
    "cut inside a chunk": (sends(HEAD + b"Transfer-Encoding: chunked\r\n\r\n40\r\n{"), "truncated"),
    "invalid UTF-8": (sends(whole(BODY.replace(b"30 days", b"\xff\xfe"))), "malformed"),
    "NaN": (sends(whole(BODY.replace(b"12", b"NaN"))), "malformed"),
    "duplicate keys": (sends(whole(BODY[:-1] + b', "id": "c2"}')), "malformed"),
    "deep nesting": (sends(whole(b'{"a":' * 5000 + b"1" + b"}" * 5000)), "too_large"),
    "nesting over the cap": (sends(whole(b'{"a":' * 70 + b"1" + b"}" * 70)), "too_large"),
    "no choices": (sends(whole(b'{"choices": []}')), "malformed"),
    "null content": (sends(whole(BODY.replace(b'"30 days"', b"null"))), "malformed"),
    "a list": (sends(whole(b"[1]")), "malformed"),
    "gzip bomb": (sends(whole(BOMB, extra=b"Content-Encoding: gzip\r\n")), "too_large"),
    "announced too large": (sends(HEAD + b"Content-Length: 99999999999\r\n\r\n{"), "too_large"),
    "too large without length": (sends(HEAD + b"Connection: close\r\n\r\n" + LONG), "too_large"),
    "broken gzip": (sends(whole(b"no gzip", extra=b"Content-Encoding: gzip\r\n")), "malformed"),
    "redirect": (
        sends(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/x\r\nContent-Length: 0\r\n\r\n"),
        "bad_request",
    ),
    "no HTTP": (sends(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"), "malformed"),
    "closed at once": (sends(), "connection"),
    "reset": (reset, "connection"),
    "hang": (hang, "timeout"),
    "hang after the head": (hang_after_head, "timeout"),
    "slow drip": (drip, "timeout"),
    "500": (sends(whole(b"oops", head=b"HTTP/1.1 500 X\r\n")), "server_error"),
    "503 page": (sends(whole(b"<html>down</html>", head=b"HTTP/1.1 503 X\r\n")), "overloaded"),
    "401": (sends(whole(b'{"error":{"message":"bad"}}', head=b"HTTP/1.1 401 X\r\n")), "auth"),
}

BEGUN = b'\r\ndata: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
FAILED = b'\r\ndata: {"error":{"message":"Overloaded","type":"overloaded_error"}}\n\n'
STREAM_CASES = {
    "cut before any event": (sends(SSE_HEAD + b"\r\n"), "malformed"),
    "cut after an event": (sends(SSE_HEAD + BEGUN), "truncated"),
    "cut inside an event": (sends(SSE_HEAD + BEGUN[:40]), "truncated"),
    "error event": (sends(SSE_HEAD + FAILED), "overloaded"),
    "endless": (endless, "too_large"),
    "nonsense event": (sends(SSE_HEAD + b"\r\ndata: hello\n\n"), "malformed"),
}


@pytest.mark.parametrize("case", SHORT_CASES)
async def test_each_fault_ends_in_its_class(case: str) -> None:
    handle, code = SHORT_CASES[case]
    async with serve(handle) as url:
        error = await ask_error(url, timeout_s=0.4 if code == "timeout" else 5.0, max_response_bytes=2_000_000)
    assert error.code == code, error.message
    assert error.where == "test/m"


@pytest.mark.parametrize("case", STREAM_CASES)
async def test_each_fault_of_a_stream_ends_in_its_class(case: str) -> None:
    handle, code = STREAM_CASES[case]
    async with serve(handle) as url:
        error = await ask_error(url, stream=True, max_response_bytes=2_000_000)
    assert error.code == code, error.message


@pytest.mark.parametrize("handle", [hang, hang_after_head, drip], ids=["hang", "hang after head", "drip"])
async def test_the_deadline_of_an_attempt_holds(handle: Raw) -> None:
    async with serve(handle) as url:
        began = time.monotonic()
        await ask_error(url, timeout_s=0.5)
        assert time.monotonic() - began < 1.0


async def test_a_refused_connection_is_a_connection_error() -> None:
    async with serve(hang) as url:
        pass
    assert (await ask_error(url)).code == "connection"


async def test_a_redirect_is_not_followed() -> None:
    hits: list[str] = []

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hits.append("target")
        writer.write(whole(BODY))

    async with serve(answer) as target:
        head = b"HTTP/1.1 307 X\r\nLocation: " + target.encode() + b"\r\nContent-Length: 0\r\n\r\n"
        async with serve(sends(head)) as url:
            error = await ask_error(url)
    assert "never followed" in error.message
    assert not hits


@pytest.mark.parametrize("extra", [b"", b"Content-Encoding: gzip\r\n"], ids=["plain", "gzip"])
async def test_an_answer_is_read(extra: bytes) -> None:
    body = gzip.compress(BODY) if extra else b"\xef\xbb\xbf" + BODY
    async with serve(sends(whole(body, extra=extra))) as url:
        answer = await ask(url)
    assert (answer.text, answer.finish, answer.model) == ("30 days", "stop", "m-2026")
    assert answer.usage.input_tokens == 12
    assert answer.latency_s is not None


def event(text: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode() + b"\r\n\r\n"


async def test_a_stream_is_put_together_and_its_first_token_timed() -> None:
    end = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\r\n\r\ndata: [DONE]\r\n\r\n'
    parts = (SSE_HEAD + b"Connection: close\r\n\r\n: comment\r\n\r\n", event("30 "), event("days €"), end)
    async with serve(sends(*parts, pause_s=0.05)) as url:
        answer = await ask(url, stream=True)
    assert answer.text == "30 days €"
    assert answer.first_token_s is not None
    assert answer.latency_s is not None
    assert 0.03 < answer.first_token_s < answer.latency_s


async def test_a_stream_whose_server_never_hangs_up_ends_at_done() -> None:
    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(SSE_HEAD + b"\r\n" + event("x") + b"data: [DONE]\n\n")
        await writer.drain()
        await asyncio.sleep(5)

    async with serve(handle) as url:
        began = time.monotonic()
        assert (await ask(url, stream=True)).text == "x"
        assert time.monotonic() - began < 2


async def test_a_server_that_hangs_up_after_each_stream_without_saying_so_costs_no_failed_attempt() -> None:
    """llama.cpp's server says ``Keep-Alive`` and closes the connection after a stream all the same."""
    chunk = json.dumps({"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]}).encode()
    events = b"data: " + chunk + b"\n\ndata: [DONE]\n\n"
    head = SSE_HEAD + b"Keep-Alive: timeout=5, max=100\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with serve(sends(head, b"%x\r\n%s\r\n0\r\n\r\n" % (len(events), events), pause_s=0.005)) as url:
        model = open_test(url, stream=True)
        try:
            for _ in range(10):
                response = await model.complete(REQUEST, CallContext("q1", 0, 0, {}, 5.0))
                assert response.text == "a"
        finally:
            await model.aclose()


async def test_retry_after_is_handed_on() -> None:
    head = b"HTTP/1.1 429 X\r\nRetry-After: 7\r\n"
    async with serve(sends(whole(b'{"error":{"message":"slow down"}}', head=head))) as url:
        error = await ask_error(url)
    assert (error.code, error.retry_after_s, error.retryable) == ("rate_limit", 7.0, True)


async def test_the_key_goes_to_its_host_and_out_of_messages() -> None:
    seen: list[str | None] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.json_response({"error": {"message": "key topsecret-123456 is bad"}}, status=401)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    config = ModelConfig(kind="openai", base_url=f"http://127.0.0.1:{port}/v1", key="env:K")
    model = open_model("test/m", {"test": config}, resolve_env={"K": "topsecret-123456"}.get)
    with pytest.raises(ModelError) as caught:
        await model.complete(REQUEST, CallContext("q1", 0, 0, {}, 5))
    await model.aclose()
    await runner.cleanup()
    assert seen == ["Bearer topsecret-123456"]
    assert "topsecret" not in str(caught.value)
    assert "topsecret" not in repr(model.identity)


async def test_the_httpx_client_caps_bytes_and_follows_nothing() -> None:
    async with (
        serve(sends(HEAD + b"Connection: close\r\n\r\n" + LONG)) as url,
        open_client(max_bytes=100_000) as client,
    ):
        with pytest.raises(TooManyBytesError):
            await client.get(url)
    redirect = b"HTTP/1.1 301 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    async with serve(sends(redirect)) as url, open_client() as client:
        assert (await client.get(url)).status_code == 301
    zipped = whole(gzip.compress(BODY), extra=b"Content-Encoding: gzip\r\n")
    async with serve(sends(zipped)) as url, open_client(base_url=url) as client:
        assert (await client.post("/x", json={"a": 1})).json()["id"] == "c1"


@pytest.mark.parametrize(
    ("handle", "error"),
    [
        (reset, httpx.TransportError),
        (hang, httpx.TimeoutException),
        (sends(HEAD + b"Content-Length: 9\r\n\r\n{"), httpx.RemoteProtocolError),
    ],
    ids=["reset", "hang", "cut"],
)
async def test_the_httpx_client_raises_httpx_errors(handle: Raw, error: type[Exception]) -> None:
    async with serve(handle) as url, open_client(timeout_s=0.3) as client:
        with pytest.raises(error):
            await client.get(url)


async def test_names_that_resolve_to_link_local_addresses_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(*_: object, **__: object) -> list[dict[str, object]]:
        return [{"hostname": "meta", "host": "169.254.169.254", "port": 80, "family": 2, "proto": 0, "flags": 0}]

    monkeypatch.setattr("aiohttp.resolver.ThreadedResolver.resolve", resolve)
    error = await ask_error("http://metadata.example")
    assert error.code == "connection"
    assert "link-local" in error.message


def test_one_transport_serves_one_event_loop_after_another() -> None:
    transport = AiohttpTransport(limit=2)

    async def once() -> int:
        async with serve(sends(whole(BODY))) as url:
            reply = await transport.post(url, headers={}, body=b"{}", timeout_s=5)
        await transport.aclose()
        await transport.aclose()
        return reply.status

    assert [asyncio.run(once()) for _ in range(2)] == [200, 200]


async def test_at_most_limit_connections_are_open() -> None:
    now, most = 0, 0

    async def count(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02)
        now -= 1
        writer.write(whole(BODY, extra=b"Connection: close\r\n"))

    transport = AiohttpTransport(limit=3)
    async with serve(count) as url:
        await asyncio.gather(*[transport.post(url, headers={}, body=b"{}", timeout_s=5) for _ in range(12)])
    await transport.aclose()
    assert most == 3
