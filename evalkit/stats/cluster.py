"""Standard errors and t intervals of a mean, with independent items or with clusters of items.

CR0 is the sandwich sum over clusters; CR1 multiplies its square by G / (G - 1). With one item a cluster CR1
is the usual standard error s / sqrt(n).

Ref: Liang K., Zeger S. (1986), Biometrika 73:13-22; Miller E. (2024), arXiv 2411.00640, section 2.2 (CR0 for
evals).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from evalkit.stats.arrays import as_values, cluster_codes, paired_values
from evalkit.stats.errors import StatsError
from evalkit.stats.estimate import Estimate
from evalkit.stats.special import FloatArray, IntArray, t_quantile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike

__all__ = [
    "cluster_sums",
    "clustered_se",
    "iid_se",
    "linearised_se",
    "mean_interval",
    "paired_interval",
    "t_estimate",
]

_TOO_FEW = "fewer than two independent units: their spread is unknown"


def cluster_sums(values: FloatArray, codes: IntArray | None) -> FloatArray:
    """Returns the sums by cluster, shape (G,); ``values`` themselves when ``codes`` is None."""
    return values if codes is None else np.bincount(codes, weights=values).astype(np.float64)


def linearised_se(influence: FloatArray, codes: IntArray | None, *, correct: bool = True) -> float:
    """Returns sqrt(f * sum over units of (unit sum)^2), f = G / (G - 1) if ``correct`` else 1.

    ``influence`` are an estimator's linearised contributions, shape (n,), which sum to zero and already carry
    1/n. Needs at least two units when ``correct``.
    """
    sums = cluster_sums(influence, codes)
    factor = sums.size / (sums.size - 1) if correct else 1.0
    return math.sqrt(factor * float(sums @ sums))


def iid_se(values: ArrayLike) -> float:
    """Returns s / sqrt(n) with s the sample standard deviation (ddof 1) of independent ``values``.

    Raises:
        StatsError: fewer than two values, or not finite.
    """
    array = as_values(values)
    if array.size < 2:
        raise StatsError("a standard error needs at least two values")
    return float(array.std(ddof=1)) / math.sqrt(array.size)


def clustered_se(values: ArrayLike, clusters: Iterable[object], *, correct: bool = True) -> float:
    """Returns the cluster-robust standard error of the mean: CR1 (G / (G - 1)) if ``correct``, else CR0.

    Raises:
        StatsError: fewer than two clusters with ``correct``, labels that do not fit, or values not finite.
    """
    array = as_values(values)
    codes = cluster_codes(clusters, array.size)
    if correct and codes.max() < 1:
        raise StatsError("a clustered standard error needs at least two clusters")
    return linearised_se((array - array.mean()) / array.size, codes, correct=correct)


def t_estimate(value: float, influence: FloatArray, codes: IntArray | None, *, alpha: float, method: str) -> Estimate:
    """Returns ``value`` with its linearised standard error and t interval of level 1 - alpha, df = units - 1.

    With fewer than two units there is no interval, and ``reason`` says so.
    """
    n_clusters = None if codes is None else int(codes.max()) + 1
    n_units = influence.size if n_clusters is None else n_clusters
    if n_units < 2:
        return Estimate(value, None, None, None, 1 - alpha, None, method, influence.size, n_clusters, _TOO_FEW)
    se = linearised_se(influence, codes)
    reach = t_quantile(alpha / 2, n_units - 1) * se
    return Estimate(value, se, value - reach, value + reach, 1 - alpha, n_units - 1, method, influence.size, n_clusters)


def mean_interval(values: ArrayLike, *, clusters: Iterable[object] | None = None, alpha: float = 0.05) -> Estimate:
    """Returns the mean with its t interval; cluster-robust (CR1, df G - 1) where ``clusters`` are given.

    Below about 20 clusters, or with clusters of very different size, the interval is too short (see
    docs/statistics.md): decisions use `gate.gate_test`.
    """
    array = as_values(values)
    codes = None if clusters is None else cluster_codes(clusters, array.size)
    influence = (array - array.mean()) / array.size
    method = "t-mean/1" if codes is None else "cluster-t-mean/1"
    return t_estimate(float(array.mean()), influence, codes, alpha=alpha, method=method)


def paired_interval(
    candidate: ArrayLike,
    baseline: ArrayLike,
    *,
    clusters: Iterable[object] | None = None,
    alpha: float = 0.05,
) -> Estimate:
    """Returns the mean of candidate minus baseline, shape (n_pairs,), with its t interval."""
    first, second = paired_values(candidate, baseline)
    return mean_interval(first - second, clusters=clusters, alpha=alpha)
