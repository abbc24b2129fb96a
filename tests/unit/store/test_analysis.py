"""Finished runs as Parquet, SQL over them, and nothing else within reach of that SQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from evalkit.base.errors import StoreError, UsageError
from evalkit.core.item import Item
from evalkit.core.output import Exchange
from evalkit.core.run import RunManifest
from evalkit.core.score import Score
from evalkit.store.analysis import VIEWS, export_parquet, query
from evalkit.store.store import Store

Make = Callable[..., Exchange]
FIRST, SECOND, OPEN = "20261123-120000-aaaaaa", "20261123-120001-bbbbbb", "20261124-090000-cccccc"


Fill = Callable[[Store, str, bool], None]


@pytest.fixture(scope="module")
def fill(make_manifest: Callable[..., RunManifest], answer: Make, failure: Make) -> Fill:
    """Store a run of two answers and a failure, the first answer scored; export it if it is finished."""

    def make(store: Store, run_id: str, finished: bool) -> None:
        journal = store.journal(run_id)
        items = [Item(id=f"q{n}", inputs={"n": n}, cluster="c" if n else None, tags=("a", "b")) for n in range(3)]
        journal.create(make_manifest(run_id), items)
        exchanges = [answer("q0", 'it\'s "so"\n', latency_s=0.5), answer("q1", run_id), failure("q2", "timeout")]

        async def put() -> None:
            for position, exchange in enumerate(exchanges):
                await journal.put(position, exchange)

        asyncio.run(put())
        if finished:
            journal.event("finished", "2026-11-23T12:05:00")
        journal.close()
        writer = store.score_writer(run_id, "g" * 64)
        writer.add(0, 0, 0, [Score(metric="correct", status="ok", value=1.0, label="A")])
        writer.add(1, 0, 0, [Score(metric="correct", status="error", reason="boom")])
        writer.flush()
        writer.close()
        if finished:
            export_parquet(store, run_id, {"g" * 64: "correct@gggggg"})

    return make


@pytest.fixture(scope="module")
def runs(fill: Fill, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of two finished runs and one that is not; shared, so no test changes it."""
    store = Store(tmp_path_factory.mktemp("store") / ".evalkit")
    fill(store, FIRST, True)
    fill(store, SECOND, True)
    fill(store, OPEN, False)
    return store


def test_the_views_have_their_documented_columns(runs: Store) -> None:
    for view, columns in VIEWS.items():
        described = query(runs, f"DESCRIBE {view}")
        assert dict(zip(described["column_name"], described["column_type"], strict=True)) == dict(columns)


def test_an_empty_store_has_the_same_views(store: Store) -> None:
    for view, columns in VIEWS.items():
        frame = query(store, f"SELECT * FROM {view}")
        assert list(frame.columns) == list(columns)
        assert frame.empty


def test_rows_of_several_runs_stand_in_one_view(runs: Store) -> None:
    frame = query(runs, "SELECT run_id, count(*) AS n FROM outputs GROUP BY 1 ORDER BY 1")
    assert frame.to_dict("list") == {"run_id": [FIRST, SECOND], "n": [3, 3]}


def test_unfinished_runs_are_listed_but_have_no_rows(runs: Store) -> None:
    frame = query(runs, "SELECT run_id, status FROM runs ORDER BY 1")
    assert frame.to_dict("list") == {
        "run_id": [FIRST, SECOND, OPEN],
        "status": ["finished", "finished", "interrupted"],
    }
    assert query(runs, f"FROM outputs WHERE run_id = '{OPEN}'").empty
    assert query(runs, f"FROM scores WHERE run_id = '{OPEN}'").empty


def test_outputs_and_scores_join_and_keep_failures_apart_from_values(runs: Store) -> None:
    frame = query(
        runs,
        "SELECT o.item_id, o.status, o.code, o.text, o.latency_s, o.tags, o.cluster, s.status AS scored, s.value,"
        " s.grader FROM outputs o LEFT JOIN scores s USING (run_id, position, trial)"
        f" WHERE run_id = '{FIRST}' ORDER BY 1",
    )
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    assert [row["text"] for row in rows] == ['it\'s "so"\n', FIRST, None]
    assert [(row["status"], row["code"]) for row in rows] == [("ok", None), ("ok", None), ("candidate", "timeout")]
    assert [(row["scored"], row["value"]) for row in rows] == [("ok", 1.0), ("error", None), (None, None)]
    assert [row["latency_s"] for row in rows] == [0.5, None, None]
    assert list(rows[0]["tags"]) == ["a", "b"]
    assert [row["cluster"] for row in rows] == [None, "c", "c"]
    assert rows[0]["grader"] == "correct@gggggg"


def test_exporting_again_replaces_and_leaves_nothing_behind(store: Store, fill: Fill) -> None:
    fill(store, FIRST, True)
    export_parquet(store, FIRST, {"g" * 64: "correct@gggggg"})
    assert len(query(store, "FROM outputs")) == 3
    assert not list(store.root.rglob("*.part"))


def test_an_output_larger_than_a_json_readers_usual_limit_is_exported(
    store: Store, make_manifest: Callable[..., RunManifest], answer: Make
) -> None:
    journal = store.journal(FIRST)
    journal.create(make_manifest(FIRST), [Item(id="q0", inputs={})])
    asyncio.run(journal.put(0, answer("q0", "\n" * 9_000_000), 0))
    journal.close()
    export_parquet(store, FIRST, {})
    assert query(store, "SELECT length(text) AS n FROM outputs")["n"].tolist() == [9_000_000]


def test_an_export_that_cannot_be_written_is_an_error_of_the_store(store: Store, fill: Fill) -> None:
    fill(store, FIRST, False)
    (store.folder(FIRST) / "outputs.parquet" / "in the way").mkdir(parents=True)
    with pytest.raises(StoreError) as caught:
        export_parquet(store, FIRST, {})
    assert caught.value.hint
    assert not list(store.root.rglob("*.rows.part"))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "  -- a comment\n SELECT 1",
        "(SELECT 1)",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "FROM runs",
        "TABLE runs",
        "VALUES (1)",
        "SHOW TABLES",
        "DESCRIBE outputs",
        "SUMMARIZE scores",
        "EXPLAIN SELECT 1",
        "PIVOT outputs ON status USING count(*)",
    ],
)
def test_statements_that_read_are_run(runs: Store, sql: str) -> None:
    assert len(query(runs, sql)) > 0


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO runs (run_id) VALUES ('x')",
        "UPDATE runs SET suite = 'x'",
        "DELETE FROM runs",
        "DROP VIEW outputs",
        "CREATE TABLE t (a INT)",
        "CREATE MACRO f() AS 1",
        "COPY runs TO 'out.csv'",
        "EXPORT DATABASE 'out'",
        "ATTACH 'other.db'",
        "ATTACH ':memory:' AS m",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "RESET enable_external_access",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "VACUUM",
        "CHECKPOINT",
        "PREPARE p AS SELECT 1",
        "BEGIN",
        "SELECT 1; DROP VIEW outputs",
        "SELECT 1; SELECT 2",
        "",
        ";",
    ],
)
def test_statements_that_do_more_than_read_are_refused(runs: Store, sql: str) -> None:
    with pytest.raises(UsageError, match="only one statement that reads") as caught:
        query(runs, sql)
    assert "SELECT" in str(caught.value.hint)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_blob('/etc/hostname')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "SELECT * FROM read_parquet('https://example.invalid/x.parquet')",
        "SELECT * FROM duckdb_secrets()",
        "SELECT (SELECT content FROM read_text('/etc/passwd'))",
        "FROM query('SELECT * FROM read_text(''/etc/passwd'')')",
        "SELECT getenv('HOME')",
        "SELECT * FROM read_json('{journal}')",
        "SELECT * FROM read_blob('{journal}')",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{parquet}'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{folder}/new.csv'",
        "FROM query('COPY runs TO ''{folder}/new.csv''')",
        "SELECT * FROM columns",
        "SELECT * FROM store",
    ],
)
def test_no_statement_reaches_a_file_or_a_variable(runs: Store, sql: str) -> None:
    folder = runs.folder(FIRST)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    text = sql.format(journal=folder / "outputs.db", parquet=folder / "outputs.parquet", folder=folder)
    with pytest.raises(UsageError):
        query(runs, text)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_statement_that_writes_inside_a_reading_one_changes_no_file(runs: Store) -> None:
    query(runs, "WITH x AS (INSERT INTO runs (run_id) VALUES ('forged') RETURNING run_id) SELECT * FROM x")
    assert query(runs, "SELECT run_id FROM runs WHERE run_id = 'forged'").empty


def test_a_mistake_in_sql_names_it_and_hints_at_the_views(runs: Store) -> None:
    with pytest.raises(UsageError, match="nowhere") as caught:
        query(runs, "SELECT * FROM nowhere")
    assert "runs, outputs, scores" in str(caught.value.hint)
    with pytest.raises(UsageError, match="SQL: Parser Error"):
        query(runs, "SELEC 1")


def test_a_store_whose_path_has_quotes_is_read(tmp_path: Path, make_manifest: Callable[..., RunManifest]) -> None:
    store = Store(tmp_path / "it's a 'store'")
    journal = store.journal(FIRST)
    journal.create(make_manifest(FIRST), [])
    journal.close()
    export_parquet(store, FIRST, {})
    assert query(store, "FROM outputs").empty
    assert len(query(store, "FROM runs")) == 1
