"""Bootstrap of a mean over items or whole clusters: a check beside the closed forms, not a gate.

Below about 50 units percentile intervals are too short (docs/statistics.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evalkit.stats.arrays import as_values, cluster_codes
from evalkit.stats.errors import StatsError
from evalkit.stats.estimate import Interval

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike

    from evalkit.stats.special import FloatArray

__all__ = ["bootstrap_mean", "resampled_means"]

_CELLS = 1 << 22


def resampled_means(totals: FloatArray, sizes: FloatArray, rng: np.random.Generator, *, n_resamples: int) -> FloatArray:
    """Returns sum(totals) / sum(sizes) over ``n_resamples`` resamples of units, shape (n_resamples,).

    Memory stays bounded whatever the number of units.
    """
    n_units = totals.size
    block = max(1, min(n_resamples, _CELLS // n_units))
    means: list[FloatArray] = []
    for start in range(0, n_resamples, block):
        drawn = rng.integers(0, n_units, size=(min(block, n_resamples - start), n_units))
        means.append(totals[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    return np.concatenate(means)


def bootstrap_mean(
    values: ArrayLike,
    rng: np.random.Generator,
    *,
    clusters: Iterable[object] | None = None,
    alpha: float = 0.05,
    n_resamples: int = 9999,
) -> Interval:
    """Returns the percentile interval of level 1 - alpha of the mean, resampling items or whole clusters.

    Raises:
        StatsError: fewer than two units, or the input cannot be analysed.

    Ref: Efron B., Tibshirani R. (1993), An Introduction to the Bootstrap, ch. 13; Davison A., Hinkley D.
    (1997), Bootstrap Methods, section 3.8 (clusters).
    """
    array = as_values(values)
    codes = np.arange(array.size) if clusters is None else cluster_codes(clusters, array.size)
    totals = np.bincount(codes, weights=array).astype(np.float64)
    if totals.size < 2:
        raise StatsError("a bootstrap needs at least two units")
    means = resampled_means(totals, np.bincount(codes).astype(np.float64), rng, n_resamples=n_resamples)
    low, high = np.quantile(means, (alpha / 2, 1 - alpha / 2))
    return Interval(float(array.mean()), float(low), float(high), 1 - alpha, "bootstrap-percentile/1")
