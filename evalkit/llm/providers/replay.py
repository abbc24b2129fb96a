"""Recorded outputs as a model: answers come from a file, by item and trial, and nothing is asked.

JSON Lines, CSV and Parquet are read, the first two also gzipped. Rows are kept in an unnamed temporary file and found
through 16 bytes of index each, so a million answers cost megabytes, not gigabytes.
"""

from __future__ import annotations

import tempfile
import weakref
from array import array
from collections.abc import Mapping
from hashlib import blake2b, sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast, get_args

import orjson

from evalkit.base.errors import UsageError
from evalkit.base.model import JsonObject
from evalkit.llm.config import ModelSettings
from evalkit.llm.errors import ErrorCode, model_error
from evalkit.llm.model import CallContext
from evalkit.llm.parse.openai import finish_reason
from evalkit.llm.providers.replay_rows import read_rows
from evalkit.llm.wire import ChatRequest, ChatResponse, FinishReason, Usage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["ReplayModel", "open_replay"]

_CODES = frozenset(get_args(ErrorCode))
_FINISHES = frozenset(get_args(FinishReason))
_Row = Mapping[str, Any]


class ReplayModel:
    """Answers from a file. Made by :func:`open_replay`.

    Args:
        name: the full name, ``provider/model``.
        rows: the normalised rows, a line of JSON each.
        keys: hashes of (item, trial), ascending.
        offsets: where each one's line begins.
        identity: kind and digest of the file.
    """

    def __init__(
        self,
        name: str,
        rows: IO[bytes],
        *,
        keys: npt.NDArray[np.uint64],
        offsets: npt.NDArray[np.uint64],
        identity: JsonObject,
    ) -> None:
        self._name = name
        self._rows = rows
        weakref.finalize(self, rows.close)
        self._keys = keys
        self._offsets = offsets
        self._identity = identity

    @property
    def name(self) -> str:
        """The full name, ``provider/model``."""
        return self._name

    @property
    def identity(self) -> JsonObject:
        """Kind and digest of the file."""
        return self._identity

    def __len__(self) -> int:
        """Return the number of recorded answers."""
        return len(self._keys)

    async def complete(self, request: ChatRequest, context: CallContext) -> ChatResponse:  # noqa: ARG002
        """Return the answer recorded for the item and trial.

        Raises:
            ModelError: ``not_recorded``, or the error that was recorded.
        """
        row = self._find(context.item_id, context.trial)
        if row is None:
            raise model_error(
                "not_recorded",
                f"no answer is recorded for item {context.item_id!r}, trial {context.trial}",
                hint="record it, or leave the item out",
                where=self._name,
            )
        error = row["error"]
        if error is not None:
            code: ErrorCode = error if error in _CODES else "application"
            raise model_error(code, f"recorded error: {row.get('text') or error}", where=self._name)
        return _response(row)

    async def aclose(self) -> None:
        """Close the temporary file. Safe to call twice."""
        self._rows.close()

    def _find(self, item_id: str, trial: int) -> _Row | None:
        wanted = _key(item_id, trial)
        at = int(self._keys.searchsorted(self._keys.dtype.type(wanted)))  # a plain int would convert the whole array
        while at < len(self._keys) and int(self._keys[at]) == wanted:
            self._rows.seek(int(self._offsets[at]))
            row: _Row = orjson.loads(self._rows.readline())
            if row["item_id"] == item_id and row["trial"] == trial:
                return row
            at += 1
        return None


def open_replay(settings: ModelSettings) -> ReplayModel:
    """Return the recorded answers ``settings`` name, read and checked.

    Raises:
        UsageError: the file is missing, of another format, or has a row that cannot be used.
    """
    path = settings.root / (settings.config.path or "")
    found = read_rows(path, settings.config.columns)
    import numpy as np

    keys, offsets = array("Q"), array("Q")
    rows = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the model
    try:
        at = 0
        for row in found:
            line = orjson.dumps(row) + b"\n"
            keys.append(_key(row["item_id"], row["trial"]))
            offsets.append(at)
            at += rows.write(line)
        rows.flush()
        order = np.argsort(np.frombuffer(keys, dtype=np.uint64), kind="stable")
        model = ReplayModel(
            settings.name,
            rows,
            keys=np.frombuffer(keys, dtype=np.uint64)[order],
            offsets=np.frombuffer(offsets, dtype=np.uint64)[order],
            identity={"kind": "replay", "digest": _file_digest(path)},
        )
        _refuse_duplicates(model, str(path))
    except BaseException:
        rows.close()
        raise
    return model


def _refuse_duplicates(model: ReplayModel, where: str) -> None:
    keys = model._keys
    for at in (keys[1:] == keys[:-1]).nonzero()[0]:
        pair = []
        for offset in model._offsets[at : at + 2]:
            model._rows.seek(int(offset))
            row = orjson.loads(model._rows.readline())
            pair.append((row["item_id"], row["trial"]))
        if pair[0] == pair[1]:
            item_id, trial = pair[0]
            raise UsageError(
                f"item {item_id!r}, trial {trial} is recorded more than once",
                hint="keep one row for each item and trial, or add a `trial` column",
                where=where,
            )


def _key(item_id: str, trial: int) -> int:
    return int.from_bytes(blake2b(f"{trial}\x1f{item_id}".encode(), digest_size=8).digest(), "big")


def _file_digest(path: Path) -> str:
    made = sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            made.update(piece)
    return made.hexdigest()


def _response(row: _Row) -> ChatResponse:
    word = row.get("finish")
    return ChatResponse(
        text=row["text"],
        finish=_finish(word),
        provider_finish=str(word) if word is not None else None,
        usage=Usage(input_tokens=row.get("input_tokens"), output_tokens=row.get("output_tokens")),
        latency_s=row.get("latency_s"),
        cost_usd=row.get("cost_usd"),
        recorded=row["recorded"],
    )


def _finish(word: Any) -> FinishReason:
    if word is None:
        return "stop"
    return cast("FinishReason", word) if word in _FINISHES else finish_reason(str(word))
