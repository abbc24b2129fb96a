"""Identifiers that sort by time and can be typed by hand."""

from __future__ import annotations

import secrets
from datetime import datetime

__all__ = ["new_run_id"]


def new_run_id(now: datetime) -> str:
    """Return ``YYYYMMDD-HHMMSS-xxxxxx``: sorts by start, unique by its last six digits, which people may type alone."""
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
