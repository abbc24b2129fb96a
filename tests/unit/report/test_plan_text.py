from __future__ import annotations

from pathlib import Path

from evalkit.report.plan_text import PlannedCalls, PlannedChance, PlannedMetric, PlanView, render_plan
from evalkit.report.safe_text import display_width

PLAN = PlanView(
    suite="support_qa",
    calls=(
        PlannedCalls("current → next", 800, 18.40, "400 items × 1 trial × 2 candidates"),
        PlannedCalls("judge correct", 800, 6.10),
    ),
    max_cost_usd=50.0,
    metrics=(
        PlannedMetric(
            "correct",
            discordance=0.12,
            basis="pilot of 50",
            detectable_effect=0.043,
            chances=(PlannedChance("margin 0.02", 0.31, 1855), PlannedChance("margin 0.05", 0.88)),
        ),
    ),
    defaults=("trials: 1",),
)


def test_plan_reads_as_the_golden_text() -> None:
    assert render_plan(PLAN) == (Path(__file__).parent / "golden" / "plan.txt").read_text()


def test_unknown_prices_are_said_and_never_count_as_nothing() -> None:
    text = render_plan(PlanView("s", (PlannedCalls("a", 3, None), PlannedCalls("b", 1, 2.0)), max_cost_usd=5.0))
    assert "3 calls  unknown" in text
    assert "4 calls  $2.00 and what has no known price of $5.00" in text


def test_a_metric_that_cannot_be_planned_says_why() -> None:
    metric = PlannedMetric("correct", reason="no pilot, and no baseline scores")
    assert "correct: no pilot, and no baseline scores" in render_plan(PlanView("s", (), metrics=(metric,)))


def test_hostile_names_stay_inert_and_within_80_columns(hostile: str) -> None:
    metric = PlannedMetric(hostile, 0.1, hostile, 0.2, chances=(PlannedChance(hostile, 0.5, 10),) * 3)
    text = render_plan(
        PlanView(hostile, (PlannedCalls(hostile, 1, 1.0, hostile),), metrics=(metric,), warnings=(hostile,))
    )
    for line in text.splitlines():
        assert line.isprintable()
        assert display_width(line) <= 80
        assert not line.strip().startswith("::")
        assert "##[" not in line
