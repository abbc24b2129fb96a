"""The answers kept beside a baseline, redacted and up to 5 MB, so that a clean checkout shows text and grades again.

One gzip file of JSON lines, in the order given: ``{"id", "trial", "response": {…}}`` or ``{…, "failure": {…}}``.
Several steps of one output are kept as one: the final answer, with the latency and cost of all.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import ValidationError

from evalkit.base.errors import UsageError
from evalkit.base.hashing import digest_bytes
from evalkit.base.model import Frozen
from evalkit.base.redact import Redactor
from evalkit.core.output import CallKey, Exchange, Failure, Output
from evalkit.llm.wire import ChatResponse

__all__ = ["MAX_BYTES", "Packed", "StoredOutputs", "pack_outputs", "unpack_outputs"]

MAX_BYTES = 5 * 1024 * 1024
_BATCH_BYTES = 256 * 1024
_MAX_UNPACKED = 1024 * 1024 * 1024
_GZIP_TAIL = 64
_UNKEPT = {"response_id", "provider_finish", "latency_s", "first_token_s", "cost_usd"}


class StoredOutputs(Frozen):
    """What a baseline's manifest says of the answers beside it; ``complete``: all fitted."""

    file: str
    sha256: str
    n: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Packed:
    """Compressed answers, how many, and whether all fitted."""

    data: bytes
    n: int
    complete: bool


class _Packer:
    """Deterministic gzip (no time in it) that takes whole batches as long as they fit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit - _GZIP_TAIL
        self._deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
        self._data = bytearray()

    def add(self, batch: bytes) -> bool:
        """Take a batch, or return False and stay as it was."""
        trial = self._deflate.copy()
        packed = trial.compress(batch) + trial.flush(zlib.Z_SYNC_FLUSH)
        if len(self._data) + len(packed) > self._limit:
            return False
        self._deflate = trial
        self._data += packed
        return True

    def finish(self) -> bytes:
        """Return the whole file."""
        return bytes(self._data) + self._deflate.flush(zlib.Z_FINISH)


def pack_outputs(outputs: Iterable[tuple[str, int, Output]], redactor: Redactor, *, limit: int = MAX_BYTES) -> Packed:
    """Return answers as gzipped JSON lines of at most ``limit`` bytes; from the first that does not fit, none is kept.

    Args:
        outputs: ``(item id, trial, output)`` in an order that is the same every time.
        redactor: takes secrets out of every text.
        limit: bytes of the compressed file.
    """
    packer, n = _Packer(limit), 0
    batch: list[bytes] = []
    size = 0
    for item_id, trial, output in outputs:
        line = orjson.dumps(_redacted(_row(item_id, trial, output), redactor), option=orjson.OPT_APPEND_NEWLINE)
        if size + len(line) > _BATCH_BYTES and batch:
            if not packer.add(b"".join(batch)):
                return Packed(packer.finish(), n, complete=False)
            n, batch, size = n + len(batch), [], 0
        batch.append(line)
        size += len(line)
    if batch and not packer.add(b"".join(batch)):
        return Packed(packer.finish(), n, complete=False)
    return Packed(packer.finish(), n + len(batch), complete=True)


def _row(item_id: str, trial: int, output: Output) -> dict[str, Any]:
    row: dict[str, Any] = {"id": item_id, "trial": trial}
    if output.response is None:
        failure = output.failure
        return row | {"failure": None if failure is None else failure.model_dump(mode="json", exclude_none=True)}
    kept = output.response.model_dump(mode="json", exclude=_UNKEPT, exclude_defaults=True)
    measured = {"latency_s": output.latency_s, "cost_usd": output.cost_usd}
    return row | {"response": kept | {name: value for name, value in measured.items() if value is not None}}


def _redacted(value: Any, redactor: Redactor) -> Any:
    if isinstance(value, str):
        return redactor.text(value)
    if isinstance(value, dict):
        return {key: entry if key == "id" else _redacted(entry, redactor) for key, entry in value.items()}
    if isinstance(value, list):
        return [_redacted(entry, redactor) for entry in value]
    return value


def unpack_outputs(data: bytes, stored: StoredOutputs, *, where: str) -> Iterator[Output]:
    """Yield the answers of a packed file.

    Raises:
        UsageError: the file is not the one its baseline was written with, or is damaged.
    """
    if digest_bytes(data) != stored.sha256:
        raise UsageError(
            f"{where} is not the file its baseline was written with",
            where=where,
            hint="restore it from version control, or accept the baseline again",
        )
    for number, line in enumerate(_inflate(data, where).splitlines(), start=1):
        try:
            yield _output(orjson.loads(line))
        except (ValidationError, KeyError, TypeError, orjson.JSONDecodeError) as error:
            raise UsageError(
                f"{where}:{number} is not an answer: {type(error).__name__}",
                where=f"{where}:{number}",
                hint="accept the baseline again with this version of evalkit",
            ) from error


def _inflate(data: bytes, where: str) -> bytes:
    inflater = zlib.decompressobj(31)
    try:
        raw = inflater.decompress(data, _MAX_UNPACKED)
    except zlib.error as error:
        raise UsageError(
            f"{where} is not a gzip file: {error}", where=where, hint="accept the baseline again"
        ) from error
    if inflater.unconsumed_tail:
        raise UsageError(
            f"{where} holds more than {_MAX_UNPACKED:,} bytes", where=where, hint="accept the baseline again"
        )
    return raw


def _output(row: dict[str, Any]) -> Output:
    key = CallKey(item_id=row["id"], trial=row["trial"])
    if "response" in row:
        response = ChatResponse.model_validate_json(orjson.dumps({"text": ""} | row["response"]))
        exchange = Exchange(key=key, request_digest="", response=response)
    else:
        failure = Failure.model_validate_json(orjson.dumps(row["failure"]))
        exchange = Exchange(key=key, request_digest="", failure=failure)
    return Output(item_id=key.item_id, trial=key.trial, exchanges=(exchange,))
