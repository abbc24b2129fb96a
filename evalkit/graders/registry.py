"""Graders by name: the built-in checks, plug-ins, and how an entry of ``graders:`` becomes one that can be called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from evalkit.base.errors import UsageError
from evalkit.base.hashing import digest
from evalkit.base.model import Frozen, JsonObject
from evalkit.base.registry import Registry, suggest
from evalkit.core.score import Better, MetricInfo, MetricKind
from evalkit.core.suite import GraderSpec
from evalkit.graders.bound import BoundGrader
from evalkit.graders.checks.python import CheckFunction, FunctionCheck, function_check
from evalkit.graders.files import named_files, read_named_files
from evalkit.graders.grader import Grader
from evalkit.graders.templates import compile_condition

__all__ = ["CATALOG", "GRADERS", "GraderCatalog", "build_grader", "check", "grader_digest", "validated_params"]

F = TypeVar("F", bound=CheckFunction)

_CHECKS = "evalkit.graders.checks"

GRADERS: Registry[type[Grader]] = Registry(
    "grader",
    group="evalkit.graders",
    builtin={
        "exact": f"{_CHECKS}.exact:Exact",
        "contains_any": f"{_CHECKS}.contains:ContainsAny",
        "contains_all": f"{_CHECKS}.contains:ContainsAll",
        "contains_none": f"{_CHECKS}.contains:ContainsNone",
        "starts_with": f"{_CHECKS}.contains:StartsWith",
        "ends_with": f"{_CHECKS}.contains:EndsWith",
        "regex": f"{_CHECKS}.regex:Regex",
        "numeric": f"{_CHECKS}.numeric:Numeric",
        "choice": f"{_CHECKS}.choice:Choice",
        "json_valid": f"{_CHECKS}.json_valid:JsonValid",
        "json_schema": f"{_CHECKS}.json_schema:JsonSchema",
        "json_path": f"{_CHECKS}.json_path:JsonPath",
        "json_fields": f"{_CHECKS}.json_fields:JsonFields",
        "length": f"{_CHECKS}.length:Length",
        "latency": f"{_CHECKS}.measured:Latency",
        "cost": f"{_CHECKS}.measured:Cost",
        "tokens": f"{_CHECKS}.measured:Tokens",
        "finish_reason": f"{_CHECKS}.measured:FinishReasonIn",
        "recorded": f"{_CHECKS}.recorded:Recorded",
        "refusal": f"{_CHECKS}.refusal:Refusal",
        "pii": f"{_CHECKS}.pii:Pii",
    },
)
"""Every grader that can stand after ``use:``; a class whose constructor takes ``(name, params)``."""


_FUNCTIONS: dict[str, type[FunctionCheck]] = {}


def check(name: str, *, kind: MetricKind = "binary", better: Better = "higher", version: int = 1) -> Callable[[F], F]:
    """Return a decorator that registers a function as the check ``name``.

    The function takes ``(item)``, ``(item, text)`` or ``(item, output)`` and returns a bool, a number, a
    :class:`~evalkit.core.score.Score`, or None where it cannot say. Keyword-only arguments are the check's parameters.
    Its source is part of the grader's digest; raise ``version`` when something it calls changes.

    Registering the same function again (a notebook cell, a reload) replaces it; another one of that name is an error
    when the name is looked up.

    Args:
        name: what stands after ``use:``.
        kind: what its numbers are.
        better: which direction is good.
        version: part of the digest.

    Raises:
        UsageError: the function's signature does not fit.
    """

    def register(function: F) -> F:
        made = function_check(function, kind=kind, better=better, version=version)
        known = _FUNCTIONS.get(name)
        if known is not None and _same_place(known.function, function):
            for attribute in ("Params", "function", "argument", "kind", "better", "version", "code_digest"):
                setattr(known, attribute, made.__dict__[attribute])
        else:
            _FUNCTIONS.setdefault(name, made)
            GRADERS.add(name, made)
        return function

    return register


def validated_params(use: str, params: JsonObject, *, where: str | None = None) -> Frozen:
    """Return ``params`` as the parameter model of ``use``, defaults filled in.

    Raises:
        UsageError: the grader is unknown, or a parameter is unknown, missing or of the wrong type.
    """
    model = GRADERS.get(use).Params
    try:
        return model.model_validate(dict(params))  # type: ignore[return-value]  # Params of every grader is a Frozen
    except ValidationError as error:
        raise _params_error(use, model, error, where) from error


def grader_digest(use: str, params: JsonObject, file_digests: Mapping[str, str] = {}) -> str:
    """Return the digest of what decides a grader's scores: code version, parameters, content of the files they name.

    Defaults are filled in first, so leaving a parameter out and spelling its default are the same. A parameter that
    names a file counts by the file's digest, not by its path.

    Args:
        use: the grader.
        params: its parameters as written.
        file_digests: path as written in ``params`` to the digest of that file's content.

    Raises:
        UsageError: as :func:`validated_params`.
    """
    grader = GRADERS.get(use)
    checked = validated_params(use, params)
    body = checked.model_dump(mode="json", by_alias=True, exclude_none=True)
    for parameter, path in named_files(checked).items():
        if path in file_digests:
            body[parameter] = {"file": file_digests[path]}
    return digest({"use": use, "version": grader.version, "code": getattr(grader, "code_digest", None), "params": body})


def build_grader(spec: GraderSpec, *, root: Path | None = None) -> BoundGrader:
    """Return the grader of one entry of ``graders:``, ready to be called for every output.

    Args:
        spec: the entry; its ``digest`` goes into the metrics' ``grader``.
        root: the folder that relative paths in parameters start from and may not leave; the working directory if
            None. Absolute paths are taken as the suite's loader resolved them.

    Raises:
        UsageError: the grader or a parameter is not valid, a file it names cannot be read, ``when`` is not valid, or
            ``negate`` stands on a metric that is no rate.
    """
    where = spec.where
    params = read_named_files(validated_params(spec.use, spec.params, where=where), root, where=where)
    try:
        grader: Grader = GRADERS.get(spec.use)(spec.name, params)  # type: ignore[call-arg]
    except UsageError as error:
        raise UsageError(f"grader {spec.name!r}: {error.message}", hint=error.hint, where=where) from error
    metrics = _own_metrics(grader, spec)
    when = compile_condition(spec.when, where) if spec.when else None
    return BoundGrader(spec=spec, grader=grader, metrics=metrics, when=when)


class GraderCatalog:
    """What loading a suite needs to know of graders, behind plain names."""

    def names(self) -> list[str]:
        """Return every name that can stand after ``use:``, sorted."""
        return GRADERS.names()

    def params_model(self, use: str) -> type[Frozen]:
        """Return the model of the parameters of ``use``.

        Raises:
            UsageError: the grader is unknown.
        """
        return GRADERS.get(use).Params  # type: ignore[return-value]

    def files(self, use: str, params: JsonObject) -> tuple[str, ...]:
        """Return the paths that ``params`` name, as written, relative to the suite's folder.

        Raises:
            UsageError: as :func:`validated_params`.
        """
        return tuple(named_files(validated_params(use, params)).values())

    def digest(self, use: str, params: JsonObject, files: Mapping[str, str]) -> str:
        """Return :func:`grader_digest`."""
        return grader_digest(use, params, files)

    def metrics(self, use: str, name: str, params: JsonObject) -> tuple[MetricInfo, ...]:
        """Return the metrics of ``use`` when called ``name``.

        Raises:
            UsageError: the parameters, or the content of a file they name, do not make a grader.
        """
        checked = read_named_files(validated_params(use, params), None)
        grader: Grader = GRADERS.get(use)(name, checked)  # type: ignore[call-arg]
        return tuple(grader.metrics(name))


CATALOG = GraderCatalog()


def _own_metrics(grader: Grader, spec: GraderSpec) -> tuple[MetricInfo, ...]:
    metrics = tuple(grader.metrics(spec.name))
    if not metrics or metrics[0].name != spec.name:
        raise UsageError(
            f"grader {spec.use!r} called {spec.name!r} has no metric of that name first",
            hint="`metrics(name)` must return a metric called `name` first",
            where=spec.where,
        )
    rates = all(metric.kind in {"binary", "bounded"} for metric in metrics)
    if spec.negate and not rates:
        raise UsageError(
            f"`negate` on {spec.name!r}, which is no rate between 0 and 1",
            hint="remove `negate`, or give a limit that makes it pass or fail",
            where=spec.where,
        )
    grader_id = spec.id if spec.digest else None
    return tuple(metric.model_copy(update={"grader": grader_id}) for metric in metrics)


def _params_error(use: str, model: type, error: ValidationError, where: str | None) -> UsageError:
    known = [field.alias or name for name, field in getattr(model, "model_fields", {}).items()]
    first = error.errors(include_url=False, include_input=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        message = f"grader {use!r} has no parameter {path!r}{suggest(path, known)}"
    elif first["type"] == "missing":
        message = f"grader {use!r} needs the parameter {path!r}"
    else:
        message = f"grader {use!r}, parameter {path or '(all)'}: {first['msg']}"
    return UsageError(message, hint=f"its parameters: {', '.join(known) or 'none'}", where=where)


def _same_place(one: CheckFunction, other: CheckFunction) -> bool:
    def place(function: CheckFunction) -> tuple[str | None, str | None]:
        return getattr(function, "__module__", None), getattr(function, "__qualname__", None)

    return place(one) == place(other)
