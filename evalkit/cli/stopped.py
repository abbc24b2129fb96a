"""How a command ends that was stopped before its last call: the reason, the line that resumes, the exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from evalkit.api.runs import StoppedError
from evalkit.cli.interrupt import Interrupted

__all__ = ["ending"]


@contextmanager
def ending(interrupted: Interrupted) -> Iterator[None]:
    """Turn a stop by signal into its exit code; any other stop stays the error it is."""
    try:
        yield
    except StoppedError as error:
        code = interrupted.exit_code
        if code is None:
            raise
        print(f"{error.message}\nresume: {_command_line()}", file=sys.stderr)  # noqa: T201 - this is the screen
        raise SystemExit(code) from None


def _command_line() -> str:
    import shlex

    return shlex.join(["evalkit", *sys.argv[1:]])
