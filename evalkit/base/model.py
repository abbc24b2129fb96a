"""The base of every pydantic model: frozen, strict, and closed to unknown fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Strict

__all__ = ["Frozen", "JsonObject", "JsonValue", "Many"]

T = TypeVar("T")

Many: TypeAlias = Annotated[tuple[T, ...], Strict(False)]
"""A tuple that also accepts a list, so that YAML and Python callers need not spell tuples."""

JsonValue: TypeAlias = Any
"""Anything JSON can hold. Kept as ``Any``: a recursive alias costs validation time and tells a reader no more."""

JsonObject: TypeAlias = Mapping[str, Any]
"""A JSON object whose keys belong to the user (item inputs, metadata, schemas)."""


class Frozen(BaseModel):
    """A value: cannot be changed, refuses unknown fields, converts nothing silently."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=False, protected_namespaces=()
    )
