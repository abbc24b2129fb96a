"""Means graded by a judge and corrected by human labels: prediction-powered means and Rogan-Gladen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from evalkit.stats.arrays import as_values
from evalkit.stats.errors import StatsError
from evalkit.stats.estimate import Interval
from evalkit.stats.special import FloatArray, normal_quantile, t_quantile

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["CorrectedRate", "Tuning", "ppi_mean", "rogan_gladen"]

Tuning = Literal["leave-one-out", "pooled"]


def ppi_mean(
    labels: ArrayLike,
    judged: ArrayLike,
    judged_unlabelled: ArrayLike,
    *,
    tuning: Tuning = "leave-one-out",
    alpha: float = 0.05,
) -> Interval:
    """Returns the prediction-powered mean of human labels with its interval of level 1 - alpha.

    For a comparison pass paired differences (candidate minus baseline) in all three. The judge's weight lambda is
    estimated without the item it is used on ("leave-one-out", t quantile, the default), or once from all items and
    clipped to [0, 1] ("pooled", normal quantile, the published form, which covers too little below about 200 labels).

    Args:
        labels: human scores, shape (n_labelled,), n >= 3.
        judged: the judge's scores of the same items.
        judged_unlabelled: the judge's scores of the other items, at least two.
        tuning: how lambda is estimated.
        alpha: two-sided level.

    Raises:
        StatsError: too few items, different lengths, or not finite.

    Ref: Angelopoulos A., Duchi J., Zrnic T. (2023), arXiv 2311.01453 (PPI++), section 2 and example 6.1.
    """
    y, f = as_values(labels, name="labels"), as_values(judged, name="judged")
    other = as_values(judged_unlabelled, name="judged_unlabelled")
    if y.size != f.size or y.size < 3 or other.size < 2:
        raise StatsError(f"{y.size} labels, {f.size} judged, {other.size} unlabelled: need 3, as many, and 2")
    if tuning == "pooled":
        weight = np.full(y.size, _pooled_weight(y, f, other))
        ddof, quantile = 0, normal_quantile(alpha / 2)
    else:
        weight, ddof, quantile = _leave_one_out_weights(y, f, other), 1, t_quantile(alpha / 2, y.size - 1)
    rectifier, mean_weight = y - weight * f, float(weight.mean())
    estimate = mean_weight * float(other.mean()) + float(rectifier.mean())
    variance = mean_weight**2 * other.var(ddof=ddof) / other.size + rectifier.var(ddof=ddof) / y.size
    reach = quantile * math.sqrt(float(variance))
    return Interval(estimate, estimate - reach, estimate + reach, 1.0 - alpha, f"ppi-{tuning}/1")


def _pooled_weight(y: FloatArray, f: FloatArray, other: FloatArray) -> float:
    spread = float(np.concatenate((f, other)).var(ddof=1))
    if spread <= 0.0:
        return 0.0
    together = float(((y - y.mean()) * (f - f.mean())).mean())
    return min(max(together / ((1.0 + y.size / other.size) * spread), 0.0), 1.0)


def _leave_one_out_weights(y: FloatArray, f: FloatArray, other: FloatArray) -> FloatArray:
    """Lambda for each labelled item from the others, shape (n,): downdated sums instead of n refits."""
    n, spread = y.size, float(np.concatenate((f, other)).var(ddof=1))
    if spread <= 0.0:
        return np.zeros(n)
    a, b = y - y.mean(), f - f.mean()
    without = (float(a @ b) - a * b * n / (n - 1.0)) / (n - 2.0)
    weights: FloatArray = np.clip(without / ((1.0 + n / other.size) * spread), 0.0, 1.0)
    return weights


@dataclass(frozen=True, slots=True)
class CorrectedRate:
    """A pass rate corrected for a judge's errors, in [0, 1], with its interval and the Youden index."""

    estimate: float
    low: float
    high: float
    confidence: float
    youden: float


def rogan_gladen(
    judged_rate: float,
    *,
    sensitivity: float,
    specificity: float,
    n: int,
    n_positive: int,
    n_negative: int,
    alpha: float = 0.05,
) -> CorrectedRate:
    """Returns the true pass rate behind a judge's pass rate, with the interval that adds the calibration's error.

    Args:
        judged_rate: share of ``n`` outputs the judge passed.
        sensitivity: share of truly passing outputs the judge passed, measured on ``n_positive``.
        specificity: share of truly failing outputs the judge failed, measured on ``n_negative``.
        n: outputs judged.
        n_positive: labelled outputs that truly pass.
        n_negative: labelled outputs that truly fail.
        alpha: two-sided level.

    Raises:
        StatsError: a rate outside [0, 1], an empty sample, or a judge no better than chance (Youden index <= 0).

    Ref: Rogan W., Gladen B. (1978), American Journal of Epidemiology 107:71; Lee C. et al. (2025), arXiv 2511.21140
    (adjusted counts and interval).
    """
    rates = (judged_rate, sensitivity, specificity)
    if min(rates) < 0.0 or max(rates) > 1.0 or min(n, n_positive, n_negative) < 1:
        raise StatsError("rates must lie in [0, 1] and every sample have an output")
    youden = sensitivity + specificity - 1.0
    if youden <= 0.0:
        raise StatsError(f"the judge is no better than chance (sensitivity + specificity - 1 = {youden:g})")
    z = normal_quantile(alpha / 2)
    p, size = (n * judged_rate + z * z / 2) / (n + z * z), n + z * z
    spec, negatives = (n_negative * specificity + 1) / (n_negative + 2), n_negative + 2
    sens, positives = (n_positive * sensitivity + 1) / (n_positive + 2), n_positive + 2
    gap = spec + sens - 1.0
    centre = (p + spec - 1.0) / gap
    shift = 2 * z * z * (-(1 - centre) * spec * (1 - spec) / negatives + centre * sens * (1 - sens) / positives)
    variance = p * (1 - p) / size + (1 - centre) ** 2 * spec * (1 - spec) / negatives
    reach = z * math.sqrt(variance + centre**2 * sens * (1 - sens) / positives) / gap
    estimate = (judged_rate + specificity - 1.0) / youden
    return CorrectedRate(
        _unit(estimate), _unit(centre + shift - reach), _unit(centre + shift + reach), 1.0 - alpha, youden
    )


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)
