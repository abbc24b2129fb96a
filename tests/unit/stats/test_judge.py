"""Judge-graded means corrected by human labels."""

import numpy as np
import pytest

from evalkit.stats import StatsError, mean_interval, ppi_mean, rogan_gladen
from evalkit.stats.judge import _leave_one_out_weights, _pooled_weight

RNG = np.random.default_rng(1)
LABELS = (RNG.random(80) < 0.6).astype(float)
JUDGED = np.where(RNG.random(80) < 0.1, 1 - LABELS, LABELS)
OTHER = (RNG.random(600) < 0.58).astype(float)


def test_a_good_judge_narrows_the_interval() -> None:
    human = mean_interval(LABELS)
    assert human.low is not None
    assert human.high is not None
    for tuning in ("leave-one-out", "pooled"):
        corrected = ppi_mean(LABELS, JUDGED, OTHER, tuning=tuning)
        assert corrected.high - corrected.low < 0.8 * (human.high - human.low)


def test_a_constant_judge_changes_nothing() -> None:
    human = mean_interval(LABELS)
    corrected = ppi_mean(LABELS, np.ones(80), np.ones(500))
    assert (corrected.estimate, corrected.low) == pytest.approx((human.value, human.low))
    pooled = ppi_mean(LABELS, np.ones(80), np.ones(500), tuning="pooled")
    assert pooled.estimate == pytest.approx(human.value)


def test_leave_one_out_weights_equal_refits() -> None:
    spread = np.concatenate((JUDGED, OTHER)).var(ddof=1)
    ours = _leave_one_out_weights(LABELS, JUDGED, OTHER)
    for i in (0, 17, 79):
        y, f = np.delete(LABELS, i), np.delete(JUDGED, i)
        together = np.cov(y, f)[0, 1]
        assert ours[i] == pytest.approx(together / ((1 + 80 / 600) * spread), rel=1e-9)
    assert ours.mean() == pytest.approx(_pooled_weight(LABELS, JUDGED, OTHER), rel=0.05)


def test_correcting_a_perfect_judge_returns_its_rate() -> None:
    rate = rogan_gladen(0.6, sensitivity=1.0, specificity=1.0, n=400, n_positive=200, n_negative=200)
    assert rate.estimate == pytest.approx(0.6)
    assert rate.low < 0.6 < rate.high
    assert rate.youden == 1.0


def test_inputs_without_an_answer_raise() -> None:
    with pytest.raises(StatsError, match="no better than chance"):
        rogan_gladen(0.6, sensitivity=0.5, specificity=0.5, n=100, n_positive=50, n_negative=50)
    with pytest.raises(StatsError, match="rates"):
        rogan_gladen(1.6, sensitivity=0.9, specificity=0.9, n=100, n_positive=50, n_negative=50)
    with pytest.raises(StatsError, match="need 3"):
        ppi_mean([1.0, 0.0], [1.0, 0.0], OTHER)
