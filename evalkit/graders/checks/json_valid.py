"""``json_valid``: the answer is JSON."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from evalkit.base.model import Frozen
from evalkit.core.item import Item
from evalkit.core.output import Output
from evalkit.core.score import Score
from evalkit.graders.check import Check
from evalkit.graders.checks.json_text import Extract, NotJson, json_in

__all__ = ["ExtractParams", "JsonValid"]


class ExtractParams(Frozen):
    """Where the JSON stands; shared by the checks that read it."""

    extract: Extract = Field(
        default="whole",
        description="The `whole` text, the first `fence` (one marked json goes first), or the `first_object`, "
        "the first object or array anywhere in the text.",
    )


class JsonValid(Check):
    """1 if the answer is valid JSON, else 0."""

    Params = ExtractParams
    params: ExtractParams

    def grade(self, item: Item, output: Output) -> Sequence[Score]:  # noqa: ARG002
        """Return the score of the text."""
        try:
            json_in(output.text, self.params.extract)
        except NotJson as error:
            return self.passed(False, str(error))
        return self.passed(True)
