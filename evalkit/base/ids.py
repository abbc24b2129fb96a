"""Identifiers that sort by time and can be typed by hand."""

from __future__ import annotations

from datetime import datetime

__all__ = ["new_run_id"]


def new_run_id(now: datetime, plan_digest: str) -> str:
    """Return ``YYYYMMDD-HHMMSS-xxxxxx``; the last six digits, which people may type alone, begin the plan's digest."""
    return f"{now:%Y%m%d-%H%M%S}-{plan_digest[:6]}"
