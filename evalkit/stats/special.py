"""Typed boundary to scipy: tail probabilities, quantiles and a bracketed root.

scipy is imported on the first call, so that importing ``evalkit.stats`` costs numpy only. Tails are computed
as survival functions, never as ``1 - cdf``, so that small p values keep their digits.
"""

from __future__ import annotations

import importlib
import math
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = [
    "FloatArray",
    "IntArray",
    "beta_quantile",
    "binomial_at_least",
    "binomial_at_most",
    "binomial_pmf",
    "binomial_upper_tails",
    "bracketed_root",
    "chi2_tail",
    "normal_quantile",
    "normal_tail",
    "t_quantile",
    "t_tail",
    "t_tails",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


_ROOT = 1e-13
_MOST_STEPS = 200


def _special() -> ModuleType:
    return importlib.import_module("scipy.special")


def normal_tail(z: float) -> float:
    """P(Z > z) for a standard normal Z."""
    return float(_special().ndtr(-z))


def normal_quantile(upper_tail: float) -> float:
    """The z with P(Z > z) = ``upper_tail``; ``upper_tail`` in (0, 1)."""
    return -float(_special().ndtri(upper_tail))


def t_tail(t: float, df: float) -> float:
    """P(T > t) for Student's t with ``df`` > 0 degrees of freedom (fractional allowed)."""
    return float(_special().stdtr(df, -t))


def t_tails(t: FloatArray, df: float) -> FloatArray:
    """P(T > t) elementwise."""
    return cast("FloatArray", _special().stdtr(df, -t))


def t_quantile(upper_tail: float, df: float) -> float:
    """The t with P(T > t) = ``upper_tail``."""
    return -float(_special().stdtrit(df, upper_tail))


def beta_quantile(probability: float, a: float, b: float) -> float:
    """The ``probability`` quantile of Beta(a, b)."""
    return float(_special().betaincinv(a, b, probability))


def binomial_at_least(k: int, n: int, rate: float) -> float:
    """P(X >= k) for X ~ Binomial(n, rate)."""
    if k <= 0:
        return 1.0
    return 0.0 if k > n else float(_special().betainc(k, n - k + 1, rate))


def binomial_at_most(k: int, n: int, rate: float) -> float:
    """P(X <= k) for X ~ Binomial(n, rate)."""
    return binomial_at_least(n - k, n, 1.0 - rate)


def binomial_pmf(k: IntArray, n: int, rate: float) -> FloatArray:
    """P(X = k) elementwise for X ~ Binomial(n, rate)."""
    special = _special()
    log_choose = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    return cast("FloatArray", np.exp(log_choose + special.xlogy(k, rate) + special.xlog1py(n - k, -rate)))


def binomial_upper_tails(k: IntArray, n: IntArray, rate: float) -> FloatArray:
    """P(X >= k) elementwise for X ~ Binomial(n, rate); k may lie outside 0..n."""
    inner = np.clip(k, 1, np.maximum(n, 1))
    tail = _special().betainc(inner, np.maximum(n, 1) - inner + 1, rate)
    return np.where(k <= 0, 1.0, np.where(k > n, 0.0, tail))


def chi2_tail(x: float, df: float) -> float:
    """P(X > x) for a chi-squared X."""
    return float(_special().chdtrc(df, x))


def bracketed_root(function: Callable[[float], float], low: float, high: float) -> float:
    """The root of ``function`` on [low, high], to about 1e-13; ``low`` where a value is not a number.

    Inverse quadratic interpolation where the last three points say that it will converge, bisection elsewhere. Written
    here because importing ``scipy.optimize`` for it takes longer than most comparisons.

    Raises:
        ValueError: the ends do not differ in sign.

    Ref: Chandrupatla (1997), Advances in Engineering Software 28, 145-149.
    """
    a, b = high, low
    f_a, f_b = function(a), function(b)
    if f_a * f_b > 0.0:
        raise ValueError(f"no change of sign between {low} and {high}")
    share = 0.5
    for _ in range(_MOST_STEPS):
        best, f_best = (a, f_a) if abs(f_a) < abs(f_b) else (b, f_b)
        tolerance = _ROOT * (1.0 + abs(best))
        if f_best == 0.0 or abs(b - a) <= tolerance:
            return best
        nearest = 0.5 * tolerance / abs(b - a)
        point = a + min(max(share, nearest), 1.0 - nearest) * (b - a)
        value = function(point)
        if math.isnan(value):
            return low
        if (value > 0.0) == (f_a > 0.0):
            c, f_c = a, f_a
        else:
            c, f_c, b, f_b = b, f_b, a, f_a
        a, f_a = point, value
        share = _next_share((a, b, c), (f_a, f_b, f_c))
    return best


def _next_share(points: tuple[float, float, float], values: tuple[float, float, float]) -> float:
    """Where to look next, as a share of the way from a to b, which enclose the root; c was the point before."""
    (a, b, c), (f_a, f_b, f_c) = points, values
    if f_c in {f_a, f_b} or c == b:
        return 0.5
    xi, phi = (a - b) / (c - b), (f_a - f_b) / (f_c - f_b)
    if not (phi * phi < xi and (1.0 - phi) ** 2 < 1.0 - xi):
        return 0.5
    return f_a / (f_b - f_a) * f_c / (f_b - f_c) + (c - a) / (b - a) * f_a / (f_c - f_a) * f_b / (f_c - f_b)
