"""Policy rules made concrete: which column and statistic each is about; defaults filled in, mistakes refused."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from evalkit.base.errors import UsageError
from evalkit.base.registry import suggest
from evalkit.core.score import Better, MetricInfo
from evalkit.core.suite import MetricRule

__all__ = ["DEFAULT_MARGIN", "INFERENTIAL_ABSOLUTE", "OBSERVED", "Claim", "Scale", "margin_of", "resolve", "unruled"]

DEFAULT_MARGIN = 0.05
"""The tolerated loss of a ``no_regression`` rule on a metric in [0, 1] that gives none."""
OBSERVED = frozenset({"observed_at_least", "observed_at_most"})
INFERENTIAL_ABSOLUTE = frozenset({"at_least", "at_most"})
_QUANTILE = re.compile(r"^(?P<metric>.+)\.p(?P<percent>\d{1,2}(?:\.\d+)?)$")

Scale = Literal["difference", "ratio", "absolute"]


@dataclass(frozen=True, slots=True)
class Claim:
    """One rule, or None for a metric that has none, on one column.

    Attributes:
        rule: the policy's rule.
        info: the column's meaning, ``better`` overridden by the rule's.
        statistic: ``mean``, ``p95`` and so on, or ``failing outputs``.
        quantile: in (0, 1), or None for a mean.
        margin: tolerated loss in the metric's unit, or None where the rule has a ratio or a bound.
        max_ratio: tolerated ratio, or None.
        scale: how the effect is expressed.
    """

    rule: MetricRule | None
    info: MetricInfo
    statistic: str = "mean"
    quantile: float | None = None
    margin: float | None = None
    max_ratio: float | None = None
    scale: Scale = "difference"

    @property
    def better(self) -> Better:
        """Which direction is good."""
        return self.info.better

    @property
    def needs_baseline(self) -> bool:
        """Whether there is no answer without a baseline."""
        return self.scale != "absolute"


def margin_of(rule: MetricRule) -> float:
    """Return the tolerated loss of a rule on differences; 0 for ``improve``."""
    if rule.rule == "improve":
        return 0.0
    return DEFAULT_MARGIN if rule.margin is None else rule.margin


def resolve(rule: MetricRule, columns: dict[str, MetricInfo]) -> Claim:
    """Return what a rule asks of which column.

    Args:
        rule: one rule of the policy.
        columns: metric name to meaning, of the candidate's run.

    Raises:
        UsageError: no such metric, or the rule does not fit the metric's kind.
    """
    name, quantile, statistic = _split(rule, columns)
    info = columns[name]
    if rule.better is not None:
        info = info.model_copy(update={"better": rule.better})
    if rule.rule == "none_may_fail":
        return _none_may_fail(rule, info, quantile)
    if rule.rule in OBSERVED | INFERENTIAL_ABSOLUTE:
        _check_bound(rule, info)
        return Claim(rule, info, statistic, quantile, scale="absolute")
    return _relative(rule, info, quantile, statistic)


def _split(rule: MetricRule, columns: dict[str, MetricInfo]) -> tuple[str, float | None, str]:
    if rule.metric in columns:
        return rule.metric, None, "mean"
    found = _QUANTILE.match(rule.metric)
    if found and found["metric"] in columns and 0.0 < float(found["percent"]) < 100.0:
        return found["metric"], float(found["percent"]) / 100.0, f"p{found['percent']}"
    known = sorted(columns)
    raise UsageError(
        f"rule {rule.rule!r}: no metric {rule.metric!r} in the run{suggest(rule.metric, known)}",
        hint=f"metrics of this run: {', '.join(known) or 'none'}; a quantile is written like latency_s.p95",
        where=rule.where,
    )


def _none_may_fail(rule: MetricRule, info: MetricInfo, quantile: float | None) -> Claim:
    if info.kind != "binary" or quantile is not None:
        raise UsageError(
            f"rule 'none_may_fail' counts failing outputs, but {rule.metric} is {info.kind}",
            hint=f"use `at_least` or `observed_at_least` with a bound on {info.name}",
            where=rule.where,
        )
    return Claim(rule, info, "failing outputs", scale="absolute")


def _check_bound(rule: MetricRule, info: MetricInfo) -> None:
    bound = rule.bound
    if info.kind in ("binary", "bounded") and bound is not None and not 0.0 <= bound <= 1.0:
        raise UsageError(
            f"rule {rule.rule!r}: {info.name} lies in [0, 1], the bound is {bound:g}",
            hint="rates are fractions: write 0.9 for 90 %",
            where=rule.where,
        )


def _relative(rule: MetricRule, info: MetricInfo, quantile: float | None, statistic: str) -> Claim:
    bounded = info.kind in ("binary", "bounded")
    if quantile is not None:
        if rule.rule != "no_regression" or rule.margin is None or not rule.margin < 1.0:
            raise UsageError(
                f"rule {rule.rule!r} on the quantile {rule.metric} needs a `margin` below 1: the tolerated increase of"
                " the share of items beyond the baseline's quantile",
                hint="or use `at_most` with a bound, or `max_ratio` on the metric without the quantile",
                where=rule.where,
            )
        return Claim(rule, info, f"share beyond the baseline's {statistic}", quantile, margin=rule.margin)
    if rule.max_ratio is not None and info.kind != "positive":
        raise UsageError(
            f"`max_ratio` on {info.name}, which is {info.kind}: a ratio is for latency, cost and counts",
            hint="give a `margin`",
            where=rule.where,
        )
    if bounded and margin_of(rule) >= 1.0:
        raise UsageError(
            f"margin {margin_of(rule):g} on {info.name}, which lies in [0, 1]: nothing could break the rule",
            hint="rates are fractions: write 0.05 for 5 points",
            where=rule.where,
        )
    if info.kind == "positive" and rule.margin is None:
        if rule.rule == "no_regression" and rule.max_ratio is None:
            raise _needs_number(rule, info, "max_ratio")
        return Claim(rule, info, max_ratio=rule.max_ratio or 1.0, scale="ratio")
    if info.kind == "unbounded" and rule.rule == "no_regression" and rule.margin is None:
        raise _needs_number(rule, info, "margin")
    return Claim(rule, info, margin=margin_of(rule))


def _needs_number(rule: MetricRule, info: MetricInfo, key: str) -> UsageError:
    return UsageError(
        f"rule 'no_regression' on {info.name} gives neither `margin` nor `max_ratio`, and the metric has no range",
        hint=f"say how much worse is tolerated with `{key}`",
        where=rule.where,
    )


def unruled(columns: Iterable[MetricInfo], rules: Iterable[Claim]) -> list[Claim]:
    """Return a claim for every metric that no rule is about: reported against no difference, deciding nothing."""
    ruled = {claim.info.name for claim in rules}
    return [
        Claim(None, info, max_ratio=1.0, scale="ratio") if info.kind == "positive" else Claim(None, info, margin=0.0)
        for info in columns
        if info.name not in ruled
    ]
