"""Errors get the word of what they are, and a wait that is what the provider said and nothing absurd."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from evalkit.llm.classify import MAX_RETRY_AFTER_S, error_from_body, error_from_status, retry_after_s

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (401, {"message": "Incorrect API key provided"}, "auth"),
        (403, {"message": "no"}, "auth"),
        (402, {"message": "pay"}, "quota_exhausted"),
        (429, {"message": "Rate limit reached"}, "rate_limit"),
        (429, {"message": "You exceeded your current quota", "code": "insufficient_quota"}, "quota_exhausted"),
        (400, {"message": "Your credit balance is too low to access the API"}, "quota_exhausted"),
        (400, {"message": "This model's maximum context length is 8192 tokens"}, "context_length"),
        (413, {"message": "Request too large"}, "context_length"),
        (400, {"message": "x", "code": "content_filter"}, "content_filter"),
        (400, {"message": "Invalid value for temperature"}, "bad_request"),
        (422, {"message": "x"}, "bad_request"),
        (404, {"message": "x"}, "not_found"),
        (400, {"message": "The model `x` does not exist", "code": "model_not_found"}, "not_found"),
        (408, {"message": "x"}, "timeout"),
        (500, {"message": "The server had an error"}, "server_error"),
        (500, {"message": "Unauthorized upstream"}, "server_error"),
        (502, {"message": "x"}, "server_error"),
        (503, {"message": "x"}, "overloaded"),
        (504, {"message": "x"}, "timeout"),
        (529, {"type": "overloaded_error", "message": "Overloaded"}, "overloaded"),
        (307, {"message": "x"}, "bad_request"),
    ],
)
def test_errors_are_named(status: int, error: dict[str, str], code: str) -> None:
    assert error_from_status(status, {}, json.dumps({"error": error}).encode()).code == code


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"<html>bad</html>", b"null", b"3", b'"text"', b"[]", b"[[]]", b'{"error": 3}', b'{"error": []}',
     b'{"error": {"message": {"a": 1}}}', b'{"error": null}', b"{" * 3000, b'[{"error": {"message": "x"}}]'],
    ids=repr,
)  # fmt: skip
def test_any_body_is_survived(body: bytes) -> None:
    error = error_from_status(500, {}, body)
    assert error.code == "server_error"
    assert len(error.message) < 600


def test_messages_are_cut_flattened_and_free_of_keys() -> None:
    body = json.dumps({"error": {"message": "bad key sk-abcdefghijklmnopqrstuv\n\n" + "x" * 5000}}).encode()
    message = error_from_status(401, {}, body).message
    assert "sk-abc" not in message
    assert "\n" not in message
    assert len(message) < 600


@pytest.mark.parametrize(
    ("headers", "message", "wait"),
    [
        ({"retry-after": "7"}, "", 7.0),
        ({"Retry-After": "0.5"}, "", 0.5),
        ({"retry-after-ms": "250"}, "", 0.25),
        ({"retry-after-ms": "250", "retry-after": "1"}, "", 0.25),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:30 GMT"}, "", 30.0),
        ({"retry-after": "Mon, 23 Nov 2026 11:00:00 GMT"}, "", 0.0),
        ({"retry-after": "-5"}, "", None),
        ({"retry-after": "nan"}, "", None),
        ({"retry-after": "inf"}, "", None),
        ({"retry-after": "soon"}, "", None),
        ({"retry-after": "99999999"}, "", MAX_RETRY_AFTER_S),
        ({"retry-after": "Mon, 23 Nov 9999 12:00:30 GMT"}, "", MAX_RETRY_AFTER_S),
        ({"retry-after": "Mon, 99 Nov 2026"}, "", None),
        ({"retry-after": ""}, "", None),
        ({}, "Please try again in 37.044s. Visit", 37.044),
        ({}, "Please try again in 28ms.", 0.028),
        ({}, "Please try again in 6m0s.", 360.0),
        ({}, "Please try again in 2m3.5s", 123.5),
        ({}, "Please try again in 1h2m3s", MAX_RETRY_AFTER_S),
        ({}, "retry after 20 seconds", 20.0),
        ({}, "Please retry in 5 minutes", 300.0),
        ({}, "try again in a while", None),
        ({}, "Try again later.", None),
        ({"retry-after": "3"}, "try again in 9s", 3.0),
    ],
)
def test_the_wait_is_what_was_said(headers: dict[str, str], message: str, wait: float | None) -> None:
    assert retry_after_s(headers, message, now=NOW) == pytest.approx(wait)


def test_errors_inside_a_success_are_named_by_their_own_code() -> None:
    assert error_from_body({"code": 429, "message": "Provider returned error"}).code == "rate_limit"
    assert error_from_body({"code": "502", "message": "x"}).code == "server_error"
    assert error_from_body({"type": "overloaded_error", "message": "Overloaded"}).code == "overloaded"
    assert error_from_body({"type": "api_error", "message": "Internal"}).code == "server_error"
    assert error_from_body("plain text").code == "bad_request"
