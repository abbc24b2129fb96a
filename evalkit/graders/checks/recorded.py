"""``recorded``: a score that came with the data."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from evalkit.base.model import Frozen, JsonValue
from evalkit.core.item import Item
from evalkit.core.output import Output
from evalkit.core.score import Better, MetricInfo, MetricKind, Score
from evalkit.graders.check import Check, NoScore, shown
from evalkit.graders.checks.json_paths import MISSING, look_up, parse_path

__all__ = ["Recorded"]


class RecordedParams(Frozen):
    """Parameters of ``recorded``."""

    field: str = Field(
        min_length=1,
        description="Column of the replayed row, or else of the item's metadata; a path: `scores.fluency`.",
    )
    kind: MetricKind = Field(default="binary", description="What the numbers are; values outside it are errors.")
    better: Better = Field(default="higher", description="Which direction is good.")


class Recorded(Check):
    """The number, or true and false as 1 and 0, that is recorded beside the output; null means abstained."""

    Params = RecordedParams
    params: RecordedParams

    def __init__(self, name: str, params: RecordedParams) -> None:
        super().__init__(name, params)
        self._path = parse_path(params.field)

    def metrics(self, name: str) -> Sequence[MetricInfo]:
        """Return the metric with the kind and direction that the parameters give."""
        return (MetricInfo(name=name, kind=self.params.kind, better=self.params.better),)

    def grade(self, item: Item, output: Output) -> Sequence[Score]:
        """Return the recorded number as a score."""
        value: JsonValue = look_up(dict(output.response.recorded), self._path) if output.response else MISSING
        if value is MISSING:
            value = look_up(dict(item.metadata), self._path)
        if value is MISSING:
            raise NoScore("error", f"neither the replayed row nor the item's metadata has {self.params.field!r}")
        if value is None:
            raise NoScore("abstained", f"{self.params.field} is null")
        if not isinstance(value, (bool, int, float)):
            raise NoScore("error", f"{self.params.field} is {shown(value)}, no number")
        return self.scored(float(value))
