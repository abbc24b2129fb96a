from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from evalkit.base.errors import ModelError, UsageError
from evalkit.llm.model import CallContext, ChatModel
from evalkit.llm.providers.local import Latency, open_local
from evalkit.llm.providers.local.faults import FAULT_KINDS, parse_fault
from evalkit.llm.wire import ChatRequest, Message

CONTEXT = CallContext(item_id="a", trial=0, step=0, inputs={}, timeout_s=30.0)


class StepClock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += max(seconds, 0.0)


def request(text: str = "[1] A card costs $18.\n\nHow much is a card?", **extra: object) -> ChatRequest:
    return ChatRequest.model_validate(
        {"model": "local/extract-1", "messages": [Message(role="user", content=text)], **extra}
    )


async def test_it_is_a_chat_model_and_answers() -> None:
    model = open_local("local/extract-1")
    assert isinstance(model, ChatModel)
    answer = await model.complete(request(), CONTEXT)
    assert "$18" in answer.text
    assert answer.finish == "stop"
    assert (answer.usage.input_tokens or 0) > 0
    await model.aclose()
    await model.aclose()


def test_an_unknown_model_is_named_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="did you mean 'extract-1'") as caught:
        open_local("local/extract")
    assert "local/judge" in str(caught.value.hint)


async def test_faults_hit_at_their_rate_and_a_retry_is_drawn_anew() -> None:
    model = open_local("extract-1", faults={"429": 0.2, "reset": 0.1})
    codes: Counter[str] = Counter()
    for number in range(500):
        try:
            await model.complete(request(f"[1] A card costs ${number}.\n\nHow much?"), CONTEXT)
            codes["ok"] += 1
        except ModelError as error:
            codes[error.code] += 1
    assert 60 < codes["rate_limit"] < 145
    assert 20 < codes["connection"] < 85
    again = [isinstance(await _tried(model), ModelError) for _ in range(60)]
    assert 0 < sum(again) < 60


async def _tried(model: ChatModel) -> object:
    try:
        return await model.complete(request(), CONTEXT)
    except ModelError as error:
        return error


@pytest.mark.parametrize(
    "kind", [kind for kind in FAULT_KINDS if kind not in {"status", "slow", "content_filter", "length"}]
)
async def test_every_fault_becomes_a_failure_with_a_code(kind: str) -> None:
    model = open_local("extract-1", faults={kind: 1.0}, clock=StepClock())
    with pytest.raises(ModelError) as caught:
        await model.complete(request(), CONTEXT)
    assert caught.value.retryable


async def test_a_request_that_is_too_long_is_the_candidates_fault() -> None:
    with pytest.raises(ModelError) as caught:
        await open_local("extract-1").complete(request("word " * 40_000), CONTEXT)
    assert caught.value.code == "context_length"
    assert not caught.value.retryable


async def test_latency_is_seeded_log_normal_and_measured() -> None:
    clock = StepClock()
    model = open_local("extract-1", latency=Latency(base_ms=200, per_token_ms=10), clock=clock)
    answers = [await model.complete(request(f"[1] It costs ${n}.\n\nHow much?"), CONTEXT) for n in range(200)]
    first = sorted(answer.first_token_s or 0.0 for answer in answers)
    assert 0.17 < first[100] < 0.23
    assert first[0] < 0.13 < 0.3 < first[-1]
    assert all((answer.latency_s or 0) > (answer.first_token_s or 0) for answer in answers)


async def test_a_slow_answer_beyond_the_timeout_is_a_timeout() -> None:
    model = open_local("extract-1", faults={"slow=90": 1.0}, clock=StepClock())
    with pytest.raises(ModelError) as caught:
        await model.complete(request(), CONTEXT)
    assert caught.value.code == "timeout"


async def test_requests_are_counted_by_digest() -> None:
    model = open_local("extract-1")
    for _ in range(2):
        await model.complete(request(), CONTEXT)
    await model.complete(request(seed=5), CONTEXT)
    stats = model.stats()
    assert (stats["received"], stats["distinct"], stats["answered_twice"]) == (3, 2, 1)


@pytest.mark.parametrize("text", ["nonsense", "status", "status=x", "429;what=1", ""])
def test_a_fault_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_fault(text)


def test_fault_rates_over_one_are_refused() -> None:
    with pytest.raises(UsageError, match="more than 1"):
        open_local("extract-1", faults={"429": 0.7, "500": 0.7})


async def test_settings_may_come_from_a_table_and_unknown_ones_are_refused() -> None:
    clock = StepClock()
    answer = await open_local("extract-1", latency={"base_ms": 50}, clock=clock).complete(request(), CONTEXT)
    assert (answer.latency_s or 0) > 0
    with pytest.raises(UsageError, match="no setting 'speed'"):
        open_local("extract-1", speed=3)
    with pytest.raises(UsageError, match="cannot be used"):
        open_local("extract-1", latency={"ms": 50})
