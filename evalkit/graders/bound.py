"""A grader as one entry of a suite uses it: its condition, its negation, and its exceptions turned into data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evalkit.core.item import Item
from evalkit.core.output import Output
from evalkit.core.score import MetricInfo, MetricKind, Score, ScoreStatus
from evalkit.core.suite import GraderSpec
from evalkit.graders.check import NoScore, printable
from evalkit.graders.grader import Grader

__all__ = ["BoundGrader"]

_REASON_LIMIT = 500


@dataclass(frozen=True, slots=True)
class BoundGrader:
    """A built grader with the entry's reserved keys applied. It keeps no state between calls.

    Attributes:
        spec: the entry.
        grader: what does the grading.
        metrics: its metrics, each with ``grader`` set to the entry's ``name@digest``.
        when: whether an item is graded at all; None for every item.
    """

    spec: GraderSpec
    grader: Grader
    metrics: tuple[MetricInfo, ...]
    when: Callable[[Item], bool] | None = None

    @property
    def id(self) -> str:
        """``name@digest`` of the entry."""
        return self.spec.id

    def grade(self, item: Item, output: Output) -> Sequence[Score]:
        """Return one score for each metric, in their order; never raises for what an item or output holds.

        An item for which ``when`` is false gets scores of status skipped; an exception of the grader, and scores that
        break its own declaration, become scores of status error.
        """
        try:
            if self.when is not None and not self.when(item):
                return self._without_value("skipped", f"when: {self.spec.when}")
            scores = self.grader.grade(item, output)
            fault = self._fault(scores)
        except NoScore as left:
            return self._without_value(left.status, left.reason)
        except RecursionError:
            return self._without_value("error", "the output is nested too deeply for this grader")
        except Exception as error:  # noqa: BLE001 - a grader's failure is data, and a user's grader may raise anything
            return self._without_value("error", f"{type(error).__name__}: {error}")
        if fault is not None:
            return self._without_value("error", fault)
        return tuple(_negated(score) for score in scores) if self.spec.negate else scores

    def _without_value(self, status: ScoreStatus, reason: str) -> Sequence[Score]:
        reason = printable(reason[:_REASON_LIMIT])
        return tuple(Score(metric=metric.name, status=status, reason=reason) for metric in self.metrics)

    def _fault(self, scores: Sequence[Score]) -> str | None:
        if len(scores) != len(self.metrics):
            return f"the grader returned {len(scores)} scores for its {len(self.metrics)} metrics"
        for metric, score in zip(self.metrics, scores, strict=True):
            if score.metric != metric.name:
                return f"the grader returned a score of {score.metric!r} where {metric.name!r} belongs"
            if score.value is not None and not _fits(metric.kind, score.value):
                return f"{score.value!r} is not a value of the {metric.kind} metric {metric.name!r}"
        return None


def _fits(kind: MetricKind, value: float) -> bool:
    if kind == "binary":
        return value in (0.0, 1.0)
    if kind == "bounded":
        return 0.0 <= value <= 1.0
    return kind == "unbounded" or value >= 0.0


def _negated(score: Score) -> Score:
    if score.value is None:
        return score
    value = 1.0 - score.value
    reason = None if value == 1.0 else score.reason or "the negated check holds"
    return score.model_copy(update={"value": value, "reason": reason})
