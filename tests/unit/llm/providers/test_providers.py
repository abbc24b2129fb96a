"""Each provider: the request as its API spells it, the answer as ours, its failures as ours."""

from __future__ import annotations

import asyncio
import csv
import gzip
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from evalkit.base.errors import ModelError, UsageError
from evalkit.llm.config import ModelConfig, ModelSettings, open_model
from evalkit.llm.model import CallContext, ChatModel
from evalkit.llm.providers.anthropic import AnthropicModel
from evalkit.llm.providers.anthropic import request_body as anthropic_body
from evalkit.llm.providers.http import HttpModel
from evalkit.llm.providers.openai import OpenAIModel, request_body
from evalkit.llm.transport import HttpReply
from evalkit.llm.wire import ChatRequest, ChatResponse, Message, ToolCall

TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
REQUEST = ChatRequest(
    model="p/m",
    messages=(
        Message(role="system", content="Be brief."),
        Message(role="user", content=({"type": "text", "text": "hi"},)),
        Message(role="assistant", tool_calls=(ToolCall(id="1", name="f", arguments='{"a": 1}'),)),
        Message(role="tool", tool_call_id="1", content="r1"),
        Message(role="tool", tool_call_id="2", content="r2"),
    ),
    temperature=0.0,
    top_p=0.5,
    max_output_tokens=7,
    stop=("END",),
    seed=3,
    tools=(TOOL,),
    tool_choice="required",
    response_schema={"title": "My answer", "type": "object"},
    logprobs=True,
    extra={"user": "u"},
)
SIMPLE = ChatRequest(model="p/m", messages=(Message(role="user", content="hi"),))
ANSWER = {"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}}


class FakePort:
    """A port that answers from memory and remembers what it was sent."""

    def __init__(self, body: Any, *, status: int = 200, content_type: str = "application/json") -> None:
        self.reply = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.status = status
        self.content_type = content_type
        self.sent: list[dict[str, Any]] = []
        self.urls: list[str] = []
        self.headers: Mapping[str, str] = {}
        self.timeouts: list[float] = []

    async def post(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes,
        timeout_s: float,
        on_chunk: Callable[[bytes], bool] | None = None,
    ) -> HttpReply:
        self.urls.append(url)
        self.headers = headers
        self.sent.append(json.loads(body))
        self.timeouts.append(timeout_s)
        if on_chunk is not None:
            on_chunk(self.reply)
        return HttpReply(self.status, {"Content-Type": self.content_type}, self.reply, 0.25)

    async def aclose(self) -> None:
        return None


def settings_for(config: ModelConfig, url: str = "https://x.example/v1", **env: str) -> ModelSettings:
    full = config.model_copy(update={"base_url": url, "key": "env:K" if env else None})
    caller = open_model("p/m", {"p": full}, resolve_env=env.get)._caller  # type: ignore[attr-defined]
    settings: ModelSettings = caller._settings
    return settings


def context(item_id: str = "q1", *, trial: int = 0, inputs: Any = None, timeout_s: float = 5.0) -> CallContext:
    return CallContext(item_id, trial, 0, inputs or {}, timeout_s)


def ask(model: ChatModel, request: ChatRequest = SIMPLE, **fields: Any) -> ChatResponse:
    return asyncio.run(model.complete(request, context(**fields)))


def failure(model: ChatModel, **fields: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        ask(model, **fields)
    return caught.value


def test_openai_spells_a_request() -> None:
    body = request_body(REQUEST, "m", limit_field="max_completion_tokens")
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    assert body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "hi"}]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "r1", "tool_call_id": "1"},
            {"role": "tool", "content": "r2", "tool_call_id": "2"},
        ],
        "temperature": 0.0,
        "top_p": 0.5,
        "max_completion_tokens": 7,
        "seed": 3,
        "tool_choice": "required",
        "stop": ["END"],
        "tools": [TOOL],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "My_answer", "schema": {"title": "My answer", "type": "object"}},
        },
        "logprobs": True,
        "user": "u",
    }


def test_openai_leaves_out_what_is_not_set() -> None:
    assert request_body(SIMPLE, "m") == {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("url", "setting", "field"),
    [
        ("https://api.openai.com/v1", None, "max_completion_tokens"),
        ("https://x.example/v1", None, "max_tokens"),
        ("https://x.example/v1", "max_completion_tokens", "max_completion_tokens"),
    ],
)
def test_the_output_limit_is_spelled_as_the_host_wants_it(url: str, setting: Any, field: str) -> None:
    port = FakePort(ANSWER)
    config = ModelConfig(kind="openai", max_tokens_field=setting, extra={"reasoning_effort": "low"}, timeout_s=2)
    answer = ask(OpenAIModel(settings_for(config, url, K="secret"), port=port), REQUEST)
    assert answer.latency_s == 0.25
    assert port.urls == [f"{url}/chat/completions"]
    assert port.sent[0][field] == 7
    assert port.sent[0]["reasoning_effort"] == "low"
    assert port.headers["Authorization"] == "Bearer secret"
    assert port.timeouts == [2.0]


def test_streaming_asks_for_usage() -> None:
    data = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    port = FakePort(data, content_type="text/event-stream")
    answer = ask(OpenAIModel(settings_for(ModelConfig(kind="openai", stream=True)), port=port))
    assert port.sent[0]["stream_options"] == {"include_usage": True}
    assert answer.text == "a"
    assert answer.first_token_s is not None


def test_anthropic_spells_a_request() -> None:
    body = anthropic_body(REQUEST, "m")
    use = {"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}}
    results = [
        {"type": "tool_result", "tool_use_id": "1", "content": "r1"},
        {"type": "tool_result", "tool_use_id": "2", "content": "r2"},
    ]
    assert body["system"] == "Be brief."
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": results},
    ]
    assert body["tools"] == [{"name": "f", "description": "d", "input_schema": {"type": "object"}}]
    assert body["tool_choice"] == {"type": "any"}
    assert (body["max_tokens"], body["stop_sequences"]) == (7, ["END"])
    assert body["output_config"]["format"]["type"] == "json_schema"
    assert "seed" not in body


def test_anthropic_reads_pictures_and_broken_arguments() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
    messages = (
        Message(role="user", content=(picture,)),
        Message(role="assistant", tool_calls=(ToolCall(id="1", name="f", arguments="{"),)),
    )
    body = anthropic_body(ChatRequest(model="m", messages=messages), "m")
    assert body["messages"][0]["content"][0]["source"] == {"type": "base64", "media_type": "image/png", "data": "QUJD"}
    assert body["messages"][1]["content"][0]["input"] == {"invalid_arguments": "{"}
    assert body["max_tokens"] == 4096


@pytest.mark.parametrize("url", ["https://x.example", "https://x.example/v1"])
def test_anthropic_is_asked(url: str) -> None:
    port = FakePort({"content": [{"type": "text", "text": "a"}], "stop_reason": "end_turn"})
    answer = ask(AnthropicModel(settings_for(ModelConfig(kind="anthropic"), url, K="secret"), port=port))
    assert (answer.text, answer.finish) == ("a", "stop")
    assert port.urls == ["https://x.example/v1/messages"]
    assert port.headers["x-api-key"] == "secret"


HTTP = ModelConfig(
    kind="http",
    base_url="https://app.example/ask",
    body={"q": "{{ inputs.q }}", "n": "{{ inputs.n }}", "text": "Ask: {{ prompt }}", "m": "{{ messages }}", "k": [1]},
    answer_path="data.answers[0].text",
    usage_paths={"input_tokens": "usage.in", "cost_usd": "usage.usd"},
)


def http_model(port: FakePort, config: ModelConfig = HTTP) -> HttpModel:
    return HttpModel(settings_for(config, "https://app.example/ask", K="secret"), port=port)


def test_an_application_is_asked_with_its_body_and_read_at_its_path() -> None:
    port = FakePort({"data": {"answers": [{"text": "a"}]}, "usage": {"in": 5, "usd": 0.25}})
    answer = ask(http_model(port), inputs={"q": 'a "quoted" {{ x }}', "n": 3})
    assert port.sent[0] == {
        "q": 'a "quoted" {{ x }}',
        "n": 3,
        "text": "Ask: hi",
        "m": [{"role": "user", "content": "hi"}],
        "k": [1],
    }
    assert (answer.text, answer.usage.input_tokens, answer.cost_usd) == ("a", 5, 0.25)
    assert port.urls == ["https://app.example/ask"]


@pytest.mark.parametrize(
    ("value", "text"), [("a", "a"), (3, "3"), ({"x": [1]}, '{"x":[1]}'), (False, "false"), ("", "")]
)
def test_whatever_stands_at_the_path_is_the_text(value: Any, text: str) -> None:
    port = FakePort({"data": {"answers": [{"text": value}]}})
    assert ask(http_model(port), inputs={"q": "", "n": 1}).text == text


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"data": {"answers": []}}, 200, "malformed"),
        ({"data": None}, 200, "malformed"),
        ({"data": {"answers": [{"text": None}]}}, 200, "malformed"),
        (b"<html>", 200, "malformed"),
        ({"error": "boom"}, 500, "application"),
        ({"error": "bad input"}, 422, "application"),
        ({"error": "no"}, 404, "application"),
        ({}, 401, "auth"),
        ({}, 429, "rate_limit"),
        ({}, 503, "overloaded"),
        ({}, 302, "bad_request"),
    ],
)
def test_an_application_that_fails_is_told_apart_from_what_stands_before_it(body: Any, status: int, code: str) -> None:
    assert failure(http_model(FakePort(body, status=status)), inputs={"q": "", "n": 1}).code == code


def test_an_application_may_answer_in_plain_text() -> None:
    config = HTTP.model_copy(update={"answer_path": "", "usage_paths": {}})
    assert ask(http_model(FakePort(b"plain \xe2\x82\xac"), config), inputs={"q": "", "n": 1}).text == "plain €"


@pytest.mark.parametrize(
    "update",
    [
        {"body": {"a": "{{ secret }}"}},
        {"body": {"a": ["{% if %}"]}},
        {"answer_path": "a..[x"},
        {"usage_paths": {"x": "a"}},
    ],
)
def test_a_table_of_an_application_is_checked_when_opened(update: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        http_model(FakePort({}), HTTP.model_copy(update=update))


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("fake_app")
    monkeypatch.setitem(sys.modules, "fake_app", module)
    return module


def python_model(target: str) -> ChatModel:
    config = ModelConfig(kind="python", function=target)
    return open_model("app/x", {"app": config}, resolve_env=lambda _: None)


def test_a_function_answers_in_any_of_its_forms(app: ModuleType) -> None:
    async def later(inputs: dict[str, Any], request: ChatRequest) -> str:
        await asyncio.sleep(0)
        return f"{inputs['q']} {request.messages[0].text()}"

    forms: dict[str, Any] = {
        "text": lambda inputs, _: inputs["q"],
        "fields": lambda inputs, _: {"text": inputs["q"], "input_tokens": 4, "output_tokens": 2, "cost_usd": 0.5},
        "response": lambda inputs, _: ChatResponse(text=inputs["q"], finish="length", latency_s=9.0),
        "later": later,
        "other": lambda *_: {"answer": 1},
    }
    for name, form in forms.items():
        setattr(app, name, form)
    got = {name: ask(python_model(f"fake_app:{name}"), inputs={"q": "why"}) for name in forms}
    assert [got[name].text for name in forms] == ["why", "why", "why", "why hi", '{"answer":1}']
    assert (got["fields"].usage.input_tokens, got["fields"].cost_usd) == (4, 0.5)
    assert (got["response"].finish, got["response"].latency_s) == ("length", 9.0)
    assert got["text"].latency_s is not None


def test_what_a_function_raises_is_the_application_s_error(app: ModuleType) -> None:
    def exits(*_: Any) -> str:
        sys.exit(3)

    def stops(*_: Any) -> str:
        raise StopIteration

    def limited(*_: Any) -> str:
        raise ModelError("slow", code="rate_limit", retryable=True)

    async def fails(*_: Any) -> str:
        raise TimeoutError("inner")

    app.__dict__.update(
        divides=lambda *_: 1 / 0, exits=exits, stops=stops, fails=fails, number=lambda *_: 3, limited=limited,
        odd=lambda *_: {"text": 3}, unjson=lambda *_: {"a": object()},
    )  # fmt: skip
    for name in ("divides", "exits", "stops", "fails", "number", "odd", "unjson"):
        error = failure(python_model(f"fake_app:{name}"))
        assert (error.code, error.retryable) == ("application", False), name
    assert "ZeroDivisionError: division by zero" in failure(python_model("fake_app:divides")).message
    assert failure(python_model("fake_app:limited")).code == "rate_limit"


def test_a_function_that_hangs_is_left_behind(app: ModuleType) -> None:
    app.__dict__["hangs"] = lambda *_: time.sleep(1.0)
    began = time.monotonic()
    error = failure(python_model("fake_app:hangs"), timeout_s=0.05)
    assert error.code == "timeout"
    assert time.monotonic() - began < 0.9


def test_a_function_cannot_change_the_item(app: ModuleType) -> None:
    app.__dict__["spoils"] = lambda inputs, _: inputs["list"].append(1) or inputs.clear() or "x"
    inputs = {"list": [0]}
    ask(python_model("fake_app:spoils"), inputs=inputs)
    assert inputs == {"list": [0]}


@pytest.mark.parametrize(
    "target", ["fake_app", "fake_app:", ":f", "fake_app:nope", "no_such_module_x:f", "fake_app:value"]
)
def test_a_function_that_cannot_be_called_is_refused(app: ModuleType, target: str) -> None:
    app.__dict__["value"] = 3
    with pytest.raises(UsageError) as caught:
        python_model(target)
    assert caught.value.hint


ROWS: list[dict[str, Any]] = [
    {"item_id": "q1", "trial": 0, "text": "a, \"b\"\nc €", "finish": "length", "input_tokens": 5, "output_tokens": 2,
     "latency_s": 0.5, "cost_usd": 0.01, "note": "n"},
    {"item_id": "q1", "trial": 1, "text": "second"},
    {"item_id": "q2", "trial": 0, "text": ""},
    {"item_id": "q3", "trial": 0, "error": "content_filter"},
    {"item_id": "q4", "trial": 0, "error": "odd words"},
]  # fmt: skip


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffixes[-1:] == [".parquet"]:
        import duckdb

        source = write(path.with_suffix(".jsonl"), rows)
        duckdb.sql(f"COPY (SELECT * FROM read_json('{source}')) TO '{path}' (FORMAT parquet)")
        return path
    with gzip.open(path, "wt", newline="") if path.suffix == ".gz" else path.open("w", newline="") as file:
        if ".csv" in path.name:
            writer = csv.DictWriter(file, [*ROWS[0], "error"])
            writer.writeheader()
            writer.writerows(rows)
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def replay(path: Path, **columns: str) -> ChatModel:
    config = ModelConfig(kind="replay", path=str(path), columns=columns)
    return open_model("rec/x", {"rec": config}, resolve_env=lambda _: None)


@pytest.mark.parametrize("name", ["o.jsonl", "o.jsonl.gz", "o.csv", "o.csv.gz", "o.parquet"])
def test_recorded_outputs_are_found_by_item_and_trial(tmp_path: Path, name: str) -> None:
    model = replay(write(tmp_path / name, ROWS))
    first = ask(model, item_id="q1")
    assert (first.text, first.finish) == ('a, "b"\nc €', "length")
    assert (first.usage.input_tokens, first.usage.output_tokens) == (5, 2)
    assert (first.latency_s, first.cost_usd, first.recorded) == (0.5, 0.01, {"note": "n"})
    assert ask(model, item_id="q1", trial=1).text == "second"
    assert ask(model, item_id="q2").text == ""
    assert failure(model, item_id="q3").code == "content_filter"
    assert failure(model, item_id="q4").code == "application"
    for item_id, trial in (("q1", 2), ("q9", 0), ("", 0)):
        assert failure(model, item_id=item_id, trial=trial).code == "not_recorded"
    asyncio.run(model.aclose())
    asyncio.run(model.aclose())


def test_other_column_names_are_mapped(tmp_path: Path) -> None:
    path = write(tmp_path / "o.jsonl", [{"nr": 7, "answer": {"a": 1}, "text": "prompt"}])
    answer = ask(replay(path, item_id="nr", text="answer"), item_id="7")
    assert (answer.text, answer.recorded) == ('{"a":1}', {"text": "prompt"})


def test_the_identity_is_the_content(tmp_path: Path) -> None:
    one, two = write(tmp_path / "a.jsonl", ROWS), write(tmp_path / "b.jsonl", ROWS)
    other = write(tmp_path / "c.jsonl", ROWS[:1])
    assert replay(one).identity == replay(two).identity != replay(other).identity


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"item_id": "a", "text": "x"}\n{"item_id": "a", "text": "y"}\n', "more than once"),
        ('{"item_id": "a", "text": "x"}\n{"item_id": "b"}\n', "neither"),
        ('{"text": "x"}\n', "no 'item_id'"),
        ('{"item_id": "a", "text": "x"}\n{"item_id": \n', "cannot be read"),
        ("[1]\n", "not an object"),
        ('{"item_id": "a", "text": "x", "trial": -1}\n', "trial"),
        ('{"item_id": "a", "text": "x", "latency_s": "fast"}\n', "latency_s"),
        ('{"item_id": "a", "text": "x", "input_tokens": 1.5}\n', "input_tokens"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_by_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "o.jsonl"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        replay(path)
    assert words in caught.value.message
    assert "o.jsonl" in (caught.value.where or "")


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "o.pickle").write_bytes(b"x")
    (tmp_path / "bad.jsonl.gz").write_bytes(b"no gzip")
    (tmp_path / "bad.parquet").write_bytes(b"no parquet")
    (tmp_path / "bad.csv").write_text("item_id,text\na,b,c\n")
    for name in ("pipe.jsonl", "o.pickle", "bad.jsonl.gz", "bad.parquet", "bad.csv", "absent.jsonl", "."):
        with pytest.raises(UsageError) as caught:
            replay(tmp_path / name)
        assert caught.value.hint, name
    with pytest.raises(UsageError, match="did you mean 'text'"):
        replay(write(tmp_path / "o.jsonl", ROWS), txt="x")
