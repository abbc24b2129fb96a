"""What will be asked, in which order, decided before the first call. Pure: the same suite gives the same plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from evalkit.base.hashing import digest, unit_interval
from evalkit.core.candidate import Candidate
from evalkit.core.item import Item
from evalkit.core.suite import Suite

__all__ = ["RunPlan", "analysis_order", "call_digest", "call_seed", "plan_run"]


def analysis_order(items: Sequence[Item], seed: int) -> tuple[Item, ...]:
    """Return the items in the seeded order in which they are called and analysed.

    The order depends on the seed and the ids alone, so items keep their order when others are added, and any prefix
    of it is a simple random sample.
    """
    return tuple(sorted(items, key=lambda item: (unit_interval(seed, item.id), item.id)))


def call_seed(draw: str, item_id: str, trial: int) -> int:
    """Return the request seed of ``(draw, item, trial)``, in [0, 2**31); arms share it, and with it their noise."""
    return int(unit_interval("seed", draw, item_id, trial) * 2**31)


def call_digest(body_digest: str, draw: str, trial: int) -> str:
    """Return the identity of one call: what is asked of what, in which independent set of calls, which repetition."""
    return digest([body_digest, draw, trial])


@dataclass(frozen=True)
class RunPlan:
    """One suite on one candidate.

    Attributes:
        items: in analysis order, already cut to the limit and the selection.
        draw: names the independent set of calls.
        limit: length of the seeded prefix, None for all items.
        restricted: why the run gives no verdict, None if it gives one.
    """

    suite: Suite
    candidate: Candidate
    items: tuple[Item, ...]
    draw: str
    limit: int | None = None
    restricted: str | None = None

    @property
    def n_calls(self) -> int:
        """The number of planned outputs."""
        return len(self.items) * self.suite.trials

    @cached_property
    def digest(self) -> str:
        """The digest of everything that decides the outputs; graders and policy are not in it.

        Two commands with equal digests are the same run: the second continues or reuses the first.
        """
        return digest(
            {
                "suite": self.suite.name,
                "dataset": self.suite.dataset.digest,
                "trials": self.suite.trials,
                "seed": self.suite.seed,
                "candidate": [self.candidate.name, self.candidate.digest],
                "draw": self.draw,
                "limit": self.limit,
                "restricted": self.restricted and [item.id for item in self.items],
            }
        )


def plan_run(
    suite: Suite,
    candidate: Candidate,
    *,
    draw: str,
    limit: int | None = None,
    select: Sequence[str] | None = None,
    restricted: str | None = None,
) -> RunPlan:
    """Return the plan of one run.

    Args:
        suite: the loaded suite.
        candidate: one of its candidates, fully resolved.
        draw: names the independent set of calls.
        limit: plan only the first ``limit`` items of the seeded order.
        select: plan only the items with these ids; the run then gives no verdict.
        restricted: the words for ``select``, such as ``-k refund``.
    """
    items = analysis_order(suite.items, suite.seed)
    if select is not None:
        wanted = set(select)
        restricted = restricted or "a selection of items"
        items = tuple(item for item in items if item.id in wanted)
    if limit is not None:
        items = items[:limit]
    return RunPlan(suite, candidate, items, draw, limit, restricted)
