"""What a run would take and what it could find out, as text, before the first call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evalkit.report.figures import count_text, percent, usd
from evalkit.report.safe_text import cut, display_width, terminal_text, wrap
from evalkit.report.terminal import WIDTH, finish

__all__ = ["PlanView", "PlannedCalls", "PlannedChance", "PlannedMetric", "render_plan"]

_LABEL = 17


@dataclass(frozen=True, slots=True)
class PlannedCalls:
    """One line of calls.

    Attributes:
        label: who is called: ``current → next``, or a judge's name.
        n_calls: how many calls.
        cost_usd: what they cost at most, None where a price is unknown.
        how: how the number comes about: ``400 items × 1 trial × 2 candidates``; empty where it is plain.
    """

    label: str
    n_calls: int
    cost_usd: float | None
    how: str = ""


@dataclass(frozen=True, slots=True)
class PlannedChance:
    """What one requirement means for a candidate equal to the baseline.

    Attributes:
        need: the requirement: ``margin 0.05``.
        passes_unchanged: probability that an unchanged candidate passes, None where it is not known before a run.
        needed_n: items for the planned power, None where this many suffice or it is unknown.
    """

    need: str
    passes_unchanged: float | None
    needed_n: int | None = None


@dataclass(frozen=True, slots=True)
class PlannedMetric:
    """What one metric could show.

    Attributes:
        metric: its name.
        discordance: expected share of items that differ between two equal candidates, or None.
        basis: where that is from: ``pilot of 50``, ``no pilot: assumed``.
        detectable_effect: smallest drop found with the planned power, in the metric's unit, or None.
        in_points: whether the metric lies in [0, 1], so that effects are said in points.
        chances: one for each requirement looked at.
        reason: why nothing could be computed, or None.
    """

    metric: str
    discordance: float | None = None
    basis: str = ""
    detectable_effect: float | None = None
    in_points: bool = True
    chances: tuple[PlannedChance, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class PlanView:
    """Everything ``plan`` prints.

    Attributes:
        suite: the suite's name.
        calls: the candidates' line first, then one a judge.
        max_cost_usd: the budget, None where there is none.
        power: the planned power.
        metrics: one for each metric with a rule.
        n_stored: calls that are answered already and will not be repeated.
        defaults: sentences about what was filled in.
        warnings: sentences.
    """

    suite: str
    calls: tuple[PlannedCalls, ...]
    max_cost_usd: float | None = None
    power: float = 0.8
    metrics: tuple[PlannedMetric, ...] = ()
    n_stored: int = 0
    defaults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def render_plan(plan: PlanView, *, width: int = WIDTH) -> str:
    """Return the plan as text of at most ``width`` columns: calls and cost, what can be detected, what was assumed."""
    lines = wrap(terminal_text(plan.suite), width)
    for calls in plan.calls:
        lines += _calls(calls, width)
    lines.append(_total(plan))
    if plan.n_stored:
        lines += wrap(f"{count_text(plan.n_stored, 'call')} answered already: not repeated", width)
    for metric in plan.metrics:
        lines += _metric(metric, plan.power, width)
    lines += [line for text in plan.warnings for line in wrap(f"warning: {terminal_text(text)}", width)]
    lines += [line for text in plan.defaults for line in wrap(f"default: {terminal_text(text)}", width)]
    return finish(lines)


def _calls(calls: PlannedCalls, width: int) -> list[str]:
    number = count_text(calls.n_calls, "call")
    counted = f"{terminal_text(calls.how)} = {number}" if calls.how else number
    line = f"{_label(calls.label)}{counted}  {usd(calls.cost_usd)}"
    return wrap(line, width) if display_width(line) > width else [line]


def _label(text: str) -> str:
    label = cut(terminal_text(text), _LABEL - 2)
    return label + " " * (_LABEL - display_width(label))


def _total(plan: PlanView) -> str:
    costs = [calls.cost_usd for calls in plan.calls]
    known = sum(cost for cost in costs if cost is not None)
    total = usd(known) if None not in costs else f"{usd(known)} and what has no known price"
    budget = f" of {usd(plan.max_cost_usd)}" if plan.max_cost_usd is not None else ""
    n_calls = sum(calls.n_calls for calls in plan.calls)
    return f"{_label('total')}{count_text(n_calls, 'call')}  {total}{budget}"


def _metric(metric: PlannedMetric, power: float, width: int) -> list[str]:
    name = terminal_text(metric.metric)
    if metric.reason is not None:
        return wrap(f"{name}: {terminal_text(metric.reason)}", width)
    parts = list(_expected(metric, power)) or ["nothing is known before a run"]
    parts[0] = f"{name}: {parts[0]}"
    chances = [_chance(chance, power) for chance in metric.chances]
    return _joined(parts, width) + [f"  {line.lstrip()}" for line in _joined(chances, width)]


def _expected(metric: PlannedMetric, power: float) -> Iterator[str]:
    if metric.discordance is not None:
        basis = f" ({terminal_text(metric.basis)})" if metric.basis else ""
        yield f"discordance {percent(metric.discordance)}{basis}"
    if metric.detectable_effect is not None:
        size = f"{100 * metric.detectable_effect:.1f} points" if metric.in_points else f"{metric.detectable_effect:.3g}"
        yield f"detects a drop of {size} (power {power:g})"


def _chance(chance: PlannedChance, power: float) -> str:
    need = terminal_text(chance.need)
    text = f"{need}: unchanged passes {percent(chance.passes_unchanged)}"
    return f"{text}, {percent(power)} needs {chance.needed_n:,} items" if chance.needed_n is not None else text


def _joined(parts: Sequence[str], width: int) -> list[str]:
    """Return ``parts`` side by side where they fit, else one a line."""
    lines: list[str] = []
    for part in parts:
        if lines and display_width(f"{lines[-1]}   {part}") <= width:
            lines[-1] += f"   {part}"
        else:
            indent = "  " if lines else ""
            lines += [indent + line for line in wrap(part, width - 2)]
    return lines
