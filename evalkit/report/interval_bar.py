"""Where the lines of an interval bar stand. Geometry only: the template draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.compare.rules import margin_of
from evalkit.core.suite import MetricRule
from evalkit.core.verdict import MetricComparison

__all__ = ["BAR_WIDTH", "Bar", "axis_bars", "need_line", "rule_bar"]

BAR_WIDTH = 220.0
_PAD = 10.0


@dataclass(frozen=True, slots=True)
class Bar:
    """Positions from 0 to :data:`BAR_WIDTH`, rounded to a tenth.

    Attributes:
        point: the effect.
        low: the lower end; at the left edge where there is no bound.
        high: the upper end; at the right edge where there is no bound.
        zero: no difference, or None for claims about the candidate alone.
        need: the line that must not be crossed, or None.
        good_right: whether the right side of ``need`` is where the rule holds.
    """

    point: float
    low: float
    high: float
    zero: float | None
    need: float | None
    good_right: bool = True


def need_line(rule: MetricRule, comparison: MetricComparison) -> float | None:
    """Return the value a rule's interval is held against, in the unit of the effect; None for counts."""
    if rule.rule == "none_may_fail":
        return None
    if rule.bound is not None:
        return rule.bound
    higher = comparison.info.better == "higher"
    if comparison.scale == "ratio":
        ratio = rule.max_ratio or 1.0
        return 1.0 / ratio if higher else ratio
    return -margin_of(rule) + 0.0 if higher else margin_of(rule)


def rule_bar(rule: MetricRule, comparison: MetricComparison) -> Bar | None:
    """Return the bar of one rule on its own axis, or None where there is nothing to draw."""
    absolute = comparison.scale == "absolute"
    value = comparison.candidate if absolute else comparison.effect
    need = need_line(rule, comparison)
    if value is None or (comparison.low is None and comparison.high is None):
        return None
    axis = _Axis([value, comparison.low, comparison.high, need, None if absolute else _none(comparison)], comparison)
    return Bar(
        point=axis.at(value),
        low=0.0 if comparison.low is None else axis.at(comparison.low),
        high=BAR_WIDTH if comparison.high is None else axis.at(comparison.high),
        zero=None if absolute else axis.at(_none(comparison)),
        need=None if need is None else axis.at(need),
        good_right=rule.rule in {"at_least", "observed_at_least"}
        or (not absolute and comparison.info.better == "higher"),
    )


def _none(comparison: MetricComparison) -> float:
    return 1.0 if comparison.scale == "ratio" else 0.0


class _Axis:
    """Values to positions, linear or, for ratios, logarithmic."""

    def __init__(self, values: Sequence[float | None], comparison: MetricComparison | None = None) -> None:
        self._log = comparison is not None and comparison.scale == "ratio"
        known = [self._scaled(value) for value in values if value is not None and math.isfinite(value)]
        self._low = min(known, default=0.0)
        self._span = max(known, default=1.0) - self._low or 1.0

    def _scaled(self, value: float) -> float:
        return math.log(max(value, 1e-9)) if self._log else value

    def at(self, value: float) -> float:
        if not math.isfinite(value):
            return 0.0 if value < 0 else BAR_WIDTH
        share = (self._scaled(value) - self._low) / self._span
        return round(_PAD + share * (BAR_WIDTH - 2 * _PAD), 1)


def axis_bars(intervals: Sequence[tuple[float, float, float]]) -> list[Bar]:
    """Return bars of (low, effect, high) on one common axis through zero: a forest plot."""
    axis = _Axis([0.0, *(value for interval in intervals for value in interval)])
    return [Bar(axis.at(effect), axis.at(low), axis.at(high), axis.at(0.0), None) for low, effect, high in intervals]
