"""Every built-in grader keeps the contract, and docs/reference/checks.md describes it with an example that runs."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from evalkit.core.item import Item
from evalkit.core.suite import GraderSpec
from evalkit.graders.reference import with_tables
from evalkit.graders.registry import GRADERS, build_grader


def _contract() -> Any:
    path = Path(__file__).with_name("grader_contract.py")
    spec = importlib.util.spec_from_file_location("grader_contract", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["grader_contract"] = module
    spec.loader.exec_module(module)
    return module


contract = _contract()
PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "checks.md").read_text(encoding="utf-8")
BUILT_IN = sorted(GRADERS._builtin)
ITEM = Item(id="i1", inputs={"order_id": 4711}, expected={"answer": "B", "total": 12, "accept": ["x", "y"]})

PARAMS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "exact": ({"expected": "{{ expected.answer }}"}, {"expected": "{{ expected.total }}"}),
    "contains_any": ({"values": "{{ expected.accept }}", "whole_words": True, "ignore_case": True}, {"values": ["x"]}),
    "contains_all": ({"values": ["{{ expected.answer }}"], "unicode": "NFKC"}, {"values": ["y"]}),
    "contains_none": ({"values": ["x {{ expected.total }}"]}, {"values": ["x"]}),
    "starts_with": ({"values": ["B"], "whitespace": "collapse"}, {"values": ["C"]}),
    "ends_with": ({"values": ["{{ expected.total }}"]}, {"values": ["C"]}),
    "regex": (
        {"pattern": r"(\w+|\d| )", "group": 1, "equals": "{{ inputs.order_id }}", "which": "last"},
        {"pattern": r"(\d+)"},
    ),
    "numeric": ({"expected": "{{ expected.total }}"}, {"expected": 12, "after": "is"}),
    "choice": ({"expected": "{{ expected.answer }}", "bare": True, "which": "last"}, {"letters": "ABCD"}),
    "length": ({"unit": "sentences", "max": 3}, {"unit": "lines"}),
    "refusal": ({"where": "anywhere"}, {"languages": ["en"]}),
    "pii": ({"allow": ["@example.com"]}, {"kinds": ["email"]}),
    "json_valid": ({"extract": "first_object"}, {"extract": "fence"}),
    "json_schema": (
        {
            "schema": {
                "additionalProperties": {"$ref": "#"},
                "uniqueItems": True,
                "items": {"anyOf": [{"type": "object"}, {"pattern": "^(a+)+$"}]},
            }
        },
        {"schema": {"type": "object"}},
    ),
    "json_path": ({"path": "a", "equals": "{{ expected.total }}"}, {"path": "a", "exists": True}),
    "json_fields": ({"fields": ["answer", "total", "absent"]}, {"fields": ["total"]}),
    "latency": ({}, {"max_s": 2}),
    "cost": ({"max_usd": 0.01}, {}),
    "tokens": ({"of": "total"}, {"max": 10}),
    "finish_reason": ({}, {"allowed": ["length"]}),
    "recorded": ({"field": "reward", "kind": "bounded"}, {"field": "reward"}),
}

OUTPUTS = [
    contract.make_output(
        text, latency_s=1.5, cost_usd=0.02, usage={"input_tokens": 3, "output_tokens": 4}, recorded=row
    )
    for text, row in (
        ("B", {"reward": 1}),
        ("The answer is (B). The total is 12", {"reward": 0.5}),
        ('{"answer": "B", "total": 12.0, "a": 12}', {"reward": None}),
        ("I'm sorry, I can't help with that. x@example.com", {"reward": "high"}),
        ("x y 4711", {}),
    )
]


@pytest.mark.parametrize("claim", contract.CLAIMS, ids=lambda claim: str(claim.__name__))
@pytest.mark.parametrize("use", BUILT_IN)
def test_every_built_in_grader_keeps_the_contract(use: str, claim: Callable[[Any], None]) -> None:
    params, other = PARAMS[use]
    claim(contract.Case(use=use, params=params, other_params=other, item=ITEM, outputs=OUTPUTS))


def _section(use: str) -> str:
    found = re.search(rf"^### {use}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/reference/checks.md has no section `### {use}`"
    return found[1]


@pytest.mark.parametrize("use", BUILT_IN)
def test_every_check_is_documented_with_an_example_that_runs(use: str) -> None:
    block = re.search(r"^```yaml\n(.*?)^```", _section(use), re.DOTALL | re.MULTILINE)
    assert block, f"section {use} has no example"
    example = yaml.safe_load(block[1])
    entry = example["grader"]
    name = entry.pop("name", entry["use"])
    assert entry.pop("use") == use
    grader = build_grader(GraderSpec(use=use, name=name, params=entry))
    item = Item.model_validate({"id": "i1", "inputs": {}, **example.get("item", {})})
    for text, value in example["scores"].items():
        score = grader.grade(item, contract.make_output(text, **example.get("response", {})))[0]
        assert (score.status, score.value) == ("ok", value), score.reason


def test_the_parameter_tables_are_those_of_the_code() -> None:
    assert with_tables(PAGE) == PAGE, "run: python docs/reference/generate_checks.py"
    for use in BUILT_IN:
        assert f"<!-- parameters: {use} -->\n| parameter" in _section(use)
