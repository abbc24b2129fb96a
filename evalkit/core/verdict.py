"""Comparisons and verdicts: what was measured, and what follows from it under a policy."""

from __future__ import annotations

from enum import IntEnum
from typing import Literal, NoReturn

from pydantic import Field

from evalkit.base.model import Frozen, Many
from evalkit.core.run import RunManifest
from evalkit.core.score import MetricInfo
from evalkit.core.suite import MetricRule, Policy

__all__ = [
    "Comparison",
    "ExitCode",
    "Finding",
    "Flip",
    "Grade",
    "MetricComparison",
    "Outcome",
    "PairingAccount",
    "SliceComparison",
    "Verdict",
]

Outcome = Literal["pass", "fail", "inconclusive", "error"]
Grade = Literal["improved", "pass", "regress", "inconclusive", "invalid"]


class ExitCode(IntEnum):
    """What the process ends with. Over several suites: the first present of 4, 1, 3, 0."""

    PASS = 0
    FAIL = 1
    USAGE = 2
    INCONCLUSIVE = 3
    ERROR = 4
    NOTHING_SELECTED = 5
    INTERRUPTED = 130
    TERMINATED = 143


class Flip(Frozen):
    """An item whose score differs between the arms (trial means)."""

    item_id: str
    baseline: float
    candidate: float


class PairingAccount(Frozen):
    """Where every item went. ``dropped`` and ``warnings`` are sentences' worth of counts by reason."""

    n_baseline: int
    n_candidate: int
    n_paired: int
    only_baseline: Many[str] = ()
    only_candidate: Many[str] = ()
    changed: Many[str] = ()
    """Ids present on both sides with different content."""
    same_calls: int = 0
    """Pairs whose two answers came from the same call (same request, same draw): no evidence in them."""
    candidate_error_rate: float = 0.0
    baseline_error_rate: float = 0.0
    """Share of planned outputs lost to infrastructure."""


class MetricComparison(Frozen):
    """Candidate against baseline on one metric.

    ``effect`` is candidate - baseline in the metric's own unit, or their ratio when ``scale`` is ``ratio``;
    ``low`` and ``high`` are the one-sided level-alpha bounds, together the interval of ``confidence`` = 1 - 2 alpha.
    ``p_pass`` tests the null that the loss reaches the margin, ``p_fail`` that there is no loss; both in the direction
    given by ``info.better``. ``None`` in a statistic means it could not be computed, and ``reason`` says why.
    """

    info: MetricInfo
    rule_id: str | None = None
    scale: Literal["difference", "ratio", "absolute"] = "difference"
    statistic: str = "mean"
    baseline: float | None = None
    candidate: float | None = None
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.90
    p_pass: float | None = None
    p_fail: float | None = None
    p_fail_adjusted: float | None = None
    other_target: str | None = None
    p_pass_other_target: float | None = None
    p_fail_other_target: float | None = None
    n_pairs: int = 0
    n_clusters: int | None = None
    target: Literal["items", "these", "new"] = "items"
    method: str = ""
    why: str = ""
    reason: str | None = None
    detectable_effect: float | None = None
    needed_n: int | None = None
    n_missing: int = 0
    n_imputed: int = 0
    n_skipped: int = 0
    n_grader_errors: int = 0
    worst_case_low: float | None = None
    worst_case_high: float | None = None
    """Bounds on the effect when every grader error and abstention is set to its worst and best value."""
    p_pass_worst_case: float | None = None
    p_fail_best_case: float | None = None
    """``p_pass`` with every grader error and abstention at its worst, ``p_fail`` with each at its best: a rule that
    these do not confirm is inconclusive. None where there are none."""
    n_expected: int = 0
    """Items that should have a value; skipped ones are not among them."""
    probability_unchanged_passes: float | None = None
    """Probability that a candidate equal to the baseline keeps the rule, at this number of items and discordance."""
    advisory: str | None = None
    """Why the rule is reported but does not decide; None where it may."""
    discordance: float | None = None
    n_worse: int = 0
    n_better: int = 0
    se_independent: float | None = None
    """Standard error of the mean difference if all pairs were independent (ddof 1); decides nothing."""
    se_clustered: float | None = None
    """The same, cluster-robust (CR0) over the items' clusters."""
    mcnemar_p: float | None = None
    """Two-sided exact McNemar test of any difference, for binary scores of one trial; decides nothing."""
    regressed: Many[Flip] = ()
    """The worst flips first, at most 200."""
    fixed: Many[Flip] = ()


class SliceComparison(Frozen):
    """One metric on the items with one tag. Exploratory: adjusted by Benjamini-Hochberg, never decides."""

    slice: str
    metric: str
    n_pairs: int
    baseline: float
    candidate: float
    effect: float
    low: float
    high: float
    p_fail: float
    p_fail_adjusted: float
    flagged: bool
    n_worse: int = 0
    n_better: int = 0
    se_independent: float | None = None
    mcnemar_p: float | None = None


class Comparison(Frozen):
    """All metrics of a candidate run against a baseline, and the account of pairing."""

    suite: str
    candidate: RunManifest
    baseline: RunManifest | None
    baseline_label: str
    pairing: PairingAccount
    metrics: Many[MetricComparison]
    slices: Many[SliceComparison] = ()
    differences: Many[str] = ()
    """Every part of the definitions that differs, named: dataset, prompt, model settings, graders."""
    warnings: Many[str] = ()


class Finding(Frozen):
    """What one rule came to."""

    rule: MetricRule
    comparison: MetricComparison
    grade: Grade
    outcome: Outcome
    decides: bool
    need: str
    """The requirement in print, such as ``> -0.05``."""
    reason: str


class Verdict(Frozen):
    """Pass, fail, inconclusive or error; one finding a rule; what would change it.

    ``inconclusive_kind`` says whether the design was too small before the first call, or the result is borderline.
    """

    suite: str
    outcome: Outcome
    findings: Many[Finding]
    comparison: Comparison
    policy: Policy
    summary_line: str
    next_steps: Many[str] = ()
    inconclusive_kind: Literal["too small by design", "borderline"] | None = None
    probability_unchanged_passes: float | None = Field(default=None, ge=0, le=1)
    restricted: str | None = None

    @property
    def passed(self) -> bool:
        """Whether the outcome is pass; inconclusive and error are not."""
        return self.outcome == "pass"

    @property
    def exit_code(self) -> ExitCode:
        """The one translation of outcome and policy into a process's exit code."""
        if self.outcome == "inconclusive":
            return ExitCode.PASS if self.policy.on_inconclusive == "warn" else ExitCode.INCONCLUSIVE
        return {"pass": ExitCode.PASS, "fail": ExitCode.FAIL, "error": ExitCode.ERROR}[self.outcome]

    def summary(self) -> str:
        """Return the verdict in one line."""
        return self.summary_line

    def __bool__(self) -> NoReturn:
        """Refuse: four outcomes do not fit into a truth value."""
        raise TypeError("a verdict has four outcomes; use verdict.passed or verdict.outcome")
