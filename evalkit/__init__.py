"""evalkit: evaluation and regression harness for LLM applications.

    >>> import evalkit as ek

The names below are the public Python interface. They are imported when first used, so that importing evalkit is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Candidate": "evalkit.core.candidate",
    "Comparison": "evalkit.core.verdict",
    "EvalkitError": "evalkit.base.errors",
    "Item": "evalkit.core.item",
    "MetricRule": "evalkit.core.suite",
    "ModelError": "evalkit.base.errors",
    "Output": "evalkit.core.output",
    "Policy": "evalkit.core.suite",
    "Run": "evalkit.api.stored_run",
    "Score": "evalkit.core.score",
    "Session": "evalkit.api.session",
    "StoreError": "evalkit.base.errors",
    "Suite": "evalkit.core.suite",
    "UsageError": "evalkit.base.errors",
    "Verdict": "evalkit.core.verdict",
    "agate": "evalkit.api",
    "arun": "evalkit.api",
    "baseline": "evalkit.api",
    "check": "evalkit.graders.registry",
    "compare": "evalkit",  # the package itself, which can be called: docs/design/callable-package.md
    "decide": "evalkit.api",
    "gate": "evalkit.api",
    "load_suite": "evalkit.api",
    "run": "evalkit.api",
}

__all__ = [
    "Candidate",
    "Comparison",
    "EvalkitError",
    "Item",
    "MetricRule",
    "ModelError",
    "Output",
    "Policy",
    "Run",
    "Score",
    "Session",
    "StoreError",
    "Suite",
    "UsageError",
    "Verdict",
    "agate",
    "arun",
    "baseline",
    "check",
    "compare",
    "decide",
    "gate",
    "load_suite",
    "run",
]

if TYPE_CHECKING:
    from evalkit.api import agate, arun, baseline, compare, decide, gate, load_suite, run
    from evalkit.api.session import Session
    from evalkit.api.stored_run import Run
    from evalkit.base.errors import EvalkitError, ModelError, StoreError, UsageError
    from evalkit.core.candidate import Candidate
    from evalkit.core.item import Item
    from evalkit.core.output import Output
    from evalkit.core.score import Score
    from evalkit.core.suite import MetricRule, Policy, Suite
    from evalkit.core.verdict import Comparison, Verdict
    from evalkit.graders.registry import check


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'evalkit' has no attribute {name!r}")
    if name == "compare":
        return import_module("evalkit.compare")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
