"""Deliberate errors as text: what is wrong, where, and the next command."""

from __future__ import annotations

from evalkit.base.errors import EvalkitError
from evalkit.base.located import FileError
from evalkit.base.redact import Redactor
from evalkit.report.safe_text import neutral_lines, visible

__all__ = ["render_error"]


def render_error(error: EvalkitError, *, redactor: Redactor | None = None) -> str:
    """Return an error for stderr: message, place, hint.

    Errors of files already carry their place, the source line and a caret in the message. Whatever the message quotes
    is shown, not obeyed; known secrets and things shaped like keys are masked.
    """
    mask = redactor or Redactor()
    lines = visible(mask.text(error.message)).replace("\t", " ").split("\n")
    if not isinstance(error, FileError):
        lines[0] = f"error: {lines[0]}"
        if error.where and error.where not in error.message:
            lines.append(f"  where: {_inline(mask, error.where)}")
    if error.hint:
        lines.append(f"  hint:  {_inline(mask, error.hint)}")
    return neutral_lines("\n".join(lines)) + "\n"


def _inline(mask: Redactor, text: str) -> str:
    return visible(mask.text(text)).replace("\t", " ").replace("\n", "\n         ")
