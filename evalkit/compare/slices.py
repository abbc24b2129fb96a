"""Metrics on the items with one tag: exploratory, adjusted by Benjamini-Hochberg, never deciding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evalkit.compare.descriptive import difference_figures
from evalkit.compare.measure import Bench
from evalkit.compare.methods import difference_gate, own_unit, weighted_mean
from evalkit.compare.pairing import MetricPairs
from evalkit.compare.rules import Claim
from evalkit.compare.values import IntArray, has_bounds
from evalkit.core.verdict import SliceComparison
from evalkit.stats import benjamini_hochberg

__all__ = ["MIN_SLICE", "Q_LEVEL", "slice_comparisons"]

MIN_SLICE = 30
"""Pairs below which a slice is not looked at."""
Q_LEVEL = 0.05


def slice_comparisons(claims: Sequence[Claim], bench: Bench) -> tuple[SliceComparison, ...]:
    """Return every metric in [0, 1] on every tag with at least 30 pairs, by tag and metric.

    ``p_fail_adjusted`` is adjusted over all slices of the comparison; ``flagged`` at a false discovery rate of .05.
    """
    if bench.pairs is None:
        return ()
    tagged = _positions_by_tag(bench, bench.pairs.candidate_rows)
    found = [
        one
        for tag in sorted(tagged)
        for claim in _one_a_metric(claims)
        if (one := _slice(tag, tagged[tag], claim, bench)) is not None
    ]
    adjusted = benjamini_hochberg([one.p_fail for one in found])
    return tuple(
        one.model_copy(update={"p_fail_adjusted": float(p), "flagged": bool(p <= Q_LEVEL)})
        for one, p in zip(found, adjusted, strict=True)
    )


def _positions_by_tag(bench: Bench, rows: IntArray) -> dict[str, IntArray]:
    tagged: dict[str, list[int]] = {}
    tags = bench.candidate.tags
    for position, row in enumerate(rows.tolist()):
        for tag in tags[row]:
            tagged.setdefault(tag, []).append(position)
    return {tag: np.array(places, dtype=np.int64) for tag, places in tagged.items() if len(places) >= MIN_SLICE}


def _one_a_metric(claims: Sequence[Claim]) -> list[Claim]:
    first: dict[str, Claim] = {}
    for claim in claims:
        if has_bounds(claim.info):
            first.setdefault(claim.info.name, claim)
    return list(first.values())


def _slice(tag: str, positions: IntArray, claim: Claim, bench: Bench) -> SliceComparison | None:
    found = bench.paired(claim)
    if not isinstance(found, MetricPairs):
        return None
    inside = np.isin(found.positions, positions)
    if int(inside.sum()) < MIN_SLICE:
        return None
    design = bench.paired_design.at(found.positions[inside])
    gain = found.difference[inside] * (1.0 if claim.better == "higher" else -1.0) + 0.0
    result = own_unit(difference_gate(gain, claim.info, margin=0.0, design=design), claim.better)
    figures = difference_figures(found.difference[inside], claim.info, None)
    return SliceComparison(
        slice=tag,
        metric=claim.info.name,
        n_pairs=result.n_items,
        baseline=weighted_mean(found.baseline[inside], design.weights),
        candidate=weighted_mean(found.candidate[inside], design.weights),
        effect=result.effect,
        low=result.low,
        high=result.high,
        p_fail=result.p_fail,
        p_fail_adjusted=result.p_fail,
        flagged=False,
        n_worse=int((gain < 0).sum()),
        n_better=int((gain > 0).sum()),
        se_independent=figures["se_independent"],
        mcnemar_p=figures["mcnemar_p"],
    )
