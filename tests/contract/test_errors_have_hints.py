"""Every deliberate error says what to do next: no class of the tree is made without a hint, anywhere in the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import evalkit
from evalkit.base.errors import EvalkitError, UsageError
from evalkit.base.serial import FileError, Located
from evalkit.llm.errors import MissingKeyError

ROOT = Path(evalkit.__file__).parent
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(ROOT.rglob("*.py"))}
BASE = "EvalkitError"
CALLS_ARE_DATA = frozenset({"ModelError"})
"""Made by `model_error`: a failed call is a record of a run, and what ends a run has a hint of its own."""


@cache
def classes() -> dict[str, ast.ClassDef]:
    """Every class of the tree of errors, by name."""
    all_classes = [node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found: dict[str, ast.ClassDef] = {}
    while True:
        known = {BASE, *found}
        more = {
            node.name: node
            for node in all_classes
            if node.name not in known and any(ast.unparse(base).rpartition(".")[2] in known for base in node.bases)
        }
        if not more:
            return found
        found |= more


def own_init(node: ast.ClassDef) -> ast.FunctionDef | None:
    return next((part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"), None)


def takes_hint(node: ast.ClassDef) -> bool:
    init = own_init(node)
    return init is None or any(arg.arg == "hint" for arg in (*init.args.args, *init.args.kwonlyargs))


def calls(tree: ast.AST, names: frozenset[str]) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in names:
            yield node


def without_hint(call: ast.Call) -> bool:
    given = [keyword.value for keyword in call.keywords if keyword.arg in {"hint", None}]
    return not given or any(isinstance(value, ast.Constant) and not value.value for value in given)


def test_the_scan_finds_the_tree() -> None:
    assert {"UsageError", "StoreError", "ModelError", "FileError", "StoppedError"} <= classes().keys()
    sample = ast.parse("raise UsageError('x')\nraise UsageError('x', hint='')\nraise errors.UsageError('x', hint='y')")
    assert [without_hint(call) for call in calls(sample, frozenset({"UsageError"}))] == [True, True, False]


@pytest.mark.parametrize("path", TREES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_error_is_made_with_a_hint(path: Path) -> None:
    named = {BASE, *(name for name, node in classes().items() if takes_hint(node))} - CALLS_ARE_DATA
    bare = [f"{path}:{call.lineno}" for call in calls(TREES[path], frozenset(named)) if without_hint(call)]
    assert not bare, f"no hint: {bare}"


def test_classes_that_take_no_hint_give_one_themselves() -> None:
    for name, node in classes().items():
        init = own_init(node)
        if init is None or takes_hint(node):
            continue
        inits = [call for call in ast.walk(init) if isinstance(call, ast.Call) and "__init__" in ast.unparse(call.func)]
        assert inits, name
        text = ast.unparse(init)
        assert any(not without_hint(call) for call in inits) or "store_error" in text or "hint" in text, name


def test_errors_made_from_places_and_names_have_hints() -> None:
    located = Located("a.yaml", {})
    assert FileError([located.problem((), "is wrong")]).hint
    assert MissingKeyError("openai/x", "OPENAI_API_KEY").hint


def test_only_the_entry_point_catches_the_whole_tree() -> None:
    """Elsewhere only where each of many is reported on its own: suites to validate, uploads that wait."""
    allowed = {"cli/main.py", "cli/plan.py", "report/mlflow_upload.py"}
    for path, tree in TREES.items():
        if path.relative_to(ROOT).as_posix() in allowed or "gateway" in path.parts:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler) and node.type is not None:
                assert ast.unparse(node.type).rpartition(".")[2] != BASE, f"{path}:{node.lineno}"


def test_an_error_prints_message_place_and_hint() -> None:
    text = str(UsageError("metric 'correct' has no scores", where="s.yaml:3", hint="score it"))
    assert text == "metric 'correct' has no scores\n  where: s.yaml:3\n  hint:  score it"
    assert issubclass(UsageError, EvalkitError)
