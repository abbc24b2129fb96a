from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from evalkit.base.errors import UsageError
from evalkit.graders.checks.numbers import exact_number, last_number, numbers_in

Value = Callable[..., float | None]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("18.", [18]),
        ("1,234.50", [1234.5]),
        ("1,2,3", [1, 2, 3]),
        ("12,34", [12, 34]),
        ("1'000'000 or 1\u202f000", [1_000_000, 1000]),
        (r"1{,}000", [1000]),
        ("2019 200", [2019, 200]),
        ("-5, \u22125, x=-5, +5", [-5, -5, -5, 5]),
        ("3-5 and 10 - 3", [3, 5, 10, 3]),
        ("(7)-2", [7, 2]),
        ("$1,234 -$5 $-5 € 7 US$8", [1234, -5, -5, 7, 8]),
        ("3/4, 1 1/2, \\frac{3}{4}, 7/14/2023", [0.75, 1.5, 0.75, 7]),
        ("1/0", []),
        ("1e5 1.5E-3 6.022 × 10^23 2x10^{3} 6×10²³ 4\\times 10^2", [1e5, 1.5e-3, 6.022e23, 2000, 6e23, 400]),
        ("2 x 10 boards", [2, 10]),
        ("H2O gpt4 x_3", []),
        ("5kg 9h", [5, 9]),
        ("1.2.3", [1.2]),
        (".5 ...5", [0.5, 5]),
        ("\\boxed{42}", [42]),
        ("9" * 401 + " 1", [1]),
        ("1e999999 2", [2]),
        ("٤٢", [42]),
        ("-1.8 billion", [-1.8]),
        ("none at all", []),
    ],
)
def test_numbers_are_found_as_people_write_them(text: str, found: list[float]) -> None:
    assert [float(number.value) for number in numbers_in(text)] == pytest.approx(found)


def test_a_decimal_comma_swaps_the_marks() -> None:
    assert [float(number.value) for number in numbers_in("1.234,56 und 3,5", ",")] == [1234.56, 3.5]


def test_percent_is_noted() -> None:
    assert [number.percent for number in numbers_in("45%, 45 %, 45 percent, 45")] == [True, True, True, False]


def test_the_last_number_is_the_last_that_can_be_read() -> None:
    too_long = "9" * 500 + " "
    for text in ("1 2 3", "7 " + too_long, "1 7 " + too_long * 20, "5 " * 40 + "6 x"):
        assert last_number(text) == list(numbers_in(text))[-1]
    assert last_number(too_long * 20) is None
    assert last_number("") is None


@pytest.mark.parametrize("unit", ["1", "1,", "1 ", "1/", "1 1/", "1 x10", "- ", "$", "\\frac{1}", "1e", "1,111"])
def test_time_grows_linearly_with_hostile_text(unit: str) -> None:
    def seconds(size: int) -> float:
        text = unit * (size // len(unit))
        started = time.process_time()
        sum(1 for _ in numbers_in(text))
        return time.process_time() - started

    assert seconds(60_000) < 0.05 + 40 * seconds(6_000)


def test_exact_number_takes_one_number_only() -> None:
    for value in (True, None, "no", "1 or 2", float("nan"), float("inf"), 10**500, [1]):
        assert exact_number(value) is None
    assert [exact_number(value).value for value in (3, 0.1, "1,875", "50%")] == [3, exact_number("0.1").value, 1875, 50]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "options", "wanted"),
    [
        ("first 3 then 18", {}, 1),
        ("first 18 then 3", {}, 0),
        ("first 18 then 3", {"which": "first"}, 1),
        ("no number", {}, 0),
        ("7 #### 18 and 4", {"after": "####"}, 1),
        ("7 #### 18 and 4", {"after": "####", "which": "last"}, 0),
        ("#### 3 #### 18", {"after": "####"}, 1),
        ("18", {"after": "####"}, 0),
        ("THE ANSWER IS 18", {"after": ["####", "answer is"]}, 1),
        ("THE ANSWER IS 18", {"after": "answer is", "ignore_case": False}, 0),
        ("İİİ answer is 18", {"after": "answer is"}, 1),
        ("x: 18 kg y: 4", {"pattern": r"x: (.*?) kg"}, 1),
        ("x 4", {"pattern": r"x: (.*)"}, 0),
        ("18.0000000000001", {}, 1),
        ("18.01", {}, 0),
        ("18.01", {"abs_tol": 0.01}, 1),
        ("18.1", {"rel_tol": 0.01}, 1),
        ("36/2", {}, 1),
        ("1.8e1", {}, 1),
    ],
)
def test_numeric(value: Value, text: str, options: dict[str, Any], wanted: int) -> None:
    assert value("numeric", text, item={"expected": "18"}, **options) == wanted


def test_percent_can_be_read_as_a_fraction(value: Value) -> None:
    assert value("numeric", "45 %", expected=0.45) == 0.0
    assert value("numeric", "45 %", expected=0.45, percent="fraction") == 1.0
    assert value("numeric", "0.45", expected="45%", percent="fraction") == 1.0


def test_large_integers_are_compared_exactly(value: Value) -> None:
    assert value("numeric", "100000000001", expected=100000000000) == 0.0
    assert value("numeric", "9007199254740993", expected=9007199254740993) == 1.0


def test_an_expected_that_is_no_number_is_an_error(grade: Callable[..., Any]) -> None:
    assert grade("numeric", "18", item={"expected": "about 3 or 4"})[0].status == "error"
    assert grade("numeric", "18")[0].status == "skipped"


def test_contradictory_parameters_are_refused(value: Value) -> None:
    for options in ({"after": "a", "pattern": "b"}, {"after": ""}, {"pattern": "(?=x)"}):
        with pytest.raises(UsageError):
            value("numeric", "1", expected=1, **options)


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("The answer is (C).", "C"),
        ("the answer is: **C**", "C"),
        ("So the answer is option C", "C"),
        ("Answer: C", "C"),
        ("**Final Answer:** C) because", "C"),
        ("The correct option is C.", "C"),
        ("Therefore $\\boxed{C}$", "C"),
        ("$\\boxed{\\text{(C)}}$", "C"),
        ("Option C is correct.", "C"),
        ("c", "C"),
        (" (C) ", "C"),
        ("C) Paris", "C"),
        ("It must be (C)", "C"),
        ("The final answer is F[x], so the answer is not given.", None),
        ("The answer is Cats.", None),
        ("The answer is (III).", None),
        ("I cannot tell. A guess would be wrong.", None),
        ("", None),
    ],
)
def test_choice_reads_the_announced_letter(grade: Callable[..., Any], text: str, letter: str | None) -> None:
    assert grade("choice", text, expected="C")[0].label == letter


def test_choice_takes_the_first_or_the_last_announcement(value: Value) -> None:
    text = "The answer is (A). Wait, no: the answer is (B)."
    assert value("choice", text, expected="A") == 1.0
    assert value("choice", text, expected="b", which="last") == 1.0


def test_choice_takes_a_bare_letter_only_when_told(value: Value) -> None:
    assert value("choice", "It could be B or rather D since", expected="D") == 0.0
    assert value("choice", "It could be B or rather D since", expected="D", bare=True) == 1.0


def test_choice_refuses_an_expected_that_is_no_letter(grade: Callable[..., Any]) -> None:
    assert grade("choice", "A", expected="Paris")[0].status == "error"
    assert grade("choice", "A", expected="E", letters="ABCD")[0].status == "error"
