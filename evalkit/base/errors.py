"""The one tree of deliberate errors.

::

    EvalkitError(message, hint=, where=)
    ├── UsageError     configuration, suite, dataset, prompt, incomparable runs   exit 2
    ├── ModelError     a call to a model failed; carries a code, blame, retryable  exit 4
    └── StoreError     the local store is damaged, locked or full                  exit 4

Only the command line catches ``EvalkitError``. A failed model call or grader inside a run is data
(:class:`evalkit.core.output.Failure`, :class:`evalkit.core.score.Score`), not an exception that ends the run.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = ["EvalkitError", "ModelError", "StoreError", "UsageError"]


class EvalkitError(Exception):
    """A failure somebody can act on.

    Args:
        message: what is wrong, naming the offending value.
        hint: the next step, preferably a command.
        where: the place, as ``file``, ``file:line`` or ``file:line:column``.
    """

    exit_code: ClassVar[int] = 4

    def __init__(self, message: str, *, hint: str | None = None, where: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where

    def __str__(self) -> str:
        """Return the message with its place and hint, one a line."""
        lines = [self.message]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.hint:
            lines.append(f"  hint:  {self.hint}")
        return "\n".join(lines)


class UsageError(EvalkitError):
    """What the user wrote cannot be used as it is: a flag, a suite, a dataset, a prompt, a pair of runs."""

    exit_code = 2


class StoreError(EvalkitError):
    """The local store cannot be read or written."""


class ModelError(EvalkitError):
    """A call to a model failed.

    The words for ``code`` and who is to blame stand in :mod:`evalkit.llm.errors`, which is where these are made.

    Args:
        message: what the provider or the transport said, redacted and cut.
        code: one word of the taxonomy, such as ``rate_limit``.
        retryable: whether the same request may succeed later.
        retry_after_s: how long the provider asked to wait, in seconds, or None.
        status: the HTTP status, or None where there was no response.
        hint: the next step.
        where: the model.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        retryable: bool,
        retry_after_s: float | None = None,
        status: int | None = None,
        hint: str | None = None,
        where: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, where=where)
        self.code = code
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.status = status
