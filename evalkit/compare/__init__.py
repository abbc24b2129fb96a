"""Pairing, comparison, decision, baselines, planning.

``evalkit.compare`` is both this package and the public verb ``ek.compare(candidate, baseline)``; so the package can be
called, and hands the call to :func:`evalkit.api.compare`. docs/design/callable-package.md says why.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _Verb(ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return import_module("evalkit.api").compare(*arguments, **options)


sys.modules[__name__].__class__ = _Verb
