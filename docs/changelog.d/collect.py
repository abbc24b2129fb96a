"""Write the unreleased part of CHANGELOG.md anew from the fragments: `python docs/changelog.d/collect.py`."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PAGE = FOLDER.parents[1] / "CHANGELOG.md"
HEADINGS = {
    "stats": "Statistics",
    "added": "Added",
    "changed": "Changed",
    "fixed": "Fixed",
    "removed": "Removed",
    "security": "Security",
}
_BLOCK = re.compile(r"(<!-- unreleased -->\n).*?(<!-- end -->)", re.DOTALL)


def collected(folder: Path) -> str:
    """Return the fragments of a folder under their headings, by topic."""
    lines: list[str] = []
    for category, heading in HEADINGS.items():
        fragments = sorted(folder.glob(f"*.{category}.md"))
        if fragments:
            lines += [f"### {heading}", ""]
        for path in fragments:
            text = " ".join(path.read_text(encoding="utf-8").split()).removeprefix("- ")
            lines += textwrap.wrap(
                text,
                138,
                initial_indent="- ",
                subsequent_indent="  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
        if fragments:
            lines.append("")
    return "\n".join(lines)


def with_fragments(page: str, folder: Path) -> str:
    """Return ``page`` with its unreleased part made anew."""
    return _BLOCK.sub(lambda block: f"{block[1]}\n{collected(folder)}\n{block[2]}", page)


if __name__ == "__main__":
    PAGE.write_text(with_fragments(PAGE.read_text(encoding="utf-8"), FOLDER), encoding="utf-8")
