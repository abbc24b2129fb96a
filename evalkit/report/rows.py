"""What renderers take beside verdicts: one row an item and trial, and one summary a metric."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from evalkit.base.model import JsonObject, JsonValue
from evalkit.core.output import Failure
from evalkit.core.score import MetricInfo
from evalkit.core.verdict import Verdict

__all__ = ["Change", "MetricSummary", "ReportRow", "RowScore", "SuiteReport", "change_of"]

Change = Literal["regressed", "fixed", "both_fail", "error", "changed", "same"]


@dataclass(frozen=True, slots=True)
class RowScore:
    """One metric of one row on both sides.

    Attributes:
        candidate_value: set if and only if ``candidate_status`` is ``ok``.
        candidate_status: one of :data:`evalkit.core.run.STATUS_NAMES`.
        baseline_value: as for the candidate; None where there is no baseline.
        baseline_status: None where there is no baseline score.
        candidate_reason: why the grader gave this score, as it said.
        baseline_reason: likewise for the baseline.
        better: the direction in which the metric improves.
        binary: whether the values are 0 or 1, so that one of them is a failure.
    """

    candidate_value: float | None
    candidate_status: str
    baseline_value: float | None = None
    baseline_status: str | None = None
    candidate_reason: str | None = None
    baseline_reason: str | None = None
    better: Literal["higher", "lower"] = "higher"
    binary: bool = False

    @property
    def loss(self) -> float:
        """How much worse the candidate is than the baseline in the metric's own unit; 0 where either is unknown."""
        if self.candidate_value is None or self.baseline_value is None:
            return 0.0
        rise = self.candidate_value - self.baseline_value
        return -rise if self.better == "higher" else rise

    @property
    def fails_on_both(self) -> bool:
        """Whether a binary metric is at its worse value on both sides."""
        worst = 0.0 if self.better == "higher" else 1.0
        return self.binary and self.candidate_value == worst and self.baseline_value == worst


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One item and trial as reports and exports show it. Texts are raw: renderers escape them.

    Attributes:
        item_id: the item.
        candidate_text: the candidate's answer; empty for a failure.
        inputs: the item's inputs as JSON.
        expected: what was expected, or None.
        baseline_text: the baseline's answer; None where it is not stored.
        candidate_failure: set where no answer came back.
        baseline_failure: likewise for the baseline.
        scores: metric name to its scores.
        cluster: the item's cluster.
        tags: the item's tags.
        trial: 0-based.
        latency_s: of the candidate's answer.
        baseline_latency_s: of the baseline's answer.
        cost_usd: of the candidate's answer.
        baseline_cost_usd: of the baseline's answer.
        metadata: the item's metadata as JSON.
    """

    item_id: str
    candidate_text: str
    inputs: JsonObject = field(default_factory=dict)
    expected: JsonValue = None
    baseline_text: str | None = None
    candidate_failure: Failure | None = None
    baseline_failure: Failure | None = None
    scores: Mapping[str, RowScore] = field(default_factory=dict)
    cluster: str | None = None
    tags: tuple[str, ...] = ()
    trial: int = 0
    latency_s: float | None = None
    baseline_latency_s: float | None = None
    cost_usd: float | None = None
    baseline_cost_usd: float | None = None
    metadata: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MetricSummary:
    """One metric of one run.

    Attributes:
        info: what the numbers mean.
        mean: None where nothing was scored.
        low: lower end of the 95 % interval of the mean, or None.
        high: its upper end, or None.
        n: how many outputs carry a value.
        n_planned: how many outputs there are.
        not_scored: reason and count of the others.
        se_independent: standard error of the mean if every output were independent (s / sqrt(n), ddof 1), or None.
        se_clustered: cluster-robust standard error (CR0) over clusters, or over items where there are none, or None.
        n_clusters: how many clusters the items with a value form, None where they carry none.
        total: sum over outputs, for metrics that add up (cost, tokens); None for others.
        pass_at_k: binary metrics with several trials: the chance that at least one of k trials is 1, k = 1, 2, ….
        pass_hat_k: likewise that all k trials are 1.
    """

    info: MetricInfo
    mean: float | None
    low: float | None
    high: float | None
    n: int
    n_planned: int
    not_scored: tuple[tuple[str, int], ...] = ()
    se_independent: float | None = None
    se_clustered: float | None = None
    n_clusters: int | None = None
    total: float | None = None
    pass_at_k: tuple[float, ...] = ()
    pass_hat_k: tuple[float, ...] = ()


def change_of(row: ReportRow) -> Change:
    """Return what became of an item: the first that holds of error, regressed, fixed, both_fail, changed, same.

    Latency and cost (metrics without a grader) should not be among ``row.scores`` values that are compared here: they
    differ on every row; the caller gives graders' metrics only.
    """
    scores = row.scores.values()
    broken = {"error", "candidate_failed", "infrastructure_failed", "missing"}
    if row.candidate_failure is not None or any(score.candidate_status in broken for score in scores):
        return "error"
    losses = [score.loss for score in scores]
    if any(loss > 0 for loss in losses):
        return "regressed"
    if any(loss < 0 for loss in losses):
        return "fixed"
    if any(score.fails_on_both for score in scores):
        return "both_fail"
    return "changed" if row.baseline_text is not None and row.baseline_text != row.candidate_text else "same"


@dataclass(frozen=True, slots=True)
class SuiteReport:
    """A verdict and what goes with it into comments, summaries and pages.

    Attributes:
        verdict: the verdict.
        rows: the rows of the item table; read once, so that a lazy source works.
        report: path or address of the HTML report, or None.
        suite_path: the suite's path for commands that are shown, or None.
    """

    verdict: Verdict
    rows: Iterable[ReportRow] = ()
    report: str | None = None
    suite_path: str | None = None
