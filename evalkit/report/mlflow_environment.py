"""Where tracking goes, and the environment its client gets.

The client runs in a process of its own, so nothing here changes this process's environment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

__all__ = ["client_environment", "is_http", "public_uri", "tracking_uri"]

_REQUEST_TIMEOUT_S = 3
_CREDENTIALS = re.compile(r"^([a-z][a-z0-9+.-]*://)[^/@]*@", re.IGNORECASE)


def tracking_uri(environ: Mapping[str, str], store: Path) -> str:
    """Return the standard ``MLFLOW_TRACKING_URI`` where it is set, else a database in the local store."""
    return environ.get("MLFLOW_TRACKING_URI", "").strip() or f"sqlite:///{(store / 'mlflow.db').resolve()}"


def is_http(uri: str) -> bool:
    """Return whether the store is a server that can be asked whether it is up."""
    return urlsplit(uri).scheme.lower() in {"http", "https"}


def public_uri(uri: str) -> str:
    """Return ``uri`` without user name, password and query, for messages and records."""
    plain = _CREDENTIALS.sub(r"\1", uri)
    if not is_http(plain):
        return plain.split("?")[0]
    parts = urlsplit(plain)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")).rstrip("/")


def client_environment(environ: Mapping[str, str], uri: str) -> dict[str, str]:
    """Return the client's environment: the given one, no retries, short timeouts, no telemetry.

    By default the client retries a dead server for over 200 seconds.
    """
    return {
        **environ,
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(_REQUEST_TIMEOUT_S),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    }
