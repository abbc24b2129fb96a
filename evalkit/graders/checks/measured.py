"""What was measured while the answer came: ``latency``, ``cost``, ``tokens``, ``finish_reason``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from evalkit.base.model import Frozen, Many
from evalkit.core.item import Item
from evalkit.core.output import Output
from evalkit.core.score import MetricInfo, Score
from evalkit.graders.check import Check, NoScore
from evalkit.llm.wire import FinishReason, Usage

__all__ = ["Cost", "FinishReasonIn", "Latency", "Tokens"]


class _Measured(Check):
    """A number, lower being better; with a limit, 1 if it is not above the limit and else 0."""

    unit = ""

    def __init__(self, name: str, params: Frozen, limit: float | None) -> None:
        super().__init__(name, params)
        self._limit = limit

    def metrics(self, name: str) -> Sequence[MetricInfo]:
        """Return a positive metric, or a binary one where there is a limit."""
        if self._limit is None:
            return (MetricInfo(name=name, kind="positive", better="lower"),)
        return (MetricInfo(name=name, kind="binary"),)

    def grade(self, item: Item, output: Output) -> Sequence[Score]:  # noqa: ARG002
        """Return the number, or whether it keeps the limit; abstained where it is not known."""
        value = self.measured(output)
        if value is None:
            raise NoScore("abstained", f"the {self.unit} of this output are not known")
        if self._limit is None:
            return self.scored(value)
        return self.passed(value <= self._limit, f"{value:g} {self.unit}, more than {self._limit:g}")

    @abstractmethod
    def measured(self, output: Output) -> float | None:
        """Return the number, None if it is not known."""
        ...


class LatencyParams(Frozen):
    """Parameters of ``latency``."""

    of: Literal["answer", "first_token"] = Field(
        default="answer", description="Seconds to the end of the `answer`, or to the `first_token` of the last call."
    )
    max_s: float | None = Field(default=None, gt=0, description="With it: 1 up to so many seconds, 0 above.")


class Latency(_Measured):
    """Seconds until the answer was there; waiting for a limiter and failed attempts are not in it."""

    Params = LatencyParams
    unit = "seconds"

    def __init__(self, name: str, params: LatencyParams) -> None:
        super().__init__(name, params, params.max_s)
        self._first_token = params.of == "first_token"

    def measured(self, output: Output) -> float | None:
        """Return the seconds."""
        if self._first_token:
            return output.response.first_token_s if output.response else None
        return output.latency_s


class CostParams(Frozen):
    """Parameters of ``cost``."""

    max_usd: float | None = Field(default=None, ge=0, description="With it: 1 up to so many USD, 0 above.")


class Cost(_Measured):
    """USD billed for the output, all its calls together."""

    Params = CostParams
    unit = "USD"

    def __init__(self, name: str, params: CostParams) -> None:
        super().__init__(name, params, params.max_usd)

    def measured(self, output: Output) -> float | None:
        """Return the USD."""
        return output.cost_usd


class TokensParams(Frozen):
    """Parameters of ``tokens``."""

    of: Literal["output", "input", "total", "reasoning"] = Field(
        default="output", description="Which tokens, as billed, all calls together; `total` is input and output."
    )
    max: int | None = Field(default=None, ge=0, description="With it: 1 up to so many tokens, 0 above.")


class Tokens(_Measured):
    """Tokens as the provider counted them."""

    Params = TokensParams
    unit = "tokens"

    def __init__(self, name: str, params: TokensParams) -> None:
        super().__init__(name, params, params.max)
        self._of = params.of

    def measured(self, output: Output) -> float | None:
        """Return the tokens of all exchanges, None if any is not known."""
        counts = [
            None if exchange.response is None else self._count(exchange.response.usage) for exchange in output.exchanges
        ]
        known = [count for count in counts if count is not None]
        return float(sum(known)) if len(known) == len(counts) else None

    def _count(self, usage: Usage) -> int | None:
        if self._of == "output":
            return usage.output_tokens
        if self._of == "input":
            return usage.input_tokens
        if self._of == "reasoning":
            return usage.reasoning_tokens
        if usage.input_tokens is None or usage.output_tokens is None:
            return None
        return usage.input_tokens + usage.output_tokens


class FinishReasonParams(Frozen):
    """Parameters of ``finish_reason``."""

    allowed: Many[FinishReason] = Field(
        default=("stop", "tool_calls"), min_length=1, description="The reasons that count as finished properly."
    )


class FinishReasonIn(Check):
    """1 if the model stopped for one of the allowed reasons, else 0; the reason is the score's label."""

    Params = FinishReasonParams
    params: FinishReasonParams

    def grade(self, item: Item, output: Output) -> Sequence[Score]:  # noqa: ARG002
        """Return the score of the last call's reason."""
        finish = output.response.finish if output.response else "error"
        return self.passed(finish in self.params.allowed, f"finished with {finish}", label=finish)
