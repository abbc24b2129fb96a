"""Items are paired by id and content, and every item that is not is accounted for."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from evalkit.base.errors import UsageError
from evalkit.compare.pairing import MetricPairs, error_rate, metric_pairs, pair
from evalkit.compare.values import item_values, unusable
from evalkit.core.run import (
    STATUS_ABSTAINED,
    STATUS_CANDIDATE_FAILED,
    STATUS_ERROR,
    STATUS_INFRASTRUCTURE_FAILED,
    STATUS_MISSING,
    STATUS_OK,
    STATUS_SKIPPED,
    MetricColumn,
)
from evalkit.core.score import Better, MetricKind
from tests.unit.compare.tables import column, table

OK, SKIP, ABSTAIN, ERROR = STATUS_OK, STATUS_SKIPPED, STATUS_ABSTAINED, STATUS_ERROR
BLAMED, INFRA, MISSING = STATUS_CANDIDATE_FAILED, STATUS_INFRASTRUCTURE_FAILED, STATUS_MISSING


def paired(candidate: MetricColumn, baseline: MetricColumn, better: Better = "higher") -> MetricPairs:
    return metric_pairs(candidate, baseline, pair(table(candidate), table(baseline)), better=better)


def test_items_pair_by_id_whatever_their_order() -> None:
    ids = [f"q{index:02d}" for index in range(20)]
    ours, theirs = table(column(np.ones(20)), ids=ids), table(column(np.ones(20)), ids=ids[::-1])
    found = pair(ours, theirs)
    assert [theirs.item_ids[row] for row in found.baseline_rows] == ids
    assert found.candidate_rows.tolist() == list(range(20))
    assert found.account.n_paired == 20
    assert found.warnings == ()


def test_every_unpaired_item_is_accounted_for() -> None:
    base = table(column(np.ones(40)), ids=[f"q{i}" for i in range(40)])
    ours = table(
        column(np.ones(41)),
        ids=[f"q{i}" for i in range(1, 42)],
        digests=["other" if i == 7 else f"digest of q{i}" for i in range(1, 42)],
    )
    account = pair(ours, base).account
    assert account.only_baseline == ("q0",)
    assert account.only_candidate == ("q40", "q41")
    assert account.changed == ("q7",)
    assert (account.n_paired, account.n_baseline, account.n_candidate) == (38, 40, 41)


def test_fewer_than_95_percent_of_the_baseline_is_refused_with_counts() -> None:
    base, ours = table(column(np.ones(100))), table(column(np.ones(94)))
    with pytest.raises(UsageError, match="only 94 of 100 items") as refused:
        pair(ours, base)
    assert "--common-items" in str(refused.value.hint)
    assert "6 are gone, 0 changed, 0 are new" in refused.value.message
    assert pair(ours, base, common_items=True).account.n_paired == 94
    assert pair(table(column(np.ones(95))), base).account.n_paired == 95


def test_a_limited_run_pairs_its_prefix_without_being_asked() -> None:
    assert pair(table(column(np.ones(10)), limit=10), table(column(np.ones(100)))).account.n_paired == 10


def test_an_id_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="'a' twice"):
        pair(table(column(np.ones(3)), ids=["a", "b", "a"]), table(column(np.ones(2)), ids=["a", "b"]))


def test_the_same_call_on_both_sides_is_counted_and_said() -> None:
    calls = ["c1", "c2", "", "c4"]
    ours = table(column(np.ones(4)), calls=calls)
    found = pair(ours, table(column(np.ones(4)), calls=["c1", "x", "", "c4"]))
    assert found.account.same_calls == 2
    assert "2 of 4 pairs" in found.warnings[0]
    same = ["c1", "c2", "c3", "c4"]
    twice = pair(table(column(np.ones(4)), calls=same), table(column(np.ones(4)), calls=same))
    assert twice.warnings[0].startswith("no independent evidence")


def test_nothing_pairs_with_an_empty_side() -> None:
    empty = table(ids=[])
    assert pair(empty, empty).account.n_paired == 0
    assert error_rate(empty) == 0.0


def test_the_error_rate_counts_lost_outputs_once_and_unstored_ones() -> None:
    first = column(np.ones(10), status=[INFRA, MISSING, BLAMED, ERROR, MISSING, *[OK] * 5])
    second = column(np.ones(10), name="other", status=[INFRA, MISSING, BLAMED, OK, OK, *[OK] * 5])
    assert error_rate(table(first, second)) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("status", "kind", "better", "value", "low", "high"),
    [
        (OK, "binary", "higher", 1.0, 1.0, 1.0),
        (BLAMED, "binary", "higher", 0.0, 0.0, 0.0),
        (BLAMED, "binary", "lower", 1.0, 1.0, 1.0),
        (BLAMED, "bounded", "higher", 0.0, 0.0, 0.0),
        (ERROR, "binary", "higher", None, 0.0, 1.0),
        (ABSTAIN, "bounded", "lower", None, 0.0, 1.0),
        (SKIP, "binary", "higher", None, None, None),
        (INFRA, "binary", "higher", None, None, None),
        (MISSING, "binary", "higher", None, None, None),
        (BLAMED, "unbounded", "higher", None, None, None),
        (BLAMED, "positive", "lower", None, None, None),
        (ERROR, "unbounded", "higher", None, 0.0, 0.0),
    ],
)
def test_each_status_is_what_it_is_and_never_another_number(
    status: int, kind: MetricKind, better: Better, value: float | None, low: float | None, high: float | None
) -> None:
    found = item_values(
        column([1.0], kind=kind, better=better, status=[status]), np.array([0], dtype=np.int64), better=better
    )
    assert found.known[0] == (value is not None)
    assert value is None or found.value[0] == value
    assert found.skipped[0] == (status == SKIP)
    assert found.unknown[0] == (status in (ERROR, ABSTAIN))
    assert found.imputed[0] == (status == BLAMED and value is not None)
    if low is not None:
        assert (found.low[0], found.high[0]) == (low, high)


@pytest.mark.parametrize(("name", "kept"), [("latency_s", True), ("cost_usd", True), ("input_tokens", False)])
def test_a_blamed_failure_keeps_its_deadline_and_its_bill_only(name: str, kept: bool) -> None:
    measured = column([60.0], name=name, kind="positive", better="lower", grader=None, status=[BLAMED])
    found = item_values(measured, np.array([0], dtype=np.int64), better="lower")
    assert bool(found.known[0]) is kept
    unbilled = column([math.nan], name=name, kind="positive", better="lower", grader=None, status=[BLAMED])
    assert not item_values(unbilled, np.array([0], dtype=np.int64), better="lower").known[0]


def test_trials_are_averaged_first_and_missing_ones_left_out() -> None:
    ours = column([[1, 0, 1], [1, 1, 0], [0, 0, 0]], status=[[OK, OK, OK], [OK, INFRA, OK], [INFRA] * 3])
    found = paired(ours, column(np.ones((3, 3))))
    assert found.candidate.tolist() == [2 / 3, 0.5]
    assert (found.n_short, found.n_missing, found.n_expected) == (1, 1, 3)


def test_equal_trial_means_differ_by_exactly_nothing() -> None:
    tenths = np.tile([0.1, 0.2, 0.3], (50, 1))
    found = paired(column(tenths, kind="bounded"), column(tenths[:, ::-1], kind="bounded"))
    assert (found.difference == 0.0).all()


@pytest.mark.parametrize("ours", range(7))
@pytest.mark.parametrize("theirs", range(7))
def test_every_pair_of_statuses_lands_in_exactly_one_place(ours: int, theirs: int) -> None:
    found = paired(column([1.0], status=[ours]), column([1.0], status=[theirs]))
    numbers = {OK, BLAMED}
    graded = numbers | {ERROR, ABSTAIN}
    skipped = SKIP in (ours, theirs)
    assert found.n_skipped == int(skipped)
    assert found.n_expected == int(not skipped)
    assert found.positions.size == int(not skipped and {ours, theirs} <= numbers)
    assert found.n_missing == int(not skipped and not {ours, theirs} <= graded)
    assert found.n_grader_errors == int({ours, theirs} <= graded and not {ours, theirs} <= numbers)
    assert found.bound_positions.size == int(not skipped and {ours, theirs} <= graded)
    assert found.n_imputed == int({ours, theirs} <= numbers and BLAMED in (ours, theirs))
    assert found.n_skipped_once == int((ours == SKIP) != (theirs == SKIP))


def test_bounds_reach_as_far_as_open_scores_allow() -> None:
    found = paired(column([1.0, 0.0, 1.0], status=[ERROR, OK, OK]), column([0.0, 1.0, 1.0], status=[OK, ABSTAIN, OK]))
    assert found.bound_low.tolist() == [0.0, -1.0, 0.0]
    assert found.bound_high.tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("value", "kind", "says"),
    [
        (math.nan, "binary", "finite"),
        (math.inf, "unbounded", "finite"),
        (0.5, "binary", "0 or 1"),
        (1.2, "bounded", r"\[0, 1\]"),
        (-1.0, "positive", "at least 0"),
    ],
)
def test_a_score_outside_its_declaration_is_named(value: float, kind: MetricKind, says: str) -> None:
    wrong = column([1.0, value], kind=kind)
    run = table(wrong)
    found = unusable(run, wrong)
    assert found is not None
    assert "item q000001" in found
    assert re.search(says, found)
    assert unusable(run, column([1.0, value], kind=kind, status=[OK, INFRA])) is None
