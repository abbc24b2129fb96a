"""Binary scores: intervals for one rate, the paired difference of two rates, McNemar's tests.

``b`` counts the items only the candidate has right, ``c`` those only the baseline has right; ``n`` all pairs.
The gate itself is `gate.gate_test`, whose variance on binary differences is Tango's; this module holds the
textbook methods by name.
"""

from __future__ import annotations

import math

from evalkit.stats.errors import StatsError
from evalkit.stats.estimate import Interval, Test
from evalkit.stats.special import (
    beta_quantile,
    binomial_at_least,
    binomial_at_most,
    bracketed_root,
    chi2_tail,
    normal_quantile,
    normal_tail,
)

__all__ = [
    "clopper_pearson",
    "clopper_pearson_lower",
    "clopper_pearson_upper",
    "mcnemar_chi2",
    "mcnemar_exact",
    "mcnemar_exact_one_sided",
    "mcnemar_midp",
    "newcombe_paired",
    "tango_interval",
    "tango_p",
    "tango_variance",
    "tango_z",
    "wilson",
]


def _check_count(k: int, n: int) -> None:
    if n < 1 or not 0 <= k <= n:
        raise StatsError(f"{k} successes of {n} trials: need 0 <= k <= n and n >= 1")


def _check_pairs(b: int, c: int, n: int) -> None:
    if n < 1 or min(b, c) < 0 or b + c > n:
        raise StatsError(f"b = {b}, c = {c}, n = {n}: need b, c >= 0, b + c <= n and n >= 1")


def _check_alpha(alpha: float) -> None:
    if not 0.0 < alpha < 1.0:
        raise StatsError(f"alpha must lie strictly between 0 and 1, not {alpha}")


def wilson(k: int, n: int, *, alpha: float = 0.05) -> Interval:
    """Returns the two-sided Wilson score interval of level 1 - alpha for k successes of n.

    >>> interval = wilson(7, 20)
    >>> round(interval.low, 4), round(interval.high, 4)  # statsmodels proportion_confint(method="wilson")
    (0.1812, 0.5671)

    Raises:
        StatsError: k outside 0..n, n < 1 or alpha outside (0, 1).

    Ref: Wilson E. (1927), JASA 22:209-212.
    """
    _check_count(k, n)
    _check_alpha(alpha)
    z2 = normal_quantile(alpha / 2) ** 2
    rate = k / n
    centre = (k + z2 / 2) / (n + z2)
    half = math.sqrt(z2 * (rate * (1 - rate) * n + z2 / 4)) / (n + z2)
    low = 0.0 if k == 0 else centre - half
    high = 1.0 if k == n else centre + half
    return Interval(rate, low, high, 1 - alpha, "wilson")


def clopper_pearson_lower(k: int, n: int, *, alpha: float = 0.05) -> float:
    """Returns the one-sided exact lower bound: P(X >= k | bound) = alpha; 0 when k = 0."""
    _check_count(k, n)
    _check_alpha(alpha)
    return 0.0 if k == 0 else beta_quantile(alpha, k, n - k + 1)


def clopper_pearson_upper(k: int, n: int, *, alpha: float = 0.05) -> float:
    """Returns the one-sided exact upper bound: P(X <= k | bound) = alpha; 1 when k = n."""
    return 1.0 - clopper_pearson_lower(n - k, n, alpha=alpha)


def clopper_pearson(k: int, n: int, *, alpha: float = 0.05) -> Interval:
    """Returns the two-sided exact interval of level at least 1 - alpha.

    >>> round(clopper_pearson(0, 30).high, 6)  # statsmodels proportion_confint(method="beta")
    0.115703

    Raises:
        StatsError: k outside 0..n, n < 1 or alpha outside (0, 1).

    Ref: Clopper C., Pearson E. (1934), Biometrika 26:404-413.
    """
    low = clopper_pearson_lower(k, n, alpha=alpha / 2)
    return Interval(k / n, low, clopper_pearson_upper(k, n, alpha=alpha / 2), 1 - alpha, "clopper-pearson")


def tango_variance(b: int, c: int, n: int, *, null: float) -> float:
    """Returns the variance of (b - c) / n under a true difference of ``null`` (restricted likelihood).

    Zero only where the restricted estimate puts every pair in one cell (for example b = c = 0 at null 0).

    Ref: Tango T. (1998), Statistics in Medicine 17:891-908, eq. (5)-(8).
    """
    _check_pairs(b, c, n)
    linear = -b - c + (2 * n - b + c) * null
    constant = -c * null * (1 - null)
    only_baseline = (math.sqrt(max(linear * linear - 8 * n * constant, 0.0)) - linear) / (4 * n)
    return max(2 * only_baseline + null * (1 - null), 0.0) / n


def tango_z(b: int, c: int, n: int, *, null: float) -> float:
    """Returns Tango's score statistic for a true difference ``null`` in (-1, 1); 0 at the estimate.

    >>> round(tango_z(40, 20, 160, null=-0.05), 6)
    3.56133
    """
    if not -1.0 < null < 1.0:
        raise StatsError(f"null must lie in (-1, 1), not {null}")
    excess = (b - c) / n - null
    variance = tango_variance(b, c, n, null=null)
    if abs(excess) <= 1e-15:
        return 0.0
    return excess / math.sqrt(variance)


def tango_p(b: int, c: int, n: int, *, margin: float) -> float:
    """Returns the one-sided p value of H0: candidate rate minus baseline rate <= -margin."""
    return normal_tail(tango_z(b, c, n, null=-margin))


def tango_interval(b: int, c: int, n: int, *, alpha: float = 0.05) -> Interval:
    """Returns the two-sided Tango score interval of level 1 - alpha for (b - c) / n.

    Valid without any discordant pair, where Wald and t intervals have width zero.

    Raises:
        StatsError: impossible counts or alpha outside (0, 1).
    """
    _check_pairs(b, c, n)
    _check_alpha(alpha)
    estimate, level, edge = (b - c) / n, normal_quantile(alpha / 2), 1.0 - 1e-12
    low, high = -1.0, 1.0
    if c < n:
        low = bracketed_root(lambda null: tango_z(b, c, n, null=null) - level, -edge, min(estimate, edge))
    if b < n:
        high = bracketed_root(lambda null: tango_z(b, c, n, null=null) + level, max(estimate, -edge), edge)
    return Interval(estimate, low, high, 1 - alpha, "tango")


def newcombe_paired(
    both: int, only_baseline: int, only_candidate: int, neither: int, *, alpha: float = 0.05
) -> Interval:
    """Returns Newcombe's square-and-add interval (method 10) for candidate rate minus baseline rate.

    Args:
        both: pairs both have right.
        only_baseline: pairs only the baseline has right.
        only_candidate: pairs only the candidate has right.
        neither: pairs both have wrong.
        alpha: two-sided level.

    Ref: Newcombe R. (1998), Statistics in Medicine 17:2635-2650, method 10.
    """
    n = both + only_baseline + only_candidate + neither
    _check_pairs(only_candidate, only_baseline, n)
    first = wilson(both + only_candidate, n, alpha=alpha)
    second = wilson(both + only_baseline, n, alpha=alpha)
    correlation = _continuity_phi(both, only_baseline, only_candidate, neither)
    effect = first.estimate - second.estimate

    def reach(down: float, up: float) -> float:
        return math.sqrt(max(down * down - 2 * correlation * down * up + up * up, 0.0))

    low = effect - reach(first.estimate - first.low, second.high - second.estimate)
    high = effect + reach(first.high - first.estimate, second.estimate - second.low)
    return Interval(effect, low, high, 1 - alpha, "newcombe-10")


def _continuity_phi(both: int, only_baseline: int, only_candidate: int, neither: int) -> float:
    product = (both + only_candidate) * (only_baseline + neither) * (both + only_baseline) * (only_candidate + neither)
    if product == 0:
        return 0.0
    n = both + only_baseline + only_candidate + neither
    cross = float(both * neither - only_baseline * only_candidate)
    corrected = max(cross - n / 2, 0.0) if cross > 0 else cross
    return corrected / math.sqrt(product)


def mcnemar_exact(b: int, c: int) -> Test:
    """Returns the exact two-sided McNemar test; p = 1 without discordant pairs.

    Ref: McNemar Q. (1947), Psychometrika 12:153-157 (exact binomial form).
    """
    _check_pairs(b, c, max(b + c, 1))
    return Test(min(1.0, 2 * binomial_at_most(min(b, c), b + c, 0.5)), "mcnemar-exact")


def mcnemar_exact_one_sided(b: int, c: int) -> Test:
    """Returns the exact test of H0 "not worse": P(c or more of b + c discordant pairs are losses)."""
    _check_pairs(b, c, max(b + c, 1))
    return Test(binomial_at_least(c, b + c, 0.5), "mcnemar-exact-one-sided")


def mcnemar_midp(b: int, c: int) -> Test:
    """Returns the two-sided mid-p McNemar test; p = 1 without discordant pairs, 1 - pmf/2 when b = c.

    Ref: Fagerland M., Lydersen S., Laake P. (2013), BMC Medical Research Methodology 13:91.
    """
    _check_pairs(b, c, max(b + c, 1))
    if b + c == 0:
        return Test(1.0, "mcnemar-midp")
    smaller, n = min(b, c), b + c
    at_point = binomial_at_most(smaller, n, 0.5) - (binomial_at_most(smaller - 1, n, 0.5) if smaller else 0.0)
    if b == c:
        return Test(1.0 - 0.5 * at_point, "mcnemar-midp")
    return Test(min(1.0, 2 * binomial_at_most(smaller, n, 0.5) - at_point), "mcnemar-midp")


def mcnemar_chi2(b: int, c: int) -> Test:
    """Returns the McNemar test without continuity correction; no statistic and p = 1 when b + c = 0."""
    _check_pairs(b, c, max(b + c, 1))
    if b + c == 0:
        return Test(1.0, "mcnemar-chi2")
    statistic = (b - c) ** 2 / (b + c)
    return Test(chi2_tail(statistic, 1), "mcnemar-chi2", statistic)
