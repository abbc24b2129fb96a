"""What calls cost, in USD: the configured price, else the bundled price list; unknown stays unknown.

A price is looked up once a model. ``cost_usd`` is for what happened, ``upper_bound_usd`` for reserving money before a
call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from evalkit.base.errors import UsageError
from evalkit.base.model import Frozen
from evalkit.llm.tokens import upper_bound_input_tokens
from evalkit.llm.wire import ChatRequest, Usage

if TYPE_CHECKING:
    from evalkit.llm.config import ModelConfig

__all__ = ["FREE", "MAX_OUTPUT_TOKENS", "Price", "cost_usd", "find_price", "require_price", "upper_bound_usd"]

MAX_OUTPUT_TOKENS = 16_384
"""Reserved for an answer when a request sets no ``max_output_tokens``."""

_MILLION = 1_000_000.0
_FREE_KINDS = frozenset({"local", "replay", "python"})


class Price(Frozen):
    """USD per million tokens.

    ``cached_input`` and ``cache_write`` default to ``input``; ``request`` is per call. ``long`` replaces the price
    for calls with more than ``long_over`` input tokens.
    """

    input: float = Field(ge=0, allow_inf_nan=False, strict=False)
    output: float = Field(ge=0, allow_inf_nan=False, strict=False)
    cached_input: float | None = Field(default=None, ge=0, allow_inf_nan=False, strict=False)
    cache_write: float | None = Field(default=None, ge=0, allow_inf_nan=False, strict=False)
    request: float = Field(default=0.0, ge=0, allow_inf_nan=False, strict=False)
    long: Price | None = None
    long_over: int | None = Field(default=None, ge=0)


FREE = Price(input=0.0, output=0.0)


def cost_usd(usage: Usage, price: Price | None) -> float | None:
    """Return what ``usage`` costs; None if the price or a count it needs is unknown."""
    if price is None:
        return None
    if price.input == price.output == 0:
        return price.request
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    price = _tier(price, usage.input_tokens + (usage.cache_read_tokens or 0) + (usage.cache_write_tokens or 0))
    cached = min(usage.cached_input_tokens or 0, usage.input_tokens)
    read_price = price.input if price.cached_input is None else price.cached_input
    write_price = price.input if price.cache_write is None else price.cache_write
    tokens = (
        (usage.input_tokens - cached) * price.input
        + (cached + (usage.cache_read_tokens or 0)) * read_price
        + (usage.cache_write_tokens or 0) * write_price
        + usage.output_tokens * price.output
    )
    return price.request + tokens / _MILLION


def upper_bound_usd(request: ChatRequest, price: Price) -> float:
    """Return an amount ``request`` will not exceed: a generous input estimate and the longest answer allowed."""
    output = request.max_output_tokens or MAX_OUTPUT_TOKENS
    tokens = upper_bound_input_tokens(request)
    price = _tier(price, tokens)
    return price.request + (tokens * price.input + output * price.output) / _MILLION


def find_price(model: str, configs: Mapping[str, ModelConfig] | None = None) -> Price | None:
    """Return the price of ``provider/model``, or None if nobody knows it.

    ``local/*``, replays and Python functions cost nothing unless a price is configured.
    """
    provider, _, name = model.partition("/")
    config = (configs or {}).get(provider)
    if config is not None and config.price is not None:
        return config.price
    kind = config.kind if config is not None else provider
    if kind in _FREE_KINDS:
        return FREE
    if kind not in {"openai", "anthropic"}:
        return None
    own_host = config is not None and config.base_url is not None
    return _listed(None if own_host else kind, name)


def require_price(model: str, configs: Mapping[str, ModelConfig] | None = None) -> Price:
    """Return the price of ``provider/model``.

    Raises:
        UsageError: it is unknown; the hint is the line to add.
    """
    price = find_price(model, configs)
    if price is None:
        provider = model.partition("/")[0]
        raise UsageError(
            f"the price of {model!r} is not known, so spending on it cannot be limited",
            hint=f"in evalkit.toml, under [models.{provider}]:  "
            "price = {input = 0.25, output = 2.0}   # USD per million tokens",
        )
    return price


def _listed(provider: str | None, name: str) -> Price | None:
    import genai_prices

    if provider is None:
        return None  # behind somebody's own address the list price is a guess
    probe = genai_prices.Usage(input_tokens=1, output_tokens=1)
    try:
        found = genai_prices.calc_price(probe, name, provider_id=provider).model_price
    except (LookupError, ValueError):
        return None
    base, long = _at_tier(found, 0), _at_tier(found, -1)
    starts = [tier.start for tier in _tiers(found)]
    if base is None or not starts:
        return base
    return base.model_copy(update={"long": long, "long_over": int(starts[-1])})


_FIELDS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cached_input": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
}


def _tier(price: Price, input_tokens: int) -> Price:
    if price.long is not None and price.long_over is not None and input_tokens > price.long_over:
        return price.long
    return price


def _tiers(listed: Any) -> list[Any]:
    return list(getattr(listed.input_mtok, "tiers", ()))


def _at_tier(listed: Any, index: int) -> Price | None:
    """Return the listed rates at the first or the last tier, or None if the list has no rate for plain tokens."""
    rates: dict[str, float] = {}
    for ours, theirs in _FIELDS.items():
        rate = getattr(listed, theirs, None)
        tiers = getattr(rate, "tiers", None)
        if tiers is not None and rate is not None:
            rate = rate.base if index == 0 or not tiers else tiers[index].price
        if rate is not None:
            rates[ours] = float(rate)
    return Price.model_validate(rates) if {"input", "output"} <= set(rates) else None
