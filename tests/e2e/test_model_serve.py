"""The embedded model over real HTTP on 127.0.0.1."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from evalkit.base.errors import UsageError
from evalkit.llm.providers.local import NOTICE, LocalServer, open_local, open_server, serve
from evalkit.llm.providers.local.provider import to_body
from evalkit.llm.wire import ChatRequest, Message

REQUEST = ChatRequest(
    model="local/extract-1",
    messages=(
        Message(role="system", content="Use only the context. Cite the section."),
        Message(role="user", content="Context:\n[1] Fees. A card costs $18 a year.\n\nQuestion: How much is a card?"),
    ),
    seed=3,
)


@pytest.fixture
async def server() -> AsyncIterator[LocalServer]:
    async with await open_server() as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield session


def chat(server: LocalServer) -> str:
    return f"{server.url}/chat/completions"


async def events(client: aiohttp.ClientSession, server: LocalServer, fault: str | None = None) -> list[str]:
    body = {**to_body(REQUEST), "stream": True, "stream_options": {"include_usage": True}}
    headers = {"x-evalkit-fault": fault} if fault else {}
    async with client.post(chat(server), json=body, headers=headers) as response:
        assert response.content_type == "text/event-stream"
        text = (await response.read()).decode()
    return [line.removeprefix("data: ") for line in text.split("\n\n") if line]


async def test_the_server_gives_the_same_answer_as_the_process(
    server: LocalServer, client: aiohttp.ClientSession
) -> None:
    from evalkit.llm.model import CallContext

    context = CallContext(item_id="a", trial=0, step=0, inputs={}, timeout_s=10.0)
    near = await open_local("extract-1").complete(REQUEST, context)
    async with client.post(chat(server), json=to_body(REQUEST)) as response:
        far = await response.json()
    assert far["choices"][0]["message"]["content"] == near.text
    assert far["usage"]["completion_tokens"] == near.usage.output_tokens
    assert far["id"] == near.response_id


async def test_a_stream_ends_with_usage_and_done(server: LocalServer, client: aiohttp.ClientSession) -> None:
    rows = await events(client, server)
    assert rows[-1] == "[DONE]"
    chunks = [json.loads(row) for row in rows[:-1]]
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
    assert "$18" in text
    assert chunks[-1]["usage"]["completion_tokens"] > 0
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"


async def test_health_and_models_say_what_this_is(server: LocalServer, client: aiohttp.ClientSession) -> None:
    root = server.url.removesuffix("/v1")
    async with client.get(f"{root}/health") as response:
        assert (await response.json())["notice"] == NOTICE
    async with client.get(f"{server.url}/models") as response:
        rows = (await response.json())["data"]
    assert {row["id"] for row in rows} == {"local/extract-1", "local/extract-1-mini", "local/judge"}
    assert all(row["notice"] == NOTICE for row in rows)


async def test_requests_are_counted_so_that_paying_twice_shows(
    server: LocalServer, client: aiohttp.ClientSession
) -> None:
    for fault in ("status=500", None, None):
        async with client.post(
            chat(server), json=to_body(REQUEST), headers={"x-evalkit-fault": fault} if fault else {}
        ):
            pass
    async with client.get(f"{server.url.removesuffix('/v1')}/__stats") as response:
        stats: dict[str, Any] = await response.json()
    assert (stats["received"], stats["answered"], stats["answered_twice"]) == (3, 2, 1)
    assert stats["faults"] == {"status": 1}
    assert list(stats["by_digest"].values()) == [3]


async def test_a_status_fault_carries_its_headers(server: LocalServer, client: aiohttp.ClientSession) -> None:
    headers = {"x-evalkit-fault": "status=429;retry_after=1;times=1"}
    async with client.post(chat(server), json=to_body(REQUEST), headers=headers) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "1")
        assert (await response.json())["error"]["code"] == "rate_limit_exceeded"
    async with client.post(chat(server), json=to_body(REQUEST), headers=headers) as response:
        assert response.status == 200


@pytest.mark.parametrize("fault", ["reset", "truncate"])
async def test_transport_faults_break_the_connection(
    fault: str, server: LocalServer, client: aiohttp.ClientSession
) -> None:
    with pytest.raises(aiohttp.ClientError):
        async with client.post(chat(server), json=to_body(REQUEST), headers={"x-evalkit-fault": fault}) as response:
            await response.read()


@pytest.mark.parametrize("fault", ["bad_json", "html", "empty"])
async def test_a_success_status_may_hold_no_answer(
    fault: str, server: LocalServer, client: aiohttp.ClientSession
) -> None:
    async with client.post(chat(server), json=to_body(REQUEST), headers={"x-evalkit-fault": fault}) as response:
        assert response.status == 200
        with pytest.raises(ValueError, match=r".*"):
            json.loads(await response.text())


async def test_a_cut_stream_has_no_end(server: LocalServer, client: aiohttp.ClientSession) -> None:
    rows = await events(client, server, "sse_cut")
    assert rows
    assert "[DONE]" not in rows
    assert not any('"finish_reason":"stop"' in row for row in rows)
    with pytest.raises(aiohttp.ClientError):
        await events(client, server, "sse_reset")


async def test_a_hanging_request_holds_up_nobody_else(server: LocalServer, client: aiohttp.ClientSession) -> None:
    body = to_body(REQUEST)
    hanging = asyncio.create_task(client.post(chat(server), json=body, headers={"x-evalkit-fault": "hang"}))
    async with client.post(chat(server), json=body) as response:
        assert response.status == 200
    assert not hanging.done()
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging


@pytest.mark.parametrize(
    ("data", "status"),
    [(b"{", 400), (b"[]", 400), (b'{"model":"local/extract-1"}', 400), (b'{"model":"x","messages":[{}]}', 404)],
)
async def test_a_bad_body_is_refused(
    data: bytes, status: int, server: LocalServer, client: aiohttp.ClientSession
) -> None:
    async with client.post(chat(server), data=data) as response:
        assert response.status == status
        assert "error" in await response.json()


async def test_a_fault_nobody_knows_is_refused(server: LocalServer, client: aiohttp.ClientSession) -> None:
    async with client.post(chat(server), json=to_body(REQUEST), headers={"x-evalkit-fault": "banana"}) as response:
        assert response.status == 400
        assert "known faults" in (await response.json())["error"]["message"]


async def test_a_taken_port_is_a_usage_error(server: LocalServer) -> None:
    with pytest.raises(UsageError, match="cannot listen"):
        await open_server(port=server.port)


async def test_serve_runs_until_it_is_stopped() -> None:
    stop = asyncio.Event()
    found: list[str] = []

    def ready(url: str) -> None:
        found.append(url)
        stop.set()

    task = asyncio.create_task(serve(ready=ready, stop=stop))
    await asyncio.wait_for(task, 10)
    assert found[0].startswith("http://127.0.0.1:")
