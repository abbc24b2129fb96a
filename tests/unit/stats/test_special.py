"""Special functions that are ours and not scipy's."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from scipy.optimize import bisect

from evalkit.stats.special import bracketed_root

FUNCTIONS: dict[str, tuple[Callable[[float], float], float, float]] = {
    "line": (lambda x: 3.0 * x - 1.0, -5.0, 9.0),
    "cubic": (lambda x: x**3 - 2.0 * x - 5.0, 2.0, 3.0),
    "transcendental": (lambda x: math.cos(x) - x, 0.0, 1.0),
    "steep": (lambda x: math.exp(30.0 * x) - 2.0, -1.0, 1.0),
    "flat at the root": (lambda x: (x - 0.3) ** 3, -1.0, 1.0),
    "jump": (lambda x: -1.0 if x < 0.123456789 else 1.0, -1.0, 1.0),
    "tiny root": (lambda x: math.atan(x - 1e-9), -1.0, 1.0),
    "far": (lambda x: math.log(x) - 5.0, 1.0, 1e6),
    "infinite beside the root": (lambda x: -math.inf if x < 0.25 else x - 0.3, 0.0, 1.0),
    "falling": (lambda x: 0.7 - x, 0.0, 1.0),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_root_is_the_one_another_method_finds(name: str) -> None:
    function, low, high = FUNCTIONS[name]
    asked = []

    def counted(x: float) -> float:
        asked.append(x)
        return function(x)

    root = bracketed_root(counted, low, high)
    tolerance = 1e-4 if name == "flat at the root" else 1e-11 * (1.0 + abs(root))
    assert root == pytest.approx(bisect(function, low, high), abs=tolerance)
    assert all(low <= x <= high for x in asked), "it never leaves the bracket"
    assert len(asked) < 120


def test_an_end_that_is_the_root_is_returned() -> None:
    assert bracketed_root(lambda x: x - 1.0, 1.0, 2.0) == 1.0
    assert bracketed_root(lambda x: x - 2.0, 1.0, 2.0) == 2.0


def test_ends_of_one_sign_are_refused() -> None:
    with pytest.raises(ValueError, match="sign"):
        bracketed_root(lambda x: x * x + 1.0, -1.0, 1.0)


def test_a_value_that_is_no_number_ends_at_the_lower_end() -> None:
    assert bracketed_root(lambda x: math.nan if 0.1 < x < 0.9 else x - 0.5, 0.0, 1.0) == 0.0
