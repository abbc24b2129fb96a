"""Claims about the candidate alone: a mean or quantile against a fixed bound, a plain figure, a count of failures."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from evalkit.compare.measure import MAX_FLIPS, Bench, Fields, blank, from_gate
from evalkit.compare.methods import (
    Design,
    Direction,
    Planning,
    absolute_gate,
    bound_planning,
    quantile_absolute,
    sample_quantile,
    weighted_mean,
)
from evalkit.compare.rules import OBSERVED, Claim
from evalkit.compare.values import BoolArray, FloatArray, ItemValues, has_bounds, item_values, unusable, worst_value
from evalkit.core.run import (
    STATUS_ABSTAINED,
    STATUS_CANDIDATE_FAILED,
    STATUS_ERROR,
    STATUS_OK,
    MetricColumn,
    RunTable,
)
from evalkit.core.suite import MetricRule
from evalkit.core.verdict import Flip, MetricComparison
from evalkit.stats import GateResult, StatsError

__all__ = ["measure_absolute"]


@dataclass(frozen=True, slots=True)
class _Arm:
    """The candidate's items that have a value, and those that only a grader keeps from one."""

    values: ItemValues
    known: BoolArray
    bounds: BoolArray
    n_trials: int

    def counts(self) -> dict[str, int]:
        within = ~self.values.skipped
        return {
            "n_expected": int(within.sum()),
            "n_missing": int((within & ~self.bounds).sum()),
            "n_imputed": int((self.values.imputed & self.known).sum()),
            "n_skipped": int(self.values.skipped.sum()),
            "n_grader_errors": int((self.values.unknown & within).sum()),
        }


def _arm(table: RunTable, column: MetricColumn, claim: Claim) -> _Arm:
    rows = np.arange(len(table.item_ids), dtype=np.int64)
    values = item_values(MetricColumn(claim.info, column.status, column.value), rows, better=claim.better)
    within = ~values.skipped
    return _Arm(values, values.known & within, (values.known | values.unknown) & within, column.status.shape[1])


def measure_absolute(claim: Claim, rule: MetricRule, bench: Bench) -> MetricComparison:
    """Return one claim about the candidate's own scores, on all its items, paired or not."""
    column = bench.candidate.columns[claim.info.name]
    if wrong := unusable(bench.candidate, column):
        return blank(claim, bench, wrong)
    arm = _arm(bench.candidate, column, claim)
    if not arm.known.any():
        reason = "no item has a value: all missing, skipped, or with a grader's error or abstention"
        return blank(claim, bench, reason, **arm.counts())
    try:
        if rule.rule == "none_may_fail":
            fields = _count(claim, bench, column, arm)
        elif rule.rule in OBSERVED:
            fields = _observed(claim, bench, arm)
        else:
            fields = _tested(claim, rule, rule.bound or 0.0, bench, arm)
    except StatsError as error:
        return blank(claim, bench, str(error), **arm.counts())
    fields = {"baseline": _baseline_figure(claim, bench)} | fields | {"reason": None}
    return blank(claim, bench, "", **arm.counts()).model_copy(update=fields)


def _figure(values: FloatArray, claim: Claim, design: Design) -> float:
    if claim.quantile is not None:
        return sample_quantile(values, claim.quantile)
    return weighted_mean(values, design.weights)


def _baseline_column(claim: Claim, bench: Bench) -> MetricColumn | None:
    """The same metric of the baseline, or None where it was not made the same way."""
    if bench.baseline is None:
        return None
    column = bench.baseline.columns.get(claim.info.name)
    ours = bench.candidate.columns[claim.info.name]
    if column is None or column.info.grader != ours.info.grader or unusable(bench.baseline, column):
        return None
    return column


def _baseline_values(claim: Claim, bench: Bench) -> tuple[FloatArray, FloatArray] | None:
    """The baseline's own values and weights, for orientation and planning only."""
    column = _baseline_column(claim, bench)
    if bench.baseline is None or column is None:
        return None
    arm = _arm(bench.baseline, column, claim)
    weights = np.asarray(bench.baseline.weights, dtype=np.float64)[arm.known]
    return (arm.values.value[arm.known], weights) if arm.known.any() else None


def _baseline_figure(claim: Claim, bench: Bench) -> float | None:
    if claim.statistic == "failing outputs":
        column = _baseline_column(claim, bench)
        return None if column is None else float(_failing(column, claim).sum())
    found = _baseline_values(claim, bench)
    if found is None:
        return None
    return _figure(found[0], claim, Design(None, "items", found[1], 0.05, 0.8, 1.0))


def _tested(claim: Claim, rule: MetricRule, bound: float, bench: Bench, arm: _Arm) -> Fields:
    direction: Direction = "at_least" if rule.rule == "at_least" else "at_most"
    positions = np.flatnonzero(arm.known)
    values, design = arm.values.value[positions], bench.design.at(positions)
    if claim.quantile is not None:
        result = quantile_absolute(values, quantile=claim.quantile, bound=bound, direction=direction, design=design)
        plan = _quantile_planning(claim, claim.quantile, bound, bench, result, direction)
    else:
        single = arm.n_trials == 1
        result = absolute_gate(values, claim.info, bound=bound, direction=direction, single=single, design=design)
        plan = bound_planning(
            result, bound=bound, direction=direction, unchanged=_baseline_figure(claim, bench), design=design
        )
    fields = from_gate(result, plan) | {"candidate": result.effect, "effect": None}
    return fields | _unknown_scores(claim, bound, bench, arm, direction)


def _quantile_planning(
    claim: Claim, quantile: float, bound: float, bench: Bench, result: GateResult, direction: Direction
) -> Planning:
    """What can be said of the share of items beyond the bound; an effect on the metric's scale cannot."""
    unchanged = _baseline_values(claim, bench)
    if unchanged is None:
        return Planning()
    share = float((unchanged[0] > bound).mean())
    plan = bound_planning(result, bound=1.0 - quantile, direction=direction, unchanged=share, design=bench.design)
    return replace(plan, detectable=None)


def _unknown_scores(claim: Claim, bound: float, bench: Bench, arm: _Arm, direction: Direction) -> Fields:
    """The test repeated with every error and abstention of a grader at its worst and at its best."""
    if not arm.values.unknown[arm.bounds].any():
        return {}
    if not has_bounds(claim.info) or claim.quantile is not None:
        return {"p_pass_worst_case": 1.0, "p_fail_best_case": 1.0}
    design = bench.design.at(np.flatnonzero(arm.bounds))
    low, high = arm.values.low[arm.bounds], arm.values.high[arm.bounds]
    p_pass, p_fail = (
        absolute_gate(values, claim.info, bound=bound, direction=direction, single=arm.n_trials == 1, design=design)
        for values in ((low, high) if direction == "at_least" else (high, low))
    )
    return _worst(low, high, design) | {"p_pass_worst_case": p_pass.p_pass, "p_fail_best_case": p_fail.p_fail}


def _worst(low: FloatArray, high: FloatArray, design: Design) -> Fields:
    return {
        "worst_case_low": weighted_mean(low, design.weights),
        "worst_case_high": weighted_mean(high, design.weights),
    }


def _observed(claim: Claim, bench: Bench, arm: _Arm) -> Fields:
    positions = np.flatnonzero(arm.known)
    design = bench.design.at(positions)
    fields: Fields = {
        "candidate": _figure(arm.values.value[positions], claim, design),
        "n_pairs": int(positions.size),
        "method": "observed",
        "why": "the plain figure of these items; says nothing about others",
    }
    if arm.values.unknown[arm.bounds].any() and has_bounds(claim.info) and claim.quantile is None:
        whole = bench.design.at(np.flatnonzero(arm.bounds))
        fields |= _worst(arm.values.low[arm.bounds], arm.values.high[arm.bounds], whole)
    return fields


def _failing(column: MetricColumn, claim: Claim) -> BoolArray:
    failing: BoolArray = (column.status == STATUS_CANDIDATE_FAILED) | (
        (column.status == STATUS_OK) & (column.value == worst_value(claim.better))
    )
    return failing


def _count(claim: Claim, bench: Bench, column: MetricColumn, arm: _Arm) -> Fields:
    failing = _failing(column, claim)
    unknown = int(((column.status == STATUS_ERROR) | (column.status == STATUS_ABSTAINED)).sum())
    rows = np.flatnonzero(failing.any(axis=1))
    best = 1.0 - worst_value(claim.better)
    total = float(failing.sum())
    return {
        "candidate": total,
        "n_pairs": int(arm.known.sum()),
        "n_worse": int(rows.size),
        "worst_case_low": total,
        "worst_case_high": total + unknown,
        "method": "count",
        "why": "a count of these outputs, no inference",
        "regressed": tuple(
            Flip(item_id=bench.candidate.item_ids[row], baseline=best, candidate=float(arm.values.value[row]))
            for row in rows[:MAX_FLIPS].tolist()
        ),
    }
