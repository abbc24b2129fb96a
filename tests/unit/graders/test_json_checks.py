from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from evalkit.base.errors import UsageError
from evalkit.graders.checks.json_formats import FORMATS, has_format
from evalkit.graders.checks.json_paths import MISSING, look_up, parse_path
from evalkit.graders.checks.json_text import NotJson, json_equal, json_in

Grade = Callable[..., Any]
Value = Callable[..., float | None]


@pytest.mark.parametrize(
    ("text", "extract", "found"),
    [
        ('{"a": [1, 2.5, null]}', "whole", {"a": [1, 2.5, None]}),
        (" 3 ", "whole", 3),
        ("```json\n{}\n```", "fence", {}),
        ("first\n```\n[1]\n```\nthen\n```json\n[2]\n```", "fence", [2]),
        ("first\n```\n[1]\n```", "fence", [1]),
        ('Sure: {x} but {"a": "}"} ok {"b": 2}', "first_object", {"a": "}"}),
        ("1 and [1, 2]", "first_object", [1, 2]),
    ],
)
def test_json_is_found(text: str, extract: Any, found: Any) -> None:
    assert json_in(text, extract) == found


@pytest.mark.parametrize(
    ("text", "extract"),
    [
        ('{"a": NaN}', "whole"),
        ('{"a": Infinity}', "whole"),
        ("{'a': 1}", "whole"),
        ('{"a": 1,}', "whole"),
        ("", "whole"),
        ("\ud800", "whole"),
        ("{}", "fence"),
        ("no", "first_object"),
        ('{"a": NaN}', "first_object"),
        ("{" * 1_000_000, "first_object"),
    ],
)
def test_what_is_no_json_is_said_to_be_none(text: str, extract: Any) -> None:
    with pytest.raises(NotJson):
        json_in(text, extract)


def test_equality_is_that_of_json() -> None:
    assert json_equal({"a": 1, "b": [1.0]}, {"b": [1], "a": 1.0})
    assert not json_equal(True, 1)
    assert not json_equal(None, 0)
    assert not json_equal([1, 2], [2, 1])
    assert not json_equal({"a": 1}, {"a": 1, "b": None})
    assert not json_equal("1", 1)
    assert json_equal([1.004], [1], abs_tol=0.01)
    assert not json_equal("a", ["a"])


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("a.b[0].c", ("a", "b", 0, "c")),
        ("$.a", ("a",)),
        ("$", ()),
        ('$["a key"][-1]', ("a key", -1)),
        ("['x.y'].z-1", ("x.y", "z-1")),
    ],
)
def test_paths_are_read(source: str, path: tuple[str | int, ...]) -> None:
    assert parse_path(source) == path


@pytest.mark.parametrize("source", ["", "a..b", "a[b]", "a[*]", "a b", "[1", "$$"])
def test_what_is_no_path_is_refused(source: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_path(source)
    assert caught.value.hint


def test_a_path_leads_to_a_value_or_to_nothing() -> None:
    value = {"a": [{"b": None}], "s": "text"}
    assert look_up(value, ("a", 0, "b")) is None
    assert look_up(value, ("a", -1)) == {"b": None}
    for path in (("a", 1), ("a", "b"), ("x",), ("s", 0), ("a", -2)):
        assert look_up(value, path) is MISSING


@pytest.mark.parametrize(
    ("claim", "wanted"),
    [
        ({"path": "n", "equals": 1}, 1),
        ({"path": "n", "equals": True}, 0),
        ({"path": "t", "equals": "{{ expected.t }}"}, 1),
        ({"path": "o", "equals": {"k": ["{{ id }}"]}}, 1),
        ({"path": "x", "equals": 1}, 0),
        ({"path": "f", "equals": 0.33, "abs_tol": 0.01}, 1),
        ({"path": "t", "contains": "wor"}, 1),
        ({"path": "o.k", "contains": "i1"}, 1),
        ({"path": "o", "contains": "k"}, 1),
        ({"path": "n", "contains": "1"}, 0),
        ({"path": "n", "type": "integer"}, 1),
        ({"path": "n", "type": "number"}, 1),
        ({"path": "f", "type": "integer"}, 0),
        ({"path": "z", "type": "null"}, 1),
        ({"path": "b", "type": "boolean"}, 1),
        ({"path": "o", "type": "object"}, 1),
        ({"path": "o.k", "type": "array"}, 1),
        ({"path": "t", "type": "string"}, 1),
        ({"path": "z", "exists": True}, 1),
        ({"path": "x", "exists": False}, 1),
        ({"path": "x", "exists": True}, 0),
    ],
)
def test_json_path_claims(value: Value, claim: dict[str, Any], wanted: int) -> None:
    text = json.dumps({"n": 1.0, "t": "a word", "o": {"k": ["i1"]}, "f": 0.3333, "z": None, "b": True})
    assert value("json_path", text, item={"expected": {"t": "a word"}}, **claim) == wanted
    assert value("json_path", "no json", item={"expected": {"t": "a word"}}, **claim) == 0.0


@pytest.mark.parametrize("claim", [{}, {"equals": 1, "exists": True}, {"type": "text"}])
def test_json_path_wants_one_claim(value: Value, claim: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        value("json_path", "{}", path="a", **claim)


def test_json_fields_scores_each_field_and_their_share(grade: Grade) -> None:
    item = {"expected": {"total": 12.5, "currency": "EUR", "lines": [{"n": 1}]}}
    fields = ["total", "currency", "lines[0].n", "absent"]
    scores = grade("json_fields", '{"total": 12.5, "currency": "eur", "lines": []}', item=item, fields=fields)
    assert [(score.metric, score.status, score.value) for score in scores] == [
        ("json_fields", "ok", 1 / 3),
        ("json_fields.total", "ok", 1.0),
        ("json_fields.currency", "ok", 0.0),
        ("json_fields.lines[0].n", "ok", 0.0),
        ("json_fields.absent", "skipped", None),
    ]
    assert scores[0].reason == "wrong: currency, lines[0].n"
    assert grade("json_fields", '{"currency": "eur"}', item=item, fields=["currency"], ignore_case=True)[0].value == 1.0
    assert grade("json_fields", "no json", item=item, fields=fields)[0].value == 0.0
    assert {one.status for one in grade("json_fields", "{}", item={"expected": {"x": 1}}, fields=["a"])} == {"skipped"}
    assert {one.status for one in grade("json_fields", "{}", item={"expected": [1]}, fields=["a"])} == {"error"}
    with pytest.raises(UsageError, match="twice"):
        grade("json_fields", "{}", fields=["a", "a"])


SCHEMA = {
    "type": "object",
    "required": ["a"],
    "properties": {
        "a": {"type": "integer", "minimum": 0},
        "when": {"type": "string", "format": "date-time"},
        "tags": {"type": "array", "uniqueItems": True, "items": {"$ref": "#/$defs/tag"}},
        "child": {"$ref": "#"},
        "word": {"type": "string", "pattern": "^(a+)+$"},
    },
    "patternProperties": {"^x_(a+)+$": {"type": "string"}},
    "additionalProperties": False,
    "$defs": {"tag": {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]}},
}


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ({"a": 1}, None),
        ({"a": 1.0, "tags": ["x", 1, True], "x_aa": "s", "child": {"a": 0}}, None),
        ({"a": True}, "$.a"),
        ({"a": -1}, "minimum"),
        ({}, "required"),
        ({"a": 1, "b": 2}, "'b' is not allowed"),
        ({"a": 1, "x_a": 2}, "x_a"),
        ({"a": 1, "tags": [1, 1.0]}, "twice"),
        ({"a": 1, "tags": [None]}, "$.tags[0]"),
        ({"a": 1, "when": "2026-02-30T00:00:00Z"}, "no date-time"),
        ({"a": 1, "word": "aab"}, "does not match"),
        ({"a": 1, "child": {"a": "x"}}, "$.child.a"),
    ],
)
def test_json_schema(grade: Grade, answer: Any, fault: str | None) -> None:
    (score,) = grade("json_schema", json.dumps(answer), schema=SCHEMA)
    assert score.value == (1.0 if fault is None else 0.0)
    assert fault is None or fault in score.reason


def test_patterns_on_hostile_keys_and_values_stay_linear(grade: Grade) -> None:
    answer = json.dumps({"a": 1, "word": "a" * 300_000 + "b", "x_" + "a" * 300_000 + "b": "s"})
    assert grade("json_schema", answer, schema=SCHEMA)[0].value == 0.0


def test_older_drafts_are_honoured(value: Value) -> None:
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}, {"type": "integer"}]}
    assert value("json_schema", '["a", 1]', schema=schema) == 1.0
    assert value("json_schema", '["a", "b"]', schema=schema) == 0.0


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "strin"}, "schema"),
        ({"$ref": "https://example.com/s.json"}, "leaves the schema"),
        ({"properties": {"a": {"$ref": "other.json#/x"}}}, "leaves the schema"),
        ({"$ref": "#/$defs/none"}, "leads nowhere"),
        ({"format": "colour"}, "not checked"),
        ({"pattern": "(?!a)"}, "RE2|perl"),
        ({"patternProperties": {"(?!a)": {}}}, "RE2|perl"),
        ({"patternProperties": {"a": {}}, "unevaluatedProperties": False}, "not supported"),
    ],
)
def test_a_schema_that_cannot_be_checked_is_refused_when_loaded(
    value: Value, schema: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        value("json_schema", "{}", schema=schema)
    assert caught.value.hint


def test_names_that_look_like_keywords_are_only_names(value: Value) -> None:
    schema = {"properties": {"format": {"type": "string"}, "$ref": {"type": "integer"}, "pattern": {"const": "(?!a)"}}}
    assert value("json_schema", '{"format": "x", "$ref": 1, "pattern": "(?!a)"}', schema=schema) == 1.0


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"anyOf": [{"items": {"$ref": "#"}, "contains": {"$ref": "#"}}, {"items": {"$ref": "#"}, "minItems": 9}]},
    ],
)
def test_work_without_end_is_an_error_not_a_hang(grade: Grade, schema: dict[str, Any]) -> None:
    answer = "[" * 45 + "]" * 45
    assert grade("json_schema", answer, schema=schema)[0].status in {"error", "ok"}
    assert grade("json_schema", "[" * 60 + "]" * 60, schema=schema)[0].status == "error"
    assert grade("json_schema", '"' + "a" * 1_000_001 + '"', schema=schema)[0].status == "error"


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date", "2026-11-23", "2026-02-30"),
        ("time", "12:30:00.5Z", "25:00:00Z"),
        ("date-time", "2026-11-23T12:30:00+01:00", "2026-11-23"),
        ("duration", "P1DT2H", "P"),
        ("email", "a.b@example.com", "a@b@c"),
        ("hostname", "a-b.example", "-a.example"),
        ("ipv4", "192.0.2.1", "192.0.2.256"),
        ("ipv6", "2001:db8::1", "2001:db8"),
        ("uri", "https://example.com/a?b=c", "no scheme"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000"),
    ],
)
def test_formats(name: str, good: str, bad: str) -> None:
    assert has_format(name, good)
    assert not has_format(name, bad)
    assert not has_format(name, "")


def test_every_format_has_a_test() -> None:
    marks = test_formats.pytestmark  # type: ignore[attr-defined]
    assert {row[0] for row in marks[0].args[1]} == set(FORMATS)
