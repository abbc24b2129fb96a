"""The command line as users type it, for the contracts about it."""

from __future__ import annotations

from tests.e2e.conftest import cli

__all__ = ["cli"]
