"""What a suite would take and could show."""

from __future__ import annotations

import asyncio

from evalkit.api.planning import SuitePlan, plan_suite
from evalkit.api.runs import RunOptions
from evalkit.api.verdicts import accept_baseline
from tests.e2e.tiny import SUITE

from .conftest import Project

TWO = SUITE.replace("graders:", "  - {name: mini, model: local/extract-1-mini, prompt: answer.yaml}\ngraders:")


def plan(project: Project, text: str = SUITE, **words: object) -> SuitePlan:
    return asyncio.run(plan_suite(project.session, project.suite(text), **words))  # type: ignore[arg-type]


def test_a_plan_asks_nothing_and_creates_nothing(project: Project) -> None:
    found = plan(project)
    assert (found.n_items, found.arms[0].n_calls, found.arms[0].n_stored) == (12, 12, 0)
    assert not found.has_baseline
    assert project.session.store.run_ids() == []


def test_calls_that_are_answered_already_are_counted_and_cost_nothing(project: Project) -> None:
    project.run(project.suite())
    (arm,) = plan(project).arms
    assert (arm.n_stored, arm.cost_usd) == (12, 0.0)


def test_an_unknown_price_is_no_price(project: Project) -> None:
    (arm,) = plan(project, SUITE.replace("local/extract-1", "openai/unheard-of-1")).arms
    assert arm.cost_usd is None


def test_a_known_price_bounds_the_cost(project: Project) -> None:
    (arm,) = plan(
        project, SUITE.replace("local/extract-1, prompt", "openai/gpt-4o-mini, max_output_tokens: 50, prompt")
    ).arms
    assert arm.cost_usd is not None
    assert 0.0 < arm.cost_usd < 0.01


def test_a_candidate_as_baseline_is_planned_too(project: Project) -> None:
    found = plan(project, TWO, against="answer")
    assert [arm.name for arm in found.arms] == ["answer", "mini"]
    assert found.has_baseline


def test_a_limit_shortens_the_plan(project: Project) -> None:
    assert plan(project, limit=5).n_items == 5


def test_two_sets_of_calls_are_a_pilot_and_one_call_read_twice_is_none(project: Project) -> None:
    suite = project.suite()
    (run,) = project.run(suite)
    accept_baseline(project.session, run, suite, reason="first")
    assert "assumed" in plan(project).size.rules[0].source
    project.run(suite, options=RunOptions(draw="b", export=False))
    found = plan(project, draw="b").size.rules[0]
    assert "pilot" in found.source
    assert "assumed" not in found.source
