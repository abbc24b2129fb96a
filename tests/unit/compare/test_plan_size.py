"""What a suite can show is said before the first call, from what is known or what is assumed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evalkit.base.errors import UsageError
from evalkit.compare.compare import compare
from evalkit.compare.plan_size import DEFAULT_DISCORDANCE, RulePlan, SizePlan, plan_size
from evalkit.core.run import STATUS_INFRASTRUCTURE_FAILED, STATUS_OK
from evalkit.core.score import MetricInfo
from evalkit.core.suite import MetricRule, Policy
from evalkit.stats import clopper_pearson_lower, clopper_pearson_upper, needed_n, probability_unchanged_passes
from tests.unit.compare.tables import column, table

INFOS = (
    MetricInfo(name="correct", kind="binary", grader="contains@0123456789ab"),
    MetricInfo(name="style", kind="bounded", grader="style@1"),
    MetricInfo(name="latency_s", kind="positive", better="lower"),
)


def plan(*rules: dict[str, Any], n_items: int = 300, **more: Any) -> SizePlan:
    policy = Policy(rules=tuple(MetricRule.model_validate(rule) for rule in rules), **more.pop("policy", {}))
    return plan_size(policy, INFOS, n_items=n_items, **more)


def one(rule: dict[str, Any], **more: Any) -> RulePlan:
    (found,) = plan(rule, **more).rules
    return found


REGRESSION = {"metric": "correct", "rule": "no_regression", "margin": 0.05}


def test_without_a_pilot_the_discordance_is_assumed_and_said() -> None:
    found = one(REGRESSION)
    assert (found.discordance, found.source) == (DEFAULT_DISCORDANCE, "assumed: no pilot")
    assert found.probability_unchanged_passes == pytest.approx(probability_unchanged_passes(300, 0.2, 0.05).value)
    assert found.needed_items == needed_n(0.2, margin=0.05, power=0.8)
    assert found.detectable_effect == pytest.approx(2.4865 * (0.2 / 300) ** 0.5, rel=1e-3)
    assert [other.margin for other in found.alternatives] == [0.02, 0.03, 0.10]
    assert one(REGRESSION | {"margin": 0.04}).alternatives[2].margin == 0.05


def test_a_pilot_gives_the_discordance_and_its_upper_bound_the_items() -> None:
    base, ours = np.ones(50), np.ones(50)
    ours[:6] = 0.0
    pilot = compare(table(column(ours)), table(column(base)), Policy())
    found = one(REGRESSION, pilot=pilot)
    upper = clopper_pearson_upper(6, 50, alpha=0.05)
    assert found.discordance == pytest.approx(0.12)
    assert found.source == "pilot of 50"
    assert found.discordance_upper == pytest.approx(upper)
    assert found.needed_items == needed_n(upper, margin=0.05, power=0.8)
    assert one(REGRESSION | {"metric": "style"}, pilot=pilot).source == "assumed: no pilot"


def test_a_pilot_without_a_difference_does_not_need_no_items() -> None:
    pilot = compare(table(column(np.ones(50))), table(column(np.ones(50))), Policy())
    found = one(REGRESSION, pilot=pilot)
    assert found.discordance == 0.0
    assert found.needed_items is not None
    assert found.needed_items >= 59


def test_the_trials_of_a_baseline_tell_how_far_two_draws_differ() -> None:
    rng = np.random.default_rng(11)
    rate = rng.choice([0.1, 0.9], size=4000)[:, None]
    base = table(column((rng.random((4000, 4)) < rate).astype(float)), trials=4)
    found = one(REGRESSION, baseline=base)
    assert found.discordance == pytest.approx(2 * 0.1 * 0.9, abs=0.01)
    assert found.source == "between the baseline's 4 trials of 4000 items"
    assert one(REGRESSION, baseline=base, trials=4).discordance == pytest.approx(0.18 / 4, abs=0.003)
    assert found.discordance_upper is not None
    assert found.discordance_upper > (found.discordance or 0)
    single = table(column(np.ones(40)))
    assert one(REGRESSION, baseline=single).source == "assumed: no pilot"
    lost = column(np.ones((3, 2)), status=[[STATUS_OK, STATUS_INFRASTRUCTURE_FAILED]] * 3)
    assert one(REGRESSION, baseline=table(lost, trials=2)).source == "assumed: no pilot"
    other = table(column(np.ones((9, 2)), grader="contains@other"), trials=2)
    assert one(REGRESSION, baseline=other).source == "assumed: no pilot"


@pytest.mark.parametrize(("margin", "needed"), [(0.05, 59), (0.03, 99), (0.02, 149)])
def test_new_clusters_below_the_floor_are_warned_about_before_any_call(margin: float, needed: int) -> None:
    def warned(n_clusters: int) -> SizePlan:
        clusters = [f"c{row % n_clusters}" for row in range(4 * n_clusters)]
        return plan(REGRESSION | {"margin": margin}, n_items=4 * n_clusters, clusters=clusters, cluster_meaning="new")

    few = warned(needed - 1)
    assert few.warnings[0].startswith(f"correct: {needed - 1} clusters are too few at margin {margin:g}")
    assert f"passes from {needed} on" in few.warnings[0]
    assert (few.rules[0].probability_unchanged_passes or 1.0) < 0.5
    assert few.rules[0].needed_clusters == needed
    assert not any("too few" in said for said in warned(needed).warnings)


def test_the_policy_says_what_clusters_mean_before_the_card() -> None:
    clusters = ["a", "a", None, "b"] * 75
    found = plan(REGRESSION, clusters=clusters, cluster_meaning="new", policy={"clusters": "these"})
    assert (found.target, found.n_clusters) == ("these", 77)
    silent = plan(REGRESSION, clusters=clusters)
    assert silent.target == "these"
    assert "taken as `these`" in silent.warnings[0]
    assert plan(REGRESSION, clusters=[None] * 300).target == "items"


def test_a_small_effect_of_a_cluster_must_exceed_the_margin_to_plan() -> None:
    clusters = [f"c{row // 2}" for row in range(300)]
    found = one(
        REGRESSION,
        clusters=clusters,
        policy={"clusters": "new", "max_cluster_effect": 0.05},
    )
    assert (found.probability_unchanged_passes, found.needed_items) == (None, None)
    assert [other.margin for other in found.alternatives] == [0.02, 0.03]


def test_the_whole_policy_passes_less_often_than_any_rule() -> None:
    found = plan(
        REGRESSION, REGRESSION | {"metric": "style", "margin": 0.1}, {"metric": "correct", "rule": "none_may_fail"}
    )
    chances = [rule.probability_unchanged_passes or 1.0 for rule in found.rules]
    assert found.probability_unchanged_passes == pytest.approx(chances[0] * chances[1])
    assert "product over 2 deciding rules" in found.how
    assert "1 deciding rules are not in it" in found.how
    assert plan(REGRESSION).how == "of the one deciding rule that can be planned"
    nothing = plan({"metric": "correct", "rule": "none_may_fail"})
    assert nothing.probability_unchanged_passes is None
    assert plan(REGRESSION | {"gate": False}).probability_unchanged_passes is None


def test_a_policy_that_rarely_passes_an_equal_candidate_says_so() -> None:
    said = plan(REGRESSION | {"margin": 0.02}).warnings
    assert "an unchanged candidate passes with probability 19%" in said[0]
    assert "3,092 items" in said[0]
    assert plan(REGRESSION | {"margin": 0.02, "gate": False}).warnings == ()


def test_an_improvement_is_not_for_an_unchanged_candidate() -> None:
    found = one({"metric": "correct", "rule": "improve"})
    assert found.probability_unchanged_passes == 0.05
    assert "not meant to pass" in (found.note or "")
    assert one(REGRESSION | {"margin": 0.0}).note == found.note


@pytest.mark.parametrize("rule", ["at_least", "at_most"])
def test_a_bound_is_planned_from_the_rate_of_the_baseline(rule: str) -> None:
    values = np.r_[np.ones(180), np.zeros(20)] if rule == "at_least" else np.r_[np.ones(20), np.zeros(180)]
    asked = {"metric": "correct", "rule": rule, "bound": 0.85 if rule == "at_least" else 0.15}
    found = one(asked, baseline=table(column(values)), n_items=200)
    counts = np.random.default_rng(3).binomial(200, 0.9, size=40_000)
    least = next(k for k in range(201) if clopper_pearson_lower(k, 200, alpha=0.05) > 0.85)
    assert found.probability_unchanged_passes == pytest.approx(float((counts >= least).mean()), abs=0.01)
    assert found.needed_items is not None
    assert found.source.startswith("the baseline's")


def test_a_bound_the_baseline_misses_is_named() -> None:
    asked = {"metric": "correct", "rule": "at_least", "bound": 0.99}
    found = one(asked, baseline=table(column(np.r_[np.ones(90), np.zeros(10)])))
    assert "does not meet the bound" in (found.note or "")
    assert found.needed_items is None
    assert one(asked).note == "no binary scores of a baseline to plan from"
    assert one({"metric": "correct", "rule": "at_least", "bound": 1.0}, baseline=table(column(np.ones(9)))).note


@pytest.mark.parametrize(
    "rule",
    [
        {"metric": "latency_s", "rule": "no_regression", "max_ratio": 1.1},
        {"metric": "latency_s", "rule": "no_regression", "margin": 1.0},
        {"metric": "latency_s.p95", "rule": "at_most", "bound": 8.0},
        {"metric": "correct", "rule": "observed_at_least", "bound": 0.5},
    ],
)
def test_what_cannot_be_planned_has_a_note_instead_of_a_number(rule: dict[str, Any]) -> None:
    found = one(rule)
    assert found.note
    assert found.probability_unchanged_passes is None


def test_a_rule_that_fits_no_metric_is_refused_before_any_call() -> None:
    with pytest.raises(UsageError, match="no metric 'corect'"):
        plan({"metric": "corect", "rule": "no_regression"})
