"""Several trials of one item: means over trials, pass@k, pass^k, and where the variance comes from.

Items stay the units: n items with K trials are n observations, never n * K.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalkit.stats.arrays import as_values, cluster_codes
from evalkit.stats.cluster import mean_interval
from evalkit.stats.errors import StatsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import ArrayLike

    from evalkit.stats.estimate import Estimate
    from evalkit.stats.special import FloatArray

__all__ = [
    "VarianceSplit",
    "item_means",
    "pass_at_k",
    "pass_hat_k",
    "suite_pass_at_k",
    "suite_pass_hat_k",
    "variance_split",
]


def item_means(values: ArrayLike, items: Iterable[object]) -> FloatArray:
    """Returns the mean over each item's trials, shape (n_items,), in order of the items' first appearance.

    Args:
        values: shape (n_trials_total,).
        items: the item label of each value.

    Raises:
        StatsError: the input cannot be analysed.
    """
    array = as_values(values)
    codes = cluster_codes(items, array.size)
    return (np.bincount(codes, weights=array) / np.bincount(codes)).astype(np.float64)


def _check(n: int, c: int, k: int) -> None:
    if not (1 <= k <= n and 0 <= c <= n):
        raise StatsError(f"need 1 <= k <= n and 0 <= c <= n, not n = {n}, c = {c}, k = {k}")


def pass_at_k(n: int, c: int, k: int) -> float:
    """Returns the unbiased estimate of P(at least one of k trials passes) from c passes in n trials.

    >>> round(pass_at_k(10, 3, 5), 6)  # 1 - C(7, 5) / C(10, 5)
    0.916667

    Raises:
        StatsError: k > n or impossible counts.

    Ref: Chen M. et al. (2021), arXiv 2107.03374, eq. (1).
    """
    _check(n, c, k)
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def pass_hat_k(n: int, c: int, k: int) -> float:
    """Returns the unbiased estimate of P(all of k trials pass) from c passes in n trials: C(c, k) / C(n, k).

    Raises:
        StatsError: k > n or impossible counts.

    Ref: Yao S. et al. (2024), arXiv 2406.12045 (tau-bench), section 4.
    """
    _check(n, c, k)
    return math.comb(c, k) / math.comb(n, k)


def suite_pass_at_k(
    passes: Iterable[int],
    trials: Iterable[int],
    k: int,
    *,
    clusters: Iterable[object] | None = None,
    alpha: float = 0.05,
) -> Estimate:
    """Returns the mean of `pass_at_k` over items with its t interval; both counts of shape (n_items,)."""
    return _suite(pass_at_k, passes, trials, k, clusters, alpha)


def suite_pass_hat_k(
    passes: Iterable[int],
    trials: Iterable[int],
    k: int,
    *,
    clusters: Iterable[object] | None = None,
    alpha: float = 0.05,
) -> Estimate:
    """Returns the mean of `pass_hat_k` over items with its t interval; both counts of shape (n_items,)."""
    return _suite(pass_hat_k, passes, trials, k, clusters, alpha)


def _suite(
    estimator: Callable[[int, int, int], float],
    passes: Iterable[int],
    trials: Iterable[int],
    k: int,
    clusters: Iterable[object] | None,
    alpha: float,
) -> Estimate:
    won, tried = [int(c) for c in passes], [int(n) for n in trials]
    if len(won) != len(tried):
        raise StatsError(f"{len(won)} pass counts for {len(tried)} trial counts")
    per_item = [estimator(n, c, k) for n, c in zip(tried, won, strict=True)]
    return mean_interval(per_item, clusters=clusters, alpha=alpha)


@dataclass(frozen=True, slots=True)
class VarianceSplit:
    """Variance between items and between trials of one item; ``trials`` is the mean number of trials an item.

    ``best_trials`` minimises the variance of the suite mean at fixed cost; None where items do not differ
    (then more trials are as good as more items) or where no item has two trials.
    """

    between: float
    within: float
    trials: float
    best_trials: float | None


def variance_split(values: ArrayLike, items: Iterable[object], *, cost_ratio: float = 1.0) -> VarianceSplit:
    """Returns one-way ANOVA components of variance of trial scores.

    Args:
        values: shape (n_trials_total,).
        items: the item label of each value; at least one item with two trials, at least two items.
        cost_ratio: cost of one more item over the cost of one more trial of it.

    Raises:
        StatsError: fewer than two items, or no item with two trials.

    Ref: Searle S., Casella G., McCulloch C. (1992), Variance Components, section 3.6 (unequal sizes). The
    best number of trials is the stationary point of (between + within / K) * (cost_ratio + K).
    """
    array = as_values(values)
    codes = cluster_codes(items, array.size)
    sizes = np.bincount(codes)
    if sizes.size < 2 or sizes.max() < 2:
        raise StatsError("a variance split needs two items and an item with two trials")
    means = np.bincount(codes, weights=array) / sizes
    within = float(((array - means[codes]) ** 2).sum()) / (array.size - sizes.size)
    spread = float(sizes @ (means - array.mean()) ** 2) / (sizes.size - 1)
    typical = (array.size - float(sizes @ sizes) / array.size) / (sizes.size - 1)
    between = max((spread - within) / typical, 0.0)
    best = math.sqrt(within / between * cost_ratio) if between > 0.0 else None
    return VarianceSplit(between, within, array.size / sizes.size, best)
