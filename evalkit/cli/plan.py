"""``plan`` and ``validate``: what would be done, and whether it can be; nothing is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalkit.cli.options import AsJson, CandidateNames, Limit, StorePath, SuitePath

if TYPE_CHECKING:
    from evalkit.api.planning import SuitePlan
    from evalkit.api.session import Session
    from evalkit.compare.plan_size import RulePlan
    from evalkit.report.plan_text import PlannedMetric, PlanView

__all__ = ["plan", "plan_view", "validate"]


def plan(
    suite: SuitePath,
    candidate: CandidateNames = None,
    against: Annotated[
        str | None, typer.Option("--against", help="`stored` or a candidate's name; the suite's own by default.")
    ] = None,
    limit: Limit = None,
    as_json: AsJson = False,
    store: StorePath = None,
) -> None:
    """Show calls, cost, detectable effect and the chance that an unchanged candidate passes; send nothing."""
    import asyncio
    from dataclasses import asdict

    from evalkit.api.planning import plan_suite
    from evalkit.api.verdicts import load_suite
    from evalkit.cli.project import open_session
    from evalkit.report.plan_text import render_plan

    session = open_session(suite, store=store)
    loaded = load_suite(session, suite)
    found = asyncio.run(plan_suite(session, loaded, names=candidate, against=against, limit=limit))
    view = plan_view(session, found)
    if as_json:
        typer.echo(json.dumps({"format": 1, **asdict(view)}))
        return
    typer.echo(render_plan(view), nl=False)


def plan_view(session: Session, found: SuitePlan) -> PlanView:
    """Return a plan as the renderer takes it."""
    from evalkit.report.plan_text import PlannedCalls, PlanView

    costs = [arm.cost_usd for arm in found.arms]
    trials = found.suite.trials
    how = (
        f"{found.n_items} items × {trials} trial{'s' if trials != 1 else ''} × {len(found.arms)} candidate"
        f"{'s' if len(found.arms) != 1 else ''}"
    )
    calls = PlannedCalls(
        label=" → ".join(arm.name for arm in found.arms),
        n_calls=sum(arm.n_calls for arm in found.arms),
        cost_usd=None if any(cost is None for cost in costs) else sum(cost or 0.0 for cost in costs),
        how=how,
    )
    warnings = list(found.size.warnings)
    if not found.has_baseline:
        warnings.append("no stored baseline yet: the first run can be accepted as one, and compared with from then on")
    return PlanView(
        suite=found.suite.name,
        calls=(calls,),
        max_cost_usd=session.settings.max_cost_usd,
        power=found.suite.policy.power,
        metrics=tuple(_planned_metric(rule) for rule in found.size.rules),
        n_stored=sum(arm.n_stored for arm in found.arms),
        defaults=found.suite.defaults,
        warnings=tuple(warnings),
    )


def _planned_metric(rule: RulePlan) -> PlannedMetric:
    from evalkit.report.plan_text import PlannedChance, PlannedMetric

    margin = rule.rule.margin
    chances = [
        PlannedChance(
            need=f"margin {margin:g}" if margin is not None else rule.rule.rule.replace("_", " "),
            passes_unchanged=rule.probability_unchanged_passes,
            needed_n=rule.needed_items,
        )
    ]
    chances += [
        PlannedChance(f"margin {other.margin:g}", other.probability_unchanged_passes, other.needed_items)
        for other in rule.alternatives
    ]
    return PlannedMetric(
        metric=rule.rule.metric,
        discordance=rule.discordance,
        basis=rule.source,
        detectable_effect=rule.detectable_effect,
        chances=tuple(chances) if rule.discordance is not None or rule.probability_unchanged_passes is not None else (),
        reason=rule.note if rule.discordance is None else None,
    )


def validate(
    suites: Annotated[list[Path], typer.Argument(metavar="SUITE...", help="Suite files or folders of them.")],
    as_json: AsJson = False,
) -> None:
    """Check suites with everything they name: files, templates, datasets, rules. Nothing is sent."""
    from evalkit.api.verdicts import load_suite
    from evalkit.base.errors import EvalkitError
    from evalkit.cli.project import open_session
    from evalkit.report.error_text import render_error

    paths = [found for path in suites for found in (sorted(path.glob("*.yaml")) if path.is_dir() else [path])]
    session = open_session(paths[0] if paths else Path())
    problems = 0
    rows: list[dict[str, str | None]] = []
    for path in paths:
        try:
            loaded = load_suite(session, path)
        except EvalkitError as error:
            problems += 1
            rows.append({"suite": str(path), "error": str(error)})
            if not as_json:
                typer.echo(render_error(error), err=True)
            continue
        rows.append({"suite": str(path), "error": None})
        if not as_json:
            typer.echo(
                f"{path}: {len(loaded.items)} items, {len(loaded.candidates)} candidates, {len(loaded.graders)} graders"
            )
    if as_json:
        typer.echo(json.dumps({"format": 1, "suites": rows}))
    raise typer.Exit(2 if problems else (0 if paths else 5))
