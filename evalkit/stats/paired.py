"""Differences without a known range: the t test against a margin, and sign-flip tests of "no difference".

Bounded scores use `gate.gate_test`; ratios of cost or latency use `ratio.ratio_gate`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalkit.stats.arrays import as_values, check_level, cluster_codes
from evalkit.stats.errors import StatsError
from evalkit.stats.estimate import Test
from evalkit.stats.gate import DECIMALS, GateResult
from evalkit.stats.restricted import Units, jackknife
from evalkit.stats.special import FloatArray, IntArray, t_quantile, t_tail

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from evalkit.stats.gate import Target

__all__ = [
    "T_METHOD",
    "Spread",
    "deciding_codes",
    "mean_gate",
    "mean_spread",
    "paired_t_p",
    "sign_flip_exact",
    "sign_flip_random",
    "unbounded_gate",
]

T_METHOD = "t/1"
_FEW_UNITS = 30
_EXACT_FLIPS = 20
_BLOCK = 1 << 14


def deciding_codes(clusters: Iterable[object] | None, target: Target, n: int) -> tuple[IntArray | None, int | None]:
    """Returns the codes of the deciding units (None: items) and the number of clusters (None: none).

    Raises:
        StatsError: target and clusters disagree.
    """
    if clusters is None:
        if target != "items":
            raise StatsError(f'target "{target}" needs a cluster label for every item')
        return None, None
    if target == "items":
        raise StatsError('items carry clusters: say whether the target is "these" clusters or "new" ones')
    codes = cluster_codes(clusters, n)
    return (codes if target == "new" else None), int(codes.max()) + 1


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard error of a mean (0 without variation or with one unit), its df and effective units."""

    se: float
    df: float
    effective: float


def mean_spread(array: FloatArray, codes: IntArray | None) -> Spread:
    """Returns s / sqrt(n) with df n - 1, or for clusters the leave-one-cluster-out standard error.

    The latter, with Satterthwaite df, is less liberal than CR1 with few or unequal clusters.
    """
    if codes is None:
        se = float(array.std(ddof=1)) / math.sqrt(array.size) if array.size > 1 else 0.0
        return Spread(se, max(array.size - 1.0, 1.0), float(array.size))
    units = Units.clusters(array, codes, None)
    spread = jackknife(units)
    if spread is None:
        return Spread(0.0, max(units.effective - 1.0, 1.0), units.effective)
    return Spread(math.sqrt(spread.variance), spread.df, units.effective)


def paired_t_p(diffs: ArrayLike, *, null: float) -> float:
    """Returns the one-sided p of the paired t test of H0 mean <= ``null``; ``diffs`` of shape (n_pairs,).

    Raises:
        StatsError: fewer than two pairs, or all differences equal (a zero variance proves nothing).
    """
    array = as_values(diffs, name="diffs")
    if array.size < 2:
        raise StatsError("a t test needs at least two pairs")
    se = float(array.std(ddof=1)) / array.size**0.5
    if se <= 0.0:
        raise StatsError("all differences are equal: a t test has no variance to work with")
    return t_tail((float(array.mean()) - null) / se, array.size - 1)


def mean_gate(
    values: ArrayLike,
    *,
    null_pass: float,
    null_fail: float,
    alpha: float = 0.05,
    clusters: Iterable[object] | None = None,
    target: Target = "items",
) -> GateResult:
    """Returns both p values and the t interval of a mean without a known range.

    ``p_pass`` tests H0 mean <= ``null_pass``, ``p_fail`` H0 mean >= ``null_fail`` (negate values and nulls
    where lower is better). Below about 30 units, or with heavy tails, the level is only approximate, and
    ``why`` says so. With fewer than two units, or without any variation, nothing can be rejected: nothing
    bounds what an unseen unit does.

    Raises:
        StatsError: the input cannot be analysed.
    """
    check_level(alpha)
    array = np.round(as_values(values), DECIMALS)
    codes, n_clusters = deciding_codes(clusters, target, array.size)
    mean = float(array.mean())
    n_units = array.size if codes is None else n_clusters or 0
    spread = mean_spread(array, codes)
    se, df = spread.se, spread.df
    reason = _no_evidence(n_units, se, scale=float(np.abs(array).max()))
    reach = t_quantile(alpha, df) * se
    return GateResult(
        effect=mean,
        low=-math.inf if reason else mean - reach,
        high=math.inf if reason else mean + reach,
        confidence=1.0 - 2.0 * alpha,
        p_pass=1.0 if reason else t_tail((mean - null_pass) / se, df),
        p_fail=1.0 if reason else t_tail((null_fail - mean) / se, df),
        p_pass_is_bound=False,
        p_fail_is_bound=False,
        null_pass=null_pass,
        null_fail=null_fail,
        n_items=array.size,
        n_clusters=n_clusters,
        effective_clusters=spread.effective,
        target=target,
        variance=se * se,
        method=T_METHOD if codes is None else f"cluster-{T_METHOD}",
        why=_why(n_units, codes is not None),
        no_evidence=reason,
    )


def _no_evidence(n_units: int, se: float, *, scale: float) -> str | None:
    if n_units < 2:
        return "fewer than two independent units: their spread is unknown"
    if se <= 1e-12 * max(scale, 1e-300):
        return "all values are equal and have no declared range: nothing bounds what an unseen unit does"
    return None


def _why(n_units: int, clustered: bool) -> str:
    test = "cluster-robust t test" if clustered else "t test"
    caution = f"; only {n_units} units, so the level is approximate" if n_units < _FEW_UNITS else ""
    return f"{test}: the values have no declared range{caution}"


def unbounded_gate(
    diffs: ArrayLike,
    *,
    margin: float,
    alpha: float = 0.05,
    clusters: Iterable[object] | None = None,
    target: Target = "items",
) -> GateResult:
    """Returns `mean_gate` of candidate-minus-baseline differences (higher is better) at -margin and 0.

    Raises:
        StatsError: a negative margin, or the input cannot be analysed.
    """
    if margin < 0.0:
        raise StatsError(f"margin must not be negative, got {margin}")
    return mean_gate(diffs, null_pass=-margin, null_fail=0.0, alpha=alpha, clusters=clusters, target=target)


def sign_flip_exact(diffs: ArrayLike) -> Test:
    """Returns the exact two-sided sign-flip test of symmetry around 0: all 2^n flips, n <= 20.

    Zeros are left out (flipping them changes nothing); without any other value p = 1.

    Raises:
        StatsError: more than 20 differences that are not zero.

    Ref: Fisher R. (1935), The Design of Experiments, section 21.
    """
    moving = _moving(diffs)
    if moving.size > _EXACT_FLIPS:
        raise StatsError(f"{moving.size} differences are too many for all flips (limit {_EXACT_FLIPS})")
    flips = np.arange(1 << moving.size, dtype=np.int64)
    extreme = 0
    for start in range(0, flips.size, _BLOCK):
        signs = 1.0 - 2.0 * ((flips[start : start + _BLOCK, None] >> np.arange(moving.size)) & 1)
        extreme += _count_extreme(signs, moving)
    return Test(extreme / flips.size, "sign-flip-exact", float(moving.sum()) / np.size(diffs))


def sign_flip_random(diffs: ArrayLike, rng: np.random.Generator, *, n_flips: int = 9999) -> Test:
    """Returns the two-sided sign-flip test from ``n_flips`` random flips and the observed one (never 0).

    Ref: Phipson B., Smyth G. (2010), Statistical Applications in Genetics and Molecular Biology 9:39.
    """
    moving = _moving(diffs)
    extreme, left = 1, n_flips
    while left:
        block = min(left, max(1, (_BLOCK * 64) // max(moving.size, 1)))
        extreme += _count_extreme(rng.integers(0, 2, size=(block, moving.size)) * 2.0 - 1.0, moving)
        left -= block
    return Test(extreme / (n_flips + 1), "sign-flip-random", float(moving.sum()) / np.size(diffs))


def _moving(diffs: ArrayLike) -> FloatArray:
    array = np.round(as_values(diffs, name="diffs"), DECIMALS)
    moving: FloatArray = array[array != 0.0]
    return moving


def _count_extreme(signs: NDArray[np.floating], moving: FloatArray) -> int:
    observed = abs(float(moving.sum()))
    return int((np.abs(signs @ moving) >= observed - 1e-9 * max(observed, 1e-300)).sum())
