"""A file as it stands at a git revision, read without touching the working tree."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from evalkit.base.errors import UsageError

__all__ = ["git_file"]

_TIMEOUT_S = 60


def git_file(path: Path, ref: str) -> bytes | None:
    """Return the content of ``path`` at ``ref``, or None if it does not exist there.

    Args:
        path: where the file lies, or would lie, in the working tree.
        ref: a branch, tag or commit.

    Raises:
        UsageError: git is not installed, this is no repository, or the revision is unknown.
    """
    folder = path.absolute().parent
    missing: list[str] = [path.name]
    while not folder.is_dir():
        missing.insert(0, folder.name)
        folder = folder.parent
    _check(folder, ref)
    done = _git(folder, "cat-file", "blob", f"{ref}:./{'/'.join(missing)}")
    return done.stdout if done.returncode == 0 else None


def _check(folder: Path, ref: str) -> None:
    if ref.startswith("-") or ":" in ref:
        raise UsageError(f"{ref!r} is not a git revision", hint="give a branch, a tag or a commit")
    known = _git(folder, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    if known.returncode != 0:
        said = known.stderr.decode(errors="replace").strip()
        raise UsageError(
            f"git does not know the revision {ref!r}{f': {said}' if said else ''}",
            hint=f"fetch it first: git fetch origin, then check `git rev-parse {ref}`",
        )


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("git")
    if program is None:
        raise UsageError("git is not installed, and a revision was asked for", hint="install git, or leave --base out")
    try:
        return subprocess.run(  # noqa: S603
            [program, *arguments], cwd=folder, capture_output=True, check=False, timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise UsageError(f"git did not answer within {_TIMEOUT_S} s", hint="try the command again") from error
