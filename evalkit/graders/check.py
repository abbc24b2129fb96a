"""The base of every deterministic grader: its parameters, its metrics, and the ways to say a score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel

from evalkit.base.model import Frozen
from evalkit.core.item import Item
from evalkit.core.output import Output
from evalkit.core.score import Better, MetricInfo, MetricKind, Score, ScoreStatus

__all__ = ["Check", "NoScore", "printable", "shown"]

_REASON_LIMIT = 300


def printable(text: str) -> str:
    """Return ``text`` with what UTF-8 cannot carry (lone surrogates) and NUL replaced by U+FFFD."""
    if text.isascii():
        return text.replace("\0", "\ufffd")
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").replace("\0", "\ufffd")


def shown(value: object, limit: int = 60) -> str:
    """Return ``value`` for a reason, cut to ``limit`` characters; text is quoted, its control characters escaped."""
    text = value if isinstance(value, str) else str(value)
    cut = printable(text[:limit])
    more = "…" if len(text) > limit else ""
    if not isinstance(value, str):
        return cut + more
    quoted = repr(cut)
    return f"{quoted[:-1]}{more}{quoted[-1]}"


class NoScore(Exception):  # noqa: N818 - a way to leave, not an error
    """Leaves a check without a value: ``status`` is what all of its metrics get, ``reason`` says why."""

    def __init__(self, status: ScoreStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Check(ABC):
    """A grader that asks nobody: the same item and output always give the same scores.

    A subclass gives ``Params`` and ``grade``; ``kind`` and ``better`` describe its one metric, and one with several
    metrics overrides :meth:`metrics`.

    Args:
        name: the metric's name.
        params: validated parameters, an instance of ``Params``.
    """

    Params: ClassVar[type[BaseModel]]
    version: ClassVar[int] = 1
    kind: ClassVar[MetricKind] = "binary"
    better: ClassVar[Better] = "higher"
    code_digest: ClassVar[str | None] = None
    """The digest of the code where ``version`` cannot stand for it (a user's function)."""

    def __init__(self, name: str, params: Frozen) -> None:
        self.name = name
        self.params = params

    def metrics(self, name: str) -> Sequence[MetricInfo]:
        """Return the one metric, called ``name``."""
        return (MetricInfo(name=name, kind=self.kind, better=self.better),)

    @abstractmethod
    def grade(self, item: Item, output: Output) -> Sequence[Score]:
        """Return one score for each metric, in their order.

        Raises:
            NoScore: there is nothing to score; the reason says why.
        """
        ...

    def passed(self, ok: bool, reason: str | None = None, *, label: str | None = None) -> Sequence[Score]:
        """Return 1 or 0; ``reason`` is kept only for a 0."""
        return self.scored(1.0 if ok else 0.0, None if ok else reason, label=label)

    def scored(self, value: float, reason: str | None = None, *, label: str | None = None) -> Sequence[Score]:
        """Return a value of the check's only metric."""
        return (
            Score(
                metric=self.name,
                status="ok",
                value=value,
                label=None if label is None else printable(label[:_REASON_LIMIT]),
                reason=None if reason is None else printable(reason[:_REASON_LIMIT]),
            ),
        )
