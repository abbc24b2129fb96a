"""Error rates of the gate, exact where they can be enumerated and simulated elsewhere.

Seeds are fixed. A simulated rate may exceed its nominal level by three Monte Carlo standard errors, plus the allowance
documented in docs/statistics.md (.008 for items and these clusters at -margin, .013 at 0, .005 for new clusters).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from evalkit.stats import probability_passes
from tests.stat.simulate import ALPHA, SEED, Cell, cells, false_fail, false_pass, limit, power

if TYPE_CHECKING:
    from evalkit.stats import Target

ALLOWED_AT_MARGIN: dict[Target, float] = {"items": 0.058, "these": 0.058, "new": 0.055}
ALLOWED_AT_ZERO: dict[Target, float] = {"items": 0.063, "these": 0.063, "new": 0.055}
CELLS = {cell.name: cell for cell in cells()}
CI_CELLS = [
    "4 trials n=20",
    "2 trials n=100",
    "rare losses n=50",
    "rare losses n=300",
    "smooth n=100",
    "these log-normal G=5",
    "these mmlu G=20",
    "new equal G=60",
    "new log-normal G=20",
    "new mmlu G=60",
    "new collapse equal G=60",
    "new collapse mmlu G=20",
]


def check(cell: Cell, reps: int) -> None:
    """Holds both error rates of one cell to their limits."""
    rng = np.random.default_rng([SEED, sum(map(ord, cell.name))])
    passed, failed = false_pass(cell, reps, rng), false_fail(cell, reps, rng)
    assert passed.gate <= limit(ALLOWED_AT_MARGIN[cell.target], reps)
    assert failed.gate <= limit(ALLOWED_AT_ZERO[cell.target], reps)


@pytest.mark.parametrize("name", CI_CELLS)
def test_error_rates_in_the_short_set(name: str) -> None:
    check(CELLS[name], 500)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CELLS))
def test_error_rates_in_every_cell(name: str, full_size: bool) -> None:
    check(CELLS[name], 10_000 if full_size else 200)


def test_exact_type_one_error_of_passing_on_binary_items() -> None:
    rates = {
        (n, psi, margin): probability_passes(n, psi, margin, effect=-margin).value
        for n in (20, 50, 100, 200, 500)
        for psi in (0.04, 0.1, 0.3)
        for margin in (0.02, 0.03, 0.05)
        if psi >= margin
    }
    assert max(rates.values()) <= 0.058
    assert np.mean(list(rates.values())) <= ALPHA


@pytest.mark.parametrize(
    ("name", "least"), [("rare losses n=50", 0.08), ("new collapse mmlu G=20", 0.15), ("4 trials n=20", 0.08)]
)
def test_the_t_test_fails_in_the_same_cells(name: str, least: float) -> None:
    cell = CELLS[name]
    rng = np.random.default_rng(SEED)
    assert false_pass(cell, 400, rng).naive > least, "a simulation in which no method can fail proves nothing"


def test_power_at_no_difference_is_useful() -> None:
    rng = np.random.default_rng(SEED)
    assert power(CELLS["2 trials n=300"], 300, rng).gate > 0.75
    assert power(CELLS["new collapse equal G=60"], 300, rng).gate > 0.40
    assert power(CELLS["smooth n=100"], 300, rng).gate > 0.80
