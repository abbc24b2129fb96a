"""How many items a second a run makes, beside what the bare client makes of the same server in the same minute."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.api.runs import RunOptions, make_runs
from evalkit.api.session import Session
from evalkit.api.verdicts import load_suite
from evalkit.core.suite import Suite
from evalkit.runner.plan import plan_run
from evalkit.runner.progress import Progress
from evalkit.runner.request import RequestBuilder
from evalkit.settings import load_settings

pytestmark = pytest.mark.bench

N_ITEMS = int(os.environ.get("EVALKIT_BENCH_ITEMS", "10000"))
CONCURRENCY = 64
ROUNDS = 3
CONTEXT = "Returns are accepted within 30 days. Refunds are paid within 14 days of the return. " * 12


@pytest.fixture
def project(tmp_path: Path, server: str) -> Path:
    """A suite of one check over items with a context of about 1 kB, asked of the bare server."""
    (tmp_path / "evalkit.toml").write_text(f'[models.bench]\nkind = "openai"\nbase_url = "{server}"\n')
    with (tmp_path / "items.jsonl").open("w") as file:
        for n in range(N_ITEMS):
            inputs = {"question": f"How long do refunds take, case {n}?", "context": CONTEXT}
            file.write(json.dumps({"id": f"q{n:05}", "inputs": inputs, "expected": "14 days"}) + "\n")
    (tmp_path / "prompt.yaml").write_text(
        "messages:\n"
        '  - {role: system, content: "Answer only from the context. Cite the section."}\n'
        '  - {role: user, content: "Context: {{ inputs.context }}\\nQuestion: {{ inputs.question }}"}\n'
    )
    suite = tmp_path / "bench.yaml"
    suite.write_text(
        "dataset: {path: items.jsonl}\n"
        "candidates:\n  - {name: next, model: bench/model, prompt: prompt.yaml}\n"
        'graders:\n  - {use: contains_all, values: ["{{ expected }}"]}\n'
    )
    return suite


class Phases:
    """When calls ended and grading began, from the progress told."""

    def __init__(self) -> None:
        self.last_call = 0.0

    def __call__(self, progress: Progress) -> None:
        if progress.phase == "calls":
            self.last_call = time.perf_counter()


def run_once(session: Session, suite: Suite, draw: str) -> dict[str, float]:
    phases = Phases()
    options = RunOptions(draw=draw, concurrency=CONCURRENCY)
    started, cpu = time.perf_counter(), time.process_time()
    (made,) = asyncio.run(make_runs(session, suite, ["next"], options, progress=phases))
    ended = time.perf_counter()
    assert made.status == "finished"
    return {
        "items_per_s": N_ITEMS / (ended - started),
        "calls_per_s": N_ITEMS / (phases.last_call - started),
        "cpu_us_per_item": (time.process_time() - cpu) / N_ITEMS * 1e6,
        "grading_and_export_s": ended - phases.last_call,
    }


def bodies(suite: Suite) -> list[bytes]:
    """What the run sends, encoded beforehand."""
    builder = RequestBuilder(suite.candidates[0], "0")
    plan = plan_run(suite, suite.candidates[0], draw="0")
    requests = (builder.build(item, 0) for item in plan.items)
    return [
        json.dumps({"model": request.model, "messages": [m.model_dump(exclude_none=True) for m in request.messages]})
        .encode()
        for request in requests
    ]  # fmt: skip


@pytest.mark.timeout(900)
def test_a_durable_run_beside_a_bare_client(
    project: Path,
    cores: tuple[int, int] | None,
    raw_rate: Callable[[list[bytes], int], float],
    keep: Callable[[str, dict[str, Any]], None],
) -> None:
    session = Session(load_settings(project.parent))
    suite = load_suite(session, project)
    prepared = bodies(suite)
    raw, runs = [], []
    for n in range(ROUNDS):
        raw.append(raw_rate(prepared, CONCURRENCY))
        runs.append(run_once(session, suite, str(n)))
    figures = {key: round(statistics.median(each[key] for each in runs), 2) for key in runs[0]}
    ratio = statistics.median(each["items_per_s"] / rate for each, rate in zip(runs, raw, strict=True))
    assert 0 < ratio < 1.5
    keep(
        "runner-throughput",
        {
            "what": "10,000 items, one check, durable store, whole command; the runner on one core, the server on another"
            if cores
            else "runner and server share their cores",
            "items": N_ITEMS,
            "concurrency": CONCURRENCY,
            "rounds": ROUNDS,
            **figures,
            "raw_requests_per_s": round(statistics.median(raw)),
            "ratio_to_raw": round(ratio, 3),
        },
    )
