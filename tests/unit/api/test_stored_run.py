"""A stored run read again."""

from __future__ import annotations

import pytest

from evalkit.api.runs import RunOptions
from evalkit.api.session import Session
from evalkit.api.stored_run import open_run
from evalkit.base.errors import UsageError
from tests.e2e.tiny import SUITE

from .conftest import Project


def test_a_run_is_found_by_its_end_its_beginning_or_latest(project: Project) -> None:
    (run,) = project.run(project.suite())
    for text in (run.id, run.id[-6:], run.id[:12], "latest"):
        assert open_run(project.session, text).id == run.id


def test_an_unknown_or_unclear_run_is_an_error(project: Project) -> None:
    suite = project.suite()
    project.run(suite)
    project.run(suite, options=RunOptions(draw="b", export=False))
    with pytest.raises(UsageError, match="2 runs"):
        open_run(project.session, "2")
    with pytest.raises(UsageError, match="no run"):
        open_run(project.session, "zzz")


def test_another_process_reads_the_same_table(project: Project) -> None:
    (run,) = project.run(project.suite())
    again = open_run(Session(project.session.settings), run.id)
    assert again.table().item_ids == run.table().item_ids
    assert (again.table().columns["contains_all"].value == run.table().columns["contains_all"].value).all()


def test_records_hold_item_output_and_scores_in_the_order_of_analysis(project: Project) -> None:
    (run,) = project.run(project.suite())
    records = list(run.records())
    assert [record.item.id for record in records] == list(run.table().item_ids)
    values = [record.scores["contains_all"][1] for record in records]
    assert values == list(run.table().columns["contains_all"].value[:, 0])
    assert all(record.output.text for record in records)


def test_the_frame_has_a_row_for_each_item_trial_and_metric(project: Project) -> None:
    (run,) = project.run(project.suite(f"trials: 2\n{SUITE}"))
    frame = run.frame()
    metrics = set(run.table().columns)
    assert len(frame) == 12 * 2 * len(metrics)
    assert list(frame.columns) == ["item_id", "trial", "metric", "status", "value", "cluster", "weight"]
    assert set(frame["metric"]) == metrics
    ours = frame[frame["metric"] == "contains_all"]
    assert ours["value"].mean() == pytest.approx(run.table().columns["contains_all"].value.mean())


def test_a_run_says_what_it_is(project: Project) -> None:
    (run,) = project.run(project.suite())
    assert repr(run) == f"Run({run.id}, answer, finished)"
    assert run.candidate.model == "local/extract-1"
