"""Every exit code, from a real command in a real process."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from evalkit.cli.gate import exit_code
from evalkit.core.verdict import ExitCode
from tests.e2e.conftest import Cli
from tests.e2e.tiny import SUITE, make_project, questions, write_questions

FAIL_ON_INCONCLUSIVE = "policy: {on_inconclusive: fail}\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, cli: Cli) -> Path:
    """Four suites with baselines: what each comes to is in its name."""
    folder = make_project(tmp_path_factory.mktemp("codes"))
    worse = (folder / "answer.yaml").read_text().replace("if it does not state the answer, write", "never write")
    (folder / "worse.yaml").write_text(worse, encoding="utf-8")
    suites = {
        "passes": SUITE,
        "fails": SUITE,
        "undecided": SUITE.replace("questions.jsonl", "few.jsonl") + FAIL_ON_INCONCLUSIVE,
        "breaks": SUITE.replace("local/extract-1, prompt: answer.yaml", "taped/any"),
    }
    write_questions(folder / "few.jsonl", questions(range(12)))
    (folder / "evalkit.toml").write_text(
        'tracking = "none"\n[models.taped]\nkind = "replay"\npath = "tape.jsonl"\n', encoding="utf-8"
    )
    tape(folder, range(80))
    for name, text in suites.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        run_id = cli("run", f"{name}.yaml", "-q", cwd=folder).stdout.strip()
        cli("baseline", "accept", run_id, "--reason", "first", cwd=folder)
    (folder / "fails.yaml").write_text(SUITE.replace("answer.yaml", "worse.yaml"), encoding="utf-8")
    tape(folder, range(70))
    return folder


def tape(folder: Path, numbers: range) -> None:
    rows = [{"item_id": row["id"], "output": row["expected"]} for row in questions(numbers)]
    write_questions(folder / "tape.jsonl", rows)


def outcomes(text: str) -> list[str]:
    return [verdict["outcome"] for verdict in json.loads(text)["verdicts"]]


@pytest.mark.parametrize(
    ("suites", "code", "expected"),
    [
        (["passes"], 0, ["pass"]),
        (["fails"], 1, ["fail"]),
        (["undecided"], 3, ["inconclusive"]),
        (["breaks"], 4, ["error"]),
        (["passes", "undecided"], 3, ["pass", "inconclusive"]),
        (["undecided", "fails", "passes"], 1, ["inconclusive", "fail", "pass"]),
        (["fails", "breaks", "undecided"], 4, ["fail", "error", "inconclusive"]),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else str(value),
)
def test_a_gate_ends_with_the_gravest_of_its_outcomes(
    project: Path, cli: Cli, suites: list[str], code: int, expected: list[str]
) -> None:
    done = cli("gate", *(f"{name}.yaml" for name in suites), "--json", cwd=project, code=code)
    assert outcomes(done.stdout) == expected


def test_over_several_suites_the_first_of_4_1_3_0_wins() -> None:
    class Stub:
        def __init__(self, code: int) -> None:
            self.exit_code = ExitCode(code)

    for codes in product((0, 1, 3, 4), repeat=3):
        wanted = next(code for code in (4, 1, 3, 0) if code in codes)
        assert exit_code([Stub(code) for code in codes]) == wanted  # type: ignore[misc]


def test_inconclusive_ends_with_0_under_warn_and_says_so(project: Path, cli: Cli) -> None:
    done = cli("gate", "passes.yaml", "--limit", "20", cwd=project, code=0)
    assert "INCONCLUSIVE" in done.stdout
    assert "PASS" not in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["gate", "no-such.yaml"], "no-such.yaml"),
        (["gate", "passes.yaml", "-c", "nobody"], "nobody"),
        (["gate"], "SUITE"),
        (["gate", "passes.yaml", "--limit", "0"], "--limit"),
        (["no-such-command"], "no-such-command"),
        (["compare", "nothing"], "nothing"),
        (["runs", "sql", "DROP TABLE runs"], "DROP"),
        (["graders", "show", "contain_all"], "contains_all"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_used_as_it_is_ends_with_2_and_names_it(
    project: Path, cli: Cli, words: list[str], says: str
) -> None:
    done = cli(*words, cwd=project, code=2)
    assert says in done.stderr
    assert done.stdout == ""


def test_a_missing_key_ends_with_4_and_names_the_variable(project: Path, cli: Cli) -> None:
    (project / "keyless.yaml").write_text(SUITE.replace("local/extract-1", "openai/gpt-5-mini"), encoding="utf-8")
    done = cli("run", "keyless.yaml", cwd=project, code=4, OPENAI_API_KEY="")
    assert "OPENAI_API_KEY" in done.stderr
    assert "hint" in done.stderr


def test_a_selection_of_nothing_ends_with_5(project: Path, cli: Cli) -> None:
    assert "selects none" in cli("run", "passes.yaml", "-k", "zebra", cwd=project, code=5).stderr


# --- signals ---


@contextmanager
def slow_model(folder: Path, latency_ms: int) -> Iterator[str]:
    """The embedded model over HTTP, each answer taking ``latency_ms``; settings point to it."""
    words = [sys.executable, "-m", "evalkit", "model", "serve", "--latency-ms", str(latency_ms)]
    server = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        (folder / "evalkit.toml").write_text(
            f'tracking = "none"\nconcurrency = 4\n[models.slow]\nkind = "openai"\nbase_url = "{url}"\n'
            "price = {input = 0.0, output = 0.0}\n",
            encoding="utf-8",
        )
        yield url
    finally:
        server.terminate()
        server.wait(timeout=10)
        if server.stdout is not None:
            server.stdout.close()


def stats(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url.removesuffix("/v1") + "/__stats", timeout=5) as answer:
        loaded: dict[str, Any] = json.load(answer)
        return loaded


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EVALKIT_")}
    return subprocess.Popen(
        [sys.executable, "-m", "evalkit", *words],
        cwd=folder,
        env={**kept, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_requests(url: str, n: int) -> None:
    end = time.monotonic() + 60
    while stats(url)["received"] < n:
        assert time.monotonic() < end, "the run does not ask"
        time.sleep(0.02)


def slow_project(folder: Path) -> Path:
    make_project(folder, n=40)
    (folder / "support.yaml").write_text(SUITE.replace("local/extract-1", "slow/extract-1"), encoding="utf-8")
    return folder


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "terminate"])
def test_an_interrupted_run_saves_what_it_has_and_prints_the_line_that_goes_on(
    tmp_path: Path, cli: Cli, sent: signal.Signals, code: int
) -> None:
    folder = slow_project(tmp_path)
    with slow_model(folder, 150) as url:
        process = start(folder, "run", "support.yaml")
        wait_for_requests(url, 10)
        process.send_signal(sent)
        _, stderr = process.communicate(timeout=30)
        assert process.returncode == code, stderr
        assert "Traceback" not in stderr
        asked = stats(url)["received"]
        recorded = re.search(r"(\d+) of 40 calls are recorded", stderr)
        assert recorded is not None, stderr
        assert int(recorded[1]) == asked < 40, "calls in flight are waited for and kept"
        resume = re.search(r"^resume: (.*)$", stderr, re.MULTILINE)
        assert resume is not None, stderr
        words = shlex.split(resume[1])
        assert words[0] == "evalkit"
        done = cli(*words[1:], cwd=folder)
        assert "40 of 40 outputs, finished" in done.stdout
        assert stats(url)["received"] == 40, "nothing is asked twice"


def test_a_second_interrupt_ends_at_once(tmp_path: Path) -> None:
    folder = slow_project(tmp_path)
    with slow_model(folder, 60_000) as url:
        process = start(folder, "run", "support.yaml")
        wait_for_requests(url, 4)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None, "the first one waits for calls in flight"
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        process.communicate(timeout=30)
        assert time.monotonic() - began < 1.0
        assert process.returncode == 130
