"""What renderers show beside verdicts, read from stored runs and baselines."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from evalkit.api.stored_run import Run, RunRecord
from evalkit.api.verdicts import Reference
from evalkit.core.output import Output
from evalkit.core.run import STATUS_NAMES, STATUS_OK, MetricColumn, RunTable
from evalkit.core.score import MetricInfo
from evalkit.report.rows import MetricSummary, ReportRow, RowScore
from evalkit.stats import (
    Estimate,
    clustered_se,
    iid_se,
    mean_interval,
    suite_pass_at_k,
    suite_pass_hat_k,
    wilson,
)

__all__ = ["collect_rows", "summarize"]


def summarize(run: Run) -> list[MetricSummary]:
    """Return one summary for each metric of a run: mean with a 95 % interval, and what was not scored.

    Binary metrics of independent items get a Wilson interval, all others a (cluster-robust) t interval of item means,
    kept within the metric's bounds; where all values are at one bound, a Wilson interval over items or clusters.
    """
    table = run.table()
    return [_summary(column, table) for column in table.columns.values()]


def _summary(column: MetricColumn, table: RunTable) -> MetricSummary:
    ok = column.status == STATUS_OK
    counts = np.bincount(column.status.ravel(), minlength=len(STATUS_NAMES))
    missing = tuple((STATUS_NAMES[code], int(counts[code])) for code in range(1, len(STATUS_NAMES)) if counts[code])
    n = int(counts[STATUS_OK])
    if n == 0:
        return MetricSummary(column.info, None, None, None, 0, int(ok.size), missing)
    some = ok.any(axis=1)
    means = np.where(ok, column.value, 0.0).sum(axis=1)[some] / ok.sum(axis=1)[some]
    groups = [cluster for cluster, kept in zip(table.clusters, some, strict=True) if kept]
    clusters = _codes(groups) if any(cluster is not None for cluster in groups) else None
    low, high = _interval(column, means, clusters)
    values = column.value[ok]
    return MetricSummary(
        info=column.info,
        mean=float(means.mean()),
        low=low,
        high=high,
        n=n,
        n_planned=int(ok.size),
        not_scored=missing,
        se_independent=iid_se(values) if n > 1 else None,
        se_clustered=clustered_se(means, np.arange(means.size) if clusters is None else clusters, correct=False),
        n_clusters=None if clusters is None else int(clusters.max()) + 1,
        total=math.fsum(values) if column.info.kind == "positive" and column.info.name != "latency_s" else None,
        pass_at_k=_over_trials(suite_pass_at_k, column, ok),
        pass_hat_k=_over_trials(suite_pass_hat_k, column, ok),
    )


def _codes(clusters: Sequence[str | None]) -> npt.NDArray[np.int64]:
    """Return a code for each item; an item without a cluster is one of its own."""
    seen: dict[str | int, int] = {}
    return np.array(
        [seen.setdefault(row if name is None else name, len(seen)) for row, name in enumerate(clusters)], dtype=np.int64
    )


def _interval(
    column: MetricColumn, means: npt.NDArray[np.float64], clusters: npt.NDArray[np.int64] | None
) -> tuple[float | None, float | None]:
    if column.info.kind == "binary" and clusters is None and column.status.shape[1] == 1:
        wilson_interval = wilson(int(means.sum()), means.size)
        return wilson_interval.low, wilson_interval.high
    n_units = means.size if clusters is None else int(clusters.max()) + 1
    if means.size < 2 or n_units < 2:
        return None, None
    in_bounds = column.info.kind in {"binary", "bounded"}
    if in_bounds and float(means.min()) == float(means.max()) and float(means[0]) in (0.0, 1.0):
        all_alike = wilson(int(means[0]) * n_units, n_units)  # no spread to learn from: as many units, all alike
        return all_alike.low, all_alike.high
    estimate = mean_interval(means, clusters=clusters)
    if in_bounds and estimate.low is not None and estimate.high is not None:
        return max(estimate.low, 0.0), min(estimate.high, 1.0)
    return estimate.low, estimate.high


def _over_trials(
    estimator: Callable[..., Estimate], column: MetricColumn, ok: npt.NDArray[np.bool_]
) -> tuple[float, ...]:
    """Return the estimator for k = 1 … trials over the items all of whose trials are scored."""
    whole = ok.all(axis=1)
    n_trials = column.status.shape[1]
    if column.info.kind != "binary" or n_trials < 2 or int(whole.sum()) < 2:
        return ()
    passes = column.value[whole].sum(axis=1).astype(int)
    trials = [n_trials] * passes.size
    return tuple(estimator(passes, trials, k).value for k in range(1, n_trials + 1))


def collect_rows(run: Run, reference: Reference | None) -> Iterator[ReportRow]:
    """Yield one row for each item and trial of ``run``, beside what the baseline has for the same content."""
    before = _Before(reference)
    infos = {info.name: info for _, graded in run.graders() for info in graded.metrics}
    for record in run.records():
        output = record.output
        old = before.output(record)
        yield ReportRow(
            item_id=record.item.id,
            candidate_text=output.text,
            inputs=record.item.inputs,
            expected=record.item.expected,
            baseline_text=old.text if old is not None else None,
            candidate_failure=output.failure,
            baseline_failure=old.failure if old is not None else None,
            scores={name: _score(name, info, record, before) for name, info in infos.items()},
            cluster=record.item.cluster,
            tags=record.item.tags,
            trial=output.trial,
            latency_s=output.latency_s,
            baseline_latency_s=old.latency_s if old is not None else None,
            cost_usd=output.cost_usd,
            baseline_cost_usd=old.cost_usd if old is not None else None,
            metadata=record.item.metadata,
        )


def _score(name: str, info: MetricInfo, record: RunRecord, before: _Before) -> RowScore:
    status, value, reason = record.scores.get(name, ("missing", None, None))
    if record.output.failure is not None:
        status = f"{record.output.failure.blame}_failed"
    old_status, old_value = before.score(name, record)
    return RowScore(
        candidate_value=value,
        candidate_status=status,
        baseline_value=old_value,
        baseline_status=old_status,
        candidate_reason=reason,
        better=info.better,
        binary=info.kind == "binary",
    )


class _Before:
    """The baseline's outputs and scores by item and trial, for items whose content is the same."""

    def __init__(self, reference: Reference | None) -> None:
        self._table = reference.table if reference is not None else None
        self._row = {item_id: index for index, item_id in enumerate(self._table.item_ids)} if self._table else {}
        self._outputs: dict[tuple[str, int], Output] = {}
        if reference is not None and reference.run is not None:
            for record in reference.run.records():
                self._outputs[(record.item.id, record.output.trial)] = record.output
        elif reference is not None and reference.stored is not None:
            for output in reference.stored.outputs():
                self._outputs[(output.item_id, output.trial)] = output

    def _index(self, record: RunRecord) -> int | None:
        index = self._row.get(record.item.id)
        if index is None or self._table is None or self._table.item_digests[index] != record.item.digest:
            return None
        return index

    def output(self, record: RunRecord) -> Output | None:
        if self._index(record) is None:
            return None
        return self._outputs.get((record.item.id, record.output.trial))

    def score(self, name: str, record: RunRecord) -> tuple[str | None, float | None]:
        index = self._index(record)
        if index is None or self._table is None or name not in self._table.columns:
            return None, None
        column = self._table.columns[name]
        if record.output.trial >= column.status.shape[1]:
            return None, None
        status = int(column.status[index, record.output.trial])
        value = float(column.value[index, record.output.trial]) if status == STATUS_OK else None
        return STATUS_NAMES[status], value
