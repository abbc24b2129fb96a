"""``json_fields``: the fields of a JSON answer against the expected ones, each a metric of its own."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field, field_validator

from evalkit.base.model import JsonValue, Many
from evalkit.core.item import Item
from evalkit.core.output import Output
from evalkit.core.score import MetricInfo, Score
from evalkit.graders.check import Check, NoScore, shown
from evalkit.graders.checks.json_paths import MISSING, look_up, parse_path
from evalkit.graders.checks.json_text import NotJson, json_equal, json_in, refuse_deep
from evalkit.graders.checks.json_valid import ExtractParams
from evalkit.graders.templates import ItemValue

__all__ = ["JsonFields"]


class JsonFieldsParams(ExtractParams):
    """Parameters of ``json_fields``."""

    fields: Many[str] = Field(min_length=1, description="The fields compared, as paths: `total`, `lines[0].price`.")
    expected: JsonValue = Field(
        default="{{ expected }}", description="The object with the expected fields; texts in it may be templates."
    )
    abs_tol: float = Field(default=0.0, ge=0, allow_inf_nan=False, description="Largest difference of equal numbers.")
    rel_tol: float = Field(
        default=0.0, ge=0, allow_inf_nan=False, description="The same as a share of the larger of the two numbers."
    )
    ignore_case: bool = Field(default=False, description="Compare texts without regard to case.")

    @field_validator("fields")
    @classmethod
    def _once(cls, fields: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(fields)) != len(fields):
            raise ValueError("a field is listed twice")
        return fields


class JsonFields(Check):
    """The share of the listed fields that are right, and 1 or 0 for each of them as ``name.field``.

    A field the item's expected object does not have is skipped; an answer that is no JSON has every field wrong.
    """

    Params = JsonFieldsParams
    params: JsonFieldsParams

    def __init__(self, name: str, params: JsonFieldsParams) -> None:
        super().__init__(name, params)
        self._paths = [(field, parse_path(field)) for field in params.fields]
        self._expected = ItemValue(params.expected)

    def metrics(self, name: str) -> Sequence[MetricInfo]:
        """Return the share, called ``name``, and one metric a field."""
        parts = (MetricInfo(name=f"{name}.{field}", kind="binary") for field in self.params.fields)
        return (MetricInfo(name=name, kind="bounded"), *parts)

    def grade(self, item: Item, output: Output) -> Sequence[Score]:
        """Return the share and the fields' scores."""
        expected = self._expected(item)
        if not isinstance(expected, dict):
            raise NoScore("error", f"expected {shown(expected)} is no object")
        refuse_deep(expected)
        answer: JsonValue = MISSING
        fault: str | None = None
        try:
            answer = json_in(output.text, self.params.extract)
        except NotJson as error:
            fault = str(error)
        refuse_deep(answer)
        scores = [
            self._field(field, look_up(expected, path), look_up(answer, path), fault) for field, path in self._paths
        ]
        return (self._share(scores), *scores)

    def _field(self, field: str, wanted: JsonValue, actual: JsonValue, fault: str | None) -> Score:
        metric = f"{self.name}.{field}"
        if wanted is MISSING:
            return Score(metric=metric, status="skipped", reason=f"the expected object has no {field}")
        right = actual is not MISSING and self._same(wanted, actual)
        found = fault or ("is missing" if actual is MISSING else f"is {shown(actual)}")
        reason = None if right else f"{found}, expected {shown(wanted)}"
        return Score(metric=metric, status="ok", value=float(right), reason=reason)

    def _same(self, wanted: JsonValue, actual: JsonValue) -> bool:
        if self.params.ignore_case and isinstance(wanted, str) and isinstance(actual, str):
            return wanted.casefold() == actual.casefold()
        return json_equal(wanted, actual, abs_tol=self.params.abs_tol, rel_tol=self.params.rel_tol)

    def _share(self, scores: Sequence[Score]) -> Score:
        values = [score.value for score in scores if score.value is not None]
        if not values:
            return Score(metric=self.name, status="skipped", reason="the expected object has none of the fields")
        wrong = [field for field, score in zip(self.params.fields, scores, strict=True) if score.value == 0.0]
        reason = f"wrong: {', '.join(wrong[:10])}" if wrong else None
        return Score(metric=self.name, status="ok", value=sum(values) / len(values), reason=reason)
