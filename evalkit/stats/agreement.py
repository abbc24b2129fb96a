"""Agreement between raters: Cohen's kappa (two raters, weighted for ordinal labels) and Krippendorff's alpha."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from evalkit.stats.errors import StatsError
from evalkit.stats.special import FloatArray, normal_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

__all__ = ["Kappa", "Level", "cohen_kappa", "confusion_table", "krippendorff_alpha"]

Level = Literal["nominal", "ordinal", "interval"]
Weights = Literal["none", "linear", "quadratic"]


@dataclass(frozen=True, slots=True)
class Kappa:
    """Chance-corrected agreement with its interval; beside it the raw agreement and the largest label's share.

    ``value``, ``se``, ``low`` and ``high`` are None, with ``reason`` set, where chance alone gives full agreement.
    """

    value: float | None
    se: float | None
    low: float | None
    high: float | None
    agreement: float
    prevalence: float
    reason: str | None = None


def confusion_table(first: Sequence[object], second: Sequence[object], labels: Sequence[object]) -> FloatArray:
    """Returns counts of shape (k, k): rows the first rater's label, columns the second's, in the order of ``labels``.

    Raises:
        StatsError: different lengths, or a label that is not listed.
    """
    if len(first) != len(second):
        raise StatsError(f"{len(first)} and {len(second)} labels: rate the same items")
    position = {label: index for index, label in enumerate(labels)}
    table = np.zeros((len(labels), len(labels)))
    for a, b in zip(first, second, strict=True):
        if a not in position or b not in position:
            raise StatsError(f"label {a if a not in position else b!r} is not one of {list(labels)}")
        table[position[a], position[b]] += 1.0
    return table


def cohen_kappa(table: ArrayLike, *, weights: Weights = "none", alpha: float = 0.05) -> Kappa:
    """Returns Cohen's kappa of a square table of counts with its large-sample interval of level 1 - alpha.

    >>> round(cohen_kappa([[20, 5], [10, 15]]).value or 0.0, 6)  # statsmodels cohens_kappa
    0.4

    Args:
        table: shape (k, k), k >= 2; for weighted kappa the labels in order.
        weights: "none" for unordered labels, "linear" or "quadratic" for ordered ones.
        alpha: two-sided level.

    Raises:
        StatsError: not a square table of counts, or empty.

    Ref: Cohen J. (1960), Educational and Psychological Measurement 20:37; Fleiss J., Cohen J., Everitt B. (1969),
    Psychological Bulletin 72:323, eq. (13) (variance).
    """
    counts = np.asarray(table, dtype=np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or counts.shape[0] < 2:
        raise StatsError(f"need a square table of at least two labels, not shape {counts.shape}")
    n = float(counts.sum())
    if not np.isfinite(counts).all() or counts.min() < 0.0 or n <= 0.0:
        raise StatsError("counts must not be negative, nor all be zero")
    shares, credit = counts / n, _credit(counts.shape[0], weights)
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    observed, expected = float((credit * shares).sum()), float(rows @ credit @ columns)
    agreement, prevalence = float(np.trace(shares)), float(((rows + columns) / 2).max())
    if expected >= 1.0 - 1e-12:
        reason = "both raters gave one label only: agreement beyond chance is undefined"
        return Kappa(None, None, None, None, agreement, prevalence, reason)
    kappa = (observed - expected) / (1.0 - expected)
    pull = (credit @ columns)[:, None] + (rows @ credit)[None, :]
    spread = float((shares * (credit - pull * (1.0 - kappa)) ** 2).sum()) - (kappa - expected * (1 - kappa)) ** 2
    se = math.sqrt(max(spread, 0.0) / n) / (1.0 - expected)
    reach = normal_quantile(alpha / 2) * se
    return Kappa(kappa, se, kappa - reach, kappa + reach, agreement, prevalence)


def _credit(k: int, weights: Weights) -> FloatArray:
    if weights == "none":
        return np.eye(k)
    distance = np.abs(np.subtract.outer(np.arange(k), np.arange(k))) / (k - 1.0)
    credit: FloatArray = 1.0 - (distance if weights == "linear" else distance**2)
    return credit


def krippendorff_alpha(ratings: Sequence[Sequence[float | None]], *, level: Level = "nominal") -> float | None:
    """Returns Krippendorff's alpha, or None where no unit has two ratings or all ratings are equal (undefined).

    Args:
        ratings: one row a rater, one column a unit; None where a rater did not rate.
        level: how far two labels are apart: equal or not, by rank, or by value.

    Raises:
        StatsError: rows of different length.

    Ref: Krippendorff K. (2011), Computing Krippendorff's Alpha-Reliability (coincidence matrices, ordinal metric).
    """
    if len({len(row) for row in ratings}) > 1:
        raise StatsError("every rater needs one entry a unit (None where not rated)")
    pairs: defaultdict[tuple[float, float], float] = defaultdict(float)
    for unit in zip(*ratings, strict=True):
        given = [float(value) for value in unit if value is not None]
        for i, a in enumerate(given):
            for j, b in enumerate(given):
                if i != j:
                    pairs[a, b] += 1.0 / (len(given) - 1)
    labels = sorted({a for a, _ in pairs})
    if len(labels) < 2:
        return None
    coincidences = np.array([[pairs[a, b] for b in labels] for a in labels])
    totals = coincidences.sum(axis=1)
    distance = _distance(np.array(labels), totals, level)
    expected = float(totals @ distance @ totals)
    return 1.0 - (float(totals.sum()) - 1.0) * float((coincidences * distance).sum()) / expected


def _distance(labels: FloatArray, totals: FloatArray, level: Level) -> FloatArray:
    if level == "nominal":
        return 1.0 - np.eye(labels.size)
    scale = labels if level == "interval" else np.cumsum(totals) - totals / 2.0
    squared: FloatArray = np.subtract.outer(scale, scale) ** 2
    return squared
