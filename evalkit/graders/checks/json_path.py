"""``json_path``: one value inside a JSON answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator

from evalkit.base.model import JsonValue
from evalkit.core.item import Item
from evalkit.core.output import Output
from evalkit.core.score import Score
from evalkit.graders.check import Check, NoScore, shown
from evalkit.graders.checks.json_paths import MISSING, look_up, parse_path
from evalkit.graders.checks.json_text import NotJson, json_equal, json_in, refuse_deep
from evalkit.graders.checks.json_valid import ExtractParams
from evalkit.graders.templates import ItemValue

__all__ = ["JsonPath"]

JsonType = Literal["object", "array", "string", "number", "integer", "boolean", "null"]
_WANTS = ("equals", "contains", "type_", "exists")


class JsonPathParams(ExtractParams):
    """Parameters of ``json_path``: the path, and one of ``equals``, ``contains``, ``type``, ``exists``."""

    path: str = Field(min_length=1, description='`a.b[0].c`, `["a key"]`; `$` is the whole value. Not a template.')
    equals: JsonValue = Field(
        default=None, description="The value there, texts in it may be templates; `null` is compared only by `type`."
    )
    contains: JsonValue = Field(
        default=None, description="A text inside the text there, an element of the list there, or a key of the object."
    )
    type_: JsonType | None = Field(default=None, alias="type", description="The JSON type of the value there.")
    exists: bool | None = Field(default=None, description="Whether there is anything at all, null included.")
    abs_tol: float = Field(default=0.0, ge=0, allow_inf_nan=False, description="Largest difference of equal numbers.")
    rel_tol: float = Field(
        default=0.0, ge=0, allow_inf_nan=False, description="The same as a share of the larger of the two numbers."
    )

    @model_validator(mode="after")
    def _one_claim(self) -> JsonPathParams:
        given = [name.rstrip("_") for name in _WANTS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of equals, contains, type, exists; given: {', '.join(given) or 'none'}")
        return self


class JsonPath(Check):
    """1 if the value at the path is as claimed; 0 if not, if the path leads nowhere, or if the answer is no JSON."""

    Params = JsonPathParams
    params: JsonPathParams

    def __init__(self, name: str, params: JsonPathParams) -> None:
        super().__init__(name, params)
        self._path = parse_path(params.path)
        self._equals = ItemValue(params.equals)
        self._contains = ItemValue(params.contains)

    def grade(self, item: Item, output: Output) -> Sequence[Score]:
        """Return the score of the value."""
        try:
            value = look_up(json_in(output.text, self.params.extract), self._path)
        except NotJson as error:
            return self.passed(False, str(error))
        if self.params.exists is not None:
            there = value is not MISSING
            return self.passed(there == self.params.exists, f"{self.params.path} {'exists' if there else 'is missing'}")
        if value is MISSING:
            return self.passed(False, f"{self.params.path} is missing")
        if self.params.type_ is not None:
            actual = _types(value)
            return self.passed(self.params.type_ in actual, f"{self.params.path} is {actual[0]}")
        return self._compared(item, value)

    def _compared(self, item: Item, value: JsonValue) -> Sequence[Score]:
        refuse_deep(value)
        claim = self._equals if self.params.equals is not None else self._contains
        wanted = claim(item)
        if claim is self._equals:
            return self.passed(self._same(value, wanted), f"{self.params.path} is {shown(value)}, not {shown(wanted)}")
        if isinstance(value, list):
            found = any(self._same(entry, wanted) for entry in value)
        elif isinstance(value, (str, dict)):
            if not isinstance(wanted, str):
                raise NoScore("error", f"`contains` of a text or object needs a text, not {shown(wanted)}")
            found = wanted in value
        else:
            found = False
        return self.passed(found, f"{self.params.path} is {shown(value)}, without {shown(wanted)}")

    def _same(self, one: JsonValue, other: JsonValue) -> bool:
        return json_equal(one, other, abs_tol=self.params.abs_tol, rel_tol=self.params.rel_tol)


def _types(value: JsonValue) -> tuple[str, ...]:
    """Return the JSON types ``value`` has, the narrowest first."""
    if value is None:
        return ("null",)
    if isinstance(value, bool):
        return ("boolean",)
    if isinstance(value, (int, float)):
        return ("integer", "number") if float(value).is_integer() else ("number",)
    return ("string" if isinstance(value, str) else "array" if isinstance(value, list) else "object",)
