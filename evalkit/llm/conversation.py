"""Conversations that stand in items, as messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from evalkit.base.errors import UsageError
from evalkit.base.model import JsonObject, JsonValue
from evalkit.llm.wire import Message

__all__ = ["parse_messages"]


def parse_messages(raw: JsonValue, where: str | None = None) -> tuple[Message, ...]:
    """Return the conversation in ``raw``, a list of OpenAI-style messages as an item's ``inputs.messages`` holds it.

    Raises:
        UsageError: it is not a non-empty list of messages with a role and content.
    """
    if not isinstance(raw, (list, tuple)) or not raw:
        raise UsageError(
            "`messages` is not a non-empty list", hint='give [{"role": "user", "content": "…"}]', where=where
        )
    return tuple(_parse_message(entry, number, where) for number, entry in enumerate(raw))


def _parse_message(raw: JsonValue, number: int, where: str | None) -> Message:
    if not isinstance(raw, Mapping):
        raise UsageError(f"messages[{number}] is not an object", hint='give {"role": …, "content": …}', where=where)
    fields = dict(raw)
    try:
        if fields.get("tool_calls"):
            fields["tool_calls"] = [{"id": call.get("id", ""), **_function(call)} for call in fields["tool_calls"]]
        fields = {key: value for key, value in fields.items() if value is not None}
        return Message.model_validate(fields)
    except (ValidationError, AttributeError, KeyError, TypeError) as error:
        detail = (
            error.errors()[0] if isinstance(error, ValidationError) else {"loc": ("tool_calls",), "msg": str(error)}
        )
        place = ".".join(str(part) for part in detail["loc"])
        raise UsageError(
            f"messages[{number}].{place}: {detail['msg']}",
            hint="a message has role, content, and optionally name, tool_calls, tool_call_id",
            where=where,
        ) from error


def _function(call: Mapping[str, Any]) -> JsonObject:
    function = call.get("function", call)
    return {"name": function["name"], "arguments": function["arguments"]}
