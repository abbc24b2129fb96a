"""Files that a suite names: found beside the suite or in the project, never outside it; or read from a git commit."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from evalkit.base.errors import UsageError
from evalkit.base.serial import inside, shown

__all__ = ["GitFile", "commit_of", "find_file", "parse_git_path", "read_git_file"]

_REF = re.compile(r"(?![-.])(?!.*\.\.)[A-Za-z0-9._/@^~{}+-]{1,200}")
_GIT_PREFIX = "git:"
_GIT_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class GitFile:
    """A file of a commit: ``git:REF:path``, the path starting from the project's folder."""

    ref: str
    path: str


def find_file(text: str, *, base: Path, root: Path) -> Path:
    """Return the absolute path of the file that ``text`` names.

    Args:
        text: a relative path; it starts from ``base``, or else from ``root``.
        base: the folder of the file that names it.
        root: the project's folder; the file must lie inside, symbolic links resolved.

    Raises:
        UsageError: there is no such file, it lies outside the project, or ``text`` is absolute or a URL.
    """
    if "://" in text:
        raise UsageError(
            f"{text!r} is an address", hint="save the file in the project: suites read nothing from the network"
        )
    if "\0" in text or not text.strip():
        raise UsageError(f"{text!r} is not a path", hint="give the path of a file in the project")
    if Path(text).is_absolute() or text.startswith("~"):
        raise UsageError(f"{text!r} is an absolute path", hint="give it relative to the suite or to the project")
    for folder in (base, root):
        path = folder / text
        if not inside(path, root):
            continue
        if path.is_file():
            return path.resolve()
        if path.exists():
            raise UsageError(f"{text!r} is not a regular file", hint="give the path of a file")
    if not inside(base / text, root):
        raise UsageError(f"{text!r} lies outside the project {root.name!r}", hint="copy the file into the project")
    raise UsageError(f"there is no file {text!r}", hint=f"looked in {shown(base)} and {shown(root)}")


def parse_git_path(text: str) -> GitFile | None:
    """Return the parts of ``git:REF:path``, or None for any other text.

    Raises:
        UsageError: it begins with ``git:`` and is not of that form.
    """
    if not text.startswith(_GIT_PREFIX):
        return None
    ref, _, path = text.removeprefix(_GIT_PREFIX).partition(":")
    if not path or not _REF.fullmatch(ref):
        raise UsageError(f"{text!r} is not git:REF:path", hint="as in git:origin/main:suites/prompts/answer.yaml")
    if path.startswith(("/", "~", ":")) or ".." in Path(path).parts or "\0" in path or "\n" in path:
        raise UsageError(f"{text!r}: the path leaves the project", hint="it starts from the project's folder")
    return GitFile(ref, path)


def read_git_file(file: GitFile, root: Path, *, limit: int) -> tuple[bytes, str]:
    """Return content and commit of ``file``.

    Raises:
        UsageError: git is absent, the project is not a repository, there is no such commit or file, or it is too large.
    """
    commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{file.ref}^{{commit}}")
    if commit is None:
        raise UsageError(f"git knows no commit {file.ref!r}", hint=f"fetch it: git fetch origin, in {shown(root)}")
    sha = commit.decode().strip()
    content = _git(root, "cat-file", "blob", f"{sha}:./{file.path}")
    if content is None:
        raise UsageError(
            f"commit {file.ref} has no file {file.path!r}", hint=f"list them: git ls-tree -r --name-only {file.ref}"
        )
    if len(content) > limit:
        raise UsageError(f"{file.path!r} is larger than {limit:,} bytes", hint="prompts are short texts")
    return content, sha


def commit_of(path: Path, root: Path) -> str | None:
    """Return the commit that HEAD is at if it holds ``path`` with exactly its present content, else None."""
    if not (root / ".git").exists() and not any((parent / ".git").exists() for parent in root.parents):
        return None
    if shutil.which("git") is None:
        return None
    relative = path.resolve().relative_to(root.resolve()).as_posix()
    answer = _git(root, "rev-parse", "--verify", "--end-of-options", f"HEAD:./{relative}")
    if answer is None:
        return None
    data = path.read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    head = _git(root, "rev-parse", "--verify", "HEAD") if answer.decode().strip() == blob else None
    return head.decode().strip() if head else None


def _git(root: Path, *arguments: str) -> bytes | None:
    """Return what git prints, or None if it fails; no shell, no pager, no configured filters."""
    git = shutil.which("git")
    if git is None:
        raise UsageError("git is not installed", hint="install git, or give a plain path")
    try:
        done = subprocess.run(  # noqa: S603  a list of arguments; refs and paths are checked above
            [git, "-C", str(root), *arguments], capture_output=True, timeout=_GIT_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UsageError(f"git did not answer within {_GIT_TIMEOUT_S} s", hint="try it by hand: git status") from error
    return done.stdout if done.returncode == 0 else None
