"""Validation at the door."""

import numpy as np
import pytest

from evalkit.stats import StatsError
from evalkit.stats.arrays import as_weights, cluster_codes


def test_codes_follow_first_appearance_for_any_label() -> None:
    expected = [0, 1, 0, 2]
    assert cluster_codes(["b", "a", "b", "c"], 4).tolist() == expected
    assert cluster_codes(np.array([7, 3, 7, 9]), 4).tolist() == expected
    assert cluster_codes(np.array(["b", "a", "b", "c"]), 4).tolist() == expected
    assert cluster_codes([("x", 1), 2, ("x", 1), 0.5], 4).tolist() == expected


@pytest.mark.parametrize("labels", [["a"], ["a", None], [["a"], ["b"]]])
def test_labels_that_do_not_fit_raise(labels: list[object]) -> None:
    with pytest.raises(StatsError):
        cluster_codes(labels, 2)


def test_weights_are_scaled_and_checked() -> None:
    assert as_weights(None, 3) is None
    assert as_weights([2, 2, 2], 3) is None
    scaled = as_weights([1, 3], 2)
    assert scaled is not None
    assert scaled.tolist() == [0.5, 1.5]
    for bad in ([0.0, 1.0], [1.0], [-1.0, 2.0]):
        with pytest.raises(StatsError):
            as_weights(bad, 2)
