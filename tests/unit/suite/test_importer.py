from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.base.errors import UsageError
from evalkit.suite.cards import read_card
from evalkit.suite.datasets import load_dataset
from evalkit.suite.files import DatasetRef
from evalkit.suite.importer import ImportColumns, import_file, import_items
from evalkit.suite.verify import verify

ROWS = [
    {"qid": 1, "query": "How long?", "answer": "30 days", "domain": "returns", "topic": "a;b", "w": 2},
    {"qid": 2, "query": "How much?", "answer": "5 EUR", "domain": "costs", "topic": "", "w": 0.5},
]
COLUMNS = ImportColumns(
    id="qid",
    inputs=("query",),
    expected=("answer",),
    cluster="domain",
    tags="topic",
    weight="w",
    rename={"query": "question"},
)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_parquet(path: Path, rows: str) -> None:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(f"COPY ({rows}) TO '{path}' (FORMAT parquet)")


def written(root: Path, kind: str) -> Path:
    path = root / f"rows.{kind}"
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    if kind == "jsonl":
        path.write_text(lines)
    elif kind == "jsonl.gz":
        path.write_bytes(gzip.compress(lines.encode()))
    elif kind == "csv":
        path.write_text(
            ",".join(ROWS[0]) + "\n" + "".join(",".join(str(cell) for cell in row.values()) + "\n" for row in ROWS)
        )
    else:
        values = ", ".join(
            f"({row['qid']}, '{row['query']}', '{row['answer']}', '{row['domain']}', '{row['topic']}', {row['w']})"
            for row in ROWS
        )
        write_parquet(path, f"SELECT * FROM (VALUES {values}) t(qid, query, answer, domain, topic, w)")
    return path


@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "csv", "parquet"])
def test_the_same_rows_give_the_same_version_from_every_format(root: Path, kind: str) -> None:
    import_file(written(root, kind), "faq", "1", root=root, columns=COLUMNS, license="MIT", source="our desk")
    loaded = load_dataset(DatasetRef(name="faq", version="1"), root)
    assert [item.id for item in loaded.items] == ["1", "2"]
    first = loaded.items[0]
    assert first.inputs == {"question": "How long?"}
    assert (first.expected, first.cluster, first.tags, first.weight) == ("30 days", "returns", ("a", "b"), 2.0)
    assert loaded.items[1].tags == ()
    assert (loaded.info.license, loaded.info.source) == ("MIT", "our desk")
    assert verify(root) == []


def test_without_choices_columns_named_like_fields_are_the_fields(root: Path) -> None:
    (root / "a.jsonl").write_text('{"id": "a", "question": "?", "expected": 1, "lang": "de"}\n')
    item = next(import_items(root / "a.jsonl", ImportColumns()))
    assert (item.id, item.inputs, item.expected) == ("a", {"question": "?", "lang": "de"}, 1)


def test_inputs_left_out_take_every_column_without_another_part(root: Path) -> None:
    (root / "a.jsonl").write_text('{"qid": "a", "question": "?", "good": 1, "bad": 2, "note": "n", "lang": "de"}\n')
    columns = ImportColumns(id="qid", expected=("good", "bad"), metadata=("note",), rename={"good": "right"})
    item = next(import_items(root / "a.jsonl", columns))
    assert item.inputs == {"question": "?", "lang": "de"}
    assert item.expected == {"right": 1, "bad": 2}
    assert item.metadata == {"note": "n"}


def test_a_second_version_goes_beside_the_first(root: Path) -> None:
    path = written(root, "jsonl")
    import_file(path, "faq", "1", root=root, columns=COLUMNS)
    path.write_text(path.read_text() + json.dumps({**ROWS[0], "qid": 3}) + "\n")
    import_file(path, "faq", "2", root=root, columns=COLUMNS, notes="one more")
    assert [entry.version for entry in read_card(root / "datasets/faq")[0].versions] == ["1", "2"]
    with pytest.raises(UsageError, match="exists with other items"):
        import_file(path, "faq", "1", root=root, columns=COLUMNS)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (ImportColumns(id="quid"), r"rows.jsonl:1: there is no column 'quid', did you mean 'qid'\?"),
        (ImportColumns(inputs=("query", "nope")), r"rows.jsonl:1: there is no column 'nope'"),
        (ImportColumns(rename={"nope": "x"}), r"rows.jsonl:1: there is no column 'nope'"),
        (ImportColumns(weight="answer"), r"rows.jsonl:1 weight: must be a valid number"),
        (ImportColumns(id="answer", expected=("answer",), inputs=()), r"rows.jsonl:1: item '30 days' has no inputs"),
    ],
)
def test_columns_that_are_not_there_are_refused_with_the_line(root: Path, columns: ImportColumns, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        list(import_items(Path(written(root, "jsonl").name), columns))
    assert caught.value.hint


def test_an_import_that_fails_late_leaves_no_version(root: Path) -> None:
    (root / "a.jsonl").write_text('{"id": "a", "q": 1}\n{"id": "b", "q": 1}\n{"id": "a", "q": 2}\n')
    with pytest.raises(UsageError, match=r"a.jsonl:3: id 'a' is on line 1 already"):
        import_file(root / "a.jsonl", "faq", "1", root=root)
    assert [path.name for path in (root / "datasets/faq").iterdir()] == ["dataset.yaml"]
    assert not (root / "datasets/lock.json").exists()


def test_an_empty_file_makes_no_dataset(root: Path) -> None:
    (root / "a.jsonl").write_text("\n")
    with pytest.raises(UsageError, match=r"a.jsonl:1: there are no rows"):
        import_file(root / "a.jsonl", "faq", "1", root=root)
    assert not (root / "datasets").exists()


@pytest.mark.parametrize(
    ("rows", "inputs"),
    [
        ("SELECT DATE '2026-01-02' AS d", {"d": "2026-01-02"}),
        ("SELECT TIMESTAMP '2026-01-02 03:04:05' AS t", {"t": "2026-01-02T03:04:05"}),
        ("SELECT 1.50::DECIMAL(5, 2) AS x, true AS b", {"x": 1.5, "b": True}),
        ("SELECT [1, 2] AS l, {'a': 1} AS s", {"l": [1, 2], "s": {"a": 1}}),
        ("SELECT NULL::INTEGER AS n, 'x' AS t", {"n": None, "t": "x"}),
    ],
)
def test_parquet_values_become_json(root: Path, rows: str, inputs: dict[str, Any]) -> None:
    write_parquet(root / "a.parquet", rows)
    assert next(import_items(root / "a.parquet", ImportColumns())).inputs == inputs


def test_a_row_that_is_no_object_is_refused_with_its_line(root: Path) -> None:
    (root / "a.jsonl").write_text('{"q": 1}\n[1]\n')
    with pytest.raises(UsageError, match=r"a.jsonl:2: a row is an object"):
        list(import_items(Path("a.jsonl"), ImportColumns(inputs=("q",))))


def test_an_expected_column_is_kept_where_none_is_chosen(root: Path) -> None:
    (root / "a.csv").write_text("n,q,expected,weight\n7,?,yes,\n")
    item = next(import_items(root / "a.csv", ImportColumns(id="n")))
    assert (item.id, item.inputs, item.expected, item.weight) == ("7", {"q": "?"}, "yes", 1.0)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("SELECT 'nan'::DOUBLE AS x", r"a.parquet:1: column 'x' is nan"),
        ("SELECT 'a'::BLOB AS x", r"a.parquet:1: column 'x' holds bytes"),
        ("SELECT 'a' AS id, 1 AS x UNION ALL SELECT 'a', 2", r"a.parquet:2: id 'a' is on line 1 already"),
    ],
)
def test_parquet_values_that_cannot_be_items_name_their_row(root: Path, rows: str, message: str) -> None:
    write_parquet(root / "a.parquet", rows)
    with pytest.raises(UsageError, match=message):
        list(import_items(Path("a.parquet"), ImportColumns()))


def test_what_is_no_parquet_file_is_refused_by_name(root: Path) -> None:
    (root / "a.parquet").write_text("no")
    with pytest.raises(UsageError, match=r"a.parquet: not a Parquet file"):
        list(import_items(Path("a.parquet"), ImportColumns()))
    with pytest.raises(UsageError, match="there is no file"):
        list(import_items(Path("b.parquet"), ImportColumns()))


def test_stars_in_a_files_name_are_no_pattern(root: Path) -> None:
    write_parquet(root / "a1.parquet", "SELECT 1 AS x")
    write_parquet(root / "b.parquet", "SELECT 2 AS x")
    (root / "b.parquet").rename(root / "a*.parquet")
    assert [item.inputs for item in import_items(root / "a*.parquet", ImportColumns())] == [{"x": 2}]
