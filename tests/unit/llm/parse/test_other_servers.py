"""What llama.cpp's server and ``transformers serve`` answered, as recorded from models of random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.llm.classify import error_from_status
from evalkit.llm.errors import BLAME
from evalkit.llm.parse.openai import OpenAIStream, parse_completion
from evalkit.llm.wire import ChatResponse

RECORDED = Path(__file__).parents[1] / "recorded" / "other_servers.json"
EXCHANGES: dict[tuple[str, str], dict[str, Any]] = {
    (row["server"], row["case"]): row for row in json.loads(RECORDED.read_text(encoding="utf-8"))["exchanges"]
}


def answer(server: str, case: str, *, size: int = 10**9) -> ChatResponse:
    row = EXCHANGES[server, case]
    body = row["response"].encode()
    if not row["content_type"].startswith("text/event-stream"):
        return parse_completion(body)
    stream = OpenAIStream()
    for at in range(0, len(body), size):
        if stream.feed(body[at : at + size]):
            break
    return stream.close()


@pytest.mark.parametrize(
    ("server", "case", "text", "finish", "tokens"),
    [
        ("llama.cpp", "whole", " dri Beam Hatchlin addres paus retur", "length", (37, 6)),
        ("llama.cpp", "streamed", " dri Beam Hatchlin addres paus retur", "length", (37, 6)),
        ("llama.cpp", "ended", "", "stop", (37, 1)),
        ("llama.cpp", "stopped", " dri Be", "stop", (37, 2)),
        ("llama.cpp", "schema", '{"a"\n:\n\n"y"}', "stop", (37, 13)),
        ("transformers", "whole", " aboutrennight", "stop", (24, 4)),
        ("transformers", "streamed", " aboutren", "length", (24, 2)),
        ("transformers", "schema ignored", " aboutrennight", "stop", (24, 4)),
    ],
)
def test_an_answer_of_another_server_is_read(
    server: str, case: str, text: str, finish: str, tokens: tuple[int, int]
) -> None:
    found = answer(server, case)
    assert (found.text, found.finish) == (text, finish)
    assert (found.usage.input_tokens, found.usage.output_tokens) == tokens


@pytest.mark.parametrize("size", [1, 7, 100])
@pytest.mark.parametrize("server", ["llama.cpp", "transformers"])
def test_a_recorded_stream_is_read_in_pieces_of_any_size(server: str, size: int) -> None:
    assert answer(server, "streamed", size=size) == answer(server, "streamed")


def test_a_stream_without_the_closing_word_is_complete_once_a_reason_to_finish_came() -> None:
    assert "[DONE]" not in EXCHANGES["transformers", "streamed"]["response"]
    assert answer("transformers", "streamed").usage.output_tokens == 2


@pytest.mark.parametrize(
    ("server", "case", "code"),
    [
        ("llama.cpp", "too long", "context_length"),
        ("llama.cpp", "too long, streamed", "context_length"),
        ("llama.cpp", "no messages", "bad_request"),
        ("llama.cpp", "image", "server_error"),
        ("transformers", "another model", "bad_request"),
    ],
)
def test_a_refusal_of_another_server_is_named(server: str, case: str, code: str) -> None:
    row = EXCHANGES[server, case]
    error = error_from_status(row["status"], {"Content-Type": row["content_type"]}, row["response"].encode())
    assert error.code == code
    assert "{" not in error.message


def test_a_prompt_too_long_for_a_server_s_context_is_the_candidate_s_fault() -> None:
    row = EXCHANGES["llama.cpp", "too long"]
    error = error_from_status(row["status"], {}, row["response"].encode())
    assert BLAME[error.code] == "candidate"  # type: ignore[index]
    assert not error.retryable
