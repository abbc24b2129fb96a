"""The suite a stored run was made from."""

from __future__ import annotations

from pathlib import Path

from evalkit.api.session import Session
from evalkit.api.stored_run import Run
from evalkit.api.verdicts import load_suite
from evalkit.base.errors import UsageError
from evalkit.core.suite import Suite

__all__ = ["suite_of"]


def suite_of(session: Session, run: Run, given: str | None) -> Suite:
    """Return the suite in ``given``, else the one whose path the run recorded.

    Raises:
        UsageError: no path is known, or the file is gone or wrong.
    """
    path = given or run.manifest.conditions.get("suite_path")
    if not path or not Path(str(path)).exists():
        raise UsageError(
            f"the suite file of run {run.id} is not at {path!r}", hint="name it with --suite suites/NAME.yaml"
        )
    return load_suite(session, str(path))
