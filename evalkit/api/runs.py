"""Making runs: find or create, execute interleaved, grade, finish."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

import orjson

from evalkit.api.arms import ArmBuilder
from evalkit.api.models import Models
from evalkit.api.session import Session, SessionGrader, git_info, versions
from evalkit.api.stored_run import Run
from evalkit.base.errors import EvalkitError, UsageError
from evalkit.base.ids import new_run_id
from evalkit.base.registry import suggest
from evalkit.core.candidate import Candidate
from evalkit.core.run import RunManifest
from evalkit.core.score import BUILT_IN_METRICS
from evalkit.core.suite import Suite
from evalkit.llm.pricing import require_price
from evalkit.llm.retry import RetryPolicy
from evalkit.runner.budget import Budget
from evalkit.runner.execute import Arm, ExecuteOptions, ExecuteReport, execute, pending
from evalkit.runner.grade import grade_run
from evalkit.runner.plan import RunPlan, plan_run
from evalkit.runner.progress import ProgressSink, silent
from evalkit.store.analysis import export_parquet
from evalkit.store.journal import Journal, JournalReader, StoredCall

__all__ = ["RunOptions", "StoppedError", "find_candidate", "grade_stored", "make_runs", "new_budget"]


class StoppedError(EvalkitError):
    """A run ended before its last call; what it has is stored.

    Args:
        message: why it ended.
        kind: ``signal``, ``budget``, ``time`` or ``permanent_failure``.
        hint: the command that goes on.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: Literal["signal", "budget", "time", "permanent_failure"],
        hint: str,
        where: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, where=where)
        self.kind = kind


@dataclass(frozen=True)
class RunOptions:
    """How runs are made; nothing here but ``draw``, ``limit`` and ``select`` changes what is asked.

    Attributes:
        draw: names the independent set of calls; ``new`` makes a fresh one.
        limit: only the first items of the seeded order.
        select: only items with these ids; the runs give no verdict.
        restricted: the words for ``select``.
        concurrency: calls in flight; the settings' if None.
        max_cost_usd: cap over all runs of the command; the settings' if None.
        max_calls: likewise for calls.
        max_time_s: likewise for time.
        cache: whether answers of other runs to the very same call are used.
        export: whether finished runs are written as Parquet too, which SQL over all runs and MLflow read.
    """

    draw: str = "0"
    limit: int | None = None
    select: Sequence[str] | None = None
    restricted: str | None = None
    concurrency: int | None = None
    max_cost_usd: float | None = None
    max_calls: int | None = None
    max_time_s: float | None = None
    cache: bool | None = None
    export: bool = True


def find_candidate(suite: Suite, name: str) -> Candidate:
    """Return the suite's candidate called ``name``.

    Raises:
        UsageError: there is none.
    """
    for candidate in suite.candidates:
        if candidate.name == name:
            return candidate
    known = [candidate.name for candidate in suite.candidates]
    raise UsageError(
        f"no candidate {name!r} in suite {suite.name!r}{suggest(name, known)}",
        hint=f"its candidates: {', '.join(known)}",
        where=suite.path,
    )


@dataclass
class _Open:
    """A run being made."""

    plan: RunPlan
    manifest: RunManifest
    journal: Journal
    newly_graded: bool = False
    """Whether this command added scores, or named other graders than the record did."""


async def make_runs(
    session: Session,
    suite: Suite,
    names: Sequence[str],
    options: RunOptions,
    *,
    progress: ProgressSink = silent,
    stop: asyncio.Event | None = None,
    budget: Budget | None = None,
) -> list[Run]:
    """Return one finished, graded run for each named candidate, their calls interleaved.

    A run of the same plan is continued if it was interrupted, and reused if it is finished.

    Raises:
        StoppedError: the runs ended early (budget, time, signal, or nothing but permanent failures).
        UsageError: a candidate, model, price or key is missing.
        StoreError: the store cannot be written.
    """
    graders = session.graders(suite)
    draw = secrets.token_hex(4) if options.draw == "new" else options.draw
    models = Models(session, limit=options.concurrency or session.settings.concurrency)
    try:
        plans = [
            plan_run(
                suite,
                models.resolve(find_candidate(suite, name)),
                draw=draw,
                limit=options.limit,
                select=options.select,
                restricted=options.restricted,
            )
            for name in names
        ]
        for plan in plans:
            if _same_plan(session, plan) is None:
                _check_ready(session, plan.candidate.model, options, models)
        with ExitStack() as stack:
            opened = _open_all(session, plans, graders, stack)
            report = await _execute(session, opened, options, models, stack, progress, stop, budget)
            await asyncio.to_thread(_grade_all, session, opened, graders, progress)
            _close_all(session, opened, report, graders, export=options.export)
    finally:
        await models.aclose()
    runs = []
    for each in opened:
        manifest = session.store.manifest(each.manifest.id)
        runs.append(Run(session, manifest or each.manifest, suite))
    if report.stopped is not None:
        raise _stopped(report, opened)
    return runs


def _check_ready(session: Session, model: str, options: RunOptions, models: Models) -> None:
    """Refuse what would end the command before its first call, while no empty run is left behind."""
    if _cost_cap(session, options) is not None:
        require_price(model, session.settings.models)
    models.ready(model)


def _open_all(
    session: Session, plans: Sequence[RunPlan], graders: Sequence[SessionGrader], stack: ExitStack
) -> list[_Open]:
    """Find or create the run of each plan, locked, its record open."""
    now = session.clock.now()
    git = git_info(session.settings.root)
    batch = secrets.token_hex(4)
    opened = []
    for plan in plans:
        found = _same_plan(session, plan)
        run_id = found.id if found is not None else new_run_id(now, plan.digest)
        stack.enter_context(session.store.lock(run_id, now))
        journal = session.store.journal(run_id)
        stack.callback(journal.close)
        if found is None:
            found = _manifest(session, plan, graders, run_id, batch)
            found = found.model_copy(update={"git": git})
            journal.create(found, plan.items)
        opened.append(_Open(plan, found, journal))
    return opened


def _same_plan(session: Session, plan: RunPlan) -> RunManifest | None:
    """Return the newest run of the same plan."""
    ids = [run_id for run_id in session.store.run_ids() if run_id.endswith(plan.digest[:6])]
    for run_id in reversed(ids):
        manifest = session.store.manifest(run_id)
        if manifest is not None and manifest.plan_digest == plan.digest:
            return manifest
    return None


def _manifest(
    session: Session, plan: RunPlan, graders: Sequence[SessionGrader], run_id: str, batch: str
) -> RunManifest:
    suite = plan.suite
    return RunManifest(
        id=run_id,
        suite=suite.name,
        suite_digest=suite.digest,
        candidate=plan.candidate,
        dataset=suite.dataset,
        trials=suite.trials,
        seed=suite.seed,
        draw=plan.draw,
        batch=batch,
        plan_digest=plan.digest,
        metrics=(*BUILT_IN_METRICS, *(info for grader in graders for info in grader.metrics)),
        graders={grader.spec.name: grader.spec.id for grader in graders},
        started_at=session.clock.now().isoformat(timespec="milliseconds"),
        n_planned=plan.n_calls,
        limit=plan.limit,
        restricted=plan.restricted,
        versions=versions(),
        conditions={"suite_path": suite.path},
    )


async def _execute(
    session: Session,
    opened: Sequence[_Open],
    options: RunOptions,
    models: Models,
    stack: ExitStack,
    progress: ProgressSink,
    stop: asyncio.Event | None,
    budget: Budget | None,
) -> ExecuteReport:
    """Ask what has no record yet; open a model only if there is something to ask it."""
    settings = session.settings
    concurrency = options.concurrency or settings.concurrency
    builder = ArmBuilder(session, models, capped=_cost_cap(session, options) is not None)
    arms = []
    for each in opened:
        arm = builder.build(each.plan, each.journal, _stored(each))
        arms.append(arm)
        _note_resumption(session, each, arm)
    cache = session.store.cache() if _use_cache(session, options) and any(arm.cacheable for arm in arms) else None
    if cache is not None:
        stack.callback(cache.close)
    return await execute(
        arms,
        ExecuteOptions(
            concurrency=concurrency,
            retry=RetryPolicy(),
            max_time_s=options.max_time_s if options.max_time_s is not None else settings.max_time_s,
        ),
        clock=session.clock,
        budget=budget if budget is not None else new_budget(session, options),
        cache=cache,
        stop=stop,
        progress=progress,
        redact=session.redactor.text,
    )


def new_budget(session: Session, options: RunOptions) -> Budget:
    """Return the budget of a command: its own caps, else the settings'."""
    settings = session.settings
    return Budget(
        max_cost_usd=_cost_cap(session, options),
        max_calls=options.max_calls if options.max_calls is not None else settings.max_calls,
    )


def _cost_cap(session: Session, options: RunOptions) -> float | None:
    return options.max_cost_usd if options.max_cost_usd is not None else session.settings.max_cost_usd


def _use_cache(session: Session, options: RunOptions) -> bool:
    return session.settings.cache if options.cache is None else options.cache


def _stored(each: _Open) -> dict[tuple[int, int, int], StoredCall]:
    reader = JournalReader(each.journal.path)
    try:
        return reader.calls()
    finally:
        reader.close()


def _note_resumption(session: Session, each: _Open, arm: Arm) -> None:
    if each.manifest.status != "running" and next(pending([arm]), None) is not None:
        each.journal.event("resumed", session.clock.now())


def _grade_all(
    session: Session, opened: Sequence[_Open], graders: Sequence[SessionGrader], progress: ProgressSink
) -> None:
    for each in opened:
        each.newly_graded = _grade(session, each.manifest.id, each.journal, graders, progress) is not None


def _grade(
    session: Session, run_id: str, journal: Journal, graders: Sequence[SessionGrader], progress: ProgressSink
) -> int | None:
    """Score what has no score yet; return how many were added, None where the record says all of it already."""
    added = grade_run(session.store, run_id, graders, clock=session.clock, progress=progress)
    body = graded_body(graders)
    reader = session.store.read(run_id)
    try:
        last = next((text for _, kind, text in reversed(reader.events()) if kind == "graded"), None)
    finally:
        reader.close()
    if not added and last is not None and orjson.loads(last) == body:
        return None
    journal.event("graded", session.clock.now(), body)
    return added


def graded_body(graders: Sequence[SessionGrader]) -> list[dict[str, object]]:
    """Return the body of a ``graded`` event: which graders scored the run, and what their metrics mean."""
    return [
        {
            "name": grader.spec.name,
            "digest": grader.digest,
            "metrics": [info.model_dump(mode="json") for info in grader.metrics],
        }
        for grader in graders
    ]


def _close_all(
    session: Session, opened: Sequence[_Open], report: ExecuteReport, graders: Sequence[SessionGrader], *, export: bool
) -> None:
    """Write down how each run ended; a finished one also as Parquet."""
    for each in opened:
        complete = len(_stored(each)) >= each.plan.n_calls
        if not complete or each.manifest.status != "finished" or report.done_here:
            body = {"stopped": report.stopped, "cached": report.cached}
            each.journal.event("finished" if complete else "interrupted", session.clock.now(), body)
        if complete and export:
            _export(session, each.manifest.id, graders, anew=each.newly_graded or report.done_here > 0)


def _export(session: Session, run_id: str, graders: Sequence[SessionGrader], *, anew: bool) -> None:
    """Write a finished run as Parquet, unless what is there still holds."""
    folder = session.store.folder(run_id)
    if anew or not all((folder / name).exists() for name in ("outputs.parquet", "scores.parquet")):
        export_parquet(session.store, run_id, {grader.digest: grader.spec.id for grader in graders})


def grade_stored(session: Session, run: Run, suite: Suite, *, progress: ProgressSink = silent) -> int:
    """Score a stored run with the suite's graders as they are now; return how many scores were added.

    Raises:
        StoreError: another process is writing the run.
    """
    graders = session.graders(suite)
    now = session.clock.now()
    with session.store.lock(run.id, now):
        journal = session.store.journal(run.id)
        try:
            added = _grade(session, run.id, journal, graders, progress)
            if run.status == "finished":
                _export(session, run.id, graders, anew=added is not None)
        finally:
            journal.close()
    return added or 0


def _stopped(report: ExecuteReport, opened: Sequence[_Open]) -> StoppedError:
    names = ", ".join(each.manifest.id for each in opened)
    hint = "repeat the same command to go on: what was answered is kept and not asked again"
    if report.stopped == "budget":
        hint = "raise the cap and repeat the same command: what was answered is kept and not asked again"
    if report.error is not None:
        hint = report.error.hint or f"mend the cause ({report.error.message[:200]}), then repeat the same command"
    return StoppedError(
        f"{report.why or 'stopped'}: {report.done} of {report.total} calls are recorded",
        kind=report.stopped or "signal",
        hint=hint,
        where=f"run {names}",
    )
