"""Simulated error rates and coverage of the methods beside the gate, printed for docs/statistics.md.

Run ``python -m tests.stat.simulate_methods [reps]`` from the repository's root; the seed is fixed.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from evalkit.stats import (
    bootstrap_mean,
    gate_test,
    hajek_mean,
    mcnemar_exact,
    mcnemar_midp,
    mean_gate,
    mean_interval,
    p_from_null,
    p_value,
    ratio_gate,
    ratio_of_sums,
    tango_interval,
    wilson,
)
from evalkit.stats.judge import ppi_mean, rogan_gladen
from evalkit.stats.ratio import Mean
from tests.stat.simulate import SEED

if TYPE_CHECKING:
    from collections.abc import Callable

    Trial = Callable[[np.random.Generator], bool]


def bounded_rule(n: int, direction: str) -> Trial:
    """A bounded score (four fifths are 1, the rest uniform; mean .9) against its true mean."""

    def trial(rng: np.random.Generator) -> bool:
        values = np.where(rng.random(n) < 0.8, 1.0, rng.uniform(0, 1, n))
        way = "at_least" if direction == "at_least" else "at_most"
        return p_from_null(values, bound=0.9, direction=way, binary=False).value <= 0.05  # type: ignore[arg-type]

    return trial


def clustered_rule(n_clusters: int) -> Trial:
    """A binary score in clusters of 8 with beta-distributed rates (mean .9) against at_least .9, new clusters."""

    def trial(rng: np.random.Generator) -> bool:
        codes = np.repeat(np.arange(n_clusters), 8)
        hits = (rng.random(codes.size) < rng.beta(9, 1, n_clusters)[codes]).astype(float)
        return p_from_null(hits, bound=0.9, direction="at_least", clusters=codes, target="new").value <= 0.05

    return trial


def weighted_items(n: int, spread: float) -> Trial:
    """Binary differences with log-normal weights at a true effect of -margin."""

    def trial(rng: np.random.Generator) -> bool:
        u = rng.random(n)
        diffs = (u < 0.075).astype(float) - ((u >= 0.075) & (u < 0.2))
        return p_value(diffs, -0.05, weights=rng.lognormal(0, spread, n)).value <= 0.05

    return trial


def ratio_rule(n: int, noise: float, mean: Mean, *, fail: bool) -> Trial:
    """Costs log-normal over items (sigma 1) and ratios log-normal (sigma ``noise``), at the null of pass or fail."""

    def trial(rng: np.random.Generator) -> bool:
        baseline = rng.lognormal(0, 1, n)
        shift = -noise * noise / 2 if mean == "arithmetic" else 0.0
        candidate = baseline * rng.lognormal(shift, noise, n) * (1.0 if fail else 1.2)
        result = ratio_gate(candidate, baseline, max_ratio=1.2, mean=mean)
        return (result.p_fail if fail else result.p_pass) <= 0.05

    return trial


def slow_tail(n_clusters: int, size: int) -> Trial:
    """Log-normal latency, half of its log-variance between clusters, against its true 95th percentile."""
    quantile = float(np.exp(1.6448536269514722))

    def trial(rng: np.random.Generator) -> bool:
        n = n_clusters * size
        shared = np.repeat(rng.normal(0, 0.5**0.5, n_clusters), size) if size > 1 else rng.normal(0, 0.5**0.5, n)
        exceeds = (np.exp(shared + rng.normal(0, 0.5**0.5, n)) > quantile).astype(float)
        codes = np.repeat(np.arange(n_clusters), size) if size > 1 else None
        target = "new" if size > 1 else "items"
        return (
            p_from_null(exceeds, bound=0.05, direction="at_most", clusters=codes, target=target).value <= 0.05  # type: ignore[arg-type]
        )

    return trial


def unbounded(n: int, sigma: float) -> Trial:
    """Log-normal differences (skewed) minus their mean, at the null of pass."""

    def trial(rng: np.random.Generator) -> bool:
        values = float(np.exp(sigma * sigma / 2)) - rng.lognormal(0, sigma, n)
        return mean_gate(values, null_pass=0.0, null_fail=0.0).p_pass <= 0.05

    return trial


def wilson_covers(n: int, rate: float) -> Trial:
    """Wilson's 95 % interval."""

    def trial(rng: np.random.Generator) -> bool:
        interval = wilson(int(rng.binomial(n, rate)), n)
        return interval.low <= rate <= interval.high

    return trial


def tango_covers(n: int, psi: float, effect: float) -> Trial:
    """Tango's 95 % interval."""

    def trial(rng: np.random.Generator) -> bool:
        b, c, _ = rng.multinomial(n, [(psi + effect) / 2, (psi - effect) / 2, 1 - psi])
        interval = tango_interval(int(b), int(c), n)
        return interval.low <= effect <= interval.high

    return trial


def gate_covers(n: int, psi: float, effect: float) -> Trial:
    """The gate's two-sided 95 % interval (alpha .025 a side) on binary items."""

    def trial(rng: np.random.Generator) -> bool:
        b, c, rest = rng.multinomial(n, [(psi + effect) / 2, (psi - effect) / 2, 1 - psi])
        result = gate_test(np.repeat([1.0, -1.0, 0.0], [b, c, rest]), margin=0.05, alpha=0.025)
        return result.low <= effect <= result.high

    return trial


def cluster_mean_covers(n_clusters: int, *, clustered: bool) -> Trial:
    """Mean of 10 items a cluster, intraclass correlation .2, with or without clusters in the standard error."""

    def trial(rng: np.random.Generator) -> bool:
        codes = np.repeat(np.arange(n_clusters), 10)
        values = rng.normal(0, 0.2**0.5, n_clusters)[codes] + rng.normal(0, 0.8**0.5, codes.size)
        interval = mean_interval(values, clusters=codes if clustered else None)
        return interval.low is not None and interval.high is not None and interval.low <= 0 <= interval.high

    return trial


def hajek_covers(n: int) -> Trial:
    """Scores drawn with probability rising from .02 to .10 with the score; population of 20 n."""

    def trial(rng: np.random.Generator) -> bool:
        population = rng.uniform(size=20 * n)
        share = 0.02 + 0.06 * population
        chosen = rng.random(population.size) < share
        interval = hajek_mean(population[chosen], 1 / share[chosen])
        return interval.low is not None and interval.high is not None and interval.low <= 0.5 <= interval.high

    return trial


def bootstrap_covers(n: int) -> Trial:
    """Percentile bootstrap of an exponential mean."""

    def trial(rng: np.random.Generator) -> bool:
        interval = bootstrap_mean(rng.exponential(size=n), rng, n_resamples=499)
        return interval.low <= 1 <= interval.high

    return trial


def mcnemar_rejects(n: int, psi: float, *, exact: bool) -> Trial:
    """McNemar's tests when nothing differs."""

    def trial(rng: np.random.Generator) -> bool:
        discordant = int(rng.binomial(n, psi))
        b = int(rng.binomial(discordant, 0.5))
        test = mcnemar_exact if exact else mcnemar_midp
        return test(b, discordant - b).p_value <= 0.05

    return trial


def delta_ratio(n: int, noise: float) -> Trial:
    """The delta-method t test in the situation of `ratio_rule`: the method the gate replaces."""

    def trial(rng: np.random.Generator) -> bool:
        baseline = rng.lognormal(0, 1, n)
        candidate = baseline * rng.lognormal(-noise * noise / 2, noise, n) * 1.2
        result = ratio_of_sums(candidate, baseline, alpha=0.1)
        return result.high is not None and result.high < 1.2

    return trial


def judged_mean_covers(n_labelled: int, method: str) -> Trial:
    """Binary labels (rate .7), a judge wrong on 5 % of passes and 20 % of failures, 1,000 unlabelled items."""

    def trial(rng: np.random.Generator) -> bool:
        truth = (rng.random(n_labelled + 1000) < 0.7).astype(float)
        wrong = rng.random(truth.size) < np.where(truth > 0, 0.05, 0.20)
        judged = np.where(wrong, 1 - truth, truth)
        labels, f, other = truth[:n_labelled], judged[:n_labelled], judged[n_labelled:]
        if method == "human labels alone":
            plain = mean_interval(labels)
            return plain.low is not None and plain.high is not None and plain.low <= 0.7 <= plain.high
        if method == "judge alone":
            plain = mean_interval(judged)
            return plain.low is not None and plain.high is not None and plain.low <= 0.7 <= plain.high
        interval = ppi_mean(labels, f, other, tuning="pooled" if method == "PPI pooled" else "leave-one-out")
        return interval.low <= 0.7 <= interval.high

    return trial


def corrected_rate_covers(n_each: int) -> Trial:
    """Rogan-Gladen on 1,000 outputs (rate .7, sensitivity .95, specificity .8), ``n_each`` labels a class."""

    def trial(rng: np.random.Generator) -> bool:
        judged = rng.binomial(1000, 0.7 * 0.95 + 0.3 * 0.2) / 1000
        result = rogan_gladen(
            judged,
            sensitivity=rng.binomial(n_each, 0.95) / n_each,
            specificity=rng.binomial(n_each, 0.8) / n_each,
            n=1000,
            n_positive=n_each,
            n_negative=n_each,
        )
        return result.low <= 0.7 <= result.high

    return trial


def rows() -> list[tuple[str, str, Trial]]:
    """Every row: method, situation, and a trial that is an error (rates) or a hit (coverage)."""
    out: list[tuple[str, str, Trial]] = []
    for n in (20, 50, 100, 300):
        out.append(("type I, bounded score at_least its mean", f"n={n}", bounded_rule(n, "at_least")))
        out.append(("type I, bounded score at_most its mean", f"n={n}", bounded_rule(n, "at_most")))
    out += [("type I, clustered binary at_least", f"G={g}", clustered_rule(g)) for g in (40, 80, 160)]
    for n in (30, 100, 300):
        out += [("type I, weighted items", f"n={n} sigma={s}", weighted_items(n, s)) for s in (0.7, 1.2)]
    for n in (20, 50, 100, 300):
        for noise in (0.3, 0.8):
            place = f"n={n} sigma={noise}"
            out.append(("type I, cost ratio, pass", place, ratio_rule(n, noise, "arithmetic", fail=False)))
            out.append(("type I, cost ratio, fail", place, ratio_rule(n, noise, "arithmetic", fail=True)))
        out.append(("type I, latency ratio, pass", f"n={n} sigma=0.8", ratio_rule(n, 0.8, "geometric", fail=False)))
    out += [("type I, p95 at_most", f"n={n}", slow_tail(n, 1)) for n in (60, 200, 1000)]
    out += [("type I, p95 at_most, new clusters", f"G={g} of 10", slow_tail(g, 10)) for g in (60, 200)]
    out += [("type I, t on unbounded values", f"n={n} sigma={s}", unbounded(n, s)) for n in (30, 100) for s in (0.3, 1)]
    out += [("type I, McNemar exact", f"n=100 psi={p}", mcnemar_rejects(100, p, exact=True)) for p in (0.1, 0.3)]
    out += [("type I, McNemar mid-p", f"n=100 psi={p}", mcnemar_rejects(100, p, exact=False)) for p in (0.1, 0.3)]
    out += [("coverage, Wilson", f"n={n} rate={r}", wilson_covers(n, r)) for n in (30, 200) for r in (0.5, 0.95)]
    for n in (20, 100, 500):
        out.append(("coverage, Tango", f"n={n} psi=.1 effect=-.05", tango_covers(n, 0.1, -0.05)))
        out.append(("coverage, gate interval", f"n={n} psi=.1 effect=-.05", gate_covers(n, 0.1, -0.05)))
    for g in (10, 20, 50):
        out.append(("coverage, cluster t", f"G={g}", cluster_mean_covers(g, clustered=True)))
        out.append(("coverage, t ignoring clusters", f"G={g}", cluster_mean_covers(g, clustered=False)))
    out += [("coverage, Hajek", f"n about {n}", hajek_covers(n)) for n in (50, 200)]
    out += [("coverage, percentile bootstrap", f"exponential n={n}", bootstrap_covers(n)) for n in (20, 100)]
    out += [("type I, delta-method t (not used)", f"n={n} sigma=0.8", delta_ratio(n, 0.8)) for n in (20, 100, 300)]
    for n in (30, 100, 200):
        for method in ("PPI leave-one-out", "PPI pooled", "human labels alone", "judge alone"):
            out.append((f"coverage, {method}", f"{n} labels", judged_mean_covers(n, method)))
    out += [("coverage, Rogan-Gladen", f"{n} labels a class", corrected_rate_covers(n)) for n in (20, 100)]
    return out


def main(reps: int) -> None:
    """Prints one Markdown row a method and situation."""
    sys.stdout.write(f"seed {SEED}, {reps} simulations a row\n\n| method | situation | share |\n|---|---|---|\n")
    for index, (method, place, trial) in enumerate(rows()):
        rng = np.random.default_rng([SEED, 1000 + index])
        share = sum(trial(rng) for _ in range(reps)) / reps
        sys.stdout.write(f"| {method} | {place} | {share:.3f} |\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
