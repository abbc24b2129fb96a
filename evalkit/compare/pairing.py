"""Which items of two runs belong together, and where every other item went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalkit.base.errors import UsageError
from evalkit.compare.values import BoolArray, FloatArray, IntArray, ItemValues, has_bounds, item_values
from evalkit.core.run import STATUS_INFRASTRUCTURE_FAILED, STATUS_MISSING, MetricColumn, RunTable
from evalkit.core.score import Better
from evalkit.core.verdict import PairingAccount

__all__ = ["DECIMALS", "MIN_MATCH", "MetricPairs", "Pairs", "error_rate", "metric_pairs", "pair"]

MIN_MATCH = 0.95
"""The share of the baseline's items that must be matched."""
DECIMALS = 12
"""Differences are rounded so that equal scores give exactly 0."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Matched rows of two tables, in the candidate's analysis order.

    Attributes:
        account: where every item went.
        candidate_rows: shape (n_paired,), rows of the candidate's table.
        baseline_rows: shape (n_paired,), the matching rows of the baseline's.
        warnings: what a reader must know about the pairing.
    """

    account: PairingAccount
    candidate_rows: IntArray
    baseline_rows: IntArray
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MetricPairs:
    """One metric on the paired items.

    Attributes:
        positions: shape (n,), positions within the pairs that have a value on both sides.
        rows: shape (n,), the candidate's rows of these.
        candidate: shape (n,), the candidate's trial means.
        baseline: shape (n,), the baseline's.
        bound_positions: shape (m,), m >= n: also those where only a grader's error or abstention is in the way.
        bound_low: shape (m,), smallest possible candidate - baseline.
        bound_high: shape (m,), largest possible candidate - baseline.
        n_expected: pairs inside the metric.
        n_missing: of these, without a value because of the infrastructure.
        n_imputed: with a failure of the candidate (either arm's) that stands as a number.
        n_skipped: pairs outside the metric.
        n_grader_errors: pairs with a grader's error or abstention on either side.
        n_short: pairs of which some, but not all, trials have a value.
        n_skipped_once: pairs outside the metric on one side only.
        bounded: whether the bounds mean anything.
    """

    positions: IntArray
    rows: IntArray
    candidate: FloatArray
    baseline: FloatArray
    bound_positions: IntArray
    bound_low: FloatArray
    bound_high: FloatArray
    n_expected: int
    n_missing: int
    n_imputed: int
    n_skipped: int
    n_grader_errors: int
    n_short: int
    n_skipped_once: int
    bounded: bool

    @property
    def difference(self) -> FloatArray:
        """Candidate - baseline, shape (n,), rounded to 12 decimals."""
        return rounded(self.candidate - self.baseline)


def rounded(values: FloatArray) -> FloatArray:
    """Return values rounded to 12 decimals, without negative zeros."""
    result: FloatArray = np.round(values, DECIMALS) + 0.0
    return result


def pair(candidate: RunTable, baseline: RunTable, *, common_items: bool = False) -> Pairs:
    """Return the items of both tables matched by id and item digest.

    Args:
        candidate: the run under test.
        baseline: what it is held against.
        common_items: compare on the matching items even where they are few.

    Raises:
        UsageError: a table holds an id twice, or fewer than 95 % of the baseline's items match and neither
            ``common_items`` nor ``--limit`` says that this is meant.
    """
    theirs, ours = _row_of(baseline), _row_of(candidate)
    n = len(candidate.item_ids)
    other = np.fromiter((theirs.get(item_id, -1) for item_id in candidate.item_ids), np.int64, n)
    both = np.flatnonzero(other >= 0)
    same = both[_equal(candidate.item_digests, baseline.item_digests, both, other[both])]
    matches = other[same]
    account = PairingAccount(
        n_baseline=len(theirs),
        n_candidate=n,
        n_paired=int(same.size),
        only_baseline=tuple(item_id for item_id in baseline.item_ids if item_id not in ours),
        only_candidate=_ids(candidate, np.flatnonzero(other < 0)),
        changed=_ids(candidate, np.setdiff1d(both, same, assume_unique=True)),
        same_calls=_same_calls(candidate, baseline, same, matches),
        candidate_error_rate=error_rate(candidate),
        baseline_error_rate=error_rate(baseline),
    )
    limited = candidate.manifest.limit is not None or baseline.manifest.limit is not None
    if account.n_paired < MIN_MATCH * account.n_baseline and not common_items and not limited:
        raise _too_few(account, baseline)
    return Pairs(account, same, matches, tuple(_warnings(account)))


def _row_of(table: RunTable) -> dict[str, int]:
    rows = {item_id: row for row, item_id in enumerate(table.item_ids)}
    if len(rows) != len(table.item_ids):
        twice = next(item_id for row, item_id in enumerate(table.item_ids) if rows[item_id] != row)
        raise UsageError(
            f"{table.provenance} holds item {twice!r} twice", hint="give every item of the dataset an id of its own"
        )
    return rows


def _ids(table: RunTable, rows: IntArray) -> tuple[str, ...]:
    return tuple(table.item_ids[row] for row in rows.tolist())


def _equal(first: Sequence[str], second: Sequence[str], rows: IntArray, others: IntArray) -> BoolArray:
    """Whether ``first[row] == second[other]`` and is not empty, pair by pair."""
    pairs = zip(map(first.__getitem__, rows.tolist()), map(second.__getitem__, others.tolist()), strict=True)
    return np.fromiter((one == two != "" for one, two in pairs), np.bool_, rows.size)


def _same_calls(candidate: RunTable, baseline: RunTable, rows: IntArray, others: IntArray) -> int:
    if not candidate.call_digests or not baseline.call_digests:
        return 0
    return int(_equal(candidate.call_digests, baseline.call_digests, rows, others).sum())


def _too_few(account: PairingAccount, baseline: RunTable) -> UsageError:
    return UsageError(
        f"only {account.n_paired} of {account.n_baseline} items of {baseline.provenance} match:"
        f" {len(account.only_baseline)} are gone, {len(account.changed)} changed,"
        f" {len(account.only_candidate)} are new",
        hint="compare on the common items with --common-items, or accept a baseline of this dataset",
    )


def _warnings(account: PairingAccount) -> list[str]:
    says = []
    if account.n_paired and account.same_calls == account.n_paired:
        says.append("no independent evidence: every pair is one and the same call, read twice")
    elif account.same_calls:
        says.append(f"{account.same_calls} of {account.n_paired} pairs are one and the same call, read twice")
    left_out = [
        f"{len(ids)} {what}"
        for ids, what in (
            (account.only_candidate, "new"),
            (account.changed, "changed"),
            (account.only_baseline, "only in the baseline"),
        )
        if ids
    ]
    if left_out:
        says.append(f"{account.n_paired} items paired; not paired: {', '.join(left_out)}")
    return says


def error_rate(table: RunTable) -> float:
    """Return the share of planned outputs that were lost to the infrastructure or never stored."""
    columns = list(table.columns.values())
    if not columns or columns[0].status.size == 0:
        return 0.0
    lost = np.zeros(columns[0].status.shape, dtype=np.bool_)
    absent = np.ones_like(lost)
    for column in columns:
        lost |= column.status == STATUS_INFRASTRUCTURE_FAILED
        absent &= column.status == STATUS_MISSING
    return float((lost | absent).mean())


def metric_pairs(candidate: MetricColumn, baseline: MetricColumn, pairs: Pairs, *, better: Better) -> MetricPairs:
    """Return one metric's values on the paired items; both columns were made by the same grader."""
    ours = item_values(candidate, pairs.candidate_rows, better=better)
    theirs = item_values(baseline, pairs.baseline_rows, better=better)
    outside = ours.skipped | theirs.skipped
    within = ~outside
    known = ours.known & theirs.known & within
    unknown = (ours.unknown | theirs.unknown) & within
    bounds = _present(ours) & _present(theirs) & within
    return MetricPairs(
        positions=np.flatnonzero(known),
        rows=pairs.candidate_rows[known],
        candidate=ours.value[known],
        baseline=theirs.value[known],
        bound_positions=np.flatnonzero(bounds),
        bound_low=rounded((ours.low - theirs.high)[bounds]),
        bound_high=rounded((ours.high - theirs.low)[bounds]),
        n_expected=int(within.sum()),
        n_missing=int((within & ~bounds).sum()),
        n_imputed=int(((ours.imputed | theirs.imputed) & known).sum()),
        n_skipped=int(outside.sum()),
        n_grader_errors=int((unknown & bounds).sum()),
        n_short=int(((ours.short | theirs.short) & known).sum()),
        n_skipped_once=int((ours.skipped != theirs.skipped).sum()),
        bounded=has_bounds(candidate.info),
    )


def _present(values: ItemValues) -> BoolArray:
    present: BoolArray = values.known | values.unknown
    return present
