"""A user's Python function as a check."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeAlias

from pydantic import create_model

from evalkit.base.errors import UsageError
from evalkit.base.hashing import digest_bytes
from evalkit.base.model import Frozen
from evalkit.core.item import Item
from evalkit.core.output import Output
from evalkit.core.score import Better, MetricKind, Score
from evalkit.graders.check import Check, NoScore

__all__ = ["CheckFunction", "FunctionCheck", "function_check"]

CheckFunction: TypeAlias = Callable[..., bool | float | Score | None]
"""``(item)``, ``(item, text)`` or ``(item, output)``, then keyword-only parameters; None means it could not say."""

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class FunctionCheck(Check):
    """Calls a function and makes a score of what it returns. Subclassed for each function by :func:`function_check`."""

    function: ClassVar[CheckFunction]
    argument: ClassVar[str | None]
    """What the second argument is: ``text``, ``output`` or, where there is none, None."""

    def __init__(self, name: str, params: Frozen) -> None:
        super().__init__(name, params)
        self._keywords = {field: getattr(params, field) for field in type(params).model_fields}

    def grade(self, item: Item, output: Output) -> Sequence[Score]:
        """Return the function's answer as a score; None becomes abstained."""
        function = type(self).function
        if self.argument is None:
            answer = function(item, **self._keywords)
        else:
            second = output.text if self.argument == "text" else output
            answer = function(item, second, **self._keywords)
        if answer is None:
            raise NoScore("abstained", "the function returned None")
        if isinstance(answer, Score):
            return (answer if answer.metric == self.name else answer.model_copy(update={"metric": self.name}),)
        return self.scored(float(answer))


def function_check(
    function: CheckFunction, *, kind: MetricKind = "binary", better: Better = "higher", version: int = 1
) -> type[FunctionCheck]:
    """Return the check class of ``function``, its signature looked at once.

    Keyword-only arguments become parameters of the check, with their annotations and defaults.

    Raises:
        UsageError: the function takes other arguments, or is a coroutine function.
    """
    where = f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', function)}"
    if inspect.iscoroutinefunction(function):
        raise UsageError(f"{where} is a coroutine function", hint="a check asks nobody: write it as a plain `def`")
    parameters = list(inspect.signature(function).parameters.values())
    positional = [one for one in parameters if one.kind in _POSITIONAL]
    keywords = [one for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY]
    if len(positional) not in (1, 2) or len(positional) + len(keywords) != len(parameters):
        raise UsageError(
            f"{where}{inspect.signature(function)} cannot be a check",
            hint="write it as (item), (item, text) or (item, output); parameters follow after a `*`",
        )
    attributes = {
        "Params": _params_of(function, keywords),
        "function": staticmethod(function),
        "argument": _second_argument(positional),
        "kind": kind,
        "better": better,
        "version": version,
        "code_digest": _code_digest(function),
        "__doc__": inspect.getdoc(function) or f"The function {where}.",
        "__module__": function.__module__,
    }
    return type(getattr(function, "__name__", "check"), (FunctionCheck,), attributes)


def _params_of(function: CheckFunction, keywords: Sequence[inspect.Parameter]) -> type[Frozen]:
    hints = inspect.get_annotations(function, eval_str=True) if keywords else {}
    fields: dict[str, Any] = {
        one.name: (hints.get(one.name, Any), ... if one.default is inspect.Parameter.empty else one.default)
        for one in keywords
    }
    return create_model("Params", __base__=Frozen, **fields)


def _second_argument(positional: Sequence[inspect.Parameter]) -> str | None:
    if len(positional) == 1:
        return None
    second = positional[1]
    is_output = second.annotation is Output or "Output" in str(second.annotation)
    return "output" if is_output or (second.name == "output" and second.annotation not in (str, "str")) else "text"


def _code_digest(function: CheckFunction) -> str | None:
    try:
        return digest_bytes(inspect.getsource(function).encode("utf-8", "surrogatepass"))
    except (OSError, TypeError):
        return None
