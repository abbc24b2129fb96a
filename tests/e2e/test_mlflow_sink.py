"""MLflow for real: a local database, dead, hanging and failing servers, and `mlflow server` itself."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from evalkit.base.clock import SystemClock
from evalkit.core.verdict import Verdict
from evalkit.report import outbox
from evalkit.report.mlflow_environment import client_environment
from evalkit.report.mlflow_payload import TrackedRun, track_verdict
from evalkit.report.mlflow_sink import MlflowSink
from evalkit.report.mlflow_upload import upload
from evalkit.report.rows import MetricSummary

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(240)]
VERDICT = Path(__file__).parents[1] / "unit" / "report" / "golden" / "verdict.json"
CLOCK = SystemClock()


class _QuietServer(ThreadingHTTPServer):
    """Prints nothing about clients that have hung up, which the sink does to a server that is slow."""

    def handle_error(self, request: object, client_address: object) -> None:
        del request, client_address


@pytest.fixture
def verdict() -> Verdict:
    return Verdict.model_validate_json(VERDICT.read_text())


@pytest.fixture
def summaries(verdict: Verdict) -> list[MetricSummary]:
    return [MetricSummary(finding.comparison.info, 0.85, 0.8, 0.9, 300, 300) for finding in verdict.findings]


def environ(uri: str | None = None) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    return {**plain, "MLFLOW_TRACKING_URI": uri} if uri else plain


@pytest.fixture(scope="module")
def made_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A local database with its tables, made once: that is the slow part."""
    from mlflow import MlflowClient

    folder = tmp_path_factory.mktemp("mlflow")
    MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db").search_experiments()
    return folder


@pytest.fixture
def store(made_store: Path, tmp_path: Path) -> Path:
    (tmp_path / "mlflow.db").write_bytes((made_store / "mlflow.db").read_bytes())
    return tmp_path


def client_of(store: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")


def runs_of(client: Any) -> list[Any]:
    experiment = client.get_experiment_by_name("evalkit/support_qa")
    return list(client.search_runs([experiment.experiment_id])) if experiment else []


def test_verdict_arrives_once_however_often_it_is_logged(
    store: Path, verdict: Verdict, summaries: list[MetricSummary]
) -> None:
    report = store / "report.html"
    report.write_text("<p>report</p>")
    sink = MlflowSink(store, environ=environ())
    first, again = sink.log_verdicts([(verdict, summaries, [report]), (verdict, summaries, [report])])
    later = sink.log_verdict(verdict, summaries, files=[report])
    assert first.ok, first
    assert first == again == later
    client = client_of(store)
    (run,) = runs_of(client)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["correct/ci_low"] == 0.8
    assert run.data.metrics["delta/json_schema/p_fail"] == pytest.approx(9.5e-7)
    assert run.data.params["model"] == "prod/answer-1"
    assert run.data.tags["evalkit.outcome"] == "fail"
    assert "| `json_schema` |" in run.data.tags["mlflow.note.content"]
    assert [given.dataset.name for given in run.inputs.dataset_inputs] == ["support_qa@2026-11-01"]
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["report.html"]
    assert len(client.get_metric_history(run.info.run_id, "correct/mean")) == 1
    assert outbox.entries(sink.outbox) == []


class _Dying:
    """A client whose connection breaks at one call, before or after the server has done it."""

    def __init__(self, client: Any, at: int, *, after: bool) -> None:
        self._client, self._left, self._after = client, at, after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(*args: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                if self._after:
                    method(*args, **options)
                raise ConnectionError("the server is gone")
            return method(*args, **options)

        return call


def test_a_server_that_dies_at_any_call_leaves_no_second_run(
    store: Path, verdict: Verdict, summaries: list[MetricSummary]
) -> None:
    client = client_of(store)
    report = store / "report.html"
    report.write_text("report")
    deaths = 0
    run = track_verdict(verdict, summaries)
    entry = outbox.put(store / "outbox", run, [report])
    run = outbox.read(entry)
    for at in range(1, 12):
        for after in (False, True):
            dying = _Dying(client, at, after=after)
            fresh = run.model_copy(
                update={"key": f"{at:02}{after:d}".ljust(32, "0"), "experiment": f"evalkit/{at}{after}"}
            )
            try:
                _send(dying, fresh, entry)
            except ConnectionError:
                deaths += 1
            _send(client, fresh, entry)
            experiment = client.get_experiment_by_name(fresh.experiment)
            (found,) = client.search_runs([experiment.experiment_id])
            assert found.data.metrics == dict(fresh.metrics)
            assert found.data.params == dict(fresh.params)
            assert found.info.status == "FINISHED"
            assert len(client.get_metric_history(found.info.run_id, "correct/mean")) == 1
    assert deaths >= 16


def _send(client: Any, run: TrackedRun, entry: Path) -> None:
    artifacts = (entry.parent / "artifacts").as_uri()
    upload(client, run, outbox.files_folder(entry), artifacts=f"{artifacts}/{run.experiment}")


@contextmanager
def hanging_server() -> Iterator[str]:
    """Accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def http_server(status: int, *, hang_on_post: bool = False) -> Iterator[str]:
    release = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if hang_on_post and "search" not in self.path and "health" not in self.path:
                release.wait(60)
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_POST = do_GET  # noqa: N815

        def log_message(self, *args: Any) -> None:
            pass

    server = _QuietServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        release.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def dead_port() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (dead_port, "ConnectError"),
        (hanging_server, "did not answer|Timeout"),
        (lambda: http_server(500), "answers 500"),
    ],
    ids=["dead", "hanging", "failing"],
)
def test_a_server_that_is_not_there_costs_under_ten_seconds_and_the_upload_is_kept(
    store: Path, verdict: Verdict, place: Any, said: str
) -> None:
    with place() as uri:
        start = CLOCK.monotonic()
        sink = MlflowSink(store, environ=environ(uri))
        result = sink.log_verdict(verdict)
        took_s = CLOCK.monotonic() - start
    assert not result.ok
    assert re.search(said, result.reason or "")
    assert "evalkit sync" in (result.reason or "")
    assert took_s < 10
    assert len(outbox.entries(sink.outbox)) == 1


def test_sync_uploads_what_was_kept_once(store: Path, verdict: Verdict) -> None:
    with dead_port() as uri:
        dead = MlflowSink(store, environ=environ(uri))
        assert not dead.log_verdict(verdict).ok
        assert dead.log_run(verdict.comparison.candidate).reason
        report = dead.sync()
    assert (report.uploaded, report.left) == ((), 2)
    assert "ConnectError" in (report.reason or "")

    there = MlflowSink(store, environ=environ())
    report = there.sync()
    assert (len(report.uploaded), report.failed, report.left) == (2, (), 0)
    assert there.sync().uploaded == ()
    assert len(runs_of(client_of(store))) == 2


def test_a_server_that_hangs_after_its_health_check_is_given_up(tmp_path: Path, verdict: Verdict) -> None:
    with http_server(200, hang_on_post=True) as uri:
        result = MlflowSink(tmp_path, environ=environ(uri), server_limit_s=2.0).log_verdict(verdict)
    assert not result.ok
    assert re.search(r"took longer than 2 s|[Tt]imed? ?out", result.reason or "")
    assert len(outbox.entries(tmp_path / "outbox")) == 1


def test_nothing_is_printed_and_credentials_stay_out_of_reasons(
    tmp_path: Path, verdict: Verdict, capfd: pytest.CaptureFixture[str]
) -> None:
    with dead_port() as uri:
        secret = uri.replace("http://", "http://user:hunter2-hunter2@")
        result = MlflowSink(tmp_path, environ=environ(secret)).log_verdict(verdict)
    assert "hunter2" not in str(result)
    assert capfd.readouterr() == ("", "")


def test_a_store_that_cannot_be_written_is_a_reason_not_an_exception(tmp_path: Path, verdict: Verdict) -> None:
    (tmp_path / "outbox").write_text("in the way")
    result = MlflowSink(tmp_path, environ=environ()).log_verdict(verdict)
    assert not result.ok
    assert "cannot write the outbox" in (result.reason or "")


def test_upload_needs_nothing_of_the_full_package(store: Path, verdict: Verdict) -> None:
    entry = outbox.put(store / "outbox", track_verdict(verdict))
    blocked = ["docker", "flask", "flask_cors", "graphene", "gunicorn", "huey", "matplotlib", "skops", "sklearn"]
    code = f"import sys\nfor name in {blocked!r}: sys.modules[name] = None\nimport runpy\n"
    code += "runpy.run_module('evalkit.report.mlflow_upload', run_name='__main__')"
    uri = f"sqlite:///{store}/mlflow.db"
    order = f'{{"uri": "{uri}", "artifacts": "file://{store}/art", "limit_s": 100, "entries": ["{entry}"]}}'
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=order.encode(),
        env=client_environment(environ(), uri),
        capture_output=True,
        check=False,
    )
    assert b'"ok": true' in done.stdout, done.stderr.decode()[-2000:]
    assert len(runs_of(client_of(store))) == 1


@pytest.fixture
def real_server(tmp_path: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path}/server.db"]
    command += ["--artifacts-destination", f"{tmp_path}/server-artifacts"]
    env = {**environ(), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True, cwd=tmp_path)
    uri = f"http://127.0.0.1:{port}"
    try:
        _await(uri, server, tmp_path / "server.log")
        yield uri
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)


def _await(uri: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = CLOCK.monotonic() + 150
    pause = threading.Event()
    while CLOCK.monotonic() < until:
        assert server.poll() is None, log.read_text()[-2000:]
        try:
            if httpx.get(f"{uri}/health", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        pause.wait(0.3)
    pytest.fail(f"mlflow server did not start: {log.read_text()[-2000:]}")


@pytest.mark.slow
def test_a_real_server_gets_everything_once(
    real_server: str, tmp_path: Path, verdict: Verdict, summaries: list[MetricSummary]
) -> None:
    from mlflow import MlflowClient

    report = tmp_path / "report.html"
    report.write_text("report")
    sink = MlflowSink(tmp_path, environ=environ(real_server), server_limit_s=60.0)
    result = sink.log_verdict(verdict, summaries, files=[report])
    assert result.ok, result
    assert sink.log_verdict(verdict, summaries, files=[report]).url == result.url
    client = MlflowClient(tracking_uri=real_server)
    (run,) = runs_of(client)
    assert result.url == f"{real_server}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
    assert run.data.metrics["correct/mean"] == 0.85
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["report.html"]
