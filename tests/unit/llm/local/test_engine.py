from __future__ import annotations

import json
from typing import Any

import pytest

from evalkit.llm.providers.local.engine import RequestError, complete
from evalkit.llm.providers.local.streaming import stream_chunks
from evalkit.llm.providers.local.tokens import count_tokens, pieces

CONTEXT = "Library\n\n[1] Cards. A card costs $18 a year.\n[2] Loans. Books go out for 28 days, films for one week."
SEARCH = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Return the weather forecast for a city",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "the city"},
                "days": {"type": "integer", "description": "number of days"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["city"],
        },
    },
}


def body(question: str, system: str = "Be brief.", **extra: Any) -> dict[str, Any]:
    user = f"Context:\n{CONTEXT}\n\nQuestion: {question}"
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    return {"model": "local/extract-1", "messages": messages, "seed": 1} | extra


def choice(request: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = complete(request)["choices"][0]
    return found


def test_the_answer_is_the_span_that_belongs_to_the_question() -> None:
    system = "Use only the context. Be brief."
    assert choice(body("How long do films go out?", system))["message"]["content"] == "one week"
    assert choice(body("How much is a card?", system))["message"]["content"] == "$18"


@pytest.mark.parametrize(
    "user",
    [
        f"{CONTEXT}\n\nHow much is a card?",
        f"<context>\n{CONTEXT}\n</context>\n<question>How much is a card?</question>",
        f"Question: How much is a card?\n\nContext:\n{CONTEXT}",
        f'Text:\n"""\n{CONTEXT}\n"""\nHow much is a card?',
    ],
)
def test_context_and_question_are_found_in_any_usual_layout(user: str) -> None:
    messages = [{"role": "system", "content": "Use only the context. Be brief."}, {"role": "user", "content": user}]
    answer = complete({"model": "extract-1", "messages": messages, "seed": 1})
    assert "$18" in answer["choices"][0]["message"]["content"]


def test_usage_counts_the_documented_tokens() -> None:
    answer = complete(body("How much is a card?"))
    assert answer["usage"]["completion_tokens"] == count_tokens(answer["choices"][0]["message"]["content"])
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] + answer["usage"]["completion_tokens"]


@pytest.mark.parametrize("text", ["", "  ", "Hello,  world!\n", "déjà-vu 12,345.60 €\n\n", "_x_ 你好"])
def test_pieces_put_together_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text


def test_a_token_limit_cuts_and_says_length() -> None:
    cut = choice(body("How much is a card?", "Explain in detail.", max_tokens=5))
    assert cut["finish_reason"] == "length"
    assert count_tokens(cut["message"]["content"]) == 5


def test_stop_sequences_end_the_answer() -> None:
    whole = choice(body("How much is a card?", "Explain in detail."))["message"]["content"]
    cut = choice(body("How much is a card?", "Explain in detail.", stop=["$"]))["message"]["content"]
    assert whole.startswith(cut)
    assert "$" not in cut


def test_log_probabilities_are_negative_and_cover_the_text() -> None:
    found = choice(body("How much is a card?", logprobs=True, top_logprobs=2))
    rows = found["logprobs"]["content"]
    assert "".join(row["token"] for row in rows) == found["message"]["content"]
    assert all(row["logprob"] < 0 and len(row["top_logprobs"]) == 2 for row in rows)


def test_a_schema_names_the_keys() -> None:
    schema = {"type": "object", "properties": {"reply": {"type": "string"}, "clause": {"type": "string"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    text = choice(
        body("How much is a card?", "Use only the context. Be brief. Cite the section.", response_format=wanted, seed=5)
    )["message"]["content"]
    assert json.loads(text) == {"reply": "$18", "clause": "1"}


def test_a_fitting_tool_is_called_with_arguments_from_the_text() -> None:
    messages = [
        {"role": "user", "content": "What will the weather be like in Porto for the next three days, in celsius?"}
    ]
    found = choice({"model": "local/extract-1", "messages": messages, "tools": [SEARCH]})
    assert found["finish_reason"] == "tool_calls"
    call = found["message"]["tool_calls"][0]["function"]
    assert call["name"] == "get_weather"
    assert json.loads(call["arguments"]) == {"city": "Porto", "days": 3, "unit": "celsius"}


def test_a_tool_that_does_not_fit_is_not_called_unless_required() -> None:
    request = body("How much is a card?", tools=[SEARCH])
    assert "tool_calls" not in choice(request)["message"]
    assert choice({**request, "tool_choice": "required"})["message"]["tool_calls"]


def test_the_result_of_a_tool_is_answered_from() -> None:
    messages = [
        {"role": "user", "content": "How warm will it be in Porto on Monday?"},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "tool_call_id": "c", "content": "On Monday it will be warm in Porto: 24 degrees."},
    ]
    found = choice({"model": "local/extract-1", "messages": messages, "tools": [SEARCH], "seed": 1})
    assert "24" in found["message"]["content"]


@pytest.mark.parametrize(
    ("request_body", "status", "code"),
    [
        ({"messages": [{"role": "user", "content": "x"}]}, 400, "missing_model"),
        ({"model": "gpt-x", "messages": [{"role": "user", "content": "x"}]}, 404, "model_not_found"),
        ({"model": "extract-1", "messages": []}, 400, "invalid_messages"),
        (
            {"model": "extract-1", "messages": [{"role": "user", "content": "word " * 40_000}]},
            400,
            "context_length_exceeded",
        ),
    ],
)
def test_a_bad_request_is_refused_in_the_words_of_the_api(request_body: dict[str, Any], status: int, code: str) -> None:
    with pytest.raises(RequestError) as caught:
        complete(request_body)
    assert caught.value.status == status
    assert caught.value.body()["error"]["code"] == code


@pytest.mark.parametrize("extra", [{}, {"logprobs": True}, {"tools": [SEARCH], "tool_choice": "required"}])
def test_streamed_chunks_add_up_to_the_answer(extra: dict[str, Any]) -> None:
    answer = complete(body("How much is a card?", "Explain in detail.", **extra))
    chunks = list(stream_chunks(answer, include_usage=True))
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    message = answer["choices"][0]["message"]
    assert "".join(delta.get("content") or "" for delta in deltas) == (message["content"] or "")
    calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
    sent = "".join(call["function"]["arguments"] for call in calls)
    assert sent == "".join(call["function"]["arguments"] for call in message.get("tool_calls", ()))
    assert chunks[-1]["usage"] == answer["usage"]


@pytest.mark.parametrize(
    "junk", ["", "?", "[", "\x00", "💥" * 50, "| | |", "Context:\n\nQuestion:", "a" * 5000, "1" * 5000]
)
def test_no_text_makes_it_fail(junk: str) -> None:
    for model in ("extract-1", "extract-1-mini", "judge"):
        for system in ("Be brief.", "Extract the fields kind, sender, date as JSON."):
            messages = [{"role": "system", "content": system}, {"role": "user", "content": junk}]
            assert complete({"model": model, "messages": messages})["object"] == "chat.completion"
