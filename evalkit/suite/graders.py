"""Entries of ``graders:`` to specifications: names, parameters, the files they name, digests, metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.base.errors import UsageError
from evalkit.base.hashing import digest_bytes
from evalkit.base.model import JsonObject
from evalkit.base.registry import suggest
from evalkit.base.serial import FileError, Problems, read_bytes, validate
from evalkit.core.score import BUILT_IN_METRICS, MetricInfo
from evalkit.core.suite import GraderSpec
from evalkit.llm.prompt import compile_expression
from evalkit.suite.files import GraderFile
from evalkit.suite.paths import find_file
from evalkit.suite.ports import GraderCatalog

__all__ = ["LoadedGrader", "build_graders"]

_BUILT_IN = frozenset(info.name for info in BUILT_IN_METRICS)


@dataclass(frozen=True, slots=True)
class LoadedGrader:
    """A specification, its metrics, and where it stands in the file.

    Attributes:
        spec: what goes into the suite.
        metrics: the first is called like the grader.
        index: its number in ``graders:``.
    """

    spec: GraderSpec
    metrics: Sequence[MetricInfo]
    index: int


def build_graders(
    entries: Sequence[GraderFile], problems: Problems, *, base: Path, root: Path, catalog: GraderCatalog
) -> list[LoadedGrader]:
    """Return a specification for each entry that is valid; what is wrong goes to ``problems``.

    A parameter that names a file holds its absolute path afterwards; the digest has the file's content instead.

    Args:
        entries: as written.
        problems: of the suite file.
        base: the suite's folder.
        root: the project's folder.
        catalog: the graders there are.
    """
    loaded: list[LoadedGrader] = []
    owner: dict[str, str] = {}
    for index, entry in enumerate(entries):
        try:
            grader = _build(entry, index, problems, base=base, root=root, catalog=catalog)
        except UsageError as error:
            problems.add_error(("graders", index), error)
            continue
        if grader is None or not _claim(grader, owner, problems):
            continue
        loaded.append(grader)
    return loaded


def _claim(grader: LoadedGrader, owner: dict[str, str], problems: Problems) -> bool:
    loc = ("graders", grader.index)
    for metric in grader.metrics:
        if metric.name in _BUILT_IN:
            problems.add(loc, f"metric {metric.name!r} is built in", hint="give the grader another `name`")
            return False
        if metric.name in owner:
            problems.add(
                loc,
                f"metric {metric.name!r} comes from {owner[metric.name]} already",
                hint="give this grader a `name` of its own",
            )
            return False
    owner.update((metric.name, f"graders[{grader.index}]") for metric in grader.metrics)
    return True


def _build(
    entry: GraderFile, index: int, problems: Problems, *, base: Path, root: Path, catalog: GraderCatalog
) -> LoadedGrader | None:
    loc = ("graders", index)
    if entry.use not in (known := catalog.names()):
        hint = f"known graders: {', '.join(known)}"
        problems.add((*loc, "use"), f"unknown grader {entry.use!r}{suggest(entry.use, known)}", hint=hint)
        return None
    if not _when_compiles(entry, index, problems):
        return None
    try:
        validate(catalog.params_model(entry.use), problems.located, at=loc, data=entry.params)
    except FileError as error:
        problems.add_error(loc, error)
        return None
    name = entry.name or entry.use
    paths, digests = _files(entry, index, problems, base=base, root=root, catalog=catalog)
    if paths is None:
        return None
    spec = GraderSpec(
        use=entry.use,
        name=name,
        when=entry.when,
        negate=entry.negate,
        weight=entry.weight,
        params=_with_paths(entry.params, paths),
        digest=catalog.digest(entry.use, entry.params, digests),
        where=problems.located.where(loc),
    )
    return LoadedGrader(spec, tuple(catalog.metrics(entry.use, name, spec.params)), index)


def _when_compiles(entry: GraderFile, index: int, problems: Problems) -> bool:
    if entry.when is None:
        return True
    loc = ("graders", index, "when")
    try:
        compile_expression(entry.when, problems.located.where(loc))
    except UsageError as error:
        problems.add_error(loc, error)
        return False
    return True


def _files(
    entry: GraderFile, index: int, problems: Problems, *, base: Path, root: Path, catalog: GraderCatalog
) -> tuple[dict[str, str] | None, dict[str, str]]:
    """Return the absolute path and the content digest of each path as written; no paths if one cannot be read."""
    paths: dict[str, str] = {}
    digests: dict[str, str] = {}
    for text in catalog.files(entry.use, entry.params):
        loc = next(
            (("graders", index, key) for key, value in entry.params.items() if value == text), ("graders", index)
        )
        try:
            path = find_file(text, base=base, root=root)
            digests[text] = digest_bytes(read_bytes(path))
        except UsageError as error:
            problems.add_error(loc, error)
            return None, {}
        paths[text] = str(path)
    return paths, digests


def _with_paths(params: JsonObject, paths: dict[str, str]) -> dict[str, Any]:
    return {key: paths.get(value, value) if isinstance(value, str) else value for key, value in params.items()}
