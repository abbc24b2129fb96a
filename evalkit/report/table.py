"""Text tables of fixed-width columns that never grow beyond the given width."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from evalkit.report.safe_text import cut, display_width

__all__ = ["GAP", "text_table"]

GAP = 2
_SMALLEST = 6


def text_table(
    rows: Sequence[Sequence[str]], *, width: int = 80, keep_end: int = 0, firm: Collection[int] = ()
) -> list[str]:
    """Return ``rows`` (the head is the first) as lines of at most ``width`` columns, cells to the left.

    The first column gives way first, then the widest one, until the line fits; columns in ``firm`` give way last.
    ``keep_end`` characters at the end of a cut first column stay, so that ``latency_s.p95`` keeps its quantile.
    """
    widths = [max(display_width(row[index]) for row in rows) for index in range(len(rows[0]))]
    _shrink(widths, width - GAP * (len(widths) - 1), frozenset(firm))
    return [_line(row, widths, keep_end) for row in rows]


def _shrink(widths: list[int], room: int, firm: frozenset[int]) -> None:
    excess = sum(widths) - room
    if excess > 0:
        taken = min(excess, max(0, widths[0] - 2 * _SMALLEST))
        widths[0] -= taken
        excess -= taken
    while excess > 0:
        soft = [index for index, width in enumerate(widths) if width > _SMALLEST and index not in firm]
        choice = soft or [index for index, width in enumerate(widths) if width > _SMALLEST]
        if not choice:
            return
        widths[max(choice, key=lambda index: widths[index])] -= 1
        excess -= 1


def _line(row: Sequence[str], widths: Sequence[int], keep_end: int) -> str:
    cells = []
    for index, (cell, width) in enumerate(zip(row, widths, strict=True)):
        ends_in_quantile = index == 0 and "." in cell[-keep_end:] if keep_end else False
        text = cut(cell, width, keep_end=keep_end if ends_in_quantile else 0)
        cells.append(text + " " * (width - display_width(text)))
    return (" " * GAP).join(cells).rstrip()
