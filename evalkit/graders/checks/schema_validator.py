"""JSON Schema against hostile answers: linear-time patterns, checked formats, no remote references, bounded work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from evalkit.base.errors import UsageError
from evalkit.base.model import JsonObject, JsonValue
from evalkit.graders.check import NoScore, shown
from evalkit.graders.checks.json_formats import FORMATS, has_format
from evalkit.graders.checks.regex import compile_pattern

__all__ = ["SchemaValidator"]

_MAX_STEPS = 100_000
"""Keywords evaluated for one answer; about a second's work."""

_PATTERNS = "patternProperties"


class SchemaValidator:
    """A compiled schema; draft 2020-12 unless ``$schema`` names another.

    Args:
        schema: the schema.

    Raises:
        UsageError: it is no valid schema, refers to anything outside itself, or uses a format or pattern that cannot be
            checked.
    """

    def __init__(self, schema: JsonObject) -> None:
        import jsonschema
        from referencing import Registry

        self._patterns: dict[str, Any] = {}
        body = orjson.loads(orjson.dumps(dict(schema)))
        base = jsonschema.validators.validator_for(body, default=jsonschema.Draft202012Validator)
        try:
            base.check_schema(body)
        except jsonschema.SchemaError as error:
            raise UsageError(f"schema: {error.message[:200]} at {error.json_path}", hint="mend the schema") from error
        self._check(body)
        extend: Any = jsonschema.validators.extend
        validator_class = extend(base, self._keywords(base.VALIDATORS))
        self._new: Callable[[], Any] = lambda: validator_class(body, registry=Registry(), format_checker=_Work())
        self._resolve_references(body)

    def fault(self, value: JsonValue) -> str | None:
        """Return the first thing wrong with ``value`` as ``path: message``, or None if it is valid.

        Raises:
            NoScore: validating it takes more than 100,000 steps.
        """
        error = next(self._new().iter_errors(value), None)
        return None if error is None else f"{error.json_path[:80]}: {error.message[:200]}"

    def _check(self, body: JsonObject) -> None:
        for path, schema in _subschemas(body):
            for pattern in [schema.get("pattern"), *_keys(schema.get(_PATTERNS))]:
                if isinstance(pattern, str):
                    self._patterns[pattern] = compile_pattern(pattern)
            name = schema.get("format")
            if isinstance(name, str) and name not in FORMATS:
                raise UsageError(
                    f"schema: format {name!r} at {path} is not checked", hint=f"checked formats: {', '.join(FORMATS)}"
                )
            for keyword in ("$ref", "$dynamicRef"):
                target = schema.get(keyword)
                if isinstance(target, str) and not target.startswith("#"):
                    raise UsageError(
                        f"schema: reference {shown(target)} at {path} leaves the schema",
                        hint="nothing is fetched: copy the target into `$defs`",
                    )
            if _PATTERNS in schema and "unevaluatedProperties" in schema:
                raise UsageError(
                    f"schema: `unevaluatedProperties` beside `patternProperties` at {path} is not supported",
                    hint="use `additionalProperties`",
                )

    def _resolve_references(self, body: JsonObject) -> None:
        from referencing.exceptions import Unresolvable

        resolver = self._new()._resolver
        for path, schema in _subschemas(body):
            target = schema.get("$ref")
            if isinstance(target, str):
                try:
                    resolver.lookup(target)
                except Unresolvable as error:
                    raise UsageError(
                        f"schema: reference {target!r} at {path} leads nowhere", hint="add it to `$defs`"
                    ) from error

    def _keywords(self, known: Mapping[str, Any]) -> dict[str, Any]:
        own = {
            "pattern": self._pattern,
            _PATTERNS: self._pattern_properties,
            "additionalProperties": self._additional_properties,
            "uniqueItems": _unique_items,
            "format": _format,
        }
        return {name: _counted(own.get(name, function)) for name, function in known.items()}

    def _pattern(self, _validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[Any]:
        if isinstance(instance, str) and self._patterns[pattern].search(instance) is None:
            yield _error(f"{shown(instance)} does not match {shown(pattern)}")

    def _pattern_properties(self, validator: Any, patterns: JsonObject, instance: Any, _schema: Any) -> Iterator[Any]:
        if not isinstance(instance, dict):
            return
        for pattern, subschema in patterns.items():
            for key, value in instance.items():
                if self._patterns[pattern].search(key) is not None:
                    yield from validator.descend(value, subschema, path=key, schema_path=pattern)

    def _additional_properties(self, validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if not isinstance(instance, dict):
            return
        patterns = [self._patterns[pattern] for pattern in _keys(schema.get(_PATTERNS))]
        properties = schema.get("properties", {})
        for key, value in instance.items():
            if key in properties or any(pattern.search(key) is not None for pattern in patterns):
                continue
            if allowed is False:
                yield _error(f"property {shown(key)} is not allowed")
            elif isinstance(allowed, dict):
                yield from validator.descend(value, allowed, path=key)


class _Work:
    """What is left of the work for one answer. It travels where a format checker does: from validator to validator."""

    def __init__(self) -> None:
        self.steps = _MAX_STEPS

    def spend(self, steps: int = 1) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise NoScore("error", f"validating the JSON takes more than {_MAX_STEPS:,} steps")


def _counted(function: Callable[..., Any]) -> Callable[..., Iterator[Any]]:
    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        validator.format_checker.spend(1 + (len(instance) // 64 if isinstance(instance, (str, list, dict)) else 0))
        yield from function(validator, value, instance, schema) or ()

    return counted


def _format(_validator: Any, name: str, instance: Any, _schema: Any) -> Iterator[Any]:
    if isinstance(instance, str) and not has_format(name, instance):
        yield _error(f"{shown(instance)} is no {name}")


def _unique_items(validator: Any, unique: bool, instance: Any, _schema: Any) -> Iterator[Any]:
    if not unique or not isinstance(instance, list):
        return
    seen: set[bytes] = set()
    for entry in instance:
        key = orjson.dumps(_same_numbers(entry), option=orjson.OPT_SORT_KEYS)
        validator.format_checker.spend(1 + len(key) // 64)
        if key in seen:
            yield _error(f"{shown(key.decode())} stands twice in a list of unique entries")
            return
        seen.add(key)


def _same_numbers(value: Any) -> Any:
    """Return ``value`` with whole floats as integers: 1.0 and 1 are one number in JSON Schema."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    if isinstance(value, list):
        return [_same_numbers(entry) for entry in value]
    if isinstance(value, dict):
        return {key: _same_numbers(entry) for key, entry in value.items()}
    return value


def _error(message: str) -> Any:
    import jsonschema

    return jsonschema.ValidationError(message)


def _keys(value: object) -> list[str]:
    return list(value) if isinstance(value, dict) else []


_LITERAL = frozenset({"const", "enum", "default", "examples", "example"})
_BY_NAME = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})


def _subschemas(schema: Any, path: str = "$") -> Iterator[tuple[str, JsonObject]]:
    """Yield every object that stands where a schema may stand, with its path."""
    if isinstance(schema, list):
        for index, entry in enumerate(schema):
            yield from _subschemas(entry, f"{path}[{index}]")
    if not isinstance(schema, dict):
        return
    yield path, schema
    for key, value in schema.items():
        if key in _LITERAL:
            continue
        if key in _BY_NAME and isinstance(value, dict):
            for name, member in value.items():
                yield from _subschemas(member, f"{path}.{key}.{name}")
        else:
            yield from _subschemas(value, f"{path}.{key}")
