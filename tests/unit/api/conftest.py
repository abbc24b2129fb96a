"""A small project of one's own, and what the verbs need to work on it in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from evalkit.api.runs import RunOptions, make_runs
from evalkit.api.session import Session
from evalkit.api.stored_run import Run
from evalkit.api.verdicts import load_suite
from evalkit.core.suite import Suite
from evalkit.settings import load_settings
from tests.e2e.tiny import SUITE, make_project


@dataclass
class Project:
    """A folder, its session, and shortcuts."""

    folder: Path

    def __post_init__(self) -> None:
        self.session = Session(load_settings(self.folder, environ={}))

    def suite(self, text: str = SUITE, name: str = "support") -> Suite:
        (self.folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        return load_suite(self.session, self.folder / f"{name}.yaml")

    def run(self, suite: Suite, *names: str, options: RunOptions | None = None) -> list[Run]:
        chosen: Sequence[str] = names or [suite.candidates[0].name]
        return asyncio.run(make_runs(self.session, suite, chosen, options or RunOptions(export=False)))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Twelve questions, half of them without an answer."""
    return Project(make_project(tmp_path / "project", n=12))
