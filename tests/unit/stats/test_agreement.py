"""Agreement between raters, against statsmodels and the krippendorff package."""

import krippendorff
import numpy as np
import pytest
from statsmodels.stats.inter_rater import cohens_kappa

from evalkit.stats import StatsError, cohen_kappa, confusion_table, krippendorff_alpha
from evalkit.stats.agreement import Level, Weights

TABLE = np.array([[20, 5, 2], [4, 15, 6], [1, 3, 12]])


@pytest.mark.parametrize(("weights", "wt"), [("none", None), ("linear", "linear"), ("quadratic", "quadratic")])
def test_kappa_equals_statsmodels(weights: Weights, wt: str | None) -> None:
    ours, theirs = cohen_kappa(TABLE, weights=weights), cohens_kappa(TABLE, wt=wt)
    assert ours.value == pytest.approx(theirs.kappa, rel=1e-9)
    assert ours.se == pytest.approx(theirs.std_kappa, rel=1e-9)


def test_one_label_only_is_undefined_not_perfect() -> None:
    kappa = cohen_kappa([[30, 0], [0, 0]])
    assert kappa.value is None
    assert kappa.reason is not None
    assert (kappa.agreement, kappa.prevalence) == (1.0, 1.0)


def test_table_counts_pairs_of_labels() -> None:
    table = confusion_table(["a", "a", "b"], ["a", "b", "b"], ["a", "b"])
    assert table.tolist() == [[1, 1], [0, 1]]
    with pytest.raises(StatsError, match="not one of"):
        confusion_table(["a"], ["c"], ["a", "b"])
    with pytest.raises(StatsError, match="same items"):
        confusion_table(["a"], ["a", "b"], ["a", "b"])


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_alpha_equals_the_reference_package(level: Level) -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(1, 6, 40)
    ratings = np.clip(truth + rng.integers(-1, 2, (4, 40)), 1, 5).astype(float)
    missing = rng.random((4, 40)) < 0.3
    ours = [
        [None if hole else float(x) for x, hole in zip(r, m, strict=True)]
        for r, m in zip(ratings, missing, strict=True)
    ]
    expected = krippendorff.alpha(np.where(missing, np.nan, ratings), level_of_measurement=level)
    assert krippendorff_alpha(ours, level=level) == pytest.approx(expected, rel=1e-9)


def test_alpha_without_variation_or_pairs_is_undefined() -> None:
    assert krippendorff_alpha([[1, 1], [1, 1]]) is None
    assert krippendorff_alpha([[1, None], [None, 2]]) is None


@pytest.mark.parametrize("bad", [[[1, 2]], [[1]], [[0, 0], [0, 0]], [[1, -1], [0, 2]]])
def test_tables_that_are_no_counts_raise(bad: list[list[int]]) -> None:
    with pytest.raises(StatsError):
        cohen_kappa(bad)


def test_ragged_ratings_raise() -> None:
    with pytest.raises(StatsError):
        krippendorff_alpha([[1, 2], [1]])
