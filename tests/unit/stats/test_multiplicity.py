"""Adjusted p values against statsmodels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from evalkit.stats import StatsError, benjamini_hochberg, holm


@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=20))
@settings(max_examples=40, deadline=None)
def test_adjusted_p_values_equal_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1], abs=1e-12)
    assert benjamini_hochberg(p_values) == pytest.approx(multipletests(p_values, method="fdr_bh")[1], abs=1e-12)


def test_nothing_to_adjust() -> None:
    assert holm([]).size == 0
    assert benjamini_hochberg([]).size == 0


@pytest.mark.parametrize("bad", [[1.2], [-0.1], [float("nan")], [[0.1]]])
def test_values_that_are_no_p_values_raise(bad: list[float]) -> None:
    with pytest.raises(StatsError):
        holm(np.array(bad))
    with pytest.raises(StatsError):
        benjamini_hochberg(np.array(bad))
