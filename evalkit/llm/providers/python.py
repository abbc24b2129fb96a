"""A Python function as a model: ``module:function``, plain or async."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from evalkit.base.clock import Clock
from evalkit.base.errors import ModelError, UsageError
from evalkit.base.hashing import digest_bytes
from evalkit.base.model import JsonObject
from evalkit.llm.config import ModelSettings
from evalkit.llm.errors import model_error
from evalkit.llm.model import CallContext
from evalkit.llm.parse.strict import clean_text
from evalkit.llm.wire import ChatRequest, ChatResponse, Usage

__all__ = ["PythonModel", "open_python"]

_RESPONSE_FIELDS = frozenset({"text", "finish", "model", "cost_usd", "usage", "input_tokens", "output_tokens"})


class PythonModel:
    """Calls ``function(inputs, request)``; a plain function runs in a thread of its own.

    The function gets a copy of the item's inputs and the rendered request. It returns the text; or an object with
    ``text`` and optionally ``finish``, ``model``, ``cost_usd``, ``input_tokens``, ``output_tokens``; or a
    :class:`ChatResponse`. Any other object becomes its JSON. What it raises is an error of code ``application``.

    Args:
        name: the full name, ``provider/model``.
        function: what is called.
        clock: measures latency.
        identity: kind, function, digest of its module.
    """

    def __init__(self, name: str, function: Callable[..., Any], *, clock: Clock, identity: JsonObject) -> None:
        self._name = name
        self._function = function
        self._clock = clock
        self._identity = identity
        self._is_async = inspect.iscoroutinefunction(inspect.unwrap(function)) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004 - an object with an async __call__ counts too
        )

    @property
    def name(self) -> str:
        """The full name, ``provider/model``."""
        return self._name

    @property
    def identity(self) -> JsonObject:
        """Kind, function, and the digest of its module's source."""
        return self._identity

    async def complete(self, request: ChatRequest, context: CallContext) -> ChatResponse:
        """Return what the function answers.

        Raises:
            ModelError: ``application`` if it raised or returned something that is no answer, ``timeout``.
        """
        inputs = orjson.loads(orjson.dumps(dict(context.inputs), option=orjson.OPT_NON_STR_KEYS))
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(context.timeout_s):
                if self._is_async:
                    result = await self._function(inputs, request)
                else:
                    result = await _in_thread(self._function, inputs, request)
        except TimeoutError as error:
            if self._clock.monotonic() - began < context.timeout_s - 0.01:
                raise self._failed(error) from error
            text = f"no answer within {context.timeout_s:.1f} s"
            raise model_error("timeout", text, where=self._name) from error
        except ModelError:
            raise
        except Exception as error:
            raise self._failed(error) from error
        response = _response(result, self._name)
        if response.latency_s is None:
            response = response.model_copy(update={"latency_s": self._clock.monotonic() - began})
        return response

    async def aclose(self) -> None:
        """Do nothing: there is nothing to release."""

    def _failed(self, error: BaseException) -> ModelError:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return model_error("application", text[:500], where=self._name)


def open_python(settings: ModelSettings) -> PythonModel:
    """Return the function ``settings`` name, imported.

    Raises:
        UsageError: it cannot be imported or called.
    """
    target = settings.config.function or ""
    place = f"[models.{settings.name.partition('/')[0]}]"
    module_name, colon, attribute = target.partition(":")
    if not colon or not module_name or not attribute:
        raise UsageError(
            f"{target!r} is not module:function", hint='write function = "my_app.answers:ask"', where=place
        )
    try:
        found: Any = import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"{target!r} cannot be imported: {error}",
            hint="install the package it is in, or run from the directory it is in",
            where=place,
        ) from error
    if not callable(found):
        raise UsageError(f"{target!r} is not a function", hint="name a function of (inputs, request)", where=place)
    identity = {"kind": "python", "function": target, "source": _source_digest(module_name)}
    return PythonModel(settings.name, found, clock=settings.clock, identity=identity)


def _source_digest(module_name: str) -> str | None:
    path = getattr(import_module(module_name), "__file__", None)
    return digest_bytes(Path(path).read_bytes()) if path and Path(path).is_file() else None


async def _in_thread(function: Callable[..., Any], inputs: JsonObject, request: ChatRequest) -> Any:
    """Return ``function(inputs, request)`` from a daemon thread: one that hangs does not keep the process alive."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)

    def run() -> None:
        result, error = None, None
        try:
            result = function(inputs, request)
        except Exception as caught:  # noqa: BLE001 - passed on to the caller
            error = caught
        except BaseException as caught:  # noqa: BLE001 - sys.exit() in user code ends the call, not the run
            error = RuntimeError(f"{type(caught).__name__}: {caught}")
        if isinstance(error, StopIteration):
            error = RuntimeError(f"StopIteration: {error}")  # a future refuses this one
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="evalkit-python-model", daemon=True).start()
    return await done


def _response(result: Any, name: str) -> ChatResponse:
    if isinstance(result, ChatResponse):
        return result
    if isinstance(result, str):
        return ChatResponse(text=clean_text(result))
    if not isinstance(result, Mapping):
        raise model_error(
            "application",
            f"it returned {type(result).__name__}, not text, an object or a ChatResponse",
            where=name,
        )
    try:
        if "text" not in result or not set(result) <= _RESPONSE_FIELDS:
            return ChatResponse(text=orjson.dumps(dict(result)).decode())
        fields = dict(result)
        counts = {key: fields.pop(key) for key in ("input_tokens", "output_tokens") if key in fields}
        if counts:
            fields["usage"] = Usage(**counts)
        return ChatResponse.model_validate(fields)
    except (ValidationError, TypeError) as error:
        detail = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise model_error("application", f"it returned something that is no answer: {detail}", where=name) from error
