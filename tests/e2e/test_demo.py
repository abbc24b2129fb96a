"""`evalkit demo` ends as its acts say, and is honest: with a prompt that was not mended it does not pass."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from evalkit.cli.demonstration.project import MARK
from tests.e2e.conftest import Cli, Finished

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("suites/support_qa.yaml", "suites/prompts", "suites/schemas", "datasets/support_qa", "datasets/lock.json")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, cli: Cli) -> tuple[Path, Finished]:
    here = tmp_path_factory.mktemp("here")
    folder = here / "demo"
    return folder, cli("demo", "--dir", str(folder), cwd=here)


def act(text: str, number: int) -> str:
    """The lines of one act."""
    found = re.search(rf"^== {number}\..*?(?=^== |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, text
    return found[0]


def test_a_lucky_draw_passes_where_a_plain_gate_is_red(played: tuple[Path, Finished]) -> None:
    text = act(played[1].stdout, 1)
    assert re.search(r"A plain pass-rate gate: .* red", text)
    assert "  PASS: " in text
    assert "FAIL" not in text


def test_the_regression_fails_with_its_items_and_the_mended_prompt_passes(played: tuple[Path, Finished]) -> None:
    text = played[1].stdout
    assert "FAIL: " in act(text, 2)
    assert re.search(r"\d+ worse, \d+ better", act(text, 2))
    assert "  PASS: " in act(text, 3)
    assert text.index("FAIL: ") < text.index("  PASS: ", text.index("== 3."))


def test_few_items_are_inconclusive_and_say_how_many_are_needed(played: tuple[Path, Finished]) -> None:
    text = act(played[1].stdout, 4)
    assert "INCONCLUSIVE" in text
    assert re.search(r"next: .* items", text)
    assert "PASS" not in text


def test_the_killed_run_repeats_no_call_and_ends_with_the_same_verdict(played: tuple[Path, Finished]) -> None:
    text = act(played[1].stdout, 5)
    counts = re.search(r"It asked (\d+) more: (\d+) planned - (\d+) stored = (\d+)", text)
    assert counts is not None, text
    again, planned, stored, left = map(int, counts.groups())
    assert again == left == planned - stored
    assert 0 < stored < planned
    assert "An undisturbed run ends with the same verdict" in text


def test_what_it_names_exists_and_nothing_is_left_running(played: tuple[Path, Finished]) -> None:
    folder, done = played
    for name in ("reports/support_qa.html", "reports/junit.xml", "suites/baselines/support_qa.jsonl", "evalkit.toml"):
        assert (folder / name).stat().st_size > 0, name
    assert json.loads((folder / "reports/support_qa.verdict.json").read_text())["outcome"] == "pass"
    assert str(folder) in done.stdout
    assert not processes_in(folder), "servers and commands end with the demonstration"
    assert "\x1b" not in done.stdout
    assert "not an LLM" in done.stdout


def processes_in(folder: Path) -> list[str]:
    """Command lines of processes whose working directory is ``folder``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve() == folder.resolve():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def test_it_plays_again_in_its_own_folder_and_leaves_any_other_alone(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("keep", encoding="utf-8")
    refused = cli("demo", "--dir", "mine", cwd=tmp_path, code=2)
    assert "--dir" in refused.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def test_a_prompt_that_was_not_mended_fails_honestly(tmp_path: Path, cli: Cli) -> None:
    """The numbers are read from runs, not from a script: without the instruction act 3 cannot pass."""
    for part in PARTS:
        target = tmp_path / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, target, ignore=shutil.ignore_patterns("source"))
        else:
            shutil.copyfile(ROOT / part, target)
    prompt = tmp_path / "suites/prompts/answer-mended.yaml"
    kept = [line for line in prompt.read_text().splitlines(keepends=True) if "Stick to the document" not in line]
    prompt.write_text("".join(kept), encoding="utf-8")
    done = cli("demo", "--dir", "demo", cwd=tmp_path, code=None)
    assert done.code not in {0, 5}
    assert "FAIL: correct fell" in done.stderr
    assert "== 4." not in done.stdout
    assert (tmp_path / "demo" / MARK).exists()
    assert not processes_in(tmp_path / "demo")
