"""What a command works with, built once."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from evalkit.api.session import Session, git_info, versions
from evalkit.base.errors import UsageError
from evalkit.settings import load_settings

from .conftest import Project


def test_a_plugin_that_does_not_import_is_an_error_that_names_it(project: Project) -> None:
    (project.folder / "evalkit.toml").write_text('plugins = ["no_such_module_of_ours"]\n', encoding="utf-8")
    session = Session(load_settings(project.folder, environ={}))
    with pytest.raises(UsageError, match="no_such_module_of_ours"):
        session.load_plugins()


def test_plugins_are_imported_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (project.folder / "counted_plugin.py").write_text("import sys\nsys.counted = getattr(sys, 'counted', 0) + 1\n")
    monkeypatch.syspath_prepend(str(project.folder))
    monkeypatch.setattr(sys, "counted", 0, raising=False)
    (project.folder / "evalkit.toml").write_text('plugins = ["counted_plugin"]\n', encoding="utf-8")
    session = Session(load_settings(project.folder, environ={}))
    session.load_plugins()
    session.load_plugins()
    assert sys.counted == 1  # type: ignore[attr-defined]
    monkeypatch.delitem(sys.modules, "counted_plugin")


def test_a_graders_digest_is_that_of_its_metrics(project: Project) -> None:
    (grader,) = project.session.graders(project.suite())
    assert [info.grader for info in grader.metrics] == [grader.spec.id]
    assert grader.graded_by().digest == grader.digest == grader.spec.score_digest


def test_keys_named_by_the_settings_are_masked(project: Project) -> None:
    (project.folder / "evalkit.toml").write_text('[models.x]\nkind = "openai"\nkey = "env:OUR_KEY"\n')
    session = Session(load_settings(project.folder, environ={"OUR_KEY": "very-secret-word"}))
    assert "very-secret-word" not in session.redactor.text("Bearer very-secret-word failed")


def test_git_is_described_where_there_is_a_repository(tmp_path: Path) -> None:
    assert git_info(tmp_path).commit is None
    for words in (["init", "-q", "-b", "main"], ["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q",
                  "--allow-empty", "-m", "x"]):  # fmt: skip
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    found = git_info(tmp_path)
    assert found.commit is not None
    assert len(found.commit) == 40
    assert (found.branch, found.dirty) == ("main", False)


def test_versions_name_what_could_explain_a_difference() -> None:
    assert {"evalkit", "python"} <= versions().keys()


def test_a_plug_in_beside_the_settings_is_found_whatever_started_the_process(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.folder / "our_own_checks_1.py").write_text("LOADED = True\n", encoding="utf-8")
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in {"", str(project.folder)}])
    session = Session(replace(project.session.settings, plugins=("our_own_checks_1",)))
    session.load_plugins()
    assert sys.modules.pop("our_own_checks_1").LOADED
