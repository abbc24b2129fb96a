"""Synthetic runs for the tests of `evalkit.compare`: arrays in, a RunTable out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.core.candidate import Candidate, Prompt, PromptMessage
from evalkit.core.item import DatasetInfo
from evalkit.core.run import STATUS_OK, MetricColumn, RunManifest, RunTable
from evalkit.core.score import Better, MetricInfo, MetricKind


def manifest(**changes: Any) -> RunManifest:
    fields: dict[str, Any] = {
        "id": "20261123-141530-8f2c41",
        "suite": "support_qa",
        "suite_digest": "s" * 64,
        "candidate": Candidate(
            name="next",
            model="local/extract-1",
            prompt=Prompt(messages=(PromptMessage(role="user", content="{{ inputs.q }}"),), source="prompts/a.yaml"),
            temperature=0.0,
        ),
        "dataset": DatasetInfo(name="support_qa", version="2026-11-01", digest="d" * 64, n_items=0),
        "trials": 1,
        "seed": 20261123,
        "draw": "draw-1",
        "batch": "batch-1",
        "status": "finished",
        "started_at": "2026-11-23T14:15:30+00:00",
        "n_planned": 0,
    }
    return RunManifest(**(fields | changes))


def column(
    values: npt.ArrayLike,
    *,
    name: str = "correct",
    kind: MetricKind = "binary",
    better: Better = "higher",
    grader: str | None = "contains@0123456789ab",
    status: npt.ArrayLike | None = None,
) -> MetricColumn:
    """A column of shape (n_items, n_trials); one-dimensional values are one trial."""
    value = np.asarray(values, dtype=np.float64)
    value = value.reshape(-1, 1) if value.ndim == 1 else value
    codes = np.full(value.shape, STATUS_OK) if status is None else np.asarray(status).reshape(value.shape)
    return MetricColumn(MetricInfo(name=name, kind=kind, better=better, grader=grader), codes.astype(np.uint8), value)


def table(
    *columns: MetricColumn,
    ids: Sequence[str] | None = None,
    digests: Sequence[str] | None = None,
    clusters: Sequence[str | None] | None = None,
    weights: Sequence[float] | None = None,
    tags: Sequence[tuple[str, ...]] | None = None,
    calls: Sequence[str] = (),
    provenance: str | None = None,
    **changes: Any,
) -> RunTable:
    n = columns[0].status.shape[0] if columns else len(ids or ())
    named: Mapping[str, MetricColumn] = {one.info.name: one for one in columns}
    names = [f"q{index:06d}" for index in range(n)] if ids is None else list(ids)
    made = manifest(n_planned=n, metrics=tuple(one.info for one in columns), **changes)
    return RunTable(
        manifest=made,
        item_ids=names,
        item_digests=[f"digest of {name}" for name in names] if digests is None else list(digests),
        clusters=[None] * n if clusters is None else list(clusters),
        weights=[1.0] * n if weights is None else list(weights),
        tags=[()] * n if tags is None else list(tags),
        columns=named,
        provenance=provenance or f"run {made.id}",
        call_digests=calls,
    )
