"""The embedded model: one chat-completion request in, one reply out. Rules, not a language model.

Everything here is a pure function of the request body: the same body gives the same bytes in every process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from evalkit.base.hashing import digest, unit_interval
from evalkit.llm.providers.local.answers import Answer, answer_question
from evalkit.llm.providers.local.extraction import extract_fields, wants_extraction
from evalkit.llm.providers.local.features import Features, read_features
from evalkit.llm.providers.local.judge import judge_reply
from evalkit.llm.providers.local.layout import Layout, content_text, read_layout
from evalkit.llm.providers.local.noise import Noise
from evalkit.llm.providers.local.questions import question_language
from evalkit.llm.providers.local.tokens import count_tokens, pieces
from evalkit.llm.providers.local.toolcalls import call_tool
from evalkit.llm.providers.local.wording import schema_keys, word_answer

__all__ = ["CONTEXT_TOKENS", "MODELS", "NOTICE", "RequestError", "complete"]

NOTICE: Final = "not an LLM: for demonstration and tests"
MODELS: Final = ("extract-1", "extract-1-mini", "judge")
CONTEXT_TOKENS: Final = 32_768
"""Longer prompts are refused as ``context_length_exceeded``."""


@dataclass
class RequestError(Exception):
    """A request the model refuses, in the words of the OpenAI API."""

    status: int
    message: str
    code: str
    kind: str = "invalid_request_error"
    param: str | None = None

    def body(self) -> dict[str, Any]:
        """Return the error body."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


@dataclass(frozen=True, slots=True)
class _Reply:
    text: str
    tool_calls: tuple[dict[str, Any], ...] = ()
    sure: float = 0.9


def complete(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``chat.completion`` object that answers ``body``.

    Raises:
        RequestError: the body is not a chat request, names an unknown model, or is too long.
    """
    model = _model(body)
    messages = _messages(body)
    prompt_tokens = sum(count_tokens(content_text(message.get("content"))) + 4 for message in messages) + 2
    if prompt_tokens > CONTEXT_TOKENS:
        raise RequestError(
            400,
            f"This model's maximum context length is {CONTEXT_TOKENS} tokens; the messages have {prompt_tokens}.",
            "context_length_exceeded",
            param="messages",
        )
    reply = _reply(model, body, messages)
    key = digest(body)
    text, finish = _cut(reply.text, body)
    if reply.tool_calls:
        finish = "tool_calls"
    completion_tokens = count_tokens(text) + sum(
        count_tokens(call["function"]["arguments"]) + 4 for call in reply.tool_calls
    )
    message: dict[str, Any] = {"role": "assistant", "content": text or (None if reply.tool_calls else "")}
    if reply.tool_calls:
        message["tool_calls"] = list(reply.tool_calls)
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    if body.get("logprobs"):
        choice["logprobs"] = _logprobs(text, key, reply.sure, int(body.get("top_logprobs") or 0))
    return {
        "id": f"chatcmpl-{key[:24]}",
        "object": "chat.completion",
        "created": 0,
        "model": f"local/{model}",
        "system_fingerprint": f"evalkit-local-1 ({NOTICE})",
        "choices": [choice],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


def _model(body: Mapping[str, Any]) -> str:
    named = body.get("model")
    if not isinstance(named, str):
        raise RequestError(400, "you must provide a model parameter", "missing_model", param="model")
    short = named.removeprefix("local/")
    if short not in MODELS:
        known = ", ".join(f"local/{each}" for each in MODELS)
        raise RequestError(
            404, f"The model {named!r} does not exist; there are {known}.", "model_not_found", param="model"
        )
    return short


def _messages(body: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(each, Mapping) for each in messages):
        raise RequestError(400, "'messages' must be a non-empty array of objects", "invalid_messages", param="messages")
    return messages


def _noise(model: str, body: Mapping[str, Any], question: str) -> Noise:
    seed, temperature = body.get("seed"), body.get("temperature")
    return Noise(
        model=model,
        question=question,
        seed=seed if isinstance(seed, int) else 0,
        temperature=min(max(float(temperature), 0.0), 2.0) if isinstance(temperature, (int, float)) else 0.0,
    )


def _reply(model: str, body: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> _Reply:
    if model == "judge":
        return _Reply(judge_reply(messages, lambda text: _noise(model, body, text), schema=_schema(body)))
    layout = read_layout(messages)
    features = _features(layout, body)
    noise = _noise(model, body, layout.question or layout.context)
    tools = body.get("tools")
    if isinstance(tools, list) and not layout.tool_results:
        call = call_tool(layout.question or layout.context, tools, body.get("tool_choice"), noise)
        if call:
            return _Reply("", (call,))
    if not layout.question and layout.context and wants_extraction(layout, features):
        return _Reply(
            extract_fields(layout.context, layout.instructions, features, noise, schema=_schema(body)), sure=0.8
        )
    answer = _answer(layout, features, noise)
    text = word_answer(answer, layout.question, features, noise, language=question_language(layout.question))
    return _Reply(text, sure=answer.sure)


def _answer(layout: Layout, features: Features, noise: Noise) -> Answer:
    if layout.tool_results:
        return answer_question(layout.question, layout.tool_results, replace(features, grounded=True), noise)
    return answer_question(layout.question or layout.context, layout.context, features, noise)


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted = body.get("response_format")
    if not isinstance(wanted, Mapping) or wanted.get("type") != "json_schema":
        return None
    inner = wanted.get("json_schema")
    schema = inner.get("schema") if isinstance(inner, Mapping) else None
    return schema if isinstance(schema, Mapping) else None


def _features(layout: Layout, body: Mapping[str, Any]) -> Features:
    features = read_features(layout.instructions)
    wanted = body.get("response_format")
    if isinstance(wanted, Mapping) and wanted.get("type") in {"json_schema", "json_object"}:
        features = replace(read_features(layout.instructions + "\nAnswer in JSON."), json=True)
        keys = schema_keys(_schema(body))
        if keys:
            features = replace(features, keys=keys)
    return features


def _cut(text: str, body: Mapping[str, Any]) -> tuple[str, str]:
    finish = "stop"
    stops = body.get("stop") or []
    for stop in [stops] if isinstance(stops, str) else stops:
        if isinstance(stop, str) and stop and stop in text:
            text = text[: text.index(stop)]
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if isinstance(limit, int) and limit > 0:
        tokens = pieces(text)
        if len(tokens) > limit:
            text, finish = "".join(tokens[:limit]), "length"
    return text, finish


def _logprobs(text: str, key: str, sure: float, top: int) -> dict[str, Any]:
    content = []
    for position, token in enumerate(pieces(text)):
        spread = (1.05 - min(max(sure, 0.05), 0.99)) * 1.5
        value = -round(spread * unit_interval(key, "logprob", position) + 0.001, 4)
        row: dict[str, Any] = {"token": token, "logprob": value, "bytes": list(token.encode())}
        row["top_logprobs"] = [
            {
                "token": token if rank == 0 else token.swapcase() + "'" * rank,
                "logprob": value - 2.5 * rank,
                "bytes": None,
            }
            for rank in range(min(top, 20))
        ]
        content.append(row)
    return {"content": content, "refusal": None}
