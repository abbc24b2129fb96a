"""Templates and expressions from files: compiled once, rendered often, the same way in harness and gateway.

Templates are jinja2 in the closed sandbox of :mod:`evalkit.llm.sandbox`. A missing field is an error, never an empty
text; null is one too; objects and lists render as JSON. What a template inserts is never rendered again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NoReturn, TypeVar

from jinja2 import meta, nodes
from jinja2.environment import Template as CompiledTemplate
from jinja2.exceptions import SecurityError, TemplateSyntaxError, UndefinedError
from jinja2.parser import Parser

from evalkit.base.errors import UsageError
from evalkit.base.model import JsonValue
from evalkit.base.registry import suggest
from evalkit.llm.conversation import parse_messages
from evalkit.llm.sandbox import MAX_TEXT, BudgetExceeded, NullValue, Sandbox, check_and_guard, finalize
from evalkit.llm.template_fields import MISSING, Path, dotted, look_up, plain_parts, required_paths
from evalkit.llm.wire import Message, Role

__all__ = [
    "EXPRESSION_VARIABLES",
    "MAX_SOURCE",
    "PROMPT_VARIABLES",
    "Expression",
    "Template",
    "compile_expression",
    "compile_template",
    "missing_fields",
    "parse_messages",
    "render_messages",
]

MAX_SOURCE = 256 * 1024
"""Longest template, in characters."""

PROMPT_VARIABLES = frozenset({"id", "inputs", "metadata"})
"""What a prompt may refer to. Not ``expected``: the answer stays out of the question."""

EXPRESSION_VARIABLES = frozenset({"id", "inputs", "expected", "tags", "cluster", "metadata"})
"""What a ``when`` expression may refer to."""

T = TypeVar("T")


@cache
def _sandbox() -> Sandbox:
    return Sandbox()


class Template:
    """A compiled template. Made by :func:`compile_template`; safe to share between threads.

    Attributes:
        source: the text it was compiled from.
        where: the place of ``source``, for messages.
        variables: the names it refers to.
        fields: dotted paths (``inputs.context``) every rendering needs, first use first; what stands in a branch, a
            loop body, behind ``is defined`` or ``default`` is not among them.
    """

    __slots__ = ("_compiled", "_parts", "_paths", "fields", "source", "variables", "where")

    def __init__(
        self,
        source: str,
        where: str | None,
        *,
        variables: frozenset[str],
        paths: tuple[Path, ...],
        parts: tuple[str | Path, ...] | None,
        compiled: CompiledTemplate,
    ) -> None:
        self.source = source
        self.where = where
        self.variables = variables
        self.fields = tuple(dotted(path) for path in paths)
        self._paths = paths
        self._parts = parts
        self._compiled = compiled

    def render(self, variables: Mapping[str, Any]) -> str:
        """Return the text for ``variables``.

        Raises:
            UsageError: a field is missing or null, or the template exceeds its budget for time or size.
        """
        if self._parts is not None:
            text = _fill(self._parts, variables)
            if text is not None:
                return text
        return _guarded(lambda: self._run(variables), self, variables)

    def _run(self, variables: Mapping[str, Any]) -> str:
        context = self._compiled.new_context(dict(variables))
        pieces: list[str] = []
        length = 0
        for piece in self._compiled.root_render_func(context):
            length += len(piece)
            if length > MAX_TEXT:
                raise BudgetExceeded(f"it renders more than {MAX_TEXT:,} characters")
            pieces.append(piece)
        return "".join(pieces)

    def __repr__(self) -> str:
        return f"Template({self.source[:60]!r}, where={self.where!r})"


class Expression:
    """A compiled ``when`` expression. Made by :func:`compile_expression`.

    Attributes:
        source: the text it was compiled from.
        where: the place of ``source``, for messages.
        variables: the names it refers to.
    """

    __slots__ = ("_compiled", "_paths", "source", "variables", "where")

    def __init__(
        self,
        source: str,
        where: str | None,
        *,
        variables: frozenset[str],
        paths: tuple[Path, ...],
        compiled: CompiledTemplate,
    ) -> None:
        self.source = source
        self.where = where
        self.variables = variables
        self._paths = paths
        self._compiled = compiled

    def evaluate(self, variables: Mapping[str, Any]) -> JsonValue:
        """Return the expression's value.

        Raises:
            UsageError: a field is missing, the types do not fit, or the budget for time or size is exceeded.
        """
        return _guarded(lambda: self._run(variables), self, variables)

    def holds(self, variables: Mapping[str, Any]) -> bool:
        """Return whether the expression's value counts as true.

        Raises:
            UsageError: as for :meth:`evaluate`.
        """
        return _guarded(lambda: bool(self._run(variables)), self, variables)

    def _run(self, variables: Mapping[str, Any]) -> JsonValue:
        context = self._compiled.new_context(dict(variables))
        for _ in self._compiled.root_render_func(context):
            pass
        return context.vars["result"]

    def __repr__(self) -> str:
        return f"Expression({self.source!r}, where={self.where!r})"


def compile_template(source: str, where: str | None = None, *, variables: Iterable[str] | None = None) -> Template:
    """Return ``source`` compiled.

    Args:
        source: a jinja2 template of the closed language.
        where: its place, for messages (``prompts/answer.yaml:3``).
        variables: the names it may refer to; None allows any.

    Raises:
        UsageError: bad syntax, a construct outside the language, an unknown name, or too large.
    """
    tree, compiled = _compile(source, where, lambda: _sandbox().parse(source))
    names = frozenset(meta.find_undeclared_variables(tree))
    _refuse_unknown(names, variables, source, where)
    return Template(
        source, where, variables=names, paths=required_paths(tree.body), parts=plain_parts(tree), compiled=compiled
    )


def compile_expression(
    source: str, where: str | None = None, *, variables: Iterable[str] | None = EXPRESSION_VARIABLES
) -> Expression:
    """Return the expression ``source`` compiled, as in ``'policy' in tags and inputs.lang == 'de'``.

    Raises:
        UsageError: bad syntax, a construct outside the language, an unknown name, or too large.
    """

    def parse() -> nodes.Template:
        parser = Parser(_sandbox(), source, state="variable")
        value = parser.parse_expression()
        if not parser.stream.eos:
            raise TemplateSyntaxError("the expression goes on after its end", 1)
        body: list[nodes.Node] = [nodes.Assign(nodes.Name("result", "store", lineno=1), value, lineno=1)]
        tree = nodes.Template(body, lineno=1)
        tree.set_environment(_sandbox())
        return tree

    tree, compiled = _compile(source, where, parse)
    names = frozenset(meta.find_undeclared_variables(tree))
    _refuse_unknown(names, variables, source, where)
    return Expression(source, where, variables=names, paths=required_paths(tree.body), compiled=compiled)


def missing_fields(template: Template, available: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the dotted paths ``template`` needs in every rendering and ``available`` lacks, or has as null."""
    return tuple(dotted(path) for path in template._paths if look_up(path, available) in (MISSING, None))


def render_messages(
    messages: Sequence[tuple[Role, Template]], variables: Mapping[str, Any], *, append: Sequence[Message] = ()
) -> tuple[Message, ...]:
    """Return one message for each ``(role, template)``, then ``append``, which is not rendered.

    Raises:
        UsageError: as for :meth:`Template.render`.
    """
    rendered = [Message(role=role, content=template.render(variables)) for role, template in messages]
    return (*rendered, *append)


def _compile(
    source: str, where: str | None, parse: Callable[[], nodes.Template]
) -> tuple[nodes.Template, CompiledTemplate]:
    """Return the tree as written, for analysis, and the guarded template."""
    if len(source) > MAX_SOURCE:
        raise UsageError(
            f"a template of {len(source):,} characters is over the limit of {MAX_SOURCE:,}",
            hint="put long texts into the items and insert them with {{ inputs.… }}",
            where=where,
        )
    try:
        code = _sandbox().compile(check_and_guard(parse()))
        compiled = CompiledTemplate.from_code(_sandbox(), code, _sandbox().make_globals(None))
        return parse(), compiled
    except TemplateSyntaxError as error:
        raise UsageError(
            f"template: {error.message}",
            hint="the template language: docs/reference/templates.md",
            where=_line(where, error.lineno),
        ) from error
    except (RecursionError, MemoryError, SyntaxError, OverflowError, ValueError) as error:
        raise UsageError(
            "template: too deeply nested to be compiled", hint="split it into simpler expressions", where=where
        ) from error


def _line(where: str | None, line: int) -> str | None:
    if where is None or line <= 1:
        return where
    return f"{where} (line {line} of the template)"


def _refuse_unknown(names: frozenset[str], allowed: Iterable[str] | None, source: str, where: str | None) -> None:
    if allowed is None:
        return
    known = sorted(allowed)
    unknown = sorted(names - {*known, "range"})
    if not unknown:
        return
    hint = f"there are {', '.join(known)}"
    if unknown[0] == "expected":
        hint += "; the expected answer is kept out of prompts"
    raise UsageError(
        f"template {_cut(source)!r} refers to {unknown[0]!r}{suggest(unknown[0], known)}", hint=hint, where=where
    )


def _cut(source: str) -> str:
    return source if len(source) <= 60 else source[:57] + "…"


def _guarded(run: Callable[[], T], thing: Template | Expression, variables: Mapping[str, Any]) -> T:
    try:
        return run()
    except (UndefinedError, NullValue) as error:
        _missing(thing, variables, error)
    except BudgetExceeded as error:
        raise UsageError(
            f"template {_cut(thing.source)!r} was stopped: {error}",
            hint="templates insert fields; compute lists and long texts into the items beforehand",
            where=thing.where,
        ) from error
    except SecurityError as error:
        raise UsageError(
            f"template {_cut(thing.source)!r}: {error}",
            hint="the template language: docs/reference/templates.md",
            where=thing.where,
        ) from error
    except (TypeError, ValueError, ArithmeticError, LookupError, RecursionError, AttributeError) as error:
        raise UsageError(
            f"template {_cut(thing.source)!r} cannot be rendered: {error}",
            hint="look at the field's type in the item; objects and lists render as JSON",
            where=thing.where,
        ) from error


def _missing(thing: Template | Expression, variables: Mapping[str, Any], error: Exception) -> NoReturn:
    for path in thing._paths:
        value = look_up(path, variables)
        if value is MISSING or (value is None and isinstance(error, NullValue)):
            text, hint = _about(path, value, variables)
            raise UsageError(text, hint=hint, where=thing.where) from error
    text = "a field is null" if isinstance(error, NullValue) else str(error)
    raise UsageError(
        f"template {_cut(thing.source)!r}: {text}",
        hint="write {{ field or '' }}, {{ field | default('') }} or {% if field is defined %}",
        where=thing.where,
    ) from error


def _about(path: Path, value: Any, variables: Mapping[str, Any]) -> tuple[str, str]:
    name = dotted(path)
    if value is None:
        return f"field {name!r} is null", f"write {{{{ {name} or '' }}}} if that is meant"
    for length in range(len(path)):
        owner = look_up(path[:length], variables) if length else variables
        if isinstance(owner, Mapping) and path[length] not in owner:
            known = [str(key) for key in owner]
            hint = f"{dotted(path[:length]) or 'there'} has {', '.join(known[:20]) or 'no fields'}"
            return f"field {name!r} is missing{suggest(str(path[length]), known)}", hint
    return f"field {name!r} is missing", "look at the item's fields"


def _fill(parts: tuple[str | Path, ...], variables: Mapping[str, Any]) -> str | None:
    """Return the filled text, or None where a value is out of the ordinary: then jinja decides and words the error."""
    pieces: list[str] = []
    length = 0
    for part in parts:
        if isinstance(part, str):
            pieces.append(part)
            continue
        value: Any = variables
        for key in part:
            if not isinstance(value, (Mapping, list)):
                return None
            try:
                value = value[key]  # type: ignore[index]
            except (LookupError, TypeError):
                return None
        if not isinstance(value, str):
            if value is None:
                return None
            value = str(finalize(value))
        length += len(value)
        pieces.append(value)
    return "".join(pieces) if length <= MAX_TEXT else None
