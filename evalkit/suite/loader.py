"""Suite files to suites: everything named is read and checked, everything left out is filled in and said."""

from __future__ import annotations

from pathlib import Path

from evalkit.base.errors import UsageError
from evalkit.base.registry import suggest
from evalkit.base.serial import Problems, inside, read_yaml, shown, validate
from evalkit.core.suite import Suite
from evalkit.suite.candidates import LoadedCandidate, build_candidates
from evalkit.suite.datasets import LoadedDataset, load_dataset
from evalkit.suite.files import SuiteFile
from evalkit.suite.graders import build_graders
from evalkit.suite.ports import GraderCatalog, SuiteSettings
from evalkit.suite.rules import build_policy
from evalkit.suite.templates import check_graders, check_prompts

__all__ = ["load_suite"]

_STORED = "stored"


def load_suite(path: Path | str, *, settings: SuiteSettings, catalog: GraderCatalog) -> Suite:
    """Return the suite in a file; no model is called and no key is needed.

    Paths in the file start from its folder, else from the project's, and stay inside the project.

    Args:
        path: the suite file.
        settings: the project's folder and its models.
        catalog: the graders there are.

    Raises:
        UsageError: everything that is wrong with the file and what it names, each with file, line and column.
    """
    path = Path(path)
    located = read_yaml(path)
    file = validate(SuiteFile, located)
    problems, defaults = Problems(located), [f"suite {path.stem!r} is named after its file"]
    if not inside(path, settings.root):
        problems.add(
            (), f"{shown(path)} lies outside the project {shown(settings.root)}", hint="run inside its project"
        )
    base = path.resolve().parent
    dataset = _dataset(file, problems, base=base, root=settings.root)
    candidates = build_candidates(file.candidates, problems, base=base, settings=settings, defaults=defaults)
    graders = build_graders(file.graders, problems, base=base, root=settings.root, catalog=catalog)
    metrics = [info for grader in graders for info in grader.metrics]
    primary = [grader.metrics[0] for grader in graders]
    unsure = frozenset(entry.name or entry.use for entry in file.graders) - {info.name for info in primary}
    policy = build_policy(file.policy, problems, primary=primary, metrics=metrics, unsure=unsure, defaults=defaults)
    _check_baseline(file, candidates, problems)
    if dataset is not None:
        check_prompts(candidates, dataset, problems)
        check_graders(graders, file.graders, dataset, problems)
    problems.raise_if_any()
    assert dataset is not None  # noqa: S101  a dataset that was not read is a problem
    if "baseline" not in file.model_fields_set:
        defaults.append("baseline: the stored one; without one, the first run is offered as baseline")
    if "trials" not in file.model_fields_set:
        defaults.append("trials: 1")
    if "seed" not in file.model_fields_set:
        defaults.append(f"seed: {file.seed}")
    return Suite(
        name=path.stem,
        description=file.description,
        path=str(path.resolve()),
        dataset=dataset.info,
        items=dataset.items,
        candidates=tuple(loaded.candidate for loaded in candidates),
        baseline=file.baseline,
        trials=file.trials,
        seed=file.seed,
        graders=tuple(grader.spec for grader in graders),
        policy=policy,
        defaults=tuple(defaults),
    )


def _dataset(file: SuiteFile, problems: Problems, *, base: Path, root: Path) -> LoadedDataset | None:
    try:
        return load_dataset(file.dataset, root, base=base)
    except UsageError as error:
        if error.where is None or error.where.startswith(problems.located.path):
            key = "path" if file.dataset.path is not None else "name"
            problems.add_error(("dataset", key), error)
        else:
            problems.add(("dataset",), error.message, hint=error.hint)
        return None


def _check_baseline(file: SuiteFile, candidates: list[LoadedCandidate], problems: Problems) -> None:
    names = [loaded.candidate.name for loaded in candidates]
    if file.baseline == _STORED or len(names) < len(file.candidates):
        return
    if file.baseline not in names:
        problems.add(
            ("baseline",),
            f"{file.baseline!r} is neither 'stored' nor a candidate{suggest(file.baseline, [*names, _STORED])}",
            hint=f"candidates: {', '.join(names)}",
        )
    elif len(names) == 1:
        problems.add(
            ("baseline",), f"{file.baseline!r} is the only candidate", hint="name a second candidate, or stored"
        )
