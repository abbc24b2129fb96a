"""A jinja2 environment for templates nobody trusts: a closed language with a budget for work and size.

Jinja's own sandbox keeps templates away from Python's insides but does not stop ``{% for %}`` over a billion numbers
or a text doubled forty times. Here a template may use only the constructs listed below; everything that loops, builds
text or builds lists draws on one budget a rendering, and rendering ends with :class:`BudgetExceeded` when it is used
up. Left out on purpose: macros, includes, imports, block assignment, the formatting operator and filters whose cost
or result a template could inflate.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from jinja2 import StrictUndefined, nodes, pass_context
from jinja2 import filters as stock
from jinja2.exceptions import SecurityError, TemplateSyntaxError
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS as _STOCK_TESTS
from jinja2.visitor import NodeTransformer

__all__ = ["MAX_TEXT", "BudgetExceeded", "GuardedContext", "NullValue", "Sandbox", "check_and_guard", "finalize"]

MAX_TEXT = 8 * 1024 * 1024
"""Longest text, in characters, that a template may build or render."""

MAX_WORK = 200_000
"""Units of work a rendering may spend: one an iteration, one an element, one for 64 characters built."""

MAX_CPU_S = 0.5
"""CPU seconds of the rendering thread; looked at only by templates that loop or build, after every 64 units."""

MAX_RANGE = 10_000
MAX_NODES = 20_000
MAX_DEPTH = 60


class BudgetExceeded(Exception):  # noqa: N818 - a limit, not a mistake of ours
    """A rendering used up its budget for work, size or CPU time."""


class NullValue(Exception):  # noqa: N818
    """A template put a null into its text."""


class GuardedContext(Context):
    """One rendering, with its budget."""

    work = 0
    next_look = 64
    started: float | None = None

    def charge(self, units: int) -> None:
        """Spend ``units``.

        Raises:
            BudgetExceeded: the budget for work or CPU time is used up.
        """
        self.work += units + 1
        if self.work < self.next_look:
            return
        if self.work > MAX_WORK:
            raise BudgetExceeded(f"it does more than {MAX_WORK:,} steps")
        self.next_look = self.work + 64
        used = time.thread_time()
        if self.started is None:
            self.started = used
        elif used - self.started > MAX_CPU_S:
            raise BudgetExceeded(f"it uses more than {MAX_CPU_S} s")

    def charge_text(self, length: int) -> None:
        """Spend what a text of ``length`` characters costs.

        Raises:
            BudgetExceeded: the text is too long, or the budget is used up.
        """
        if length > MAX_TEXT:
            raise BudgetExceeded(f"it builds a text of more than {MAX_TEXT:,} characters")
        self.charge(length >> 6)

    def charge_deep(self, value: Any) -> None:
        """Spend one unit for every element below ``value``, counting shared ones each time."""
        self.charge(0)
        if isinstance(value, Mapping):
            for element in value.values():
                self.charge_deep(element)
        elif isinstance(value, (list, tuple)):
            for element in value:
                self.charge_deep(element)

    def draw(self, values: Iterable[Any]) -> Iterable[Any]:
        """Return ``values``, paid for: at once if their number is known, else one by one."""
        if isinstance(values, str):
            self.charge_text(len(values))
            return values
        if isinstance(values, (list, tuple, Mapping, range)):
            self.charge(len(values))
            return values
        return self.drawn(values)

    def drawn(self, values: Iterable[Any]) -> Iterator[Any]:
        """Yield ``values``, each paid for when it is taken."""
        for value in values:
            self.charge(1)
            yield value


def finalize(value: Any) -> Any:
    """Return what ``{{ value }}`` puts into the text: JSON for objects and lists, never the word None."""
    if value is None:
        raise NullValue
    if isinstance(value, (str, int, float, Undefined)):
        return value
    return _json(value if isinstance(value, (dict, list)) else list(value))


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent, default=_json_refused)


def _json_refused(value: Any) -> Any:
    if isinstance(value, Undefined):
        str(value)  # a strict undefined raises its own error, with the name
    raise TypeError(f"{type(value).__name__} has no JSON form")


@pass_context
def _bounded(context: GuardedContext, values: Any) -> Any:
    return context.drawn(values)


@pass_context
def _built(context: GuardedContext, value: Any) -> Any:
    context.charge_deep(value)
    return value


@pass_context
def _joined(context: GuardedContext, parts: Any) -> str:
    texts = [str(finalize(part)) for part in parts]
    context.charge_text(sum(map(len, texts)))
    return "".join(texts)


@pass_context
def _join(context: GuardedContext, value: Any, d: str = "", attribute: str | int | None = None) -> str:
    if attribute is not None:
        value = _stock["map"](context, context.draw(value), attribute=attribute)
    texts = [str(finalize(part)) for part in context.draw(value)]
    context.charge_text(sum(map(len, texts)) + len(d) * len(texts))
    return d.join(texts)


@pass_context
def _replace(context: GuardedContext, value: Any, old: str, new: str, count: int = -1) -> str:
    return _replaced(context, str(value), str(old), str(new), count)


def _replaced(context: GuardedContext, text: str, old: str, new: str, count: int = -1) -> str:
    context.charge_text(len(text))
    found = text.count(old) if count < 0 else min(text.count(old), count)
    context.charge_text(len(text) + found * max(len(new) - len(old), 0))
    return text.replace(old, new, count)


@pass_context
def _tojson(context: GuardedContext, value: Any, indent: int | None = None) -> str:
    context.charge_deep(value)
    if indent is not None and not 0 <= indent <= 8:
        raise SecurityError("tojson takes an indent from 0 to 8")
    text = _json(value, indent)
    context.charge_text(len(text))
    return text


@pass_context
def _indent(context: GuardedContext, s: str, width: int = 4, first: bool = False, blank: bool = False) -> str:
    if not isinstance(width, int) or not 0 <= width <= 64:
        raise SecurityError("indent takes a width from 0 to 64")
    context.charge_text(len(s) + width * (s.count("\n") + 1))
    return stock.do_indent(s, width, first, blank)


@pass_context
def _round(_context: GuardedContext, value: float, precision: int = 0, method: str = "common") -> float:
    if not isinstance(precision, int) or not 0 <= precision <= 15:
        raise SecurityError("round takes a precision from 0 to 15")
    return stock.do_round(value, precision, method)  # type: ignore[arg-type]


def _paid(filter_: Callable[..., Any]) -> Callable[..., Any]:
    """Return a stock filter that pays for the elements or characters it is given."""
    wants = getattr(filter_, "jinja_pass_arg", None)
    first = wants.name if wants is not None else None

    @pass_context
    def paid(context: GuardedContext, value: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(value, Iterable) and not isinstance(value, Undefined):
            value = context.draw(value)
        if first == "context":
            return filter_(context, value, *args, **kwargs)
        if first == "environment":
            return filter_(context.environment, value, *args, **kwargs)
        if first == "eval_context":
            return filter_(context.eval_ctx, value, *args, **kwargs)
        return filter_(value, *args, **kwargs)

    return paid


_PLAIN = """
abs capitalize default d dictsort first float groupby int items last length count list lower map max min reject
rejectattr reverse select selectattr sort string sum title trim truncate unique upper wordcount
"""
_TEXT_METHODS = """
lower upper strip lstrip rstrip split rsplit splitlines startswith endswith title capitalize casefold isdigit isalpha
isalnum isspace isupper islower find rfind count removeprefix removesuffix partition rpartition replace join
"""
_stock: dict[str, Callable[..., Any]] = dict(stock.FILTERS)
_FILTERS: dict[str, Callable[..., Any]] = {name: _paid(_stock[name]) for name in _PLAIN.split()} | {
    "join": _join,
    "replace": _replace,
    "tojson": _tojson,
    "indent": _indent,
    "round": _round,
    "_bounded": _bounded,
    "_built": _built,
    "_joined": _joined,
}
_TESTS = {name: test for name, test in _STOCK_TESTS.items() if name not in {"filter", "test", "callable"}}
_METHODS: dict[type, frozenset[str]] = {
    str: frozenset(_TEXT_METHODS.split()),
    dict: frozenset({"items", "keys", "values", "get"}),
    list: frozenset({"index", "count"}),
    tuple: frozenset({"index", "count"}),
}


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment; :func:`check_and_guard` must have passed over every syntax tree compiled in it."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})
    context_class = GuardedContext

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True, loader=None, finalize=finalize
        )
        self.filters = dict(_FILTERS)
        self.tests = dict(_TESTS)
        self.globals = {"range": range}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return a key of an object, or one of the allowed methods: a key named ``items`` wins over the method."""
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        if attribute in _METHODS.get(type(obj), ()):
            return getattr(obj, attribute)
        if isinstance(obj, LoopContext) and not attribute.startswith("_"):
            return getattr(obj, attribute)
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return an element; never an attribute of that name."""
        try:
            return obj[argument]
        except (LookupError, TypeError, AttributeError):
            return self.undefined(obj=obj, name=argument)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        """Call ``range``, a method of the loop, or one of the allowed methods of text, objects and lists."""
        context = __context
        if isinstance(__obj, Undefined):
            return __obj()  # raises, with the name
        if not isinstance(context, GuardedContext):
            raise SecurityError("a template is rendered by evalkit.llm.prompt only")
        if __obj is range:
            numbers = range(*args)
            if len(numbers) > MAX_RANGE:
                raise BudgetExceeded(f"range() gives more than {MAX_RANGE:,} numbers")
            return numbers
        owner, name = getattr(__obj, "__self__", None), getattr(__obj, "__name__", "")
        if isinstance(owner, LoopContext) and name in {"cycle", "changed"}:
            return __obj(*args)
        if name not in _METHODS.get(type(owner), ()):
            raise SecurityError(f"{name or type(__obj).__name__}() may not be called from a template")
        if isinstance(owner, str):
            return _text_method(context, owner, name, args, kwargs)
        context.charge(len(owner) if isinstance(owner, (dict, list, tuple)) else 0)
        return __obj(*args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute ``+ * ** %`` with numbers of sane size, or build texts and lists within the budget."""
        assert isinstance(context, GuardedContext)  # noqa: S101 - the class's own context_class
        if isinstance(left, Undefined) or isinstance(right, Undefined):
            return self.binop_table[operator](left, right)
        if isinstance(left, (int, float)) and isinstance(right, (int, float)):
            return _number(self.binop_table[operator], operator, left, right)
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            context.charge_text(len(left) + len(right))
            return left + right
        if operator == "+" and isinstance(left, list) and isinstance(right, list):
            context.charge_deep(left)
            context.charge_deep(right)
            return left + right
        if operator == "*" and isinstance(left, str) and isinstance(right, int):
            context.charge_text(len(left) * max(right, 0))
            return left * right
        raise TypeError(f"{type(left).__name__} {operator} {type(right).__name__} is not allowed in a template")


def _number(function: Callable[[Any, Any], Any], operator: str, left: float, right: float) -> Any:
    if operator == "**" and (abs(right) > 64 or abs(left) > 2**64):
        raise BudgetExceeded("its numbers grow too large")
    result = function(left, right)
    if isinstance(result, int) and result.bit_length() > 4096:
        raise BudgetExceeded("its numbers grow too large")
    return result


def _text_method(context: GuardedContext, text: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if name == "join":
        return _join(context, args[0] if args else (), text)
    if name == "replace":
        return _replaced(context, text, *args)
    context.charge(len(text) >> 1 if "split" in name else len(text) >> 6)
    return getattr(text, name)(*args, **kwargs)


_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem, nodes.For,
    nodes.If, nodes.CondExpr, nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not,
    nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Slice, nodes.Concat, nodes.Add, nodes.Sub, nodes.Mul,
    nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow, nodes.Neg, nodes.Pos, nodes.Call, nodes.Keyword, nodes.Assign,
    nodes.With,
)  # fmt: skip


def check_and_guard(tree: nodes.Template) -> nodes.Template:
    """Return ``tree`` with its loops and builders paying into the budget.

    Raises:
        TemplateSyntaxError: it uses something outside the language, is too large or too deeply nested.
    """
    count = 0
    stack: list[tuple[nodes.Node, int]] = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        count += 1
        _check(node, depth, count)
        stack.extend((child, depth + 1) for child in node.iter_child_nodes())
    _Guard().visit(tree)
    return tree


def _check(node: nodes.Node, depth: int, count: int) -> None:
    line = getattr(node, "lineno", 1) or 1
    if count > MAX_NODES or depth > MAX_DEPTH:
        raise TemplateSyntaxError("the template is too large or too deeply nested", line)
    if not isinstance(node, _ALLOWED):
        raise TemplateSyntaxError(f"{_word(node)} is not available in evalkit's templates", line)
    if isinstance(node, nodes.For) and node.recursive:
        raise TemplateSyntaxError("a recursive for is not available in evalkit's templates", line)
    if isinstance(node, nodes.Filter) and (node.name not in _FILTERS or node.name.startswith("_")):
        known = ", ".join(sorted(name for name in _FILTERS if not name.startswith("_")))
        raise TemplateSyntaxError(f"no filter named {node.name!r}; there are {known}", line)
    if isinstance(node, nodes.Name) and (node.name.startswith("_") or node.name in {"self", "super"}):
        raise TemplateSyntaxError(f"the name {node.name!r} is not available in evalkit's templates", line)
    if isinstance(node, nodes.Call) and (node.dyn_args is not None or node.dyn_kwargs is not None):
        raise TemplateSyntaxError("*args and **kwargs are not available in evalkit's templates", line)


def _word(node: nodes.Node) -> str:
    return f"{{% {type(node).__name__.lower()} %}}"


class _Guard(NodeTransformer):
    """Rewrites loops, concatenations and literal containers so that they pay into the budget."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802 - the name the base class looks for
        self.generic_visit(node)
        node.iter = _through("_bounded", cast("nodes.Expr", node.iter))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802
        self.generic_visit(node)
        return _through("_joined", nodes.List(node.nodes, lineno=node.lineno))

    def visit_List(self, node: nodes.List) -> nodes.Filter:  # noqa: N802
        self.generic_visit(node)
        return _through("_built", node)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Filter:  # noqa: N802
        self.generic_visit(node)
        return _through("_built", node)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        return _through("_built", node) if node.ctx == "load" else node


def _through(name: str, value: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(value, name, [], [], None, None, lineno=value.lineno)
