"""One metric value for one output."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from evalkit.base.model import Frozen
from evalkit.llm.wire import Usage

__all__ = ["BUILT_IN_METRICS", "Better", "MetricInfo", "MetricKind", "Score", "ScoreStatus"]

ScoreStatus = Literal["ok", "skipped", "abstained", "error"]
MetricKind = Literal["binary", "bounded", "unbounded", "positive"]
"""``binary``: 0 or 1. ``bounded``: in [0, 1]. ``positive``: at least 0 with no upper bound
(latency, cost). ``unbounded``: any."""

Better = Literal["higher", "lower"]


class MetricInfo(Frozen):
    """What a metric's numbers mean: declared by its grader, never guessed from values."""

    name: str
    kind: MetricKind
    better: Better = "higher"
    grader: str | None = None
    """``name@digest`` of the grader, None for what the runner itself measures."""


BUILT_IN_METRICS: tuple[MetricInfo, ...] = tuple(
    MetricInfo(name=name, kind="positive", better="lower")
    for name in ("latency_s", "cost_usd", "input_tokens", "output_tokens")
)
"""What is measured on every output, whatever the graders."""


class Score(Frozen):
    """``value`` is set if and only if ``status`` is ``ok``; there is no NaN and no sentinel."""

    metric: str
    status: ScoreStatus
    value: float | None = Field(default=None, allow_inf_nan=False)
    label: str | None = None
    reason: str | None = None
    usage: Usage | None = None

    @model_validator(mode="after")
    def _value_iff_ok(self) -> Score:
        if (self.value is None) == (self.status == "ok"):
            raise ValueError("a score has a value if and only if its status is 'ok'")
        return self
