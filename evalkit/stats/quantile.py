"""Rules on a quantile such as the 95th percentile of latency.

A quantile is at most c exactly when at most 1 - q of the values exceed c, so the rule is tested on the
exceedance rate at c, and the interval of the quantile is Woodruff's: the thresholds whose exceedance rate is
not rejected. With items as units that is the exact order-statistic interval; with clusters the rate's
variance is cluster-robust.

Ref: Woodruff R. (1952), JASA 47:635-646; Hahn G., Meeker W. (1991), Statistical Intervals, section 5.2 (order
statistics).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from evalkit.stats.absolute import gate_from_null, p_from_null
from evalkit.stats.arrays import as_values, check_level, cluster_codes, paired_values
from evalkit.stats.bootstrap import resampled_means
from evalkit.stats.errors import StatsError
from evalkit.stats.estimate import Interval
from evalkit.stats.gate import GateResult, gate_test

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike

    from evalkit.stats.absolute import Direction
    from evalkit.stats.gate import Target
    from evalkit.stats.special import FloatArray, IntArray

__all__ = [
    "MAX_BOOTSTRAP_UNITS",
    "quantile_bootstrap",
    "quantile_difference_gate",
    "quantile_gate",
    "sample_quantile",
]

MAX_BOOTSTRAP_UNITS = 20_000


def _check_quantile(quantile: float) -> None:
    if not 0.0 < quantile < 1.0:
        raise StatsError(f"quantile must lie strictly between 0 and 1, not {quantile}")


def sample_quantile(values: ArrayLike, quantile: float) -> float:
    """Returns the smallest of ``values``, shape (n,), that a share ``quantile`` or more does not exceed."""
    _check_quantile(quantile)
    array = np.sort(as_values(values))
    return float(array[_rank(array.size, quantile) - 1])


def _rank(n: int, quantile: float) -> int:
    return min(max(math.ceil(n * quantile - 1e-9), 1), n)


@dataclass(frozen=True, slots=True)
class _Exceedance:
    """The test of P(value > threshold) against 1 - quantile, as a function of the threshold."""

    values: FloatArray
    codes: IntArray | None
    target: Target
    quantile: float
    alpha: float
    max_cluster_effect: float

    def test(self, threshold: float, direction: Direction) -> GateResult:
        """Returns the rule "the quantile is ``direction`` the threshold" as a rule on the exceedance rate."""
        return gate_from_null(
            self._exceeds(threshold, direction),
            bound=1.0 - self.quantile,
            direction=direction,
            alpha=self.alpha,
            clusters=self.codes,
            target=self.target,
            max_cluster_effect=self.max_cluster_effect,
            binary=True,
        )

    def _exceeds(self, threshold: float, direction: Direction) -> FloatArray:
        """Counts ties for "at least", so that both rules hold weakly at a value with positive probability."""
        exceeds = self.values > threshold if direction == "at_most" else self.values >= threshold
        return exceeds.astype(np.float64)

    def proven(self, threshold: float, direction: Direction) -> bool:
        """Returns whether the rule is shown at the threshold."""
        p_pass = p_from_null(
            self._exceeds(threshold, direction),
            bound=1.0 - self.quantile,
            direction=direction,
            clusters=self.codes,
            target=self.target,
            max_cluster_effect=self.max_cluster_effect,
            binary=True,
        )
        return p_pass.value <= self.alpha


def _bound(exceedance: _Exceedance, ordered: FloatArray, *, upper: bool) -> float:
    """Returns the order statistic nearest to the quantile that is proven a bound, or +-inf."""
    start, end = _rank(ordered.size, exceedance.quantile) - 1, ordered.size - 1 if upper else 0
    direction: Direction = "at_most" if upper else "at_least"
    if not exceedance.proven(float(ordered[end]), direction):
        return math.inf if upper else -math.inf
    while abs(end - start) > 1:
        middle = (start + end) // 2
        if exceedance.proven(float(ordered[middle]), direction):
            end = middle
        else:
            start = middle
    return float(ordered[end])


def quantile_gate(
    values: ArrayLike,
    *,
    bound: float,
    quantile: float = 0.95,
    direction: Direction = "at_most",
    alpha: float = 0.05,
    clusters: Iterable[object] | None = None,
    target: Target = "items",
    max_cluster_effect: float = 1.0,
) -> GateResult:
    """Returns whether a quantile is at most (or at least) ``bound``.

    ``effect``, ``low`` and ``high`` are on the scale of the values, the bounds order statistics; a bound is
    infinite where the data give none (no upper bound of a 95th percentile below 59 units). at_most holds when
    ``high <= bound``. ``p_pass`` and ``p_fail`` come from the exceedance rate at ``bound``; ``variance`` is
    that rate's. Values censored at a deadline keep their place as long as the bound lies below the deadline.

    Args:
        values: shape (n_items,).
        bound: the limit, in the values' unit.
        quantile: in (0, 1).
        direction: "at_most" or "at_least".
        alpha: one-sided level.
        clusters: one hashable label an item, or None.
        target: "items" without clusters; "these" or "new" with them.
        max_cluster_effect: largest deviation of one cluster's exceedance rate, by declaration.

    Raises:
        StatsError: the input cannot be analysed.
    """
    check_level(alpha)
    _check_quantile(quantile)
    if not math.isfinite(bound):
        raise StatsError(f"bound must be finite, not {bound}")
    array = as_values(values)
    codes = None if clusters is None else cluster_codes(clusters, array.size)
    exceedance = _Exceedance(array, codes, target, quantile, alpha, max_cluster_effect)
    result, ordered = exceedance.test(bound, direction), np.sort(array)
    low, high = _bound(exceedance, ordered, upper=False), _bound(exceedance, ordered, upper=True)
    return replace(
        result,
        effect=float(ordered[_rank(array.size, quantile) - 1]),
        low=low,
        high=high,
        null_pass=bound,
        null_fail=bound,
        method=f"woodruff+{result.method}",
        why=f"share of values beyond {bound:g} against {1 - quantile:g}; {result.why}",
    )


def quantile_bootstrap(
    values: ArrayLike,
    rng: np.random.Generator,
    *,
    quantile: float = 0.95,
    alpha: float = 0.05,
    clusters: Iterable[object] | None = None,
    n_resamples: int = 1999,
) -> Interval:
    """Returns a bootstrap check of the quantile's interval (level 1 - 2 alpha, as the gate's).

    Exceedances of the sample quantile are summed by cluster, the rate is resampled over clusters, and its
    percentiles are mapped back to order statistics.

    Raises:
        StatsError: fewer than two or more than 20,000 units (there the closed form needs no check).
    """
    _check_quantile(quantile)
    ordered = np.sort(as_values(values))
    codes = np.arange(ordered.size) if clusters is None else cluster_codes(clusters, ordered.size)
    estimate = float(ordered[_rank(ordered.size, quantile) - 1])
    exceeds = np.bincount(codes, weights=as_values(values) > estimate).astype(np.float64)
    if not 2 <= exceeds.size <= MAX_BOOTSTRAP_UNITS:
        raise StatsError(f"{exceeds.size} units: the bootstrap check takes 2 to {MAX_BOOTSTRAP_UNITS}")
    rates = resampled_means(exceeds, np.bincount(codes).astype(np.float64), rng, n_resamples=n_resamples)
    shift = (1.0 - quantile) - float(exceeds.sum()) / ordered.size
    ranks = [_rank(ordered.size, float(share)) for share in 1.0 - shift - np.quantile(rates, (1.0 - alpha, alpha))]
    low, high = (float(ordered[rank - 1]) for rank in ranks)
    return Interval(estimate, low, high, 1.0 - 2.0 * alpha, "woodruff-bootstrap/1")


def quantile_difference_gate(
    candidate: ArrayLike,
    baseline: ArrayLike,
    *,
    margin: float,
    quantile: float = 0.95,
    alpha: float = 0.05,
    clusters: Iterable[object] | None = None,
    target: Target = "items",
    max_cluster_effect: float = 1.0,
) -> GateResult:
    """Returns whether the candidate exceeds the baseline's quantile more often than the baseline does.

    ``effect`` is a difference of rates (baseline's exceedances minus the candidate's, so that higher is
    better). The threshold is the baseline's sample quantile, taken as fixed.

    Args:
        candidate: shape (n_pairs,), lower is better.
        baseline: the same items in the same order.
        margin: tolerated increase of the exceedance rate, 0 <= margin < 1.
        quantile: in (0, 1).
        alpha: one-sided level.
        clusters: one hashable label an item, or None.
        target: "items" without clusters; "these" or "new" with them.
        max_cluster_effect: as in `gate_test`.

    Raises:
        StatsError: the input cannot be analysed.
    """
    first, second = paired_values(candidate, baseline)
    threshold = sample_quantile(second, quantile)
    diffs = (second > threshold).astype(np.float64) - (first > threshold)
    result = gate_test(
        diffs,
        margin=margin,
        alpha=alpha,
        clusters=clusters,
        target=target,
        max_cluster_effect=max_cluster_effect,
    )
    return replace(
        result,
        why=f"share of values above the baseline's {quantile:g} quantile ({threshold:g}); {result.why}",
    )
