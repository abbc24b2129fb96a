"""From runs to verdicts, in one process."""

from __future__ import annotations

import asyncio

import pytest

from evalkit.api.runs import RunOptions
from evalkit.api.verdicts import (
    accept_baseline,
    baseline_path,
    compare_runs,
    gate_suites,
    gating_candidates,
    run_reference,
    stored_reference,
)
from evalkit.base.errors import UsageError
from tests.e2e.tiny import SUITE, questions, write_questions

from .conftest import Project

QUICK = RunOptions(export=False)
TWO = SUITE.replace("graders:", "  - {name: mini, model: local/extract-1-mini, prompt: answer.yaml}\ngraders:")
ABSOLUTE = SUITE + "policy:\n  rules: [{metric: contains_all, rule: observed_at_least, bound: 0.5}]\n"


def accept(project: Project, text: str = SUITE) -> None:
    suite = project.suite(text)
    (run,) = project.run(suite)
    accept_baseline(project.session, run, suite, reason="first")


def test_the_baseline_lies_beside_the_suite(project: Project) -> None:
    assert baseline_path(project.suite()) == project.folder.resolve() / "baselines/support.jsonl"


def test_all_candidates_but_the_baseline_are_judged(project: Project) -> None:
    suite = project.suite(TWO)
    assert gating_candidates(suite, "answer", None) == ["mini"]
    assert gating_candidates(suite, "stored", None) == ["answer", "mini"]
    assert gating_candidates(suite, "stored", ["mini"]) == ["mini"]
    with pytest.raises(UsageError, match="no candidate besides"):
        gating_candidates(suite, "mini", ["mini"])
    with pytest.raises(UsageError, match="nobody"):
        gating_candidates(suite, "stored", ["nobody"])


def test_without_a_baseline_a_gate_offers_the_run_it_made(project: Project) -> None:
    suite = project.suite()
    with pytest.raises(UsageError, match="no stored baseline") as refused:
        asyncio.run(gate_suites(project.session, [suite], QUICK))
    (run_id,) = project.session.store.run_ids()
    assert f"evalkit baseline accept {run_id}" in str(refused.value)


def test_rules_without_a_comparison_need_no_baseline(project: Project) -> None:
    suite = project.suite(ABSOLUTE)
    assert stored_reference(project.session, suite) is None
    (gated,) = asyncio.run(gate_suites(project.session, [suite], QUICK))
    assert gated.reference is None
    assert gated.verdict.outcome == "pass"


def test_two_candidates_are_judged_against_each_other(project: Project) -> None:
    suite = project.suite(TWO)
    (gated,) = asyncio.run(gate_suites(project.session, [suite], QUICK, against="answer"))
    assert gated.run.candidate.name == "mini"
    assert gated.reference is not None
    assert gated.reference.run is not None
    assert gated.reference.run.candidate.name == "answer"


def test_a_candidate_is_judged_against_an_earlier_run(project: Project) -> None:
    suite = project.suite()
    (run,) = project.run(suite, options=RunOptions(draw="early", export=False))
    (gated,) = asyncio.run(gate_suites(project.session, [suite], QUICK, against=run.id))
    assert gated.verdict.comparison.pairing.n_paired == 12
    assert gated.verdict.comparison.pairing.same_calls == 0


def test_the_caps_of_a_gate_span_all_its_suites(project: Project) -> None:
    from evalkit.api.runs import StoppedError

    first, second = project.suite(ABSOLUTE), project.suite(ABSOLUTE.replace("answer.yaml", "other.yaml"), name="b")
    with pytest.raises(StoppedError, match="3 of 12"):
        asyncio.run(gate_suites(project.session, [first, second], RunOptions(max_calls=15, export=False)))


@pytest.fixture(autouse=True)
def _other_prompt(project: Project) -> None:
    text = (project.folder / "answer.yaml").read_text(encoding="utf-8")
    (project.folder / "other.yaml").write_text(text.replace("short", "brief"), encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (RunOptions(limit=4, export=False), "--limit 4"),
        (RunOptions(select=["q001"], restricted="-k q001", export=False), "-k q001"),
    ],
    ids=["limited", "restricted"],
)
def test_a_part_of_a_suite_is_no_baseline(project: Project, options: RunOptions, why: str) -> None:
    suite = project.suite()
    (run,) = project.run(suite, options=options)
    with pytest.raises(UsageError, match="only a part") as refused:
        accept_baseline(project.session, run, suite, reason="x")
    assert why in str(refused.value)


def test_an_unfinished_run_is_no_baseline(project: Project) -> None:
    from evalkit.api.runs import StoppedError
    from evalkit.api.stored_run import open_run

    suite = project.suite()
    with pytest.raises(StoppedError):
        project.run(suite, options=RunOptions(max_calls=3, export=False))
    with pytest.raises(UsageError, match="interrupted, not finished"):
        accept_baseline(project.session, open_run(project.session, "latest"), suite, reason="x")


def test_a_restricted_run_is_refused_before_anything_else_is_wrong_with_it(project: Project) -> None:
    accept(project)
    suite = project.suite()
    (part,) = project.run(suite, options=RunOptions(select=["q001"], restricted="-k q001", export=False))
    with pytest.raises(UsageError, match="gives no verdict"):
        compare_runs(project.session, part, "stored", suite)


def test_a_stored_run_is_compared_without_a_model(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    accept(project)
    suite = project.suite()
    (run,) = project.run(suite, options=RunOptions(draw="b", export=False))
    monkeypatch.setattr("evalkit.api.models.open_model", None)
    comparison, reference = compare_runs(project.session, run, "stored", suite)
    assert comparison.pairing.n_paired == 12
    assert reference is not None
    assert reference.stored is not None


def test_a_changed_check_scores_stored_outputs_of_baseline_and_run_alike(project: Project) -> None:
    accept(project)
    changed = project.suite(SUITE.replace("ignore_case: true", "ignore_case: true, negate: true"))
    found = stored_reference(project.session, changed)
    assert found is not None
    before = stored_reference(project.session, project.suite())
    assert before is not None
    old, new = before.table.columns["contains_all"], found.table.columns["contains_all"]
    assert ((old.value + new.value)[old.status == 0] == 1.0).all()
    assert old.info.grader != new.info.grader
    (run,) = project.run(project.suite())
    column = run_reference(project.session, run, changed).table.columns["contains_all"]
    assert (column.value == new.value).all()


def test_an_item_that_changed_is_not_scored_by_the_new_check(project: Project) -> None:
    accept(project)
    rows = questions(range(12))
    rows[0]["expected"] = "something else"
    write_questions(project.folder / "questions.jsonl", rows)
    changed = project.suite(SUITE.replace("ignore_case: true", "ignore_case: true, negate: true"))
    found = stored_reference(project.session, changed)
    assert found is not None
    missing = found.table.columns["contains_all"].status[:, 0] == 6
    assert [item for item, gone in zip(found.table.item_ids, missing, strict=True) if gone] == [rows[0]["id"]]
