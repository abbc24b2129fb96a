"""A stored run as columns: what a comparison reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import orjson

from evalkit.core.run import (
    STATUS_ABSTAINED,
    STATUS_CANDIDATE_FAILED,
    STATUS_ERROR,
    STATUS_INFRASTRUCTURE_FAILED,
    STATUS_MISSING,
    STATUS_OK,
    STATUS_SKIPPED,
    MetricColumn,
    RunManifest,
    RunTable,
)
from evalkit.core.score import BUILT_IN_METRICS, MetricInfo
from evalkit.store.checksum import damaged
from evalkit.store.store import Store

__all__ = ["SCORE_STATUS", "GradedBy", "read_table"]

SCORE_STATUS = {
    "ok": STATUS_OK,
    "skipped": STATUS_SKIPPED,
    "abstained": STATUS_ABSTAINED,
    "error": STATUS_ERROR,
}
_CENSORED = {"latency_s": "elapsed_s", "cost_usd": "cost_usd"}


@dataclass(frozen=True, slots=True)
class GradedBy:
    """One grader's metrics and where its scores lie."""

    digest: str
    metrics: Sequence[MetricInfo]


class _Columns:
    """Arrays of shape (n_items, n_trials) under construction, one pair a metric."""

    def __init__(self, shape: tuple[int, int], metrics: Iterable[MetricInfo]) -> None:
        self.info = {info.name: info for info in metrics}
        self.status: dict[str, npt.NDArray[np.uint8]] = {
            name: np.full(shape, STATUS_MISSING, dtype=np.uint8) for name in self.info
        }
        self.value: dict[str, npt.NDArray[np.float64]] = {name: np.zeros(shape) for name in self.info}

    def set(self, metric: str, at: tuple[int, int], status: int, value: float | None) -> None:
        self.status[metric][at] = status
        self.value[metric][at] = 0.0 if value is None else value

    def finished(self) -> Mapping[str, MetricColumn]:
        return {name: MetricColumn(info, self.status[name], self.value[name]) for name, info in self.info.items()}


def read_table(store: Store, manifest: RunManifest, graders: Sequence[GradedBy]) -> RunTable:
    """Return the scores of a run as arrays, items in analysis order.

    Raises:
        StoreError: the record is damaged.
    """
    reader = store.read(manifest.id)
    try:
        bodies = [(item_id, item_digest, orjson.loads(body)) for _, item_id, item_digest, body in reader.item_rows()]
        metrics = [*BUILT_IN_METRICS, *(info for grader in graders for info in grader.metrics)]
        shape = (len(bodies), manifest.trials)
        columns = _Columns(shape, metrics)
        newest = np.zeros(shape, dtype=np.int64)
        call_digests = [""] * len(bodies)
        failed = np.full(shape, STATUS_MISSING, dtype=np.uint8)
        for position, trial, seq, call, status, body in reader.summaries():
            if position >= shape[0] or trial >= shape[1]:
                raise damaged(reader.path, f"exchange {position} {trial} belongs to no planned item")
            newest[position, trial] = seq
            if trial == 0:
                call_digests[position] = call
            failed[position, trial] = _set_measured(columns, (position, trial), status, orjson.loads(body))
    finally:
        reader.close()
    for grader in graders:
        _set_scores(store, manifest, grader, columns, newest, failed)
    return RunTable(
        manifest=manifest,
        item_ids=[row[0] for row in bodies],
        item_digests=[row[1] for row in bodies],
        clusters=[row[2].get("cluster") for row in bodies],
        weights=[row[2].get("weight", 1.0) for row in bodies],
        tags=[tuple(row[2].get("tags", ())) for row in bodies],
        columns=columns.finished(),
        provenance=f"run {manifest.id}",
        call_digests=call_digests,
    )


def _set_measured(columns: _Columns, at: tuple[int, int], status: str, body: Mapping[str, object]) -> int:
    """Set what the runner measured; return the status code of the output as a whole."""
    if status == "ok":
        raw = body.get("usage")
        usage: Mapping[str, object] = raw if isinstance(raw, Mapping) else {}
        for name in ("latency_s", "cost_usd"):
            _set_measure(columns, name, at, body.get(name))
        for name in ("input_tokens", "output_tokens"):
            _set_measure(columns, name, at, usage.get(name))
        return STATUS_OK
    code = STATUS_CANDIDATE_FAILED if status == "candidate" else STATUS_INFRASTRUCTURE_FAILED
    for info in BUILT_IN_METRICS:
        value = body.get(_CENSORED.get(info.name, ""))
        known = isinstance(value, (int, float)) and code == STATUS_CANDIDATE_FAILED
        columns.set(info.name, at, code if known or info.name not in _CENSORED else STATUS_MISSING, _number(value))
    return code


def _set_measure(columns: _Columns, name: str, at: tuple[int, int], value: object) -> None:
    number = _number(value)
    columns.set(name, at, STATUS_MISSING if number is None else STATUS_OK, number)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _set_scores(
    store: Store,
    manifest: RunManifest,
    grader: GradedBy,
    columns: _Columns,
    newest: npt.NDArray[np.int64],
    failed: npt.NDArray[np.uint8],
) -> None:
    reader = store.score_reader(manifest.id, grader.digest)
    known = {info.name for info in grader.metrics}
    try:
        for position, trial, seq, metric, status, value, _, _ in reader.rows():
            if metric in known and seq == newest[position, trial]:
                columns.set(metric, (position, trial), SCORE_STATUS[status], value)
    except IndexError as error:
        raise damaged(reader.path, f"its scores do not fit the record of run {manifest.id}") from error
    finally:
        reader.close()
    for name in known:
        status_array = columns.status[name]
        status_array[failed == STATUS_CANDIDATE_FAILED] = STATUS_CANDIDATE_FAILED
        status_array[failed == STATUS_INFRASTRUCTURE_FAILED] = STATUS_INFRASTRUCTURE_FAILED
