"""Ctrl-C and termination within one process."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from evalkit.api.runs import StoppedError
from evalkit.cli.interrupt import Interrupted, run_until_interrupted
from evalkit.cli.stopped import ending


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_sets_the_event_and_is_remembered(
    sent: signal.Signals, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupted = Interrupted()

    async def work(stop: asyncio.Event) -> str:
        os.kill(os.getpid(), sent)
        await stop.wait()
        return "saved"

    assert run_until_interrupted(work, interrupted) == "saved"
    assert interrupted.exit_code == code
    assert "again to stop at once" in capsys.readouterr().err


def test_work_that_ends_by_itself_leaves_no_code_and_no_handler() -> None:
    interrupted = Interrupted()
    before = signal.getsignal(signal.SIGTERM)

    async def work(stop: asyncio.Event) -> int:
        return 7

    assert run_until_interrupted(work, interrupted) == 7
    assert interrupted.exit_code is None
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_second_signal_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    ended = asyncio.Event()

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    monkeypatch.setattr("evalkit.cli.interrupt.os._exit", end)

    async def work(stop: asyncio.Event) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await stop.wait()
        os.kill(os.getpid(), signal.SIGINT)
        await ended.wait()

    run_until_interrupted(work, Interrupted())
    assert codes == [130]


def test_a_stop_by_signal_prints_the_line_that_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/evalkit", "run", "my suite.yaml"])
    interrupted = Interrupted()
    interrupted.signal = signal.SIGTERM
    with pytest.raises(SystemExit) as end, ending(interrupted):
        raise StoppedError("stopped on request: 3 of 9 calls are recorded", kind="signal", hint="go on")
    assert end.value.code == 143
    assert capsys.readouterr().err.endswith("resume: evalkit run 'my suite.yaml'\n")


def test_a_stop_by_a_cap_stays_an_error() -> None:
    with pytest.raises(StoppedError), ending(Interrupted()):
        raise StoppedError("--max-calls 3 reached", kind="budget", hint="raise the cap")
