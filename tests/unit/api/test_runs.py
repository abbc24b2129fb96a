"""Making runs: the same plan is the same run, caps stop and the same call goes on."""

from __future__ import annotations

import asyncio

import pytest

from evalkit.api.runs import RunOptions, StoppedError, find_candidate, grade_stored
from evalkit.base.errors import UsageError
from evalkit.llm.errors import MissingKeyError
from tests.e2e.tiny import SUITE

from .conftest import Project

NO_EXPORT = RunOptions(export=False)


def events(project: Project, run_id: str) -> list[str]:
    reader = project.session.store.read(run_id)
    try:
        return [kind for _, kind, _ in reader.events()]
    finally:
        reader.close()


def test_an_unknown_candidate_is_named_with_those_there_are(project: Project) -> None:
    with pytest.raises(UsageError, match="answr") as error:
        find_candidate(project.suite(), "answr")
    assert "answer" in str(error.value)


def test_a_finished_run_is_reused_and_asks_nothing(project: Project) -> None:
    suite = project.suite()
    (first,) = project.run(suite)
    (again,) = project.run(suite, options=RunOptions(max_calls=0, export=False))
    assert first.id == again.id
    assert again.status == "finished"
    assert project.session.store.run_ids() == [first.id]


def test_a_repeated_command_adds_nothing_to_the_record(project: Project) -> None:
    suite = project.suite()
    (first,) = project.run(suite)
    before = events(project, first.id)
    project.run(suite)
    grade_stored(project.session, first, suite)
    assert events(project, first.id) == before


def test_a_new_grader_is_noted_and_its_scores_are_read(project: Project) -> None:
    (first,) = project.run(project.suite())
    (again,) = project.run(project.suite(SUITE + "  - {use: length, max: 500, unit: chars}\n"))
    assert again.id == first.id
    assert {name for name, _ in again.graders()} == {"contains_all", "length"}
    assert "length" in again.table().columns


def test_new_draws_are_new_runs(project: Project) -> None:
    suite = project.suite()
    (first,) = project.run(suite, options=RunOptions(draw="new", export=False))
    (second,) = project.run(suite, options=RunOptions(draw="new", export=False))
    assert first.id != second.id
    assert first.manifest.draw != second.manifest.draw


def test_a_cap_on_calls_stops_and_the_same_call_goes_on(project: Project) -> None:
    suite = project.suite()
    with pytest.raises(StoppedError, match="5 of 12 calls") as stopped:
        project.run(suite, options=RunOptions(max_calls=5, export=False))
    assert stopped.value.kind == "budget"
    assert "raise the cap" in str(stopped.value.hint)
    (manifest,) = project.session.store.manifests()
    assert manifest.status == "interrupted"
    (done,) = project.run(suite, options=RunOptions(max_calls=7, export=False))
    assert (done.id, done.status) == (manifest.id, "finished")
    assert "resumed" in events(project, done.id)


def test_a_stop_before_the_first_call_is_a_signal(project: Project) -> None:
    from evalkit.api.runs import make_runs

    async def stopped_at_once() -> None:
        stop = asyncio.Event()
        stop.set()
        await make_runs(project.session, project.suite(), ["answer"], NO_EXPORT, stop=stop)

    with pytest.raises(StoppedError, match="0 of 12") as stopped:
        asyncio.run(stopped_at_once())
    assert stopped.value.kind == "signal"


def test_candidates_of_one_command_share_a_batch(project: Project) -> None:
    suite = project.suite(
        SUITE.replace("graders:", "  - {name: b, model: local/extract-1-mini, prompt: answer.yaml}\ngraders:")
    )
    one, two = project.run(suite, "answer", "b")
    assert one.manifest.batch == two.manifest.batch
    assert one.id != two.id


def test_a_selection_is_restricted_and_a_limit_is_written_down(project: Project) -> None:
    suite = project.suite()
    ids = [item.id for item in suite.items[:3]]
    (chosen,) = project.run(suite, options=RunOptions(select=ids, restricted="-k q00", export=False))
    assert (chosen.manifest.restricted, chosen.manifest.n_planned) == ("-k q00", 3)
    (limited,) = project.run(suite, options=RunOptions(limit=4, export=False))
    assert (limited.manifest.limit, limited.manifest.n_planned) == (4, 4)


def test_answers_are_shared_between_runs_only_with_the_cache(project: Project) -> None:
    suite = project.suite()
    project.run(suite)
    other = project.suite(name="other")
    (cached,) = project.run(other, options=RunOptions(max_calls=0, export=False))
    assert cached.status == "finished"
    third = project.suite(name="third")
    with pytest.raises(StoppedError):
        project.run(third, options=RunOptions(max_calls=0, cache=False, export=False))


def test_a_missing_key_stops_before_the_first_call_and_leaves_no_empty_run(project: Project) -> None:
    suite = project.suite(SUITE.replace("local/extract-1", "openai/gpt-5-mini"))
    with pytest.raises(MissingKeyError):
        project.run(suite)
    assert list(project.session.store.manifests()) == []


def test_an_unknown_price_is_refused_where_spending_is_capped(project: Project) -> None:
    suite = project.suite(SUITE.replace("local/extract-1", "openai/unheard-of-1"))
    with pytest.raises(UsageError) as refused:
        project.run(suite, options=RunOptions(max_cost_usd=1.0, export=False))
    assert "price = {input" in str(refused.value)


def test_a_finished_run_is_written_as_parquet_once(project: Project) -> None:
    suite = project.suite()
    (run,) = project.run(suite, options=RunOptions())
    file = project.session.store.folder(run.id) / "scores.parquet"
    written = file.stat().st_mtime_ns
    project.run(suite, options=RunOptions())
    assert file.stat().st_mtime_ns == written
    file.unlink()
    project.run(suite, options=RunOptions())
    assert file.exists()
    written = file.stat().st_mtime_ns
    project.run(project.suite(SUITE + "  - {use: length, max: 500, unit: chars}\n"), options=RunOptions())
    assert file.stat().st_mtime_ns > written, "a new grader's scores belong to it"
