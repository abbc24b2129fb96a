"""Which function of :mod:`evalkit.stats` answers a rule, called with the design of a comparison.

A thin layer: it orients differences so that higher is better, and puts results back into the metric's own unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

import numpy as np

from evalkit.compare.values import FloatArray, IntArray
from evalkit.core.score import Better, MetricInfo
from evalkit.stats import (
    GateResult,
    detectable_effect,
    gate_from_null,
    gate_test,
    mean_gate,
    min_clusters,
    needed_items,
    needed_n,
    p_value,
    probability_unchanged_passes,
    quantile_difference_gate,
    quantile_gate,
    ratio_gate,
    sample_quantile,
    unbounded_gate,
)

__all__ = [
    "Design",
    "Direction",
    "Planning",
    "absolute_gate",
    "bound_planning",
    "bounded_planning",
    "difference_gate",
    "equal_chance",
    "own_unit",
    "quantile_absolute",
    "quantile_regression",
    "ratio_planning",
    "relative_gate",
    "sample_quantile",
    "spread_planning",
    "weighted_mean",
    "worst_and_best",
]

_PLANNING_SEED = 20261123
_LEAST_MARGIN = 1e-6

Direction = Literal["at_least", "at_most"]
Target = Literal["items", "these", "new"]


@dataclass(frozen=True, slots=True)
class Design:
    """Who is independent of whom, and the levels.

    Attributes:
        clusters: shape (n,), one code an item, or None where no item carries a cluster.
        target: ``items`` without clusters, else ``these`` or ``new``.
        weights: shape (n,), or None where all are equal.
        alpha: one-sided level.
        power: for what can be detected.
        cap: the policy's ``max_cluster_effect``.
    """

    clusters: IntArray | None
    target: Target
    weights: FloatArray | None
    alpha: float
    power: float
    cap: float

    def at(self, positions: IntArray) -> Design:
        """Return the design of some of the items."""
        return replace(
            self,
            clusters=None if self.clusters is None else self.clusters[positions],
            weights=None if self.weights is None else self.weights[positions],
        )

    @property
    def deciding_clusters(self) -> IntArray | None:
        """The clusters, where they are the independent units."""
        return self.clusters if self.target == "new" else None


@dataclass(frozen=True, slots=True)
class Planning:
    """What could be seen with these items, how many more would be needed, and how often an equal candidate passes."""

    detectable: float | None = None
    needed: int | None = None
    chance: float | None = None


def weighted_mean(values: FloatArray, weights: FloatArray | None) -> float:
    """Return the mean, with weights the Hájek estimate sum(w x) / sum(w)."""
    return float(values.mean()) if weights is None else float(weights @ values) / float(weights.sum())


def own_unit(result: GateResult, better: Better) -> GateResult:
    """Return a result on oriented differences (higher is better) in the metric's own unit."""
    if better == "higher":
        return result
    return replace(result, effect=-result.effect + 0.0, low=-result.high + 0.0, high=-result.low + 0.0)


def difference_gate(diffs: FloatArray, info: MetricInfo, *, margin: float, design: Design) -> GateResult:
    """Return the gate on oriented differences: the restricted score for metrics in [0, 1], else t.

    Args:
        diffs: shape (n,), higher is better, rounded.
        info: the metric.
        margin: tolerated loss in the metric's unit.
        design: of exactly these items.

    Raises:
        StatsError: the input cannot be analysed.
    """
    if info.kind in ("binary", "bounded"):
        return gate_test(
            diffs,
            margin=margin,
            alpha=design.alpha,
            clusters=design.clusters,
            target=design.target,
            max_cluster_effect=design.cap,
            weights=design.weights,
        )
    values = _linearised(diffs, design.weights)
    return unbounded_gate(values, margin=margin, alpha=design.alpha, clusters=design.clusters, target=design.target)


def _linearised(values: FloatArray, weights: FloatArray | None) -> FloatArray:
    """Values whose plain mean and variance are those of the Hájek mean."""
    if weights is None:
        return values
    centre = weighted_mean(values, weights)
    linear: FloatArray = weights / weights.mean() * (values - centre) + centre
    return linear


def worst_and_best(worst: FloatArray, best: FloatArray, *, margin: float, design: Design) -> tuple[float, float]:
    """Return ``p_pass`` on the worst and ``p_fail`` on the best differences that unknown scores in [0, 1] allow."""

    def p(diffs: FloatArray, null: float) -> float:
        return p_value(
            diffs,
            null,
            clusters=design.clusters,
            target=design.target,
            max_cluster_effect=design.cap,
            weights=design.weights,
        ).value

    return p(worst, -margin), p(-best, 0.0)


def relative_gate(
    candidate: FloatArray, baseline: FloatArray, info: MetricInfo, *, max_ratio: float, better: Better, design: Design
) -> GateResult:
    """Return the gate on the ratio candidate / baseline; where higher is better the ratio must exceed 1 / max_ratio.

    Costs, and values with zeros or weights, use the ratio of means; others the ratio of geometric means.

    Raises:
        StatsError: there is no ratio (all values zero), or the input cannot be analysed.
    """
    first, second = (candidate, baseline) if better == "lower" else (baseline, candidate)
    positive = bool(min(first.min(), second.min()) > 0.0)
    geometric = positive and design.weights is None and not info.name.startswith("cost")
    weight = 1.0 if design.weights is None else design.weights / design.weights.mean()
    result = ratio_gate(
        first * weight,
        second * weight,
        max_ratio=max_ratio,
        alpha=design.alpha,
        clusters=design.clusters,
        target=design.target,
        mean="geometric" if geometric else "arithmetic",
    )
    if better == "lower":
        return result
    low, high = 1.0 / result.high, (1.0 / result.low if result.low > 0.0 else math.inf)
    return replace(result, effect=1.0 / result.effect, low=low, high=high)


def absolute_gate(
    values: FloatArray, info: MetricInfo, *, bound: float, direction: Direction, single: bool, design: Design
) -> GateResult:
    """Return the gate on a mean against a fixed bound.

    Args:
        values: shape (n,), trial means.
        info: the metric; binary scores of a single trial use the exact binomial unless clusters are the units.
        bound: the line.
        direction: which side of it is required.
        single: one trial an item.
        design: of exactly these items.

    Raises:
        StatsError: the bound lies outside the metric's range, or the input cannot be analysed.
    """
    if info.kind in ("binary", "bounded"):
        return gate_from_null(
            values,
            bound=bound,
            direction=direction,
            alpha=design.alpha,
            clusters=design.clusters,
            target=design.target,
            max_cluster_effect=design.cap,
            weights=design.weights,
            binary=info.kind == "binary" and single,
        )
    sign = 1.0 if direction == "at_least" else -1.0
    result = mean_gate(
        sign * _linearised(values, design.weights),
        null_pass=sign * bound,
        null_fail=sign * bound,
        alpha=design.alpha,
        clusters=design.clusters,
        target=design.target,
    )
    return own_unit(result, "higher" if sign > 0 else "lower")


def quantile_absolute(
    values: FloatArray, *, quantile: float, bound: float, direction: Direction, design: Design
) -> GateResult:
    """Return the gate on a quantile against a fixed bound (Woodruff); weights are not used.

    Raises:
        StatsError: the input cannot be analysed.
    """
    return quantile_gate(
        values,
        bound=bound,
        quantile=quantile,
        direction=direction,
        alpha=design.alpha,
        clusters=design.clusters,
        target=design.target,
        max_cluster_effect=design.cap,
    )


def quantile_regression(
    candidate: FloatArray, baseline: FloatArray, *, quantile: float, margin: float, design: Design
) -> GateResult:
    """Return the gate on the share of items above the baseline's quantile; higher ``effect`` is better.

    Raises:
        StatsError: the input cannot be analysed.
    """
    return quantile_difference_gate(
        candidate,
        baseline,
        margin=margin,
        quantile=quantile,
        alpha=design.alpha,
        clusters=design.clusters,
        target=design.target,
        max_cluster_effect=design.cap,
    )


def bounded_planning(diffs: FloatArray, *, margin: float, design: Design) -> Planning:
    """Return what a gate on differences in [-1, 1] can see; items needed from the upper bound of the discordance."""
    units = design.deciding_clusters
    # An equal candidate never proves an improvement: margin 0 has no number of items, only what can be seen.
    plannable = margin >= _LEAST_MARGIN
    asked = needed_items(
        diffs, margin=margin if plannable else 1.0, alpha=design.alpha, power=design.power, clusters=units
    )
    if not plannable:
        return Planning(asked.detectable, None, design.alpha)
    n_clusters = None if units is None else int(np.unique(units).size)
    floor = min_clusters(margin, alpha=design.alpha, max_cluster_effect=design.cap if n_clusters else 1.0)
    per_unit = 1.0 if n_clusters is None else diffs.size / n_clusters
    needed = max(asked.n, math.ceil(floor * per_unit))
    chance = equal_chance(diffs, margin=margin, design=design, design_effect=asked.design_effect)
    return Planning(asked.detectable, needed, chance)


def equal_chance(diffs: FloatArray, *, margin: float, design: Design, design_effect: float = 1.0) -> float:
    """Return how often an equal candidate passes at the discordance seen (mean squared difference).

    Where clusters are the units the gate is simulated with their sizes and the correlation that the design effect
    implies; the number of simulations falls with the number of items.
    """
    units = design.deciding_clusters
    psi = min(float((diffs * diffs).mean()), 1.0)
    if units is None:
        return probability_unchanged_passes(diffs.size, psi, margin, design.alpha).value
    sizes = np.unique(units, return_counts=True)[1].astype(np.float64)
    inside = float((sizes * sizes).sum()) / diffs.size - 1.0
    icc = min(max((design_effect - 1.0) / inside, 0.0), psi) if inside > 0.0 else 0.0
    return probability_unchanged_passes(
        diffs.size,
        psi,
        margin,
        design.alpha,
        cluster_sizes=sizes,
        icc=icc,
        max_cluster_effect=design.cap,
        rng=np.random.default_rng(_PLANNING_SEED),
        n_simulations=int(np.clip(2_000_000 / diffs.size, 20, 200)),
    ).value


def spread_planning(result: GateResult, *, distance: float | None, design: Design) -> Planning:
    """Return what a t test can see; ``distance`` lies between an unchanged candidate and the null (None: unknown)."""
    se = math.sqrt(result.variance)
    if se <= 0.0:
        return Planning()
    detectable = detectable_effect(se, alpha=design.alpha, power=design.power)
    if distance is None:
        return Planning(detectable)
    if distance <= 0.0:
        return Planning(detectable, None, design.alpha if distance == 0.0 else None)
    variance = result.variance * result.n_items
    needed = needed_n(variance, margin=distance, alpha=design.alpha, power=design.power)
    return Planning(detectable, needed, _normal_chance(distance / se, design.alpha))


def bound_planning(
    result: GateResult, *, bound: float, direction: Direction, unchanged: float | None, design: Design
) -> Planning:
    """Return what an absolute rule can see; ``unchanged`` is the baseline's own figure (None: not known)."""
    if unchanged is None:
        return spread_planning(result, distance=None, design=design)
    distance = unchanged - bound if direction == "at_least" else bound - unchanged
    plan = spread_planning(result, distance=distance, design=design)
    return plan if distance > 0.0 else replace(plan, needed=None, chance=plan.chance or 0.0)


def ratio_planning(result: GateResult, *, max_ratio: float, design: Design) -> Planning:
    """Return what a ratio gate can see, ``detectable`` as a ratio above 1."""
    logs = result.method.startswith("geometric")
    distance = math.log(max_ratio) if logs else max_ratio - 1.0
    plan = spread_planning(result, distance=distance, design=design)
    if plan.detectable is None:
        return plan
    detectable = math.exp(min(plan.detectable, 50.0)) if logs else 1.0 + plan.detectable
    floor = math.ceil(math.log(design.alpha) / -math.log(max_ratio)) if max_ratio > 1.0 else None
    needed = None if plan.needed is None or floor is None else max(plan.needed, floor)
    reachable = floor is not None and result.effective_clusters >= floor
    return Planning(detectable, needed, plan.chance if reachable or floor is None else 0.0)


def _normal_chance(distance_in_se: float, alpha: float) -> float:
    normal = NormalDist()
    return normal.cdf(distance_in_se - normal.inv_cdf(1.0 - alpha))
