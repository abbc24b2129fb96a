"""Verdicts as one versioned JSON object, rows as JSON lines and CSV.

JSON carries texts exactly as they came. CSV is made for spreadsheets: no cell begins a formula, and control characters
are shown as codes.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from evalkit.base.files import atomic_write
from evalkit.core.output import Failure
from evalkit.core.run import RunManifest
from evalkit.core.verdict import Finding, MetricComparison, PairingAccount, SliceComparison, Verdict
from evalkit.report.rows import ReportRow, RowScore, change_of
from evalkit.report.safe_text import spreadsheet_cell

__all__ = ["FORMAT", "row_json", "verdict_json", "verdict_json_text", "write_rows_csv", "write_rows_jsonl"]

FORMAT = 1
"""The version of the verdict and row objects; it rises when a field changes its meaning or goes."""

_COMPARISON_FIELDS = tuple(
    name for name in MetricComparison.model_fields if name not in {"info", "rule_id", "regressed", "fixed"}
)


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict as JSON-able data of format 1; the reference lists every field."""
    comparison = verdict.comparison
    return {
        "format": FORMAT,
        "kind": "evalkit.verdict",
        "suite": verdict.suite,
        "outcome": verdict.outcome,
        "exit_code": int(verdict.exit_code),
        "summary": verdict.summary_line,
        "inconclusive_kind": verdict.inconclusive_kind,
        "restricted": verdict.restricted,
        "probability_unchanged_passes": _finite(verdict.probability_unchanged_passes),
        "next_steps": list(verdict.next_steps),
        "rules": [_finding(finding) for finding in verdict.findings],
        "measured": [_comparison(metric) for metric in comparison.metrics if metric.rule_id is None],
        "slices": [_slice(part) for part in comparison.slices],
        "pairing": _pairing(comparison.pairing),
        "differences": list(comparison.differences),
        "warnings": list(comparison.warnings),
        "candidate": _manifest(comparison.candidate),
        "baseline": _manifest(comparison.baseline) if comparison.baseline else None,
        "baseline_label": comparison.baseline_label,
        "policy": verdict.policy.model_dump(mode="json", exclude={"rules"}),
    }


def verdict_json_text(verdict: Verdict) -> str:
    """Return :func:`verdict_json` as indented text ending in a line feed."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(_encodable(verdict_json(verdict)), option=options).decode()


def _finding(finding: Finding) -> dict[str, Any]:
    rule = finding.rule
    return {
        "id": rule.id,
        "rule": rule.rule,
        "margin": rule.margin,
        "max_ratio": rule.max_ratio,
        "bound": rule.bound,
        "where": rule.where,
        "decides": finding.decides,
        "outcome": finding.outcome,
        "grade": finding.grade,
        "need": finding.need,
        "message": finding.reason,
        **_comparison(finding.comparison),
        "metric": rule.metric,
    }


def _comparison(comparison: MetricComparison) -> dict[str, Any]:
    info = comparison.info
    return {
        "metric": info.name,
        "metric_kind": info.kind,
        "better": info.better,
        "grader": info.grader,
        **{name: _finite(getattr(comparison, name)) for name in _COMPARISON_FIELDS},
        "regressed": [flip.model_dump() for flip in comparison.regressed],
        "fixed": [flip.model_dump() for flip in comparison.fixed],
    }


def _slice(part: SliceComparison) -> dict[str, Any]:
    return {name: _finite(value) for name, value in part.model_dump(mode="json").items()}


def _pairing(pairing: PairingAccount) -> dict[str, Any]:
    return pairing.model_dump(mode="json")


def _manifest(manifest: RunManifest) -> dict[str, Any]:
    candidate = manifest.candidate
    return {
        "run": manifest.id,
        "name": candidate.name,
        "model": candidate.model,
        "candidate_digest": candidate.digest,
        "prompt_digest": candidate.prompt.digest if candidate.prompt else None,
        "prompt_source": candidate.prompt.source if candidate.prompt else None,
        "suite_digest": manifest.suite_digest,
        "dataset": manifest.dataset.name,
        "dataset_version": manifest.dataset.version,
        "dataset_digest": manifest.dataset.digest,
        "draw": manifest.draw,
        "seed": manifest.seed,
        "trials": manifest.trials,
        "limit": manifest.limit,
        "status": manifest.status,
        "started_at": manifest.started_at,
        "finished_at": manifest.finished_at,
        "accepted_at": manifest.accepted_at,
        "git_commit": manifest.git.commit,
        "git_dirty": manifest.git.dirty,
    }


def _finite(value: Any) -> Any:
    """Return ``value``, or None for a number that JSON has no word for."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def row_json(row: ReportRow) -> dict[str, Any]:
    """Return one row as JSON-able data of format 1, texts as they came."""
    return {
        "format": FORMAT,
        "item_id": row.item_id,
        "trial": row.trial,
        "change": change_of(row),
        "cluster": row.cluster,
        "tags": list(row.tags),
        "inputs": row.inputs,
        "expected": row.expected,
        "baseline": row.baseline_text,
        "candidate": row.candidate_text,
        "baseline_failure": _failure(row.baseline_failure),
        "candidate_failure": _failure(row.candidate_failure),
        "scores": {metric: _score(score) for metric, score in row.scores.items()},
        "latency_s": _finite(row.latency_s),
        "baseline_latency_s": _finite(row.baseline_latency_s),
        "cost_usd": _finite(row.cost_usd),
        "baseline_cost_usd": _finite(row.baseline_cost_usd),
        "metadata": row.metadata,
    }


def _failure(failure: Failure | None) -> dict[str, Any] | None:
    return failure.model_dump(mode="json") if failure else None


def _score(score: RowScore) -> dict[str, Any]:
    return {
        "baseline": _finite(score.baseline_value),
        "baseline_status": score.baseline_status,
        "baseline_reason": score.baseline_reason,
        "candidate": _finite(score.candidate_value),
        "candidate_status": score.candidate_status,
        "candidate_reason": score.candidate_reason,
    }


def _encodable(value: Any) -> Any:
    """Return ``value`` with lone surrogates, which UTF-8 has no bytes for, as their codes."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encodable(inner) for inner in value]
    return value


def write_rows_jsonl(path: Path, rows: Iterable[ReportRow]) -> int:
    """Write one JSON object a line and return how many; an existing file is replaced as a whole."""
    count = 0
    with atomic_write(path) as file:
        for row in rows:
            file.write(orjson.dumps(_encodable(row_json(row)), option=orjson.OPT_APPEND_NEWLINE))
            count += 1
    return count


def write_rows_csv(path: Path, rows: Iterable[ReportRow], *, metrics: Sequence[str]) -> int:
    """Write a table for spreadsheets, with the scores of ``metrics``, and return how many rows it has.

    UTF-8 with a byte order mark and every cell quoted, which is what spreadsheets read without questions.
    """
    count = 0
    with atomic_write(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="", write_through=True)
        writer = csv.writer(text, quoting=csv.QUOTE_ALL)
        writer.writerow([_cell(name) for name in _columns(metrics)])
        for row in rows:
            writer.writerow([_cell(value) for value in _values(row, metrics)])
            count += 1
        text.detach()
    return count


def _columns(metrics: Sequence[str]) -> list[str]:
    fixed = ["item_id", "trial", "change", "cluster", "tags", "expected", "baseline", "candidate", "failure"]
    scores = [f"{metric}.{part}" for metric in metrics for part in ("baseline", "candidate", "status", "reason")]
    return [*fixed, *scores, "latency_s", "cost_usd"]


def _values(row: ReportRow, metrics: Sequence[str]) -> list[Any]:
    failure = row.candidate_failure
    cells: list[Any] = [row.item_id, row.trial, change_of(row), row.cluster, " ".join(row.tags), row.expected]
    cells += [row.baseline_text, row.candidate_text, f"{failure.code}: {failure.message}" if failure else None]
    for metric in metrics:
        score = row.scores.get(metric)
        if score is None:
            cells += [None] * 4
        else:
            cells += [score.baseline_value, score.candidate_value, score.candidate_status, score.candidate_reason]
    return [*cells, row.latency_s, row.cost_usd]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return spreadsheet_cell(value)
    if isinstance(value, (int, float)):
        return repr(value)
    return spreadsheet_cell(orjson.dumps(_encodable(value), option=orjson.OPT_NON_STR_KEYS).decode())
