"""Faults on demand: by request header, or at seeded rates.

The header ``x-evalkit-fault`` holds ``kind`` or ``kind=value``, then options, all separated by semicolons:
``status=429;retry_after=1``, ``hang``, ``slow=2``, ``reset``, ``truncate``, ``bad_json``, ``html``, ``empty``,
``no_choices``, ``error_in_200``, ``content_filter``, ``length``, ``sse_cut``, ``sse_reset``, ``sse_error``. With
``times=N`` only the first N requests of that body are hit.
"""

# ruff: noqa: E501 - tables of patterns and words read better unbroken

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from evalkit.base.errors import UsageError
from evalkit.base.hashing import unit_interval
from evalkit.base.registry import suggest

__all__ = ["FAULT_HEADER", "FAULT_KINDS", "Fault", "check_rates", "error_body", "parse_fault", "seeded_fault"]

FAULT_HEADER: Final = "x-evalkit-fault"
FAULT_KINDS: Final = (
    "status", "hang", "slow", "reset", "truncate", "bad_json", "html", "empty", "no_choices", "error_in_200",
    "content_filter", "length", "sse_cut", "sse_reset", "sse_error",
)  # fmt: skip

_ERRORS: Final[dict[int, tuple[str, str | None, str]]] = {
    400: ("invalid_request_error", "invalid_request", "The request is not valid."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("invalid_request_error", "forbidden", "The key may not use this model."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist."),
    408: ("timeout", "timeout", "The request took too long."),
    413: ("invalid_request_error", "too_large", "The request is too large."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached."),
    500: ("server_error", None, "The server had an error while processing your request."),
    502: ("server_error", "bad_gateway", "Bad gateway."),
    503: ("server_error", "overloaded", "The engine is currently overloaded."),
    504: ("server_error", "gateway_timeout", "Gateway timeout."),
    529: ("overloaded_error", "overloaded", "Overloaded."),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its kind, the number after ``=`` (a status, seconds) and what the response says besides."""

    kind: str
    value: float | None = None
    retry_after: float | None = None
    code: str | None = None
    times: int | None = None


def parse_fault(text: str) -> Fault:
    """Return the fault a header value or a rate's name describes; a bare number is a status.

    Raises:
        UsageError: the kind or an option is unknown, or a value is not a number.
    """
    head, *rest = [part.strip() for part in text.split(";") if part.strip()] or [""]
    kind, _, value = (f"status={head}" if head.isdigit() else head).partition("=")
    if kind not in FAULT_KINDS:
        raise UsageError(
            f"unknown fault {kind!r}{suggest(kind, list(FAULT_KINDS))}", hint=f"known faults: {', '.join(FAULT_KINDS)}"
        )
    options = dict(part.partition("=")[::2] for part in rest)
    unknown = set(options) - {"retry_after", "code", "times"}
    if unknown or (kind == "status" and not value):
        raise UsageError(f"fault {text!r} is not complete", hint="write for instance `status=429;retry_after=1`")
    try:
        return Fault(
            kind=kind,
            value=float(value) if value else None,
            retry_after=float(options["retry_after"]) if "retry_after" in options else None,
            code=options.get("code"),
            times=int(options["times"]) if "times" in options else None,
        )
    except ValueError as error:
        raise UsageError(f"fault {text!r}: {error}", hint="write for instance `status=429;retry_after=1`") from error


def check_rates(rates: Mapping[str, float]) -> dict[str, float]:
    """Return ``rates`` as they are if every name is a fault and their sum is at most 1.

    Raises:
        UsageError: a name is unknown, or a rate is out of range.
    """
    for name, rate in rates.items():
        parse_fault(name)
        if not 0 <= rate <= 1:
            raise UsageError(
                f"fault rate {name}={rate} is not between 0 and 1", hint="rates are fractions, such as 0.05"
            )
    if sum(rates.values()) > 1:
        raise UsageError("fault rates add up to more than 1", hint="lower one of them")
    return dict(rates)


def seeded_fault(rates: Mapping[str, float], seed: int, key: str, attempt: int) -> Fault | None:
    """Return the fault that hits the ``attempt``-th request with digest ``key``, or None; each attempt is drawn anew."""
    draw = unit_interval("fault", seed, key, attempt) if rates else 1.0
    for name, rate in rates.items():
        if draw < rate:
            return parse_fault(name)
        draw -= rate
    return None


def error_body(status: int, code: str | None = None) -> dict[str, Any]:
    """Return an error body in the OpenAI shape for an HTTP ``status``."""
    kind, usual, message = _ERRORS.get(status, ("server_error", None, f"Injected status {status}."))
    return {"error": {"message": message, "type": kind, "param": None, "code": code or usual}}
