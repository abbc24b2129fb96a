"""Ctrl-C and termination: the first stops dispatching and saves, the second stops at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

__all__ = ["Interrupted", "run_until_interrupted"]

T = TypeVar("T")


class Interrupted:
    """Which signal ended the work, if any."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    @property
    def exit_code(self) -> int | None:
        """130 for Ctrl-C, 143 for termination, None for neither."""
        return None if self.signal is None else 128 + int(self.signal)


def run_until_interrupted(work: Callable[[asyncio.Event], Awaitable[T]], interrupted: Interrupted) -> T:
    """Run ``work`` with an event that SIGINT and SIGTERM set; a second signal ends the process at once."""

    async def body() -> T:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def on_signal(received: signal.Signals) -> None:
            if interrupted.signal is not None:
                os._exit(128 + int(received))
            interrupted.signal = received
            print("\nstopping: waiting for calls in flight (again to stop at once)", file=sys.stderr)  # noqa: T201
            stop.set()

        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, on_signal, each)
        try:
            return await work(stop)
        finally:
            for each in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(each)

    return asyncio.run(body())
