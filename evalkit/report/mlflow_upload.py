"""The process that talks to MLflow: ``python -m evalkit.report.mlflow_upload``, its order as JSON on stdin.

It runs apart from the command, so that its environment, its imports and its hangs are its own, and the command can end
it. For each entry it prints one line of JSON: key, whether it is there now, its address, or the reason why not. It
needs mlflow-skinny, sqlalchemy and alembic, and nothing of the full package.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from evalkit.base.errors import EvalkitError
from evalkit.base.hashing import digest_bytes
from evalkit.base.model import Frozen, Many
from evalkit.base.redact import Redactor
from evalkit.report import outbox
from evalkit.report.mlflow_environment import is_http, public_uri
from evalkit.report.mlflow_payload import TrackedRun

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["Order", "main", "upload"]

T = TypeVar("T")
_METRICS_A_CALL = 1_000
_PARAMS_A_CALL = 100
_DONE = "evalkit.complete"


class Order(Frozen):
    """What to upload where.

    ``artifacts`` is where new experiments keep their files, None for the server's choice. ``limit_s`` counts from when
    the client is loaded.
    """

    uri: str
    artifacts: str | None
    limit_s: float
    entries: Many[str]


def upload(client: MlflowClient, run: TrackedRun, files: Path, *, artifacts: str | None) -> tuple[str, str]:
    """Write one run and return its experiment's and its own id. Doing it again changes nothing.

    The run is found by its key before it is created, and completed where an earlier attempt broke off: parameters,
    metrics (same time stamp and value) and tags are the same each time, and the mark of completeness comes last.

    Args:
        client: an open client.
        run: what to write.
        files: the folder of the run's files.
        artifacts: where a new experiment keeps artifacts, or None for the server's choice.
    """
    experiment = _experiment(client, run.experiment, artifacts)
    found = client.search_runs([experiment], filter_string=f"tags.`evalkit.key` = '{run.key}'", max_results=1)
    if found and found[0].data.tags.get(_DONE) == "true":
        return experiment, str(found[0].info.run_id)
    run_id = found[0].info.run_id if found else _create(client, experiment, run)
    _write(client, run_id, run)
    for file in run.files:
        path = files / file.name
        if path.is_file() and digest_bytes(path.read_bytes()) == file.sha256:
            client.log_artifact(run_id, str(path))
    client.set_terminated(run_id, status=run.status, end_time=run.end_ms)
    client.set_tag(run_id, _DONE, "true")
    return experiment, str(run_id)


def _experiment(client: MlflowClient, name: str, artifacts: str | None) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is not None:
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name, artifact_location=artifacts))
    except MlflowException:  # somebody else was faster, or it is a real failure
        found = client.get_experiment_by_name(name)
        if found is None:
            raise
        return str(found.experiment_id)


def _create(client: MlflowClient, experiment: str, run: TrackedRun) -> str:
    tags = {"evalkit.key": run.key, "mlflow.source.name": "evalkit"}
    created = client.create_run(experiment, start_time=run.start_ms, tags=tags, run_name=run.name)
    return str(created.info.run_id)


def _write(client: MlflowClient, run_id: str, run: TrackedRun) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

    metrics = [Metric(name, value, run.end_ms, 0) for name, value in run.metrics.items()]
    params = [Param(name, value) for name, value in run.params.items()][:_PARAMS_A_CALL]
    tags = [RunTag(name, value) for name, value in run.tags.items()][:_PARAMS_A_CALL]
    first = _METRICS_A_CALL - len(params) - len(tags)
    client.log_batch(run_id, metrics=metrics[:first], params=params, tags=tags)
    for part in _batches(metrics[first:], _METRICS_A_CALL):
        client.log_batch(run_id, metrics=part)
    info = run.dataset
    source = json.dumps({"name": info.source})
    dataset = Dataset(info.name, info.digest, "evalkit", source, None, info.profile)
    client.log_inputs(run_id, datasets=[DatasetInput(dataset, [InputTag("mlflow.data.context", "evaluation")])])


def _batches(values: Sequence[T], size: int) -> Iterator[list[T]]:
    waiting = iter(values)
    while part := list(islice(waiting, size)):
        yield part


def _address(uri: str, experiment: str, run_id: str) -> str:
    place = public_uri(uri)
    return f"{place}/#/experiments/{experiment}/runs/{run_id}" if is_http(uri) else place


def main(order: Order) -> int:
    """Upload entries, one JSON line each on stdout, and return how many did not arrive.

    An entry leaves the outbox when it has arrived. After a failure to reach the store the rest is not tried.
    """
    left = 0
    for name in order.entries:
        entry = Path(name)
        with outbox.exclusive(entry.parent):
            result = _one(entry, order)
        left += not result["ok"]
        _say({"key": entry.stem, **result})
        if not result["ok"] and not result.get("entry_damaged"):
            break
    return left


def _say(result: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()


def _one(entry: Path, order: Order) -> dict[str, Any]:
    place = public_uri(order.uri)
    if not entry.exists():
        return {"ok": True, "url": place}
    try:
        run = outbox.read(entry)
    except EvalkitError as error:
        return {"ok": False, "reason": error.message, "entry_damaged": True}
    artifacts = f"{order.artifacts}/{run.experiment}" if order.artifacts else None
    try:
        from mlflow import MlflowClient

        with _deadline(order, entry.stem):
            ids = upload(MlflowClient(tracking_uri=order.uri), run, outbox.files_folder(entry), artifacts=artifacts)
    except Exception as error:  # noqa: BLE001 - whatever a tracking store does, it must not touch the verdict
        return {"ok": False, "reason": _reason(error, order.uri)}
    outbox.remove(entry)
    return {"ok": True, "url": _address(order.uri, *ids)}


@contextmanager
def _deadline(order: Order, key: str) -> Iterator[None]:
    """End this process, with a word why, when the block takes too long: a hanging call cannot be ended otherwise."""

    def end() -> None:
        _say({"key": key, "ok": False, "reason": f"{public_uri(order.uri)} took longer than {order.limit_s:g} s"})
        os._exit(1)

    timer = threading.Timer(order.limit_s, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _reason(error: Exception, uri: str) -> str:
    text = " ".join(str(error).split()).replace(uri, public_uri(uri))
    return Redactor().text(f"{type(error).__name__}: {text}")[:300]


if __name__ == "__main__":
    sys.exit(min(main(Order.model_validate_json(sys.stdin.buffer.read())), 100))
