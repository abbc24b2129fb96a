"""``json_schema``: the answer is JSON that satisfies a schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from evalkit.base.errors import UsageError
from evalkit.base.model import JsonObject
from evalkit.core.item import Item
from evalkit.core.output import Output
from evalkit.core.score import Score
from evalkit.graders.check import Check, NoScore
from evalkit.graders.checks.json_text import NotJson, json_in, refuse_deep
from evalkit.graders.checks.json_valid import ExtractParams
from evalkit.graders.checks.schema_validator import SchemaValidator
from evalkit.graders.files import NamesFile

__all__ = ["JsonSchema"]

_MAX_TEXT = 1_000_000


class JsonSchemaParams(ExtractParams):
    """Parameters of ``json_schema``."""

    schema_: Annotated[str | JsonObject, NamesFile] = Field(
        alias="schema", description="A JSON or YAML file beside the suite, or the schema itself. Not a template."
    )


class JsonSchema(Check):
    """1 if the answer is valid JSON and satisfies the schema, else 0."""

    Params = JsonSchemaParams
    params: JsonSchemaParams

    def __init__(self, name: str, params: JsonSchemaParams) -> None:
        super().__init__(name, params)
        if isinstance(params.schema_, str):
            raise UsageError(f"schema file {params.schema_!r} has not been read", hint="build it with build_grader()")
        self._validator = SchemaValidator(params.schema_)

    def grade(self, item: Item, output: Output) -> Sequence[Score]:  # noqa: ARG002
        """Return the score of the text."""
        if len(output.text) > _MAX_TEXT:
            raise NoScore("error", f"the answer has more than {_MAX_TEXT:,} characters")
        try:
            value = json_in(output.text, self.params.extract)
        except NotJson as error:
            return self.passed(False, str(error))
        refuse_deep(value)
        fault = self._validator.fault(value)
        return self.passed(fault is None, fault)
