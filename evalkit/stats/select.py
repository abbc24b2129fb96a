"""The automatic choice of a method, with the reason said in a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from evalkit.stats.arrays import as_values
from evalkit.stats.errors import StatsError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from evalkit.stats.gate import Target

__all__ = ["Choice", "Kind", "Method", "Rule", "choose", "kind_of"]

Kind = Literal["binary", "bounded", "positive", "unbounded"]
Rule = Literal["difference", "absolute", "ratio", "quantile"]
Method = Literal["gate_test", "gate_from_null", "ratio_gate", "quantile_gate", "mean_gate"]

_FEW_UNITS = 30


@dataclass(frozen=True, slots=True)
class Choice:
    """The function that answers a rule, why it was chosen, and what to beware of (None: nothing)."""

    method: Method
    why: str
    caution: str | None = None


def kind_of(values: ArrayLike, *, bounded: bool = False) -> Kind:
    """Returns the kind of a metric from its values; ``bounded`` declares the range [0, 1].

    Values of 0 and 1 only are binary; without a declared range positive values are "positive", others
    "unbounded".

    Raises:
        StatsError: not finite, or declared bounded and outside [0, 1].
    """
    array = as_values(values)
    if np.isin(array, (0.0, 1.0)).all():
        return "binary"
    if bounded:
        if array.min() < 0.0 or array.max() > 1.0:
            raise StatsError(f"declared in [0, 1], but values reach from {array.min()} to {array.max()}")
        return "bounded"
    return "positive" if array.min() > 0.0 else "unbounded"


_BOUNDED: dict[Rule, Method] = {"difference": "gate_test", "absolute": "gate_from_null"}
_OPEN: dict[Rule, Method] = {"difference": "mean_gate", "absolute": "mean_gate", "ratio": "ratio_gate"}
_SENTENCES: dict[Method, str] = {
    "gate_test": "{kind} scores: restricted score test, which keeps its level at any number of items",
    "gate_from_null": "{kind} scores against a fixed bound: exact binomial or restricted score test",
    "ratio_gate": "a ratio of costs or latencies: t on the linearised or log difference",
    "quantile_gate": "a quantile: the share of values beyond the bound is tested",
    "mean_gate": "{kind} values without a declared range: t test on the difference",
}


def choose(
    kind: Kind,
    rule: Rule,
    *,
    n_items: int,
    n_trials: int = 1,
    n_clusters: int | None = None,
    target: Target = "items",
) -> Choice:
    """Returns the method for a rule on a metric of this kind, with the reason.

    Args:
        kind: see `kind_of`.
        rule: "difference" to a baseline by a margin, "absolute" bound, "ratio" to a baseline, or "quantile".
        n_items: items (pairs).
        n_trials: trials an item; their mean is one observation.
        n_clusters: clusters, or None.
        target: whose inference is asked for.

    Raises:
        StatsError: a ratio rule on a bounded metric, or clusters without a target.
    """
    table = _BOUNDED if kind in ("binary", "bounded") else _OPEN
    if rule != "quantile" and rule not in table:
        raise StatsError(f"a {rule} rule does not fit {kind} scores: use a difference or an absolute bound")
    if (n_clusters is None) != (target == "items"):
        raise StatsError('clusters need the target "these" or "new", items without clusters "items"')
    method: Method = "quantile_gate" if rule == "quantile" else table[rule]
    parts = [_SENTENCES[method].format(kind=kind)]
    if n_trials > 1:
        parts.append(f"the mean of {n_trials} trials is one observation")
    units = n_clusters if target == "new" and n_clusters is not None else n_items
    parts.append(f"{units} {'clusters' if target == 'new' else 'items'} are the independent units")
    return Choice(method, "; ".join(parts), _caution(method, units))


def _caution(method: Method, units: int) -> str | None:
    if units < 2:
        return "fewer than two independent units: nothing can be decided"
    if method in ("mean_gate", "ratio_gate") and units < _FEW_UNITS:
        return f"only {units} units: the t test's level is approximate, worse with skewed values"
    return None
