"""Names to things: built-ins, entry points and plug-ins, looked up only when a name is asked for."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from evalkit.base.errors import UsageError

__all__ = ["Registry", "suggest"]

T = TypeVar("T")


def suggest(name: str, known: list[str]) -> str:
    """Return ``, did you mean 'x'?`` for the nearest known word, or an empty string."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f", did you mean {near[0]!r}?" if near else ""


class Registry(Generic[T]):
    """Named factories of one kind.

    Built-ins are given as ``"module:attribute"`` strings and imported on first use, so that looking at the registry
    costs nothing. A name given twice is an error when that name is looked up, not when the program starts.

    Args:
        kind: what is registered, for messages (``"grader"``).
        group: the entry-point group that adds names.
        builtin: name to ``"module:attribute"``.
    """

    def __init__(self, kind: str, *, group: str, builtin: dict[str, str]) -> None:
        self.kind = kind
        self._group = group
        self._builtin = builtin
        self._added: dict[str, list[Callable[[], T]]] = {}
        self._cache: dict[str, T] = {}

    def add(self, name: str, thing: T) -> None:
        """Register ``thing``; a second registration of ``name`` makes looking it up an error."""
        self._added.setdefault(name, []).append(lambda: thing)

    def names(self) -> list[str]:
        """Return every known name, sorted."""
        return sorted({*self._builtin, *self._added, *(point.name for point in self._points)})

    def get(self, name: str) -> T:
        """Return what ``name`` stands for.

        Raises:
            UsageError: the name is unknown, given twice, or its plug-in does not import.
        """
        if name not in self._cache:
            self._cache[name] = self._load(name)
        return self._cache[name]

    def _load(self, name: str) -> T:
        sources = list(self._sources(name))
        if not sources:
            known = self.names()
            raise UsageError(
                f"unknown {self.kind} {name!r}{suggest(name, known)}",
                hint=f"known {self.kind}s: {', '.join(known)}",
            )
        if len(sources) > 1:
            raise UsageError(
                f"{self.kind} {name!r} is registered {len(sources)} times",
                hint="rename one of them, or uninstall one of the plug-ins that bring it",
            )
        try:
            return sources[0]()
        except ImportError as error:
            raise UsageError(
                f"{self.kind} {name!r} cannot be imported: {error}",
                hint="install the plug-in's own requirements, or remove it from `plugins`",
            ) from error

    def _sources(self, name: str) -> Iterator[Callable[[], T]]:
        if name in self._builtin:
            module, _, attribute = self._builtin[name].partition(":")
            yield lambda: getattr(import_module(module), attribute)
        yield from self._added.get(name, [])
        for point in self._points:
            if point.name == name:
                yield point.load

    @cached_property
    def _points(self) -> Sequence[EntryPoint]:
        """The group's entry points; finding them reads the metadata of every installed package, some 50 ms."""
        return tuple(entry_points(group=self._group))
