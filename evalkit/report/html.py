"""One self-contained page a verdict: no outside request, nothing of it executed but our own script.

Model output is text in it: the templates escape, the script sets text only, and the Content-Security-Policy allows one
script and one style sheet by their hashes. The items that need a look are in the page itself, readable without the
script; what goes beyond a budget of size lies compressed beside them.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

from evalkit.base.files import atomic_write
from evalkit.base.hashing import short
from evalkit.core.run import RunManifest
from evalkit.core.score import MetricInfo
from evalkit.core.verdict import Comparison, Finding, SliceComparison
from evalkit.report.figures import (
    arm_figure,
    change_text,
    confidence_text,
    detects_text,
    figure,
    interval_text,
    outcome_word,
    p_value,
)
from evalkit.report.html_items import CHANGE_WORDS, ItemView, ordered, split_by_size
from evalkit.report.interval_bar import BAR_WIDTH, Bar, axis_bars, rule_bar
from evalkit.report.rows import SuiteReport
from evalkit.report.safe_text import one_line, visible
from evalkit.report.statements import headline, paired_phrase, statements

__all__ = ["render_html", "write_html"]

_STATIC_BUDGET = 1_300_000
"""Characters of items that stand in the page as HTML; the others are compressed data."""


def write_html(path: Path, report: SuiteReport) -> None:
    """Write the page of one verdict; an existing one is replaced as a whole."""
    text = render_html(report)
    with atomic_write(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def render_html(report: SuiteReport, *, static_budget: int = _STATIC_BUDGET) -> str:
    """Return the page of one verdict and its rows.

    Args:
        report: the verdict, the rows, the suite's path for commands.
        static_budget: characters of items that are readable without the script.
    """
    verdict = report.verdict
    failed = frozenset(one_line(found.comparison.info.name) for found in verdict.findings if found.outcome == "fail")
    views = ordered(report.rows, suite_path=report.suite_path, failed=failed)
    n_static = split_by_size(views, static_budget)
    style, script = _asset("report.css"), _asset("report.js")
    return str(
        _template().render(
            verdict=verdict,
            headline=headline(verdict),
            said=[(statement.kind, statement.text) for statement in statements(verdict)],
            paired=paired_phrase(verdict.comparison.pairing),
            rules=[_rule(finding) for finding in verdict.findings],
            measured=[_measured(metric) for metric in verdict.comparison.metrics if metric.rule_id is None],
            confidence=confidence_text(verdict.findings[0].comparison.confidence) if verdict.findings else "90%",
            slices=list(_slices(verdict.comparison)),
            items=views[:n_static],
            n_items=len(views),
            counts=_counts(views),
            words=CHANGE_WORDS,
            metrics=_metrics(views),
            tags=_tags(views),
            conditions=_conditions(verdict.comparison),
            prompts=_prompts(verdict.comparison),
            has_outputs=any(view["baseline"] is not None for view in views),
            bar_width=BAR_WIDTH,
            index=_json([_light(view) for view in views[:n_static]]),
            more=_json(_packed(views[n_static:])),
            style=_markup(style),
            script=_markup(script),
            csp=_policy(style, script),
        )
    )


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["visible"] = lambda value: visible(str(value))
    environment.filters["line"] = lambda value: one_line(str(value))
    return environment.from_string(_asset("report.html.j2"))


@cache
def _asset(name: str) -> str:
    return (files("evalkit.report") / "templates" / name).read_text(encoding="utf-8")


def _markup(text: str) -> Any:
    """Mark our own file as safe to stand in the page as it is."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704 - our own style sheet, script, or JSON without "<"


def _policy(style: str, script: str) -> str:
    def source(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    return (
        f"default-src 'none'; script-src 'sha256-{source(script)}'; style-src 'sha256-{source(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _json(value: Any) -> Any:
    """Return JSON that cannot end its script element, whatever the texts hold."""
    text = orjson.dumps(value).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return _markup(text)


def _light(view: ItemView) -> dict[str, Any]:
    """Return what filters and sorting need of an item that is in the page already."""
    return {
        "key": view["key"],
        "change": view["change"],
        "loss": view["loss"],
        "latency": view["latency"],
        "cost": view["cost"],
        "tags": view["tags"],
        "worse": [chip["name"] for chip in view["chips"] if chip["move"] == "worse"],
        "metrics": [chip["name"] for chip in view["chips"]],
    }


def _packed(views: Sequence[ItemView]) -> str:
    if not views:
        return ""
    return base64.b64encode(gzip.compress(orjson.dumps(list(views)), mtime=0)).decode()


@dataclass(frozen=True, slots=True)
class _RuleView:
    """One line of the rules' table."""

    name: str
    kind: str
    baseline: str
    candidate: str
    change: str
    interval: str
    bar: Bar | None
    need: str
    p: str
    detects: str
    outcome: str
    word: str
    reason: str
    facts: list[tuple[str, str]]


def _rule(finding: Finding) -> _RuleView:
    comparison = finding.comparison
    return _RuleView(
        name=finding.rule.metric,
        kind=finding.rule.rule.replace("_", " "),
        baseline=arm_figure(comparison, comparison.baseline),
        candidate=arm_figure(comparison, comparison.candidate),
        change=change_text(comparison),
        interval=interval_text(comparison),
        bar=rule_bar(finding.rule, comparison),
        need=finding.need,
        p=p_value(comparison.p_fail if comparison.p_fail_adjusted is None else comparison.p_fail_adjusted),
        detects=detects_text(comparison),
        outcome=finding.outcome,
        word=outcome_word(finding),
        reason=finding.reason,
        facts=[(name, value) for name, value in _facts(finding) if value],
    )


def _facts(finding: Finding) -> Iterator[tuple[str, str]]:
    comparison = finding.comparison
    yield "pairs", f"{comparison.n_pairs:,}"
    yield "clusters", "" if comparison.n_clusters is None else f"{comparison.n_clusters:,}"
    yield "worse / better", f"{comparison.n_worse:,} / {comparison.n_better:,}"
    yield "p to pass", "" if comparison.p_pass is None else p_value(comparison.p_pass)
    yield "p to fail, unadjusted", "" if comparison.p_fail is None else p_value(comparison.p_fail)
    if comparison.other_target is not None:
        yield "judged for", f"{comparison.target} clusters"
        yield f"p to pass for {comparison.other_target} clusters", p_value(comparison.p_pass_other_target)
        yield f"p to fail for {comparison.other_target} clusters", p_value(comparison.p_fail_other_target)
    yield "discordance", "" if comparison.discordance is None else f"{comparison.discordance:.3f}"
    yield "items needed", "" if comparison.needed_n is None else f"{comparison.needed_n:,}"
    yield "method", comparison.method
    yield "why", comparison.why
    yield "not computed", comparison.reason or ""
    yield "where", finding.rule.where or ""


def _measured(metric: Any) -> tuple[str, str, str, str]:
    change = f"{change_text(metric)} {interval_text(metric)}".rstrip()
    return metric.info.name, arm_figure(metric, metric.baseline), arm_figure(metric, metric.candidate), change


def _slices(comparison: Comparison) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield each metric with its slices on one axis, the worst first."""
    infos = {metric.info.name: metric.info for metric in comparison.metrics}
    for name in dict.fromkeys(part.metric for part in comparison.slices):
        parts = sorted((part for part in comparison.slices if part.metric == name), key=_p_of)
        bars = axis_bars([(part.low, part.effect, part.high) for part in parts])
        info = infos.get(name) or MetricInfo(name=name, kind="bounded")
        yield (
            name,
            [
                {
                    "slice": part.slice,
                    "n": part.n_pairs,
                    "change": figure(part.effect, info, signed=True),
                    "interval": f"[{figure(part.low, info, signed=True)}, {figure(part.high, info, signed=True)}]",
                    "p": p_value(part.p_fail_adjusted),
                    "flagged": part.flagged,
                    "bar": bar,
                }
                for part, bar in zip(parts, bars, strict=True)
            ],
        )


def _p_of(part: SliceComparison) -> float:
    return part.p_fail


def _counts(views: Sequence[ItemView]) -> dict[str, int]:
    counts = dict.fromkeys(CHANGE_WORDS, 0)
    for view in views:
        counts[view["change"]] += 1
    return {str(change): count for change, count in counts.items()}


def _metrics(views: Sequence[ItemView]) -> list[str]:
    return list(dict.fromkeys(chip["name"] for view in views for chip in view["chips"]))


def _tags(views: Sequence[ItemView]) -> list[str]:
    return sorted({tag for view in views for tag in view["tags"]})


def _conditions(comparison: Comparison) -> list[tuple[str, str, str]]:
    """Return name, candidate's and baseline's value of everything that could matter."""
    after = dict(_of_run(comparison.candidate))
    before = dict(_of_run(comparison.baseline)) if comparison.baseline else {}
    return [(name, after.get(name, ""), before.get(name, "")) for name in dict.fromkeys([*after, *before])]


def _of_run(manifest: RunManifest) -> Iterator[tuple[str, str]]:
    candidate, dataset = manifest.candidate, manifest.dataset
    yield "candidate", candidate.name
    yield "model", candidate.model
    yield "candidate digest", short(candidate.digest)
    if candidate.prompt is not None:
        yield "prompt", f"{short(candidate.prompt.digest)} {candidate.prompt.source or ''}".strip()
    for name in ("temperature", "top_p", "max_output_tokens"):
        value = getattr(candidate, name)
        if value is not None:
            yield name, f"{value:g}"
    yield "dataset", f"{dataset.name} {dataset.version or ''}".strip()
    yield "dataset digest", short(dataset.digest)
    yield "suite digest", short(manifest.suite_digest)
    yield from ((f"grader {name}", str(grader)) for name, grader in manifest.graders.items())
    yield "run", manifest.id
    yield "draw", manifest.draw
    yield "items × trials", f"{dataset.n_items:,} × {manifest.trials}"
    yield "seed", str(manifest.seed)
    yield "started", manifest.started_at
    yield "finished", manifest.finished_at or manifest.status
    if manifest.git.commit:
        yield "git commit", manifest.git.commit[:12] + (" with uncommitted changes" if manifest.git.dirty else "")
    yield from ((str(name), str(value)) for name, value in manifest.versions.items())
    yield from ((str(name), str(value)) for name, value in manifest.conditions.items())


def _prompts(comparison: Comparison) -> tuple[str | None, str]:
    """Return the baseline's and the candidate's prompt as text; the first is None where both are the same."""
    after = _prompt_text(comparison.candidate)
    before = _prompt_text(comparison.baseline) if comparison.baseline else None
    return (None if before == after else before), after


def _prompt_text(manifest: RunManifest) -> str:
    prompt = manifest.candidate.prompt
    return "" if prompt is None else "\n\n".join(f"[{message.role}]\n{message.content}" for message in prompt.messages)
