"""What a suite of this size can show, said before the first call: chances, detectable effects, items needed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evalkit.compare.rules import Claim, resolve
from evalkit.compare.values import FloatArray, has_bounds, item_values
from evalkit.core.item import ClusterMeaning
from evalkit.core.run import STATUS_OK, MetricColumn, RunTable
from evalkit.core.score import MetricInfo
from evalkit.core.suite import MetricRule, Policy
from evalkit.core.verdict import Comparison
from evalkit.stats import (
    PassChance,
    clopper_pearson_lower,
    clopper_pearson_upper,
    detectable_effect,
    discordance_upper,
    min_clusters,
    needed_n,
    probability_unchanged_passes,
)
from evalkit.stats.special import binomial_at_least

__all__ = ["DEFAULT_DISCORDANCE", "Alternative", "RulePlan", "SizePlan", "plan_size"]

DEFAULT_DISCORDANCE = 0.2
"""The share of items on which two draws of one candidate are assumed to differ where nothing is known."""
ALTERNATIVE_MARGINS = (0.02, 0.03, 0.05, 0.10)
_SEED = 20261123
_LEAST_MARGIN = 1e-6


@dataclass(frozen=True, slots=True)
class Alternative:
    """The same rule at another margin: how often an equal candidate passes, and the items for the policy's power."""

    margin: float
    probability_unchanged_passes: float
    needed_items: int


@dataclass(frozen=True, slots=True)
class RulePlan:
    """What one rule can show with the planned items.

    Attributes:
        rule: the rule.
        decides: whether it is meant to decide.
        discordance: mean squared difference between two draws of one item (of binary scores: how often they differ),
            None where the rule does not depend on it.
        source: where that number comes from.
        discordance_upper: its upper 95 % bound, from which ``needed_items`` is planned.
        detectable_effect: the true loss that is seen with the policy's power, None where it cannot be said.
        probability_unchanged_passes: for a candidate equal to the baseline; None where it cannot be said.
        needed_items: for the policy's power; None where no number is enough or it cannot be said.
        needed_clusters: the least number of clusters from which no difference at all passes, for new clusters.
        alternatives: other margins.
        note: what else a reader must know.
    """

    rule: MetricRule
    decides: bool
    discordance: float | None = None
    source: str = ""
    discordance_upper: float | None = None
    detectable_effect: float | None = None
    probability_unchanged_passes: float | None = None
    needed_items: int | None = None
    needed_clusters: int | None = None
    alternatives: tuple[Alternative, ...] = ()
    note: str | None = None


@dataclass(frozen=True, slots=True)
class SizePlan:
    """What the policy can show with the planned items.

    Attributes:
        n_items: planned items.
        n_clusters: their clusters, None where they carry none.
        target: what inference is for.
        power: the policy's.
        rules: one plan a rule.
        probability_unchanged_passes: of the whole policy, None where no deciding rule has one.
        how: how that number is made.
        warnings: what will keep the suite from passing, before any call.
    """

    n_items: int
    n_clusters: int | None
    target: Literal["items", "these", "new"]
    power: float
    rules: tuple[RulePlan, ...]
    probability_unchanged_passes: float | None
    how: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Known:
    """A discordance with its source and upper bound."""

    value: float
    upper: float
    source: str

    @property
    def assumed(self) -> float:
        """What is planned with: a pilot without a difference does not mean that there will be none."""
        return self.value or self.upper


@dataclass(frozen=True, slots=True)
class _Size:
    """Units and levels of the plan; ``sizes``: items a cluster, where clusters are the units."""

    n_items: int
    sizes: FloatArray | None
    policy: Policy

    def chance(self, psi: float, margin: float) -> PassChance:
        return probability_unchanged_passes(
            self.n_items,
            psi,
            margin,
            self.policy.alpha,
            cluster_sizes=self.sizes,
            max_cluster_effect=self.policy.max_cluster_effect,
            rng=np.random.default_rng(_SEED),
        )

    def needed(self, psi: float, margin: float) -> int:
        """Items for the policy's power; never fewer than the floor below which nothing can pass."""
        by_formula = needed_n(psi, margin=margin, alpha=self.policy.alpha, power=self.policy.power)
        floor = self.floor(margin)
        per_unit = 1.0 if self.sizes is None else self.n_items / self.sizes.size
        return max(by_formula, math.ceil(floor * per_unit))

    def floor(self, margin: float) -> int:
        """Units below which a result of no difference does not pass."""
        cap = 1.0 if self.sizes is None else self.policy.max_cluster_effect
        return min_clusters(margin, alpha=self.policy.alpha, max_cluster_effect=cap) if margin < cap else 0


def plan_size(
    policy: Policy,
    metrics: Sequence[MetricInfo],
    *,
    n_items: int,
    trials: int = 1,
    clusters: Sequence[str | None] | None = None,
    cluster_meaning: ClusterMeaning | None = None,
    baseline: RunTable | None = None,
    pilot: Comparison | None = None,
) -> SizePlan:
    """Return what a comparison of ``n_items`` items can show under a policy, before any call.

    The discordance comes from the pilot's comparison if there is one, else from the trials of the baseline (two trials
    of an item are two draws of one candidate), else 0.2 is assumed.

    Args:
        policy: the rules.
        metrics: what the graders and the runner will measure.
        n_items: planned items.
        trials: planned trials an item.
        clusters: the items' clusters, shape (n_items,).
        cluster_meaning: the dataset card's word; the policy's wins.
        baseline: stored scores, with which absolute rules and several trials say more.
        pilot: an earlier comparison of the same suite.

    Raises:
        UsageError: a rule does not fit the metrics.
    """
    infos = {info.name: info for info in metrics}
    groups = _groups(clusters)
    target: Literal["items", "these", "new"] = "items"
    if groups is not None:
        target = policy.clusters or cluster_meaning or "these"
    size = _Size(n_items, groups if target == "new" else None, policy)
    known = _discordances(infos, baseline, pilot, trials)
    plans = tuple(_rule_plan(resolve(rule, infos), rule, size, known, baseline) for rule in policy.rules)
    chance, how = _jointly(plans)
    return SizePlan(
        n_items=n_items,
        n_clusters=None if groups is None else int(groups.size),
        target=target,
        power=policy.power,
        rules=plans,
        probability_unchanged_passes=chance,
        how=how,
        warnings=tuple(_warnings(plans, size, target, policy, cluster_meaning)),
    )


def _groups(clusters: Sequence[str | None] | None) -> FloatArray | None:
    if clusters is None or all(cluster is None for cluster in clusters):
        return None
    counts: dict[str | int, int] = {}
    for row, cluster in enumerate(clusters):
        name = row if cluster is None else cluster
        counts[name] = counts.get(name, 0) + 1
    return np.array(list(counts.values()), dtype=np.float64)


def _discordances(
    infos: Mapping[str, MetricInfo], baseline: RunTable | None, pilot: Comparison | None, trials: int
) -> dict[str, _Known]:
    known = {}
    for name, info in infos.items():
        if not has_bounds(info):
            continue
        found = _from_pilot(name, pilot) if pilot is not None else None
        column = None if baseline is None else baseline.columns.get(name)
        if found is None and column is not None and column.info.grader == info.grader:
            found = _from_trials(column, trials)
        known[name] = found or _Known(DEFAULT_DISCORDANCE, DEFAULT_DISCORDANCE, "assumed: no pilot")
    return known


def _from_pilot(name: str, pilot: Comparison) -> _Known | None:
    for metric in pilot.metrics:
        if metric.info.name == name and metric.discordance is not None and metric.scale == "difference":
            n = metric.n_pairs
            upper = discordance_upper(round(metric.discordance * n), n)
            return _Known(metric.discordance, upper, f"pilot of {n}")
    return None


def _from_trials(column: MetricColumn, trials: int) -> _Known | None:
    """Twice the variance between the trials of one item, over the planned trials: two draws of one candidate."""
    ok = column.status == STATUS_OK
    whole = ok.all(axis=1)
    if column.status.shape[1] < 2 or int(whole.sum()) < 2:
        return None
    per_item = 2.0 * column.value[whole].var(axis=1, ddof=1) / trials
    psi, n = min(float(per_item.mean()), 1.0), per_item.size
    upper = min(psi + 1.645 * float(per_item.std(ddof=1)) / math.sqrt(n), 1.0)
    floor = discordance_upper(0, n) / trials
    return _Known(psi, max(upper, floor), f"between the baseline's {column.status.shape[1]} trials of {n} items")


def _rule_plan(
    claim: Claim, rule: MetricRule, size: _Size, known: Mapping[str, _Known], baseline: RunTable | None
) -> RulePlan:
    decides = rule.gate
    if claim.scale == "absolute":
        return _absolute_plan(claim, rule, size, baseline)
    if claim.scale == "ratio" or claim.info.name not in known:
        note = "depends on the spread between runs, which is not known before both have been made"
        return RulePlan(rule, decides, note=note)
    psi, margin = known[claim.info.name], claim.margin or 0.0
    if rule.rule == "improve" or margin < _LEAST_MARGIN:
        se = math.sqrt(psi.assumed / max(size.n_items if size.sizes is None else size.sizes.size, 1))
        return RulePlan(
            rule,
            decides,
            psi.value,
            psi.source,
            psi.upper,
            detectable_effect(se, alpha=size.policy.alpha, power=size.policy.power),
            size.policy.alpha,
            note="asks for an improvement: an unchanged candidate is not meant to pass",
        )
    return _regression_plan(rule, margin, psi, size)


def _regression_plan(rule: MetricRule, margin: float, psi: _Known, size: _Size) -> RulePlan:
    se = math.sqrt(psi.assumed / max(size.n_items, 1))
    others = [other for other in ALTERNATIVE_MARGINS if not math.isclose(other, margin)]
    cap = 1.0 if size.sizes is None else size.policy.max_cluster_effect
    return RulePlan(
        rule,
        rule.gate,
        psi.value,
        psi.source,
        psi.upper,
        detectable_effect(se, alpha=size.policy.alpha, power=size.policy.power),
        size.chance(psi.assumed, margin).value if margin < cap else None,
        size.needed(psi.upper, margin) if margin < cap else None,
        size.floor(margin) if size.sizes is not None and margin < cap else None,
        tuple(
            Alternative(other, size.chance(psi.assumed, other).value, size.needed(psi.upper, other))
            for other in others
            if other < cap
        ),
        None if size.sizes is None else "items of one cluster taken as uncorrelated: less where they move together",
    )


def _absolute_plan(claim: Claim, rule: MetricRule, size: _Size, baseline: RunTable | None) -> RulePlan:
    if rule.rule not in ("at_least", "at_most"):
        return RulePlan(rule, rule.gate, note="compares what is observed; no inference, no chance to state")
    column = None if baseline is None else baseline.columns.get(claim.info.name)
    if claim.info.kind != "binary" or claim.quantile is not None or size.sizes is not None or column is None:
        return RulePlan(rule, rule.gate, note="no binary scores of a baseline to plan from")
    values = item_values(column, np.arange(column.status.shape[0], dtype=np.int64), better=claim.better)
    rate = float(values.value[values.known].mean()) if values.known.any() else 0.0
    bound = rule.bound or 0.0
    holds = rate > bound if rule.rule == "at_least" else rate < bound
    chance = _absolute_chance(size, rate, bound, at_least=rule.rule == "at_least")
    note = None if holds else f"the baseline's own {rate:.3g} does not meet the bound"
    return RulePlan(
        rule,
        rule.gate,
        source=f"the baseline's {rate:.3g}",
        probability_unchanged_passes=chance,
        needed_items=_absolute_needed(size.policy, rate, bound) if holds else None,
        note=note,
    )


def _absolute_chance(size: _Size, rate: float, bound: float, *, at_least: bool) -> float:
    """Exact: the binomial probability of the counts whose Clopper-Pearson bound clears the line."""
    n, alpha = size.n_items, size.policy.alpha
    low, high = 0, n + 1
    while low < high:  # the fewest successes that pass (at_most: the fewest that no longer pass)
        k = (low + high) // 2
        if at_least:
            reached = k > n or clopper_pearson_lower(k, n, alpha=alpha) > bound
        else:
            reached = k > n or clopper_pearson_upper(k, n, alpha=alpha) >= bound
        low, high = (low, k) if reached else (k + 1, high)
    above = binomial_at_least(low, n, rate) if low <= n else 0.0
    return above if at_least else 1.0 - above


def _absolute_needed(policy: Policy, rate: float, bound: float) -> int:
    variance = max(bound * (1.0 - bound), rate * (1.0 - rate))
    return needed_n(variance, margin=abs(rate - bound), alpha=policy.alpha, power=policy.power)


def _jointly(plans: Sequence[RulePlan]) -> tuple[float | None, str]:
    deciding = [plan for plan in plans if plan.decides]
    chances = [plan.probability_unchanged_passes for plan in deciding if plan.probability_unchanged_passes is not None]
    if not chances:
        return None, "no deciding rule has a chance that can be stated before the run"
    left = len(deciding) - len(chances)
    rest = f"; {left} deciding rules are not in it" if left else ""
    if len(chances) == 1:
        return chances[0], f"of the one deciding rule that can be planned{rest}"
    return math.prod(chances), f"product over {len(chances)} deciding rules; more where they move together{rest}"


def _warnings(
    plans: Sequence[RulePlan],
    size: _Size,
    target: Literal["items", "these", "new"],
    policy: Policy,
    meaning: ClusterMeaning | None,
) -> list[str]:
    says = []
    if target == "these" and policy.clusters is None and meaning is None:
        says.append("items carry clusters and the dataset card does not say what they stand for: taken as `these`")
    for plan in plans:
        margin, name = plan.rule.margin, plan.rule.metric
        n_clusters = None if size.sizes is None else int(size.sizes.size)
        if n_clusters is not None and plan.needed_clusters is not None and n_clusters < plan.needed_clusters:
            shown = "" if margin is None else f" at margin {margin:g}"
            says.append(
                f"{name}: {n_clusters} clusters are too few{shown} for new clusters: no difference at all passes from"
                f" {plan.needed_clusters} on, since fewer leave room for a share of that size to collapse unseen"
            )
        elif _unlikely(plan, policy):
            says.append(
                f"{name}: an unchanged candidate passes with probability"
                f" {plan.probability_unchanged_passes or 0.0:.0%}; {policy.power:.0%} needs about"
                f" {plan.needed_items or 0:,} items"
            )
    return says


def _unlikely(plan: RulePlan, policy: Policy) -> bool:
    chance = plan.probability_unchanged_passes
    return plan.decides and plan.needed_items is not None and chance is not None and chance < policy.power
