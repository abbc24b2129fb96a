"""Content that remembers where it was written, and errors that show the place.

A :class:`FileError` prints as::

    suites/support_qa.yaml:14:7 graders[2].use: unknown grader 'contain', did you mean 'contains_any'?
        - use: contain
          ^
      hint:  known graders: contains_all, contains_any

All problems of a file are reported together, the first one as the message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError

from evalkit.base.errors import UsageError
from evalkit.base.redact import Redactor

__all__ = ["FileError", "Loc", "Located", "Place", "Problem", "Problems", "spell", "validate"]

Loc: TypeAlias = tuple[str | int, ...]
"""The way to a value: keys and 0-based indices, as in ``("graders", 2, "use")``."""

Model = TypeVar("Model", bound=BaseModel)

_WIDTH = 110


@dataclass(frozen=True, slots=True)
class Place:
    """A 1-based line and column; the column is None where only the line is known."""

    line: int
    column: int | None = None


@dataclass(frozen=True, slots=True)
class Located:
    """Plain content of one file, or of one row of it, with places.

    Attributes:
        path: the file as shown to people.
        data: dicts, lists, strings, numbers, booleans and None.
        lines: the source, to be shown under an error; empty where it is not kept (rows of large files).
        first_line: the line that ``lines[0]`` stands on, and the place of everything without one of its own.
        values: places of values by their way.
        keys: places of mapping keys by the way of their value.
    """

    path: str
    data: Any
    lines: Sequence[str] = ()
    first_line: int = 1
    values: Mapping[Loc, Place] = field(default_factory=dict)
    keys: Mapping[Loc, Place] = field(default_factory=dict)

    def position(self, loc: Loc, *, key: bool = False) -> tuple[int, int | None]:
        """Return line and column of the value at ``loc`` (of its key if asked), or of the nearest part that exists."""
        for end in range(len(loc), -1, -1):
            part = tuple(loc[:end])
            place = (self.keys.get(part) if key else None) or self.values.get(part) or self.keys.get(part)
            if place is not None:
                return place.line, place.column
        return self.first_line, None

    def where(self, loc: Loc = (), *, key: bool = False) -> str:
        """Return ``path:line:column``, or ``path:line`` where no column is known."""
        line, column = self.position(loc, key=key)
        return f"{self.path}:{line}" if column is None else f"{self.path}:{line}:{column}"

    def line_text(self, line: int) -> str:
        """Return the text of a 1-based line without its end; empty where it is not kept."""
        index = line - self.first_line
        return self.lines[index] if 0 <= index < len(self.lines) else ""

    def problem(self, loc: Loc, message: str, *, hint: str | None = None, key: bool = False) -> Problem:
        """Return a problem at ``loc``, with the source line."""
        line, column = self.position(loc, key=key)
        return Problem(self.where(loc, key=key), spell(loc), message, hint, self.line_text(line), column)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong at one place."""

    where: str
    loc: str
    message: str
    hint: str | None = None
    source: str = ""
    column: int | None = None

    def headline(self) -> str:
        """Return place, way and message in one line."""
        return f"{self.where} {self.loc}: {self.message}" if self.loc else f"{self.where}: {self.message}"

    def excerpt(self) -> list[str]:
        """Return the source line and a caret under its column; nothing where the source is not kept."""
        if not self.source.strip():
            return []
        start = max(0, (self.column or 1) - _WIDTH // 2) if len(self.source) > _WIDTH else 0
        text = Redactor().text(self.source)[start : start + _WIDTH].replace("\t", " ").rstrip()
        lines = ["    " + "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)]
        if self.column is not None:
            lines.append("    " + " " * (self.column - 1 - start) + "^")
        return lines


class FileError(UsageError):
    """Everything wrong with one file.

    ``message`` already begins with the place, so ``str()`` does not repeat it; ``where`` is the place of the first
    problem; ``problems`` has them all.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        lines: list[str] = []
        for problem in problems:
            lines += [problem.headline(), *problem.excerpt()]
            if problem.hint and len(problems) > 1:
                lines.append(f"  hint:  {problem.hint}")
        hint = problems[0].hint if len(problems) == 1 else None
        super().__init__(
            "\n".join(lines),
            hint=hint or "mend the file; `evalkit validate` checks every file without a call",
            where=problems[0].where,
        )
        self.problems = tuple(problems)

    def __str__(self) -> str:
        """Return the message, which names the place, and the hint."""
        return f"{self.message}\n  hint:  {self.hint}"


class Problems:
    """Collects what is wrong with a file, so that all of it is said at once."""

    def __init__(self, located: Located) -> None:
        self.located = located
        self.found: list[Problem] = []

    def add(self, loc: Loc, message: str, *, hint: str | None = None, key: bool = False) -> None:
        """Note a problem at ``loc``."""
        self.found.append(self.located.problem(loc, message, hint=hint, key=key))

    def add_error(self, loc: Loc, error: UsageError) -> None:
        """Note an error met while following ``loc`` (a file it names, a name it looks up)."""
        if isinstance(error, FileError):
            self.found.extend(error.problems)
        else:
            self.add(loc, error.message, hint=error.hint)

    def raise_if_any(self) -> None:
        """Raise what was found, in the order of the file, what was found in other files last.

        Raises:
            FileError: something was found.
        """
        if self.found:
            raise FileError(sorted(self.found, key=self._order))

    def _order(self, problem: Problem) -> tuple[int, ...]:
        place = problem.where.removeprefix(f"{self.located.path}:")
        if place == problem.where:
            return (1,)
        return (0, *(int(part) for part in place.split(":") if part.isdigit()))


def spell(loc: Iterable[str | int]) -> str:
    """Return a way as people write it: ``graders[2].use``."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def validate(model_cls: type[Model], located: Located, *, at: Loc = (), data: Any = ...) -> Model:
    """Return ``model_cls`` made from ``located.data``.

    Args:
        model_cls: a :class:`evalkit.base.model.Frozen`.
        located: the content.
        at: where in ``located`` the data stands, if it is only a part of it.
        data: the part, if it is not ``located.data`` itself.

    Raises:
        FileError: with every field that does not fit, each at its place.
    """
    content = located.data if data is ... else data
    try:
        return model_cls.model_validate(content)
    except ValidationError as error:
        from evalkit.base.explain import explain

        raise FileError(explain(error, model_cls, located, at=at, data=content)) from error
