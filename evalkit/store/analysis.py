"""Finished runs as Parquet, and SQL over all of them. Everything here can be rebuilt from the records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from evalkit.base.errors import UsageError
from evalkit.store.group_commit import store_error
from evalkit.store.store import Store

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

__all__ = ["VIEWS", "export_parquet", "query"]

VIEWS: Mapping[str, Mapping[str, str]] = {
    "runs": {
        "run_id": "VARCHAR",
        "suite": "VARCHAR",
        "candidate": "VARCHAR",
        "candidate_digest": "VARCHAR",
        "model": "VARCHAR",
        "dataset": "VARCHAR",
        "dataset_version": "VARCHAR",
        "draw": "VARCHAR",
        "status": "VARCHAR",
        "started_at": "VARCHAR",
        "finished_at": "VARCHAR",
        "n_planned": "BIGINT",
        "git_commit": "VARCHAR",
    },
    "outputs": {
        "run_id": "VARCHAR",
        "position": "BIGINT",
        "item_id": "VARCHAR",
        "trial": "BIGINT",
        "status": "VARCHAR",
        "code": "VARCHAR",
        "text": "VARCHAR",
        "finish": "VARCHAR",
        "input_tokens": "BIGINT",
        "output_tokens": "BIGINT",
        "latency_s": "DOUBLE",
        "cost_usd": "DOUBLE",
        "attempts": "BIGINT",
        "cached": "BOOLEAN",
        "cluster": "VARCHAR",
        "tags": "VARCHAR[]",
    },
    "scores": {
        "run_id": "VARCHAR",
        "position": "BIGINT",
        "item_id": "VARCHAR",
        "trial": "BIGINT",
        "metric": "VARCHAR",
        "grader": "VARCHAR",
        "status": "VARCHAR",
        "value": "DOUBLE",
        "label": "VARCHAR",
        "reason": "VARCHAR",
    },
}
"""View name to column name to DuckDB type: the public schema of `evalkit runs sql`."""

_READING = frozenset({"SELECT", "EXPLAIN", "MULTI"})
"""DuckDB's words for statements that read; MULTI is a PIVOT, which it takes apart itself."""

_SEALED = (
    "SET enable_external_access = false",
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET lock_configuration = true",
)
"""No file but the views' own, no network, no variable of this program, and no way to change that."""


def export_parquet(store: Store, run_id: str, graders: Mapping[str, str]) -> None:
    """Write ``outputs.parquet`` and ``scores.parquet`` of a run, row by row in bounded memory.

    Args:
        store: where the run lies.
        run_id: a finished run.
        graders: score digest to ``name@digest``.
    """
    folder = store.folder(run_id)
    _copy(_output_rows(store, run_id), "outputs", folder / "outputs.parquet")
    _copy(_score_rows(store, run_id, graders), "scores", folder / "scores.parquet")


def query(store: Store, sql: str) -> pd.DataFrame:
    """Return the rows of one reading SQL statement over the views ``runs``, ``outputs`` and ``scores``.

    The statement reaches the views of finished runs and nothing else: no other file, no network, no setting.

    Raises:
        UsageError: the statement does not read, or DuckDB refuses it.
    """
    import duckdb

    connection = duckdb.connect()
    try:
        _create_views(connection, store)
        _create_runs(connection, store)
        for statement in _SEALED:
            connection.execute(statement)
        _refuse_writing(connection.extract_statements(sql))
        return connection.execute(sql).df()
    except duckdb.Error as error:
        raise UsageError(
            f"SQL: {str(error).splitlines()[0]}", hint="the views: runs, outputs, scores; try `DESCRIBE scores`"
        ) from error
    finally:
        connection.close()


def _refuse_writing(statements: Sequence[duckdb.Statement]) -> None:
    kinds = [statement.type.name for statement in statements]
    if len(kinds) != 1 or kinds[0] not in _READING:
        given = f"{kinds[0]} does not read" if len(kinds) == 1 else f"{len(kinds)} statements"
        raise UsageError(
            f"only one statement that reads is run, not this: {given}",
            hint="begin with SELECT, WITH, FROM, DESCRIBE, SHOW or SUMMARIZE",
        )


def _create_views(connection: duckdb.DuckDBPyConnection, store: Store) -> None:
    """Create ``outputs`` and ``scores`` over the Parquet files of finished runs, the only files that stay readable."""
    allowed: list[str] = []
    for view in ("outputs", "scores"):
        files = [str(path.absolute()) for path in sorted((store.root / "runs").glob(f"*/{view}.parquet"))]
        allowed += files
        if files:
            paths = ", ".join(map(_text, files))
            source = f"read_parquet([{paths}], union_by_name = true)"
            connection.execute(f"CREATE VIEW {view} AS SELECT * FROM {source}")  # noqa: S608
        else:
            columns = ", ".join(f"{name} {kind}" for name, kind in VIEWS[view].items())
            connection.execute(f"CREATE TABLE {view} ({columns})")
    connection.execute(f"SET allowed_paths = [{', '.join(map(_text, allowed))}]")


def _create_runs(connection: duckdb.DuckDBPyConnection, store: Store) -> None:
    columns = VIEWS["runs"]
    connection.execute(f"CREATE TABLE runs ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
    rows = [
        (
            manifest.id,
            manifest.suite,
            manifest.candidate.name,
            manifest.candidate.digest,
            manifest.candidate.model,
            manifest.dataset.name,
            manifest.dataset.version,
            manifest.draw,
            manifest.status,
            manifest.started_at,
            manifest.finished_at,
            manifest.n_planned,
            manifest.git.commit,
        )
        for manifest in store.manifests()
    ]
    if rows:
        marks = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO runs VALUES ({marks})", rows)  # noqa: S608


def _copy(rows: Iterable[Mapping[str, Any]], view: str, target: Path) -> None:
    import duckdb

    part, lines = target.with_suffix(".part"), target.with_suffix(".rows.part")
    connection = duckdb.connect()
    try:
        columns = orjson.dumps(VIEWS[view]).decode().replace('"', "'")
        longest = max(_write_lines(rows, lines), 16 * 1024 * 1024)
        source = (
            f"read_json({_text(str(lines))}, format = 'newline_delimited', columns = {columns},"
            f" maximum_object_size = {longest})"
        )
        connection.execute("SET threads = 1")
        connection.execute(f"COPY (SELECT * FROM {source}) TO {_text(str(part))} (FORMAT parquet)")  # noqa: S608
        part.replace(target)
    except (duckdb.Error, OSError) as error:
        raise store_error(target, error) from error
    finally:
        connection.close()
        lines.unlink(missing_ok=True)


def _write_lines(rows: Iterable[Mapping[str, Any]], target: Path) -> int:
    """Write ``rows`` as JSON lines and return the length of the longest in bytes."""
    longest = 0
    with target.open("wb") as file:
        for row in rows:
            line = orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
            file.write(line)
            longest = max(longest, len(line))
    return longest


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _output_rows(store: Store, run_id: str) -> Iterator[Mapping[str, Any]]:
    reader = store.read(run_id)
    try:
        for recorded in reader.outputs():
            output, item = recorded.output, recorded.item
            response, failure = output.response, output.failure
            yield {
                "run_id": run_id,
                "position": recorded.position,
                "item_id": item.id,
                "trial": output.trial,
                "status": "ok" if failure is None else failure.blame,
                "code": failure.code if failure else None,
                "text": response.text if response else None,
                "finish": response.finish if response else None,
                "input_tokens": response.usage.input_tokens if response else None,
                "output_tokens": response.usage.output_tokens if response else None,
                "latency_s": output.latency_s,
                "cost_usd": output.cost_usd,
                "attempts": output.exchanges[-1].attempts,
                "cached": output.exchanges[-1].cached,
                "cluster": item.cluster,
                "tags": list(item.tags),
            }
    finally:
        reader.close()


def _score_rows(store: Store, run_id: str, graders: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    reader = store.read(run_id)
    try:
        ids = [item_id for _, item_id, _, _ in reader.item_rows()]
    finally:
        reader.close()
    for digest, grader in graders.items():
        scores = store.score_reader(run_id, digest)
        try:
            for position, trial, _, metric, status, value, label, reason in scores.rows():
                yield {
                    "run_id": run_id,
                    "position": position,
                    "item_id": ids[position],
                    "trial": trial,
                    "metric": metric,
                    "grader": grader,
                    "status": status,
                    "value": value,
                    "label": label,
                    "reason": reason,
                }
        finally:
            scores.close()
