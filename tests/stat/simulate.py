"""Simulated error rates of the gate: cells, generators, and the table of docs/statistics.md.

Run ``python -m tests.stat.simulate [reps]`` from the repository's root; the seed is fixed, so the table can
be repeated.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from evalkit.stats import Target, clustered_se, p_value
from evalkit.stats.special import t_tail

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalkit.stats.special import FloatArray, IntArray

SEED = 20261123
ALPHA = 0.05
Sizes = Literal["equal", "log-normal", "mmlu"]

# Relative sizes like those of MMLU's 57 subjects (Hendrycks et al. 2021): a few of hundreds, most near 100.
MMLU_SIZES = np.round(1534.0 * np.arange(1, 58) ** -0.72).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Draw:
    """One simulated comparison: differences of shape (n,) with cluster codes, or None for independent items."""

    diffs: FloatArray
    codes: IntArray | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """A situation to simulate: ``draw(rng, effect)`` gives data whose true effect is ``effect``."""

    name: str
    target: Target
    margin: float
    draw: Callable[[np.random.Generator, float], Draw]


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of simulations in which the gate and the t test reject."""

    gate: float
    naive: float
    reps: int


def binary_items(n: int, psi: float) -> Callable[[np.random.Generator, float], Draw]:
    """Independent differences in {-1, 0, 1} with discordance ``psi``."""

    def draw(rng: np.random.Generator, effect: float) -> Draw:
        u = rng.random(n)
        return Draw((u < (psi + effect) / 2).astype(np.float64) - ((u >= (psi + effect) / 2) & (u < psi)))

    return draw


def trial_means(n: int, k: int, psi: float) -> Callable[[np.random.Generator, float], Draw]:
    """Means of ``k`` trials: a share ``psi`` of items goes from rate .9 to .1 or back, the rest is always the same."""

    def draw(rng: np.random.Generator, effect: float) -> Draw:
        signs = binary_items(n, psi)(rng, effect / 0.8).diffs
        sure = np.where(rng.random(n) < 0.5, 0.0, 1.0)
        candidate = np.where(signs == 0, sure, 0.5 + 0.4 * signs)
        baseline = np.where(signs == 0, sure, 0.5 - 0.4 * signs)
        return Draw((rng.binomial(k, candidate) - rng.binomial(k, baseline)) / k)

    return draw


def rare_losses(n: int, gain: float) -> Callable[[np.random.Generator, float], Draw]:
    """Continuous: most items gain a little (mean ``gain``), a few lose about .8; the t test's worst friend."""

    def draw(rng: np.random.Generator, effect: float) -> Draw:
        share = (gain - effect) / (gain + 0.8)
        small = rng.uniform(0.0, 2.0 * gain, n) if gain > 0 else np.zeros(n)
        return Draw(np.where(rng.random(n) < share, -rng.beta(8, 2, n), small))

    return draw


def smooth(n: int, spread: float) -> Callable[[np.random.Generator, float], Draw]:
    """Continuous and symmetric: differences uniform within ``spread`` of the effect."""

    def draw(rng: np.random.Generator, effect: float) -> Draw:
        return Draw(rng.uniform(effect - spread, effect + spread, n))

    return draw


def cluster_sizes(kind: Sizes, n_clusters: int, mean: int, rng: np.random.Generator) -> IntArray:
    """Sizes of clusters, at least 1."""
    if kind == "equal":
        return np.full(n_clusters, mean)
    if kind == "log-normal":
        return np.maximum(1, np.round(mean * rng.lognormal(-0.5, 1.0, n_clusters))).astype(np.int64)
    drawn = rng.choice(MMLU_SIZES, n_clusters, replace=n_clusters > len(MMLU_SIZES))
    sizes: IntArray = np.maximum(1, np.round(drawn * mean / MMLU_SIZES.mean())).astype(np.int64)
    return sizes


def clustered(
    kind: Sizes, n_clusters: int, mean: int, psi: float, shift: float, *, fixed: bool
) -> Callable[[np.random.Generator, float], Draw]:
    """Binary differences whose cluster means lie ``shift`` above or below the effect.

    ``fixed``: inference for these clusters, so the shifts are centred on their size-weighted mean.
    """

    def draw(rng: np.random.Generator, effect: float) -> Draw:
        sizes = cluster_sizes(kind, n_clusters, mean, rng)
        moves = rng.choice((-shift, shift), n_clusters)
        if fixed:
            moves = moves - float(moves @ sizes) / float(sizes.sum())
        codes = np.repeat(np.arange(n_clusters), sizes)
        centre = np.clip(effect + moves, -psi, psi)[codes]
        u = rng.random(codes.size)
        win = (psi + centre) / 2
        return Draw((u < win).astype(np.float64) - ((u >= win) & (u < psi)), codes)

    return draw


def collapsing(kind: Sizes, n_clusters: int, mean: int, psi: float) -> Callable[[np.random.Generator, float], Draw]:
    """New clusters of which a share loses every item; the others are noise."""

    def draw(rng: np.random.Generator, effect: float) -> Draw:
        sizes = cluster_sizes(kind, n_clusters, mean, rng)
        codes = np.repeat(np.arange(n_clusters), sizes)
        lost = rng.random(n_clusters) < -effect
        u = rng.random(codes.size)
        noise = (u < psi / 2).astype(np.float64) - ((u >= psi / 2) & (u < psi))
        return Draw(np.where(lost[codes], -1.0, noise), codes)

    return draw


def cells() -> list[Cell]:
    """The cells of the printed table and of the tests."""
    out: list[Cell] = []
    grid = [(n, psi) for n in (20, 50, 200) for psi in (0.1, 0.3)]
    out += [Cell(f"binary n={n} psi={psi}", "items", 0.05, binary_items(n, psi)) for n, psi in grid]
    out += [Cell(f"{k} trials n={n}", "items", 0.05, trial_means(n, k, 0.15)) for n in (20, 100, 300) for k in (2, 4)]
    out += [Cell(f"rare losses n={n}", "items", 0.05, rare_losses(n, 0.01)) for n in (20, 50, 100, 300)]
    out += [Cell(f"smooth n={n}", "items", 0.05, smooth(n, 0.3)) for n in (20, 100)]
    kinds: tuple[Sizes, ...] = ("equal", "log-normal", "mmlu")
    for kind in kinds:
        out += [
            Cell(f"these {kind} G={g}", "these", 0.05, clustered(kind, g, 10, 0.25, 0.15, fixed=True)) for g in (5, 20)
        ]
        out += [
            Cell(f"new {kind} G={g}", "new", 0.05, clustered(kind, g, 8, 0.25, 0.15, fixed=False)) for g in (8, 20, 60)
        ]
        out += [Cell(f"new collapse {kind} G={g}", "new", 0.05, collapsing(kind, g, 8, 0.1)) for g in (20, 60)]
    return out


def naive_p(draw: Draw, null: float, target: Target) -> float:
    """The t test (cluster-robust CR1 for new clusters): the method the gate replaces."""
    values = draw.diffs
    if target == "new" and draw.codes is not None:
        se, df = clustered_se(values, draw.codes), int(draw.codes.max())
    else:
        se, df = float(values.std(ddof=1)) / math.sqrt(values.size), values.size - 1
    excess = float(values.mean()) - null
    if se == 0.0:
        return 0.0 if excess > 0 else 1.0
    return t_tail(excess / se, df)


def rates(cell: Cell, *, effect: float, null: float, sign: float, reps: int, rng: np.random.Generator) -> Rates:
    """Shares rejecting H0 ``sign * mean <= null`` when the true effect is ``effect``."""
    gate = naive = 0
    for _ in range(reps):
        draw = cell.draw(rng, effect)
        draw = Draw(sign * draw.diffs, draw.codes)
        gate += p_value(draw.diffs, null, clusters=draw.codes, target=cell.target).value <= ALPHA
        naive += naive_p(draw, null, cell.target) <= ALPHA
    return Rates(gate / reps, naive / reps, reps)


def false_pass(cell: Cell, reps: int, rng: np.random.Generator) -> Rates:
    """Type I error of passing: the true effect is -margin."""
    return rates(cell, effect=-cell.margin, null=-cell.margin, sign=1.0, reps=reps, rng=rng)


def false_fail(cell: Cell, reps: int, rng: np.random.Generator) -> Rates:
    """Type I error of failing: the true effect is 0."""
    return rates(cell, effect=0.0, null=0.0, sign=-1.0, reps=reps, rng=rng)


def power(cell: Cell, reps: int, rng: np.random.Generator) -> Rates:
    """Share of equal candidates that pass."""
    return rates(cell, effect=0.0, null=-cell.margin, sign=1.0, reps=reps, rng=rng)


def limit(nominal: float, reps: int) -> float:
    """Nominal rate plus three Monte Carlo standard errors."""
    return nominal + 3.0 * math.sqrt(nominal * (1.0 - nominal) / reps)


def main(reps: int) -> None:
    """Prints the table as Markdown."""
    out = sys.stdout.write
    out(f"seed {SEED}, {reps} simulations a cell and column, margin .05, alpha .05\n\n")
    out("| cell | false pass | t test | false fail | t test | power at 0 |\n|---|---|---|---|---|---|\n")
    for index, cell in enumerate(cells()):
        rng = np.random.default_rng([SEED, index])
        passed, failed, equal = (f(cell, reps, rng) for f in (false_pass, false_fail, power))
        row = (passed.gate, passed.naive, failed.gate, failed.naive, equal.gate)
        out(f"| {cell.name} | " + " | ".join(f"{value:.3f}" for value in row) + " |\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
