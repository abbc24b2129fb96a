"""Items and datasets."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from evalkit.base.hashing import digest
from evalkit.base.model import Frozen, JsonObject, JsonValue, Many

__all__ = ["ClusterMeaning", "DatasetInfo", "Item"]

ClusterMeaning = Literal["these", "new"]
"""What a verdict generalises to where items carry a cluster: these clusters, or new ones of their kind."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Item(Frozen):
    """One dataset row.

    ``id`` is stable across versions of a dataset. ``expected`` is absent for production traffic. ``cluster`` names the
    group of items that are not independent of it (a document, a conversation). ``weight`` is 1 / inclusion probability.
    """

    id: str = Field(min_length=1, max_length=200)
    inputs: JsonObject
    expected: JsonValue = None
    cluster: str | None = None
    tags: Many[str] = ()
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    metadata: JsonObject = {}

    @field_validator("id")
    @classmethod
    def _printable(cls, value: str) -> str:
        if _CONTROL.search(value):
            raise ValueError("an id has no control characters")
        return value

    @property
    def digest(self) -> str:
        """The digest of what a model or a grader can see: inputs and expected.

        Cluster, tags, weight and metadata are not in it: relabelling an item does not make its answers incomparable.
        """
        return digest({"inputs": self.inputs, "expected": self.expected})


class DatasetInfo(Frozen):
    """Which dataset a run used, without its items."""

    name: str
    version: str | None
    digest: str
    n_items: int
    cluster_meaning: ClusterMeaning | None = None
    source: str | None = None
    license: str | None = None
