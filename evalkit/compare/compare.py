"""A candidate's run against a baseline: every rule and every metric measured, nothing decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from evalkit.compare.absolute import measure_absolute
from evalkit.compare.differences import age_warning, definition_differences
from evalkit.compare.measure import Bench, measure_relative
from evalkit.compare.methods import Design, Target
from evalkit.compare.pairing import MetricPairs, error_rate, pair
from evalkit.compare.rules import Claim, resolve, unruled
from evalkit.compare.slices import slice_comparisons
from evalkit.compare.values import IntArray
from evalkit.core.item import ClusterMeaning
from evalkit.core.run import RunTable
from evalkit.core.suite import Policy
from evalkit.core.verdict import Comparison, MetricComparison, PairingAccount

__all__ = ["compare"]


def compare(
    candidate: RunTable,
    baseline: RunTable | None,
    policy: Policy,
    *,
    common_items: bool = False,
    cluster_meaning: ClusterMeaning | None = None,
    slices: bool = True,
    advisory: Mapping[str, str] | None = None,
) -> Comparison:
    """Return what each rule of the policy, and each metric without a rule, comes to in numbers.

    Args:
        candidate: the run under test.
        baseline: a run or a stored baseline; None leaves only the rules about the candidate alone.
        policy: rules, levels and what clusters mean.
        common_items: compare on the matching items even where under 95 % of the baseline's items match.
        cluster_meaning: overrides the dataset card; the policy's ``clusters`` wins over both.
        slices: whether to look at tags, too.
        advisory: metric name to why its rules are reported without deciding, such as an uncalibrated judge.

    Raises:
        UsageError: too few items match, or a rule does not fit the run's metrics.
    """
    columns = {name: column.info for name, column in candidate.columns.items()}
    ruled = [resolve(rule, columns) for rule in policy.rules]
    claims = [*ruled, *unruled(columns.values(), ruled)]
    pairs = None if baseline is None else pair(candidate, baseline, common_items=common_items)
    target, said = _target(candidate, policy, cluster_meaning)
    whole = _design(candidate, policy, target)
    paired = whole if pairs is None else whole.at(pairs.candidate_rows)
    bench = Bench(candidate, baseline, pairs, policy, whole, paired, dict(advisory or {}))
    metrics = tuple(_measure(claim, bench) for claim in claims)
    return Comparison(
        suite=candidate.manifest.suite,
        candidate=candidate.manifest,
        baseline=None if baseline is None else baseline.manifest,
        baseline_label="no baseline" if baseline is None else baseline.provenance,
        pairing=_alone(candidate) if pairs is None else pairs.account,
        metrics=metrics,
        slices=slice_comparisons(claims, bench) if slices else (),
        differences=() if baseline is None else definition_differences(candidate.manifest, baseline.manifest),
        warnings=(*said, *_warnings(bench, claims, metrics)),
    )


def _measure(claim: Claim, bench: Bench) -> MetricComparison:
    if claim.rule is None or claim.needs_baseline:
        return measure_relative(claim, bench)
    return measure_absolute(claim, claim.rule, bench)


def _alone(candidate: RunTable) -> PairingAccount:
    return PairingAccount(
        n_baseline=0,
        n_candidate=len(candidate.item_ids),
        n_paired=0,
        candidate_error_rate=error_rate(candidate),
    )


def _target(candidate: RunTable, policy: Policy, meaning: ClusterMeaning | None) -> tuple[Target, list[str]]:
    """What inference is for, and what has to be said about it."""
    if all(cluster is None for cluster in candidate.clusters):
        return "items", []
    card = meaning or candidate.manifest.dataset.cluster_meaning
    if policy.clusters is not None and card is not None and policy.clusters != card:
        return policy.clusters, [
            f"the dataset card says clusters: {card}, the policy says {policy.clusters}: the policy wins, and a verdict"
            f" {'no longer ' if policy.clusters == 'these' else ''}reaches beyond the clusters of this dataset"
        ]
    if chosen := policy.clusters or card:
        return chosen, []
    return "these", [
        "items carry clusters, and neither the dataset card nor the policy says what they stand for: taken as `these`,"
        " so the verdict is about these clusters only; say `clusters: new` if it shall hold for new ones"
    ]


def _design(candidate: RunTable, policy: Policy, target: Target) -> Design:
    weights = np.asarray(candidate.weights, dtype=np.float64)
    equal = weights.size == 0 or bool(weights.min() == weights.max())
    return Design(
        clusters=None if target == "items" else _codes(candidate.clusters),
        target=target,
        weights=None if equal else weights,
        alpha=policy.alpha,
        power=policy.power,
        cap=policy.max_cluster_effect,
    )


def _codes(clusters: Sequence[str | None]) -> IntArray:
    """A code a cluster; an item without one is a cluster of its own."""
    seen: dict[str | int, int] = {}
    codes = [seen.setdefault(row if cluster is None else cluster, len(seen)) for row, cluster in enumerate(clusters)]
    return np.array(codes, dtype=np.int64)


def _warnings(bench: Bench, claims: Sequence[Claim], metrics: Sequence[MetricComparison]) -> list[str]:
    says = list(bench.pairs.warnings) if bench.pairs else []
    if bench.baseline is not None and (old := age_warning(bench.candidate.manifest, bench.baseline.manifest)):
        says.append(old)
    if bench.design.weights is not None and any(claim.quantile is not None for claim in claims):
        says.append("items have unequal weights, which quantiles do not use")
    for claim in claims:
        found = bench.cache.get((claim.info.name, claim.better))
        if isinstance(found, MetricPairs):
            says.extend(_pair_warnings(claim.info.name, found))
    says.extend(metric.advisory for metric in metrics if metric.rule_id and metric.advisory)
    return list(dict.fromkeys(says))


def _pair_warnings(name: str, found: MetricPairs) -> list[str]:
    says = []
    if found.n_short:
        says.append(f"{name}: {found.n_short} items lack some of their trials; the mean is over the others")
    if found.n_skipped_once:
        says.append(f"{name}: {found.n_skipped_once} items are skipped on one side only and leave the metric")
    if found.n_grader_errors:
        says.append(f"{name}: {found.n_grader_errors} items have a grader's error or abstention; bounds decide")
    return says
