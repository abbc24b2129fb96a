"""Whether the tracking server is there, asked early and beside the run, so that a dead one costs nothing at the end."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from evalkit.report.mlflow_environment import is_http, public_uri

__all__ = ["Probe"]

_PATHS = ("/health", "/api/2.0/mlflow/experiments/search?max_results=1")


class Probe:
    """One question to a tracking server, asked in a thread.

    Args:
        uri: the tracking URI; anything but a server counts as there.
        environ: for ``MLFLOW_TRACKING_INSECURE_TLS``.
        patience_s: a server that takes longer is too slow to be waited for.
    """

    def __init__(self, uri: str, environ: Mapping[str, str], *, patience_s: float = 1.5) -> None:
        self._uri = uri
        self._patience_s = patience_s
        self._verify = environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() not in {"1", "true"}
        self._problem: str | None = f"{public_uri(uri)} did not answer in {patience_s:g} s"
        self._thread: threading.Thread | None = None
        if is_http(uri):
            self._thread = threading.Thread(target=self._ask, name="evalkit-mlflow-probe", daemon=True)
            self._thread.start()
        else:
            self._problem = None

    def problem(self) -> str | None:
        """Return why the server cannot be used, or None; waits at most its patience for the answer."""
        if self._thread is not None:
            self._thread.join(self._patience_s)
        return self._problem

    def _ask(self) -> None:
        import httpx

        try:
            with httpx.Client(timeout=self._patience_s, verify=self._verify) as client:
                for path in _PATHS:
                    status = client.get(self._uri.rstrip("/") + path).status_code
                    if status >= 500:
                        self._problem = f"{public_uri(self._uri)} answers {status}"
                        return
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            self._problem = f"{public_uri(self._uri)}: {type(error).__name__}"
            return
        self._problem = None
