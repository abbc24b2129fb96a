from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.base.errors import UsageError
from evalkit.core.item import Item
from evalkit.suite.items import DatasetDigest, item_line, read_items


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def items(name: str, text: str) -> list[tuple[int, Item]]:
    Path(name).write_text(text)
    return list(read_items(Path(name)))


def test_a_flat_row_becomes_inputs_and_a_full_row_stays() -> None:
    found = items(
        "a.jsonl",
        '{"id": "a", "question": "?", "lang": "de", "expected": 1, "cluster": "c", "tags": ["t"], "weight": 2}\n'
        "\n"
        '{"id": "b", "inputs": {"messages": []}, "metadata": {"k": 1}}\n',
    )
    assert [line for line, _ in found] == [1, 3]
    first, second = (item for _, item in found)
    assert first == Item(
        id="a", inputs={"question": "?", "lang": "de"}, expected=1, cluster="c", tags=("t",), weight=2.0
    )
    assert second.inputs == {"messages": []}


def test_csv_rows_are_flat_rows_with_the_line_they_begin_on() -> None:
    found = items(
        "a.csv",
        "id,question,expected,tags,weight,metadata,cluster\r\n"
        'a,"two\r\nlines",yes,x; y,2,"{""k"": 1}",\r\n,?,,,,,c\r\n',
    )
    assert [line for line, _ in found] == [2, 4]
    assert found[0][1] == Item(
        id="a", inputs={"question": "two\r\nlines"}, expected="yes", tags=("x", "y"), weight=2.0, metadata={"k": 1}
    )
    assert found[1][1].expected is None
    assert found[1][1].cluster == "c"


def test_a_row_without_id_gets_one_made_of_its_content() -> None:
    first = items("a.jsonl", '{"question": "?"}\n')[0][1]
    assert first.id == first.digest[:16]
    assert items("b.jsonl", '{"question": "!"}\n')[0][1].id != first.id


def test_an_item_line_reads_back_as_the_same_item() -> None:
    item = Item(id="ü", inputs={"b": 1, "a": [None]}, expected={"x": 1.5}, cluster="c", tags=("t",), weight=0.5)
    Path("a.jsonl").write_bytes(item_line(item))
    assert next(read_items(Path("a.jsonl"))) == (1, item)
    assert list(next(read_items(Path("a.jsonl")))[1].inputs) == ["b", "a"]


def test_the_digest_counts_content_and_not_order() -> None:
    def of(*items: Item) -> str:
        content = DatasetDigest()
        for item in items:
            content.add(item)
        return content.hexdigest()

    a, b = Item(id="a", inputs={"q": 1}), Item(id="b", inputs={"q": 2})
    assert of(a, b) == of(b, a)
    assert of(a, b) != of(a)
    for change in ({"expected": 1}, {"cluster": "c"}, {"tags": ("t",)}, {"weight": 2.0}, {"inputs": {"q": 3}}):
        assert of(a.model_copy(update=change), b) != of(a, b), change
    assert of(a.model_copy(update={"metadata": {"k": 1}}), b) == of(a, b)


MALFORMED = [
    ("a.jsonl", '{"id": "a", "q": 1}\n{"id": "b", "q": 1}\n{"id": "a", "q": 2}\n', "a.jsonl:3", "on line 1 already"),
    ("a.jsonl", '{"q": 1}\n{"q": 1}\n', "a.jsonl:2", "is on line 1 already"),
    ("a.jsonl", '[1]\n', "a.jsonl:1", "a row is an object, not list"),
    ("a.jsonl", '{"id": "a"}\n', "a.jsonl:1", "'a' has no inputs"),
    ("a.jsonl", '{"id": "a", "inputs": {}}\n', "a.jsonl:1", "has no inputs"),
    ("a.jsonl", '{"id": "a", "inputs": "text"}\n', "a.jsonl:1", "must be a mapping of fields"),
    ("a.jsonl", '{"id": 7, "q": 1}\n', "a.jsonl:1", "valid string"),
    ("a.jsonl", '{"id": "", "q": 1}\n', "a.jsonl:1", "at least 1 character"),
    ("a.jsonl", '{"id": "a\\u0007", "q": 1}\n', "a.jsonl:1", "control characters"),
    ("a.jsonl", '{"id": "%s", "q": 1}\n' % ("x" * 201), "a.jsonl:1", "at most 200 characters"),
    ("a.jsonl", '{"id": "a", "inputs": {"q": 1}, "tag": []}\n', "a.jsonl:1", "did you mean 'tags'?"),
    ("a.jsonl", '{"id": "a", "q": 1, "weight": 0}\n', "a.jsonl:1", "greater than 0"),
    ("a.jsonl", '{"id": "a", "q": 1, "weight": "2"}\n', "a.jsonl:1", "valid number"),
    ("a.jsonl", '{"id": "a", "q": 1, "tags": "x"}\n', "a.jsonl:1", "valid tuple"),
    ("a.jsonl", '{"id": "a", "q": 1, "tags": [1]}\n', "a.jsonl:1", "valid string"),
    ("a.jsonl", '{"id": "a", "q": 1, "metadata": []}\n', "a.jsonl:1", "must be a mapping"),
    ("a.jsonl", '{"id": "a", "q": 1, "cluster": 3}\n', "a.jsonl:1", "valid string"),
    ("a.jsonl", '{"id": "a", "q": 1\n', "a.jsonl:1:19", "not valid JSON"),
    ("a.csv", "", "a.csv:1", "the file is empty"),
    ("a.csv", "id,,q\n", "a.csv:1", "column 2 has no name"),
    ("a.csv", "id,q,q\n", "a.csv:1", "'q' is named twice"),
    ("a.csv", "id,q\na,1\nb,1,2\n", "a.csv:3", "3 cells where the header has 2"),
    ("a.csv", "id,q\na,1\nb\n", "a.csv:3", "1 cells where the header has 2"),
    ("a.csv", 'id,q\na,1\nb,"open\n', "a.csv:3", "not valid CSV"),
    ("a.csv", 'id,q\na,"x"y\n', "a.csv:2", "not valid CSV"),
    ("a.csv", "id,q,weight\na,1,heavy\n", "a.csv:2", "'heavy' is not a number"),
    ("a.csv", "id,q,weight\na,1,nan\n", "a.csv:2", "finite number"),
    ("a.csv", "id,q,metadata\na,1,{x}\n", "a.csv:2", "not valid JSON"),
    ("a.csv", "id,q\na,1\na,2\n", "a.csv:3", "'a' is on line 2 already"),
    ("a.csv", "id,q\na,\0\n", "a.csv:2", "NUL"),
    ("a.xlsx", "x", "a.xlsx", "read from .jsonl, .jsonl.gz or .csv"),
    ("a", "x", "a", "a name without ending"),
]  # fmt: skip


def test_a_long_cell_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,q\na," + "x" * 200_000 + "\n", encoding="utf-8")
    [(line, item)] = read_items(path)
    assert (line, len(item.inputs["q"])) == (2, 200_000)


@pytest.mark.parametrize(("name", "text", "where", "message"), MALFORMED, ids=[str(n) for n in range(len(MALFORMED))])
def test_every_malformed_row_is_refused_with_file_and_line(name: str, text: str, where: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        items(name, text)
    assert message in caught.value.message
    assert caught.value.where == where
    assert caught.value.message.startswith(where)
    assert caught.value.hint


def test_csv_that_is_not_utf8_names_the_line() -> None:
    Path("a.csv").write_bytes(b"id,q\na,ok\nb,\xe9\n")
    with pytest.raises(UsageError, match=r"a\.csv:3: not UTF-8: byte 0xe9 at byte 3"):
        list(read_items(Path("a.csv")))
