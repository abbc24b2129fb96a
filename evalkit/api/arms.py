"""From a run that is to be made to the arm the runner executes: requests, prices, pacing, a model if one is needed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from evalkit.api.models import Models
from evalkit.api.session import Session
from evalkit.base.errors import StoreError
from evalkit.base.model import JsonObject
from evalkit.llm.config import ModelConfig, config_for
from evalkit.llm.limits import Pacer
from evalkit.llm.model import CallContext
from evalkit.llm.pricing import FREE, Price, cost_usd, find_price, require_price, upper_bound_usd
from evalkit.llm.tokens import estimate_input_tokens
from evalkit.llm.wire import ChatRequest, ChatResponse
from evalkit.runner.execute import Arm, pending
from evalkit.runner.plan import RunPlan
from evalkit.runner.request import RequestBuilder
from evalkit.store.journal import Journal, StoredCall

__all__ = ["ArmBuilder"]

_CACHEABLE = frozenset({"openai", "anthropic", "http", "local"})
_REPLAYED = frozenset({"replay", "local"})


class _Unopened:
    """Stands for the model of a run that has nothing left to ask."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.identity: JsonObject = {}

    async def complete(self, request: ChatRequest, context: CallContext) -> ChatResponse:
        del request
        raise StoreError(
            f"call {context.item_id!r} was planned after its run was found complete",
            hint="repeat the command; if it happens again, please report it",
        )

    async def aclose(self) -> None:
        pass


class ArmBuilder:
    """Builds the arms of one execution; arms on one provider share its pace.

    Args:
        session: the project.
        models: where models are opened.
        capped: whether spending is capped, so that an unknown price is refused.
    """

    def __init__(self, session: Session, models: Models, *, capped: bool) -> None:
        self._session = session
        self._models = models
        self._capped = capped
        self._pacers: dict[str, Pacer] = {}

    def build(self, plan: RunPlan, journal: Journal, stored: Mapping[tuple[int, int, int], StoredCall]) -> Arm:
        """Return the arm of one run; its model is opened only if there is something left to ask.

        Raises:
            MissingKeyError: the variable of its key is not set.
            UsageError: the price is unknown under a cap, or the prompt does not fit the items.
        """
        candidate = plan.candidate
        builder = RequestBuilder(candidate, plan.draw)
        price = self._price(candidate.model)
        config = config_for(candidate.model, self._session.settings.models)
        arm = Arm(
            plan=plan,
            model=_Unopened(candidate.model),
            journal=journal,
            request=builder.build,
            body_digest=builder.body_digest,
            stored=stored,
            upper_cost=_upper_cost(price),
            cost=_cost(config, price),
            cacheable=config.kind in _CACHEABLE,
            replayed=config.kind in _REPLAYED,
            free=price is not None and price == FREE,
        )
        if next(pending([arm]), None) is None:
            return arm
        for item in plan.items[:1]:
            builder.build(item, 0)  # a prompt that fits no item ends the command before any call
        arm.model = self._models.ready(candidate.model)
        arm.pace = self._pace(candidate.model, config)
        return arm

    def _price(self, model: str) -> Price | None:
        configs = self._session.settings.models
        return require_price(model, configs) if self._capped else find_price(model, configs)

    def _pace(self, model: str, config: ModelConfig) -> Callable[[ChatRequest], Awaitable[None]] | None:
        if not config.requests_per_minute and not config.tokens_per_minute:
            return None
        provider = model.partition("/")[0]
        if provider not in self._pacers:
            self._pacers[provider] = Pacer(
                self._session.clock,
                requests_per_minute=config.requests_per_minute,
                tokens_per_minute=config.tokens_per_minute,
            )
        pacer = self._pacers[provider]

        async def pace(request: ChatRequest) -> None:
            await pacer.reserve(estimate_input_tokens(request))

        return pace


def _upper_cost(price: Price | None) -> Callable[[ChatRequest], float]:
    return partial(upper_bound_usd, price=price) if price is not None else lambda request: 0.0  # noqa: ARG005


def _cost(config: ModelConfig, price: Price | None) -> Callable[[ChatResponse], float | None]:
    """Return what a response cost: as it says, else by the price; a recording knows only what was recorded."""
    if config.kind == "replay" and config.price is None:
        return lambda response: response.cost_usd
    return lambda response: response.cost_usd if response.cost_usd is not None else cost_usd(response.usage, price)
