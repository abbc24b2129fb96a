"""The demonstration's project: the suites and datasets of this checkout, else those inside the package."""

from __future__ import annotations

import shutil
from pathlib import Path

import evalkit
from evalkit.base.errors import UsageError

__all__ = ["MARK", "SUITE", "bundled_folder", "make_project", "source_folder"]

SUITE = "suites/support_qa.yaml"
MARK = ".evalkit-demo"
_PARTS = ("suites/support_qa.yaml", "suites/prompts", "suites/schemas", "datasets/support_qa", "datasets/lock.json")


def bundled_folder() -> Path:
    """Return the folder that holds ``suites/`` and ``datasets/`` as shipped: in the package, else in the checkout.

    Raises:
        UsageError: the installation has neither.
    """
    package = Path(evalkit.__file__).parent
    for folder in (package / "_bundled", package.parent):
        if (folder / SUITE).is_file():
            return folder
    raise UsageError("the demonstration's files are not in this installation", hint="reinstall evalkit-harness")


def source_folder(here: Path) -> Path:
    """Return ``here`` if it holds the demonstration's suite, so that edited prompts count; else the shipped files."""
    return here if (here / SUITE).is_file() and (here / "datasets/support_qa").is_dir() else bundled_folder()


def make_project(source: Path, folder: Path) -> None:
    """Copy suites and datasets into ``folder``, which is emptied first if an earlier demonstration made it.

    Raises:
        UsageError: ``folder`` holds something else.
    """
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            raise UsageError(f"{folder} is not empty", hint="choose another folder with --dir")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text(
        "made by `evalkit demo`, which empties this folder when it runs again\n", encoding="utf-8"
    )
    for part in _PARTS:
        target = folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if (source / part).is_dir():
            shutil.copytree(source / part, target, ignore=shutil.ignore_patterns("source", "baselines", "__pycache__"))
        else:
            shutil.copyfile(source / part, target)
