"""What a gate says before its first call."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.api.session import Session
from evalkit.api.verdicts import load_suite
from evalkit.cli.gate import _foretell
from evalkit.settings import load_settings
from tests.e2e.tiny import SUITE, make_project


def test_the_chance_of_an_unchanged_candidate_is_said_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_project(tmp_path / "project", n=12)
    (folder / "support.yaml").write_text(SUITE, encoding="utf-8")
    session = Session(load_settings(folder, environ={}))
    suite = load_suite(session, folder / "support.yaml")
    _foretell(session, [suite], names=None, against=None, limit=None, draw="0")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "12 items; an unchanged candidate passes with probability" in printed.err
    assert "assumed: no pilot" in printed.err
