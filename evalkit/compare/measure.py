"""One claim measured on two tables: estimate, interval, p values, what could be seen, and which items moved."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evalkit.compare.descriptive import difference_figures
from evalkit.compare.methods import (
    Design,
    Planning,
    bounded_planning,
    difference_gate,
    own_unit,
    quantile_regression,
    ratio_planning,
    relative_gate,
    sample_quantile,
    spread_planning,
    weighted_mean,
    worst_and_best,
)
from evalkit.compare.pairing import MetricPairs, Pairs, metric_pairs
from evalkit.compare.rules import Claim
from evalkit.compare.values import FloatArray, IntArray, has_bounds, unusable
from evalkit.core.run import RunTable
from evalkit.core.score import Better
from evalkit.core.suite import Policy
from evalkit.core.verdict import Flip, MetricComparison
from evalkit.stats import GateResult, StatsError

__all__ = ["MAX_FLIPS", "Bench", "blank", "from_gate", "measure_relative", "movement"]

MAX_FLIPS = 200
NO_BASELINE = "there is no baseline to compare with"
_TIMED = frozenset({"latency_s", "first_token_s", "cost_usd"})

Fields = dict[str, Any]


@dataclass(slots=True)
class Bench:
    """What every claim of one comparison is measured with.

    Attributes:
        candidate: the run under test.
        baseline: what it is held against, if anything.
        pairs: the matched rows, None without a baseline.
        policy: levels.
        design: of all the candidate's items.
        paired_design: of the paired items.
        advisory: metric name to why its rules do not decide.
        cache: metric pairs by metric and direction, filled on first use.
    """

    candidate: RunTable
    baseline: RunTable | None
    pairs: Pairs | None
    policy: Policy
    design: Design
    paired_design: Design
    advisory: dict[str, str]
    cache: dict[tuple[str, Better], MetricPairs | str] = field(default_factory=dict)

    def paired(self, claim: Claim) -> MetricPairs | str:
        """Return the metric's values on the pairs, or the reason why there are none."""
        key = (claim.info.name, claim.better)
        if key not in self.cache:
            self.cache[key] = self._pair(claim)
        return self.cache[key]

    def _pair(self, claim: Claim) -> MetricPairs | str:
        if self.baseline is None or self.pairs is None:
            return NO_BASELINE
        name = claim.info.name
        ours, theirs = self.candidate.columns[name], self.baseline.columns.get(name)
        if theirs is None:
            return f"no scores of {name} in {self.baseline.provenance}: grade it again, or accept a new baseline"
        if ours.info.grader != theirs.info.grader:
            return (
                f"graded by {ours.info.grader or 'the runner'} here and by {theirs.info.grader or 'the runner'} in"
                f" {self.baseline.provenance}: scores of different graders are never paired; grade the baseline again"
            )
        if ours.info.kind != theirs.info.kind:
            return f"{name} is {ours.info.kind} here and {theirs.info.kind} in {self.baseline.provenance}"
        wrong = unusable(self.candidate, ours) or unusable(self.baseline, theirs)
        return wrong or metric_pairs(ours, theirs, self.pairs, better=claim.better)

    @property
    def interleaved(self) -> bool:
        """Whether the calls of both arms were made side by side."""
        return self.baseline is not None and self.candidate.manifest.batch == self.baseline.manifest.batch

    def advice(self, claim: Claim) -> str | None:
        """Return why the claim does not decide, or None if it may."""
        name = claim.info.name
        confounded = name in _TIMED and claim.info.grader is None and claim.needs_baseline
        if confounded and self.baseline is not None and not self.interleaved:
            return (
                f"advisory: {name} was measured at another time and load than in {self.baseline.provenance}; only"
                " arms interleaved in one run are comparable"
            )
        return self.advisory.get(name)


def blank(claim: Claim, bench: Bench, reason: str, **counts: int) -> MetricComparison:
    """Return a comparison without numbers, and the reason."""
    return MetricComparison(
        info=claim.info,
        rule_id=claim.rule.id if claim.rule else None,
        scale=claim.scale,
        statistic=claim.statistic,
        confidence=1.0 - 2.0 * bench.policy.alpha,
        target=bench.design.target,
        reason=reason,
        advisory=bench.advice(claim),
    ).model_copy(update=counts)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def from_gate(result: GateResult, plan: Planning) -> Fields:
    """Return the fields of a comparison that come from a gate and its planning."""
    why = result.why if result.no_evidence is None else f"{result.why}; {result.no_evidence}"
    return {
        "effect": result.effect,
        "low": _finite(result.low),
        "high": _finite(result.high),
        "confidence": result.confidence,
        "p_pass": result.p_pass,
        "p_fail": result.p_fail,
        "other_target": result.other_target,
        "p_pass_other_target": result.other_target_p_pass,
        "p_fail_other_target": result.other_target_p_fail,
        "n_pairs": result.n_items,
        "n_clusters": result.n_clusters,
        "target": result.target,
        "method": result.method,
        "why": why,
        "detectable_effect": plan.detectable,
        "needed_n": plan.needed,
        "probability_unchanged_passes": plan.chance,
    }


def counts_of(found: MetricPairs) -> dict[str, int]:
    """Return where the paired items of a metric went."""
    return {
        "n_expected": found.n_expected,
        "n_missing": found.n_missing,
        "n_imputed": found.n_imputed,
        "n_skipped": found.n_skipped,
        "n_grader_errors": found.n_grader_errors,
    }


def movement(ids: list[str], found: MetricPairs, better: Better) -> Fields:
    """Return how many items are worse and better, and which, the largest change first.

    Args:
        ids: shape (n,), the items of ``found``'s values.
        found: the paired values.
        better: which direction is good.
    """
    gain = found.difference if better == "higher" else -found.difference
    worse, improved = np.flatnonzero(gain < 0.0), np.flatnonzero(gain > 0.0)

    def flips(rows: IntArray, size: FloatArray) -> tuple[Flip, ...]:
        order = rows[np.argsort(-size[rows], kind="stable")][:MAX_FLIPS]
        return tuple(
            Flip(item_id=ids[row], baseline=float(found.baseline[row]), candidate=float(found.candidate[row]))
            for row in order
        )

    return {
        "n_worse": int(worse.size),
        "n_better": int(improved.size),
        "regressed": flips(worse, -gain),
        "fixed": flips(improved, gain),
        "discordance": float((gain != 0.0).mean()),
    }


def measure_relative(claim: Claim, bench: Bench) -> MetricComparison:
    """Return the candidate against the baseline on one claim; a reason and no numbers where that is impossible."""
    found = bench.paired(claim)
    if isinstance(found, str):
        return blank(claim, bench, found)
    counts = counts_of(found)
    if found.positions.size == 0:
        return blank(claim, bench, _empty(found), **counts)
    try:
        fields = _measured(claim, found, bench.paired_design.at(found.positions))
        fields |= _worst_case(claim, found, bench.paired_design)
    except StatsError as error:
        return blank(claim, bench, str(error), **counts)
    if claim.info.kind != "positive":
        fields |= movement([bench.candidate.item_ids[row] for row in found.rows.tolist()], found, claim.better)
        fields |= difference_figures(found.difference, claim.info, bench.paired_design.at(found.positions).clusters)
    return blank(claim, bench, "", **counts).model_copy(update=fields | {"reason": None})


def _measured(claim: Claim, found: MetricPairs, design: Design) -> Fields:
    if claim.scale == "ratio":
        return _ratio(claim, found, design)
    if claim.quantile is not None:
        return _quantile(claim, found, claim.quantile, design)
    return _difference(claim, found, design)


def _empty(found: MetricPairs) -> str:
    if found.n_expected == 0:
        return f"no item has this metric: all {found.n_skipped} pairs are skipped" if found.n_skipped else "no pairs"
    return (
        f"no pair has a value on both sides: {found.n_missing} of {found.n_expected} missing,"
        f" {found.n_grader_errors} with a grader's error or abstention"
    )


def _means(found: MetricPairs, design: Design) -> Fields:
    return {
        "baseline": weighted_mean(found.baseline, design.weights),
        "candidate": weighted_mean(found.candidate, design.weights),
    }


def _difference(claim: Claim, found: MetricPairs, design: Design) -> Fields:
    margin = claim.margin or 0.0
    gain = found.difference if claim.better == "higher" else -found.difference + 0.0
    result = difference_gate(gain, claim.info, margin=margin, design=design)
    if has_bounds(claim.info):
        plan = bounded_planning(gain, margin=margin, design=design)
    else:
        plan = spread_planning(result, distance=margin, design=design)
    return from_gate(own_unit(result, claim.better), plan) | _means(found, design)


def _ratio(claim: Claim, found: MetricPairs, design: Design) -> Fields:
    if not found.candidate.any() and not found.baseline.any():
        return _nothing_on_both_sides(found)
    limit = claim.max_ratio or 1.0
    result = relative_gate(
        found.candidate, found.baseline, claim.info, max_ratio=limit, better=claim.better, design=design
    )
    return from_gate(result, ratio_planning(result, max_ratio=limit, design=design)) | _means(found, design)


def _nothing_on_both_sides(found: MetricPairs) -> Fields:
    """A model that is free on both sides has not become dearer: a fact about every pair, not an estimate."""
    return {
        "baseline": 0.0,
        "candidate": 0.0,
        "effect": 1.0,
        "low": 1.0,
        "high": 1.0,
        "p_pass": 0.0,
        "p_fail": 1.0,
        "n_pairs": int(found.positions.size),
        "method": "all-zero/1",
        "why": "every value is zero on both sides, so nothing has risen",
    }


def _quantile(claim: Claim, found: MetricPairs, asked: float, design: Design) -> Fields:
    """The share of items beyond the baseline's quantile: lower is better, whatever the metric's direction."""
    sign = 1.0 if claim.better == "lower" else -1.0
    quantile = asked if sign > 0 else 1.0 - asked
    ours, theirs = sign * found.candidate, sign * found.baseline
    margin = claim.margin or 0.0
    result = quantile_regression(ours, theirs, quantile=quantile, margin=margin, design=design)
    line = sample_quantile(theirs, quantile)
    beyond, before = (ours > line).astype(np.float64), (theirs > line).astype(np.float64)
    fields = from_gate(own_unit(result, "lower"), bounded_planning(before - beyond, margin=margin, design=design))
    return fields | {
        "info": claim.info.model_copy(update={"better": "lower"}),
        "baseline": float(before.mean()),
        "candidate": float(beyond.mean()),
    }


def _worst_case(claim: Claim, found: MetricPairs, whole: Design) -> Fields:
    if found.n_grader_errors == 0:
        return {}
    if not found.bounded or claim.quantile is not None:
        return {"p_pass_worst_case": 1.0, "p_fail_best_case": 1.0}
    design = whole.at(found.bound_positions)
    low, high = found.bound_low, found.bound_high
    worst, best = (low, high) if claim.better == "higher" else (-high, -low)
    p_pass, p_fail = worst_and_best(worst, best, margin=claim.margin or 0.0, design=design)
    return {
        "worst_case_low": weighted_mean(low, design.weights),
        "worst_case_high": weighted_mean(high, design.weights),
        "p_pass_worst_case": p_pass,
        "p_fail_best_case": p_fail,
    }
