"""One metric of one arm, reduced from trials to items: what is known, what is not, and between which bounds.

A failure the candidate is to blame for counts as the metric's worst value where it has one; what the runner measures
itself keeps its stored value (latency up to the deadline, cost as billed). A failure of the infrastructure is missing.
An error or abstention of a grader is never a number: it widens the bounds ``low`` and ``high``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit.core.run import (
    STATUS_ABSTAINED,
    STATUS_CANDIDATE_FAILED,
    STATUS_ERROR,
    STATUS_OK,
    STATUS_SKIPPED,
    MetricColumn,
    RunTable,
)
from evalkit.core.score import Better, MetricInfo

__all__ = [
    "CENSORED_OR_BILLED",
    "BoolArray",
    "FloatArray",
    "IntArray",
    "ItemValues",
    "has_bounds",
    "item_values",
    "keeps_value",
    "unusable",
    "worst_value",
]

CENSORED_OR_BILLED = frozenset({"latency_s", "cost_usd"})
"""What the runner measures on a failure of the candidate, too."""

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ItemValues:
    """Arrays of shape (n_items,).

    Attributes:
        value: mean over the trials that have a value; 0 where ``known`` is false.
        known: at least one trial has a value.
        unknown: at least one trial has a grader error or an abstention.
        low: the mean with every unknown trial at 0; equals ``value`` where nothing is unknown or there are no bounds.
        high: the mean with every unknown trial at 1.
        skipped: the item is outside this metric.
        imputed: at least one trial is a failure of the candidate that stands as a number.
        short: at least one trial, but not all, has no value.
    """

    value: FloatArray
    known: BoolArray
    unknown: BoolArray
    low: FloatArray
    high: FloatArray
    skipped: BoolArray
    imputed: BoolArray
    short: BoolArray


def has_bounds(info: MetricInfo) -> bool:
    """Return whether the metric lies in [0, 1] by declaration."""
    return info.kind in ("binary", "bounded")


def keeps_value(info: MetricInfo) -> bool:
    """Latency is right-censored at what was waited, cost is what was billed; other values of a failure do not exist."""
    return info.grader is None and info.name in CENSORED_OR_BILLED


def worst_value(better: Better) -> float:
    """Return the worst value of a metric in [0, 1]."""
    return 0.0 if better == "higher" else 1.0


def item_values(column: MetricColumn, rows: IntArray, *, better: Better) -> ItemValues:
    """Return the metric's items at ``rows``, trials averaged.

    Args:
        column: statuses and values of all items.
        rows: which items, in which order.
        better: which direction is good; decides the worst value.
    """
    status, value = column.status[rows], column.value[rows]
    bounded = has_bounds(column.info)
    ok, failed = status == STATUS_OK, status == STATUS_CANDIDATE_FAILED
    unknown = (status == STATUS_ERROR) | (status == STATUS_ABSTAINED)
    if bounded:
        imputed, filled = failed, np.where(ok, value, worst_value(better))
    else:
        imputed, filled = failed & np.isfinite(value) & keeps_value(column.info), value
    counted = ok | imputed
    total = np.where(counted, filled, 0.0).sum(axis=1)
    n_counted, n_unknown = counted.sum(axis=1), unknown.sum(axis=1)
    mean = total / np.maximum(n_counted, 1)
    reach = np.maximum(n_counted + n_unknown, 1)
    widened = bounded & (n_unknown > 0)
    return ItemValues(
        value=mean,
        known=n_counted > 0,
        unknown=n_unknown > 0,
        low=np.where(widened, total / reach, mean),
        high=np.where(widened, (total + n_unknown) / reach, mean),
        skipped=_skipped(status, n_counted + n_unknown),
        imputed=imputed.any(axis=1),
        short=(n_counted > 0) & (n_counted < status.shape[1]),
    )


def _skipped(status: npt.NDArray[np.uint8], n_present: IntArray) -> BoolArray:
    """Items whose every trial was skipped, or lost beside a skipped one: ``when`` depends on the item alone."""
    skipped: BoolArray = (n_present == 0) & (status == STATUS_SKIPPED).any(axis=1)
    return skipped


def unusable(table: RunTable, column: MetricColumn) -> str | None:
    """Return what is wrong with a column's scores (not finite, outside the declared range), or None."""
    ok = column.status == STATUS_OK
    value = np.where(ok, column.value, 0.0)
    kind = column.info.kind
    wrong = ~np.isfinite(value)
    says = "a score must be a finite number"
    if not wrong.any() and kind == "binary":
        wrong, says = (value != 0.0) & (value != 1.0), "a binary score is 0 or 1"
    elif not wrong.any() and kind == "bounded":
        wrong, says = (value < 0.0) | (value > 1.0), "a bounded score lies in [0, 1]"
    elif not wrong.any() and kind == "positive":
        wrong, says = value < 0.0, "a positive score is at least 0"
    if not wrong.any():
        return None
    row, trial = (int(index) for index in np.argwhere(wrong)[0])
    name = f"{column.info.name} of item {table.item_ids[row]} in {table.provenance}"
    return f"{name} is {float(column.value[row, trial]):g}: {says}"
