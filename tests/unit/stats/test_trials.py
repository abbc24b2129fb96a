"""Several trials of an item."""

import numpy as np
import pytest

from evalkit.stats import (
    StatsError,
    item_means,
    pass_at_k,
    pass_hat_k,
    suite_pass_at_k,
    suite_pass_hat_k,
    variance_split,
)


def test_means_are_taken_by_item() -> None:
    assert item_means([1, 0, 1, 1], ["b", "b", "a", "a"]).tolist() == [0.5, 1.0]


def test_one_trial_is_the_mean_either_way() -> None:
    assert pass_at_k(4, 3, 1) == pass_hat_k(4, 3, 1) == 0.75
    assert suite_pass_at_k([3, 1], [4, 4], 1).value == suite_pass_hat_k([3, 1], [4, 4], 1).value == 0.5


def test_estimates_are_unbiased() -> None:
    rng = np.random.default_rng(1)
    passes = rng.binomial(6, 0.3, 20_000)
    assert suite_pass_at_k(passes, [6] * 20_000, 3).value == pytest.approx(1 - 0.7**3, abs=0.01)
    assert suite_pass_hat_k(passes, [6] * 20_000, 3).value == pytest.approx(0.3**3, abs=0.005)


def test_variance_is_split_between_and_within_items() -> None:
    rng = np.random.default_rng(2)
    items = np.repeat(np.arange(4000), 5)
    values = np.repeat(rng.normal(0, 1.0, 4000), 5) + rng.normal(0, 2.0, 20_000)
    split = variance_split(values, items, cost_ratio=4.0)
    assert split.between == pytest.approx(1.0, rel=0.1)
    assert split.within == pytest.approx(4.0, rel=0.05)
    assert split.best_trials == pytest.approx(4.0, rel=0.1)
    assert split.trials == 5.0


def test_items_that_do_not_differ_have_no_best_number_of_trials() -> None:
    assert variance_split([0, 1, 0, 1], [1, 1, 2, 2]).best_trials is None


def test_impossible_requests_raise() -> None:
    with pytest.raises(StatsError):
        pass_at_k(3, 1, 4)
    with pytest.raises(StatsError):
        pass_hat_k(3, 4, 1)
    with pytest.raises(StatsError):
        suite_pass_at_k([1], [1, 2], 1)
    with pytest.raises(StatsError):
        variance_split([0, 1], [1, 2])
    with pytest.raises(StatsError):
        variance_split([0, 1], [1, 1])
