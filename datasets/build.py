"""Turns the authored sources of the bundled datasets into immutable versions.

    python datasets/build.py [--check]

Run again with the same sources it changes nothing; where a version exists with other content it refuses. With
``--check`` it writes nothing and prints what the sources hold.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from evalkit.base.errors import EvalkitError, UsageError
from evalkit.base.model import Frozen, Many
from evalkit.base.serial import Located, read_yaml, shown, validate
from evalkit.core.item import Item
from evalkit.suite.cards import read_card
from evalkit.suite.items import DatasetDigest
from evalkit.suite.publish import publish_version

ROOT = Path(__file__).resolve().parents[1]
VERSION = "2026-11-23"
MADE = date(2026, 11, 23)


class Section(Frozen):
    """One section of a policy document."""

    number: str
    heading: str
    text: str


class Question(Frozen):
    """One question about a document; ``answer`` and ``section`` are null where the document is silent."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    ask: str = Field(min_length=1)
    answer: str | None
    accept: Many[str]
    reject: Many[str] = ()
    section: str | None
    tags: Many[str] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Question:
        parts = {self.answer is not None, bool(self.accept), self.section is not None}
        if len(parts) > 1:
            raise ValueError("`answer`, `accept` and `section` are all given, or none is")
        if (self.answer is None) != ("unanswerable" in self.tags):
            raise ValueError("the tag 'unanswerable' stands exactly where `answer` is null")
        if set(self.accept) & set(self.reject):
            raise ValueError("a text is both accepted and rejected")
        return self


class Document(Frozen):
    """One policy document with its questions."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    domain: str
    sections: Many[Section] = Field(min_length=1)
    questions: Many[Question] = Field(min_length=1)

    @model_validator(mode="after")
    def _sections_exist(self) -> Document:
        numbers = [section.number for section in self.sections]
        if len(set(numbers)) < len(numbers):
            raise ValueError("two sections have the same number")
        for question in self.questions:
            if question.section is not None and question.section not in numbers:
                raise ValueError(f"question {question.id!r} names section {question.section!r}, which is not there")
        return self

    def render(self) -> str:
        """Return the document as a model reads it."""
        return "\n".join([self.title, "", *(_rendered(section) for section in self.sections)])


def _rendered(section: Section) -> str:
    heading = section.heading.strip()
    stop = "" if heading.endswith((".", "!", "?", ":")) else "."
    return f"[{section.number}] {heading}{stop} {section.text.strip()}"


class Fields(Frozen):
    """What is to be extracted; null where the document does not say."""

    kind: str
    sender: str | None
    reference: str | None
    date: str | None = Field(pattern=r"^\d{4}-\d\d-\d\d$")
    amount: float | None
    currency: str | None = Field(pattern=r"^[A-Z]{3}$")

    @model_validator(mode="after")
    def _currency_of_an_amount(self) -> Fields:
        if self.amount is None and self.currency is not None:
            raise ValueError("`currency` is given without `amount`")
        return self


class Letter(Frozen):
    """One document to extract from."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    document: str = Field(min_length=1)
    expected: Fields
    tags: Many[str] = ()


class Correspondence(Frozen):
    """The documents of one firm."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    items: Many[Letter] = Field(min_length=1)


def support_items(located: Located) -> Iterator[Item]:
    """Yield an item for each question of a document."""
    document = validate(Document, located)
    context = document.render()
    for question in document.questions:
        yield Item(
            id=f"{document.id}.{question.id}",
            inputs={"context": context, "question": question.ask},
            expected={
                "answer": question.answer,
                "accept": list(question.accept),
                "reject": list(question.reject),
                "section": question.section,
                "answerable": question.answer is not None,
            },
            cluster=document.id,
            tags=_tags(*question.tags, document.domain),
            metadata={"domain": document.domain},
        )


def extraction_items(located: Located) -> Iterator[Item]:
    """Yield an item for each document of a firm."""
    firm = validate(Correspondence, located)
    for letter in firm.items:
        yield Item(
            id=f"{firm.id}.{letter.id}",
            inputs={"document": letter.document},
            expected=letter.expected.model_dump(),
            cluster=firm.id,
            tags=_tags(*letter.tags),
        )


def _tags(*tags: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tags))


BUILDERS: dict[Literal["support_qa", "extraction"], Callable[[Located], Iterator[Item]]] = {
    "support_qa": support_items,
    "extraction": extraction_items,
}


def items_of(name: Literal["support_qa", "extraction"], root: Path = ROOT) -> list[Item]:
    """Return the items of a dataset's sources, in the order of the files' names.

    Raises:
        UsageError: a source is not valid, with file and line, or an id comes twice.
    """
    items: list[Item] = []
    first: dict[str, str] = {}
    for path in sorted((root / "datasets" / name / "source").glob("*.yaml")):
        located = read_yaml(path)
        if isinstance(located.data, dict) and located.data.get("id") != path.stem:
            where = located.where(("id",))
            raise UsageError(f"{where}: the id is not the file's name", where=where, hint=f"id: {path.stem}")
        for item in BUILDERS[name](located):
            if item.id in first:
                raise UsageError(f"{located.path}: id {item.id!r} comes twice", where=located.path, hint="rename one")
            first[item.id] = located.path
            items.append(item)
    return items


def unexplained_tags(name: str, items: list[Item], root: Path = ROOT) -> list[str]:
    """Return the tags of ``items`` that the card does not explain; domains of support_qa explain themselves."""
    card, _ = read_card(root / "datasets" / name)
    domains = {item.metadata.get("domain") for item in items}
    return sorted({tag for item in items for tag in item.tags} - set(card.tags) - domains)


def main(arguments: list[str]) -> int:
    """Build every dataset, or only look (``--check``); return the exit code."""
    for name in BUILDERS:
        items = items_of(name)
        content = DatasetDigest()
        for item in items:
            content.add(item)
        clusters = Counter(item.cluster for item in items)
        sys.stdout.write(f"{name}: {len(items)} items in {len(clusters)} clusters, digest {content.hexdigest()[:12]}\n")
        for tag in unexplained_tags(name, items):
            sys.stdout.write(f"  the card does not explain tag {tag!r}\n")
        if "--check" not in arguments:
            entry = publish_version(name, VERSION, items, root=ROOT, made=MADE)
            sys.stdout.write(f"  {shown(ROOT / 'datasets' / name / entry.file_name)}\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except EvalkitError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
