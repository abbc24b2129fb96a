"""Logging verdicts to MLflow after they are printed; nothing here changes an exit code."""

from __future__ import annotations

__all__ = ["log_all", "sync_all"]
