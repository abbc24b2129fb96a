"""The JSON Schemas that are shipped are those of the code, and agree with what the loader accepts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from evalkit.base.serial import read_yaml
from evalkit.graders.registry import CATALOG, GRADERS
from evalkit.suite.schema import dataset_card_schema, prompt_schema, schema_files, suite_schema

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = (REPOSITORY / "suites" / "schema", REPOSITORY / "evalkit" / "suite" / "schemas")

FULL: dict[str, Any] = {
    "description": "x",
    "dataset": {"name": "support_qa", "version": "2026-11-01"},
    "candidates": [{"name": "next", "model": "local/extract-1", "prompt": "prompts/answer.yaml", "temperature": 0}],
    "baseline": "stored",
    "trials": 1,
    "seed": 20261123,
    "graders": [
        {"use": "json_schema", "schema": "schemas/answer.json"},
        {"use": "contains_all", "name": "cites_section", "values": ["{{ expected.section }}"], "when": "'x' in tags"},
        {"use": "pii"},
    ],
    "policy": {
        "alpha": 0.05,
        "judges": {"uncalibrated": "advisory"},
        "rules": [
            {"metric": "cites_section", "rule": "no_regression", "margin": 0.05},
            {"metric": "latency_s.p95", "rule": "at_most", "bound": 8.0},
            {"metric": "pii", "rule": "none_may_fail"},
        ],
    },
}


@pytest.mark.parametrize("folder", FOLDERS, ids=["suites", "package"])
def test_the_shipped_schemas_equal_the_code(folder: Path) -> None:
    for name, text in schema_files(CATALOG).items():
        assert (folder / name).read_text() == text, "run: python suites/schema/build.py"


def test_the_schemas_are_schemas() -> None:
    for text in schema_files(CATALOG).values():
        Draft202012Validator.check_schema(json.loads(text))


def test_the_full_suite_of_the_design_is_valid() -> None:
    Draft202012Validator(suite_schema(CATALOG)).validate(FULL)


@pytest.mark.parametrize(
    ("way", "value"),
    [
        (("trails",), 1),
        (("trials",), 0),
        (("candidates", 0, "temprature"), 1),
        (("graders", 0, "use"), "json_shema"),
        (("graders", 1, "vals"), ["x"]),
        (("policy", "alpha"), 0.7),
        (("policy", "rules", 0, "rule"), "no_regresion"),
        (("dataset", "vresion"), "1"),
    ],
)
def test_what_the_loader_refuses_the_schema_refuses(way: tuple[str | int, ...], value: object) -> None:
    suite = json.loads(json.dumps(FULL))
    part = suite
    for key in way[:-1]:
        part = part[key]
    part[way[-1]] = value
    assert not Draft202012Validator(suite_schema(CATALOG)).is_valid(suite)


def test_every_grader_has_its_parameters_in_the_suites_schema() -> None:
    definitions = suite_schema(CATALOG)["$defs"]
    assert {f"grader.{name}" for name in GRADERS.names()} <= set(definitions)
    assert "values" in definitions["grader.contains_all"]["properties"]


def test_every_field_of_suite_prompt_and_card_is_described() -> None:
    silent = [
        f"{title}.{name}"
        for schema in (suite_schema(), prompt_schema(), dataset_card_schema())
        for title, definition in {"": schema, **schema.get("$defs", {})}.items()
        for name, field in definition.get("properties", {}).items()
        if not field.get("description")
    ]
    assert silent == []


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "datasets").glob("*/dataset.yaml")), ids=lambda path: path.parent.name
)
def test_the_bundled_cards_are_valid(path: Path) -> None:
    Draft202012Validator(dataset_card_schema()).validate(read_yaml(path).data)


def test_the_bundled_prompts_and_suites_are_valid() -> None:
    suite, prompt = Draft202012Validator(suite_schema(CATALOG)), Draft202012Validator(prompt_schema())
    for path in sorted((REPOSITORY / "suites").glob("*.yaml")):
        suite.validate(read_yaml(path).data)
    for path in sorted((REPOSITORY / "suites" / "prompts").glob("**/*.yaml")):
        prompt.validate(read_yaml(path).data)
