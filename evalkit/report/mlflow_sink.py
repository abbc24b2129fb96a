"""Verdicts and runs into MLflow: after the verdict, never changing it, never keeping anybody waiting.

What is to be logged lies in the outbox before the first attempt. If the server is down or slow, it stays there and
:func:`sync` uploads it later, once. See docs/reference/outputs.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit.base.errors import StoreError
from evalkit.base.redact import Redactor
from evalkit.core.run import RunManifest
from evalkit.core.verdict import Verdict
from evalkit.report import outbox
from evalkit.report.mlflow_environment import client_environment, is_http, public_uri, tracking_uri
from evalkit.report.mlflow_payload import TrackedRun, track_run, track_verdict
from evalkit.report.mlflow_probe import Probe
from evalkit.report.mlflow_upload import Order
from evalkit.report.rows import MetricSummary

__all__ = ["MlflowSink", "SinkResult", "SyncReport"]

_SERVER_LIMIT_S = 6.0
_LOCAL_LIMIT_S = 120.0
"""The first use of a local store creates its tables, which takes seconds."""
_SYNC_LIMIT_S = 60.0
_SYNC_PATIENCE_S = 10.0
_LOADING_S = 60.0
"""What loading the client may take on a busy machine."""


@dataclass(frozen=True, slots=True)
class SinkResult:
    """What became of one upload.

    Attributes:
        ok: whether it is in MLflow now.
        url: where to look, or None.
        reason: why it is not there yet, or None.
    """

    ok: bool
    url: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did.

    Attributes:
        uploaded: keys that are in MLflow now.
        failed: keys that are not, with the reason.
        left: how many entries are still in the outbox.
        reason: why nothing could be tried, or None.
    """

    uploaded: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    left: int = 0
    reason: str | None = None


class MlflowSink:
    """Logs to one tracking store.

    Making one asks a tracking server whether it is there, in the background: make it when the run begins.

    Args:
        store: the local store's folder: outbox, and database and artifacts where no server is configured.
        environ: the process's environment, as settings read it.
        secrets: values to mask in everything that is logged.
        server_limit_s: the longest an upload to a server may take before it is left to ``sync``.
    """

    def __init__(
        self,
        store: Path,
        *,
        environ: Mapping[str, str],
        secrets: Sequence[str] = (),
        server_limit_s: float = _SERVER_LIMIT_S,
    ) -> None:
        self._store = store
        self._environ = environ
        self._redactor = Redactor(secrets)
        self._uri = tracking_uri(environ, store)
        self._server_limit_s = server_limit_s
        self._probe = Probe(self._uri, environ)

    @property
    def outbox(self) -> Path:
        """The folder of what has not arrived yet."""
        return self._store / "outbox"

    @property
    def place(self) -> str:
        """The tracking URI without credentials."""
        return public_uri(self._uri)

    def log_verdict(
        self, verdict: Verdict, summaries: Sequence[MetricSummary] = (), *, files: Sequence[Path] = ()
    ) -> SinkResult:
        """Log a verdict with the candidate's metrics and files (the report, the rows). Never raises."""
        return self.log_verdicts([(verdict, summaries, files)])[0]

    def log_verdicts(self, each: Sequence[tuple[Verdict, Sequence[MetricSummary], Sequence[Path]]]) -> list[SinkResult]:
        """Log several verdicts, each with its metrics and files, over one client. Never raises."""
        return self._log(
            [(track_verdict(verdict, summaries, redactor=self._redactor), files) for verdict, summaries, files in each]
        )

    def log_run(
        self, manifest: RunManifest, summaries: Sequence[MetricSummary] = (), *, files: Sequence[Path] = ()
    ) -> SinkResult:
        """Log a run that has no verdict. Never raises."""
        return self._log([(track_run(manifest, summaries, redactor=self._redactor), files)])[0]

    def _log(self, each: Sequence[tuple[TrackedRun, Sequence[Path]]]) -> list[SinkResult]:
        try:
            waiting = [outbox.put(self.outbox, run, files) for run, files in each]
        except StoreError as error:
            return [SinkResult(ok=False, reason=error.message)] * len(each)
        problem = self._probe.problem()
        if problem is not None:
            return [_kept(problem)] * len(each)
        results = self._upload(
            list(dict.fromkeys(waiting)), self._server_limit_s if is_http(self._uri) else _LOCAL_LIMIT_S
        )
        untried = SinkResult(ok=False, reason="not tried after the failure before")
        found = [results.get(run.key, untried) for run, _ in each]
        return [result if result.ok else _kept(result.reason) for result in found]

    def sync(self) -> SyncReport:
        """Upload everything in the outbox, each once. Never raises."""
        waiting = outbox.entries(self.outbox)
        if not waiting:
            return SyncReport()
        problem = Probe(self._uri, self._environ, patience_s=_SYNC_PATIENCE_S).problem()
        if problem is not None:
            return SyncReport(left=len(waiting), reason=problem)
        results = self._upload(waiting, _SYNC_LIMIT_S if is_http(self._uri) else _LOCAL_LIMIT_S)
        return SyncReport(
            uploaded=tuple(key for key, result in results.items() if result.ok),
            failed=tuple((key, result.reason or "") for key, result in results.items() if not result.ok),
            left=len(outbox.entries(self.outbox)),
        )

    def _upload(self, waiting: Sequence[Path], limit_s: float) -> dict[str, SinkResult]:
        order = Order(
            uri=self._uri,
            artifacts=self._artifacts() if self._uri.startswith("sqlite:") else None,
            limit_s=limit_s,
            entries=tuple(map(str, waiting)),
        )
        try:
            done = subprocess.run(
                [sys.executable, "-m", "evalkit.report.mlflow_upload"],
                input=order.model_dump_json().encode(),
                env=client_environment(self._environ, self._uri),
                capture_output=True,
                timeout=_LOADING_S + limit_s * len(waiting),
                check=False,
            )
        except subprocess.TimeoutExpired as expired:
            results = _results(expired.stdout or b"")
            late = SinkResult(ok=False, reason="the uploader did not end in time")
            return {path.stem: results.get(path.stem, late) for path in waiting}
        except OSError as error:
            failed = SinkResult(ok=False, reason=f"the uploader did not start: {error.strerror}")
            return {path.stem: failed for path in waiting}
        results = _results(done.stdout)
        return results or {waiting[0].stem: SinkResult(ok=False, reason=self._redactor.text(_last_line(done.stderr)))}

    def _artifacts(self) -> str:
        return (self._store / "mlflow-artifacts").resolve().as_uri()


def _kept(reason: str | None) -> SinkResult:
    return SinkResult(ok=False, reason=f"{reason}; kept in the outbox for `evalkit sync`")


def _results(stdout: bytes) -> dict[str, SinkResult]:
    results = {}
    for line in stdout.decode(errors="replace").splitlines():
        if not line.startswith('{"key"'):
            continue
        data = json.loads(line)
        results[str(data["key"])] = SinkResult(ok=data["ok"], url=data.get("url"), reason=data.get("reason"))
    return results


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "the uploader ended without a word"
