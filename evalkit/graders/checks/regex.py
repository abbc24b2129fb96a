"""``regex``: a pattern on a linear-time engine, and optionally what its group must equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from evalkit.base.errors import UsageError
from evalkit.base.model import Frozen
from evalkit.core.item import Item
from evalkit.core.output import Output
from evalkit.core.score import Score
from evalkit.graders.check import Check, NoScore, printable, shown
from evalkit.graders.templates import ItemText

__all__ = ["Regex", "compile_pattern"]

_MAX_PATTERN = 10_000
_MAX_SCANNED = 500_000_000
"""Characters looked at, at worst, in search of the last match: one search is linear, all of them together are not."""


class RegexParams(Frozen):
    """Parameters of ``regex``."""

    pattern: str = Field(
        min_length=1, description="RE2 syntax (no look-around, no back-references). Not a template: compiled once."
    )
    mode: Literal["search", "full"] = Field(
        default="search", description="`search` finds it anywhere, `full` needs the whole text to match."
    )
    ignore_case: bool = Field(default=False, description="Match without regard to case.")
    multiline: bool = Field(default=False, description="`^` and `$` match at every line's ends.")
    dot_all: bool = Field(default=False, description="`.` matches a line break too.")
    group: int | str | None = Field(
        default=None, description="Number or name of the group compared with `equals`; the whole match if not given."
    )
    equals: str | None = Field(
        default=None, description="What the group must be, ends trimmed; without it, a match is enough."
    )
    which: Literal["first", "last"] = Field(default="first", description="Which match is compared with `equals`.")


class Regex(Check):
    """1 if the pattern matches and, where ``equals`` is given, the match's group is that text."""

    Params = RegexParams

    def __init__(self, name: str, params: RegexParams) -> None:
        super().__init__(name, params)
        flags = "".join(
            flag for flag, given in (("i", params.ignore_case), ("m", params.multiline), ("s", params.dot_all)) if given
        )
        self._pattern = compile_pattern(params.pattern, flags)
        self._full = params.mode == "full"
        self._last = params.which == "last"
        self._group = self._checked_group(params)
        self._equals = None if params.equals is None else ItemText(params.equals)

    def grade(self, item: Item, output: Output) -> Sequence[Score]:
        """Return the score of the text."""
        text = printable(output.text)
        match = self._match(text)
        if match is None:
            return self.passed(False, f"no match in {shown(text)}")
        if self._equals is None:
            return self.passed(True)
        expected = self._equals(item).strip()
        actual = (match.group(self._group) or "").strip()
        return self.passed(actual == expected, f"found {shown(actual)}, not {shown(expected)}", label=actual)

    def _match(self, text: str) -> Any:
        if self._full:
            return self._pattern.fullmatch(text)
        if not self._last or self._equals is None:
            return self._pattern.search(text)
        last = None
        budget = _MAX_SCANNED
        for last in self._pattern.finditer(text):
            budget -= len(text) - last.start()
            if budget < 0:
                raise NoScore("error", f"the pattern has too many matches in a text of {len(text):,} characters")
        return last

    def _checked_group(self, params: RegexParams) -> int | str:
        if params.group is not None and params.equals is None:
            raise UsageError("`group` without `equals` has no effect", hint="give `equals`, or remove `group`")
        group = 0 if params.group is None else params.group
        known = group in self._pattern.groupindex if isinstance(group, str) else 0 <= group <= self._pattern.groups
        if not known:
            raise UsageError(
                f"the pattern has no group {group!r}",
                hint=f"it has {self._pattern.groups} groups, named: {', '.join(self._pattern.groupindex) or 'none'}",
            )
        return group


def compile_pattern(pattern: str, flags: str = "") -> Any:
    """Return the pattern compiled by RE2, whose time grows linearly with the text.

    Args:
        pattern: RE2 syntax.
        flags: inline flags out of ``i``, ``m``, ``s``.

    Raises:
        UsageError: the pattern is not valid, uses what RE2 leaves out, or is longer than 10,000 characters.
    """
    import re2

    if len(pattern) > _MAX_PATTERN:
        raise UsageError(
            f"pattern of {len(pattern):,} characters", hint=f"the limit is {_MAX_PATTERN:,}; use contains_any for lists"
        )
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(f"(?{flags}){pattern}" if flags else pattern, options)
    except (re2.error, UnicodeError) as error:
        reason = error.args[0] if error.args else error
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise UsageError(
            f"pattern {shown(pattern)}: {reason}",
            hint="patterns are RE2: no look-ahead or look-behind, no back-references; "
            "split it into two checks, or use `group` and `equals`",
        ) from error
