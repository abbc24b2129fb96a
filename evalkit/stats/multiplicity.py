"""Adjusted p values for several rules (Holm) or slices (Benjamini-Hochberg)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evalkit.stats.errors import StatsError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from evalkit.stats.special import FloatArray

__all__ = ["benjamini_hochberg", "holm"]


def _as_p_values(p_values: ArrayLike) -> FloatArray:
    array = np.asarray(p_values, dtype=np.float64)
    if array.ndim != 1:
        raise StatsError(f"p values must be one-dimensional, not of shape {array.shape}")
    if not ((array >= 0.0) & (array <= 1.0)).all():
        raise StatsError("every p value must lie in [0, 1]")
    return array


def holm(p_values: ArrayLike) -> FloatArray:
    """Returns Holm's step-down adjusted p values, same order and shape (k,); empty stays empty.

    >>> [float(round(p, 3)) for p in holm([0.01, 0.04, 0.03])]  # statsmodels multipletests(method="holm")
    [0.03, 0.06, 0.06]

    Raises:
        StatsError: a value outside [0, 1].

    Ref: Holm S. (1979), Scandinavian Journal of Statistics 6:65-70.
    """
    p = _as_p_values(p_values)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)) if p.size else p
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def benjamini_hochberg(p_values: ArrayLike) -> FloatArray:
    """Returns Benjamini-Hochberg adjusted p values (q values), same order and shape (k,); empty stays empty.

    Raises:
        StatsError: a value outside [0, 1].

    Ref: Benjamini Y., Hochberg Y. (1995), JRSS B 57:289-300.
    """
    p = _as_p_values(p_values)
    order = np.argsort(p, kind="stable")[::-1]
    scaled = p[order] * p.size / np.arange(p.size, 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled) if p.size else scaled, 1.0)
    return adjusted
