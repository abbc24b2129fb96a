"""Whole verdicts on simulated runs: how often equal candidates fail, and how often a loss of the margin passes.

Runs are drawn independently (two draws of one candidate, or of one that lost exactly the margin) and go through
pairing, comparison and decision as stored runs do. Error rates must lie inside the exact binomial band of their nominal
level; the naive gate (red where the average fell) sees the same draws and must be red often, or nothing is proven.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from evalkit.compare.compare import compare
from evalkit.compare.decide import decide
from evalkit.core.run import RunTable
from evalkit.core.suite import MetricRule, Policy
from evalkit.core.verdict import Verdict
from tests.unit.compare.tables import column, table

SEED = 20261123
ALPHA = 0.05
MARGIN = 0.05
CI_PAIRS = 500
FULL_PAIRS = 5000
TAIL = 0.00135
"""The share of correct programs whose band is missed: three standard errors of a normal."""


def band(nominal: float, n: int) -> int:
    """The largest count of ``n`` that a rate of ``nominal`` exceeds with probability at most TAIL."""
    from scipy.stats import binom

    return int(binom.isf(TAIL, n, nominal))


@dataclass(frozen=True)
class World:
    """Items of a difficulty each, drawn once; ``sizes`` of clusters share a part of it."""

    name: str
    rates: Callable[[np.random.Generator], np.ndarray]
    sizes: tuple[int, ...] = ()
    target: Any = None
    trials: int = 1
    allowance: float = 0.0

    @property
    def clusters(self) -> list[str | None] | None:
        if not self.sizes:
            return None
        return [f"c{group}" for group, size in enumerate(self.sizes) for _ in range(size)]


def mixed(n: int) -> Callable[[np.random.Generator], np.ndarray]:
    """Success rates of which most are near 1, as of a model that knows most answers."""

    def rates(rng: np.random.Generator) -> np.ndarray:
        return np.asarray(rng.beta(4.0, 0.6, size=n) * 0.95)

    return rates


def in_clusters(sizes: tuple[int, ...]) -> Callable[[np.random.Generator], np.ndarray]:
    def rates(rng: np.random.Generator) -> np.ndarray:
        own = rng.beta(4.0, 0.8, size=len(sizes))
        return np.clip(np.repeat(own, sizes) + rng.normal(0, 0.1, size=sum(sizes)), 0.06, 0.99)

    return rates


EQUAL = (10,) * 30
UNEQUAL = tuple(int(size) for size in np.round(120.0 * np.arange(1, 31) ** -1.0).clip(2))
MANY = (4,) * 100
WORLDS = [
    World("100 items", mixed(100)),
    World("300 items", mixed(300)),
    World("60 items of 3 trials", mixed(60), trials=3),
    World("30 equal clusters, these", in_clusters(EQUAL), EQUAL, "these"),
    World("30 unequal clusters, these", in_clusters(UNEQUAL), UNEQUAL, "these"),
    World("100 clusters, new", in_clusters(MANY), MANY, "new"),
]
RULE = MetricRule(metric="correct", rule="no_regression", margin=MARGIN)


def draw(world: World, rates: np.ndarray, rng: np.random.Generator) -> RunTable:
    values = (rng.random((rates.size, world.trials)) < rates[:, None]).astype(np.float64)
    return table(column(values), clusters=world.clusters, trials=world.trials)


def judge(world: World, candidate: RunTable, baseline: RunTable, *rules: MetricRule) -> Verdict:
    policy = Policy(rules=rules or (RULE,), alpha=ALPHA, clusters=world.target)
    return decide(compare(candidate, baseline, policy, slices=False), policy)


def lowered(rates: np.ndarray, by: float) -> np.ndarray:
    """Rates whose mean is exactly ``by`` lower: each loses the same share of itself."""
    return np.asarray(rates * (1.0 - by / rates.mean()))


@pytest.fixture(scope="module")
def n_pairs(full_size: bool) -> int:
    return FULL_PAIRS if full_size else CI_PAIRS


@pytest.fixture
def without_planning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the simulated chance of an unchanged candidate: it decides nothing and costs most of the time."""
    monkeypatch.setattr("evalkit.compare.methods.equal_chance", lambda *_, **__: 0.5)


@pytest.mark.usefixtures("without_planning")
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_equal_candidates_rarely_fail_where_a_plain_average_goes_red(world: World, n_pairs: int) -> None:
    rng = np.random.default_rng([SEED, 1, WORLDS.index(world)])
    rates = world.rates(rng)
    outcomes: Counter[str] = Counter()
    naive = discordant = 0
    for _ in range(n_pairs):
        found = judge(world, draw(world, rates, rng), draw(world, rates, rng))
        one = found.findings[0].comparison
        outcomes[found.outcome] += 1
        naive += (one.effect or 0.0) < 0.0
        discordant += (one.discordance or 0.0) > 0.0
    assert discordant == n_pairs, "the two draws of a pair must be independent"
    assert outcomes["fail"] <= band(ALPHA, n_pairs), outcomes
    assert outcomes["error"] == 0
    assert naive > 0.35 * n_pairs


@pytest.mark.usefixtures("without_planning")
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_a_loss_of_the_margin_rarely_passes(world: World, n_pairs: int) -> None:
    rng = np.random.default_rng([SEED, 2, WORLDS.index(world)])
    rates = world.rates(rng)
    worse = lowered(rates, MARGIN)
    assert rates.mean() - worse.mean() == pytest.approx(MARGIN)
    passed = sum(judge(world, draw(world, worse, rng), draw(world, rates, rng)).passed for _ in range(n_pairs))
    assert passed <= band(ALPHA, n_pairs), passed / n_pairs


def test_a_large_loss_fails_and_a_gain_passes() -> None:
    world = WORLDS[1]
    rng = np.random.default_rng([SEED, 3])
    rates = world.rates(rng)
    gained = rates + (1.0 - rates) * 0.5
    lost = [judge(world, draw(world, lowered(rates, 0.15), rng), draw(world, rates, rng)) for _ in range(60)]
    better = [judge(world, draw(world, gained, rng), draw(world, rates, rng)) for _ in range(60)]
    assert sum(found.outcome == "fail" for found in lost) >= 57
    assert sum(found.passed for found in better) >= 57


@pytest.mark.usefixtures("without_planning")
def test_ten_rules_on_equal_candidates_fail_no_more_often_than_one(n_pairs: int) -> None:
    """Without Holm, one of ten independent rules would be red in four of ten pairs."""
    rng = np.random.default_rng([SEED, 4])
    world, names = WORLDS[0], [f"m{index}" for index in range(10)]
    rates = mixed(100)(rng)
    rules = [RULE.model_copy(update={"metric": name}) for name in names]

    def one() -> RunTable:
        return table(*(column((rng.random(100) < rates).astype(np.float64), name=name) for name in names))

    failed = alone = 0
    for _ in range(n_pairs):
        found = judge(world, one(), one(), *rules)
        failed += found.outcome == "fail"
        alone += any((finding.comparison.p_fail or 1.0) <= ALPHA for finding in found.findings)
    assert failed <= band(ALPHA, n_pairs)
    assert alone > 0.2 * n_pairs


def test_the_stated_chance_of_an_unchanged_candidate_is_the_rate_at_which_it_passes(n_pairs: int) -> None:
    world = WORLDS[1]
    rng = np.random.default_rng([SEED, 5])
    rates = world.rates(rng)
    found = [judge(world, draw(world, rates, rng), draw(world, rates, rng)) for _ in range(n_pairs)]
    stated = float(np.mean([one.probability_unchanged_passes or 0.0 for one in found]))
    passed = float(np.mean([one.passed for one in found]))
    assert stated == pytest.approx(passed, abs=0.05)


def test_recorded_models_are_told_apart_and_a_model_is_equal_to_itself(evalkit_data: Any, rows: Any) -> None:
    items = rows("gsm8k_solutions.jsonl.gz")
    models = sorted(items[0]["outputs"])

    def run(model: str) -> RunTable:
        values = np.array([float(item["outputs"][model]["is_correct"]) for item in items])
        return table(column(values), ids=[str(item["item_id"]) for item in items])

    world = WORLDS[0]
    runs = {model: run(model) for model in models}
    for first in models:
        assert judge(world, runs[first], runs[first]).passed
        for second in models:
            found = judge(world, runs[first], runs[second])
            effect = found.findings[0].comparison.effect or 0.0
            if effect <= -0.10:
                assert found.outcome == "fail", (first, second)
            if effect >= 0.05:
                assert found.findings[0].grade == "improved", (first, second)
