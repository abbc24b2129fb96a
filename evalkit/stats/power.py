"""Planning: items needed, effect that can be seen, and the chance that an unchanged candidate passes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalkit.stats.arrays import as_values, check_level, cluster_codes
from evalkit.stats.binary import clopper_pearson_upper
from evalkit.stats.cluster import linearised_se
from evalkit.stats.errors import StatsError
from evalkit.stats.gate import cluster_sample, tail_probability
from evalkit.stats.special import (
    FloatArray,
    IntArray,
    binomial_pmf,
    binomial_upper_tails,
    normal_quantile,
    t_tails,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike

__all__ = [
    "NeededItems",
    "PassChance",
    "detectable_effect",
    "discordance_upper",
    "min_clusters",
    "needed_items",
    "needed_n",
    "probability_passes",
    "probability_unchanged_passes",
]


def needed_n(variance: float, *, margin: float, effect: float = 0.0, alpha: float = 0.05, power: float = 0.9) -> int:
    """Returns the items a one-sided non-inferiority test needs, by the normal formula.

    Args:
        variance: of one item's difference; psi - effect**2 for binary scores with discordance rate psi.
        margin: non-inferiority margin.
        effect: the true effect the power is asked at (0: an equal candidate).
        alpha: one-sided level.
        power: probability of passing at ``effect``, in (0, 1).

    >>> needed_n(0.15, margin=0.05)  # (1.645 + 1.282)^2 * .15 / .05^2
    514

    Raises:
        StatsError: margin + effect <= 0 (no number is enough), a negative variance, or levels out of range.
    """
    if margin + effect <= 0.0:
        raise StatsError(f"no number of items shows an effect of {effect} to be above {-margin}")
    if variance < 0.0:
        raise StatsError(f"a variance cannot be {variance}")
    return max(math.ceil(_reach(alpha, power) ** 2 * variance / (margin + effect) ** 2), 2)


def _reach(alpha: float, power: float) -> float:
    check_level(alpha)
    if not 0.0 < power < 1.0:
        raise StatsError(f"power must lie strictly between 0 and 1, not {power}")
    return normal_quantile(alpha) - normal_quantile(power)


def detectable_effect(se: float, *, alpha: float = 0.05, power: float = 0.9) -> float:
    """Returns (z_alpha + z_beta) * se: the true effect above a null that is shown with probability ``power``.

    Raises:
        StatsError: a negative standard error or levels out of range.
    """
    if se < 0.0:
        raise StatsError(f"a standard error cannot be {se}")
    return _reach(alpha, power) * se


def discordance_upper(discordant: int, n: int, *, level: float = 0.95) -> float:
    """Returns the one-sided Clopper-Pearson upper bound of the share of items on which two runs differ."""
    return clopper_pearson_upper(discordant, n, alpha=1.0 - level)


@dataclass(frozen=True, slots=True)
class NeededItems:
    """Items needed, planned on the upper bound of the discordance: no difference seen is not 0 items.

    ``design_effect`` is the factor by which clusters inflate the variance (1 without clusters), already in
    ``n`` and ``n_at_observed``; ``detectable`` the effect above the null visible with the items at hand.
    """

    n: int
    n_at_observed: int
    discordance: float
    discordance_upper: float
    design_effect: float
    detectable: float


def needed_items(
    diffs: ArrayLike,
    *,
    margin: float,
    effect: float = 0.0,
    alpha: float = 0.05,
    power: float = 0.9,
    clusters: Iterable[object] | None = None,
) -> NeededItems:
    """Returns the items needed to pass with ``power``, judged from observed differences in [-1, 1].

    The second moment of a difference is its discordance rate times the mean square of the differences that
    are not zero (1 when none is seen); the plan uses the 95 % upper bound of the rate. ``clusters`` are the
    independent units where they are given.

    Raises:
        StatsError: margin + effect <= 0, or the input cannot be analysed.
    """
    array = np.round(as_values(diffs, name="diffs"), 12)
    moving = array[array != 0.0]
    square = float(np.mean(moving * moving)) if moving.size else 1.0
    rate, upper = moving.size / array.size, discordance_upper(moving.size, array.size)
    inflation = _design_effect(array, clusters)

    def required(discordance: float) -> int:
        variance = max(discordance * square - effect * effect, 0.0) * inflation
        return needed_n(variance, margin=margin, effect=effect, alpha=alpha, power=power)

    se = math.sqrt(upper * square * inflation / array.size)
    detectable = detectable_effect(se, alpha=alpha, power=power)
    return NeededItems(required(upper), required(rate), rate, upper, inflation, detectable)


def _design_effect(array: FloatArray, clusters: Iterable[object] | None) -> float:
    if clusters is None:
        return 1.0
    codes, influence = cluster_codes(clusters, array.size), (array - array.mean()) / array.size
    by_item = linearised_se(influence, None, correct=False)
    if by_item == 0.0 or codes.max() < 1:
        return 1.0
    return max((linearised_se(influence, codes) / by_item) ** 2, 1.0)


def min_clusters(margin: float, *, alpha: float = 0.05, max_cluster_effect: float = 1.0) -> int:
    """Returns the clusters below which an equal candidate cannot pass for new clusters of equal size.

    With fewer, a share ``margin`` of clusters could collapse unseen.

    >>> min_clusters(0.05), min_clusters(0.03), min_clusters(0.02)  # log(.05) / log(1 - m)
    (59, 99, 149)

    Raises:
        StatsError: margin outside (0, max_cluster_effect).
    """
    check_level(alpha)
    if not 0.0 < margin < max_cluster_effect:
        raise StatsError(f"margin must lie strictly between 0 and {max_cluster_effect}, not {margin}")
    return math.ceil(math.log(alpha) / math.log1p(-margin / max_cluster_effect))


@dataclass(frozen=True, slots=True)
class PassChance:
    """Probability of passing; ``error`` is the Monte Carlo standard error (0 when computed exactly)."""

    value: float
    error: float
    how: str


def probability_passes(
    n: int,
    psi: float,
    margin: float,
    alpha: float = 0.05,
    *,
    effect: float = 0.0,
    cluster_sizes: ArrayLike | None = None,
    icc: float = 0.0,
    max_cluster_effect: float = 1.0,
    rng: np.random.Generator | None = None,
    n_simulations: int = 400,
) -> PassChance:
    """Returns the probability that the gate passes a candidate whose true effect is ``effect``.

    Without ``cluster_sizes`` the gate on ``n`` independent binary differences is evaluated exactly over all
    counts. With them clusters are the units (target "new") and the gate is simulated with ``rng``.

    Args:
        n: items; ignored where ``cluster_sizes`` are given.
        psi: discordance rate, the share of items on which the runs differ (mean squared difference for other
            scores).
        margin: non-inferiority margin, 0 <= margin < 1.
        alpha: one-sided level.
        effect: true effect, at most ``psi`` in size.
        cluster_sizes: shape (n_clusters,), items in each cluster.
        icc: share of the variance of differences that lies between clusters, 0 <= icc <= psi.
        max_cluster_effect: as in the gate.
        rng: required with ``cluster_sizes``.
        n_simulations: with ``cluster_sizes``.

    Raises:
        StatsError: rates out of range, or clusters without ``rng``.
    """
    check_level(alpha)
    if not (0.0 <= psi <= 1.0 and abs(effect) <= psi and 0.0 <= margin < 1.0 and 0.0 <= icc <= psi):
        raise StatsError(f"need 0 <= icc, |effect| <= psi <= 1 and 0 <= margin < 1: {psi=} {effect=} {margin=} {icc=}")
    if cluster_sizes is None:
        return PassChance(_exact_chance(n, psi, margin, alpha, effect), 0.0, "exact over all discordant counts")
    if rng is None:
        raise StatsError("simulating clusters needs a random generator")
    sizes = as_values(cluster_sizes, name="cluster_sizes").astype(np.int64)
    passed = 0
    for _ in range(n_simulations):
        diffs, codes = _simulated_clusters(sizes, psi, effect, icc, rng)
        sample = cluster_sample(diffs, codes, None, down=1.0, up=1.0, cap=max_cluster_effect)
        passed += tail_probability(sample, -margin).value <= alpha
    share = passed / n_simulations
    error = math.sqrt(max(share * (1 - share), 1 / n_simulations) / n_simulations)
    return PassChance(share, error, f"simulated {n_simulations} times")


def probability_unchanged_passes(
    n: int,
    psi: float,
    margin: float,
    alpha: float = 0.05,
    *,
    cluster_sizes: ArrayLike | None = None,
    icc: float = 0.0,
    max_cluster_effect: float = 1.0,
    rng: np.random.Generator | None = None,
    n_simulations: int = 400,
) -> PassChance:
    """Returns `probability_passes` of an equal candidate (effect 0).

    >>> round(probability_unchanged_passes(300, 0.10, 0.05).value, 2)  # simulation of the gate: .84
    0.84
    """
    return probability_passes(
        n,
        psi,
        margin,
        alpha,
        cluster_sizes=cluster_sizes,
        icc=icc,
        max_cluster_effect=max_cluster_effect,
        rng=rng,
        n_simulations=n_simulations,
    )


def _exact_chance(n: int, psi: float, margin: float, alpha: float, effect: float) -> float:
    if n < 2:
        return 0.0
    spread = 9.0 * math.sqrt(n * psi * (1.0 - psi)) + 30.0
    discordant = np.arange(max(0, math.floor(n * psi - spread)), min(n, math.ceil(n * psi + spread)) + 1)
    wins = _fewest_wins(discordant, n, margin, alpha)
    win_share = 0.5 * (1.0 + effect / psi) if psi > 0.0 else 0.5
    return float(binomial_pmf(discordant, n, psi) @ binomial_upper_tails(wins, discordant, win_share))


def _fewest_wins(discordant: IntArray, n: int, margin: float, alpha: float) -> IntArray:
    """Smallest b that passes at each b + c (b + c + 1 if none does); p falls as b grows with b + c fixed."""
    low, high = np.zeros_like(discordant), discordant + 1
    while (low < high).any():
        middle = (low + high) // 2
        passes = (middle <= discordant) & (_binary_p(middle, discordant - middle, n, -margin) <= alpha)
        low, high = np.where(passes | (low >= high), low, middle + 1), np.where(passes, middle, high)
    return low


def _binary_p(b: IntArray, c: IntArray, n: int, null: float) -> FloatArray:
    """The gate's p on binary item differences over arrays of counts (Tango's restricted estimate)."""
    linear = -b - c + (2 * n - b + c) * null
    root = np.sqrt(np.maximum(linear * linear + 8 * n * c * null * (1 - null), 0.0))
    variance = np.maximum(2 * (root - linear) / (4 * n) + null * (1 - null), 1e-300) / n
    excess = np.maximum((b - c) / n - null, 0.0)
    floor = np.exp(-n * np.log1p(excess / (1.0 + null)))
    tails: FloatArray = np.maximum(t_tails(excess / np.sqrt(variance), max(n - 1, 1)), floor)
    return tails


def _simulated_clusters(
    sizes: IntArray, psi: float, effect: float, icc: float, rng: np.random.Generator
) -> tuple[FloatArray, IntArray]:
    shift = rng.choice((-1.0, 1.0), size=sizes.size) * math.sqrt(icc * psi)
    codes = np.repeat(np.arange(sizes.size), sizes)
    win = np.clip(0.5 * (psi + effect + shift), 0.0, psi)[codes]
    draws = rng.random(codes.size)
    return (draws < win).astype(np.float64) - ((draws >= win) & (draws < psi)), codes
