"""How far a run is, as values; drawing them is the command line's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Progress", "ProgressSink", "silent"]


@dataclass(frozen=True, slots=True)
class Progress:
    """A moment of a run.

    Attributes:
        phase: ``calls`` or ``grading``.
        done: finished of ``total``, resumed and cached ones included.
        total: planned.
        cached: of ``done``, answered without a call.
        failed: of ``done``, ended in a failure.
        cost_usd: spent in this process.
        elapsed_s: since the phase began.
        rate: finished per second in this process, cached and resumed ones apart; None before the first.
    """

    phase: str
    done: int
    total: int
    cached: int
    failed: int
    cost_usd: float
    elapsed_s: float
    rate: float | None

    @property
    def left_s(self) -> float | None:
        """Seconds left at the present rate; None if unknown."""
        return (self.total - self.done) / self.rate if self.rate else None


ProgressSink: TypeAlias = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Show nothing."""
    del progress
