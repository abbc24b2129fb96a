"""Killed at random moments and repeated, a gate ends as if nothing had happened, and pays for nothing twice.

Three kills of 200 items by default, and one while it grades and decides; EVALKIT_SIZE=full makes it twenty kills of
1,000 items, and five.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from evalkit.api import load_suite
from evalkit.api.session import Session
from evalkit.api.stored_run import Run
from evalkit.base.hashing import digest
from evalkit.core.suite import Suite
from evalkit.llm.providers.openai import request_body
from evalkit.runner.plan import plan_run
from evalkit.runner.request import RequestBuilder
from evalkit.settings import load_settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

FULL = os.environ.get("EVALKIT_SIZE") == "full"
N_ITEMS, N_KILLS, N_LATE = (1000, 20, 5) if FULL else (200, 3, 1)
CONCURRENCY = 16
LATENCY_MS = 30
SEED = int(os.environ.get("EVALKIT_CRASH_SEED", "20261123"))
ROOT = Path(__file__).resolve().parents[2]


# ---- a project, a server, a command


def write_project(folder: Path, url: str) -> Path:
    """Write a suite of two candidates whose model is the server at ``url``; return its path."""
    folder.mkdir()
    (folder / "evalkit.toml").write_text(f'[models.served]\nkind = "openai"\nbase_url = "{url}"\n')
    with (folder / "items.jsonl").open("w") as file:
        for n in range(N_ITEMS):
            context = (
                f"[1] Cards. A card of kind {n} costs ${n + 3} a year.\n[2] Loans. A loan is repaid in {n} months."
            )
            inputs = {"context": context, "question": f"How much is a card of kind {n}?"}
            file.write(json.dumps({"id": f"q{n:04}", "inputs": inputs, "expected": f"${n + 3}"}) + "\n")
    for name, words in (("base", "Use only the context. Cite the section."), ("next", "Use only the context.")):
        (folder / f"{name}.yaml").write_text(
            f'messages:\n  - {{role: system, content: "{words}"}}\n'
            '  - {role: user, content: "Context:\\n{{ inputs.context }}\\n\\nQuestion: {{ inputs.question }}"}\n'
        )
    suite = folder / "cards.yaml"
    suite.write_text(
        "dataset: {path: items.jsonl}\n"
        "candidates:\n"
        "  - {name: base, model: served/extract-1, prompt: base.yaml, temperature: 0.7}\n"
        "  - {name: next, model: served/extract-1, prompt: next.yaml, temperature: 0.7}\n"
        "baseline: base\n"
        "graders:\n"
        '  - {use: contains_all, name: amount, values: ["{{ expected }}"]}\n'
        "policy:\n  rules:\n    - {metric: amount, rule: no_regression, margin: 0.05}\n"
    )
    return suite


def start(*words: str, cwd: Path, **pipes: Any) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EVALKIT_", "MLFLOW_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "evalkit", *words], cwd=cwd, env={**kept, "NO_COLOR": "1"}, text=True, **pipes
    )


def start_gate(suite: Path) -> subprocess.Popen[str]:
    words = ("gate", suite.name, "--json", "--no-mlflow", "-j", str(CONCURRENCY))
    return start(*words, cwd=suite.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@dataclass
class Server:
    url: str

    def stats(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url.removesuffix('/v1')}/__stats", timeout=30) as reply:
            found: dict[str, Any] = json.load(reply)
        return found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """The embedded model over HTTP, counting what it is asked."""
    words = ("model", "serve", "--port", "0", "--latency-ms", str(LATENCY_MS))
    with start(*words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        yield Server(next(word for word in process.stdout.readline().split() if word.startswith("http")))
        process.terminate()


# ---- what is stored, and what the server calls it


@dataclass
class Ledger:
    """What the server was asked, by the keys it counts under."""

    suite: Suite
    keys: dict[tuple[str, str], str] = field(default_factory=dict)
    """(candidate, item) to the server's digest of the request."""

    def __post_init__(self) -> None:
        for candidate in self.suite.candidates:
            builder = RequestBuilder(candidate, "0")
            for item in plan_run(self.suite, candidate, draw="0").items:
                body = request_body(builder.build(item, 0), "extract-1")
                self.keys[(candidate.name, item.id)] = digest(json.loads(json.dumps(body)))

    def stored(self, session: Session) -> set[str]:
        """Return the keys of the calls that have a record."""
        found = set()
        for run_id in session.store.run_ids():
            reader = session.store.read(run_id)
            try:
                manifest = reader.manifest()
                if manifest is not None:
                    name = manifest.candidate.name
                    found |= {self.keys[(name, each.item.id)] for each in reader.outputs()}
            finally:
                reader.close()
        return found


def records(session: Session, suite: Suite) -> dict[tuple[str, str, int], Any]:
    """Return everything about each output that may not depend on when it was made."""
    found = {}
    for manifest in session.store.manifests():
        for record in Run(session, manifest, suite).records():
            (exchange,) = record.output.exchanges
            assert exchange.response is not None
            kept = exchange.response.model_dump(exclude={"latency_s", "first_token_s"})
            key = (manifest.candidate.name, record.item.id, record.output.trial)
            assert key not in found
            found[key] = (kept, exchange.request_digest, exchange.attempts, exchange.cached, record.scores)
    return found


def rows(session: Session) -> dict[str, list[tuple[int, int, int, int]]]:
    """Return the key of every stored row, by candidate."""
    found = {}
    for manifest in session.store.manifests():
        reader = session.store.read(manifest.id)
        found[manifest.candidate.name] = [(*row[:3], 0) for row in reader.summaries()]
        reader.close()
    return found


def judged(stdout: str) -> Any:
    """Return what the gate printed without ids, times, and what is measured in seconds."""
    return _timeless(json.loads(stdout))


_OF_THE_MOMENT = {"id", "run", "started_at", "finished_at", "batch", "git", "files", "report", "baseline_label"}


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(each) for key, each in value.items() if key not in _OF_THE_MOMENT}
    if isinstance(value, list):
        return [_timeless(each) for each in value if not _in_seconds(each)]
    return value


def _in_seconds(value: Any) -> bool:
    return isinstance(value, dict) and (value.get("metric") or value.get("info", {}).get("name")) == "latency_s"


# ---- killing


@dataclass
class Kill:
    after_requests: int | None
    """How many more requests the server was asked by then; None for a moment after the start, whatever it was asked."""
    delay_s: float


def planned_kills(rng: random.Random) -> list[Kill]:
    """Return moments: most in the midst of the calls, some while the command starts or writes its plan."""
    room = 2 * N_ITEMS // (N_KILLS + 1)
    kills = []
    for n in range(N_KILLS):
        early = n % 7 == 5
        kills.append(Kill(None if early else rng.randrange(room), rng.uniform(0, 3.0 if early else 0.06)))
    return kills


def kill_late(process: subprocess.Popen[str], server: Server, rng: random.Random) -> bool:
    """Kill the process when there is nothing left to ask; return whether it was still alive."""
    while server.stats()["distinct"] < 2 * N_ITEMS and process.poll() is None:
        time.sleep(0.01)
    return kill_at(process, server, Kill(None, rng.uniform(0, 2.5)))


def kill_at(process: subprocess.Popen[str], server: Server, kill: Kill) -> bool:
    """Kill the process at its moment; return whether it was still alive."""
    seen = server.stats()["received"]
    while kill.after_requests is not None and process.poll() is None:
        if server.stats()["received"] >= seen + kill.after_requests > seen or kill.after_requests == 0:
            break
        time.sleep(0.002)
    time.sleep(kill.delay_s)
    alive = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return alive


@dataclass
class Account:
    """What a series of kills came to."""

    kills: int = 0
    extra: int = 0
    stored_before_kill: list[tuple[set[str], dict[str, int]]] = field(default_factory=list)


def kill_and_repeat(suite: Path, server: Server, session: Session, ledger: Ledger) -> tuple[Account, int, str]:
    rng, account = random.Random(SEED), Account()
    for kill in planned_kills(rng):
        account.kills += kill_at(start_gate(suite), server, kill)
        account.stored_before_kill.append((ledger.stored(session), server.stats()["by_digest"]))
    for _ in range(N_LATE):
        account.kills += kill_late(start_gate(suite), server, rng)
        account.stored_before_kill.append((ledger.stored(session), server.stats()["by_digest"]))
    process = start_gate(suite)
    stdout, stderr = process.communicate(timeout=900)
    assert "Traceback" not in stderr, stderr
    return account, process.returncode, stdout


def test_a_gate_killed_at_random_moments_ends_like_one_that_was_not(tmp_path: Path, server: Server) -> None:
    killed = write_project(tmp_path / "killed", server.url)
    session = Session(load_settings(killed.parent))
    suite = load_suite(killed, session=session)
    ledger = Ledger(suite)
    started = time.monotonic()
    account, code, stdout = kill_and_repeat(killed, server, session, ledger)
    elapsed = time.monotonic() - started
    counts = server.stats()["by_digest"]

    planned = set(ledger.keys.values())
    assert set(counts) == planned, "every planned call was asked, and nothing else"
    for stored, seen in account.stored_before_kill:
        assert stored <= set(seen)
        repaid = {key for key in stored if counts[key] != seen[key]}
        assert not repaid, "a stored answer was asked for again"
    account.extra = sum(counts.values()) - len(planned)
    assert account.extra <= account.kills * CONCURRENCY
    assert account.kills >= max(1, N_KILLS * 3 // 4)

    found = rows(session)
    assert set(found) == {"base", "next"}
    for keys in found.values():
        assert keys == [(position, 0, 0, 0) for position in range(N_ITEMS)], "lost or duplicated"

    whole = write_project(tmp_path / "whole", server.url)
    process = start_gate(whole)
    undisturbed, _ = process.communicate(timeout=900)
    assert code == process.returncode
    untouched = Session(load_settings(whole.parent))
    assert records(session, suite) == records(untouched, load_suite(whole, session=untouched))
    assert judged(stdout) == judged(undisturbed)
    report(account, code, elapsed)


def report(account: Account, code: int, elapsed: float) -> None:
    sys.stdout.write(
        f"\ncrash: {account.kills} kills, {N_ITEMS} items × 2 candidates, seed {SEED}: lost 0, duplicate 0, repaid 0,"
        f" paid twice {account.extra} (limit {account.kills * CONCURRENCY}), exit code {code}, {elapsed:.0f} s\n"
    )
