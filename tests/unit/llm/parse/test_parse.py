"""Bodies and streams made by hand: what is odd but whole is an answer, what is broken is a typed error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.base.errors import ModelError
from evalkit.llm.parse.anthropic import AnthropicStream, parse_message
from evalkit.llm.parse.openai import OpenAIStream, parse_completion
from evalkit.llm.parse.sse import SseEvent, SseReader
from evalkit.llm.parse.strict import clean_text, count, load_object
from evalkit.llm.wire import ChatResponse


def completion(message: Any = None, **fields: Any) -> bytes:
    choice = {"index": 0, "message": message or {"role": "assistant", "content": "a"}, "finish_reason": "stop"}
    return json.dumps({"id": "c", "model": "m", "choices": [choice | fields.pop("choice", {})], **fields}).encode()


def openai_stream(*chunks: dict[str, Any] | str) -> bytes:
    return b"".join(b"data: " + (c if isinstance(c, str) else json.dumps(c)).encode() + b"\n\n" for c in chunks)


def delta(content: Any = None, *, index: int = 0, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": {"content": content, **more}, "finish_reason": finish}]}


def read(stream: OpenAIStream | AnthropicStream, data: bytes, size: int = 10**9) -> ChatResponse:
    for at in range(0, len(data), size):
        if stream.feed(data[at : at + size]):
            break
    return stream.close()


def code_of(call: Any, *args: Any) -> str:
    with pytest.raises(ModelError) as caught:
        call(*args)
    return caught.value.code


@pytest.mark.parametrize(
    ("message", "text", "finish"),
    [
        ({"content": "a"}, "a", "stop"),
        ({"content": ""}, "", "stop"),
        ({"content": None, "refusal": "no"}, "", "refusal"),
        ({"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "a"}]}, "a", "stop"),
        ({"content": "\ud83d half"}, "� half", "stop"),
        ({"content": None, "reasoning": "hm"}, "", "stop"),
    ],
)
def test_odd_messages_are_answers(message: dict[str, Any], text: str, finish: str) -> None:
    answer = parse_completion(completion(message))
    assert (answer.text, answer.finish) == (text, finish)
    assert answer.model_dump_json()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (completion({"content": None}), "malformed"),
        (completion({"content": 3}), "malformed"),
        (completion({"content": "a", "tool_calls": "x"}), "malformed"),
        (completion({"content": None, "tool_calls": [{"function": {}}]}), "malformed"),
        (completion({"content": None, "tool_calls": [3]}), "malformed"),
        (completion(choice={"finish_reason": 3}), "malformed"),
        (completion(choice={"finish_reason": "error"}), "server_error"),
        (completion(choice={"error": {"code": 502, "message": "x"}}), "server_error"),
        (completion(choice={"message": None, "finish_reason": "content_filter"}), "content_filter"),
        (completion(choice={"message": None}), "malformed"),
        (b'{"choices": [3]}', "malformed"),
        (b'{"choices": {}}', "malformed"),
        (b'{"choices": null}', "malformed"),
        (b'{"error": {"code": "context_length_exceeded"}}', "context_length"),
        (b'{"error": "overloaded"}', "overloaded"),
    ],
)
def test_what_is_no_answer_is_an_error(body: bytes, code: str) -> None:
    assert code_of(parse_completion, body) == code


ABSURD: list[Any] = [
    None,
    [],
    {"prompt_tokens": -5, "completion_tokens": 1e30},
    {"prompt_tokens": "x"},
    {"prompt_tokens": True},
]


@pytest.mark.parametrize("usage", [*ABSURD, {"prompt_tokens": 1.5}])
def test_absurd_usage_is_not_known(usage: Any) -> None:
    answer = parse_completion(completion(usage=usage))
    assert answer.usage.input_tokens is None
    assert answer.usage.output_tokens is None


def test_arguments_keep_what_the_model_wrote() -> None:
    calls = [
        {"id": "1", "function": {"name": "f", "arguments": '{"a": '}},
        {"function": {"name": "g", "arguments": {"b": 1}}},
        {"id": None, "function": {"name": "h"}},
    ]
    answer = parse_completion(completion({"content": None, "tool_calls": calls}))
    assert [(call.name, call.arguments) for call in answer.tool_calls] == [
        ("f", '{"a": '),
        ("g", '{"b": 1}'),
        ("h", ""),
    ]


@pytest.mark.parametrize("size", [1, 3, 10**9])
def test_a_stream_is_the_same_in_any_pieces(size: int) -> None:
    call = [{"index": 0, "id": "1", "function": {"name": "f", "arguments": '{"a'}}]
    rest = [{"index": 0, "function": {"arguments": '": "€"}'}}]
    data = openai_stream(
        delta("30 "), delta("noise", index=1), delta("€uros"), delta(tool_calls=call), delta(tool_calls=rest),
        delta(finish="tool_calls"), {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}, "[DONE]",
    )  # fmt: skip
    answer = read(OpenAIStream(), b"\xef\xbb\xbf: hello\n\n" + data.replace(b"\n", b"\r\n"), size)
    assert (answer.text, answer.finish) == ("30 €uros", "tool_calls")
    assert answer.tool_calls[0].arguments == '{"a": "€"}'
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (1, 2)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "malformed"),
        (openai_stream("[DONE]"), "malformed"),
        (openai_stream(delta("a")), "truncated"),
        (openai_stream(delta("a"))[:-9], "truncated"),
        (openai_stream(delta("a"), {"error": {"code": 429, "message": "x"}}), "rate_limit"),
        (b"event: error\ndata: {}\n\n", "bad_request"),
        (openai_stream("{nonsense}"), "malformed"),
        (openai_stream("[1]"), "malformed"),
        (openai_stream({"choices": 3}), "malformed"),
        (openai_stream({"choices": [{"index": 0, "delta": 3}]}), "malformed"),
        (b"<html>\n\n", "malformed"),
    ],
)
def test_a_broken_stream_is_an_error(data: bytes, code: str) -> None:
    assert code_of(read, OpenAIStream(), data) == code


def test_a_stream_with_a_finish_but_without_done_is_whole() -> None:
    assert read(OpenAIStream(), openai_stream(delta("a"), delta(finish="stop"))).text == "a"
    assert read(OpenAIStream(), openai_stream(delta("a"), delta(finish="stop")).rstrip()).text == "a"


START = {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 5, "output_tokens": 1}}}
BLOCK = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
PIECE = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hé"}}
TOOL = {
    "type": "content_block_start",
    "index": 1,
    "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}},
}
ARGS = {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a": 1}'}}
STOP = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}
END = {"type": "message_stop"}


@pytest.mark.parametrize("size", [1, 7, 10**9])
def test_a_streamed_message_is_put_together(size: int) -> None:
    data = openai_stream(START, {"type": "ping"}, BLOCK, PIECE, PIECE, TOOL, ARGS, STOP, END)
    answer = read(AnthropicStream(), data, size)
    assert (answer.text, answer.finish, answer.provider_finish) == ("héhé", "stop", "end_turn")
    assert answer.tool_calls[0].arguments == '{"a": 1}'
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (5, 9)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "malformed"),
        (openai_stream(START), "truncated"),
        (openai_stream(START, BLOCK, PIECE), "truncated"),
        (openai_stream(START, BLOCK, PIECE)[:-9], "truncated"),
        (openai_stream(START, PIECE), "malformed"),
        (openai_stream(BLOCK), "malformed"),
        (openai_stream(START, {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}), "overloaded"),
        (openai_stream({"type": "content_block_start", "index": "x"}), "malformed"),
    ],
)
def test_a_broken_message_stream_is_an_error(data: bytes, code: str) -> None:
    assert code_of(read, AnthropicStream(), data) == code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "overloaded"),
        ({"content": None}, "malformed"),
        ({"content": [3]}, "malformed"),
        ({"content": [{"type": "text"}]}, "malformed"),
        ({"content": [{"type": "tool_use", "id": "x"}]}, "malformed"),
        ({"content": [], "stop_reason": 3}, "malformed"),
        ({}, "malformed"),
    ],
)
def test_what_is_no_message_is_an_error(body: dict[str, Any], code: str) -> None:
    assert code_of(parse_message, json.dumps(body).encode()) == code


def test_the_prompt_cache_is_counted_beside_the_input() -> None:
    usage = {"input_tokens": 4, "output_tokens": 2, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 7}
    body = {"content": [{"type": "text", "text": "a"}], "stop_reason": "refusal", "usage": usage}
    answer = parse_message(json.dumps(body).encode())
    assert (answer.usage.input_tokens, answer.usage.cache_read_tokens, answer.usage.cache_write_tokens) == (4, 100, 7)
    assert (answer.finish, answer.refusal) == ("refusal", "a")


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_no_bytes_escape_the_taxonomy(data: bytes) -> None:
    for call in (parse_completion, parse_message):
        code_of(call, data)
    for stream in (OpenAIStream(), AnthropicStream()):
        code_of(read, stream, b"data: " + data + b"\n\n", 11)


_KEYS = """
choices message content delta finish_reason tool_calls function name index error usage type text stop_reason
"""
_LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
_JSON = st.recursive(
    _LEAVES,
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from(_KEYS.split()), x, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(["choices", "content", "error", "type", "usage", "message", "delta", "index"]), _JSON
    )
)
@settings(max_examples=100, deadline=None)
def test_no_shape_of_json_escapes_the_taxonomy(body: dict[str, Any]) -> None:
    data = json.dumps(body).encode()
    for call in (parse_completion, parse_message):
        try:
            call(data)
        except ModelError:
            continue
    for stream in (OpenAIStream(), AnthropicStream()):
        try:
            read(stream, openai_stream(body, body))
        except ModelError:
            continue


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "malformed"), (b" \n", "malformed"), (b"\xff", "malformed"), (b'{"a": 1', "truncated"),
        (b'{"a": NaN}', "malformed"), (b'{"a": -Infinity}', "malformed"), (b'{"a": 1, "a": 2}', "malformed"),
        (b'{"a": 1} x', "malformed"), (b"<html>", "malformed"), (b"[1]", "malformed"), (b'{"a": 01}', "malformed"),
        (b'{"a": "x', "truncated"),
        (b'{"a": ' + b"9" * 5000 + b"}", "malformed"), (b'{"a":' * 65 + b"1" + b"}" * 65, "too_large"),
        (b"[" * 100_000, "too_large"),
    ],
    ids=lambda value: repr(value)[:24],
)  # fmt: skip
def test_json_is_read_strictly(data: bytes, code: str) -> None:
    assert code_of(load_object, data) == code


def test_json_is_read() -> None:
    assert load_object(b'\xef\xbb\xbf {"a": [{"b": "\\u20ac"}]} ') == {"a": [{"b": "€"}]}
    assert load_object(b'{"a":' * 64 + b"1" + b"}" * 64)
    assert load_object(b'{"a": [' + b"{}," * 500 + b"{}]}")


def test_counts_and_texts_are_cleaned() -> None:
    assert [count(value) for value in (5, 5.0, 0, -1, True, "5", None, float("nan"), 2**50)] == [5, 5, 0, *[None] * 6]
    assert clean_text("a\ud800b") == "a�b"
    assert clean_text("🙂é") == "🙂é"


_LINES = st.lists(st.sampled_from(["a: b", "data: x€", "data:y", "event: e", ": c", "", "id: 1"]))


@given(_LINES, st.sampled_from(["\n", "\r\n", "\r"]), st.integers(1, 9))
@settings(max_examples=100, deadline=None)
def test_events_do_not_depend_on_the_pieces(lines: list[str], end: str, size: int) -> None:
    data = "".join(line + end for line in lines).encode()
    whole, pieces = SseReader(), SseReader()
    expected = [*whole.feed(data), *whole.close()]
    got: list[SseEvent] = []
    for at in range(0, len(data), size):
        got += pieces.feed(data[at : at + size])
    assert [*got, *pieces.close()] == expected


def test_several_data_lines_are_one_event() -> None:
    reader = SseReader()
    assert reader.feed(b"event: e\ndata: 1\ndata:2\nid: 3\n\n") == [SseEvent("e", b"1\n2")]
    assert reader.feed(b"event: lonely\n\n: comment\n\n") == []
