"""Templates against items, before any call: which fields are missing, and in which items."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from evalkit.base.errors import UsageError
from evalkit.base.model import JsonValue
from evalkit.base.registry import suggest
from evalkit.base.serial import Loc, Problems
from evalkit.core.item import Item
from evalkit.llm.prompt import (
    EXPRESSION_VARIABLES,
    Expression,
    Template,
    compile_expression,
    compile_template,
    missing_fields,
)
from evalkit.suite.candidates import LoadedCandidate
from evalkit.suite.datasets import LoadedDataset
from evalkit.suite.files import GraderFile
from evalkit.suite.graders import LoadedGrader

__all__ = ["check_graders", "check_prompts"]

_SHOWN = 3
_WHEN_ITEMS = 1000


def check_prompts(candidates: Sequence[LoadedCandidate], dataset: LoadedDataset, problems: Problems) -> None:
    """Note every field that a prompt needs and an item lacks or has as null."""
    for index, loaded in enumerate(candidates):
        for template in loaded.prompt.templates if loaded.prompt else ():
            if template.fields:
                _report(
                    _lacking_prompt(template, dataset), template, ("candidates", index, "prompt"), dataset, problems
                )


def check_graders(
    graders: Sequence[LoadedGrader], entries: Sequence[GraderFile], dataset: LoadedDataset, problems: Problems
) -> None:
    """Note every field that a grader's parameters or ``when`` need and an item lacks.

    Items that ``when`` leaves out are not looked at, nor, for templates over ``expected``, items without one. A field
    that is there and null is the grader's business.
    """
    for grader in graders:
        loc: Loc = ("graders", grader.index)
        when = compile_expression(grader.spec.when) if grader.spec.when else None
        if when is not None and not _check_when(when, (*loc, "when"), dataset, problems):
            continue
        for way, text in _templates(entries[grader.index].params):
            place = (*loc, *way)
            try:
                template = compile_template(text, problems.located.where(place), variables=EXPRESSION_VARIABLES)
            except UsageError as error:
                problems.add_error(place, error)
                continue
            if template.fields:
                _report(_lacking_grader(template, dataset, when), template, place, dataset, problems)


def _templates(value: JsonValue, way: Loc = ()) -> Iterator[tuple[Loc, str]]:
    if isinstance(value, str):
        if "{{" in value or "{%" in value:
            yield way, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _templates(part, (*way, key))
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            yield from _templates(part, (*way, index))


def _variables(item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "inputs": item.inputs,
        "expected": item.expected,
        "tags": item.tags,
        "cluster": item.cluster,
        "metadata": item.metadata,
    }


Lacking = dict[str, list[int]]
"""Field to the indices of the items that lack it."""


def _collect(dataset: LoadedDataset, fields_of: Callable[[Item], Sequence[str]]) -> Lacking:
    lacking: Lacking = {}
    for index, item in enumerate(dataset.items):
        for field in fields_of(item):
            lacking.setdefault(field, []).append(index)
    return lacking


def _lacking_prompt(template: Template, dataset: LoadedDataset) -> Lacking:
    return _collect(
        dataset,
        lambda item: missing_fields(template, {"id": item.id, "inputs": item.inputs, "metadata": item.metadata}),
    )


def _lacking_grader(template: Template, dataset: LoadedDataset, when: Expression | None) -> Lacking:
    needs_expected = "expected" in template.variables

    def fields(item: Item) -> Sequence[str]:
        if needs_expected and item.expected is None:
            return ()
        variables = _variables(item)
        missing = [field for field in missing_fields(template, variables) if not _is_null(field, variables)]
        if missing and when is not None and not _applies(when, variables):
            return ()
        return missing

    return _collect(dataset, fields)


def _applies(when: Expression, variables: dict[str, Any]) -> bool:
    try:
        return when.holds(variables)
    except UsageError:
        return False


def _is_null(field: str, variables: dict[str, Any]) -> bool:
    """Return whether every part of a dotted path is there; its value is then null."""
    value: Any = variables
    for part in field.split("."):
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return True


def _check_when(when: Expression, loc: Loc, dataset: LoadedDataset, problems: Problems) -> bool:
    """Return whether ``when`` can be evaluated, tried on all items, or on 1,000 spread over them."""
    step = max(1, len(dataset.items) // _WHEN_ITEMS)
    for index in range(0, len(dataset.items), step):
        item = dataset.items[index]
        try:
            when.holds(_variables(item))
        except UsageError as error:
            message = f"{error.message}, in item {item.id!r} ({dataset.where(index)})"
            problems.add(loc, message, hint=error.hint)
            return False
    return True


def _report(lacking: Lacking, template: Template, loc: Loc, dataset: LoadedDataset, problems: Problems) -> None:
    for field, indices in lacking.items():
        named = ", ".join(f"{dataset.items[index].id} ({dataset.where(index)})" for index in indices[:_SHOWN])
        more = ", …" if len(indices) > _SHOWN else ""
        place = f" at {template.where}" if loc[0] == "candidates" else ""
        problems.add(
            loc,
            f"the template{place} needs {field!r}{_near(field, dataset.items[indices[0]])}: missing in "
            f"{len(indices)} of {len(dataset.items)} items: {named}{more}",
            hint="mend the template or the items; `{{ field | default('') }}` allows a field to be absent",
        )


def _near(field: str, item: Item) -> str:
    """Return ", did you mean …?" with a path of ``item`` that is nearly ``field``."""
    root, _, name = field.partition(".")
    value = _variables(item).get(root)
    known = [f"{root}.{key}" for key in value] if isinstance(value, dict) and name else []
    return suggest(field, known)
