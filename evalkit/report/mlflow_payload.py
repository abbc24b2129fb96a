"""What is written to MLflow about a verdict or a run: plain data, made without MLflow and kept in the outbox.

Names and values are fitted to MLflow's limits here, and every text passes the redactor, so that the uploader has
nothing left to decide.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from evalkit.base.hashing import digest, digest_bytes, short
from evalkit.base.model import Frozen, Many
from evalkit.base.redact import Redactor
from evalkit.core.run import RunManifest
from evalkit.core.verdict import Finding, Verdict
from evalkit.report.markdown import render_table
from evalkit.report.rows import MetricSummary
from evalkit.report.safe_text import one_line, visible

__all__ = ["PARAM_LIMIT", "TrackedDataset", "TrackedFile", "TrackedRun", "track_run", "track_verdict"]

PARAM_LIMIT = 6_000
_TAG_LIMIT = 8_000
_NAME_LIMIT = 200
"""MLflow allows 250; the rest is for what is appended."""
_NAME_BAD = re.compile(r"[^\w\-. :/]", re.ASCII)


class TrackedDataset(Frozen):
    """The dataset a run used, as MLflow records inputs."""

    name: str
    digest: str
    source: str
    profile: str


class TrackedFile(Frozen):
    """One artifact: its name in the run, and the copy in the outbox."""

    name: str
    sha256: str


class TrackedRun(Frozen):
    """Everything about one MLflow run. ``key`` is the same whenever the same thing is logged again."""

    format: int = 1
    key: str
    experiment: str
    name: str
    status: str
    start_ms: int
    end_ms: int
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    dataset: TrackedDataset
    files: Many[TrackedFile] = ()


def track_verdict(
    verdict: Verdict, summaries: Sequence[MetricSummary] = (), *, redactor: Redactor | None = None
) -> TrackedRun:
    """Return what is logged about a verdict: the candidate's run, its changes, the verdict as tag and note.

    Args:
        verdict: what was decided.
        summaries: the candidate run's own metrics, for ``<metric>/mean`` with its interval.
        redactor: masks secrets; by default only things shaped like keys.
    """
    comparison = verdict.comparison
    manifest = comparison.candidate
    before = comparison.baseline.id if comparison.baseline else comparison.baseline_label
    run = track_run(manifest, summaries, redactor=redactor)
    metrics = {**run.metrics, **_named(_changes(verdict))}
    mask = redactor or Redactor()
    tags = {
        **run.tags,
        "evalkit.outcome": verdict.outcome,
        "evalkit.verdict": _tag(mask, verdict.summary_line),
        "evalkit.baseline": _tag(mask, before),
        "mlflow.note.content": _note(mask, verdict),
    }
    key = digest(["verdict", manifest.id, before, verdict.policy, [metric.rule_id for metric in comparison.metrics]])
    return run.model_copy(
        update={
            "key": key[:32],
            "metrics": metrics,
            "tags": tags,
            "status": "FAILED" if verdict.outcome == "error" else "FINISHED",
        }
    )


def track_run(
    manifest: RunManifest, summaries: Sequence[MetricSummary] = (), *, redactor: Redactor | None = None
) -> TrackedRun:
    """Return what is logged about a run without a verdict."""
    mask = redactor or Redactor()
    started = _milliseconds(manifest.started_at)
    return TrackedRun(
        key=digest(["run", manifest.id])[:32],
        experiment=f"evalkit/{_name(manifest.suite, _NAME_LIMIT)}",
        name=_tag(mask, manifest.candidate.name)[:200] or "candidate",
        status="FINISHED" if manifest.status == "finished" else "KILLED",
        start_ms=started,
        end_ms=_milliseconds(manifest.finished_at) or started,
        params={name: _param(mask, value) for name, value in _params(manifest) if value is not None},
        metrics=_named(_means(summaries)),
        tags={name: _tag(mask, value) for name, value in _tags(manifest) if value is not None},
        dataset=_dataset(mask, manifest),
    )


def _params(manifest: RunManifest) -> Iterator[tuple[str, str | None]]:
    candidate = manifest.candidate
    yield "model", candidate.model
    yield "candidate", candidate.name
    yield "candidate_digest", candidate.digest
    if candidate.prompt is not None:
        yield "prompt_digest", candidate.prompt.digest
        yield "prompt_source", candidate.prompt.source
        yield "prompt", "\n\n".join(f"[{message.role}]\n{message.content}" for message in candidate.prompt.messages)
    for name in ("temperature", "top_p", "max_output_tokens"):
        value = getattr(candidate, name)
        yield name, None if value is None else f"{value:g}"
    yield "dataset", manifest.dataset.name
    yield "dataset_version", manifest.dataset.version
    yield "dataset_digest", manifest.dataset.digest
    yield "suite", manifest.suite
    yield "suite_digest", manifest.suite_digest
    yield "trials", str(manifest.trials)
    yield "seed", str(manifest.seed)
    yield "git_commit", manifest.git.commit
    yield "git_dirty", None if manifest.git.dirty is None else str(manifest.git.dirty).lower()


def _tags(manifest: RunManifest) -> Iterator[tuple[str, str | None]]:
    yield "evalkit.run", manifest.id
    yield "evalkit.suite", manifest.suite
    yield "mlflow.source.name", "evalkit"
    yield "mlflow.source.type", "LOCAL"
    yield "mlflow.source.git.commit", manifest.git.commit
    yield "mlflow.source.git.branch", manifest.git.branch
    yield "evalkit.restricted", manifest.restricted


def _means(summaries: Iterable[MetricSummary]) -> Iterator[tuple[str, float | None]]:
    for summary in summaries:
        name = _name(summary.info.name, _NAME_LIMIT)
        yield f"{name}/mean", summary.mean
        yield f"{name}/ci_low", summary.low
        yield f"{name}/ci_high", summary.high
        yield f"{name}/n", float(summary.n)
        yield f"{name}/not_scored", float(summary.n_planned - summary.n)


def _changes(verdict: Verdict) -> Iterator[tuple[str, float | None]]:
    pairing = verdict.comparison.pairing
    yield "error_rate", pairing.candidate_error_rate
    yield "baseline_error_rate", pairing.baseline_error_rate
    yield "n_paired", float(pairing.n_paired)
    seen: set[str] = set()
    for finding in verdict.findings:
        metric = finding.rule.metric if finding.rule.metric not in seen else finding.rule.id.replace(":", ".")
        seen.add(metric)
        yield from _change(_name(metric, _NAME_LIMIT), finding)
    for comparison in verdict.comparison.metrics:
        if comparison.rule_id is None and comparison.scale != "absolute":
            name = _name(comparison.info.name, _NAME_LIMIT)
            yield f"delta/{name}", comparison.effect
            yield f"delta/{name}/low", comparison.low
            yield f"delta/{name}/high", comparison.high


def _change(metric: str, finding: Finding) -> Iterator[tuple[str, float | None]]:
    comparison = finding.comparison
    kind = "figure" if comparison.scale == "absolute" else "delta"
    yield f"{kind}/{metric}", comparison.candidate if kind == "figure" else comparison.effect
    yield f"{kind}/{metric}/low", comparison.low
    yield f"{kind}/{metric}/high", comparison.high
    yield f"{kind}/{metric}/p_pass", comparison.p_pass
    yield f"{kind}/{metric}/p_fail", comparison.p_fail
    yield f"{kind}/{metric}/p_fail_adjusted", comparison.p_fail_adjusted
    yield f"{kind}/{metric}/n_pairs", float(comparison.n_pairs)
    yield f"{kind}/{metric}/detectable_effect", comparison.detectable_effect


def _named(pairs: Iterable[tuple[str, float | None]]) -> dict[str, float]:
    """Return the finite ones; what is not known is not logged."""
    return {name: value for name, value in pairs if value is not None and math.isfinite(value)}


def _name(text: str, limit: int) -> str:
    """Return ``text`` as a name of letters, digits and ``_-. :/``; a changed one carries a piece of its digest."""
    plain = _NAME_BAD.sub("_", text)
    plain = re.sub(r"/+", "/", re.sub(r"\.{2,}", "_", plain)).strip("/. ") or "_"
    plain = re.sub(r"/(?:\.(?=/|$))", "/_", plain)
    if plain == text and len(plain) <= limit:
        return plain
    return f"{plain[: limit - 9]}_{digest_bytes(text.encode('utf-8', 'backslashreplace'))[:8]}"


def _param(mask: Redactor, text: str) -> str:
    """Return a value of at most 6,000 characters; a longer one is cut and carries its digest."""
    value = visible(mask.text(text))
    if len(value) <= PARAM_LIMIT:
        return value
    mark = f"… sha256:{digest_bytes(value.encode())}"
    return value[: PARAM_LIMIT - len(mark)] + mark


def _tag(mask: Redactor, text: str) -> str:
    return one_line(mask.text(text))[:_TAG_LIMIT]


def _note(mask: Redactor, verdict: Verdict) -> str:
    """Return the verdict's table, whole lines of it up to the limit of a tag."""
    note = mask.text(render_table(verdict))
    return note if len(note) <= _TAG_LIMIT else note[:_TAG_LIMIT].rsplit("\n", 1)[0][:_TAG_LIMIT]


def _milliseconds(text: str | None) -> int:
    if not text:
        return 0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _dataset(mask: Redactor, manifest: RunManifest) -> TrackedDataset:
    info = manifest.dataset
    version = f"@{info.version}" if info.version else ""
    return TrackedDataset(
        name=_tag(mask, info.name + version)[:500] or "dataset",
        digest=short(info.digest),
        source=_tag(mask, info.source or info.name),
        profile=f'{{"num_rows": {info.n_items}}}',
    )
