"""What a command works with: settings, store, clock, secrets to keep out, and the graders of a suite, built once."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from evalkit import __version__
from evalkit.base.clock import Clock, SystemClock
from evalkit.base.errors import UsageError
from evalkit.base.redact import Redactor
from evalkit.core.item import Item
from evalkit.core.output import Output
from evalkit.core.run import GitInfo
from evalkit.core.score import MetricInfo, Score
from evalkit.core.suite import GraderSpec, Suite
from evalkit.graders.bound import BoundGrader
from evalkit.graders.registry import build_grader
from evalkit.settings import Settings, load_settings
from evalkit.store.store import Store
from evalkit.store.table import GradedBy

__all__ = ["Session", "SessionGrader", "git_info", "versions"]


@dataclass(frozen=True, slots=True)
class SessionGrader:
    """A built grader and the digest its scores are stored under."""

    spec: GraderSpec
    bound: BoundGrader

    @property
    def digest(self) -> str:
        """The full digest under which its scores are stored."""
        return self.spec.score_digest

    @property
    def metrics(self) -> Sequence[MetricInfo]:
        """Its metrics, each naming the grader as ``name@digest``."""
        return self.bound.metrics

    def grade(self, item: Item, output: Output) -> Sequence[Score]:
        """Return its scores; never raises."""
        return self.bound.grade(item, output)

    def graded_by(self) -> GradedBy:
        """Return what reading its scores needs."""
        return GradedBy(digest=self.digest, metrics=self.metrics)


class Session:
    """One command's or one program's view of a project.

    Args:
        settings: where things are and how calls are made; the project's own if None.
        clock: time.
    """

    def __init__(self, settings: Settings | None = None, *, clock: Clock | None = None) -> None:
        self.settings = settings if settings is not None else load_settings(Path.cwd())
        self.clock = clock or SystemClock()
        self.store = Store(self.settings.store)
        self._plugged = False

    @cached_property
    def redactor(self) -> Redactor:
        """Masks every provider key the settings name."""
        return Redactor(self.settings.secrets())

    def load_plugins(self) -> None:
        """Import the modules of ``plugins = [...]`` once, so that their graders and models have names.

        Raises:
            UsageError: one does not import.
        """
        if self._plugged:
            return
        self._plugged = True
        if self.settings.plugins and str(self.settings.root) not in sys.path:
            sys.path.insert(0, str(self.settings.root))  # a project's own modules, whatever started this process
        for name in self.settings.plugins:
            try:
                importlib.import_module(name)
            except ImportError as error:
                raise UsageError(
                    f"plug-in {name!r} cannot be imported: {error}",
                    hint="install it, put it beside evalkit.toml, or remove it from `plugins` there",
                ) from error

    def graders(self, suite: Suite) -> tuple[SessionGrader, ...]:
        """Return the suite's graders, built.

        Raises:
            UsageError: one cannot be built.
        """
        self.load_plugins()
        root = self.settings.root
        return tuple(SessionGrader(spec, build_grader(spec, root=root)) for spec in suite.graders)


def git_info(folder: Path) -> GitInfo:
    """Return the commit that ``folder`` stands at; empty outside a repository or without git."""

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(  # noqa: S603 - fixed words
                ["git", "-C", os.fspath(folder), *words],  # noqa: S607
                capture_output=True,
                text=True,
                timeout=5,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return GitInfo()
    status = git("status", "--porcelain", "--untracked-files=no")
    return GitInfo(commit=commit, dirty=bool(status), branch=git("rev-parse", "--abbrev-ref", "HEAD"))


def versions() -> dict[str, str]:
    """Return the versions that could explain a difference between two runs."""
    import platform

    return {"evalkit": __version__, "python": platform.python_version()}
