"""From a candidate and an item to a request, and to the digest of what decides its answer."""

from __future__ import annotations

from typing import Any

import pytest

from evalkit.base.errors import UsageError
from evalkit.core.candidate import Candidate, Prompt, PromptMessage
from evalkit.core.item import Item
from evalkit.runner.plan import call_seed
from evalkit.runner.request import RequestBuilder

PROMPT = Prompt(
    messages=(
        PromptMessage(role="system", content="Answer briefly."),
        PromptMessage(role="user", content="{{ inputs.question }} ({{ id }}, {{ metadata.lang }})"),
    )
)
CANDIDATE = Candidate(name="next", model="openai/gpt/mini", prompt=PROMPT, temperature=0.0, max_output_tokens=9)
ITEM = Item(id="q1", inputs={"question": "Why?"}, metadata={"lang": "en"})
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}


def test_the_request_holds_prompt_parameters_and_seed() -> None:
    request = RequestBuilder(CANDIDATE, "0").build(ITEM, 2)
    assert [(message.role, message.text()) for message in request.messages] == [
        ("system", "Answer briefly."),
        ("user", "Why? (q1, en)"),
    ]
    assert (request.model, request.temperature, request.max_output_tokens) == ("gpt/mini", 0.0, 9)
    assert request.seed == call_seed("0", "q1", 2)


def test_an_items_own_conversation_follows_the_prompt() -> None:
    item = ITEM.model_copy(update={"inputs": {"question": "?", "messages": [{"role": "user", "content": "And then?"}]}})
    request = RequestBuilder(CANDIDATE, "0").build(item, 0)
    assert [message.text() for message in request.messages][2:] == ["And then?"]


def test_without_prompt_or_conversation_there_are_no_messages() -> None:
    bare = CANDIDATE.model_copy(update={"prompt": None})
    assert RequestBuilder(bare, "0").build(ITEM, 0).messages == ()


def test_an_items_conversation_may_stand_alone() -> None:
    bare = CANDIDATE.model_copy(update={"prompt": None})
    item = Item(id="q", inputs={"messages": [{"role": "user", "content": "Hello"}]})
    assert [message.text() for message in RequestBuilder(bare, "0").build(item, 0).messages] == ["Hello"]


def test_a_candidates_tools_win_over_an_items() -> None:
    item = ITEM.model_copy(update={"inputs": {"question": "?", "tools": [TOOL]}})
    assert RequestBuilder(CANDIDATE, "0").build(item, 0).tools == (TOOL,)
    other = {"type": "function", "function": {"name": "other"}}
    assert RequestBuilder(CANDIDATE.model_copy(update={"tools": (other,)}), "0").build(item, 0).tools == (other,)
    nothing = ITEM.model_copy(update={"inputs": {"question": "?", "tools": None}})
    assert RequestBuilder(CANDIDATE, "0").build(nothing, 0).tools == ()


@pytest.mark.parametrize("tools", ["look_up", ["look_up"], {"name": "look_up"}])
def test_tools_of_another_shape_are_an_error_that_names_the_item(tools: Any) -> None:
    item = ITEM.model_copy(update={"inputs": {"question": "?", "tools": tools}})
    with pytest.raises(UsageError, match=r"'q1'.*inputs\.tools") as caught:
        RequestBuilder(CANDIDATE, "0").build(item, 0)
    assert caught.value.hint


@pytest.mark.parametrize("messages", ["Hello", [{"role": "nobody", "content": "x"}], [1]])
def test_a_conversation_of_another_shape_is_an_error_that_names_the_item(messages: Any) -> None:
    item = ITEM.model_copy(update={"inputs": {"question": "?", "messages": messages}})
    with pytest.raises(UsageError, match="q1"):
        RequestBuilder(CANDIDATE, "0").build(item, 0)


def test_a_field_the_prompt_needs_and_the_item_lacks_is_an_error() -> None:
    with pytest.raises(UsageError, match="question"):
        RequestBuilder(CANDIDATE, "0").build(Item(id="q2", inputs={}, metadata={"lang": "en"}), 0)


def body(candidate: Candidate = CANDIDATE, item: Item = ITEM, draw: str = "0", trial: int = 0) -> str:
    builder = RequestBuilder(candidate, draw)
    return builder.body_digest(item, builder.build(item, trial))


@pytest.mark.parametrize(
    "change",
    [
        {"model": "openai/other"},
        {"model": "azure/gpt/mini"},
        {"prompt": Prompt(messages=(PromptMessage(role="user", content="{{ inputs.question }}"),))},
        {"temperature": 0.5},
        {"temperature": None},
        {"top_p": 0.5},
        {"max_output_tokens": 10},
        {"stop": ("END",)},
        {"tools": (TOOL,)},
        {"tool_choice": "auto"},
        {"response_schema": {"type": "object"}},
        {"extra": {"reasoning": "low"}},
        {"model_identity": {"kind": "openai", "base_url": "https://other.example"}},
    ],
    ids=str,
)
def test_every_field_of_a_candidate_that_decides_answers_changes_the_digest(change: dict[str, Any]) -> None:
    assert body(CANDIDATE.model_copy(update=change)) != body()


@pytest.mark.parametrize(
    "change",
    [
        {"name": "renamed"},
        {"timeout_s": 5.0},
        {"prompt": PROMPT.model_copy(update={"source": "b.yaml", "commit": "c"})},
    ],
    ids=str,
)
def test_names_and_patience_do_not_change_the_digest(change: dict[str, Any]) -> None:
    assert body(CANDIDATE.model_copy(update=change)) == body()


def test_item_draw_and_trial_change_the_digest() -> None:
    other = ITEM.model_copy(update={"inputs": {"question": "How?"}})
    digests = {body(), body(item=other), body(draw="1"), body(trial=1), body(item=ITEM.model_copy(update={"id": "q2"}))}
    assert len(digests) == 5


def test_what_a_prompted_model_never_sees_does_not_change_the_digest() -> None:
    unseen = {"expected": "Because.", "cluster": "c", "tags": ("t",), "weight": 2.0}
    assert body(item=ITEM.model_copy(update=unseen)) == body()


@pytest.mark.parametrize("kind", ["http", "python", "replay"])
def test_an_application_that_reads_the_item_gets_its_inputs_into_the_digest(kind: str) -> None:
    candidate = CANDIDATE.model_copy(update={"model_identity": {"kind": kind}})
    unused = ITEM.model_copy(update={"inputs": {**ITEM.inputs, "context": "not in the prompt"}})
    assert body(candidate, unused) != body(candidate)
    assert body(item=unused) == body()


def test_without_messages_the_item_itself_is_what_is_asked() -> None:
    bare = CANDIDATE.model_copy(update={"prompt": None})
    assert body(bare, ITEM.model_copy(update={"inputs": {"question": "How?"}})) != body(bare)


def test_a_model_name_without_a_provider_is_passed_on_whole() -> None:
    assert RequestBuilder(CANDIDATE.model_copy(update={"model": "bare"}), "0").build(ITEM, 0).model == "bare"
