"""The public Python interface is what `__all__` says, whole and importable in any order."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import evalkit as ek

ROOT = Path(ek.__file__).parent
MODULES = sorted(
    found.name for found in pkgutil.walk_packages(ek.__path__, "evalkit.") if not found.name.endswith("__main__")
)


def in_new_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", ek.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(ek, name) is not None


def test_all_names_are_sorted_and_have_a_home() -> None:
    from evalkit import _HOME

    assert sorted(ek.__all__) == list(ek.__all__)
    assert sorted(_HOME) == sorted(ek.__all__)


def test_the_names_checkers_see_are_the_names_that_resolve() -> None:
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    guarded = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.name
        for guard in guarded
        for node in guard.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == set(ek.__all__)


def test_a_star_import_gives_exactly_the_public_names() -> None:
    code = "before = set(dir()) | {'before'}\nfrom evalkit import *\nprint(*sorted(set(dir()) - before))"
    assert in_new_python(code).split() == sorted(ek.__all__)


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = ek.no_such_name


@pytest.mark.parametrize(
    "before",
    ["", "import evalkit.compare.decide", "import evalkit.api", "from evalkit.compare import compare", "ek.compare"],
    ids=["first", "after its package", "after the verbs", "after its module", "asked twice"],
)
def test_compare_can_be_called_whatever_was_imported_before(before: str) -> None:
    assert in_new_python(f"import evalkit as ek\n{before}\nprint(callable(ek.compare))") == "True"


def test_every_module_lists_names_that_exist() -> None:
    for name in MODULES:
        module = importlib.import_module(name)
        listed = getattr(module, "__all__", None)
        assert listed is None or all(hasattr(module, each) for each in listed), name


def test_every_module_with_public_definitions_lists_them() -> None:
    for path in sorted(ROOT.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        public = {
            node.name
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_")
        }
        lists = [
            node.value
            for node in tree.body
            if isinstance(node, ast.Assign) and any(ast.unparse(target) == "__all__" for target in node.targets)
        ]
        assert lists or not public, f"{path} defines {sorted(public)} and has no __all__"
