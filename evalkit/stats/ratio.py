"""Ratios of means: cost per solved task, and "not more than r times the baseline" for cost and latency."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from evalkit.stats.arrays import as_values, check_level, cluster_codes, paired_values
from evalkit.stats.cluster import t_estimate
from evalkit.stats.errors import StatsError
from evalkit.stats.estimate import Estimate
from evalkit.stats.gate import GateResult, agree
from evalkit.stats.paired import deciding_codes, mean_spread
from evalkit.stats.restricted import Units, jackknife, restricted_variance
from evalkit.stats.special import (
    FloatArray,
    IntArray,
    bracketed_root,
    normal_quantile,
    t_quantile,
    t_tail,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import ArrayLike

    from evalkit.stats.gate import Target

__all__ = ["Mean", "ratio_gate", "ratio_of_sums"]

Mean = Literal["arithmetic", "geometric"]
_FEW_UNITS = 30
_NOISE = 1e-12
_UNSEEN = 2.0  # the unseen unit may lose twice what the worst seen unit lost
_MAX_LOG = math.log(1000.0)  # a bound beyond a factor of 1000 is no bound
_METHODS = {"arithmetic": "ratio-score/1", "geometric": "ratio-log-t/1"}


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
class _Arithmetic:
    """Ratio of means, tested on the linearised difference c - R b at the null R."""

    candidate: FloatArray
    baseline: FloatArray
    codes: IntArray | None
    ratio: float
    effective: float

    def tail(self, null: float, *, upper: bool) -> float:
        """P value of H0 ratio <= null (``upper``) or >= null; 0.5 where the data lie on the null's side."""
        if (self.ratio > null) != upper or self.ratio == null:
            return 0.5
        excess = self.candidate - null * self.baseline
        units = _units(excess if upper else -excess, self.codes)
        typical = min(self.ratio, null) * float(self.baseline.mean())
        value = _floor(self.ratio, null, self.effective)
        spread = jackknife(units)
        if spread is not None and spread.variance > (_NOISE * units.mean) ** 2:
            value = max(value, t_tail(units.mean / math.sqrt(spread.variance), spread.df))
        return max(value, self._restricted_tail(units, typical))

    @staticmethod
    def _restricted_tail(units: Units, typical: float) -> float:
        worst = max(_UNSEEN * -float(units.totals.min()) / units.mean_size, typical)
        variance = restricted_variance(units, 0.0, worst=worst).variance
        return t_tail(units.mean / math.sqrt(variance), max(units.effective - 1.0, 1.0))

    def bounds(self, alpha: float) -> tuple[float, float]:
        """Returns the ratios whose p equals ``alpha``: 0 and infinity where none does."""

        def above(log_step: float) -> float:
            return math.log(self.tail(self.ratio * math.exp(log_step), upper=False) / alpha)

        def below(log_step: float) -> float:
            return math.log(self.tail(self.ratio * math.exp(-log_step), upper=True) / alpha)

        first = self._first_step(alpha)
        low, high = _crossing(below, first), _crossing(above, first)
        return self.ratio * math.exp(-low), self.ratio * math.exp(high) if math.isfinite(high) else math.inf

    def _first_step(self, alpha: float) -> float:
        """A step somewhat beyond the normal-theory bound, on the log scale."""
        spread = jackknife(_units(self.candidate - self.ratio * self.baseline, self.codes))
        relative = math.sqrt(spread.variance) / float(self.candidate.mean()) if spread else 0.0
        return min(max(1.3 * normal_quantile(alpha) * relative, 1e-6), 1.0)


@dataclass(frozen=True, slots=True)
class _Geometric:
    """Ratio of geometric means: t on the mean log ratio, with standard error ``se`` and ``df``."""

    ratio: float
    se: float
    df: float
    effective: float

    def tail(self, null: float, *, upper: bool) -> float:
        """P value of H0 ratio <= null (``upper``) or >= null; 0.5 where the data lie on the null's side."""
        if (self.ratio > null) != upper or self.ratio == null:
            return 0.5
        excess = abs(math.log(self.ratio / null))
        return max(
            t_tail(excess / self.se, self.df) if self.se > _NOISE else 0.0,
            _floor(self.ratio, null, self.effective),
        )

    def bounds(self, alpha: float) -> tuple[float, float]:
        """Returns the ratios whose p equals ``alpha``."""
        reach = max(t_quantile(alpha, self.df) * self.se, -math.log(alpha) / self.effective)
        return self.ratio * math.exp(-reach), self.ratio * math.exp(reach)


def _floor(ratio: float, null: float, effective: float) -> float:
    return math.exp(-effective * abs(math.log(ratio / null)))


def _crossing(excess: Callable[[float], float], step: float) -> float:
    """Returns where ``excess`` falls to 0, searching in doubling steps; infinity if it stays positive."""
    start = 1e-12
    while excess(step) > 0.0:
        start, step = step, 2.0 * step
        if step > _MAX_LOG:
            return math.inf
    return bracketed_root(excess, start, step)


def _units(values: FloatArray, codes: IntArray | None) -> Units:
    if codes is None:
        return Units.of(np.ones_like(values), values, np.ones_like(values))
    return Units.clusters(values, codes, None)


def _check_values(candidate: FloatArray, baseline: FloatArray, mean: Mean) -> None:
    if mean == "geometric":
        if min(candidate.min(), baseline.min()) <= 0.0:
            raise StatsError("a geometric mean ratio needs positive values")
        return
    if mean != "arithmetic":
        raise StatsError(f'mean must be "arithmetic" or "geometric", not "{mean}"')
    if min(candidate.min(), baseline.min()) < 0.0:
        raise StatsError("a ratio of means needs values that are not negative")
    if min(candidate.max(), baseline.max()) <= 0.0:
        raise StatsError("all candidate or all baseline values are zero: there is no ratio")


def _fit(candidate: FloatArray, baseline: FloatArray, codes: IntArray | None, mean: Mean) -> _Arithmetic | _Geometric:
    effective = _units(baseline, codes).effective
    if mean == "arithmetic":
        ratio = float(candidate.sum()) / float(baseline.sum())
        return _Arithmetic(candidate, baseline, codes, ratio, effective)
    logs = np.log(candidate) - np.log(baseline)
    spread = mean_spread(logs, codes)
    return _Geometric(math.exp(float(logs.mean())), spread.se, spread.df, effective)


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
    <= 1.

    "arithmetic" is the ratio of means (cost: what the bill is). The linearised difference c - R b is tested
    at the null R (Fieller's form) by the larger p of a t test and of the restricted score in which an unseen
    unit may lose twice what the worst seen one lost. "geometric" is the ratio of geometric means (latency:
    the typical factor), by t on log differences. Pairs (or clusters) must be independent and both arms
    measured under the same load. With heavy tails and few units the arithmetic test is liberal all the same
    (docs/statistics.md); ``why`` says when units are few. Values censored at a deadline understate the slower
    arm.

    Neither p falls below exp(-n |log(ratio / null)|): with the same ratio in each of n units, units of twice
    the cost could have been missed as in the rule of three. A constant ratio of 1 passes a limit of 1.1 from
    32 units on.

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
    first, second = paired_values(candidate, baseline)
    _check_values(first, second, mean)
    codes, n_clusters = deciding_codes(clusters, target, first.size)
    fit = _fit(first, second, codes, mean)
    n_units = first.size if codes is None else n_clusters or 0
    reason = "fewer than two independent units: their spread is unknown" if n_units < 2 else None
    low, high = (0.0, math.inf) if reason else fit.bounds(alpha)
    p_pass = 1.0 if reason else fit.tail(max_ratio, upper=False)
    p_fail = 1.0 if reason else fit.tail(1.0, upper=True)
    return GateResult(
        effect=fit.ratio,
        low=max(agree(low, 1.0, rejected=p_fail <= alpha), 0.0),
        high=-agree(-high, -max_ratio, rejected=p_pass <= alpha),
        confidence=1.0 - 2.0 * alpha,
        p_pass=p_pass,
        p_fail=p_fail,
        p_pass_is_bound=not reason and fit.ratio >= max_ratio,
        p_fail_is_bound=not reason and fit.ratio <= 1.0,
        null_pass=max_ratio,
        null_fail=1.0,
        n_items=first.size,
        n_clusters=n_clusters,
        effective_clusters=fit.effective,
        target=target,
        variance=_variance(first, second, codes, mean),
        method=_METHODS[mean],
        why=_why(mean, n_units),
        no_evidence=reason,
    )


def _variance(candidate: FloatArray, baseline: FloatArray, codes: IntArray | None, mean: Mean) -> float:
    """Linearised variance of the ratio (arithmetic) or of its logarithm (geometric)."""
    if mean == "geometric":
        return mean_spread(np.log(candidate) - np.log(baseline), codes).se ** 2
    ratio = float(candidate.sum()) / float(baseline.sum())
    return (mean_spread(candidate - ratio * baseline, codes).se / float(baseline.mean())) ** 2


def _why(mean: Mean, n_units: int) -> str:
    test = {
        "arithmetic": "ratio of means: t and restricted score on the linearised difference",
        "geometric": "ratio of geometric means: t on log differences",
    }[mean]
    caution = f"; only {n_units} units, so the level is approximate" if n_units < _FEW_UNITS else ""
    return f"{test}, with a rule-of-three floor{caution}"
