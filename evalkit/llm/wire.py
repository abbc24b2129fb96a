"""What goes to a model and what comes back, independent of any provider's spelling."""

from __future__ import annotations

from typing import Literal

from evalkit.base.model import Frozen, JsonObject, JsonValue, Many

__all__ = ["ChatRequest", "ChatResponse", "FinishReason", "Message", "Role", "ToolCall", "Usage"]

Role = Literal["system", "developer", "user", "assistant", "tool"]

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "pause", "error", "unknown"]
"""Why a model stopped, in one vocabulary; the provider's own word stays in ``ChatResponse.provider_finish``."""


class ToolCall(Frozen):
    """A function the model asks to be called; ``arguments`` is the raw text, which may not be valid JSON."""

    id: str
    name: str
    arguments: str


class Message(Frozen):
    """One turn. ``content`` is text, or a list of OpenAI-style content parts, or None beside tool calls."""

    role: Role
    content: str | Many[JsonObject] | None = None
    name: str | None = None
    tool_calls: Many[ToolCall] = ()
    tool_call_id: str | None = None

    def text(self) -> str:
        """Return the textual content, parts joined by newlines, empty if there is none."""
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        return "\n".join(str(part["text"]) for part in self.content if part.get("type") == "text")


class ChatRequest(Frozen):
    """One call. Its digest (with trial and draw) is the key of the response cache."""

    model: str
    messages: Many[Message]
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    stop: Many[str] = ()
    seed: int | None = None
    tools: Many[JsonObject] = ()
    tool_choice: JsonValue = None
    response_schema: JsonObject | None = None
    logprobs: bool = False
    extra: JsonObject = {}


class Usage(Frozen):
    """Tokens as billed. ``None`` means the provider did not say, which is not zero.

    ``cached_input_tokens`` is a part of ``input_tokens``. Anthropic counts its prompt cache beside ``input_tokens``
    instead: those are ``cache_read_tokens`` and ``cache_write_tokens``.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None


class ChatResponse(Frozen):
    """A complete answer.

    ``text`` is empty, never None, when the model only called tools. ``latency_s`` is the time from sending the request
    that succeeded to its last byte: waiting for a limiter and failed attempts are not in it.
    ``cost_usd`` is None when the price is unknown.
    """

    text: str
    finish: FinishReason = "stop"
    provider_finish: str | None = None
    tool_calls: Many[ToolCall] = ()
    usage: Usage = Usage()
    model: str | None = None
    response_id: str | None = None
    refusal: str | None = None
    latency_s: float | None = None
    first_token_s: float | None = None
    cost_usd: float | None = None
    recorded: JsonObject = {}
    """Further columns of the row a replayed answer was read from; empty for a live answer."""
