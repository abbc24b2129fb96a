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
    """The root of ``function`` on [low, high], to about 1e-13; the ends must differ in sign (Brent 1973)."""
    root = importlib.import_module("scipy.optimize").brentq(function, low, high, xtol=1e-13, rtol=1e-13)
    return float(root) if math.isfinite(root) else low
