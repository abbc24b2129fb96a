"""What a suite would take and could show, before the first call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.api.models import Models
from evalkit.api.runs import find_candidate
from evalkit.api.session import Session
from evalkit.api.stored_run import Run
from evalkit.api.verdicts import STORED, baseline_path, gating_candidates
from evalkit.compare.baseline import read_baseline
from evalkit.compare.compare import compare
from evalkit.compare.plan_size import SizePlan, plan_size
from evalkit.core.run import RunTable
from evalkit.core.score import BUILT_IN_METRICS
from evalkit.core.suite import Suite
from evalkit.core.verdict import Comparison
from evalkit.llm.pricing import find_price, upper_bound_usd
from evalkit.runner.plan import RunPlan, plan_run
from evalkit.runner.request import RequestBuilder

__all__ = ["PlannedArm", "SuitePlan", "plan_suite"]


@dataclass(frozen=True, slots=True)
class PlannedArm:
    """One candidate's calls.

    Attributes:
        name: the candidate.
        n_calls: planned outputs.
        n_stored: of these, answered already.
        cost_usd: what the others cost at most, None where the price is unknown.
    """

    name: str
    n_calls: int
    n_stored: int
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class SuitePlan:
    """Calls, cost and power of a suite."""

    suite: Suite
    n_items: int
    arms: tuple[PlannedArm, ...]
    size: SizePlan
    against: str
    has_baseline: bool


async def plan_suite(
    session: Session,
    suite: Suite,
    *,
    names: Sequence[str] | None = None,
    against: str | None = None,
    limit: int | None = None,
    draw: str = "0",
) -> SuitePlan:
    """Return what gating the suite would take and could show; nothing is sent.

    Raises:
        UsageError: a candidate, provider or rule does not fit.
    """
    graders = session.graders(suite)
    target = against or suite.baseline
    is_candidate = target in {candidate.name for candidate in suite.candidates}
    judged = gating_candidates(suite, target, names)
    models = Models(session, limit=1)
    try:
        asked = [target, *judged] if is_candidate else judged
        plans = [plan_run(suite, models.resolve(find_candidate(suite, name)), draw=draw, limit=limit) for name in asked]
    finally:
        await models.aclose()
    items = plans[0].items
    stored = read_baseline(baseline_path(suite)).table if target == STORED and baseline_path(suite).exists() else None
    size = plan_size(
        suite.policy,
        [*BUILT_IN_METRICS, *(info for grader in graders for info in grader.metrics)],
        n_items=len(items),
        trials=suite.trials,
        clusters=[item.cluster for item in items],
        cluster_meaning=suite.dataset.cluster_meaning,
        baseline=stored,
        pilot=_pilot(session, suite, plans, stored),
    )
    arms = tuple(_arm(session, plan) for plan in plans)
    return SuitePlan(suite, len(items), arms, size, target, has_baseline=is_candidate or stored is not None)


def _arm(session: Session, plan: RunPlan) -> PlannedArm:
    price = find_price(plan.candidate.model, session.settings.models)
    n_stored = _stored_calls(session, plan)
    cost = None
    if price is not None:
        builder = RequestBuilder(plan.candidate, plan.draw)
        sample = plan.items[:200]
        each = sum(upper_bound_usd(builder.build(item, 0), price) for item in sample) / max(len(sample), 1)
        cost = each * (plan.n_calls - n_stored)
    return PlannedArm(plan.candidate.name, plan.n_calls, n_stored, cost)


def _stored_calls(session: Session, plan: RunPlan) -> int:
    run = _run_of(session, plan)
    if run is None:
        return 0
    reader = session.store.read(run.id)
    try:
        return reader.count()
    finally:
        reader.close()


def _run_of(session: Session, plan: RunPlan) -> Run | None:
    for run_id in reversed(session.store.run_ids()):
        if run_id.endswith(plan.digest[:6]):
            manifest = session.store.manifest(run_id)
            if manifest is not None and manifest.plan_digest == plan.digest:
                return Run(session, manifest, plan.suite)
    return None


def _pilot(session: Session, suite: Suite, plans: Sequence[RunPlan], stored: RunTable | None) -> Comparison | None:
    """Return an earlier comparison to learn from: the arms' own runs if there are, else the two newest of the suite."""
    tables = [run.table() for plan in plans if (run := _run_of(session, plan)) is not None and run.status == "finished"]
    if stored is not None:
        tables.insert(0, stored)
    if len(tables) < 2:
        names = {candidate.name for candidate in suite.candidates}
        for manifest in session.store.manifests():
            wanted = manifest.suite == suite.name and manifest.candidate.name in names and not manifest.restricted
            if wanted and manifest.status == "finished":
                tables.append(Run(session, manifest, suite).table())
            if len(tables) == 2:
                break
    if len(tables) < 2 or tables[0].provenance == tables[1].provenance:
        return None
    pilot = compare(tables[1], tables[0], suite.policy, common_items=True, slices=False)
    return pilot if pilot.pairing.same_calls * 2 < pilot.pairing.n_paired else None  # one call twice says nothing
