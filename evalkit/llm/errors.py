"""The words for failed calls, who is to blame for each, and whether asking again can help.

``blame`` decides what a failure means in a comparison: a failure the candidate is to blame for counts against it,
one of the infrastructure is missing data.
"""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

from evalkit.base.errors import ModelError, UsageError

__all__ = ["BLAME", "RETRYABLE", "Blame", "ErrorCode", "MissingKeyError", "model_error"]

ErrorCode = Literal[
    "auth",
    "quota_exhausted",
    "not_found",
    "bad_request",
    "context_length",
    "content_filter",
    "rate_limit",
    "overloaded",
    "server_error",
    "timeout",
    "connection",
    "malformed",
    "truncated",
    "too_large",
    "not_recorded",
    "application",
]
"""``malformed``: a success status whose body is not an answer. ``truncated``: an answer cut off before its end.
``too_large``: over the cap on bytes or depth. ``not_recorded``: a replay has no answer for the item. ``application``: a
user's own Python or HTTP application raised or answered with an error of its own."""

Blame = Literal["candidate", "infrastructure"]

_CANDIDATE: frozenset[str] = frozenset(
    {"timeout", "context_length", "content_filter", "malformed", "truncated", "too_large", "application"}
)
_AGAIN: frozenset[str] = frozenset(
    {"rate_limit", "overloaded", "server_error", "timeout", "connection", "malformed", "truncated"}
)

BLAME: dict[ErrorCode, Blame] = {
    code: "candidate" if code in _CANDIDATE else "infrastructure" for code in get_args(ErrorCode)
}
RETRYABLE: frozenset[ErrorCode] = frozenset(code for code in get_args(ErrorCode) if code in _AGAIN)


def model_error(
    code: ErrorCode,
    message: str,
    *,
    status: int | None = None,
    retry_after_s: float | None = None,
    hint: str | None = None,
    where: str | None = None,
) -> ModelError:
    """Return a :class:`ModelError` whose ``retryable`` follows from ``code``."""
    return ModelError(
        message,
        code=code,
        retryable=code in RETRYABLE,
        retry_after_s=retry_after_s,
        status=status,
        hint=hint,
        where=where,
    )


class MissingKeyError(UsageError):
    """The environment lacks the variable a model's key is read from.

    Its own class and exit code, so that a pipeline without secrets (a fork's) can tell it from a mistake.

    Args:
        model: the model's full name.
        variable: the environment variable that is unset or empty.
        where: the place the model is named.
    """

    exit_code: ClassVar[int] = 4

    def __init__(self, model: str, variable: str, *, where: str | None = None) -> None:
        super().__init__(
            f"no key for model {model!r}: the environment variable {variable} is not set",
            hint=f"export {variable}=…, or use a local/* model, which needs no key",
            where=where,
        )
        self.model = model
        self.variable = variable
