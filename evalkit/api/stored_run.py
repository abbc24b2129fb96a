"""A stored run: its manifest, and its rows when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from evalkit.api.session import Session
from evalkit.base.errors import UsageError
from evalkit.core.candidate import Candidate
from evalkit.core.item import Item
from evalkit.core.output import Output
from evalkit.core.run import RunManifest, RunTable
from evalkit.core.score import MetricInfo
from evalkit.core.suite import Suite
from evalkit.store.table import GradedBy, read_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Run", "RunRecord", "open_run"]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One output of a run with its item and its scores, metric by metric (status, value, reason)."""

    item: Item
    output: Output
    scores: dict[str, tuple[str, float | None, str | None]]


class Run:
    """A stored run: the manifest's fields, and its rows when asked for."""

    def __init__(self, session: Session, manifest: RunManifest, suite: Suite | None = None) -> None:
        self.session = session
        self.manifest = manifest
        self.suite = suite

    @property
    def id(self) -> str:
        """The run's id."""
        return self.manifest.id

    @property
    def candidate(self) -> Candidate:
        """What was asked, fully resolved."""
        return self.manifest.candidate

    @property
    def status(self) -> str:
        """``running``, ``interrupted`` or ``finished``."""
        return self.manifest.status

    def graders(self) -> tuple[tuple[str, GradedBy], ...]:
        """Return grader name and where its scores are, as last graded."""
        reader = self.session.store.read(self.id)
        try:
            bodies = [body for _, kind, body in reader.events() if kind == "graded"]
        finally:
            reader.close()
        if not bodies:
            return ()
        return tuple(
            (
                entry["name"],
                GradedBy(entry["digest"], tuple(MetricInfo.model_validate(raw) for raw in entry["metrics"])),
            )
            for entry in orjson.loads(bodies[-1])
        )

    def table(self) -> RunTable:
        """Return all scores as arrays, items in analysis order."""
        return read_table(self.session.store, self.manifest, [graded for _, graded in self.graders()])

    def records(self) -> Iterator[RunRecord]:
        """Yield every output with its item and scores, in analysis order."""
        found: dict[tuple[int, int, int], dict[str, tuple[str, float | None, str | None]]] = {}
        for _, graded in self.graders():
            scores = self.session.store.score_reader(self.id, graded.digest)
            try:
                for position, trial, seq, metric, status, value, _, reason in scores.rows():
                    found.setdefault((position, trial, seq), {})[metric] = (status, value, reason)
            finally:
                scores.close()
        reader = self.session.store.read(self.id)
        try:
            for recorded in reader.outputs():
                key = (recorded.position, recorded.output.trial, recorded.seq)
                yield RunRecord(recorded.item, recorded.output, found.get(key, {}))
        finally:
            reader.close()

    def frame(self) -> pd.DataFrame:
        """Return one row per item, trial and metric: item_id, trial, metric, status, value, cluster, weight."""
        import numpy as np
        import pandas as pd

        from evalkit.core.run import STATUS_NAMES, STATUS_OK

        table = self.table()
        parts = []
        for name, column in table.columns.items():
            n_items, n_trials = column.status.shape
            status = column.status.ravel()
            parts.append(
                pd.DataFrame(
                    {
                        "item_id": np.repeat(np.asarray(table.item_ids, dtype=object), n_trials),
                        "trial": np.tile(np.arange(n_trials), n_items),
                        "metric": name,
                        "status": np.asarray(STATUS_NAMES, dtype=object)[status],
                        "value": np.where(status == STATUS_OK, column.value.ravel(), np.nan),
                        "cluster": np.repeat(np.asarray(table.clusters, dtype=object), n_trials),
                        "weight": np.repeat(np.asarray(table.weights), n_trials),
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)

    def __repr__(self) -> str:
        return f"Run({self.id}, {self.manifest.candidate.name}, {self.status})"


def open_run(session: Session, text: str, suite: Suite | None = None) -> Run:
    """Return the stored run whose id begins or ends with ``text``, or the newest for ``latest``.

    Raises:
        UsageError: none or several fit, or the run was never fully created.
    """
    run_id = session.store.find(text)
    manifest = session.store.manifest(run_id)
    if manifest is None:
        raise UsageError(f"run {run_id} was never fully created", hint="make it again, or see `evalkit runs list`")
    return Run(session, manifest, suite)
