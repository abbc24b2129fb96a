"""Progress on stderr."""

from __future__ import annotations

import io
import sys

import pytest

from evalkit.cli.progress import ProgressDisplay, progress_line
from evalkit.runner.progress import Progress


def at(done: int, *, total: int = 100, phase: str = "calls") -> Progress:
    return Progress(phase, done, total, 0, 0, 0.0, 1.0, 10.0)


def test_a_line_says_share_rate_cost_failures_and_time_left() -> None:
    line = progress_line(Progress("calls", 40, 100, 5, 2, 1.5, 4.0, 10.0))
    assert "calls 40/100 (40%)" in line
    assert all(part in line for part in ("10/s", "$1.50", "5 cached", "2 failed", "left"))


def test_a_finished_line_has_no_time_left() -> None:
    assert "left" not in progress_line(at(100))


def test_where_nobody_watches_there_is_one_line_a_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay(plain=True) as show:
        for done in range(101):
            show(at(done))
    lines = capsys.readouterr().err.splitlines()
    assert 10 <= len(lines) <= 11
    assert lines[-1].startswith("calls 100/100")


def test_each_phase_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay(plain=True) as show:
        show(at(100))
        show(at(100, phase="grading"))
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == ["calls", "grading"]


def test_silence_and_nothing_to_do_print_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay(plain=True, silent=True) as show:
        show(at(50))
    with ProgressDisplay(plain=True) as show:
        show(at(0, total=0))
    assert capsys.readouterr().err == ""


def test_on_a_terminal_a_bar_is_drawn_over_itself_within_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with ProgressDisplay(plain=False) as show:
        show(at(10))
        show(at(90))
    text = screen.getvalue()
    assert text.count("\r") == 2
    assert text.endswith("\n")
    assert all(len(part) <= 79 for part in text.strip().split("\r"))
