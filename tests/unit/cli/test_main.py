"""The entry point: errors become lines and exit codes, and nothing else does."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from evalkit.base.errors import EvalkitError, StoreError, UsageError
from evalkit.cli import main as entry
from evalkit.cli.project import NothingSelectedError
from evalkit.llm.errors import MissingKeyError


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the entry point with an application that raises; returns the exit code."""

    def run(error: BaseException, *words: str) -> int:
        def app() -> None:
            raise error

        monkeypatch.setattr(entry, "app", app)
        monkeypatch.setattr(sys, "argv", ["evalkit", *words])
        with pytest.raises(SystemExit) as end:
            entry.main()
        assert isinstance(end.value.code, int)
        return end.value.code

    return run


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("wrong", hint="mend it"), 2),
        (StoreError("full", hint="free some"), 4),
        (EvalkitError("broken", hint="look"), 4),
        (MissingKeyError("openai/x", "OPENAI_API_KEY"), 4),
        (NothingSelectedError("nothing", hint="choose"), 5),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 141),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_every_kind_of_error_has_its_code(
    ends: Callable[..., int], error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evalkit.cli.main.os.dup2", lambda *_: None)
    assert ends(error, "run") == code


def test_an_error_is_printed_with_its_hint_and_no_traceback(
    ends: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    ends(UsageError("suite 'x' is odd", hint="mend it", where="x.yaml:3"), "run")
    out, err = capsys.readouterr()
    assert out == ""
    assert all(part in err for part in ("suite 'x' is odd", "x.yaml:3", "mend it"))
    assert "Traceback" not in err


def test_debug_adds_the_traceback_wherever_it_stands(
    ends: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends(UsageError("odd", hint="mend it"), "run", "s.yaml", "--debug") == 2
    assert "Traceback" in capsys.readouterr().err
    assert "--debug" not in sys.argv


def test_a_pipe_closed_within_a_command_is_neither_pass_nor_fail(ends: Callable[..., int]) -> None:
    error = SystemExit(1)
    error.__context__ = BrokenPipeError()
    assert ends(error, "gate") == 141


def test_a_mistake_in_the_program_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def app() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(entry, "app", app)
    with pytest.raises(ZeroDivisionError):
        entry.main()
