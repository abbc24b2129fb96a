"""Money and calls, reserved before they are spent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

__all__ = ["Budget", "BudgetExhaustedError", "Reservation"]


class BudgetExhaustedError(Exception):
    """The next call does not fit into what is left; ``reason`` says which cap was met."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one call may cost at most, in USD."""

    cost_usd: float


class Budget:
    """Caps on what a command may spend, over all its runs and judges.

    A call is admitted only if everything spent, everything reserved and its own upper bound fit under the cap, so
    concurrent calls cannot walk past it together. A failed call whose cost is unknown keeps its reservation:
    it may have been billed.

    Args:
        max_cost_usd: the cap on cost, None for none.
        max_calls: the cap on calls, None for none. Cached answers do not count.
    """

    def __init__(self, *, max_cost_usd: float | None = None, max_calls: int | None = None) -> None:
        self.max_cost_usd = max_cost_usd
        self.max_calls = max_calls
        self.spent_usd = 0.0
        self.n_calls = 0
        self._reserved_usd = 0.0
        self._open = 0
        self._changed = asyncio.Condition()

    async def reserve(self, cost_usd: float) -> Reservation:
        """Return a reservation, after waiting for open calls to settle if only they stand in the way.

        Raises:
            BudgetExhaustedError: the call does not fit even when every open call is settled.
        """
        if self.max_calls is not None and self.n_calls >= self.max_calls:
            raise BudgetExhaustedError(f"--max-calls {self.max_calls} reached")
        if self.max_cost_usd is not None and not self._fits(cost_usd):
            await self._wait_for(cost_usd)
        self.n_calls += 1
        self._open += 1
        self._reserved_usd += cost_usd
        return Reservation(cost_usd)

    async def settle(self, reservation: Reservation, cost_usd: float | None) -> None:
        """Replace a reservation by what the call cost; None keeps the whole reservation as spent."""
        self._open -= 1
        self._reserved_usd -= reservation.cost_usd
        self.spent_usd += reservation.cost_usd if cost_usd is None else cost_usd
        if self.max_cost_usd is not None:
            async with self._changed:
                self._changed.notify_all()

    def _fits(self, cost_usd: float) -> bool:
        assert self.max_cost_usd is not None  # noqa: S101 - narrows the type
        return self.spent_usd + self._reserved_usd + cost_usd <= self.max_cost_usd + 1e-12

    async def _wait_for(self, cost_usd: float) -> None:
        async with self._changed:
            while not self._fits(cost_usd):
                if self._open == 0:
                    raise BudgetExhaustedError(
                        f"--max-cost {self.max_cost_usd:g} USD reached: {self.spent_usd:.4f} spent,"
                        f" the next call may cost {cost_usd:.4f}"
                    )
                await self._changed.wait()
