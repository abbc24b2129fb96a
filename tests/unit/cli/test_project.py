"""From flags to a session and to run options."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from evalkit.api.session import Session
from evalkit.api.verdicts import load_suite
from evalkit.base.errors import UsageError
from evalkit.cli.project import NothingSelectedError, open_session, run_options, shown, wants_color
from evalkit.cli.suite_of import suite_of
from evalkit.core.suite import Suite
from evalkit.runner.plan import analysis_order
from evalkit.settings import load_settings
from tests.e2e.tiny import make_project

NOTHING = {
    "draw": "0",
    "limit": None,
    "select": None,
    "last_failed": False,
    "concurrency": None,
    "max_cost": None,
    "max_calls": None,
    "max_time": None,
    "no_cache": False,
}


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(load_settings(make_project(tmp_path, n=12), environ={}))


@pytest.fixture
def suite(session: Session) -> Suite:
    return load_suite(session, session.settings.root / "support.yaml")


def options(session: Session, suite: Suite, **given: object) -> object:
    return run_options(session, suite, **{**NOTHING, **given})  # type: ignore[arg-type]


def test_flags_become_options(session: Session, suite: Suite) -> None:
    found = run_options(
        session, suite, draw="b", limit=3, select=None, last_failed=False, concurrency=2, max_cost=1.5, max_calls=9,
        max_time=60.0, no_cache=True,
    )  # fmt: skip
    assert (found.draw, found.limit, found.concurrency, found.cache) == ("b", 3, 2, False)
    assert (found.max_cost_usd, found.max_calls, found.max_time_s) == (1.5, 9, 60.0)
    assert found.select is None
    assert found.restricted is None


def test_a_selection_keeps_the_order_of_analysis(session: Session, suite: Suite) -> None:
    found = run_options(session, suite, **{**NOTHING, "select": "q00"})  # type: ignore[arg-type]
    assert found.restricted == "-k q00"
    wanted = [item.id for item in analysis_order(suite.items, suite.seed) if "q00" in item.id]
    assert found.select == wanted


def test_a_selection_of_nothing_has_a_code_of_its_own(session: Session, suite: Suite) -> None:
    with pytest.raises(NothingSelectedError, match="none of the 12 items") as error:
        options(session, suite, select="zebra")
    assert error.value.exit_code == 5


def test_last_failed_wants_a_run(session: Session, suite: Suite) -> None:
    with pytest.raises(UsageError, match="no finished run"):
        options(session, suite, last_failed=True)


def test_overrides_that_are_not_given_change_nothing(tmp_path: Path) -> None:
    make_project(tmp_path)
    found = open_session(tmp_path, store=None, reports=None, tracking=None)
    assert found.settings.store == tmp_path.resolve() / ".evalkit"
    assert found.settings.origins["store"] == "default"
    given = open_session(tmp_path, store=tmp_path / "other", tracking="none").settings
    assert (given.store, given.origins["store"]) == (tmp_path / "other", "--store")
    assert given.origins["tracking"] == "--no-mlflow"


@pytest.mark.parametrize(
    ("color", "ci", "terminal", "wanted"),
    [
        ("auto", "", True, True),
        ("auto", "", False, False),
        ("auto", "true", True, False),
        ("always", "true", False, True),
        ("never", "", True, False),
    ],
)
def test_colours_are_for_terminals_unless_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, color: str, ci: str, terminal: bool, wanted: bool
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    session = Session(load_settings(tmp_path, {"color": color}, environ={"CI": ci}))
    assert wants_color(session) is wanted


def test_paths_are_shown_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "a" / "b.yaml") == "a/b.yaml"
    assert shown("/elsewhere/b.yaml") == "/elsewhere/b.yaml"
    assert shown(None) is None


def test_a_run_whose_suite_is_gone_asks_for_it(session: Session, suite: Suite) -> None:
    import asyncio

    from evalkit.api.runs import RunOptions, make_runs

    (run,) = asyncio.run(make_runs(session, suite, ["answer"], RunOptions(export=False)))
    assert suite_of(session, run, None).name == "support"
    (session.settings.root / "support.yaml").rename(session.settings.root / "moved.yaml")
    with pytest.raises(UsageError, match="is not at"):
        suite_of(session, run, None)
    assert suite_of(session, run, str(session.settings.root / "moved.yaml")).name == "moved"
