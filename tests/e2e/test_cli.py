"""The command line in an empty folder with one's own questions: what a user does in the first week."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Cli, Finished
from tests.e2e.tiny import INSTRUCTION, PROMPT, SUITE, make_project, questions, write_questions

GUESSING = PROMPT.replace(f"{INSTRUCTION} ", "")
REWORDED = PROMPT.replace("Keep the answer short.", "Answer briefly.")


def body(done: Finished) -> dict[str, Any]:
    """The one JSON object a command printed."""
    loaded: dict[str, Any] = json.loads(done.stdout)
    assert loaded["format"] == 1
    return loaded


def verdict_of(done: Finished) -> dict[str, Any]:
    found: dict[str, Any] = body(done)["verdicts"][0]
    return found


def n_runs(cli: Cli, folder: Path) -> int:
    return len(body(cli("runs", "list", "--json", cwd=folder))["runs"])


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory, cli: Cli) -> Path:
    """A project whose first run is its baseline; tests take a copy."""
    folder = make_project(tmp_path_factory.mktemp("accepted") / "project")
    cli("run", "support.yaml", cwd=folder)
    cli("baseline", "accept", "latest", "--reason", "first", cwd=folder)
    return folder


@pytest.fixture
def project(tmp_path: Path, accepted: Path) -> Path:
    return shutil.copytree(accepted, tmp_path / "project")


def test_from_an_empty_folder_to_a_verdict(tmp_path: Path, cli: Cli) -> None:
    folder = make_project(tmp_path)
    first = cli("run", "support.yaml", cwd=folder)
    assert "80 of 80 outputs, finished" in first.stdout
    assert "contains_all" in first.stdout
    again = cli("run", "support.yaml", "--max-calls", "0", cwd=folder)
    assert again.stdout == first.stdout, "the same command asks nothing again"
    assert n_runs(cli, folder) == 1

    refused = cli("gate", "support.yaml", cwd=folder, code=2)
    run_id = body(cli("runs", "list", "--json", cwd=folder))["runs"][0]["id"]
    assert f"evalkit baseline accept {run_id}" in refused.stderr
    accepted = cli("baseline", "accept", run_id, "--reason", "first version", cwd=folder)
    assert "baselines/support.jsonl" in accepted.stdout
    (folder / "answer.yaml").write_text(REWORDED, encoding="utf-8")
    passed = cli("gate", "support.yaml", cwd=folder)
    assert "\nPASS: " in passed.stdout

    (folder / "answer.yaml").write_text(GUESSING, encoding="utf-8")
    failed = cli("gate", "support.yaml", cwd=folder, code=1)
    assert "\nFAIL: contains_all fell" in failed.stdout
    assert "differs: prompt" in failed.stdout
    assert "one item: evalkit run support.yaml -k q" in failed.stdout
    assert {path.name for path in (folder / "reports").iterdir()} >= {
        "support.html",
        "support.md",
        "support.rows.jsonl",
        "support.verdict.json",
    }
    for done in (first, passed, failed):
        assert "\x1b" not in done.stdout + done.stderr, "no colours where nobody watches"
        assert max(map(len, done.stdout.splitlines())) <= 80


def test_a_limited_gate_never_passes(project: Path, cli: Cli) -> None:
    verdict = verdict_of(cli("gate", "support.yaml", "--limit", "75", "--json", cwd=project))
    assert verdict["outcome"] == "inconclusive"


def test_a_selection_gives_scores_and_no_verdict(project: Path, cli: Cli) -> None:
    found = body(cli("run", "support.yaml", "-k", "q00", "--json", cwd=project))
    assert found["run"]["restricted"] == "-k q00"
    assert found["run"]["n_planned"] == 10
    assert "-k" in cli("gate", "support.yaml", "-k", "q00", cwd=project, code=2).stderr
    refused = cli("compare", "latest", "--suite", "support.yaml", cwd=project, code=2)
    assert "gives no verdict" in refused.stderr
    assert "only a part" in cli("baseline", "accept", "latest", "--reason", "x", cwd=project, code=2).stderr


def test_the_worst_items_of_the_last_run_can_be_run_alone(project: Path, cli: Cli) -> None:
    (project / "answer.yaml").write_text(GUESSING, encoding="utf-8")
    whole = body(cli("run", "support.yaml", "--json", cwd=project))
    mean = next(metric for metric in whole["metrics"] if metric["metric"] == "contains_all")["mean"]
    found = body(cli("run", "support.yaml", "--last-failed", "--json", cwd=project))
    assert found["run"]["n_planned"] == round(80 * (1 - mean))


def test_stored_runs_are_compared_reported_and_scored_again_without_a_call(project: Path, cli: Cli) -> None:
    cli("run", "support.yaml", "--draw", "b", cwd=project)
    verdict = verdict_of(cli("compare", "latest", "--suite", "support.yaml", "--json", cwd=project))
    assert verdict["pairing"]["n_paired"] == 80
    runs = body(cli("runs", "list", "--json", cwd=project))["runs"]
    other = cli(
        "compare",
        runs[0]["id"],
        "--against",
        runs[1]["id"],
        "--suite",
        "support.yaml",
        cwd=project,
        EVALKIT_MAX_CALLS="0",
    )
    assert runs[1]["id"] in other.stdout
    shutil.rmtree(project / "reports")
    cli("report", "latest", "--suite", "support.yaml", "--junit", "out/junit.xml", cwd=project, EVALKIT_MAX_CALLS="0")
    assert (project / "reports/support.html").stat().st_size > 10_000
    assert "<testsuite" in (project / "out/junit.xml").read_text()
    assert (
        "contains_all" in cli("grade", "latest", "--suite", "support.yaml", cwd=project, EVALKIT_MAX_CALLS="0").stdout
    )


def test_runs_are_listed_shown_and_queried(project: Path, cli: Cli) -> None:
    runs = body(cli("runs", "list", "--json", cwd=project))["runs"]
    assert [run["status"] for run in runs] == ["finished"]
    assert runs[0]["id"] in cli("runs", "list", "--suite", "support", cwd=project).stdout
    assert "no runs" in cli("runs", "list", "--suite", "other", cwd=project).stdout
    shown = body(cli("runs", "show", "latest", "--json", cwd=project))
    assert shown["id"] == runs[0]["id"]
    assert shown["candidate"]["model"] == "local/extract-1"
    assert "80 of 80 outputs" in cli("runs", "show", runs[0]["id"][-6:], cwd=project).stdout
    rows = cli("runs", "sql", "--json", "select metric, count(*) as n, avg(value) as mean from scores group by metric",
        cwd=project)  # fmt: skip
    assert json.loads(rows.stdout)["n"] == 80
    table = cli("runs", "sql", "select run_id, n_planned from runs", cwd=project)
    assert runs[0]["id"] in table.stdout


def test_baselines_are_listed_and_shown(project: Path, cli: Cli) -> None:
    shown = body(cli("baseline", "show", "support.yaml", "--json", cwd=project))
    assert (shown["items"], shown["reason"], shown["candidate"]) == (80, "first", "answer")
    assert "contains_all" in shown["means"]
    assert "first" in cli("baseline", "show", "baselines/support.jsonl", cwd=project).stdout
    listed = body(cli("baseline", "list", ".", "--json", cwd=project))["baselines"]
    assert [row["suite"] for row in listed] == ["support"]
    assert "no baselines" in cli("baseline", "list", cwd=project).stdout
    refused = cli("baseline", "accept", "latest", "--reason", " ", cwd=project, code=2)
    assert "--reason" in refused.stderr


def test_a_dataset_is_imported_grown_locked_verified_and_compared(tmp_path: Path, cli: Cli) -> None:
    rows = questions(range(6))
    flat = [{"key": row["id"], "question": row["inputs"]["question"], "answer": row["expected"]} for row in rows]
    write_questions(tmp_path / "flat.jsonl", flat)
    write_questions(tmp_path / "more.jsonl", [{**row, "id": f"n{row['id']}"} for row in questions(range(2))])
    made = cli("dataset", "import", "flat.jsonl", "--to", "faq", "--version", "1", "--id", "key", "--input", "question",
        "--expected", "answer", "--license", "CC0-1.0", cwd=tmp_path)  # fmt: skip
    assert "6 items" in made.stdout
    assert "8 items" in cli("dataset", "add", "faq", "more.jsonl", "--version", "2", cwd=tmp_path).stdout
    assert "faq: 1, 2" in cli("dataset", "lock", cwd=tmp_path).stdout
    assert "agree" in cli("dataset", "verify", cwd=tmp_path).stdout
    diff = body(cli("dataset", "diff", "faq", "1", "2", "--json", cwd=tmp_path))
    assert (diff["added"], diff["removed"], diff["changed"]) == (["nq000", "nq001"], [], [])
    assert "added" in cli("dataset", "diff", "faq", "1", "2", cwd=tmp_path).stdout
    with (tmp_path / "datasets/faq/1.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"id": "late", "inputs": {"question": "?"}}\n')
    changed = cli("dataset", "verify", cwd=tmp_path, code=2)
    assert "hint" in changed.stdout
    assert body(cli("dataset", "verify", "--json", cwd=tmp_path, code=2))["findings"]


def test_an_error_in_a_suite_shows_its_place_its_line_and_the_way_out(project: Path, cli: Cli) -> None:
    (project / "broken.yaml").write_text(SUITE.replace("contains_all", "contain_all"), encoding="utf-8")
    done = cli("validate", "broken.yaml", cwd=project, code=2)
    assert "broken.yaml:5:" in done.stderr
    assert "did you mean 'contains_all'?" in done.stderr
    lines = done.stderr.splitlines()
    caret = next(number for number, line in enumerate(lines) if line.strip() == "^")
    assert lines[caret - 1][lines[caret].index("^") :].startswith("contain_all")
    assert "hint:" in done.stderr
    found = body(cli("validate", ".", "--json", cwd=project, code=2))["suites"]
    errors = {row["suite"]: row["error"] for row in found}
    assert errors["support.yaml"] is None
    assert "contain_all" in errors["broken.yaml"]
    assert cli("validate", "support.yaml", cwd=project).stdout == (
        "support.yaml: 80 items, 1 candidates, 1 graders\n"
    )  # fmt: skip


def test_a_plan_sends_nothing_and_says_what_the_suite_can_show(project: Path, cli: Cli) -> None:
    (project / "answer.yaml").write_text(GUESSING, encoding="utf-8")
    planned = cli("plan", "support.yaml", cwd=project)
    assert "80 items × 1 trial × 1 candidate = 80 calls" in planned.stdout
    view = body(cli("plan", "support.yaml", "--json", cwd=project))
    assert view["suite"] == "support"
    assert view["calls"][0]["n_calls"] == 80
    assert cli("run", "support.yaml", "--dry-run", cwd=project).stdout == planned.stdout
    assert n_runs(cli, project) == 1


def test_settings_say_where_they_are_from(project: Path, cli: Cli) -> None:
    shown = cli("config", "--show-origin", cwd=project, EVALKIT_CONCURRENCY="3").stdout
    assert "evalkit.toml:1" in next(line for line in shown.splitlines() if line.startswith("tracking"))
    assert "EVALKIT_CONCURRENCY" in next(line for line in shown.splitlines() if line.startswith("concurrency"))
    found = body(cli("config", "--json", cwd=project))
    assert found["settings"]["max_calls"] == {"value": None, "origin": "default"}


def test_graders_and_versions_are_listed(tmp_path: Path, cli: Cli) -> None:
    listed = cli("graders", "list", cwd=tmp_path).stdout
    assert "contains_all" in listed
    assert max(map(len, listed.splitlines())) <= 80
    shown = body(cli("graders", "show", "contains_all", "--json", cwd=tmp_path))
    assert "values" in shown["params"]["properties"]
    assert "required" in cli("graders", "show", "contains_all", cwd=tmp_path).stdout
    assert body(cli("version", "--json", cwd=tmp_path))["evalkit"] == cli("--version", cwd=tmp_path).stdout.split()[1]


def test_sync_has_nothing_to_send(project: Path, cli: Cli) -> None:
    assert "uploaded 0, left 0" in cli("sync", cwd=project).stdout


def test_a_check_of_ones_own_is_found_by_its_plugin(project: Path, cli: Cli) -> None:
    library = project / "library"
    library.mkdir()
    (library / "our_checks.py").write_text(
        "import evalkit as ek\n\n\n@ek.check('short_enough')\n"
        "def short_enough(item: ek.Item, text: str) -> bool:\n    '''Whether the answer is short.'''\n"
        "    return len(text) < 20\n",
        encoding="utf-8",
    )
    (project / "own.yaml").write_text(SUITE + "  - {use: short_enough}\n", encoding="utf-8")
    assert "short_enough" in cli("validate", "own.yaml", cwd=project, code=2).stderr
    (project / "evalkit.toml").write_text('tracking = "none"\nplugins = ["our_checks"]\n', encoding="utf-8")
    missing = cli("validate", "own.yaml", cwd=project, code=2)
    assert "our_checks" in missing.stderr
    found = body(cli("run", "own.yaml", "--json", cwd=project, PYTHONPATH=str(library)))
    means = {metric["metric"]: metric["mean"] for metric in found["metrics"]}
    assert means["short_enough"] > 0.9
    assert "short_enough" in cli("graders", "list", cwd=project, PYTHONPATH=str(library)).stdout


def test_a_capped_run_of_unknown_price_is_refused_with_the_line_that_sets_it(project: Path, cli: Cli) -> None:
    (project / "dear.yaml").write_text(SUITE.replace("local/extract-1", "openai/nobody-knows-9"), encoding="utf-8")
    done = cli("run", "dear.yaml", "--max-cost", "1", cwd=project, code=2, OPENAI_API_KEY="sk-test")
    assert "price = {input = " in done.stderr
    assert "sk-test" not in done.stderr


def test_a_run_stopped_by_its_cap_goes_on_with_the_same_command(tmp_path: Path, cli: Cli) -> None:
    folder = make_project(tmp_path, n=40)
    stopped = cli("run", "support.yaml", "--max-calls", "15", cwd=folder, code=4)
    assert "--max-calls 15 reached: 15 of 40 calls are recorded" in stopped.stderr
    assert "raise the cap and repeat the same command" in stopped.stderr
    assert "interrupted" in cli("runs", "list", cwd=folder).stdout
    assert "30 of 40" in cli("run", "support.yaml", "--max-calls", "15", cwd=folder, code=4).stderr
    assert "40 of 40 outputs, finished" in cli("run", "support.yaml", "--max-calls", "15", cwd=folder).stdout
    assert n_runs(cli, folder) == 1


def test_a_changed_check_scores_the_stored_baseline_again_without_a_call(project: Path, cli: Cli) -> None:
    (project / "support.yaml").write_text(
        SUITE.replace("ignore_case: true", "ignore_case: true, whole_words: true"), encoding="utf-8"
    )
    verdict = verdict_of(cli("gate", "support.yaml", "--max-calls", "0", "--json", cwd=project))
    assert verdict["outcome"] == "pass"
    assert verdict["rules"][0]["n_pairs"] == 80


def test_a_grown_dataset_pairs_the_rest_and_names_what_is_new(project: Path, cli: Cli) -> None:
    write_questions(project / "questions.jsonl", questions(range(84)))
    done = cli("gate", "support.yaml", "--max-calls", "4", cwd=project)
    assert "80 paired" in done.stdout
    assert "\nPASS: " in done.stdout
    assert "4 items not compared: new, not in the baseline (q08" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_a_dataset_that_lost_too_much_is_compared_only_on_request(project: Path, cli: Cli) -> None:
    write_questions(project / "questions.jsonl", questions(range(60)))
    refused = cli("gate", "support.yaml", cwd=project, code=2)
    assert "--common-items" in refused.stderr
    assert "60 paired" in cli("gate", "support.yaml", "--common-items", cwd=project, code=None).stdout


def test_two_candidates_of_one_suite_are_compared_without_a_stored_baseline(tmp_path: Path, cli: Cli) -> None:
    folder = make_project(tmp_path)
    (folder / "guess.yaml").write_text(GUESSING, encoding="utf-8")
    (folder / "two.yaml").write_text(
        SUITE.replace("graders:", "  - {model: local/extract-1, prompt: guess.yaml}\nbaseline: answer\ngraders:"),
        encoding="utf-8",
    )
    done = cli("gate", "two.yaml", "--json", cwd=folder, code=1)
    verdict = verdict_of(done)
    assert verdict["rules"][0]["effect"] < -0.3


def test_the_quiet_verdict_is_one_line_and_the_json_one_object(project: Path, cli: Cli) -> None:
    quiet = cli("gate", "support.yaml", "-q", cwd=project)
    assert quiet.stdout.count("\n") == 1
    assert quiet.stderr == ""
    verdict = verdict_of(cli("gate", "support.yaml", "--json", cwd=project))
    assert {"suite", "outcome", "rules", "pairing", "candidate", "baseline"} <= verdict.keys()
    written = json.loads((project / "reports/support.verdict.json").read_text())
    assert written == verdict


def test_debug_shows_where_an_error_was_raised(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "evalkit", "run", "nowhere.yaml", "--debug"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_output_that_nobody_reads_to_its_end_is_neither_pass_nor_fail(project: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m evalkit graders list | true; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 141
    assert done.stderr == ""
