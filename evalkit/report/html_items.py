"""Rows as the page shows them: JSON-able data, every text already visible, for template and script alike."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypedDict
from urllib.parse import quote

from evalkit.base.model import JsonValue
from evalkit.report.figures import usd
from evalkit.report.rows import Change, ReportRow, RowScore, change_of
from evalkit.report.safe_text import one_line, visible

__all__ = ["CHANGE_WORDS", "Chip", "ItemView", "item_view", "ordered", "split_by_size"]

TEXT_LIMIT = 20_000
CHANGE_WORDS: dict[Change, str] = {
    "regressed": "regressed",
    "error": "error",
    "fixed": "fixed",
    "both_fail": "both fail",
    "changed": "text changed",
    "same": "same",
}
"""In the order of the table: what needs a look comes first."""

_ORDER = {change: index for index, change in enumerate(CHANGE_WORDS)}


class Chip(TypedDict):
    """One metric of one item: both values, what became of it, and the grader's reasons."""

    name: str
    baseline: str
    candidate: str
    move: Literal["worse", "better", "same", "none"]
    reason: str
    reason_before: str


class ItemView(TypedDict):
    """One item as shown. ``key`` is the permalink's name: the id, with ``~2`` for the second trial."""

    key: str
    link: str
    id: str
    change: Change
    loss: float
    chips: list[Chip]
    tags: list[str]
    facts: list[str]
    latency: float | None
    cost: float | None
    inputs: list[list[str]]
    expected: str | None
    baseline: str | None
    candidate: str
    failed: str
    failed_before: str
    command: str


def item_view(row: ReportRow, *, suite_path: str | None) -> ItemView:
    """Return one row as the page shows it; texts over 20,000 characters are cut and say so."""
    name = one_line(row.item_id)
    key = name if row.trial == 0 else f"{name}~{row.trial + 1}"
    return {
        "key": key,
        "link": "#item=" + quote(key, safe=""),
        "id": name,
        "change": change_of(row),
        "loss": max((score.loss for score in row.scores.values()), default=0.0),
        "chips": [_chip(metric, score) for metric, score in row.scores.items()],
        "tags": [one_line(tag) for tag in row.tags],
        "facts": _facts(row),
        "latency": row.latency_s,
        "cost": row.cost_usd,
        "inputs": [[one_line(str(name)), _text(value)] for name, value in row.inputs.items()],
        "expected": None if row.expected is None else _text(row.expected),
        "baseline": None if row.baseline_text is None else _text(row.baseline_text),
        "candidate": _text(row.candidate_text),
        "failed": _failed(row.candidate_failure),
        "failed_before": _failed(row.baseline_failure),
        "command": f"evalkit run {shlex.quote(one_line(suite_path)) if suite_path else '…'} -k {shlex.quote(name)}",
    }


def _text(value: JsonValue) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1, default=str)
    shown = visible(text[:TEXT_LIMIT])
    return shown if len(text) <= TEXT_LIMIT else f"{shown}\n… {len(text) - TEXT_LIMIT:,} more characters"


def _failed(failure: Any) -> str:
    if failure is None:
        return ""
    attempts = f"{failure.attempts} attempt{'' if failure.attempts == 1 else 's'}"
    return one_line(f"{failure.code} ({failure.blame}, {attempts}): {failure.message}")[:1000]


def _facts(row: ReportRow) -> list[str]:
    facts = [_pair(row.baseline_latency_s, row.latency_s, lambda value: f"{value:.3g} s")]
    facts.append(_pair(row.baseline_cost_usd, row.cost_usd, usd))
    if row.cluster is not None:
        facts.append(f"cluster {one_line(row.cluster)}")
    return [fact for fact in facts if fact]


def _pair(before: float | None, after: float | None, show: Any) -> str:
    if after is None:
        return ""
    return str(show(after)) if before is None else f"{show(before)} → {show(after)}"


def _chip(metric: str, score: RowScore) -> Chip:
    return {
        "name": one_line(metric),
        "baseline": "" if score.baseline_status is None else _score(score.baseline_value, score.baseline_status),
        "candidate": _score(score.candidate_value, score.candidate_status),
        "move": _move(score),
        "reason": visible(score.candidate_reason or "")[:4000],
        "reason_before": visible(score.baseline_reason or "")[:4000],
    }


def _score(value: float | None, status: str) -> str:
    return status.replace("_", " ") if value is None else f"{value:.4g}"


def _move(score: RowScore) -> Literal["worse", "better", "same", "none"]:
    if score.candidate_value is None or score.baseline_value is None:
        return "none"
    return "worse" if score.loss > 0 else "better" if score.loss < 0 else "same"


def ordered(rows: Iterable[ReportRow], *, suite_path: str | None, failed: frozenset[str]) -> list[ItemView]:
    """Return the rows as views: regressed first, of these the ones worse on ``failed`` metrics, larger losses first."""

    def rank(view: ItemView) -> tuple[int, bool, float, str]:
        to_blame = any(chip["move"] == "worse" and chip["name"] in failed for chip in view["chips"])
        return _ORDER[view["change"]], not to_blame, -view["loss"], view["key"]

    return sorted((item_view(row, suite_path=suite_path) for row in rows), key=rank)


def split_by_size(views: Sequence[ItemView], budget: int) -> int:
    """Return how many of the first views fit into about ``budget`` characters of HTML; at least one."""
    used = 0
    for index, view in enumerate(views):
        used += _size(view)
        if used > budget and index:
            return index
    return len(views)


def _size(view: ItemView) -> int:
    texts = [view["candidate"], view["baseline"] or "", view["expected"] or "", *(text for _, text in view["inputs"])]
    reasons = [chip["reason"] + chip["reason_before"] for chip in view["chips"]]
    return 900 + 160 * len(view["chips"]) + sum(len(text.encode()) for text in (*texts, *reasons))
