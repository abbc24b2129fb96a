"""Money and calls, reserved before they are spent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

__all__ = ["Budget", "BudgetExhaustedError", "Reservation"]

_UNIT = 10**12
"""Amounts are counted in whole units of 1e-12 USD: a million additions lose nothing."""


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
    it may have been billed. One event loop at a time.

    Args:
        max_cost_usd: the cap on cost, None for none.
        max_calls: the cap on calls, None for none. Cached answers do not count.
    """

    def __init__(self, *, max_cost_usd: float | None = None, max_calls: int | None = None) -> None:
        self.max_cost_usd = max_cost_usd
        self.max_calls = max_calls
        self.n_calls = 0
        self._spent = 0
        self._reserved = 0
        self._open = 0
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def spent_usd(self) -> float:
        """What the settled calls cost."""
        return self._spent / _UNIT

    async def reserve(self, cost_usd: float) -> Reservation:
        """Return a reservation, after waiting for open calls to settle if only they stand in the way.

        Raises:
            BudgetExhaustedError: the call does not fit even when every open call is settled.
        """
        amount = _units(cost_usd)
        while not self._fits(amount):
            self._refuse_for_good(cost_usd)
            await self._next_settlement()
        if self.max_calls is not None and self.n_calls >= self.max_calls:
            raise BudgetExhaustedError(f"--max-calls {self.max_calls} reached")
        self.n_calls += 1
        self._open += 1
        self._reserved += amount
        return Reservation(cost_usd)

    async def settle(self, reservation: Reservation, cost_usd: float | None) -> None:
        """Replace a reservation by what the call cost; None keeps the whole reservation as spent. Never waits."""
        self._open -= 1
        self._reserved -= _units(reservation.cost_usd)
        self._spent += _units(reservation.cost_usd) if cost_usd is None else _units(cost_usd)
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _fits(self, amount: int) -> bool:
        return self.max_cost_usd is None or self._spent + self._reserved + amount <= _units(self.max_cost_usd)

    def _refuse_for_good(self, cost_usd: float) -> None:
        if self._open == 0:
            raise BudgetExhaustedError(
                f"--max-cost {self.max_cost_usd:g} USD reached: {self.spent_usd:.4f} spent,"
                f" the next call may cost {cost_usd:.4f}"
            )

    async def _next_settlement(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future


def _units(cost_usd: float) -> int:
    return round(cost_usd * _UNIT)
