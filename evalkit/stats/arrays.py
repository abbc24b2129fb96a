"""Validation at the door of the statistical core: finite one-dimensional arrays, cluster codes, weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.stats.errors import StatsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from evalkit.stats.special import FloatArray, IntArray

__all__ = ["as_values", "as_weights", "check_level", "cluster_codes", "paired_values"]


def as_values(values: ArrayLike, *, name: str = "values") -> FloatArray:
    """Returns a finite float64 array of shape (n,), n >= 1.

    Raises:
        StatsError: not one-dimensional, empty, or with a value that is not finite (a failure is never a
            number).
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise StatsError(f"{name} are not numbers: {error}") from error
    if array.ndim != 1:
        raise StatsError(f"{name} must be one-dimensional, not of shape {array.shape}")
    if array.size == 0:
        raise StatsError(f"{name} are empty")
    if not np.isfinite(array).all():
        bad = int(np.flatnonzero(~np.isfinite(array))[0])
        raise StatsError(f"{name}[{bad}] is {array[bad]}: every value must be finite")
    return array


def paired_values(candidate: ArrayLike, baseline: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Returns both arrays of shape (n_pairs,), aligned by position (the caller joined them by item).

    Raises:
        StatsError: as `as_values`, or of different length.
    """
    first, second = as_values(candidate, name="candidate"), as_values(baseline, name="baseline")
    if first.size != second.size:
        raise StatsError(f"candidate has {first.size} values, baseline {second.size}: pair them by item first")
    return first, second


def as_weights(weights: ArrayLike | None, n: int) -> FloatArray | None:
    """Returns weights of shape (n,) scaled to mean 1, or None when all are equal or none are given.

    Raises:
        StatsError: a weight is not positive, or the length differs from ``n``.
    """
    if weights is None:
        return None
    array = as_values(weights, name="weights")
    if array.size != n:
        raise StatsError(f"{array.size} weights for {n} values")
    if array.min() <= 0:
        raise StatsError(f"weights must be positive, the smallest is {array.min()}")
    return None if array.min() == array.max() else array / array.mean()


def cluster_codes(clusters: Iterable[object], n: int) -> IntArray:
    """Returns codes 0..G-1 of shape (n,), in order of first appearance, for any hashable labels.

    Raises:
        StatsError: the length differs from ``n``, or a label is None or not hashable.
    """
    if isinstance(clusters, np.ndarray) and clusters.dtype.kind in "iub" and clusters.shape == (n,):
        return _integer_codes(clusters)
    labels = clusters.tolist() if isinstance(clusters, np.ndarray) else list(clusters)
    if len(labels) != n:
        raise StatsError(f"{len(labels)} cluster labels for {n} values")
    seen: dict[object, int] = {}
    try:
        codes = [seen.setdefault(label, len(seen)) for label in labels]
    except TypeError as error:
        raise StatsError(f"cluster labels must be hashable: {error}") from error
    if None in seen:
        raise StatsError("every item needs a cluster label; None was given")
    return np.asarray(codes, dtype=np.int64)


def _integer_codes(labels: NDArray[Any]) -> IntArray:
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first)).astype(np.int64)[inverse]


def check_level(alpha: float, *, name: str = "alpha") -> None:
    """Raises `StatsError` unless ``alpha`` lies strictly between 0 and 0.5."""
    if not 0.0 < alpha < 0.5:
        raise StatsError(f"{name} must lie strictly between 0 and 0.5, not {alpha}")
