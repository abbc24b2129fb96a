"""The seam every grader stands behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel

from evalkit.core.item import Item
from evalkit.core.output import Output
from evalkit.core.score import MetricInfo, Score

__all__ = ["Grader"]


@runtime_checkable
class Grader(Protocol):
    """Turns an item and its output into scores.

    A grader knows no thresholds. It is built once a run with its validated parameters, is called only for outputs that
    have an answer (failures never reach it), and must not keep state between calls. An exception it raises becomes a
    score of status ``error``; it does not end the run.
    """

    Params: ClassVar[type[BaseModel]]
    """The model of its parameters, a :class:`evalkit.base.model.Frozen`; texts in it may be templates over the item."""

    version: ClassVar[int]
    """Raised with every change of behaviour; part of the grader's digest."""

    def metrics(self, name: str) -> Sequence[MetricInfo]:
        """Return the metrics it yields when called ``name``; the first has that very name."""
        ...

    def grade(self, item: Item, output: Output) -> Sequence[Score]:
        """Return one score for each of its metrics, in their order."""
        ...
