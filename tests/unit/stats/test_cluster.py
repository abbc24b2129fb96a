"""Clustered standard errors against statsmodels, and their edges."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats as oracle

from evalkit.stats import StatsError, clustered_se, iid_se, mean_interval, paired_interval

RNG = np.random.default_rng(1)
VALUES, LABELS = RNG.normal(size=60), RNG.integers(0, 7, 60)


@pytest.mark.parametrize("correct", [True, False])
def test_clustered_se_equals_statsmodels(correct: bool) -> None:
    fit = sm.OLS(VALUES, np.ones(60)).fit(
        cov_type="cluster", cov_kwds={"groups": LABELS, "use_correction": False, "df_correction": False}
    )
    factor = np.sqrt(7 / 6) if correct else 1.0
    assert clustered_se(VALUES, LABELS, correct=correct) == pytest.approx(float(fit.bse[0]) * factor, rel=1e-9)


def test_items_of_their_own_cluster_give_the_usual_standard_error() -> None:
    assert clustered_se(VALUES, range(60)) == pytest.approx(iid_se(VALUES), rel=1e-12)
    assert mean_interval(VALUES).low == pytest.approx(
        oracle.ttest_1samp(VALUES, 0).confidence_interval(0.95).low, rel=1e-9
    )


def test_interval_names_its_units() -> None:
    result = mean_interval(VALUES, clusters=[f"doc-{label}" for label in LABELS])
    assert (result.n_items, result.n_clusters, result.df) == (60, 7, 6)
    assert result.method == "cluster-t-mean/1"


def test_one_unit_gives_a_mean_without_an_interval() -> None:
    for result in (mean_interval([0.4]), mean_interval([0.1, 0.7], clusters=["a", "a"])):
        assert result.value == pytest.approx(0.4)
        assert (result.se, result.low, result.high, result.df) == (None, None, None, None)
        assert result.reason is not None


def test_paired_interval_is_that_of_the_differences() -> None:
    assert paired_interval(VALUES, VALUES - 1).value == pytest.approx(1)
    with pytest.raises(StatsError, match="pair them"):
        paired_interval([1.0], [1.0, 2.0])


def test_too_few_units_raise() -> None:
    with pytest.raises(StatsError):
        iid_se([1.0])
    with pytest.raises(StatsError):
        clustered_se([1.0, 2.0], ["a", "a"])
    assert clustered_se([1.0, 2.0], ["a", "a"], correct=False) == pytest.approx(0, abs=1e-12)
