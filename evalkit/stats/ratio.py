"""Ratios of means: cost per solved task, and "not more than r times the baseline" for cost and latency."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from evalkit.stats.arrays import as_values, check_level, cluster_codes, paired_values
from evalkit.stats.cluster import linearised_se, t_estimate
from evalkit.stats.errors import StatsError
from evalkit.stats.estimate import Estimate
from evalkit.stats.gate import GateResult
from evalkit.stats.paired import deciding_codes
from evalkit.stats.special import FloatArray, IntArray, t_quantile, t_tail

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike

    from evalkit.stats.gate import Target

__all__ = ["Mean", "ratio_gate", "ratio_of_sums"]

Mean = Literal["arithmetic", "geometric"]
_FEW_UNITS = 30


def ratio_of_sums(
    numerator: ArrayLike,
    denominator: ArrayLike,
    *,
    clusters: Iterable[object] | None = None,
    alpha: float = 0.05,
) -> Estimate:
    """Returns sum(numerator) / sum(denominator) with its delta-method standard error and t interval.

    For example cost per solved task: both of shape (n_items,), denominators not negative.

    Raises:
        StatsError: the denominators sum to zero (report the cost alone), or the input cannot be analysed.

    Ref: Cochran W. (1977), Sampling Techniques, 3rd ed., eq. (6.13).
    """
    top, bottom = as_values(numerator, name="numerator"), as_values(denominator, name="denominator")
    if top.size != bottom.size:
        raise StatsError(f"{top.size} numerators for {bottom.size} denominators")
    total = float(bottom.sum())
    if bottom.min() < 0.0 or total <= 0.0:
        raise StatsError("denominators must not be negative, nor all be zero: there is no ratio")
    codes = None if clusters is None else cluster_codes(clusters, top.size)
    ratio = float(top.sum()) / total
    return t_estimate(ratio, (top - ratio * bottom) / total, codes, alpha=alpha, method="ratio-delta/1")


@dataclass(frozen=True, slots=True)
class _Fit:
    """A ratio on the scale where it is tested: ``centre`` with standard error ``se``, and the way back."""

    ratio: float
    centre: float
    influence: FloatArray
    log_scale: bool


def _fit(candidate: FloatArray, baseline: FloatArray, mean: Mean) -> _Fit:
    if mean == "geometric":
        if min(candidate.min(), baseline.min()) <= 0.0:
            raise StatsError("a geometric mean ratio needs positive values")
        logs = np.log(candidate) - np.log(baseline)
        centre = float(logs.mean())
        return _Fit(math.exp(centre), centre, (logs - centre) / logs.size, True)
    if min(candidate.min(), baseline.min()) < 0.0:
        raise StatsError("a ratio of means needs values that are not negative")
    top, bottom = float(candidate.sum()), float(baseline.sum())
    if min(top, bottom) <= 0.0:
        raise StatsError("all candidate or all baseline values are zero: there is no ratio")
    ratio = top / bottom
    return _Fit(ratio, ratio, (candidate - ratio * baseline) / bottom, False)


def _tail(fit: _Fit, null: float, *, se: float, df: float, effective: float, upper: bool) -> float:
    """P value of H0 ratio <= null (``upper``) or >= null: the larger of the t tail and the floor."""
    if (fit.ratio > null) != upper or fit.ratio == null:
        return 0.5
    excess = abs(fit.centre - (math.log(null) if fit.log_scale else null))
    floor = math.exp(-effective * abs(math.log(fit.ratio / null)))
    return max(t_tail(excess / se, df) if se > 0.0 else 0.0, floor)


def _bounds(fit: _Fit, *, se: float, df: float, effective: float, alpha: float) -> tuple[float, float]:
    reach, stretch = t_quantile(alpha, df) * se, alpha ** (-1.0 / effective)
    low, high = fit.centre - reach, fit.centre + reach
    if fit.log_scale:
        low, high = math.exp(low), math.exp(high)
    return max(min(low, fit.ratio / stretch), 0.0), max(high, fit.ratio * stretch)


def ratio_gate(
    candidate: ArrayLike,
    baseline: ArrayLike,
    *,
    max_ratio: float,
    alpha: float = 0.05,
    clusters: Iterable[object] | None = None,
    target: Target = "items",
    mean: Mean = "arithmetic",
) -> GateResult:
    """Returns whether the mean ratio candidate / baseline is below ``max_ratio``; lower is better.

    ``effect``, ``low`` and ``high`` are ratios. ``p_pass`` tests H0 ratio >= max_ratio, ``p_fail`` H0 ratio
    <= 1. "arithmetic" is the ratio of means (cost: what the bill is), from the linearised difference c - R b;
    "geometric" is the ratio of geometric means (latency: the typical factor), from t on log differences.
    Pairs (or clusters) must be independent and both arms measured under the same load. The t approximation
    needs about 30 units, more with heavy tails, and ``why`` says when there are fewer. Values censored at a
    deadline understate the slower arm.

    Neither p falls below exp(-n |log(ratio / null)|): with identical ratios in n units, units twice as dear
    could be missed as easily as in the rule of three. A constant ratio of 1 passes a limit of 1.1 from 32
    units on.

    Args:
        candidate: shape (n_pairs,), not negative (positive for "geometric"), mean over trials first.
        baseline: the same items in the same order.
        max_ratio: positive limit.
        alpha: one-sided level.
        clusters: one hashable label an item, or None.
        target: "items" without clusters; "these" or "new" with them.
        mean: "arithmetic" or "geometric".

    Raises:
        StatsError: the input cannot be analysed or has no ratio.
    """
    check_level(alpha)
    if not (max_ratio > 0.0 and math.isfinite(max_ratio)):
        raise StatsError(f"max_ratio must be positive and finite, not {max_ratio}")
    if mean not in ("arithmetic", "geometric"):
        raise StatsError(f'mean must be "arithmetic" or "geometric", not "{mean}"')
    first, second = paired_values(candidate, baseline)
    fit = _fit(first, second, mean)
    codes, n_clusters = deciding_codes(clusters, target, first.size)
    n_units = first.size if codes is None else n_clusters or 0
    reason = "fewer than two independent units: their spread is unknown" if n_units < 2 else None
    se = 0.0 if reason else _rounded_se(fit, codes)
    effective = _effective(codes, first.size)
    df = max(n_units - 1, 1)
    low, high = _bounds(fit, se=se, df=df, effective=effective, alpha=alpha)
    return GateResult(
        effect=fit.ratio,
        low=0.0 if reason else low,
        high=math.inf if reason else high,
        confidence=1.0 - 2.0 * alpha,
        p_pass=1.0 if reason else _tail(fit, max_ratio, se=se, df=df, effective=effective, upper=False),
        p_fail=1.0 if reason else _tail(fit, 1.0, se=se, df=df, effective=effective, upper=True),
        p_pass_is_bound=not reason and fit.ratio >= max_ratio,
        p_fail_is_bound=not reason and fit.ratio <= 1.0,
        null_pass=max_ratio,
        null_fail=1.0,
        n_items=first.size,
        n_clusters=n_clusters,
        effective_clusters=effective,
        target=target,
        variance=se * se,
        method=f"{mean}-ratio-t/1",
        why=_why(mean, n_units),
        no_evidence=reason,
    )


def _rounded_se(fit: _Fit, codes: IntArray | None) -> float:
    """Standard error, with rounding noise of a constant ratio taken for the zero it is."""
    se = linearised_se(fit.influence, codes)
    return se if se > 1e-12 * max(abs(fit.centre), 1.0) else 0.0


def _effective(codes: IntArray | None, n: int) -> float:
    return float(n) if codes is None else n * n / float((np.bincount(codes) ** 2).sum())


def _why(mean: Mean, n_units: int) -> str:
    test = {
        "arithmetic": "ratio of means by the linearised difference, t",
        "geometric": "ratio of geometric means, t on log differences",
    }[mean]
    caution = f"; only {n_units} units, so the level is approximate" if n_units < _FEW_UNITS else ""
    return f"{test}, with a rule-of-three floor{caution}"
