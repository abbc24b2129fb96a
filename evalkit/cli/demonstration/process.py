"""Commands and servers of the demonstration: real processes, ended by it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.base.errors import EvalkitError

__all__ = ["Done", "evalkit_command", "model_server", "request_count", "run_command", "start_command"]

_LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    exit_code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        """Return what ``--json`` printed."""
        return json.loads(self.stdout)


def evalkit_command(*words: str) -> list[str]:
    """Return the command line of ``evalkit WORDS`` in this Python."""
    return [sys.executable, "-m", "evalkit", *words]


def run_command(*words: str, folder: Path, environ: Mapping[str, str], expect: tuple[int, ...] = (0,)) -> Done:
    """Run ``evalkit WORDS`` in ``folder`` and return what it said.

    Raises:
        EvalkitError: it ended with another exit code than expected.
    """
    done = subprocess.run(  # noqa: S603 - our own command line
        evalkit_command(*words),
        cwd=folder,
        env=dict(environ),
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    if done.returncode not in expect:
        raise EvalkitError(
            f"`evalkit {' '.join(words)}` ended with exit code {done.returncode}:\n{done.stdout}{done.stderr}",
            hint="please report this with the text above",
        )
    return Done(done.returncode, done.stdout, done.stderr)


def start_command(*words: str, folder: Path, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start ``evalkit WORDS`` as the leader of a process group and return its process; the caller ends it."""
    return subprocess.Popen(  # noqa: S603 - our own command line
        evalkit_command(*words),
        cwd=folder,
        env=dict(environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@contextmanager
def model_server(*words: str, folder: Path, environ: Mapping[str, str]) -> Iterator[str]:
    """Serve the embedded model on a free port; yield the base URL; end the process."""
    process = subprocess.Popen(  # noqa: S603 - our own command line
        evalkit_command("model", "serve", *words),
        cwd=folder,
        env=dict(environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        url = process.stdout.readline().strip() if process.stdout is not None else ""
        if not url.startswith("http://127.0.0.1:"):
            text = process.stderr.read() if process.poll() is not None and process.stderr is not None else url
            raise EvalkitError(f"the embedded model did not start: {text}", hint="try `evalkit model serve` by hand")
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def request_count(url: str) -> int:
    """Return how many chat requests a server of ours has received."""
    with urllib.request.urlopen(url.removesuffix("/v1") + "/__stats", timeout=5) as answer:  # noqa: S310 - loopback
        return int(json.load(answer)["received"])
