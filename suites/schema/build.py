"""Writes the JSON Schemas of suites, prompts and dataset cards: here for editors, and into the package."""

from __future__ import annotations

import sys
from pathlib import Path

from evalkit.base.serial import shown
from evalkit.graders.registry import CATALOG
from evalkit.suite.schema import write_schemas


def main() -> None:
    """Write both copies and print their paths."""
    here = Path(__file__).resolve().parent
    package = here.parents[1] / "evalkit" / "suite" / "schemas"
    for folder in (here, package):
        for path in write_schemas(folder, CATALOG):
            sys.stdout.write(f"{shown(path)}\n")


if __name__ == "__main__":
    main()
