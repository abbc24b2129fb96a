"""From a provider's error response to one word of the taxonomy, and how long it asks us to wait.

The order of evidence: what the message or error code says in so many words, then the HTTP status.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from evalkit.base.clock import Clock, SystemClock
from evalkit.base.errors import ModelError
from evalkit.base.redact import Redactor
from evalkit.llm.errors import ErrorCode, model_error

__all__ = ["MAX_RETRY_AFTER_S", "error_code", "error_from_body", "error_from_status", "retry_after_s"]

MAX_RETRY_AFTER_S = 3600.0
"""A provider that asks for more is taken to mean this much."""

_MAX_MESSAGE = 500
_REDACT = Redactor()

_PATTERNS: tuple[tuple[ErrorCode, str], ...] = (
    (
        "quota_exhausted",
        r"insufficient_quota|exceeded your current quota|credit balance is too low|billing_hard_limit|"
        r"billing_not_active|out of credits|insufficient (?:credits|balance|funds)|spend(?:ing)? limit",
    ),
    (
        "context_length",
        r"context_length_exceeded|exceed_context_size|maximum context length|context (?:window|length|size)|"
        r"prompt is too long|too many (?:input )?tokens|too_many_tokens|input tokens exceeded|"
        r"number of input tokens exceed|input is too long|string_above_max_length|"
        r"exceeds the maximum number of tokens|reduce the length",
    ),
    (
        "content_filter",
        r"content_filter|content_policy|responsibleaipolicy|content management policy|safety system|"
        r"\bguardrail|blocked by .{0,20}(?:safety|policy)|usage polic",
    ),
    (
        "overloaded",
        r"overloaded|engine_overloaded|server is busy|no capacity|slow_down|model is (?:currently )?loading",
    ),
    ("rate_limit", r"rate[ _-]?limit|too many requests|throttl|resource_exhausted|resource exhausted"),
    (
        "auth",
        r"invalid_api_key|incorrect api key|authentication_error|permission_(?:error|denied)|unauthenticated|"
        r"invalid x-api-key|security token|accessdenied|access denied due to invalid|unrecognizedclient|"
        r"invalid subscription key|api key not valid|unauthorized",
    ),
    (
        "not_found",
        r"model_not_found|not_found_error|deploymentnotfound|model identifier is invalid|does not exist|"
        r"model '?[^ ]+'? (?:was )?(?:not found|removed)|no such model|unknown model|is not a valid model|"
        r"has been deprecated",
    ),
)
_WORDS = tuple((code, re.compile(pattern, re.IGNORECASE)) for code, pattern in _PATTERNS)
_STATUS: dict[int, ErrorCode] = {
    401: "auth", 402: "quota_exhausted", 403: "auth", 404: "not_found", 408: "timeout", 413: "context_length",
    409: "overloaded", 410: "not_found", 425: "overloaded", 429: "rate_limit", 499: "timeout", 503: "overloaded",
    504: "timeout", 522: "timeout", 524: "timeout", 529: "overloaded",
}  # fmt: skip
_TRUST_STATUS = frozenset({401, 403, 404, 429, 529})
_AGAIN_IN = re.compile(
    r"(?:try again|retry|please wait|available) (?:in|after) (?:about )?"
    r"(?:(?P<h>\d+)h)?\s?(?:(?P<m>\d+)m(?!s))?\s?(?:(?P<n>\d+(?:\.\d+)?)\s?(?P<unit>ms|milliseconds?|s|seconds?|sec|minutes?|min)?\b)?",
    re.IGNORECASE,
)


def error_code(status: int, text: str) -> ErrorCode:
    """Return the word for a response of ``status`` whose error code, type and message are in ``text``."""
    if 300 <= status < 400:
        return "bad_request"
    for code, pattern in _WORDS:
        if not pattern.search(text):
            continue
        if status >= 500 and code not in {"overloaded", "context_length", "content_filter"}:
            continue
        if status in _TRUST_STATUS and code == "not_found":
            continue
        if status == 429 and code not in {"quota_exhausted", "rate_limit", "overloaded"}:
            continue
        return "rate_limit" if status == 429 and code == "overloaded" else code
    if status in _STATUS:
        return _STATUS[status]
    return "server_error" if status >= 500 else "bad_request"


def error_from_status(
    status: int, headers: Mapping[str, str], body: bytes, *, where: str | None = None, clock: Clock | None = None
) -> ModelError:
    """Return the error a response that is not a success stands for."""
    code_words, message = _read(body)
    if 300 <= status < 400:
        target = headers.get("Location") or headers.get("location") or "elsewhere"
        message = f"redirects to {target[:200]}; redirects are never followed"
    code = error_code(status, f"{code_words} {message} {headers.get('x-amzn-errortype', '')}")
    now = (clock or SystemClock()).now()
    return model_error(
        code,
        _shown(status, message),
        status=status,
        retry_after_s=retry_after_s(headers, message, now=now),
        hint=_HINTS.get(code),
        where=where,
    )


def error_from_body(error: Any, *, status: int = 200, where: str | None = None) -> ModelError:
    """Return the error that an error object inside a success response, or inside a stream, stands for."""
    code_words, message = _words_of({"error": error})
    inner = error.get("code") or error.get("status_code") or error.get("status") if isinstance(error, Mapping) else None
    if isinstance(inner, str) and inner.isdecimal():
        inner = int(inner)
    told = inner if isinstance(inner, int) and 400 <= inner < 600 else 400
    code = error_code(told, f"{code_words} {message}")
    if code == "bad_request" and told == 400 and re.search(r"server_error|internal|api_error", code_words):
        code = "server_error"
    wait = retry_after_s({}, message, now=None)
    return model_error(code, _shown(status, message), status=status, retry_after_s=wait, where=where)


def retry_after_s(headers: Mapping[str, str], message: str = "", *, now: datetime | None) -> float | None:
    """Return how long to wait, in seconds, at most :data:`MAX_RETRY_AFTER_S`; None if nothing usable was said.

    Looks at ``retry-after-ms``, then ``Retry-After`` in seconds or as a date, then at words in ``message``.
    """
    raw_ms = headers.get("retry-after-ms") or headers.get("x-ms-retry-after-ms") or headers.get("Retry-After-Ms")
    value = _number(raw_ms, 0.001)
    if value is None:
        raw = headers.get("retry-after") or headers.get("Retry-After")
        value = _number(raw, 1.0)
        if value is None and raw and now is not None:
            value = _until(raw, now)
    if value is None:
        value = _in_words(message)
    if value is None or value < 0:
        return None
    return min(value, MAX_RETRY_AFTER_S)


_HINTS: dict[ErrorCode, str] = {
    "auth": "check the key's variable and that the key may use this model",
    "quota_exhausted": "the provider's account has no credit left: look at its billing page",
    "not_found": "check the model's name and the base URL",
}


def _number(text: str | None, unit: float) -> float | None:
    if text is None:
        return None
    try:
        value = float(text.strip())
    except ValueError:
        return None
    return value * unit if value == value and abs(value) != float("inf") else None


def _until(text: str, now: datetime) -> float | None:
    try:
        when = parsedate_to_datetime(text)
        return max((when - now).total_seconds(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None


def _in_words(message: str) -> float | None:
    found = _AGAIN_IN.search(message[:4000])
    if found is None:
        return None
    hours, minutes, number, unit = found.group("h", "m", "n", "unit")
    if hours is None and minutes is None and number is None:
        return None
    unit = (unit or "s").lower()
    factor = 0.001 if unit.startswith(("ms", "milli")) else 60.0 if unit.startswith("m") else 1.0
    return 3600.0 * int(hours or 0) + 60.0 * int(minutes or 0) + factor * float(number or 0)


def _read(body: bytes) -> tuple[str, str]:
    """Return the error's code words and its message; of a body that is no JSON object, its text."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        text = re.sub(r"<[^>]{0,200}>|\s+", " ", body[:4000].decode("utf-8", "replace"))
        return "", re.sub(r" +", " ", text).strip()
    return _words_of(parsed)


def _words_of(parsed: Any) -> tuple[str, str]:
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]
    if not isinstance(parsed, Mapping):
        return "", str(parsed)[:_MAX_MESSAGE]
    error = parsed.get("error", parsed)
    if not isinstance(error, Mapping):
        error = {"message": error, "type": parsed.get("error_type")}
    words = [str(error[key]) for key in ("code", "type", "status", "error_type", "param") if error.get(key)]
    words += [
        str(inner["code"]) for inner in [error.get("innererror")] if isinstance(inner, Mapping) and "code" in inner
    ]
    words += [str(parsed[key]) for key in ("error_type", "__type") if parsed.get(key)]
    message = next((error[key] for key in ("message", "detail", "Message", "error") if error.get(key)), None)
    metadata = error.get("metadata")
    if isinstance(metadata, Mapping) and isinstance(metadata.get("raw"), str):
        message = f"{message}: {metadata['raw']}"
    return " ".join(words), str(message if message is not None else parsed)


def _shown(status: int, message: str) -> str:
    text = _REDACT.text(" ".join(message.split()))
    text = text if len(text) <= _MAX_MESSAGE else text[: _MAX_MESSAGE - 1] + "…"
    return f"HTTP {status}: {text}" if text else f"HTTP {status}"
