"""The one gate function: p values for pass and fail with the one-sided interval that agrees with them.

One function serves binary scores, means over trials and bounded scores in [0, 1], with items or clusters as
the independent units. Ratio rules live in `ratio`, unbounded differences in `paired`, quantiles in
`quantile`.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from evalkit.stats.arrays import as_values, as_weights, check_level, cluster_codes
from evalkit.stats.errors import StatsError
from evalkit.stats.restricted import (
    NO_EFFECT,
    Jackknife,
    Units,
    jackknife,
    restricted_variance,
    score_tail,
)
from evalkit.stats.special import (
    FloatArray,
    IntArray,
    bracketed_root,
    normal_quantile,
    t_tail,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike

__all__ = ["METHOD", "GateResult", "PValue", "Target", "gate_test", "p_value"]

METHOD = "restricted-score/1"
DECIMALS = 12
Target = Literal["items", "these", "new"]


@dataclass(frozen=True, slots=True)
class PValue:
    """A one-sided p value; ``is_bound``: only ``p >= value`` is known; ``reason``: why that is all."""

    value: float
    is_bound: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class GateResult:
    """What one rule's data say, before any decision.

    ``low`` and ``high`` are the one-sided level-alpha bounds of the effect, together the two-sided interval
    of level ``confidence`` = 1 - 2 alpha; a bound is infinite where the data of an unbounded metric give
    none. ``p_pass`` tests the effect at ``null_pass`` (rejected: the rule holds), ``p_fail`` at ``null_fail``
    (rejected: the rule is broken). A flag ``*_is_bound`` says that p is only known to be at least the number
    shown. ``no_evidence`` is set when the data cannot reject anything whatever their values.
    """

    effect: float
    low: float
    high: float
    confidence: float
    p_pass: float
    p_fail: float
    p_pass_is_bound: bool
    p_fail_is_bound: bool
    null_pass: float
    null_fail: float
    n_items: int
    n_clusters: int | None
    effective_clusters: float
    target: Target
    variance: float
    method: str
    why: str
    no_evidence: str | None = None
    other_target: Target | None = None
    other_target_p_pass: float | None = None
    other_target_p_fail: float | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """Differences grouped into the units that decide, with the item units that bound the variance from below.

    ``worst_down`` is the largest loss one unit's mean can have, ``worst_up`` the largest gain (the loss of
    the opposite difference).
    """

    units: Units
    items: Units | None
    spread: Jackknife | None
    worst_down: float
    worst_up: float
    item_worst_down: float
    item_worst_up: float

    def flipped(self) -> Sample:
        """Returns the sample of the opposite difference."""
        return Sample(
            self.units.negated(),
            self.items.negated() if self.items is not None else None,
            self.spread,
            self.worst_up,
            self.worst_down,
            self.item_worst_up,
            self.item_worst_down,
        )


def variance_under(sample: Sample, null: float) -> tuple[float, float]:
    """Returns the variance of the mean under ``null`` and the worst loss; needs a mean above ``null``."""
    own = restricted_variance(sample.units, null, worst=sample.worst_down)
    if sample.items is None:
        return own.variance, own.worst_loss
    by_item = restricted_variance(sample.items, null, worst=sample.item_worst_down)
    return max(own.variance, by_item.variance), own.worst_loss


def tail_probability(sample: Sample, null: float) -> PValue:
    """Returns p for H0 mean <= ``null``."""
    units = sample.units
    if units.n_units < 2:
        return PValue(1.0, reason="fewer than two independent units: their spread is unknown")
    if units.mean - null <= NO_EFFECT:
        return PValue(0.5, is_bound=True)
    variance, worst_loss = variance_under(sample, null)
    value = score_tail(units, null, variance, worst_loss)
    if sample.spread is not None:
        excess = (units.mean - null) / math.sqrt(sample.spread.variance)
        value = max(value, t_tail(excess, sample.spread.df))
    return PValue(value)


def lower_bound(sample: Sample, alpha: float) -> float:
    """Returns the null at which p equals ``alpha``, or the smallest possible mean when none does."""
    least, mean = -sample.worst_down, sample.units.mean
    margin = 1e-9 * (mean - least)
    if sample.units.n_units < 2 or margin <= NO_EFFECT * 1e-3:
        return least
    level = normal_quantile(alpha)

    @functools.cache
    def excess(null: float) -> float:
        return normal_quantile(max(tail_probability(sample, null).value, 1e-300)) - level

    near = _bracket(sample, level, margin)
    if near is not None and excess(near[0]) > 0.0 > excess(near[1]):
        return bracketed_root(excess, *near)
    if excess(least + margin) <= 0.0:
        return least
    high = mean - margin
    return bracketed_root(excess, least + margin, high) if excess(high) < 0.0 else high


def _bracket(sample: Sample, level: float, margin: float) -> tuple[float, float] | None:
    """Returns a narrow interval around the normal-theory bound; None where it leaves the possible."""
    reach = level * math.sqrt(max(_plain_variance(sample.units), sample.spread.variance if sample.spread else 0.0))
    slack = min(0.25, 3.0 / math.sqrt(sample.units.effective))
    low, high = sample.units.mean - (1.0 + slack) * reach, sample.units.mean - (1.0 - slack) * reach
    return (low, high) if -sample.worst_down + margin < low < high < sample.units.mean - margin else None


def item_sample(diffs: FloatArray, weights: FloatArray | None, *, down: float, up: float) -> Sample:
    """Returns the sample with items as units; unequal weights add the leave-one-out variance."""
    units = Units.items(diffs, weights)
    spread = jackknife(units) if weights is not None and units.n_units > 1 else None
    return Sample(units, None, spread, down, up, down, up)


def cluster_sample(
    diffs: FloatArray, codes: IntArray, weights: FloatArray | None, *, down: float, up: float, cap: float
) -> Sample:
    """Returns the sample with clusters as units; no cluster mean moves by more than ``cap``."""
    units = Units.clusters(diffs, codes, weights)
    spread = jackknife(units) if units.n_units > 1 else None
    items = Units.items(diffs, weights)
    return Sample(units, items, spread, min(down, cap), min(up, cap), down, up)


@dataclass(frozen=True, slots=True)
class Grouped:
    """The samples of the deciding target and, where items carry a cluster, of the other one."""

    target: Target
    deciding: Sample
    other_target: Target | None
    other: Sample | None
    n_items: int
    n_clusters: int | None
    effective_clusters: float


def group(
    diffs: FloatArray,
    *,
    clusters: Iterable[object] | None,
    target: Target,
    weights: ArrayLike | None,
    down: float,
    up: float,
    cap: float,
) -> Grouped:
    """Returns validated differences as the units of ``target``.

    Raises:
        StatsError: target and clusters disagree, or the cap lies outside (0, 1].
    """
    scaled = as_weights(weights, diffs.size)
    by_item = item_sample(diffs, scaled, down=down, up=up)
    if clusters is None:
        if target != "items":
            raise StatsError(f'target "{target}" needs a cluster label for every item')
        return Grouped("items", by_item, None, None, diffs.size, None, by_item.units.effective)
    if target == "items":
        raise StatsError('items carry clusters: say whether the target is "these" clusters or "new" ones')
    if not 0.0 < cap <= 1.0:
        raise StatsError(f"max_cluster_effect must lie in (0, 1], not {cap}")
    codes = cluster_codes(clusters, diffs.size)
    by_cluster = cluster_sample(diffs, codes, scaled, down=down, up=up, cap=cap)
    first, second = (by_item, by_cluster) if target == "these" else (by_cluster, by_item)
    other: Target = "new" if target == "these" else "these"
    effective = by_cluster.units.effective
    return Grouped(target, first, other, second, diffs.size, by_cluster.units.n_units, effective)


def bounded_differences(diffs: ArrayLike) -> FloatArray:
    """Returns differences of scores in [0, 1], rounded to 12 decimals so that equal scores give 0.

    Raises:
        StatsError: empty, not finite or outside [-1, 1].
    """
    values = np.round(as_values(diffs, name="diffs"), DECIMALS)
    if np.abs(values).max() > 1.0:
        raise StatsError(f"a difference of {values[np.abs(values).argmax()]} is outside [-1, 1]: scale to [0, 1] first")
    return values + 0.0


def p_value(
    diffs: ArrayLike,
    null: float,
    *,
    clusters: Iterable[object] | None = None,
    target: Target = "items",
    max_cluster_effect: float = 1.0,
    weights: ArrayLike | None = None,
) -> PValue:
    """Returns the one-sided p value of H0 mean difference <= ``null``.

    Args:
        diffs: shape (n_items,), candidate minus baseline in [-1, 1], mean over trials first.
        null: in (-1, 1), and above ``-max_cluster_effect`` for new clusters.
        clusters: one hashable label an item, or None.
        target: "items" without clusters; "these" or "new" with them.
        max_cluster_effect: largest change of one cluster's mean that is possible, by declaration (new
            clusters only).
        weights: 1 / inclusion probability, or None.

    Raises:
        StatsError: the input cannot be analysed.
    """
    values = bounded_differences(diffs)
    grouped = group(values, clusters=clusters, target=target, weights=weights, down=1.0, up=1.0, cap=max_cluster_effect)
    if null <= -grouped.deciding.worst_down or null >= 1.0:
        raise StatsError(f"null must lie above {-grouped.deciding.worst_down} and below 1, not {null}")
    return tail_probability(grouped.deciding, null)


_UNITS_SENTENCE = {
    "items": "items are independent",
    "these": "inference is for these clusters, so their items are the sample",
    "new": "inference is for new clusters, so clusters are the sample",
}


def _why(grouped: Grouped, weighted: bool) -> str:
    parts = [f"restricted score test with a rule-of-three floor; {_UNITS_SENTENCE[grouped.target]}"]
    if weighted:
        parts.append("weighted by 1 / inclusion probability")
    return "; ".join(parts)


def assess(
    grouped: Grouped,
    *,
    null_pass: float,
    null_fail: float,
    alpha: float,
    weighted: bool,
    method: str = METHOD,
) -> GateResult:
    """Returns both p values and the interval for H0 mean <= null_pass and H0 mean >= null_fail."""
    sample, flipped = grouped.deciding, grouped.deciding.flipped()
    passing, failing = tail_probability(sample, null_pass), tail_probability(flipped, -null_fail)
    low = agree(lower_bound(sample, alpha), null_pass, rejected=passing.value <= alpha)
    high = -agree(lower_bound(flipped, alpha), -null_fail, rejected=failing.value <= alpha)
    usable = sample.units.n_units > 1 and sample.units.mean - null_pass > NO_EFFECT
    spread = variance_under(sample, null_pass)[0] if usable else _plain_variance(sample.units)
    other_pass = tail_probability(grouped.other, null_pass).value if grouped.other is not None else None
    other_fail = tail_probability(grouped.other.flipped(), -null_fail).value if grouped.other is not None else None
    return GateResult(
        effect=sample.units.mean,
        low=low,
        high=high,
        confidence=1.0 - 2.0 * alpha,
        p_pass=passing.value,
        p_fail=failing.value,
        p_pass_is_bound=passing.is_bound,
        p_fail_is_bound=failing.is_bound,
        null_pass=null_pass,
        null_fail=null_fail,
        n_items=grouped.n_items,
        n_clusters=grouped.n_clusters,
        effective_clusters=grouped.effective_clusters,
        target=grouped.target,
        variance=spread,
        method=method,
        why=_why(grouped, weighted),
        no_evidence=passing.reason,
        other_target=grouped.other_target,
        other_target_p_pass=other_pass,
        other_target_p_fail=other_fail,
    )


def agree(bound: float, null: float, *, rejected: bool) -> float:
    """Returns the bound on the side of ``null`` that the p value decided; the root is exact to 1e-13 only."""
    return max(bound, math.nextafter(null, math.inf)) if rejected else min(bound, null)


def _plain_variance(units: Units) -> float:
    residuals = units.totals - units.sizes * units.mean
    return float(units.counts @ (residuals * residuals)) / units.total_size**2


def gate_test(
    diffs: ArrayLike,
    *,
    margin: float,
    alpha: float = 0.05,
    clusters: Iterable[object] | None = None,
    target: Target = "items",
    max_cluster_effect: float = 1.0,
    weights: ArrayLike | None = None,
) -> GateResult:
    """Returns whether a candidate is not worse than its baseline by ``margin``, or worse at all.

    ``p_pass`` tests H0 effect <= -margin, ``p_fail`` H0 effect >= 0. The bounds are the roots of the same p,
    so that ``p_pass <= alpha`` exactly when ``low > -margin`` and ``p_fail <= alpha`` exactly when ``high <
    0``. With fewer than two units both p are 1 and ``no_evidence`` says why.

    Args:
        diffs: shape (n_items,), candidate minus baseline in [-1, 1], higher is better, mean over trials
            first.
        margin: non-inferiority margin, 0 <= margin < 1 (and < ``max_cluster_effect`` for new clusters).
        alpha: one-sided level.
        clusters: one hashable label an item, or None.
        target: "items" without clusters; "these" or "new" with them. Both targets' p values are returned.
        max_cluster_effect: k, the largest loss of one cluster's mean that is possible, by declaration.
        weights: 1 / inclusion probability a item, or None.

    Raises:
        StatsError: the input cannot be analysed.
    """
    check_level(alpha)
    values = bounded_differences(diffs)
    grouped = group(values, clusters=clusters, target=target, weights=weights, down=1.0, up=1.0, cap=max_cluster_effect)
    if not 0.0 <= margin < min(1.0, max_cluster_effect if clusters is not None else 1.0):
        raise StatsError(f"margin must be at least 0 and below the largest possible loss, not {margin}")
    return assess(grouped, null_pass=-margin, null_fail=0.0, alpha=alpha, weighted=weights is not None)
