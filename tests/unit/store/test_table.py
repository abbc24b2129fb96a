"""A stored run as columns: every status, the newest repetition, censoring of latency and cost."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable

import numpy as np
import pytest

from evalkit.base.errors import StoreError
from evalkit.core.item import Item
from evalkit.core.output import Exchange
from evalkit.core.run import (
    STATUS_ABSTAINED,
    STATUS_CANDIDATE_FAILED,
    STATUS_ERROR,
    STATUS_INFRASTRUCTURE_FAILED,
    STATUS_MISSING,
    STATUS_OK,
    STATUS_SKIPPED,
    RunManifest,
    RunTable,
)
from evalkit.core.score import MetricInfo, Score
from evalkit.store.store import Store
from evalkit.store.table import GradedBy, read_table

Make = Callable[..., Exchange]
CORRECT = GradedBy("g" * 64, (MetricInfo(name="correct", kind="binary"),))
BILLED = {"latency_s": 0.5, "cost_usd": 0.25, "usage": {"input_tokens": 7, "output_tokens": 0}}


@pytest.fixture
def record(
    store: Store, make_manifest: Callable[..., RunManifest], make_items: Callable[[int], list[Item]]
) -> Callable[..., RunManifest]:
    """Store a run of some exchanges ``(position, exchange, seq)`` and scores ``(position, trial, seq, score)``."""

    def make(
        exchanges: list[tuple[int, Exchange, int]],
        scores: list[tuple[int, int, int, Score]] = [],  # noqa: B006
        *,
        n_items: int = 3,
        trials: int = 1,
    ) -> RunManifest:
        manifest = make_manifest(trials=trials)
        journal = store.journal(manifest.id)
        journal.create(manifest, make_items(n_items))

        async def put() -> None:
            for row in exchanges:
                await journal.put(*row)

        asyncio.run(put())
        journal.close()
        if scores:
            writer = store.score_writer(manifest.id, CORRECT.digest)
            for position, trial, seq, score in scores:
                writer.add(position, trial, seq, [score])
            writer.flush()
            writer.close()
        return manifest

    return make


def right(status: str = "ok", value: float | None = 1.0) -> Score:
    return Score.model_validate({"metric": "correct", "status": status, "value": value if status == "ok" else None})


def codes(table: RunTable, metric: str = "correct") -> list[list[int]]:
    found: list[list[int]] = table.columns[metric].status.tolist()
    return found


def test_every_status_has_its_code(
    store: Store, record: Callable[..., RunManifest], answer: Make, failure: Make
) -> None:
    exchanges = [(n, answer(f"q{n}"), 0) for n in range(5)]
    exchanges += [(5, failure("q5", "timeout"), 0), (6, failure("q6", "auth"), 0)]
    scores = [(n, 0, 0, right(status)) for n, status in enumerate(("ok", "skipped", "abstained", "error"))]
    table = read_table(store, record(exchanges, scores, n_items=8), [CORRECT])
    assert [row[0] for row in codes(table)] == [
        STATUS_OK,
        STATUS_SKIPPED,
        STATUS_ABSTAINED,
        STATUS_ERROR,
        STATUS_MISSING,
        STATUS_CANDIDATE_FAILED,
        STATUS_INFRASTRUCTURE_FAILED,
        STATUS_MISSING,
    ]
    assert table.columns["correct"].value[0, 0] == 1.0
    assert not table.columns["correct"].value[1:].any()


def test_what_the_runner_measured_stands_beside_the_scores(
    store: Store, record: Callable[..., RunManifest], answer: Make
) -> None:
    table = read_table(store, record([(0, answer("q0", **BILLED), 0), (1, answer("q1"), 0)]), [])
    measured = {name: column.value[0, 0] for name, column in table.columns.items()}
    assert measured == {"latency_s": 0.5, "cost_usd": 0.25, "input_tokens": 7, "output_tokens": 0}
    assert all(codes(table, name) == [[STATUS_OK], [STATUS_MISSING], [STATUS_MISSING]] for name in measured)


def test_a_candidates_failure_is_censored_at_what_it_took_and_cost(
    store: Store, record: Callable[..., RunManifest], failure: Make
) -> None:
    table = read_table(store, record([(0, failure("q0", "timeout", elapsed_s=60.0, cost_usd=0.5), 0)]), [])
    assert (codes(table, "latency_s")[0], table.columns["latency_s"].value[0, 0]) == ([STATUS_CANDIDATE_FAILED], 60.0)
    assert (codes(table, "cost_usd")[0], table.columns["cost_usd"].value[0, 0]) == ([STATUS_CANDIDATE_FAILED], 0.5)
    assert codes(table, "input_tokens")[0] == [STATUS_CANDIDATE_FAILED]


def test_a_failure_of_unknown_length_and_cost_is_missing_there(
    store: Store, record: Callable[..., RunManifest], failure: Make
) -> None:
    table = read_table(store, record([(0, failure("q0", "timeout"), 0)]), [])
    assert codes(table, "latency_s")[0] == codes(table, "cost_usd")[0] == [STATUS_MISSING]


def test_an_infrastructure_failure_says_nothing_about_latency_or_cost(
    store: Store, record: Callable[..., RunManifest], failure: Make
) -> None:
    table = read_table(store, record([(0, failure("q0", "server_error", elapsed_s=9.0, cost_usd=0.1), 0)]), [])
    assert codes(table, "latency_s")[0] == codes(table, "cost_usd")[0] == [STATUS_MISSING]
    assert codes(table, "output_tokens")[0] == [STATUS_INFRASTRUCTURE_FAILED]


def test_only_scores_of_the_newest_repetition_count(
    store: Store, record: Callable[..., RunManifest], answer: Make, failure: Make
) -> None:
    exchanges = [
        (0, failure("q0", "auth"), 0),
        (0, answer("q0"), 1),
        (1, answer("q1"), 0),
        (1, failure("q1", "auth"), 1),
    ]
    table = read_table(store, record(exchanges, [(0, 0, 0, right(value=0.0)), (0, 0, 1, right())]), [CORRECT])
    assert codes(table) == [[STATUS_OK], [STATUS_INFRASTRUCTURE_FAILED], [STATUS_MISSING]]
    assert table.columns["correct"].value[0, 0] == 1.0


def test_trials_are_columns(store: Store, record: Callable[..., RunManifest], answer: Make) -> None:
    exchanges = [(0, answer("q0", trial=trial), 0) for trial in (0, 1)]
    scores = [(0, 0, 0, right()), (0, 1, 0, right(value=0.0))]
    table = read_table(store, record(exchanges, scores, trials=2), [CORRECT])
    assert table.columns["correct"].value[0].tolist() == [1.0, 0.0]
    assert table.columns["correct"].status.shape == (3, 2)
    assert table.columns["correct"].status.dtype == np.uint8


def test_items_carry_what_a_comparison_pairs_and_weighs_by(
    store: Store, make_manifest: Callable[..., RunManifest], answer: Make
) -> None:
    items = [
        Item(id="b", inputs={"q": 1}, cluster="doc-1", tags=("policy", "long"), weight=2.5),
        Item(id="a", inputs={"q": 2}),
    ]
    manifest = make_manifest(n_planned=2)
    journal = store.journal(manifest.id)
    journal.create(manifest, items)
    asyncio.run(journal.put(0, answer("b"), 0))
    journal.close()
    table = read_table(store, manifest, [])
    assert table.item_ids == ["b", "a"]
    assert table.item_digests == [item.digest for item in items]
    assert table.clusters == ["doc-1", None]
    assert table.tags == [("policy", "long"), ()]
    assert table.weights == [2.5, 1.0]
    assert table.call_digests == ["r-b", ""]
    assert table.provenance == f"run {manifest.id}"


def test_scores_of_metrics_nobody_declared_are_left_out(
    store: Store, record: Callable[..., RunManifest], answer: Make
) -> None:
    other = Score(metric="other", status="ok", value=1.0)
    table = read_table(store, record([(0, answer("q0"), 0)], [(0, 0, 0, other)]), [CORRECT])
    assert "other" not in table.columns
    assert codes(table)[0] == [STATUS_MISSING]


def test_scores_beyond_the_planned_items_are_an_error(
    store: Store, record: Callable[..., RunManifest], answer: Make
) -> None:
    manifest = record([(0, answer("q0"), 0)], [(9, 0, 0, right())])
    with pytest.raises(StoreError, match="do not fit") as caught:
        read_table(store, manifest, [CORRECT])
    assert "scores" in str(caught.value.where)


@pytest.mark.parametrize(("position", "trial"), [(7, 0), (0, 3)])
def test_an_exchange_beyond_the_plan_is_an_error(
    store: Store, record: Callable[..., RunManifest], answer: Make, position: int, trial: int
) -> None:
    manifest = record([(position, answer("q0", trial=trial), 0)])
    with pytest.raises(StoreError, match="no planned item"):
        read_table(store, manifest, [])


def test_a_flipped_answer_never_becomes_a_column(
    store: Store, record: Callable[..., RunManifest], answer: Make
) -> None:
    manifest = record([(0, answer("q0", latency_s=0.5), 0)])
    connection = sqlite3.connect(store.folder(manifest.id) / "outputs.db")
    connection.execute("UPDATE exchange SET body = replace(body, '0.5', '0.4')")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="exchange 0 0 0 0"):
        read_table(store, manifest, [])
