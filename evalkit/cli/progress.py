"""Progress on stderr: a bar on a terminal, one line per tenth elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType

from evalkit.runner.progress import Progress

__all__ = ["ProgressDisplay", "progress_line"]


def progress_line(progress: Progress) -> str:
    """Return one line: share done, rate, cost, errors, time left."""
    share = progress.done / progress.total if progress.total else 1.0
    parts = [f"{progress.phase} {progress.done}/{progress.total} ({share:.0%})"]
    if progress.rate:
        parts.append(f"{progress.rate:.0f}/s")
    if progress.cost_usd:
        parts.append(f"${progress.cost_usd:.2f}")
    if progress.cached:
        parts.append(f"{progress.cached} cached")
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    if progress.left_s is not None and progress.done < progress.total:
        parts.append(f"{_duration(progress.left_s)} left")
    return "  ".join(parts)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class ProgressDisplay:
    """A sink for progress; use as a context manager so that the last line ends.

    Args:
        plain: one line per tenth instead of a bar.
        silent: show nothing.
    """

    def __init__(self, *, plain: bool, silent: bool = False) -> None:
        self._plain = plain or not sys.stderr.isatty()
        self._silent = silent
        self._shown: tuple[str, int] = ("", -1)
        self._drawn = 0

    def __call__(self, progress: Progress) -> None:
        """Show ``progress``."""
        if self._silent or progress.total == 0:
            return
        if self._plain:
            tenth = progress.done * 10 // progress.total
            if (progress.phase, tenth) != self._shown and progress.done:
                self._shown = (progress.phase, tenth)
                print(progress_line(progress), file=sys.stderr)  # noqa: T201 - this is the screen
            return
        self._draw(progress)

    def _draw(self, progress: Progress) -> None:
        width = 24
        filled = width * progress.done // progress.total
        line = f"[{'#' * filled}{'.' * (width - filled)}] {progress_line(progress)}"[:79]
        sys.stderr.write("\r" + line.ljust(self._drawn))
        sys.stderr.flush()
        self._drawn = len(line)

    def __enter__(self) -> ProgressDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn:
            sys.stderr.write("\n")
