"""From runs to verdicts: the baseline found or run, its scores brought up to date, every suite decided together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit.api.regrade import up_to_date
from evalkit.api.runs import RunOptions, find_candidate, grade_stored, make_runs, new_budget
from evalkit.api.session import Session
from evalkit.api.stored_run import Run, open_run
from evalkit.base.errors import UsageError
from evalkit.compare.baseline import StoredBaseline, read_baseline, write_baseline
from evalkit.compare.compare import compare
from evalkit.compare.decide import decide_many
from evalkit.core.run import RunTable
from evalkit.core.suite import Suite
from evalkit.core.verdict import Comparison, Verdict
from evalkit.graders.registry import CATALOG
from evalkit.runner.budget import Budget
from evalkit.runner.progress import ProgressSink, silent
from evalkit.suite.loader import load_suite as load_suite_file

__all__ = [
    "STORED",
    "Gated",
    "Reference",
    "accept_baseline",
    "baseline_path",
    "compare_runs",
    "gate_suites",
    "gating_candidates",
    "load_suite",
    "run_reference",
    "stored_reference",
]

STORED = "stored"
"""The word for the baseline in the committed file."""


@dataclass(frozen=True)
class Reference:
    """What a candidate is set against: a run, or a baseline from a committed file.

    Attributes:
        table: its scores by the suite's graders as they are now.
        run: set if it is a run of the local store.
        stored: set if it is a committed baseline.
    """

    table: RunTable
    run: Run | None = None
    stored: StoredBaseline | None = None


@dataclass(frozen=True)
class Gated:
    """One candidate of one suite, decided."""

    suite: Suite
    run: Run
    reference: Reference | None
    verdict: Verdict


def load_suite(session: Session, path: Path | str) -> Suite:
    """Return the suite in a file, with every path, template and name in it checked.

    Raises:
        UsageError: everything that is wrong, each with file, line and column.
    """
    session.load_plugins()
    return load_suite_file(path, settings=session.settings, catalog=CATALOG)


def baseline_path(suite: Suite) -> Path:
    """Return where the suite's committed baseline lies."""
    folder = Path(suite.path).parent if suite.path else Path()
    return folder / "baselines" / f"{suite.name}.jsonl"


def gating_candidates(suite: Suite, against: str, names: Sequence[str] | None) -> list[str]:
    """Return the candidates to be judged: the named ones, else all but the one they are judged against.

    Raises:
        UsageError: none is left, or a name is unknown.
    """
    chosen = [find_candidate(suite, name).name for name in names] if names else [c.name for c in suite.candidates]
    chosen = [name for name in chosen if name != against]
    if not chosen:
        raise UsageError(
            f"suite {suite.name!r} has no candidate besides its baseline {against!r}",
            hint="add a second candidate, or use `--against stored`",
            where=suite.path,
        )
    return chosen


async def gate_suites(
    session: Session,
    suites: Sequence[Suite],
    options: RunOptions,
    *,
    against: str | None = None,
    names: Sequence[str] | None = None,
    common_items: bool = False,
    progress: ProgressSink = silent,
    stop: asyncio.Event | None = None,
) -> list[Gated]:
    """Run, grade, compare and decide; Holm spans the deciding rules of all suites.

    Args:
        session: the project.
        suites: what to gate.
        options: how runs are made; the budget spans all suites.
        against: ``stored``, a candidate's name, or a run's id; each suite's own ``baseline`` if None.
        names: only these candidates.
        common_items: compare on the items both sides have even if these are few.
        progress: told how far the runs are.
        stop: set to end early.

    Raises:
        StoppedError: a run ended early.
        UsageError: there is no baseline, or it cannot be compared with.
    """
    budget = new_budget(session, options)
    prepared: list[tuple[Suite, Run, Reference | None, Comparison]] = []
    for suite in suites:
        target = against or suite.baseline
        runs, reference = await _runs_and_reference(
            session, suite, target, names, options, progress=progress, stop=stop, budget=budget
        )
        for run in runs:
            comparison = await asyncio.to_thread(
                compare,
                run.table(),
                reference.table if reference else None,
                suite.policy,
                common_items=common_items,
                cluster_meaning=suite.dataset.cluster_meaning,
            )
            prepared.append((suite, run, reference, _with_attempts(session, suite, run, reference, comparison)))
    verdicts = decide_many([(comparison, suite.policy) for suite, _, _, comparison in prepared])
    return [
        Gated(suite, run, reference, verdict)
        for (suite, run, reference, _), verdict in zip(prepared, verdicts, strict=True)
    ]


def _with_attempts(
    session: Session, suite: Suite, run: Run, reference: Reference | None, comparison: Comparison
) -> Comparison:
    """Return the comparison with a warning if the candidate has met this baseline in other draws before."""
    if reference is None or run.manifest.restricted:
        return comparison
    manifest = reference.table.manifest
    n = session.store.count_attempt(
        at=session.clock.now().isoformat(timespec="seconds"),
        suite=suite.name,
        candidate=run.candidate.digest,
        baseline=f"{manifest.candidate.digest} {manifest.id}" if reference.stored else manifest.candidate.digest,
        draw=run.manifest.draw,
        run=run.id,
    )
    if n < 2:
        return comparison
    said = f"attempt {n}: this candidate met this baseline in {n} draws; a pass after several tries is weaker evidence"
    return comparison.model_copy(update={"warnings": (*comparison.warnings, said)})


async def _runs_and_reference(
    session: Session,
    suite: Suite,
    target: str,
    names: Sequence[str] | None,
    options: RunOptions,
    *,
    progress: ProgressSink,
    stop: asyncio.Event | None,
    budget: Budget,
) -> tuple[list[Run], Reference | None]:
    """Make the runs to be judged, together with the baseline's where that is a candidate of the suite."""
    judged = gating_candidates(suite, target, names)
    is_candidate = target in {candidate.name for candidate in suite.candidates}
    other = None if is_candidate or target == STORED else open_run(session, target, suite)
    asked = [target, *judged] if is_candidate else judged
    runs = await make_runs(session, suite, asked, options, progress=progress, stop=stop, budget=budget)
    if is_candidate:
        return runs[1:], Reference(runs[0].table(), run=runs[0])
    if other is not None:
        return runs, run_reference(session, other, suite)
    return runs, stored_reference(session, suite, runs)


def run_reference(session: Session, run: Run, suite: Suite) -> Reference:
    """Return a stored run as what others are compared with, scored by the suite's graders as they are now."""
    outputs = ((record.item.id, record.output) for record in run.records())
    return Reference(up_to_date(run.table(), outputs, suite, session.graders(suite)), run=run)


def stored_reference(session: Session, suite: Suite, runs: Sequence[Run] = ()) -> Reference | None:
    """Return the suite's committed baseline, its scores brought up to date; None if no rule needs one.

    Raises:
        UsageError: a rule needs a baseline and none is stored, or the file is damaged.
    """
    path = baseline_path(suite)
    if not path.exists():
        if all(rule.rule not in {"no_regression", "improve"} for rule in suite.policy.rules):
            return None
        offered = f'evalkit baseline accept {runs[0].id} --reason "first baseline"' if runs else "evalkit run"
        raise UsageError(
            f"suite {suite.name!r} has no stored baseline to compare with",
            hint=f"`{offered}` makes a run the baseline; or compare two candidates with `--against NAME`",
            where=str(path),
        )
    stored = read_baseline(path)
    outputs = ((output.item_id, output) for output in stored.outputs())
    return Reference(up_to_date(stored.table, outputs, suite, session.graders(suite)), stored=stored)


def compare_runs(
    session: Session, candidate: Run, against: str, suite: Suite, *, common_items: bool = False
) -> tuple[Comparison, Reference | None]:
    """Return a stored run's comparison with ``against``, a run's id or ``stored``; no model is called.

    Raises:
        UsageError: they cannot be compared.
    """
    if candidate.manifest.restricted is not None:
        raise UsageError(
            f"run {candidate.id} is restricted ({candidate.manifest.restricted}) and gives no verdict",
            hint="run the whole suite, without -k and --last-failed",
        )
    grade_stored(session, candidate, suite)
    if against == STORED:
        reference = stored_reference(session, suite, [candidate])
    else:
        reference = run_reference(session, open_run(session, against, suite), suite)
    comparison = compare(
        candidate.table(),
        reference.table if reference else None,
        suite.policy,
        common_items=common_items,
        cluster_meaning=suite.dataset.cluster_meaning,
    )
    return comparison, reference


def accept_baseline(session: Session, run: Run, suite: Suite, *, reason: str) -> Path:
    """Write a finished run's scores as the suite's committed baseline and return the file; no model is called.

    Raises:
        UsageError: the run is unfinished, restricted, limited, or empty.
    """
    manifest = run.manifest
    if run.status != "finished":
        raise UsageError(
            f"run {run.id} is {run.status}, not finished", hint="repeat the command that made it, then accept it"
        )
    if manifest.restricted or manifest.limit is not None:
        why = manifest.restricted or f"--limit {manifest.limit}"
        raise UsageError(f"run {run.id} is only a part of the suite ({why})", hint="accept a run of the whole suite")
    path = baseline_path(suite)
    write_baseline(
        path,
        run.table(),
        ((record.item.id, record.output.trial, record.output) for record in run.records()),
        reason=reason,
        accepted_at=session.clock.now().isoformat(timespec="seconds"),
        redactor=session.redactor,
    )
    return path
