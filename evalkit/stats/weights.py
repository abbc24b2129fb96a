"""Items drawn with unequal probability: the Hajek mean with its linearised variance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evalkit.stats.arrays import as_values, as_weights, cluster_codes
from evalkit.stats.cluster import t_estimate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike

    from evalkit.stats.estimate import Estimate

__all__ = ["effective_n", "hajek_mean"]


def effective_n(weights: ArrayLike) -> float:
    """Returns Kish's effective number of items, (sum w)^2 / sum w^2.

    Raises:
        StatsError: a weight is not positive or not finite.

    Ref: Kish L. (1965), Survey Sampling, section 11.2.
    """
    array = as_values(weights, name="weights")
    as_weights(array, array.size)
    return float(array.sum()) ** 2 / float(array @ array)


def hajek_mean(
    values: ArrayLike, weights: ArrayLike, *, clusters: Iterable[object] | None = None, alpha: float = 0.05
) -> Estimate:
    """Returns sum(w x) / sum(w) with its linearised (cluster-robust) standard error and t interval.

    Equal weights give `cluster.mean_interval`. The interval assumes many units, none of which dominates; see
    `effective_n`.

    Args:
        values: shape (n_items,).
        weights: 1 / inclusion probability, positive, shape (n_items,).
        clusters: one hashable label an item, or None.
        alpha: two-sided level.

    Raises:
        StatsError: the input cannot be analysed.

    Ref: Hajek J. (1971), in Godambe and Sprott (eds.), Foundations of Statistical Inference, p. 236; Sarndal
    C., Swensson B., Wretman J. (1992), Model Assisted Survey Sampling, result 5.7.1 (linearisation).
    """
    array = as_values(values)
    weight = as_weights(weights, array.size)
    weight = np.ones_like(array) if weight is None else weight
    codes = None if clusters is None else cluster_codes(clusters, array.size)
    mean = float(weight @ array) / float(weight.sum())
    influence = weight * (array - mean) / float(weight.sum())
    return t_estimate(mean, influence, codes, alpha=alpha, method="hajek/1")
