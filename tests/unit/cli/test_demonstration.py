"""The parts of the demonstration that need no process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.base.clock import SystemClock
from evalkit.base.errors import EvalkitError, UsageError
from evalkit.cli.demonstration import acts
from evalkit.cli.demonstration.acts import Demonstration
from evalkit.cli.demonstration.process import Done
from evalkit.cli.demonstration.project import MARK, SUITE, bundled_folder, make_project, source_folder

VERDICT = """\
support_qa   next vs stored baseline 2026-11-20   300 paired, 0 missing
rule         base   next   change [90% CI]          need     outcome
correct      0.860  0.853  -0.007 [-0.038, +0.024]  > -0.05  pass
PASS: the 1 deciding rule holds (300 paired)
report: reports/support_qa.html
"""


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def demonstration(tmp_path: Path, said: list[str]) -> Demonstration:
    folder = tmp_path / "demo"
    make_project(bundled_folder(), folder)
    return Demonstration(folder, {}, said.append, SystemClock())


def test_the_shipped_files_are_copied_without_their_sources(tmp_path: Path) -> None:
    make_project(bundled_folder(), tmp_path / "demo")
    assert (tmp_path / "demo" / SUITE).is_file()
    assert list((tmp_path / "demo/datasets/support_qa").glob("*.jsonl"))
    assert not (tmp_path / "demo/datasets/support_qa/source").exists()


def test_a_folder_of_its_own_is_emptied_and_another_is_refused(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    make_project(bundled_folder(), own)
    (own / "left.txt").write_text("x")
    make_project(bundled_folder(), own)
    assert not (own / "left.txt").exists()
    assert (own / MARK).exists()
    other.mkdir()
    (other / "mine.txt").write_text("x")
    with pytest.raises(UsageError, match="not empty"):
        make_project(bundled_folder(), other)
    assert (other / "mine.txt").exists()


def test_edited_prompts_here_count_and_elsewhere_the_shipped_ones(tmp_path: Path) -> None:
    assert source_folder(tmp_path) == bundled_folder()
    assert source_folder(bundled_folder()) == bundled_folder()


def test_the_plain_gate_is_red_where_the_average_fell(demonstration: Demonstration, said: list[str]) -> None:
    demonstration.naive(0.8, 0.79)
    demonstration.naive(0.8, 0.8)
    assert said[0].endswith("red.")
    assert said[1].endswith("green.")


def test_the_margin_is_the_smallest_with_a_fair_chance(
    demonstration: Demonstration, monkeypatch: pytest.MonkeyPatch
) -> None:
    def planned(chances: dict[str, float]) -> Done:
        body: dict[str, Any] = {
            "metrics": [
                {
                    "metric": "correct",
                    "chances": [{"need": f"margin {need}", "passes_unchanged": p} for need, p in chances.items()],
                }
            ]
        }
        return Done(0, json.dumps(body), "")

    monkeypatch.setattr(demonstration, "command", lambda *_, **__: planned({"0.02": 0.4, "0.04": 0.95, "0.05": 0.99}))
    demonstration.choose_margin()
    assert "{metric: correct, rule: no_regression, margin: 0.04" in (demonstration.folder / SUITE).read_text()
    monkeypatch.setattr(demonstration, "command", lambda *_, **__: planned({"0.05": 0.5}))
    with pytest.raises(EvalkitError, match="fair chance"):
        demonstration.choose_margin()


def test_the_small_suite_has_the_first_items_of_the_seeded_order(demonstration: Demonstration) -> None:
    path = demonstration.folder / demonstration.small_suite()
    assert "dataset: {path: small.jsonl}" in path.read_text()
    assert len((demonstration.folder / "suites/small.jsonl").read_text().splitlines()) == 40


def test_a_command_that_ends_otherwise_is_an_error_with_its_output(demonstration: Demonstration) -> None:
    with pytest.raises(EvalkitError, match="exit code 2"):
        demonstration.command("no-such-command")


def test_verdicts_are_compared_by_their_figures() -> None:
    lines = acts._rules(VERDICT)
    assert lines == [VERDICT.splitlines()[2], VERDICT.splitlines()[3]]
    assert acts._rules(VERDICT.replace("2026-11-20", "2026-11-21")) == lines
    assert acts._rules(VERDICT.replace("-0.007", "-0.008")) != lines
