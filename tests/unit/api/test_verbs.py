"""The verbs as a program calls them."""

from __future__ import annotations

import pytest

import evalkit as ek
from evalkit.api.runs import RunOptions
from evalkit.api.stored_run import open_run
from evalkit.api.verdicts import accept_baseline
from tests.e2e.tiny import SUITE

from .conftest import Project

TWO = SUITE.replace("graders:", "  - {name: mini, model: local/extract-1-mini, prompt: answer.yaml}\ngraders:")


def test_load_run_compare_decide(project: Project) -> None:
    project.suite(TWO)
    suite = ek.load_suite(project.folder / "support.yaml", session=project.session)
    base = ek.run(suite, "answer", session=project.session)
    candidate = ek.run(suite, "mini", session=project.session, max_calls=12)
    comparison = ek.compare(candidate, base)
    verdict = ek.decide(comparison, suite.policy)
    assert comparison.pairing.n_paired == 12
    assert verdict.outcome in {"pass", "fail", "inconclusive"}
    assert verdict.summary()
    with pytest.raises(TypeError, match="four outcomes"):
        bool(verdict)


def test_a_suite_finds_its_own_project(project: Project) -> None:
    project.suite()
    suite = ek.load_suite(project.folder / "support.yaml")
    run = ek.run(suite, draw="alone")
    assert run.session.settings.root == project.folder.resolve()


def test_a_suite_of_several_candidates_wants_a_name(project: Project) -> None:
    with pytest.raises(ek.UsageError, match="2 candidates"):
        ek.run(project.suite(TWO), session=project.session)


async def test_inside_an_event_loop_the_async_verb_is_named(project: Project) -> None:
    suite = project.suite()
    with pytest.raises(ek.UsageError, match="event loop"):
        ek.run(suite, session=project.session)
    run = await ek.arun(suite, session=project.session)
    assert run.status == "finished"


def test_the_stored_baseline_is_read_and_its_absence_is_an_error(project: Project) -> None:
    suite = project.suite()
    with pytest.raises(ek.UsageError, match="no stored baseline"):
        ek.baseline(suite, session=project.session)
    run = ek.run(suite, session=project.session)
    accept_baseline(project.session, run, suite, reason="first")
    stored = ek.baseline(suite, session=project.session)
    assert ek.decide(ek.compare(run, stored), suite.policy).comparison.pairing.same_calls == 12


def test_a_gate_is_the_three_verbs_in_one(project: Project) -> None:
    suite = project.suite(TWO)
    verdict = ek.gate(suite, "mini", against="answer", session=project.session, options=RunOptions(export=False))
    base, candidate = (ek.run(suite, name, session=project.session) for name in ("answer", "mini"))
    assert verdict.outcome == ek.decide(ek.compare(candidate, base), suite.policy).outcome


def test_a_gate_over_several_candidates_wants_one(project: Project) -> None:
    suite = project.suite(TWO + "policy: {rules: [{metric: contains_all, rule: observed_at_least, bound: 0.1}]}\n")
    with pytest.raises(ek.UsageError, match="2 candidates are left"):
        ek.gate(suite, session=project.session)


def test_a_run_opened_without_its_suite_cannot_be_compared(project: Project) -> None:
    run = ek.run(project.suite(), session=project.session)
    bare = open_run(project.session, run.id)
    with pytest.raises(ek.UsageError, match="without its suite"):
        ek.compare(bare, run)
