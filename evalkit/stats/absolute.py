"""Absolute rules: is a mean at least, or at most, a fixed bound?

Independent binary scores use Clopper-Pearson; everything else the gate function on score minus bound.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from evalkit.stats.arrays import as_values, check_level
from evalkit.stats.binary import clopper_pearson_lower, clopper_pearson_upper
from evalkit.stats.errors import StatsError
from evalkit.stats.gate import (
    DECIMALS,
    GateResult,
    Grouped,
    PValue,
    agree,
    assess,
    group,
    tail_probability,
)
from evalkit.stats.special import FloatArray, binomial_at_least, binomial_at_most

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike

    from evalkit.stats.gate import Target

__all__ = ["EXACT_METHOD", "Direction", "gate_from_null", "p_from_null"]

EXACT_METHOD = "clopper-pearson/1"
Direction = Literal["at_least", "at_most"]


def gate_from_null(
    values: ArrayLike,
    *,
    bound: float,
    direction: Direction,
    alpha: float = 0.05,
    clusters: Iterable[object] | None = None,
    target: Target = "items",
    max_cluster_effect: float = 1.0,
    weights: ArrayLike | None = None,
    score_range: tuple[float, float] = (0.0, 1.0),
    binary: bool | None = None,
) -> GateResult:
    """Returns whether the mean of ``values`` keeps an absolute rule.

    ``p_pass`` tests H0 "the rule is broken or just met" and ``p_fail`` H0 "the rule is kept or just met",
    both at ``bound``. ``effect``, ``low`` and ``high`` are on the scale of the values: at_least holds when
    ``low > bound``. Unweighted binary scores with items as units use the exact binomial; others the
    restricted score on score minus bound, whose worst loss is the distance from the bound to the end of the
    range.

    Args:
        values: shape (n_items,), mean over trials first.
        bound: inside ``score_range``. At its ends the rule can be broken but never proven kept by a sample.
        direction: "at_least" or "at_most".
        alpha: one-sided level.
        clusters: one hashable label an item, or None.
        target: "items" without clusters; "these" or "new" with them.
        max_cluster_effect: largest distance of one cluster's mean from the bound, as a share of the range.
        weights: 1 / inclusion probability, or None.
        score_range: smallest and largest possible value.
        binary: whether scores are 0 or 1 by definition; None looks at the values.

    Raises:
        StatsError: the input cannot be analysed, or a value or the bound lies outside the range.
    """
    check_level(alpha)
    array = as_values(values)
    prepared = _prepare(
        array,
        bound=bound,
        direction=direction,
        clusters=clusters,
        target=target,
        max_cluster_effect=max_cluster_effect,
        weights=weights,
        score_range=score_range,
        binary=binary,
    )
    if prepared.exact:
        return _exact(array, prepared.grouped, bound=bound, direction=direction, alpha=alpha)
    result = assess(prepared.grouped, null_pass=0.0, null_fail=0.0, alpha=alpha, weighted=weights is not None)
    sign, width = prepared.sign, prepared.width
    low, high = _on_scale(result, bound=bound, width=width, sign=sign, alpha=alpha)
    return replace(
        result,
        effect=bound + sign * width * result.effect,
        low=max(low, score_range[0]),
        high=min(high, score_range[1]),
        null_pass=bound,
        null_fail=bound,
        variance=result.variance * width * width,
        why=f"{result.why}; score minus the bound {bound:g}",
    )


def p_from_null(
    values: ArrayLike,
    *,
    bound: float,
    direction: Direction,
    clusters: Iterable[object] | None = None,
    target: Target = "items",
    max_cluster_effect: float = 1.0,
    weights: ArrayLike | None = None,
    score_range: tuple[float, float] = (0.0, 1.0),
    binary: bool | None = None,
) -> PValue:
    """Returns ``p_pass`` of `gate_from_null`, without the interval.

    Raises:
        StatsError: as `gate_from_null`.
    """
    array = as_values(values)
    prepared = _prepare(
        array,
        bound=bound,
        direction=direction,
        clusters=clusters,
        target=target,
        max_cluster_effect=max_cluster_effect,
        weights=weights,
        score_range=score_range,
        binary=binary,
    )
    if not prepared.exact:
        return tail_probability(prepared.grouped.deciding, 0.0)
    k, n = round(float(array.sum())), array.size
    tail = binomial_at_least if direction == "at_least" else binomial_at_most
    return PValue(tail(k, n, bound))


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Scores as signed shares of the range above the bound, and whether the exact binomial applies."""

    grouped: Grouped
    exact: bool
    sign: float
    width: float


def _prepare(
    array: FloatArray,
    *,
    bound: float,
    direction: Direction,
    clusters: Iterable[object] | None,
    target: Target,
    max_cluster_effect: float,
    weights: ArrayLike | None,
    score_range: tuple[float, float],
    binary: bool | None,
) -> _Prepared:
    lowest, highest = score_range
    _check_range(array, bound, lowest, highest)
    if direction not in ("at_least", "at_most"):
        raise StatsError(f'direction must be "at_least" or "at_most", not "{direction}"')
    sign, width = (1.0 if direction == "at_least" else -1.0), highest - lowest
    scaled = np.round(sign * (array - bound) / width, DECIMALS) + 0.0
    grouped = group(scaled, clusters=clusters, target=target, weights=weights, down=1.0, up=1.0, cap=max_cluster_effect)
    exact = weights is None and target != "new" and _is_binary(array, binary, score_range)
    return _Prepared(grouped, exact, sign, width)


def _on_scale(result: GateResult, *, bound: float, width: float, sign: float, alpha: float) -> tuple[float, float]:
    """Returns the interval on the scale of the values, on the side of the bound that each p decided."""
    near, far = bound + sign * width * result.low, bound + sign * width * result.high
    near = sign * agree(sign * near, sign * bound, rejected=result.p_pass <= alpha)
    far = -sign * agree(-sign * far, -sign * bound, rejected=result.p_fail <= alpha)
    return (near, far) if sign > 0 else (far, near)


def _check_range(array: FloatArray, bound: float, lowest: float, highest: float) -> None:
    if not lowest < highest:
        raise StatsError(f"score_range must increase, not ({lowest}, {highest})")
    if not lowest <= bound <= highest:
        raise StatsError(f"bound {bound} lies outside the range {lowest} to {highest}")
    if array.min() < lowest or array.max() > highest:
        raise StatsError(f"values reach from {array.min()} to {array.max()}, outside {lowest} to {highest}")


def _is_binary(array: FloatArray, declared: bool | None, score_range: tuple[float, float]) -> bool:
    looks_binary = score_range == (0.0, 1.0) and bool(np.isin(array, (0.0, 1.0)).all())
    if declared and not looks_binary:
        raise StatsError("declared binary, but a value is neither 0 nor 1")
    return looks_binary if declared is None else declared


def _exact(array: FloatArray, grouped: Grouped, *, bound: float, direction: Direction, alpha: float) -> GateResult:
    k, n = round(float(array.sum())), array.size
    above, below = binomial_at_least(k, n, bound), binomial_at_most(k, n, bound)
    p_pass, p_fail = (above, below) if direction == "at_least" else (below, above)
    unprovable = bound == (1.0 if direction == "at_least" else 0.0)
    other, at = grouped.other, grouped.other_target
    return GateResult(
        effect=k / n,
        low=clopper_pearson_lower(k, n, alpha=alpha),
        high=clopper_pearson_upper(k, n, alpha=alpha),
        confidence=1.0 - 2.0 * alpha,
        p_pass=p_pass,
        p_fail=p_fail,
        p_pass_is_bound=False,
        p_fail_is_bound=False,
        null_pass=bound,
        null_fail=bound,
        n_items=n,
        n_clusters=grouped.n_clusters,
        effective_clusters=grouped.effective_clusters,
        target=grouped.target,
        variance=bound * (1.0 - bound) / n,
        method=EXACT_METHOD,
        why="independent binary scores: exact binomial bounds",
        no_evidence=f"no sample can show a rate of exactly {bound:g}" if unprovable else None,
        other_target=at,
        other_target_p_pass=None if other is None else tail_probability(other, 0.0).value,
        other_target_p_fail=None if other is None else tail_probability(other.flipped(), 0.0).value,
    )
