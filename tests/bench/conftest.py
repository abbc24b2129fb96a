"""A bare chat server in a process of its own, a raw client loop to compare with, and where figures are written."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

ROOT = Path(__file__).resolve().parents[2]
MEASUREMENTS = ROOT / "docs" / "measurements"

SERVER = """
import os, sys
if len(sys.argv) > 1:
    os.sched_setaffinity(0, {int(sys.argv[1])})
from aiohttp import web
import orjson

ANSWER = orjson.dumps({
    "id": "chatcmpl-0", "object": "chat.completion", "created": 0, "model": "bench",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {
        "role": "assistant", "content": "Section 4.2: refunds are paid within 14 days of the return." * 4}}],
    "usage": {"prompt_tokens": 412, "completion_tokens": 57, "total_tokens": 469},
})

async def chat(request):
    await request.read()
    return web.Response(body=ANSWER, content_type="application/json")

async def main():
    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await __import__("asyncio").Event().wait()

__import__("asyncio").run(main())
"""


@pytest.fixture(scope="session")
def cores() -> tuple[int, int] | None:
    """This process on the first of two cores, the server on the second; None where that cannot be had."""
    available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(available) < 2:
        return None
    os.sched_setaffinity(0, {available[0]})
    return available[0], available[1]


@pytest.fixture(scope="session")
def server(cores: tuple[int, int] | None) -> Iterator[str]:
    """The base URL of a server that answers at once."""
    pin = [str(cores[1])] if cores else []
    with subprocess.Popen([sys.executable, "-c", SERVER, *pin], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        process.kill()


@pytest.fixture(scope="session")
def raw_client(server: str) -> Callable[[list[bytes], int], tuple[float, float]]:
    """Measures a bare aiohttp loop (post, read, parse): requests per second, and CPU in µs per request."""

    async def ask_all(bodies: list[bytes], concurrency: int) -> tuple[float, float]:
        pending = iter(bodies)
        connector = aiohttp.TCPConnector(limit=concurrency)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def work() -> None:
                headers = {"Content-Type": "application/json"}
                for body in pending:
                    async with session.post(f"{server}/chat/completions", data=body, headers=headers) as response:
                        orjson.loads(await response.read())

            started, cpu = time.perf_counter(), time.process_time()
            await asyncio.gather(*(work() for _ in range(concurrency)))
            rate = len(bodies) / (time.perf_counter() - started)
            return rate, (time.process_time() - cpu) / len(bodies) * 1e6

    return lambda bodies, concurrency: asyncio.run(ask_all(bodies, concurrency))


@pytest.fixture
def keep(capsys: pytest.CaptureFixture[str]) -> Callable[[str, dict[str, Any]], None]:
    """Prints figures and keeps them, with machine, commit and date, under docs/measurements."""

    def write(name: str, figures: dict[str, Any]) -> None:
        git = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
        commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
        body = {
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "commit": commit or None,
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
            "python": platform.python_version(),
            **figures,
        }
        text = json.dumps(body, indent=2)
        MEASUREMENTS.mkdir(exist_ok=True)
        (MEASUREMENTS / f"{name}.json").write_text(text + "\n")
        with capsys.disabled():
            sys.stdout.write(f"\n{name}: {text}\n")

    return write
