"""The public face of the package."""

import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

import evalkit.stats as package
from evalkit.stats.special import binomial_at_least, binomial_at_most, t_tail

MODULES = sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def test_all_lists_what_is_visible() -> None:
    visible = {name for name in vars(package) if not name.startswith("_") and name not in MODULES}
    assert visible == set(package.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_declares_its_names(name: str) -> None:
    module = importlib.import_module(f"evalkit.stats.{name}")
    assert all(hasattr(module, public) for public in module.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"evalkit.stats.{name}")).failed == 0


def test_importing_does_not_import_scipy() -> None:
    code = "import sys, evalkit.stats; sys.exit(any(name.split('.')[0] == 'scipy' for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_tails_keep_their_digits() -> None:
    assert 2 * t_tail(40, 1000) == pytest.approx(1.0478852155173272e-209, rel=1e-9)
    assert binomial_at_least(0, 5, 0.3) == binomial_at_most(5, 5, 0.3) == 1.0
    assert binomial_at_least(6, 5, 0.3) == 0.0
