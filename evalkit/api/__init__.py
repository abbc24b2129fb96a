"""The verbs, sync and async: load, run, compare, decide, gate.

One async core; the sync functions run it to its end. Inside an event loop use the async ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from evalkit.api.runs import RunOptions, make_runs
from evalkit.api.session import Session
from evalkit.api.stored_run import Run
from evalkit.api.verdicts import (
    STORED,
    Reference,
    baseline_path,
    gate_suites,
    run_reference,
    stored_reference,
)
from evalkit.api.verdicts import (
    load_suite as load_suite_in,
)
from evalkit.base.errors import UsageError
from evalkit.compare.compare import compare as compare_tables
from evalkit.compare.decide import decide as decide_comparison
from evalkit.core.suite import Policy, Suite
from evalkit.core.verdict import Comparison, Verdict

__all__ = ["agate", "arun", "baseline", "compare", "decide", "gate", "load_suite", "run"]

T = TypeVar("T")


def load_suite(path: Path | str, *, session: Session | None = None) -> Suite:
    """Return the suite in a file; no model is called and no key is needed.

    Raises:
        UsageError: everything that is wrong with it, each with file, line and column.
    """
    return load_suite_in(_session(session, path), path)


async def arun(
    suite: Suite,
    candidate: str | None = None,
    *,
    session: Session | None = None,
    draw: str = "0",
    limit: int | None = None,
    max_cost_usd: float | None = None,
    max_calls: int | None = None,
    concurrency: int | None = None,
) -> Run:
    """Return the finished, graded run of one candidate; an interrupted run of the same plan is continued.

    Args:
        suite: what to run.
        candidate: its name; may be left out if the suite has one.
        session: the project; that of the suite's file if None.
        draw: names the independent set of calls; ``new`` makes one.
        limit: only the first items of the seeded order.
        max_cost_usd: cap on spending.
        max_calls: cap on calls.
        concurrency: calls in flight.

    Raises:
        StoppedError: a cap was met, or nothing but permanent failures came back.
        UsageError: the candidate, its model, its price or its key is missing.
    """
    options = RunOptions(
        draw=draw, limit=limit, max_cost_usd=max_cost_usd, max_calls=max_calls, concurrency=concurrency
    )
    name = candidate if candidate is not None else _only(suite)
    runs = await make_runs(_session(session, suite.path), suite, [name], options)
    return runs[0]


def run(
    suite: Suite,
    candidate: str | None = None,
    *,
    session: Session | None = None,
    draw: str = "0",
    limit: int | None = None,
    max_cost_usd: float | None = None,
    max_calls: int | None = None,
    concurrency: int | None = None,
) -> Run:
    """Return the finished, graded run of one candidate: :func:`arun` outside an event loop."""
    return _await(
        arun(
            suite,
            candidate,
            session=session,
            draw=draw,
            limit=limit,
            max_cost_usd=max_cost_usd,
            max_calls=max_calls,
            concurrency=concurrency,
        )
    )


def baseline(suite: Suite, *, session: Session | None = None) -> Reference:
    """Return the suite's committed baseline.

    Raises:
        UsageError: none is stored, or the file is damaged.
    """
    found = stored_reference(_session(session, suite.path), suite)
    if found is None:
        raise UsageError(
            f"suite {suite.name!r} has no stored baseline",
            hint="`evalkit baseline accept RUN --reason ...` makes a run the baseline",
            where=str(baseline_path(suite)),
        )
    return found


def compare(
    candidate: Run, reference: Run | Reference, policy: Policy | None = None, *, common_items: bool = False
) -> Comparison:
    """Return the candidate's run compared with another run or a stored baseline under the suite's rules.

    Args:
        candidate: the run under test, made from a suite.
        reference: what it is set against.
        policy: the rules to measure; those of the candidate's suite if None.
        common_items: compare on the items both sides have even if these are few.

    Raises:
        UsageError: the two cannot be compared.
    """
    suite = candidate.suite
    if suite is None:
        raise UsageError(
            f"run {candidate.id} was opened without its suite", hint="pass the suite to open_run, or make it with run()"
        )
    if isinstance(reference, Run):
        reference = run_reference(candidate.session, reference, suite)
    return compare_tables(
        candidate.table(),
        reference.table,
        policy if policy is not None else suite.policy,
        common_items=common_items,
        cluster_meaning=suite.dataset.cluster_meaning,
    )


def decide(comparison: Comparison, policy: Policy) -> Verdict:
    """Return what the comparison means under the policy it was measured for."""
    return decide_comparison(comparison, policy)


async def agate(
    suite: Suite,
    candidate: str | None = None,
    *,
    against: str = STORED,
    session: Session | None = None,
    options: RunOptions | None = None,
) -> Verdict:
    """Run, compare and decide one candidate against ``stored``, another candidate, or a run's id."""
    names = None if candidate is None else [candidate]
    gated = await gate_suites(
        _session(session, suite.path), [suite], options or RunOptions(), against=against, names=names
    )
    if len(gated) != 1:
        raise UsageError(f"{len(gated)} candidates are left to judge", hint="name one", where=suite.path)
    return gated[0].verdict


def gate(
    suite: Suite,
    candidate: str | None = None,
    *,
    against: str = STORED,
    session: Session | None = None,
    options: RunOptions | None = None,
) -> Verdict:
    """Run, compare and decide one candidate: :func:`agate` outside an event loop."""
    return _await(agate(suite, candidate, against=against, session=session, options=options))


def _await(work: Coroutine[Any, Any, T]) -> T:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    work.close()
    raise UsageError(
        "this function starts an event loop, and one is running already", hint="await the one whose name begins with a"
    )


def _session(session: Session | None, path: Path | str | None) -> Session:
    if session is not None:
        return session
    from evalkit.settings import load_settings

    return Session(load_settings(Path(path) if path is not None else Path.cwd()))


def _only(suite: Suite) -> str:
    names: Sequence[str] = [candidate.name for candidate in suite.candidates]
    if len(names) != 1:
        raise UsageError(
            f"suite {suite.name!r} has {len(names)} candidates", hint=f"name one: {', '.join(names)}", where=suite.path
        )
    return names[0]
