"""From recorded outputs to scores: what is missing, once, and never for a failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from evalkit.base.model import Frozen
from evalkit.core.candidate import Candidate
from evalkit.core.item import DatasetInfo, Item
from evalkit.core.output import CallKey, Exchange, Failure, Output
from evalkit.core.run import RunManifest
from evalkit.core.score import MetricInfo, Score
from evalkit.core.suite import GraderSpec
from evalkit.graders.bound import BoundGrader
from evalkit.llm.wire import ChatResponse
from evalkit.runner import grade
from evalkit.runner.grade import grade_run
from evalkit.runner.progress import Progress
from evalkit.store.store import Store

RUN = "20261123-120000-abcdef"
Row = tuple[int, int, int, str | None]
"""Position, trial, repetition, and the answer's text; None for a failure."""


class Words:
    """Counts an answer's words; remembers what it was shown."""

    def __init__(self, digest: str = "words", names: Sequence[str] = ("n_words",)) -> None:
        self.digest = digest
        self.names = names
        self.shown: list[tuple[str, int, str]] = []

    def grade(self, item: Item, output: Output) -> Sequence[Score]:
        assert output.failure is None
        self.shown.append((item.id, output.trial, output.text))
        return [Score(metric=name, status="ok", value=float(len(output.text.split()))) for name in self.names]


@pytest.fixture
def store(tmp_path: Any) -> Store:
    return Store(tmp_path)


@pytest.fixture
def record(store: Store) -> Callable[..., Any]:
    """Append rows to the run, which is created first if need be."""

    async def put(*rows: Row, n_items: int = 4) -> None:
        new = RUN not in store.run_ids()
        journal = store.journal(RUN)
        if new:
            journal.create(_manifest(n_items), [Item(id=f"q{n}", inputs={}) for n in range(n_items)])
        for position, trial, seq, text in rows:
            response = None if text is None else ChatResponse(text=text)
            failed = Failure(code="auth", blame="infrastructure", message="no", attempts=1) if text is None else None
            key = CallKey(item_id=f"q{position}", trial=trial)
            await journal.put(position, Exchange(key=key, request_digest="r", response=response, failure=failed), seq)
        journal.close()

    return put


def _manifest(n_items: int) -> RunManifest:
    return RunManifest(
        id=RUN,
        suite="s",
        suite_digest="s",
        candidate=Candidate(name="next", model="m/x"),
        dataset=DatasetInfo(name="d", version=None, digest="d", n_items=n_items),
        trials=1,
        seed=1,
        draw="0",
        batch="b",
        started_at="2026-11-23",
        n_planned=n_items,
    )


def scores(store: Store, digest: str = "words") -> list[tuple[Any, ...]]:
    reader = store.score_reader(RUN, digest)
    try:
        return [row[:6] for row in reader.rows()]
    finally:
        reader.close()


async def test_every_answer_is_scored_once_and_failures_never_reach_a_grader(
    store: Store, record: Any, clock: Any
) -> None:
    await record((0, 0, 0, "one"), (1, 0, 0, None), (2, 0, 0, "two words"), (2, 1, 0, "and three words"))
    words = Words()
    assert grade_run(store, RUN, [words], clock=clock) == 3
    assert words.shown == [("q0", 0, "one"), ("q2", 0, "two words"), ("q2", 1, "and three words")]
    assert scores(store) == [
        (0, 0, 0, "n_words", "ok", 1.0),
        (2, 0, 0, "n_words", "ok", 2.0),
        (2, 1, 0, "n_words", "ok", 3.0),
    ]


async def test_grading_again_shows_a_grader_only_what_is_new(store: Store, record: Any, clock: Any) -> None:
    await record((0, 0, 0, "one"), (2, 0, 0, "two"))
    assert grade_run(store, RUN, [Words()], clock=clock) == 2
    assert grade_run(store, RUN, [Words()], clock=clock) == 0
    await record((1, 0, 0, "between"), (3, 0, 0, "after"))
    words = Words()
    assert grade_run(store, RUN, [words], clock=clock) == 2
    assert [item_id for item_id, _, _ in words.shown] == ["q1", "q3"]
    assert len(scores(store)) == 4


async def test_only_the_newest_repetition_is_graded(store: Store, record: Any, clock: Any) -> None:
    await record((0, 0, 0, None), (0, 0, 1, None), (0, 0, 2, "at last"), (1, 0, 0, "lost"), (1, 0, 1, None))
    words = Words()
    grade_run(store, RUN, [words], clock=clock)
    assert words.shown == [("q0", 0, "at last")]
    assert scores(store) == [(0, 0, 2, "n_words", "ok", 2.0)]


async def test_each_grader_is_brought_up_to_date_by_itself(store: Store, record: Any, clock: Any) -> None:
    await record((0, 0, 0, "one"))
    grade_run(store, RUN, [Words("old")], clock=clock)
    await record((1, 0, 0, "two"))
    old, new = Words("old"), Words("new", names=("a", "b"))
    assert grade_run(store, RUN, [old, new], clock=clock) == 1 + 4
    assert [len(each.shown) for each in (old, new)] == [1, 2]
    assert [row[3] for row in scores(store, "new")] == ["a", "b", "a", "b"]


async def test_grading_in_groups_misses_and_repeats_nothing(
    store: Store, record: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grade, "_GROUP", 2)
    await record(*((position, trial, 0, "x") for position in range(4) for trial in range(3)))
    words = Words()
    assert grade_run(store, RUN, [words], clock=clock) == 12
    assert len(set(words.shown)) == len(words.shown) == 12


class NoParams(Frozen):
    """Nothing to set."""


class Fragile:
    """A user's grader with a bug."""

    Params: ClassVar[type[BaseModel]] = NoParams
    version: ClassVar[int] = 1

    def metrics(self, name: str) -> Sequence[MetricInfo]:
        return [MetricInfo(name=name, kind="binary")]

    def grade(self, item: Item, output: Output) -> Sequence[Score]:
        return [Score(metric="fragile", status="ok", value=1.0 / int(output.text))]


class BoundFragile:
    digest = "fragile"

    def __init__(self) -> None:
        spec = GraderSpec(use="fragile", name="fragile")
        self._bound = BoundGrader(spec, Fragile(), tuple(Fragile().metrics("fragile")))

    def grade(self, item: Item, output: Output) -> Sequence[Score]:
        return self._bound.grade(item, output)


async def test_a_grader_that_raises_leaves_a_score_of_status_error_and_the_others_theirs(
    store: Store, record: Any, clock: Any
) -> None:
    await record((0, 0, 0, "1"), (1, 0, 0, "0"), (2, 0, 0, "1"))
    assert grade_run(store, RUN, [BoundFragile()], clock=clock) == 3
    assert [(row[4], row[5]) for row in scores(store, "fragile")] == [("ok", 1.0), ("error", None), ("ok", 1.0)]


async def test_a_grader_without_answers_to_grade_makes_no_file(store: Store, record: Any, clock: Any) -> None:
    await record((0, 0, 0, None))
    assert grade_run(store, RUN, [Words()], clock=clock) == 0
    assert not store.score_path(RUN, "words").exists()
    assert grade_run(store, RUN, [], clock=clock) == 0


async def test_a_grader_that_yields_nothing_adds_nothing(store: Store, record: Any, clock: Any) -> None:
    await record((0, 0, 0, "x"))
    assert grade_run(store, RUN, [Words(names=())], clock=clock) == 0


async def test_progress_counts_outputs_times_graders(
    store: Store, record: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grade, "_GROUP", 1)
    await record((0, 0, 0, "x"), (1, 0, 0, "x"))
    seen: list[Progress] = []
    grade_run(store, RUN, [Words("a"), Words("b", names=("x", "y"))], clock=clock, progress=seen.append)
    assert [(moment.phase, moment.done, moment.total) for moment in seen] == [("grading", 2, 4), ("grading", 4, 4)]
