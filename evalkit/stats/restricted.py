"""The restricted score: variance of a mean under H0 ``mean <= null``, with an unseen worst loss.

The distribution closest to the sample (empirical likelihood) whose mean is the null is found; what the sample
cannot supply is an atom at the worst loss a unit can have. Its variance replaces the sample variance, which
is zero exactly when it is needed most. On differences in {-1, 0, 1} with one item a unit it is Tango's
restricted variance.

Ref: Tango T. (1998), Statistics in Medicine 17:891-908, eq. (5)-(8) (restricted variance, binary pairs). Owen
A. (2001), Empirical Likelihood, ch. 2 (the dual root). Hanley J., Lippman-Hand A. (1983), JAMA 249:1743-1745
(rule of three, which the floor generalises). Bell R., McCaffrey D. (2002), Survey Methodology 28:169-181
(degrees of freedom of `jackknife`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from evalkit.stats.special import FloatArray, IntArray, t_tail

__all__ = ["NO_EFFECT", "Jackknife", "Restricted", "Units", "jackknife", "restricted_variance", "score_tail"]

NO_EFFECT = 1e-12
_NARROW = 1e-15
_TILT_STEP = 1e-12  # Newton converges quadratically: the step after this one would be lost in rounding


@dataclass(frozen=True, slots=True)
class Units:
    """Independent units: ``sizes`` n_g, ``totals`` S_g and ``counts`` (of equal pairs), all of one shape.

    Items of one size are stored once a distinct value, which makes discrete scores cheap at any number of
    items.
    """

    sizes: FloatArray
    totals: FloatArray
    counts: FloatArray
    n_units: int
    total_size: float
    mean: float
    mean_size: float
    effective: float

    @classmethod
    def of(cls, sizes: FloatArray, totals: FloatArray, counts: FloatArray) -> Units:
        """Returns the units with N, the mean, the size-weighted mean size and G* = N / mean size."""
        n_units = round(float(counts.sum()))
        total_size = float(counts @ sizes)
        mean_size = float(counts @ (sizes * sizes)) / total_size
        mean = float(counts @ totals) / total_size
        return cls(sizes, totals, counts, n_units, total_size, mean, mean_size, total_size / mean_size)

    @classmethod
    def items(cls, diffs: FloatArray, weights: FloatArray | None) -> Units:
        """Returns one unit an item; ``weights`` have mean 1 or are None."""
        if weights is None:
            values, counts = np.unique(diffs, return_counts=True)
            return cls.of(np.ones_like(values), values, counts.astype(np.float64))
        return cls.of(weights, weights * diffs, np.ones_like(diffs))

    @classmethod
    def clusters(cls, diffs: FloatArray, codes: IntArray, weights: FloatArray | None) -> Units:
        """Returns one unit a cluster; ``codes`` run from 0 to G-1."""
        weight = np.ones_like(diffs) if weights is None else weights
        sizes = np.bincount(codes, weights=weight).astype(np.float64)
        totals = np.bincount(codes, weights=weight * diffs).astype(np.float64)
        return cls.of(sizes, totals, np.ones_like(sizes))

    def negated(self) -> Units:
        """Returns the units of the opposite difference."""
        return Units.of(self.sizes, -self.totals, self.counts)


@dataclass(frozen=True, slots=True)
class Restricted:
    """Variance of the mean under the null, and the worst loss of a unit's total it allows for."""

    variance: float
    worst_loss: float


def _tilt(scaled: FloatArray, counts: FloatArray) -> float:
    """Root s in (0, 1) of sum(c y / (1 + s y)) for y >= -1 with a positive sum, or 1 when there is none."""
    lowest = float(scaled.min())
    if lowest > -1.0 and float(counts @ (scaled / (1.0 + scaled))) >= 0.0:
        return 1.0
    low, high = 0.0, 1.0
    tilt = min(float(counts @ scaled) / float(counts @ (scaled * scaled)), 0.5)
    while high - low > _NARROW * high:  # ends: every step lies strictly inside the bracket and becomes an end of it
        ratio = scaled / (1.0 + tilt * scaled)
        weighted = counts * ratio
        slope_at = float(weighted.sum())
        low, high = (tilt, high) if slope_at > 0 else (low, tilt)
        step = tilt + slope_at / float(weighted @ ratio)
        if abs(step - tilt) <= _TILT_STEP * tilt + _NARROW:
            return tilt
        tilt = step if low < step < high else 0.5 * (low + high)
    return tilt


def restricted_variance(units: Units, null: float, *, worst: float) -> Restricted:
    """Returns the variance of the mean of ``units`` under mean = ``null``.

    Args:
        units: with mean above ``null``.
        null: the mean under the null hypothesis, above ``-worst``.
        worst: largest loss of one unit's mean that is possible (k); the unseen atom sits there.
    """
    deviations = units.totals - units.sizes * null
    loss = max((worst + null) * units.mean_size, -float(deviations.min()))
    scaled = deviations / loss
    tilt = _tilt(scaled, units.counts)
    shares = units.counts / (units.n_units * (1.0 + tilt * scaled))
    unseen = max(0.0, 1.0 - float(shares.sum())) if tilt == 1.0 else 0.0
    second_moment = float(shares @ (scaled * scaled)) + unseen
    return Restricted(units.n_units * second_moment * loss * loss / units.total_size**2, loss)


def score_tail(units: Units, null: float, variance: float, worst_loss: float) -> float:
    """Returns max(t tail, rule-of-three floor) for H0 mean <= ``null``; needs a mean above ``null``."""
    excess = units.mean - null
    tail = t_tail(excess / math.sqrt(variance), max(units.effective - 1.0, 1.0))
    floor = math.exp(-units.effective * math.log1p(excess * units.mean_size / worst_loss))
    return max(tail, floor)


@dataclass(frozen=True, slots=True)
class Jackknife:
    """Leave-one-unit-out variance of the mean and its degrees of freedom."""

    variance: float
    df: float


def jackknife(units: Units) -> Jackknife | None:
    """Returns the leave-one-out variance with Satterthwaite degrees of freedom, or None when it is zero.

    The degrees of freedom assume unit totals with variance proportional to n_g squared (full correlation
    within a unit); both traces are evaluated in closed form, O(G).
    """
    share = units.sizes / units.total_size
    if float(share.max()) >= 1.0:
        return None
    inverse, counts = 1.0 / (1.0 - share), units.counts
    residuals = (units.totals - units.sizes * units.mean) * inverse
    variance = float(counts @ (residuals * residuals)) / units.total_size**2
    if variance <= 0.0:
        return None
    spread = units.sizes * units.sizes
    a, b, total = share * inverse, spread * inverse, float(counts @ spread)
    diagonal, low_rank = b * inverse, a * (total * a - 2.0 * b)
    aa, ab, bb = float(counts @ (a * a)), float(counts @ (a * b)), float(counts @ (b * b))
    trace = float(counts @ (diagonal + low_rank))
    square = float(counts @ (diagonal * (diagonal + 2.0 * low_rank)))
    square += 2.0 * ab * ab + 2.0 * aa * bb - 4.0 * total * ab * aa + (total * aa) ** 2
    return Jackknife(variance, trace * trace / square)
