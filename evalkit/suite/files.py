"""The suite file, field by field: what may be written, before anything is looked up.

The models here mirror :class:`evalkit.core.suite.Policy` and :class:`~evalkit.core.suite.MetricRule` with a description
for every field; :mod:`evalkit.suite.loader` turns them into the core's nouns.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from evalkit.base.model import Frozen, JsonObject, JsonValue, Many
from evalkit.core.score import Better
from evalkit.core.suite import OnInconclusive, RuleKind

__all__ = [
    "CandidateFile",
    "DatasetRef",
    "GraderFile",
    "JudgesFile",
    "PolicyFile",
    "RuleFile",
    "SuiteFile",
]

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]*$", max_length=80)]
GraderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=80)]


class DatasetRef(Frozen):
    """Which items: a version of a dataset under ``datasets/``, or a file."""

    name: str | None = Field(default=None, description="A dataset: the folder `datasets/<name>`.")
    version: str | None = Field(default=None, description='Its version, quoted: "2026-11-23".')
    path: str | None = Field(default=None, description="A JSONL or CSV file, relative to the suite; needs no card.")

    @model_validator(mode="after")
    def _one_of(self) -> DatasetRef:
        if (self.name is None) == (self.path is None):
            raise ValueError("give `name` with `version`, or `path`")
        if self.path is not None and self.version is not None:
            raise ValueError("a `path` has no `version`")
        if self.name is not None and self.version is None:
            raise ValueError(f"dataset {self.name!r} needs a `version`")
        return self


class CandidateFile(Frozen):
    """What is under test."""

    model: str = Field(description="provider/model, such as openai/gpt-5-mini.", pattern=r"^[^/\s]+/\S+$")
    name: Name | None = Field(
        default=None, description="Its name, of letters, digits, . _ @ -; the prompt's if left out."
    )
    prompt: str | None = Field(
        default=None,
        description="A prompt file, relative to the suite or the project, or `git:REF:path` for one of a commit.",
    )
    temperature: float | None = Field(default=None, ge=0, le=2, description="Sampling temperature.")
    top_p: float | None = Field(default=None, gt=0, le=1, description="Nucleus sampling.")
    max_output_tokens: int | None = Field(default=None, gt=0, description="Longest answer, in tokens.")
    stop: Many[str] = Field(default=(), description="Texts that end the answer.")
    tools: Many[JsonObject] = Field(default=(), description="Tool definitions, in the OpenAI form.")
    tool_choice: JsonValue = Field(default=None, description="Which tool must be called, in the OpenAI form.")
    response_schema: str | JsonObject | None = Field(
        default=None, description="The JSON Schema answers must follow: a file, or the schema itself."
    )
    timeout_s: float = Field(default=60.0, gt=0, description="Seconds all attempts of one call may take together.")
    extra: JsonObject = Field(default={}, description="Further fields for the provider, sent as they are.")


class GraderFile(Frozen):
    """One grader: reserved keys here; every other key is a parameter of the grader."""

    model_config = ConfigDict(extra="allow")

    use: str = Field(description="Which grader.")
    name: GraderName | None = Field(
        default=None, description="The metric's name, of letters, digits, _ -; `use` if left out."
    )
    when: str | None = Field(
        default=None, description="Grade only items for which this expression over the item is true.", min_length=1
    )
    negate: bool = Field(default=False, description="Turn 1 into 0 and 0 into 1.")
    weight: float = Field(default=1.0, gt=0, description="Its share where metrics are combined.")

    @property
    def params(self) -> JsonObject:
        """The keys that are not reserved."""
        return dict(self.__pydantic_extra__ or {})


class RuleFile(Frozen):
    """One claim that must hold."""

    metric: str = Field(
        description="A grader's name, latency_s, cost_usd, input_tokens or output_tokens; or its `.p95`."
    )
    rule: RuleKind = Field(description="What is claimed of the metric.")
    margin: float | None = Field(
        default=None, ge=0, description="no_regression: the loss, in the metric's unit, that would be too much."
    )
    max_ratio: float | None = Field(
        default=None, ge=1, description="no_regression: the ratio candidate / baseline that would be too much."
    )
    bound: float | None = Field(default=None, description="at_least, at_most, observed_…: the line.")
    gate: bool = Field(default=True, description="false: reported, does not decide.")
    better: Better | None = Field(default=None, description="For metrics of your own: which direction is better.")


class JudgesFile(Frozen):
    """What judges may decide."""

    uncalibrated: Literal["advisory", "decide"] = Field(
        default="advisory", description="advisory: a judge without calibration is printed and decides nothing."
    )


class PolicyFile(Frozen):
    """What must hold for a verdict of pass."""

    alpha: float = Field(default=0.05, gt=0, lt=0.5, description="The error rate of each one-sided test.")
    power: float = Field(default=0.8, gt=0, lt=1, description="The power that planned sizes aim at.")
    design: Literal["fixed", "sequential"] = Field(
        default="fixed", description="fixed: look once. sequential: valid at every look, needs more items."
    )
    on_inconclusive: OnInconclusive = Field(
        default="warn", description="warn: exit 0. fail: exit 3. extend: ask more items (sequential only)."
    )
    max_error_rate: float = Field(
        default=0.01, ge=0, le=1, description="Infrastructure failures above this share make the outcome `error`."
    )
    max_cluster_effect: float = Field(
        default=1.0, gt=0, le=1, description="The largest effect one cluster may have on its own."
    )
    clusters: Literal["these", "new"] | None = Field(
        default=None, description="Whether the verdict is about these clusters or new ones; the card's if left out."
    )
    judges: JudgesFile = Field(default=JudgesFile(), description="How far judges count.")
    rules: Many[RuleFile] | None = Field(
        default=None, description="What must hold; if left out, no gating metric may lose 0.05."
    )


class SuiteFile(Frozen):
    """A suite: everything that can change a result, and nothing else."""

    description: str | None = Field(default=None, description="What is evaluated, in a sentence.")
    dataset: DatasetRef = Field(description="Which items.")
    candidates: Many[CandidateFile] = Field(min_length=1, description="What is under test.")
    baseline: str = Field(default="stored", description="What to compare with: stored, or a candidate's name.")
    trials: int = Field(default=1, ge=1, le=1000, description="How often each item is asked.")
    seed: int = Field(default=20261123, ge=0, lt=2**63, description="Fixes the order of items and the models' seeds.")
    graders: Many[GraderFile] = Field(min_length=1, description="How answers are scored.")
    policy: PolicyFile = Field(default=PolicyFile(), description="What must hold.")
