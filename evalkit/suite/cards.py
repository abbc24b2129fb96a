"""A dataset's card: what its items are, where they come from, who may use them, and which versions there are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from evalkit.base.errors import UsageError
from evalkit.base.model import Frozen, Many
from evalkit.base.registry import suggest
from evalkit.base.serial import Located, atomic_write, read_text, read_yaml, shown, validate
from evalkit.core.item import ClusterMeaning

__all__ = ["CARD_FILE", "DatasetCard", "DatasetVersion", "append_version", "read_card", "write_new_card"]

CARD_FILE = "dataset.yaml"

DatasetName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=80)]
VersionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]


class DatasetVersion(Frozen):
    """One version: its file never changes."""

    version: VersionName = Field(description='The version, quoted: "2026-11-23".')
    file: str | None = Field(
        default=None, description="The file beside the card; `<version>.jsonl` if left out.", pattern=r"^[\w.-]+$"
    )
    digest: str = Field(
        description="SHA-256 over the items; `evalkit dataset verify` checks it.", pattern="^[0-9a-f]{64}$"
    )
    n_items: int = Field(ge=0, description="How many items it has.")
    date: str | None = Field(default=None, description="When it was made, YYYY-MM-DD.", pattern=r"^\d{4}-\d\d-\d\d$")
    notes: str | None = Field(default=None, description="What is different in it.")

    @property
    def file_name(self) -> str:
        """The file beside the card."""
        return self.file or f"{self.version}.jsonl"


class DatasetCard(Frozen):
    """The content of ``dataset.yaml``."""

    name: DatasetName = Field(description="The name suites use; the folder has the same.")
    title: str = Field(description="One line for people.")
    description: str | None = Field(default=None, description="What an item asks, what a good answer is, known limits.")
    source: str = Field(description="Where the items come from.")
    license: str = Field(description="Under which terms they may be used, as an SPDX name where there is one.")
    clusters: ClusterMeaning | None = Field(
        default=None,
        description="Where items carry a cluster: whether a verdict speaks of `these` clusters or of `new` ones.",
    )
    clusters_note: str | None = Field(default=None, description="What a cluster is, and when to read it otherwise.")
    tags: dict[str, str] = Field(default={}, description="Each tag and what it means.")
    versions: Many[DatasetVersion] = Field(default=(), description="Every version, oldest first. The card's last key.")

    @model_validator(mode="after")
    def _versions_differ(self) -> DatasetCard:
        names = [version.version for version in self.versions]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"version {twice[0]!r} is listed twice")
        return self

    def find(self, version: str, *, where: str) -> DatasetVersion:
        """Return the entry of ``version``.

        Raises:
            UsageError: the card does not list it.
        """
        for entry in self.versions:
            if entry.version == version:
                return entry
        known = [entry.version for entry in self.versions]
        raise UsageError(
            f"dataset {self.name!r} has no version {version!r}{suggest(version, known)}",
            hint=f"versions: {', '.join(known)}" if known else f"add one: evalkit dataset import FILE --to {self.name}",
            where=where,
        )


def read_card(folder: Path) -> tuple[DatasetCard, Located]:
    """Return the card of a dataset's folder, and its content with places.

    Raises:
        UsageError: there is no card, or it is not valid.
    """
    located = read_yaml(folder / CARD_FILE)
    card = validate(DatasetCard, located)
    if card.name != folder.name:
        problem = located.problem(("name",), f"{card.name!r} stands in a folder called {folder.name!r}")
        raise UsageError(problem.headline(), hint="give both the same name", where=problem.where)
    return card, located


def append_version(folder: Path, entry: DatasetVersion) -> None:
    """Add ``entry`` to the end of the card in ``folder``; the rest of the text stays as it is.

    Raises:
        UsageError: the card does not end in a block list of versions.
    """
    path = folder / CARD_FILE
    card, located = read_card(folder)
    text = read_text(path).rstrip("\n")
    if not card.versions:
        text = _without_empty_versions(text) + "\nversions:"
    elif not isinstance(located.data, dict) or list(located.data)[-1] != "versions" or not _is_block(located):
        raise UsageError(
            f"{shown(path)}: a version cannot be added after {list(located.data)[-1]!r}",
            hint="make `versions:` the last key, with one `- version: …` a line",
            where=shown(path),
        )
    _write(path, f"{text}\n{_entry_text(entry, _indent(located))}")
    read_card(folder)


def _without_empty_versions(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("versions:"))


def _is_block(located: Located) -> bool:
    key_line, _ = located.position(("versions",), key=True)
    line, _ = located.position(("versions",))
    return line > key_line


def _indent(located: Located) -> int:
    line, column = located.position(("versions",))
    return (column or 3) - 1 if located.line_text(line).lstrip().startswith("-") else 2


def _entry_text(entry: DatasetVersion, indent: int) -> str:
    pad = " " * indent
    lines = [f'{pad}- version: "{entry.version}"']
    if entry.file is not None:
        lines.append(f"{pad}  file: {_quoted(entry.file)}")
    lines += [f'{pad}  digest: "{entry.digest}"', f"{pad}  n_items: {entry.n_items}"]
    if entry.date is not None:
        lines.append(f'{pad}  date: "{entry.date}"')
    if entry.notes is not None:
        lines.append(f"{pad}  notes: {_quoted(entry.notes)}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def write_new_card(folder: Path, card: DatasetCard) -> None:
    """Write the card of a new dataset.

    Raises:
        UsageError: the folder has one already.
    """
    lines = [
        f"{key}: {_quoted(str(value))}" for key, value in card.model_dump(exclude_none=True).items() if key in _PLAIN
    ]
    lines += (
        ["tags: {}"] if not card.tags else ["tags:", *(f"  {_quoted(k)}: {_quoted(v)}" for k, v in card.tags.items())]
    )
    text = "\n".join(lines) + "\n"
    if card.versions:
        text += "versions:\n" + "".join(_entry_text(entry, 2) for entry in card.versions)
    with atomic_write(folder / CARD_FILE, overwrite=False) as file:
        file.write(text.encode())


_PLAIN = ("name", "title", "description", "source", "license", "clusters", "clusters_note")


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode())
