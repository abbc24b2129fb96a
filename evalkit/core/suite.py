"""Suites: everything that can change a result, and nothing else."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from evalkit.base.hashing import digest, short
from evalkit.base.model import Frozen, JsonObject, Many
from evalkit.core.candidate import Candidate
from evalkit.core.item import DatasetInfo, Item
from evalkit.core.score import Better

__all__ = ["GraderSpec", "MetricRule", "OnInconclusive", "Policy", "RuleKind", "Suite"]

RuleKind = Literal[
    "no_regression",
    "improve",
    "at_least",
    "at_most",
    "observed_at_least",
    "observed_at_most",
    "none_may_fail",
]
OnInconclusive = Literal["warn", "fail", "extend"]


class GraderSpec(Frozen):
    """One entry of ``graders:`` — the reserved keys, and the grader's own parameters.

    ``digest`` is set by the loader from the grader's code version, its parameters and the files these name, so that two
    scores with the same ``name@digest`` were made the same way.
    """

    use: str
    name: str
    when: str | None = None
    negate: bool = False
    weight: float = Field(default=1.0, gt=0)
    params: JsonObject = {}
    digest: str = ""
    where: str | None = None

    @property
    def score_digest(self) -> str:
        """The digest under which its scores are stored: the grader's own, and how this entry names and applies it."""
        return digest([self.digest, self.name, self.when, self.negate])

    @property
    def id(self) -> str:
        """``name@digest``, the score digest cut to 12 digits."""
        return f"{self.name}@{short(self.score_digest)}"


class MetricRule(Frozen):
    """One claim that must hold.

    ``margin`` is an absolute loss in the metric's unit, at least 0; ``max_ratio`` a ratio candidate / baseline, at
    least 1; ``bound`` the line for the absolute rules. ``metric`` may end in a quantile, as in ``latency_s.p95``.
    """

    metric: str
    rule: RuleKind
    margin: float | None = Field(default=None, ge=0)
    max_ratio: float | None = Field(default=None, ge=1)
    bound: float | None = None
    gate: bool = True
    better: Better | None = None
    where: str | None = None

    @model_validator(mode="after")
    def _parameters_fit(self) -> MetricRule:
        needs_bound = self.rule in {"at_least", "at_most", "observed_at_least", "observed_at_most"}
        if needs_bound != (self.bound is not None):
            raise ValueError(f"rule {self.rule!r} {'needs' if needs_bound else 'takes no'} `bound`")
        if self.rule != "no_regression" and (self.margin is not None or self.max_ratio is not None):
            raise ValueError("`margin` and `max_ratio` belong to rule 'no_regression'")
        if self.margin is not None and self.max_ratio is not None:
            raise ValueError("give `margin` or `max_ratio`, not both")
        return self

    @property
    def id(self) -> str:
        """``metric:rule``, unique within a policy."""
        return f"{self.metric}:{self.rule}"


class Policy(Frozen):
    """What must hold for a verdict of pass."""

    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    power: float = Field(default=0.8, gt=0, lt=1)
    design: Literal["fixed", "sequential"] = "fixed"
    on_inconclusive: OnInconclusive = "warn"
    max_error_rate: float = Field(default=0.01, ge=0, le=1)
    max_cluster_effect: float = Field(default=1.0, gt=0, le=1)
    clusters: Literal["these", "new"] | None = None
    judges: JsonObject = {"uncalibrated": "advisory"}
    rules: Many[MetricRule] = ()

    @model_validator(mode="after")
    def _fits(self) -> Policy:
        seen: set[str] = set()
        for rule in self.rules:
            if rule.id in seen:
                raise ValueError(f"rule {rule.rule!r} on metric {rule.metric!r} is given twice")
            seen.add(rule.id)
        if self.on_inconclusive == "extend" and self.design != "sequential":
            raise ValueError(
                "`on_inconclusive: extend` needs `design: sequential`: extending a fixed design is peeking"
            )
        return self


class Suite(Frozen):
    """A loaded suite: files resolved, defaults filled in.

    ``items`` are in the dataset's order; the analysis order is derived from ``seed`` by the runner.
    ``baseline`` is ``"stored"`` or the name of one of the candidates.
    """

    name: str
    description: str | None = None
    path: str | None = None
    dataset: DatasetInfo
    items: Many[Item]
    candidates: Many[Candidate] = Field(min_length=1)
    baseline: str = "stored"
    trials: int = Field(default=1, ge=1)
    seed: int = 20261123
    graders: Many[GraderSpec]
    policy: Policy = Policy()
    defaults: Many[str] = ()
    """Sentences about what was not given and was filled in, printed by ``plan``."""

    @property
    def digest(self) -> str:
        """The digest of everything that can change a result, candidates apart."""
        return digest(
            {
                "dataset": self.dataset.digest,
                "trials": self.trials,
                "seed": self.seed,
                "graders": [
                    {"id": spec.id, "when": spec.when, "negate": spec.negate, "weight": spec.weight}
                    for spec in self.graders
                ],
                "policy": self.policy,
            }
        )
