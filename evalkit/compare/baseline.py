"""Baselines as committed files: ``<suites>/baselines/<suite>.jsonl`` and, beside it, ``<suite>.outputs.jsonl.gz``.

Line 1 is the manifest: format, the run's full definition with prompt text and digests, when and why it was accepted,
the metrics with their graders, and hashes of everything below. Then a line an item, sorted by id. The same run gives
the same bytes, so that a change shows as a diff of what changed; a file edited by hand is refused with its line.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

import orjson
from pydantic import ValidationError

from evalkit.base.errors import UsageError
from evalkit.base.files import atomic_write, read_bytes, shown
from evalkit.base.hashing import canonical_json, digest_bytes
from evalkit.base.model import Frozen, Many
from evalkit.base.redact import Redactor
from evalkit.compare.baseline_rows import RowReader, encode_rows
from evalkit.compare.git_file import git_file
from evalkit.compare.stored_outputs import MAX_BYTES, StoredOutputs, pack_outputs, unpack_outputs
from evalkit.core.output import Output
from evalkit.core.run import RunManifest, RunTable
from evalkit.core.score import MetricInfo

__all__ = [
    "FORMAT",
    "NoBaselineError",
    "StoredBaseline",
    "WrittenBaseline",
    "baseline_path",
    "outputs_path",
    "read_baseline",
    "write_baseline",
]

FORMAT = 1
_MAX_LINE = 64 * 1024 * 1024


class NoBaselineError(UsageError):
    """There is no baseline at this place."""


class _Header(Frozen):
    """Line 1. ``content`` is the hash of the rest of the line, ``rows`` of all lines below it."""

    evalkit_baseline: int
    content: str
    rows: str
    n_items: int
    metrics: Many[MetricInfo]
    outputs: StoredOutputs | None = None
    manifest: RunManifest

    def sealed(self) -> _Header:
        body = self.model_dump(mode="json", exclude={"content"})
        return self.model_copy(update={"content": digest_bytes(canonical_json(body))})


@dataclass(frozen=True, slots=True)
class WrittenBaseline:
    """What was written.

    Attributes:
        path: the baseline.
        outputs_path: the answers beside it, None if none were given.
        n_items: items.
        n_outputs: answers kept.
        complete: whether all answers fitted into 5 MB.
    """

    path: Path
    outputs_path: Path | None
    n_items: int
    n_outputs: int
    complete: bool


@dataclass(frozen=True, slots=True)
class StoredBaseline:
    """A baseline that was read and found whole.

    Attributes:
        table: its scores, items sorted by id; ``provenance`` is ``stored baseline <date>``.
        path: the file.
        ref: the git revision it was read at, None for the working tree.
        stored_outputs: what is kept beside it, None if nothing.
    """

    table: RunTable
    path: Path
    ref: str | None = None
    stored_outputs: StoredOutputs | None = None

    @property
    def has_all_outputs(self) -> bool:
        """Whether every answer is there, so that a changed check can grade all of them again."""
        return self.stored_outputs is not None and self.stored_outputs.complete

    def outputs(self) -> Iterator[Output]:
        """Yield the stored answers; none where none are stored or their file is absent.

        Raises:
            UsageError: the file beside the baseline is not the one it was written with.
        """
        if self.stored_outputs is None:
            return
        beside = outputs_path(self.path)
        if self.ref is not None:
            data = git_file(beside, self.ref)
        else:
            data = read_bytes(beside, limit=MAX_BYTES) if beside.is_file() else None
        if data is not None:
            yield from unpack_outputs(data, self.stored_outputs, where=shown(beside))


def baseline_path(suites: Path, suite: str) -> Path:
    """Return where the baseline of a suite lies, which need not exist."""
    return suites / "baselines" / f"{suite}.jsonl"


def outputs_path(path: Path) -> Path:
    """Return where the answers of the baseline at ``path`` lie."""
    return path.with_name(f"{path.stem}.outputs.jsonl.gz")


def write_baseline(
    path: Path,
    table: RunTable,
    outputs: Iterable[tuple[str, int, Output]],
    *,
    reason: str,
    accepted_at: datetime | str,
    redactor: Redactor,
) -> WrittenBaseline:
    """Write a run as the baseline at ``path``, replacing what was there; the same run gives the same bytes.

    Args:
        path: see :func:`baseline_path`.
        table: the run's scores.
        outputs: ``(item id, trial, output)`` in analysis order; the first 5 MB are kept, redacted.
        reason: why this run is accepted.
        accepted_at: when, aware, or as text.
        redactor: knows the secrets.

    Raises:
        UsageError: the run is unfinished, restricted, limited or empty, there is no reason, a score is not finite, or
            the candidate's definition holds something shaped like a key.
    """
    _refuse(table, reason)
    when = accepted_at if isinstance(accepted_at, str) else accepted_at.isoformat(timespec="seconds")
    manifest = table.manifest.model_copy(update={"reason": reason.strip(), "accepted_at": when})
    rows = hashlib.sha256()
    for line in encode_rows(table):
        rows.update(line)
    packed = pack_outputs(outputs, redactor)
    beside = outputs_path(path)
    stored = StoredOutputs(file=beside.name, sha256=digest_bytes(packed.data), n=packed.n, complete=packed.complete)
    kept = stored if packed.n or not packed.complete else None
    header = _Header(
        evalkit_baseline=FORMAT,
        content="",
        rows=rows.hexdigest(),
        n_items=len(table.item_ids),
        metrics=tuple(table.columns[name].info for name in sorted(table.columns)),
        outputs=kept,
        manifest=manifest,
    ).sealed()
    first = canonical_json(header.model_dump(mode="json"))
    _refuse_secrets(first, redactor)
    if kept is None:
        beside.unlink(missing_ok=True)
    else:
        with atomic_write(beside) as file:
            file.write(packed.data)
    with atomic_write(path) as file:
        file.write(first + b"\n")
        file.writelines(encode_rows(table))
    return WrittenBaseline(path, beside if kept else None, header.n_items, packed.n, packed.complete)


def _refuse(table: RunTable, reason: str) -> None:
    manifest = table.manifest
    problem = None
    if manifest.status != "finished":
        problem = f"is {manifest.status}, not finished"
    elif manifest.restricted is not None or manifest.limit is not None:
        problem = f"covers only a part ({manifest.restricted or f'--limit {manifest.limit}'})"
    elif not table.item_ids:
        problem = "has no items"
    elif len(set(table.item_ids)) != len(table.item_ids):
        problem = "holds an item twice"
    if problem is not None:
        raise UsageError(f"{table.provenance} {problem}: it cannot be a baseline", hint="run the whole suite first")
    if not reason.strip():
        raise UsageError("a baseline needs a reason", hint='say why it is accepted: --reason "…"')


def _refuse_secrets(line: bytes, redactor: Redactor) -> None:
    text = line.decode()
    if redactor.text(text) != text:
        raise UsageError(
            "the candidate's definition holds something shaped like a key, and a baseline is committed",
            hint="take the secret out of the prompt or the parameters, and run again",
        )


def read_baseline(path: Path, *, ref: str | None = None) -> StoredBaseline:
    """Return the baseline at ``path``, checked against its hashes.

    Args:
        path: see :func:`baseline_path`.
        ref: a git revision to read it at, such as ``origin/main``; None reads the file.

    Raises:
        NoBaselineError: there is none.
        UsageError: it was edited by hand or damaged (the message names the line), is of a newer format, or git failed.
    """
    where = shown(path) if ref is None else f"{ref}:{shown(path)}"
    if ref is not None:
        data = git_file(path, ref)
        if data is None:
            raise _none_at(where)
        return _read(io.BytesIO(data), path, ref, where)
    if not path.is_file():
        raise _none_at(where)
    with path.open("rb") as file:
        return _read(file, path, None, where)


def _none_at(where: str) -> NoBaselineError:
    return NoBaselineError(
        f"no baseline at {where}", where=where, hint='accept a run: evalkit baseline accept RUN --reason "…"'
    )


def _read(file: IO[bytes], path: Path, ref: str | None, where: str) -> StoredBaseline:
    header = _header(file.readline(_MAX_LINE), f"{where}:1")
    reader = RowReader(where, header.metrics, header.n_items, header.manifest.trials)
    rows = hashlib.sha256()
    number = 1
    for number, line in enumerate(iter(lambda: file.readline(_MAX_LINE), b""), start=2):
        if number > header.n_items + 1:
            break
        rows.update(line)
        reader.add(line.rstrip(b"\n"), number)
    if number != header.n_items + 1 or rows.hexdigest() != header.rows:
        raise UsageError(
            f"{where}:{number} lines were added, removed or replaced: {header.n_items} items are expected",
            where=f"{where}:{number}",
            hint="restore the file from version control; a baseline is changed with `evalkit baseline accept`",
        )
    accepted = (header.manifest.accepted_at or header.manifest.started_at)[:10]
    table = RunTable(
        manifest=header.manifest,
        item_ids=reader.ids,
        item_digests=reader.digests,
        clusters=reader.clusters,
        weights=reader.weights,
        tags=reader.tags,
        columns=reader.columns,
        provenance=f"stored baseline {accepted}",
        call_digests=reader.calls if any(reader.calls) else (),
    )
    return StoredBaseline(table, path, ref, header.outputs)


def _header(line: bytes, place: str) -> _Header:
    try:
        content = orjson.loads(line)
        version = content["evalkit_baseline"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise UsageError(
            f"{place} is not the manifest of a baseline", where=place, hint="restore the file from version control"
        ) from error
    if version != FORMAT:
        raise UsageError(
            f"{place} is a baseline of format {version}; this version of evalkit reads {FORMAT}",
            where=place,
            hint="use the version of evalkit that wrote it, or accept a baseline again",
        )
    try:
        header = _Header.model_validate_json(line)
    except ValidationError as error:
        raise UsageError(
            f"{place} is not a manifest of format {FORMAT}: {error.errors()[0]['msg']}",
            where=place,
            hint="restore the file from version control",
        ) from error
    if header.sealed().content != header.content:
        raise UsageError(
            f"{place} was changed by hand: the manifest's hash does not fit",
            where=place,
            hint="restore the file from version control; a baseline is changed with `evalkit baseline accept`",
        )
    return header
