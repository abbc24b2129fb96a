"""The builder of the bundled datasets, and what must hold of their sources."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from evalkit.base.errors import UsageError
from evalkit.suite.datasets import load_dataset
from evalkit.suite.files import DatasetRef
from evalkit.suite.publish import publish_version
from evalkit.suite.verify import verify

REPOSITORY = Path(__file__).resolve().parents[3]
SOURCES = REPOSITORY / "datasets"

DOCUMENT = """\
id: a01-shop
title: "Shop: returns"
domain: retail_returns
sections:
  - {number: "1", heading: "Window", text: "30 days."}
  - {number: "2.1", heading: "Labels?", text: "Free."}
questions:
  - {id: window, ask: "How long?", answer: "30 days", accept: ["30 days"], reject: ["14 days"], section: "1",
     tags: [duration]}
  - {id: dublin, ask: "In Dublin?", answer: null, accept: [], section: null, tags: [unanswerable]}
"""
FIRM = """\
id: e01-firm
title: Firm
items:
  - id: one
    document: "Dear firm"
    expected: {kind: order, sender: "A B", reference: null, date: "2026-03-03", amount: 38, currency: GBP}
    tags: [email, email]
"""


@pytest.fixture(scope="module")
def build() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("datasets_build", SOURCES / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # pydantic looks the annotations up there
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, file, text in (("support_qa", "a01-shop", DOCUMENT), ("extraction", "e01-firm", FIRM)):
        folder = tmp_path / "datasets" / name
        (folder / "source").mkdir(parents=True)
        (folder / "source" / f"{file}.yaml").write_text(text)
        (folder / "dataset.yaml").write_text((SOURCES / name / "dataset.yaml").read_text().split("versions:")[0])
    return tmp_path


def test_a_document_becomes_an_item_for_each_question(build: ModuleType, root: Path) -> None:
    first, second = build.items_of("support_qa", root)
    assert first.id == "a01-shop.window"
    assert first.inputs == {
        "context": "Shop: returns\n\n[1] Window. 30 days.\n[2.1] Labels? Free.",
        "question": "How long?",
    }
    assert first.expected == {
        "answer": "30 days", "accept": ["30 days"], "reject": ["14 days"], "section": "1", "answerable": True
    }  # fmt: skip
    assert (first.cluster, first.tags) == ("a01-shop", ("duration", "retail_returns"))
    assert first.metadata == {"domain": "retail_returns"}
    assert second.expected == {"answer": None, "accept": [], "reject": [], "section": None, "answerable": False}


def test_a_letter_becomes_an_item(build: ModuleType, root: Path) -> None:
    (item,) = build.items_of("extraction", root)
    assert (item.id, item.cluster, item.tags) == ("e01-firm.one", "e01-firm", ("email",))
    assert item.inputs == {"document": "Dear firm"}
    assert item.expected["amount"] == 38.0
    assert item.expected["reference"] is None


def test_a_built_version_loads_and_is_never_overwritten(build: ModuleType, root: Path) -> None:
    publish_version("extraction", build.VERSION, build.items_of("extraction", root), root=root, made=build.MADE)
    assert verify(root) == []
    assert len(load_dataset(DatasetRef(name="extraction", version=build.VERSION), root).items) == 1
    source = root / "datasets/extraction/source/e01-firm.yaml"
    source.write_text(source.read_text().replace("Dear firm", "Dear all"))
    with pytest.raises(UsageError, match="exists with other items"):
        publish_version("extraction", build.VERSION, build.items_of("extraction", root), root=root)


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        ("id: a01-shop", "id: a02-shop", "1:5", "the id is not the file's name"),
        ('section: "1"', 'section: "7"', "1:1", "names section '7', which is not there"),
        ('number: "2.1"', 'number: "1"', "1:1", "two sections have the same number"),
        ("reject: [\"14 days\"]", "reject: [\"30 days\"]", "8:5", "both accepted and rejected"),
        ("[unanswerable]", "[]", "10:5", "stands exactly where"),
        ("accept: [], section: null", "accept: [x], section: null", "10:5", "are all given, or none is"),
        ("id: dublin", "id: window", "", "comes twice"),
        ("ask:", "aks:", "8:18", "did you mean 'ask'?"),
        ("tags: [duration]", "tags: duration", "9:12", "valid tuple"),
    ],
)  # fmt: skip
def test_every_mistake_in_a_source_is_refused_with_its_line(
    build: ModuleType, root: Path, old: str, new: str, where: str, message: str
) -> None:
    source = root / "datasets/support_qa/source/a01-shop.yaml"
    source.write_text(DOCUMENT.replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        build.items_of("support_qa", root)
    lines = [line for line in caught.value.message.splitlines() if message in line]
    assert lines, caught.value.message
    assert lines[0].startswith(f"datasets/support_qa/source/a01-shop.yaml:{where}")


@pytest.mark.parametrize(("name", "n_clusters"), [("support_qa", 60), ("extraction", 18)])
def test_the_authored_sources_are_valid_and_their_tags_explained(build: ModuleType, name: str, n_clusters: int) -> None:
    items = build.items_of(name)
    assert len({item.cluster for item in items}) == n_clusters
    assert build.unexplained_tags(name, items) == []
