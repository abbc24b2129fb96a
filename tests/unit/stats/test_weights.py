"""Hajek means."""

import numpy as np
import pytest

from evalkit.stats import StatsError, effective_n, hajek_mean, mean_interval

VALUES = np.random.default_rng(1).uniform(size=30)


def test_equal_weights_give_the_plain_mean() -> None:
    labels = np.arange(30) // 3
    for clusters in (None, labels):
        weighted = hajek_mean(VALUES, np.full(30, 2.5), clusters=clusters)
        plain = mean_interval(VALUES, clusters=clusters)
        assert (weighted.value, weighted.se, weighted.low) == pytest.approx((plain.value, plain.se, plain.low))


def test_whole_number_weights_repeat_items_in_the_mean() -> None:
    weights = np.arange(30) % 3 + 1
    assert hajek_mean(VALUES, weights).value == pytest.approx(np.repeat(VALUES, weights).mean())


def test_interval_covers_under_unequal_sampling() -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(300):
        population = rng.uniform(size=4000)
        chosen = rng.random(4000) < 0.02 + 0.08 * population
        estimate = hajek_mean(population[chosen], 1 / (0.02 + 0.08 * population[chosen]))
        assert estimate.low is not None
        assert estimate.high is not None
        covered += estimate.low <= population.mean() <= estimate.high
    assert covered / 300 > 0.91


def test_effective_number_of_items() -> None:
    assert effective_n([1, 1, 1]) == 3.0
    assert effective_n([1, 1, 8]) == pytest.approx(100 / 66)
    with pytest.raises(StatsError):
        effective_n([1, 0])
