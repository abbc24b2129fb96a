"""Runs and baselines: their manifests, and their rows as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from evalkit.base.model import Frozen, JsonObject, Many
from evalkit.core.candidate import Candidate
from evalkit.core.item import DatasetInfo
from evalkit.core.score import MetricInfo

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = [
    "STATUS_ABSTAINED",
    "STATUS_CANDIDATE_FAILED",
    "STATUS_ERROR",
    "STATUS_INFRASTRUCTURE_FAILED",
    "STATUS_MISSING",
    "STATUS_NAMES",
    "STATUS_OK",
    "STATUS_SKIPPED",
    "GitInfo",
    "MetricColumn",
    "RunManifest",
    "RunStatus",
    "RunTable",
]

RunStatus = Literal["running", "interrupted", "finished"]

STATUS_OK, STATUS_SKIPPED, STATUS_ABSTAINED, STATUS_ERROR = 0, 1, 2, 3
STATUS_CANDIDATE_FAILED, STATUS_INFRASTRUCTURE_FAILED, STATUS_MISSING = 4, 5, 6
STATUS_NAMES = ("ok", "skipped", "abstained", "error", "candidate_failed", "infrastructure_failed", "missing")
"""Codes 0-3 are a score's status; 4 and 5 say that the output itself failed, and who is to blame; 6 that nothing is
stored."""


class GitInfo(Frozen):
    """Where the suite's files stood."""

    commit: str | None = None
    dirty: bool | None = None
    branch: str | None = None


class RunManifest(Frozen):
    """A run without its rows: what was asked of what, and under which conditions.

    ``plan_digest`` covers everything that decides the outputs: two commands with the same one are the same run.
    ``draw`` names one independent set of calls. ``batch`` is shared by runs whose calls were interleaved, without which
    latencies are not comparable. ``restricted`` says why the run gives no verdict (``-k``, ``--last-failed``, ``-x``);
    ``limit`` is the length of the seeded prefix when ``--limit`` was given.
    """

    format: int = 1
    id: str
    suite: str
    suite_digest: str
    candidate: Candidate
    dataset: DatasetInfo
    trials: int
    seed: int
    draw: str
    batch: str
    plan_digest: str = ""
    metrics: Many[MetricInfo] = ()
    graders: JsonObject = {}
    """Grader name to ``name@digest``."""
    status: RunStatus = "running"
    started_at: str
    finished_at: str | None = None
    n_planned: int = Field(ge=0)
    limit: int | None = None
    restricted: str | None = None
    git: GitInfo = GitInfo()
    versions: JsonObject = {}
    conditions: JsonObject = {}
    reason: str | None = None
    """Why this run was accepted as a baseline."""
    accepted_at: str | None = None


@dataclass(frozen=True, slots=True)
class MetricColumn:
    """One metric of one run as arrays.

    Attributes:
        info: what the numbers mean.
        status: shape (n_items, n_trials), uint8, one of the ``STATUS_`` codes.
        value: shape (n_items, n_trials), float64; read only where ``status`` is 0, or where it is 4 and the column
            is right-censored or billed (latency at the deadline, cost as billed).
    """

    info: MetricInfo
    status: npt.NDArray[np.uint8]
    value: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RunTable:
    """A run's or baseline's scores, items in the seeded analysis order.

    Attributes:
        manifest: what was run.
        item_ids: n_items ids, unique.
        item_digests: n_items digests of (inputs, expected).
        clusters: n_items cluster names, None where an item has none.
        weights: n_items weights, all above 0.
        tags: n_items tuples of tags.
        columns: metric name to its column.
        provenance: a phrase for messages: ``run 20261123-141530-8f2c41`` or ``baseline of 2026-11-20``.
    """

    manifest: RunManifest
    item_ids: Sequence[str]
    item_digests: Sequence[str]
    clusters: Sequence[str | None]
    weights: Sequence[float]
    tags: Sequence[tuple[str, ...]]
    columns: Mapping[str, MetricColumn]
    provenance: str
    call_digests: Sequence[str] = field(default_factory=tuple)
    """n_items names of the first trial's call (request, draw, moment); equal ones on both sides are the same call."""
