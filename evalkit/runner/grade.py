"""From recorded outputs to scores, without a call to the model under test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice
from typing import Protocol, TypeAlias

from evalkit.base.clock import Clock
from evalkit.core.item import Item
from evalkit.core.output import Output
from evalkit.core.score import Score
from evalkit.runner.progress import Progress, ProgressSink, silent
from evalkit.store.journal import JournalReader, RecordedOutput
from evalkit.store.scores import ScoreWriter
from evalkit.store.store import Store

__all__ = ["SuiteGrader", "grade_run"]

Key: TypeAlias = tuple[int, int, int]
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
    with ExitStack() as stack:
        reader = store.read(run_id)
        stack.callback(reader.close)
        scorers = [_Scorer(store, run_id, grader, stack) for grader in graders]
        total = reader.count() * len(graders)
        added = done = 0
        for group in _groups(reader.answered()):
            added += _score_group(reader, scorers, group)
            done += len(group) * len(graders)
            progress(Progress("grading", done, total, 0, 0, 0.0, clock.monotonic() - started, None))
    return added


class _Scorer:
    """One grader with its scores of one run."""

    def __init__(self, store: Store, run_id: str, grader: SuiteGrader, stack: ExitStack) -> None:
        self._open = partial(store.score_writer, run_id, grader.digest)
        self._stack = stack
        self._grader = grader
        self._writer: ScoreWriter | None = None
        self._reader = store.score_reader(run_id, grader.digest)
        stack.callback(self._reader.close)

    def missing(self, group: Sequence[Key]) -> set[Key]:
        """Return which of ``group`` have no scores."""
        return set(group) - self._reader.done(group[0][0], group[-1][0])

    def score(self, key: Key, recorded: RecordedOutput) -> int:
        """Score an output and return how many scores that made; :meth:`flush` writes them."""
        if self._writer is None:
            self._writer = self._open()
            self._stack.callback(self._writer.close)
        return self._writer.add(*key, self._grader.grade(recorded.item, recorded.output))

    def flush(self) -> None:
        """Write what was scored, durably."""
        if self._writer is not None:
            self._writer.flush()


def _key(recorded: RecordedOutput) -> Key:
    return recorded.position, recorded.output.trial, recorded.seq


def _groups(answered: Iterator[Key]) -> Iterator[list[Key]]:
    while group := list(islice(answered, _GROUP)):
        yield group


def _score_group(reader: JournalReader, scorers: Sequence[_Scorer], group: Sequence[Key]) -> int:
    """Score what is missing of ``group``, reading its outputs once and only if something is."""
    missing = [scorer.missing(group) for scorer in scorers]
    if not any(missing):
        return 0
    added = 0
    for recorded in reader.outputs(group[0][0], group[-1][0]):  # one at a time: a list of them costs more than grading
        key = _key(recorded)
        added += sum(scorer.score(key, recorded) for scorer, keys in zip(scorers, missing, strict=True) if key in keys)
    for scorer in scorers:
        scorer.flush()
    return added
