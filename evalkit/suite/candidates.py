"""Entries of ``candidates:`` to candidates: prompts and schemas read, names filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.base.errors import UsageError
from evalkit.base.model import JsonObject
from evalkit.base.serial import Problems, read_json, read_yaml
from evalkit.core.candidate import Candidate
from evalkit.llm.config import config_for
from evalkit.suite.files import CandidateFile
from evalkit.suite.paths import find_file
from evalkit.suite.ports import SuiteSettings
from evalkit.suite.prompts import LoadedPrompt, load_prompt

__all__ = ["LoadedCandidate", "build_candidates"]

_RESERVED = "stored"


@dataclass(frozen=True, slots=True)
class LoadedCandidate:
    """A candidate and the compiled prompt it came with."""

    candidate: Candidate
    prompt: LoadedPrompt | None


def build_candidates(
    entries: Sequence[CandidateFile],
    problems: Problems,
    *,
    base: Path,
    settings: SuiteSettings,
    defaults: list[str],
) -> list[LoadedCandidate]:
    """Return a candidate for each entry that can be read; what is wrong goes to ``problems``.

    ``model_identity`` stays empty: it needs the environment, and is set when the model is opened.

    Args:
        entries: as written.
        problems: of the suite file.
        base: the suite's folder.
        settings: the project's folder and its models.
        defaults: takes a sentence for each name that was filled in.
    """
    names = _names(entries, problems, defaults)
    loaded = []
    for index, (entry, name) in enumerate(zip(entries, names, strict=True)):
        before = len(problems.found)
        prompt = _prompt(entry, index, problems, base=base, settings=settings)
        _check_provider(entry, index, problems, settings)
        schema = _schema(entry, index, problems, base=base, root=settings.root)
        if len(problems.found) > before:
            continue
        fields: dict[str, Any] = entry.model_dump(exclude={"name", "prompt", "response_schema"})
        candidate = Candidate(
            **fields,
            name=name,
            prompt=prompt.prompt if prompt else None,
            response_schema=schema,
        )
        loaded.append(LoadedCandidate(candidate, prompt))
    return loaded


def _names(entries: Sequence[CandidateFile], problems: Problems, defaults: list[str]) -> list[str]:
    taken: dict[str, int] = {}
    for index, entry in enumerate(entries):
        if entry.name is None:
            continue
        loc = ("candidates", index, "name")
        if entry.name in taken:
            problems.add(loc, f"{entry.name!r} is the name of candidates[{taken[entry.name]}] already")
        if entry.name == _RESERVED:
            problems.add(loc, "'stored' stands for the stored baseline", hint="choose another name")
        taken.setdefault(entry.name, index)
    names = []
    for entry in entries:
        if entry.name is not None:
            names.append(entry.name)
            continue
        stem, origin = _stem(entry)
        name, number = stem, 2
        while name in taken or name == _RESERVED:
            name, number = f"{stem}-{number}", number + 1
        taken[name] = len(names)
        names.append(name)
        defaults.append(f"candidate {name!r} is named after its {origin}")
    return names


def _stem(entry: CandidateFile) -> tuple[str, str]:
    if entry.prompt is None:
        return _word(entry.model.rsplit("/", 1)[-1]), "model"
    return _word(entry.prompt.rsplit(":", 1)[-1].rsplit("/", 1)[-1].split(".")[0]), "prompt"


def _word(text: str) -> str:
    word = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "-" for char in text).strip("._-")
    return word or "candidate"


def _prompt(
    entry: CandidateFile, index: int, problems: Problems, *, base: Path, settings: SuiteSettings
) -> LoadedPrompt | None:
    if entry.prompt is None:
        return None
    try:
        return load_prompt(entry.prompt, base=base, root=settings.root)
    except UsageError as error:
        problems.add_error(("candidates", index, "prompt"), error)
        return None


def _check_provider(entry: CandidateFile, index: int, problems: Problems, settings: SuiteSettings) -> None:
    try:
        config_for(entry.model, settings.models)
    except UsageError as error:
        problems.add_error(("candidates", index, "model"), error)


def _schema(entry: CandidateFile, index: int, problems: Problems, *, base: Path, root: Path) -> JsonObject | None:
    if not isinstance(entry.response_schema, str):
        return entry.response_schema
    loc = ("candidates", index, "response_schema")
    try:
        path = find_file(entry.response_schema, base=base, root=root)
        located = read_json(path) if path.suffix == ".json" else read_yaml(path)
    except UsageError as error:
        problems.add_error(loc, error)
        return None
    if not isinstance(located.data, Mapping):
        problems.add(loc, f"{entry.response_schema!r} holds no JSON Schema", hint="its top level must be an object")
        return None
    return dict(located.data)
