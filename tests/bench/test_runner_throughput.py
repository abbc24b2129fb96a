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
    """Wall and CPU time at the start, when asking began and ended, when grading ended, and at the end."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = {}
        self.cpu: dict[str, float] = {}

    def mark(self, name: str) -> None:
        self.wall[name], self.cpu[name] = time.perf_counter(), time.process_time()

    def __call__(self, progress: Progress) -> None:
        if progress.phase == "calls" and "planned" not in self.wall:
            self.mark("planned")
        self.mark("asked" if progress.phase == "calls" else "graded")

    def cpu_us(self, first: str, last: str) -> float:
        return (self.cpu[last] - self.cpu[first]) / N_ITEMS * 1e6


def run_once(session: Session, suite: Suite, draw: str) -> dict[str, float]:
    phases = Phases()
    options = RunOptions(draw=draw, concurrency=CONCURRENCY)
    phases.mark("started")
    (made,) = asyncio.run(make_runs(session, suite, ["next"], options, progress=phases))
    phases.mark("ended")
    assert made.status == "finished"
    return {
        "items_per_s": N_ITEMS / (phases.wall["ended"] - phases.wall["started"]),
        "calls_per_s": N_ITEMS / (phases.wall["asked"] - phases.wall["planned"]),
        "cpu_us_per_item": phases.cpu_us("started", "ended"),
        "cpu_us_plan_and_create": phases.cpu_us("started", "planned"),
        "cpu_us_ask_and_record": phases.cpu_us("planned", "asked"),
        "cpu_us_grade": phases.cpu_us("asked", "graded"),
        "cpu_us_export": phases.cpu_us("graded", "ended"),
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
    raw_client: Callable[[list[bytes], int], tuple[float, float]],
    keep: Callable[[str, dict[str, Any]], None],
) -> None:
    session = Session(load_settings(project.parent))
    suite = load_suite(session, project)
    prepared = bodies(suite)
    raw, runs = [], []
    for n in range(ROUNDS):
        raw.append(raw_client(prepared, CONCURRENCY))
        runs.append(run_once(session, suite, str(n)))
    figures = {key: round(statistics.median(each[key] for each in runs), 1) for key in runs[0]}
    ratios = [made["items_per_s"] / rate for made, (rate, _) in zip(runs, raw, strict=True)]
    assert 0 < min(ratios) < 1.5
    keep(
        "runner-throughput",
        {
            "what": "one check, durable store, the whole command from plan to Parquet, beside a bare aiohttp loop",
            "cores": "the runner on one, the server on the other" if cores else "shared by runner and server",
            "load_average": round(os.getloadavg()[0], 1),
            "items": N_ITEMS,
            "concurrency": CONCURRENCY,
            "rounds": ROUNDS,
            **figures,
            "raw_requests_per_s": round(statistics.median(rate for rate, _ in raw)),
            "raw_cpu_us_per_request": round(statistics.median(cpu for _, cpu in raw), 1),
            "ratio_to_raw": round(statistics.median(ratios), 3),
        },
    )
