"""Costs follow the configured price, then the bundled list; unknown is None, and says which line is missing."""

from __future__ import annotations

import pytest

from evalkit.base.errors import UsageError
from evalkit.llm.config import ModelConfig
from evalkit.llm.pricing import FREE, Price, cost_usd, find_price, require_price, upper_bound_usd
from evalkit.llm.tokens import estimate_input_tokens, estimate_text_tokens, upper_bound_input_tokens
from evalkit.llm.wire import ChatRequest, Message, Usage

PRICE = Price(input=2.0, output=10.0, cached_input=0.5, cache_write=2.5)
HTTP = ModelConfig(kind="http", base_url="https://x.example", body={}, answer_path="a")


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(input_tokens=1_000_000, output_tokens=100_000), 3.0),
        (Usage(input_tokens=1_000_000, output_tokens=0, cached_input_tokens=400_000), 1.4),
        (Usage(input_tokens=0, output_tokens=0, cache_read_tokens=1_000_000, cache_write_tokens=1_000_000), 3.0),
        (Usage(input_tokens=10, output_tokens=0, cached_input_tokens=999), 0.5 * 10 / 1e6),
        (Usage(input_tokens=1), None),
        (Usage(output_tokens=1), None),
        (Usage(), None),
    ],
)
def test_cost_is_tokens_times_price(usage: Usage, cost: float | None) -> None:
    assert cost_usd(usage, PRICE) == pytest.approx(cost)


def test_an_unknown_price_is_an_unknown_cost() -> None:
    assert cost_usd(Usage(input_tokens=1, output_tokens=1), None) is None


def test_what_is_free_costs_nothing_even_uncounted() -> None:
    assert cost_usd(Usage(), FREE) == 0.0
    assert cost_usd(Usage(), Price(input=0, output=0, request=0.01)) == 0.01


def test_long_inputs_are_billed_at_their_own_price() -> None:
    price = Price(input=1, output=1, long=Price(input=2, output=3), long_over=200_000)
    assert cost_usd(Usage(input_tokens=200_000, output_tokens=0), price) == pytest.approx(0.2)
    assert cost_usd(Usage(input_tokens=200_001, output_tokens=0), price) == pytest.approx(0.400002)


@pytest.mark.parametrize("name", ["local/extract-1", "python/x", "replay/x"])
def test_models_that_ask_nobody_are_free(name: str) -> None:
    assert find_price(name) == FREE


def test_the_configured_price_wins() -> None:
    own = ModelConfig(kind="openai", price=PRICE)
    assert find_price("openai/gpt-5-mini", {"openai": own}) == PRICE


def test_the_bundled_list_knows_common_models_under_their_dated_names() -> None:
    mini = find_price("openai/gpt-5-mini")
    assert mini is not None
    assert mini.input > 0
    assert find_price("openai/gpt-5-mini-2025-08-07") == mini
    claude = find_price("anthropic/claude-sonnet-4-5")
    assert claude is not None
    assert claude.long_over == 200_000


@pytest.mark.parametrize("name", ["openai/no-such-model", "elsewhere/gpt-5-mini", "app/x", "own/gpt-5-mini"])
def test_a_price_nobody_knows_is_asked_for_with_the_line_to_add(name: str) -> None:
    own = ModelConfig(kind="openai", base_url="https://x.example")
    configs = {"app": HTTP, "own": own}
    assert find_price(name, configs) is None
    with pytest.raises(UsageError) as caught:
        require_price(name, configs)
    assert f"[models.{name.partition('/')[0]}]" in (caught.value.hint or "")
    assert "price = {input" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "text", ["word " * 500, "Ünïcödé wörds. " * 80, "日本語の文章です。" * 60, "🙂" * 100, "x", ""]
)
def test_the_upper_bound_covers_the_estimate(text: str) -> None:
    request = ChatRequest(model="m", messages=(Message(role="user", content=text),), max_output_tokens=100)
    assert upper_bound_input_tokens(request) > estimate_input_tokens(request) > 0
    low = cost_usd(Usage(input_tokens=estimate_input_tokens(request), output_tokens=100), PRICE)
    assert low is not None
    assert upper_bound_usd(request, PRICE) > low


def test_without_a_limit_the_longest_answer_is_reserved() -> None:
    request = ChatRequest(model="m", messages=(Message(role="user", content="x"),))
    assert upper_bound_usd(request, PRICE) > 16_384 * 10.0 / 1e6


def test_tools_schemas_and_pictures_count() -> None:
    plain = ChatRequest(model="m", messages=(Message(role="user", content="x"),))
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    picture = {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}
    assert estimate_input_tokens(plain.model_copy(update={"tools": (tool,)})) > estimate_input_tokens(plain)
    shown = plain.model_copy(update={"messages": (Message(role="user", content=(picture,)),)})
    assert estimate_input_tokens(shown) > 500


def test_text_estimates_are_near_known_counts() -> None:
    assert estimate_text_tokens("The quick brown fox jumps over the lazy dog.") == pytest.approx(10, abs=2)
