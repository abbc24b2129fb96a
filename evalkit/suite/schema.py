"""JSON Schemas of the files people write, for editors; made from the models that read them.

The one source is this module; the copies in ``evalkit/suite/schemas/`` (shipped) and ``suites/schema/`` (named by the
suites' first line) are its output, rewritten by ``python suites/schema/build.py`` and compared by a contract test.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from evalkit.base.serial import atomic_write
from evalkit.suite.cards import DatasetCard
from evalkit.suite.files import GraderFile, SuiteFile
from evalkit.suite.ports import GraderCatalog
from evalkit.suite.prompts import PromptFile

__all__ = ["dataset_card_schema", "prompt_schema", "schema_files", "suite_schema", "write_schemas"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def suite_schema(catalog: GraderCatalog | None = None) -> dict[str, Any]:
    """Return the schema of a suite file.

    Args:
        catalog: gives each grader's parameters, told apart by ``use``; without it any parameter is accepted.
    """
    schema = _schema(SuiteFile, "evalkit suite")
    if catalog is not None:
        _describe_graders(schema["$defs"], catalog)
    return schema


def prompt_schema() -> dict[str, Any]:
    """Return the schema of a prompt file."""
    return _schema(PromptFile, "evalkit prompt")


def dataset_card_schema() -> dict[str, Any]:
    """Return the schema of ``dataset.yaml``."""
    return _schema(DatasetCard, "evalkit dataset card")


def _schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    schema = model.model_json_schema(mode="validation")
    return {"$schema": _DIALECT, **schema, "title": title}


def _describe_graders(definitions: dict[str, Any], catalog: GraderCatalog) -> None:
    """Replace the open grader by one definition for each ``use``, with the grader's own parameters."""
    reserved = definitions[GraderFile.__name__]["properties"]
    choices = []
    for use in catalog.names():
        model = catalog.params_model(use)
        params = model.model_json_schema(mode="validation", ref_template=f"#/$defs/{use}.{{model}}")
        for name, definition in params.pop("$defs", {}).items():
            definitions[f"{use}.{name}"] = definition
        definitions[f"grader.{use}"] = {
            "type": "object",
            "title": use,
            "description": _summary(params),
            "properties": {**reserved, "use": {"const": use}, **params.get("properties", {})},
            "required": ["use", *params.get("required", [])],
            "additionalProperties": False,
        }
        choices.append({"$ref": f"#/$defs/grader.{use}"})
    definitions[GraderFile.__name__] = {"anyOf": choices}


def _summary(params: Mapping[str, Any]) -> str:
    return str(params.get("description", "")).split("\n\n")[0].replace("\n", " ")


def schema_files(catalog: GraderCatalog) -> dict[str, str]:
    """Return file name to text of every schema that is shipped."""
    schemas = {
        "suite.json": suite_schema(catalog),
        "prompt.json": prompt_schema(),
        "dataset.json": dataset_card_schema(),
    }
    return {name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in schemas.items()}


def write_schemas(folder: Path, catalog: GraderCatalog) -> list[Path]:
    """Write every schema into ``folder`` and return the paths."""
    paths = []
    for name, text in schema_files(catalog).items():
        with atomic_write(folder / name) as file:
            file.write(text.encode())
        paths.append(folder / name)
    return paths
