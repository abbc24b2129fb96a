"""What loading a suite needs from outside its layer, as plain protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel

from evalkit.base.model import JsonObject
from evalkit.core.score import MetricInfo
from evalkit.llm.config import ModelConfig

__all__ = ["GraderCatalog", "SuiteSettings"]


class GraderCatalog(Protocol):
    """The graders there are."""

    def names(self) -> list[str]:
        """Return every name that can stand after ``use:``."""
        ...

    def params_model(self, use: str) -> type[BaseModel]:
        """Return the model of the parameters of ``use``.

        Raises:
            UsageError: the grader is unknown.
        """
        ...

    def files(self, use: str, params: JsonObject) -> Sequence[str]:
        """Return the paths that ``params`` name, as written."""
        ...

    def digest(self, use: str, params: JsonObject, files: Mapping[str, str]) -> str:
        """Return the digest of what decides the grader's scores; ``files`` maps paths as written to content digests."""
        ...

    def metrics(self, use: str, name: str, params: JsonObject) -> Sequence[MetricInfo]:
        """Return the metrics of ``use`` when called ``name``; the first has that name.

        Raises:
            UsageError: the parameters do not make a grader.
        """
        ...


class SuiteSettings(Protocol):
    """The part of the settings that loading a suite depends on."""

    @property
    def root(self) -> Path:
        """The project's folder: nothing outside it is read."""
        ...

    @property
    def models(self) -> Mapping[str, ModelConfig]:
        """The configured providers, by the part of a model's name before its first slash."""
        ...
