"""Opening and writing files that a user or a pull request named: regular files only, sizes capped, writes atomic."""

from __future__ import annotations

import gzip
import os
import stat
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from evalkit.base.errors import UsageError

__all__ = [
    "MAX_TEXT_BYTES",
    "atomic_write",
    "inside",
    "open_lines",
    "open_regular",
    "read_bytes",
    "read_text",
    "shown",
    "sync_folder",
]

MAX_TEXT_BYTES = 8 * 1024 * 1024
"""The largest file read in one piece (suite, prompt, card, schema), in bytes."""


def shown(path: Path | str) -> str:
    """Return ``path`` as people know it: relative to the working folder where it lies inside, else as it is."""
    path = Path(path)
    if not path.is_absolute():
        return str(path)
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def inside(path: Path, root: Path) -> bool:
    """Return whether ``path``, symbolic links resolved, lies in ``root``."""
    return path.resolve().is_relative_to(root.resolve())


def open_regular(path: Path) -> BinaryIO:
    """Return an open binary file; the caller closes it.

    Opening does not wait: a FIFO, a device or a folder is refused before a byte is read.

    Raises:
        UsageError: there is no such file, it cannot be read, or it is not a regular file.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except (OSError, ValueError) as error:
        raise UsageError(_cannot_open(path, error), where=shown(path), hint=_nearest(path)) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise UsageError(f"{shown(path)} is not a regular file", where=shown(path), hint="give the path of a file")
    return os.fdopen(handle, "rb")


def _cannot_open(path: Path, error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"there is no file {shown(path)}"
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return f"cannot open {shown(path)!r}: {reason}"


def _nearest(path: Path) -> str:
    folder = path.parent
    try:
        if not folder.is_dir():
            return f"there is no folder {shown(folder)} either"
        names = sorted(entry.name for entry in folder.iterdir() if entry.suffix == path.suffix)[:8]
    except (OSError, ValueError):
        return "check the path"
    return f"{shown(folder)} holds {', '.join(names)}" if names else f"{shown(folder)} holds no *{path.suffix} files"


def read_bytes(path: Path, *, limit: int = MAX_TEXT_BYTES) -> bytes:
    """Return the content of a regular file of at most ``limit`` bytes.

    Raises:
        UsageError: the file cannot be opened, is not a regular file, or is too large.
    """
    with open_regular(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise UsageError(
            f"{shown(path)} is larger than {limit:,} bytes", where=shown(path), hint="split it, or use a JSONL dataset"
        )
    return data


def read_text(path: Path, *, limit: int = MAX_TEXT_BYTES) -> str:
    """Return the text of a UTF-8 file, without its byte order mark.

    Raises:
        UsageError: as :func:`read_bytes`, or the bytes are not UTF-8; ``where`` then has the line.
    """
    data = read_bytes(path, limit=limit)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageError(
            f"{shown(path)}:{line} is not UTF-8: byte 0x{data[error.start]:02x}",
            where=f"{shown(path)}:{line}",
            hint="save the file as UTF-8",
        ) from error


class _CappedGzip:
    """Decompression that stops at a number of bytes."""

    def __init__(self, raw: BinaryIO, path: Path, limit: int) -> None:
        self._file = gzip.GzipFile(fileobj=raw, mode="rb")
        self._path, self._left, self._limit = path, limit, limit

    def readline(self, size: int = -1) -> bytes:
        try:
            line = self._file.readline(size)
        except (OSError, EOFError, zlib.error) as error:
            raise UsageError(
                f"{shown(self._path)} is not a complete gzip file: {error}",
                where=shown(self._path),
                hint="compress it again",
            ) from error
        self._left -= len(line)
        if self._left < 0:
            raise UsageError(
                f"{shown(self._path)} holds more than {self._limit:,} bytes when decompressed",
                where=shown(self._path),
                hint="split it, or give it uncompressed",
            )
        return line


@contextmanager
def open_lines(path: Path, *, limit: int) -> Iterator[IO[bytes]]:
    """Open a regular file, decompressing ``.gz`` up to ``limit`` bytes, for ``readline``."""
    with open_regular(path) as raw:
        yield cast("IO[bytes]", _CappedGzip(raw, path, limit)) if path.suffix == ".gz" else raw


@contextmanager
def atomic_write(path: Path, *, overwrite: bool = True) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of ``path`` when the block ends well, and vanishes when it does not.

    The content is on the disk before the name appears; readers see the old file or the whole new one.

    Raises:
        UsageError: ``overwrite`` is false and the file exists by the time the block ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(_default_mode())
        if overwrite:
            Path(temporary).replace(path)
        else:
            _link_new(Path(temporary), path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _default_mode() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


def _link_new(temporary: Path, path: Path) -> None:
    try:
        path.hardlink_to(temporary)
    except FileExistsError as error:
        raise UsageError(
            f"{shown(path)} exists already", where=shown(path), hint="its content never changes: choose another name"
        ) from error
    temporary.unlink()


def sync_folder(folder: Path) -> None:
    """Make names just created in ``folder`` survive a power failure, where the system can."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:  # some file systems cannot sync a folder; the file itself is on the disk
        pass
    finally:
        os.close(handle)
