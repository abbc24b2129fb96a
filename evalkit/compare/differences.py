"""Every part of two runs' definitions that differs, in words."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from evalkit.base.hashing import short
from evalkit.core.candidate import Candidate, Prompt
from evalkit.core.item import DatasetInfo
from evalkit.core.run import RunManifest

__all__ = ["OLD_AFTER_DAYS", "age_warning", "definition_differences"]

OLD_AFTER_DAYS = 30
"""A baseline older than this is said to be old."""
_PARAMETERS = (
    "model",
    "temperature",
    "top_p",
    "max_output_tokens",
    "stop",
    "tools",
    "tool_choice",
    "response_schema",
    "timeout_s",
)
_LONGEST = 60


def definition_differences(candidate: RunManifest, baseline: RunManifest) -> tuple[str, ...]:
    """Return one phrase for each part that differs, ``old → new``; empty where nothing does."""
    return (
        *_dataset(candidate.dataset, baseline.dataset),
        *_candidate(candidate.candidate, baseline.candidate),
        *_mapping("grader", candidate.graders, baseline.graders),
        *_plain("trials", candidate.trials, baseline.trials),
        *_plain("seed", candidate.seed, baseline.seed),
        *_plain("limit", candidate.limit, baseline.limit),
        *_mapping("condition", candidate.conditions, baseline.conditions),
        *_mapping("version of", candidate.versions, baseline.versions),
    )


def _dataset(new: DatasetInfo, old: DatasetInfo) -> Iterator[str]:
    yield from _plain("dataset", new.name, old.name)
    yield from _plain("dataset version", new.version, old.version)
    if new.digest != old.digest:
        yield f"dataset content: {short(old.digest)} → {short(new.digest)} ({old.n_items} → {new.n_items} items)"
    yield from _plain("dataset clusters", new.cluster_meaning, old.cluster_meaning)


def _candidate(new: Candidate, old: Candidate) -> Iterator[str]:
    yield from _prompt(new.prompt, old.prompt)
    for name in _PARAMETERS:
        yield from _plain(name, getattr(new, name), getattr(old, name))
    yield from _mapping("parameter", new.extra, old.extra)
    yield from _mapping("model identity", new.model_identity, old.model_identity)


def _prompt(new: Prompt | None, old: Prompt | None) -> Iterator[str]:
    if new is None or old is None:
        if new is not old:
            yield f"prompt: {'none' if old is None else _named(old)} → {'none' if new is None else _named(new)}"
        return
    if new.digest == old.digest:
        return
    lines = list(difflib.unified_diff(_lines(old), _lines(new), n=0, lineterm=""))[2:]
    added = sum(line.startswith("+") for line in lines)
    removed = sum(line.startswith("-") for line in lines)
    yield f"prompt: {_named(old)} → {_named(new)} ({removed} lines out, {added} in)"


def _lines(prompt: Prompt) -> list[str]:
    return [line for message in prompt.messages for line in (f"[{message.role}]", *message.content.splitlines())]


def _named(prompt: Prompt) -> str:
    return f"{prompt.source or 'prompt'}@{short(prompt.digest)}"


def _plain(name: str, new: object, old: object) -> Iterator[str]:
    if new != old:
        yield f"{name}: {_shown(old)} → {_shown(new)}"


def _mapping(name: str, new: Mapping[str, Any], old: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted({*new, *old}):
        yield from _plain(f"{name} {key}", new.get(key), old.get(key))


def _shown(value: object) -> str:
    if value is None or value == ():
        return "none"
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def age_warning(candidate: RunManifest, baseline: RunManifest) -> str | None:
    """Return a sentence about a baseline that is more than 30 days older than the run, or None."""
    try:
        made = datetime.fromisoformat(baseline.started_at)
        days = (datetime.fromisoformat(candidate.started_at) - made).days
    except (ValueError, TypeError):
        return None
    if days <= OLD_AFTER_DAYS:
        return None
    return f"the baseline is {days} days old: models behind an API change; accept a fresh one"
