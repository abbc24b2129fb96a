"""Pydantic's errors in the words of a file: which field, at which line, and what was probably meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from evalkit.base.located import Loc, Located, Problem
from evalkit.base.registry import suggest

__all__ = ["explain", "fields_at"]

_BOOLEAN_WORDS = {"yes", "no", "on", "off", "y", "n"}


def explain(
    error: ValidationError, model_cls: type[BaseModel], located: Located, *, at: Loc, data: Any
) -> list[Problem]:
    """Return one problem for each place that does not fit, in the order of the file."""
    found: dict[tuple[Loc, bool], Problem] = {}
    details = [
        (_existing(detail["loc"], data, missing=detail["type"] == "missing"), detail)
        for detail in error.errors(include_url=False)
    ]
    for inner, detail in details:
        if _is_echo(detail, inner, [loc for loc, _ in details]):
            continue
        whole: Loc = (*at, *inner)
        is_key = detail["type"] == "extra_forbidden"
        if detail["type"] == "missing":
            problem = located.problem(
                whole[:-1], f"field {whole[-1]!r} is missing", hint=_fields_hint(model_cls, inner)
            )
        else:
            problem = located.problem(
                whole, _message(detail, model_cls, inner), hint=_hint(detail, model_cls, inner), key=is_key
            )
        found.setdefault((whole, is_key), problem)
    return sorted(found.values(), key=_line)


def _is_echo(detail: ErrorDetails, loc: Loc, others: Sequence[Loc]) -> bool:
    """Return whether an error only repeats that something inside is wrong.

    A list is then short of the parts that are not valid, and a value is none of a union's other branches.
    """
    kind = detail["type"]
    inside = any(len(other) > len(loc) and other[: len(loc)] == loc for other in others)
    return inside and (kind == "too_short" or kind.endswith("_type"))


def _line(problem: Problem) -> tuple[int, ...]:
    return tuple(int(part) for part in problem.where.rsplit(":", 2)[1:] if part.isdigit())


def _existing(loc: Sequence[str | int], data: Any, *, missing: bool) -> Loc:
    """Return the parts of a pydantic way that are in the data: the names of union branches are not."""
    way: list[str | int] = []
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        if isinstance(data, Mapping) and (part in data or (last and missing)):
            data = data.get(part)
        elif isinstance(data, (list, tuple)) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            continue
        way.append(part)
    return tuple(way)


def _message(detail: ErrorDetails, model_cls: type[BaseModel], loc: Loc) -> str:
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown field {loc[-1]!r}{suggest(str(loc[-1]), fields_at(model_cls, loc[:-1]))}"
    if kind == "too_short":
        return f"needs at least {context['min_length']}, has {context['actual_length']}"
    if kind == "string_pattern_mismatch":
        return f"{_show(value)} is not of the form {context['pattern']}"
    if kind == "value_error":
        return str(context["error"])
    if kind in {"literal_error", "enum"}:
        words = str(context["expected"])
        known = [word.strip("'") for word in words.replace(" or ", ", ").split(", ")]
        return f"{_show(value)} is not one of {words}{suggest(str(value), known)}"
    text = detail["msg"].removeprefix("Input ").replace("should", "must", 1)
    if kind.startswith("model_") or kind in {"dict_type", "mapping_type"}:
        text = "must be a mapping of fields"
    return f"{text}, not {_show(value)}"


def _show(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    words = {None: "nothing", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return words[value]
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _hint(detail: ErrorDetails, model_cls: type[BaseModel], loc: Loc) -> str | None:
    kind, value = detail["type"], detail["input"]
    if kind == "bool_type" and isinstance(value, str) and value.lower() in _BOOLEAN_WORDS:
        return "write true or false"
    if kind == "string_type" and isinstance(value, (int, float)):
        return f'quote it: "{str(value).lower() if isinstance(value, bool) else value}"'
    if kind in {"int_type", "float_type"} and isinstance(value, str):
        return "write the number without quotes"
    if kind == "extra_forbidden":
        known = fields_at(model_cls, loc[:-1])
        return f"fields here: {', '.join(known)}" if known else None
    return _description(model_cls, loc)


def _description(model_cls: type[BaseModel], loc: Loc) -> str | None:
    """Return the description of the field at ``loc``, or of the list it stands in."""
    while loc and isinstance(loc[-1], int):
        loc = loc[:-1]
    if not loc:
        return None
    for model in _models_at(model_cls, loc[:-1]):
        for name, info in model.model_fields.items():
            if loc[-1] in {name, info.alias} and info.description:
                return info.description
    return None


def _fields_hint(model_cls: type[BaseModel], loc: Loc) -> str | None:
    known = fields_at(model_cls, loc[:-1])
    return f"fields here: {', '.join(known)}" if known else None


def fields_at(model_cls: type[BaseModel], loc: Loc) -> list[str]:
    """Return the field names of the model that stands at ``loc`` inside ``model_cls``; empty where none does."""
    return sorted({name for model in _models_at(model_cls, loc) for name in _names(model)})


def _models_at(model_cls: type[BaseModel], loc: Loc) -> list[type[BaseModel]]:
    """Return the models that may stand at ``loc``: one, or the branches of a union."""
    annotations: list[Any] = [model_cls]
    for part in loc:
        if not isinstance(part, int):
            annotations = [inner for annotation in annotations for inner in _step(annotation, part)]
    return [model for annotation in annotations for model in _models_in(annotation)]


def _step(annotation: Any, part: str) -> list[Any]:
    """Return what may stand under key ``part`` of a value of this type."""
    if _is_model(annotation):
        fields = annotation.model_fields.items()
        return [info.annotation for name, info in fields if part in {name, info.alias}]
    arguments = get_args(annotation)
    if get_origin(annotation) in {dict, Mapping}:
        return [arguments[1]]
    return [inner for argument in arguments for inner in _step(argument, part)]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if _is_model(annotation):
        return [annotation]
    if get_origin(annotation) in {dict, Mapping}:
        return []
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and get_origin(annotation) is None and issubclass(annotation, BaseModel)


def _names(model: type[BaseModel]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]
