"""Numbers as people read them, the same in every report."""

from __future__ import annotations

import math

from evalkit.core.score import MetricInfo
from evalkit.core.verdict import Finding, MetricComparison

__all__ = [
    "arm_figure",
    "change_text",
    "confidence_text",
    "count_text",
    "detects_text",
    "figure",
    "interval_text",
    "outcome_word",
    "p_value",
    "percent",
    "rate",
    "usd",
]

_NONE = "–"


def figure(value: float | None, info: MetricInfo, *, signed: bool = False) -> str:
    """Return a metric's number: three decimals for scores in [0, 1], three significant digits for the rest."""
    if value is None:
        return _NONE
    sign = "+" if signed else ""
    if info.kind in {"binary", "bounded"}:
        return f"{_zeroed(value, 3):{sign}.3f}"
    return _three_digits(value, sign)


def arm_figure(comparison: MetricComparison, value: float | None, *, signed: bool = False) -> str:
    """Return a number of one comparison: a count, a share, or in the metric's own unit, as its statistic has it."""
    if value is not None and comparison.statistic == "failing outputs":
        return f"{value:,.0f}"
    info = comparison.info
    if comparison.statistic.startswith("share "):
        info = info.model_copy(update={"kind": "bounded"})
    return figure(value, info, signed=signed)


def _zeroed(value: float, digits: int) -> float:
    """Return ``value`` rounded, so that a tiny negative number does not print as -0.000."""
    return round(value, digits) + 0.0


def _three_digits(value: float, sign: str) -> str:
    if value == 0:
        return f"{0:{sign}d}"
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude >= 6 or magnitude < -3:
        return f"{value:{sign}.1e}"
    return f"{value:{sign},.{max(0, 2 - magnitude)}f}"


def _ratio(value: float | None) -> str:
    if value is None:
        return _NONE
    return f"{value:.2f}" if 0.01 <= value < 100 else f"{value:.2g}"


def change_text(comparison: MetricComparison) -> str:
    """Return the effect: ``-0.067``, ``×1.04`` for ratios, the plain figure for absolute rules."""
    if comparison.scale == "ratio":
        return _NONE if comparison.effect is None else f"×{_ratio(comparison.effect)}"
    if comparison.scale == "absolute":
        shown = comparison.effect if comparison.effect is not None else comparison.candidate
        return arm_figure(comparison, shown)
    return arm_figure(comparison, comparison.effect, signed=True)


def interval_text(comparison: MetricComparison) -> str:
    """Return ``[low, high]`` in the manner of :func:`change_text`, or an empty string where there is none."""
    if comparison.low is None and comparison.high is None:
        return ""
    return f"[{_bound(comparison, comparison.low, '−∞')}, {_bound(comparison, comparison.high, '∞')}]"


def _bound(comparison: MetricComparison, value: float | None, unbounded: str) -> str:
    if value is None or math.isinf(value):
        return unbounded
    if comparison.scale == "ratio":
        return _ratio(value)
    return arm_figure(comparison, value, signed=comparison.scale == "difference")


def detects_text(comparison: MetricComparison) -> str:
    """Return the smallest effect that this many items would show with the planned power."""
    if comparison.scale == "ratio" and comparison.detectable_effect is not None:
        return f"×{_ratio(comparison.detectable_effect)}"
    return arm_figure(comparison, comparison.detectable_effect)


def confidence_text(confidence: float) -> str:
    """Return ``90%`` for 0.9."""
    return f"{100 * confidence:.3g}%"


def percent(share: float | None) -> str:
    """Return ``6.7 %`` for 0.067, with no decimals from 10 % on."""
    if share is None:
        return _NONE
    value = 100 * share
    digits = 0 if value == 0 or 10 <= value <= 99 or value >= 99.95 else 1
    return f"{value:.{digits}f} %"


def rate(share: float) -> str:
    """Return a small share such that a value above 0 never prints as 0."""
    return "< 0.1 %" if 0 < share < 0.001 else percent(share)


def p_value(value: float | None) -> str:
    """Return a p value; below 0.001 only that."""
    if value is None:
        return _NONE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def usd(value: float | None) -> str:
    """Return ``$18.40``; below a dollar three significant digits; ``unknown`` for None."""
    if value is None:
        return "unknown"
    if value == 0 or value >= 1:
        return f"${value:,.2f}"
    return f"${value:.3g}" if value >= 0.0001 else f"${value:.1e}"


def count_text(number: int, noun: str) -> str:
    """Return ``1 item`` or ``1,855 items``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def outcome_word(finding: Finding) -> str:
    """Return the outcome in print: failures in capitals, rules that do not decide in parentheses."""
    word = finding.outcome.upper() if finding.outcome in {"fail", "error"} else str(finding.outcome)
    return word if finding.decides else f"({word})"
