"""Every recorded exchange of real providers is read as its reference says, and every recorded error is named right."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evalkit.base.errors import ModelError
from evalkit.llm.classify import error_from_status
from evalkit.llm.parse.anthropic import AnthropicStream, parse_message
from evalkit.llm.parse.openai import OpenAIStream, parse_completion
from evalkit.llm.wire import ChatResponse

_ROOT = Path(os.environ.get("EVALKIT_DATA") or Path(__file__).parents[2] / ".." / "shared" / "data") / "wire"

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not _ROOT.is_dir(), reason=f"no recorded exchanges at {_ROOT} (set EVALKIT_DATA)"),
]

Row = dict[str, Any]

CUT_STREAMS = {"pydantic-ai-816", "pydantic-ai-819"}
"""Streams that end in an error event; their reference holds the parts before it."""


def _exchanges() -> Iterator[Row]:
    for name in ("openllmetry", "pydantic_ai"):
        with gzip.open(_ROOT / f"{name}.jsonl.gz", "rt") as file:
            yield from map(json.loads, file)


def _lines(name: str) -> list[Row]:
    return [json.loads(line) for line in (_ROOT / name).read_text().splitlines()]


def _parse(row: Row, *, piece: int | None = None) -> ChatResponse:
    body = row["response"].encode()
    if not row["stream"]:
        return parse_message(body) if row["kind"] == "messages" else parse_completion(body)
    stream = AnthropicStream() if row["kind"] == "messages" else OpenAIStream()
    size = piece or max(len(body), 1)
    for at in range(0, len(body), size):
        if stream.feed(body[at : at + size]):
            break
    return stream.close()


def _outcome(row: Row) -> ChatResponse | ModelError:
    try:
        return _parse(row)
    except ModelError as error:
        return error


def _is_answer(row: Row) -> bool:
    expect = row["expect"]
    return bool(expect) and row["kind"] in {"chat", "messages"} and "error" not in expect and "unparsed" not in expect


def _thinks_in_parts(row: Row) -> bool:
    """Return whether the content is a list of parts, whose text the reference leaves out."""
    if row["stream"]:
        return False
    choices = json.loads(row["response"]).get("choices") or [{}]
    return isinstance(choices[0].get("message", {}).get("content"), list)


def _difference(row: Row, got: ChatResponse) -> str | None:
    expect = row["expect"]
    tools = [{"name": call.name, "arguments": call.arguments} for call in got.tool_calls]
    names = any(isinstance(tool, str) for tool in expect["tools"])  # the references of some kinds hold names alone
    pairs = {
        "text": (got.text, expect["text"] or ""),
        "finish": (got.provider_finish, expect["finish"]),
        "input_tokens": (got.usage.input_tokens, expect["input_tokens"]),
        "output_tokens": (got.usage.output_tokens, expect["output_tokens"]),
        "tools": (_plain(tools, names=names), _plain(expect["tools"])),
    }
    if _thinks_in_parts(row):
        del pairs["text"]
    wrong = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    return f"{row['id']} {row['provider']}: {wrong}" if wrong else None


def _plain(tools: list[Any], *, names: bool = False) -> list[Any]:
    if names or any(isinstance(tool, str) for tool in tools):
        return [tool if isinstance(tool, str) else tool["name"] for tool in tools]
    return [(tool["name"], _json(tool["arguments"])) for tool in tools]


def _json(arguments: Any) -> Any:
    try:
        return json.loads(arguments) if isinstance(arguments, str) else arguments
    except ValueError:
        return arguments


@pytest.mark.parametrize("piece", [None, 7], ids=["whole", "in pieces of 7 bytes"])
def test_every_recorded_answer_is_read_as_its_reference_says(piece: int | None) -> None:
    rows = [row for row in _exchanges() if _is_answer(row) and row["id"] not in CUT_STREAMS]
    assert len(rows) > 1000
    if piece:
        rows = [row for row in rows if row["stream"]]
    wrong = [difference for row in rows if (difference := _difference(row, _parse(row, piece=piece)))]
    assert not wrong, "\n".join(wrong)


def test_streams_that_end_in_an_error_event_are_errors() -> None:
    rows = {row["id"]: row for row in _exchanges() if row["id"] in CUT_STREAMS}
    assert set(rows) == CUT_STREAMS
    for row in rows.values():
        with pytest.raises(ModelError) as caught:
            _parse(row)
        assert caught.value.code == "bad_request"


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_a_recorded_body_cut_short_is_never_an_answer(keep: float) -> None:
    for row in _exchanges():
        if not _is_answer(row) or row["stream"]:
            continue
        body = row["response"].encode().rstrip()
        with pytest.raises(ModelError) as caught:
            _parse({**row, "response": body[: int(len(body) * keep)].decode("utf-8", "ignore")})
        assert caught.value.code in {"truncated", "malformed"}, row["id"]


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.6])
def test_a_recorded_stream_cut_short_is_an_error_or_the_whole_answer(keep: float) -> None:
    for row in _exchanges():
        if not _is_answer(row) or not row["stream"] or row["id"] in CUT_STREAMS:
            continue
        cut = row["response"][: int(len(row["response"]) * keep)]
        got = _outcome({**row, "response": cut})
        if isinstance(got, ModelError):
            assert got.code in {"truncated", "malformed"}, (row["id"], got.code)
        else:
            assert got.text == (row["expect"]["text"] or ""), row["id"]
            assert got.provider_finish == row["expect"]["finish"], row["id"]


def test_exchanges_without_a_reference_end_in_an_answer_or_a_typed_error() -> None:
    seen = 0
    for row in _exchanges():
        if row["kind"] not in {"chat", "messages"} or (row["expect"] and "unparsed" not in row["expect"]):
            continue
        seen += 1
        got = _outcome(row)
        if isinstance(got, ModelError):
            assert got.code in {"malformed", "truncated", "content_filter"}, (row["id"], got)
        else:
            assert got.text or got.tool_calls or got.refusal, row["id"]
    assert seen > 50


def test_errors_inside_success_responses_are_errors() -> None:
    for row in _exchanges():
        if row["expect"] and row["expect"].get("error_in_200_body"):
            with pytest.raises(ModelError):
                _parse(row)


def _error_of(row: Row) -> ModelError:
    body = row["body"].encode() if isinstance(row["body"], str) else json.dumps(row["body"]).encode()
    if row["status"] != 200:
        return error_from_status(row["status"], row.get("response_headers", {}), body)
    with pytest.raises(ModelError) as caught:
        parse_completion(body)
    return caught.value


@pytest.mark.parametrize("row", _lines("errors.jsonl") if _ROOT.is_dir() else [], ids=lambda row: row["id"])
def test_recorded_errors_are_classified(row: Row) -> None:
    error = _error_of(row)
    assert error.code == row["expected_class"], error.message
    assert error.status == row["status"]


@pytest.mark.parametrize(
    "row", _lines("error_shapes_secondhand.jsonl") if _ROOT.is_dir() else [], ids=lambda r: r["id"]
)
def test_error_shapes_are_classified_with_their_wait(row: Row) -> None:
    error = _secondhand(row)
    assert error.code == row["expected_class"], error.message
    assert error.retry_after_s == pytest.approx(row.get("retry_after_s"))
    if "retryable" in row:
        assert error.retryable is row["retryable"]


def _secondhand(row: Row) -> ModelError:
    if "sse" in row:
        outcome = _outcome({"kind": "messages", "stream": True, "response": row["sse"]})
        assert isinstance(outcome, ModelError)
        return outcome
    body = row.get("body") or {"error": {"message": row["message"], "code": row.get("code"), "type": row.get("type")}}
    return _error_of({**row, "body": body})
