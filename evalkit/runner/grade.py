"""From recorded outputs to scores, without a call to the model under test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Protocol

from evalkit.base.clock import Clock
from evalkit.core.item import Item
from evalkit.core.output import Output
from evalkit.core.score import Score
from evalkit.runner.progress import Progress, ProgressSink, silent
from evalkit.store.store import Store

__all__ = ["SuiteGrader", "grade_run"]

_GROUP = 1000


class SuiteGrader(Protocol):
    """A grader bound to its parameters by a suite."""

    @property
    def digest(self) -> str:
        """The full digest under which its scores are stored."""
        ...

    def grade(self, item: Item, output: Output) -> Sequence[Score]:
        """Return its scores; never raises."""
        ...


def grade_run(
    store: Store,
    run_id: str,
    graders: Sequence[SuiteGrader],
    *,
    clock: Clock,
    progress: ProgressSink = silent,
) -> int:
    """Score every answered output that a grader has not scored yet; return how many scores were added.

    Raises:
        StoreError: the record cannot be read or the scores cannot be written.
    """
    started = clock.monotonic()
    reader = store.read(run_id)
    n_outputs = reader.count()
    reader.close()
    added = 0
    for index, grader in enumerate(graders):
        for n_graded in _grade_with(store, run_id, grader):
            added += n_graded
            done = min(index * n_outputs + added, n_outputs * len(graders))
            progress(Progress("grading", done, n_outputs * len(graders), 0, 0, 0.0, clock.monotonic() - started, None))
    return added


def _grade_with(store: Store, run_id: str, grader: SuiteGrader) -> Iterator[int]:
    """Score what one grader has not scored, a durable group at a time; yield the number of scores of each group."""
    scores = store.score_reader(run_id, grader.digest)
    try:
        done = scores.done()
    finally:
        scores.close()
    reader = store.read(run_id)
    pending = (
        recorded
        for recorded in reader.outputs()
        if recorded.output.response is not None and (recorded.position, recorded.output.trial, recorded.seq) not in done
    )
    writer = None
    try:
        while group := list(islice(pending, _GROUP)):
            writer = writer or store.score_writer(run_id, grader.digest)
            rows = [
                (recorded.position, recorded.output.trial, recorded.seq, score)
                for recorded in group
                for score in grader.grade(recorded.item, recorded.output)
            ]
            writer.put(rows)
            yield len(rows)
    finally:
        reader.close()
        if writer is not None:
            writer.close()
