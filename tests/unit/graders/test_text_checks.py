from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from evalkit.base.errors import UsageError

Value = Callable[..., float | None]


@pytest.mark.parametrize(
    ("text", "expected", "options", "wanted"),
    [
        ("Paris", "Paris", {}, 1),
        (" Paris\n", "Paris", {}, 1),
        (" Paris\n", "Paris", {"whitespace": "keep"}, 0),
        ("New\n  York", "New York", {}, 0),
        ("New\n  York", "New York", {"whitespace": "collapse"}, 1),
        ("paris", "Paris", {}, 0),
        ("STRASSE", "straße", {"ignore_case": True}, 1),
        ("cafe\u0301", "caf\u00e9", {}, 1),
        ("cafe\u0301", "caf\u00e9", {"unicode": "none"}, 0),
        ("\uff21", "A", {}, 0),
        ("\uff21", "A", {"unicode": "NFKC"}, 1),
        ("It's, well: 5!", "Its well 5", {"ignore_punctuation": True}, 1),
        ("b", ["a", "b"], {}, 1),
        ("", "", {}, 1),
    ],
)
def test_exact_compares_after_its_normalisation(
    value: Value, text: str, expected: Any, options: dict[str, Any], wanted: int
) -> None:
    assert value("exact", text, expected=expected, **options) == wanted


def test_exact_takes_the_items_expected_answer(value: Value) -> None:
    assert value("exact", "Paris", item={"expected": "Paris"}) == 1.0
    assert value("exact", "4", item={"expected": 4}) == 1.0
    assert value("exact", "Paris") is None


@pytest.mark.parametrize(
    ("use", "text", "values", "options", "wanted"),
    [
        ("contains_any", "one two", ["two", "x"], {}, 1),
        ("contains_any", "one two", ["x"], {}, 0),
        ("contains_all", "one two", ["one", "two"], {}, 1),
        ("contains_all", "one two", ["one", "x"], {}, 0),
        ("contains_none", "one two", ["x", "y"], {}, 1),
        ("contains_none", "one two", ["x", "two"], {}, 0),
        ("contains_any", "One", ["one"], {}, 0),
        ("contains_any", "One", ["one"], {"ignore_case": True}, 1),
        ("contains_any", "category", ["cat"], {"whole_words": True}, 0),
        ("contains_any", "category cat.", ["cat"], {"whole_words": True}, 1),
        ("contains_any", "a_cat", ["cat"], {"whole_words": True}, 0),
        ("contains_any", "C++ code", ["C++"], {"whole_words": True}, 1),
        ("contains_any", "New\nYork", ["New York"], {"whitespace": "collapse"}, 1),
        ("starts_with", "  Dear X", ["Dear"], {}, 1),
        ("starts_with", "Oh Dear", ["Dear"], {}, 0),
        ("ends_with", "The end. \n", ["end."], {}, 1),
        ("ends_with", "The end", ["end."], {}, 0),
    ],
)
def test_substring_checks(
    value: Value, use: str, text: str, values: list[str], options: dict[str, Any], wanted: int
) -> None:
    assert value(use, text, values=values, **options) == wanted


def test_a_failed_search_names_what_it_missed(grade: Callable[..., Any]) -> None:
    assert "'b'" in grade("contains_all", "a", values=["a", "b"])[0].reason
    assert "2 more" in grade("contains_any", "-", values=list("abcdefg"))[0].reason
    assert "'x'" in grade("contains_none", "x", values=["x"])[0].reason


@pytest.mark.parametrize(
    ("text", "options", "wanted"),
    [
        ("id 42.", {"pattern": r"\d+"}, 1),
        ("id", {"pattern": r"\d+"}, 0),
        ("42", {"pattern": r"\d+", "mode": "full"}, 1),
        ("42.", {"pattern": r"\d+", "mode": "full"}, 0),
        ("ABC", {"pattern": "b"}, 0),
        ("ABC", {"pattern": "b", "ignore_case": True}, 1),
        ("a\nb", {"pattern": "^b$"}, 0),
        ("a\nb", {"pattern": "^b$", "multiline": True}, 1),
        ("a\nb", {"pattern": "a.b"}, 0),
        ("a\nb", {"pattern": "a.b", "dot_all": True}, 1),
        ("x=1 x=2", {"pattern": r"x=(\d)", "group": 1, "equals": "1"}, 1),
        ("x=1 x=2", {"pattern": r"x=(\d)", "group": 1, "equals": "2"}, 0),
        ("x=1 x=2", {"pattern": r"x=(\d)", "group": 1, "equals": "2", "which": "last"}, 1),
        ("x=1", {"pattern": r"x=(?P<n>\d)", "group": "n", "equals": "{{ expected }}"}, 1),
        ("x", {"pattern": r"x(y)?", "group": 1, "equals": "y"}, 0),
        ("é=1", {"pattern": r"é=(\d)", "group": 1, "equals": "1"}, 1),
    ],
)
def test_regex(value: Value, text: str, options: dict[str, Any], wanted: int) -> None:
    assert value("regex", text, item={"expected": 1}, **options) == wanted


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pattern": "(?=a)"}, "invalid perl operator"),
        ({"pattern": r"(a)\1"}, "invalid escape"),
        ({"pattern": "("}, "missing"),
        ({"pattern": "a" * 10_001}, "10,001"),
        ({"pattern": "(a)", "group": 2, "equals": "x"}, "no group 2"),
        ({"pattern": "(a)", "group": "n", "equals": "x"}, "no group 'n'"),
        ({"pattern": "(a)", "group": 1}, "no effect"),
    ],
)
def test_a_pattern_that_cannot_work_is_refused_when_loaded(
    value: Value, options: dict[str, Any], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        value("regex", "", **options)
    assert caught.value.hint
    assert capfd.readouterr().err == "", "the engine's own log stays silent"


def test_last_match_in_a_text_of_matches_stays_bounded(grade: Callable[..., Any]) -> None:
    (score,) = grade("regex", "a" * 100_000, pattern="a*b|a", equals="a", which="last")
    assert score.status == "error"
    assert "too many matches" in score.reason


@pytest.mark.parametrize(
    ("text", "unit", "count"),
    [
        ("  abc \n", "chars", 3),
        ("It doesn't cost $3.50 – really.", "words", 5),
        ("", "words", 0),
        ("One. Two! Three?", "sentences", 3),
        ('It costs 3.50 euros. "Really?" he said', "sentences", 3),
        ("今日は晴れです。明日は雨です。", "sentences", 2),
        ("No end", "sentences", 1),
        ("", "sentences", 0),
        ("a\n\n b\r\nc", "lines", 3),
    ],
)
def test_length_counts(value: Value, text: str, unit: str, count: int) -> None:
    assert value("length", text, unit=unit) == count


def test_length_with_a_limit_is_binary(value: Value) -> None:
    assert [value("length", "a b c", max=n) for n in (2, 3)] == [0.0, 1.0]
    assert [value("length", "a b c", min=n) for n in (3, 4)] == [1.0, 0.0]
    with pytest.raises(UsageError, match="above"):
        value("length", "a", min=3, max=2)


def test_lone_surrogates_and_nul_are_read_past_not_refused(grade: Callable[..., Any]) -> None:
    text = "\ud800\0 id=4\udfff"
    assert grade("regex", text, pattern=r"id=(.*)", group=1, equals="4\ufffd\ufffd\ufffd")[0].value == 1.0
    assert grade("exact", text, expected="x")[0].reason.isprintable()
    assert grade("numeric", text, expected=4)[0].value == 1.0
