"""Bootstrap of a mean."""

import numpy as np
import pytest

from evalkit.stats import StatsError, bootstrap_mean, mean_interval
from evalkit.stats.bootstrap import resampled_means


def test_bootstrap_agrees_with_the_t_interval_on_many_items() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=400)
    ours, t = bootstrap_mean(values, rng, n_resamples=2000), mean_interval(values)
    assert (ours.low, ours.high) == pytest.approx((t.low, t.high), abs=0.02)


def test_clusters_are_resampled_whole() -> None:
    rng = np.random.default_rng(2)
    values, labels = np.repeat(rng.normal(size=60), 5), np.arange(300) // 5
    alone = bootstrap_mean(values, np.random.default_rng(3), n_resamples=999)
    whole = bootstrap_mean(values, np.random.default_rng(3), clusters=labels, n_resamples=999)
    assert whole.high - whole.low > 1.8 * (alone.high - alone.low)


def test_same_generator_same_interval() -> None:
    values = [0.0, 1.0, 0.5, 0.2]
    first, second = (bootstrap_mean(values, np.random.default_rng(7), n_resamples=200) for _ in range(2))
    assert first == second


def test_memory_is_bounded_by_blocks() -> None:
    means = resampled_means(np.ones(3_000_000), np.ones(3_000_000), np.random.default_rng(1), n_resamples=3)
    assert means.tolist() == [1.0, 1.0, 1.0]


def test_one_unit_raises() -> None:
    with pytest.raises(StatsError):
        bootstrap_mean([1.0, 2.0], np.random.default_rng(1), clusters=["a", "a"])
