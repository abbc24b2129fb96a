"""Result types shared by every module: an interval around an estimate, and a test."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Estimate", "Interval", "Test"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A point estimate with its two-sided interval of level ``confidence``."""

    estimate: float
    low: float
    high: float
    confidence: float
    method: str


@dataclass(frozen=True, slots=True)
class Test:
    """A p value with the statistic it came from; ``statistic`` is None where the method has none."""

    p_value: float
    method: str
    statistic: float | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean or ratio with its standard error and t interval.

    ``low`` and ``high`` are None, with ``reason`` set, where the data do not allow an interval (fewer than
    two units). ``df`` are the degrees of freedom of the t quantile used.
    """

    value: float
    se: float | None
    low: float | None
    high: float | None
    confidence: float
    df: float | None
    method: str
    n_items: int
    n_clusters: int | None = None
    reason: str | None = None
