"""A small project on disk, and a catalogue of three graders that needs no others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from pydantic import BaseModel, Field

from evalkit.base.errors import UsageError
from evalkit.base.hashing import digest
from evalkit.base.model import Frozen, JsonObject, Many
from evalkit.core.score import MetricInfo
from evalkit.core.suite import Suite
from evalkit.settings import Settings, load_settings
from evalkit.suite.loader import load_suite


class ValuesParams(Frozen):
    values: str | Many[str]
    whole_words: bool = False


class SchemaParams(Frozen):
    schema_file: str = Field(alias="schema")


class LimitParams(Frozen):
    limit: float | None = Field(default=None, gt=0)


class FakeCatalog:
    """``contains_any`` and ``contains_all`` are binary, ``json_schema`` names a file, ``length`` has no upper bound."""

    models: Mapping[str, type[Frozen]] = {
        "contains_any": ValuesParams,
        "contains_all": ValuesParams,
        "json_schema": SchemaParams,
        "length": LimitParams,
        "score": LimitParams,
    }

    def names(self) -> list[str]:
        return sorted(self.models)

    def params_model(self, use: str) -> type[BaseModel]:
        return self.models[use]

    def files(self, use: str, params: JsonObject) -> Sequence[str]:
        return (str(params["schema"]),) if use == "json_schema" else ()

    def digest(self, use: str, params: JsonObject, files: Mapping[str, str]) -> str:
        return digest(
            [use, {key: files.get(value, value) if isinstance(value, str) else value for key, value in params.items()}]
        )

    def metrics(self, use: str, name: str, params: JsonObject) -> Sequence[MetricInfo]:
        if params.get("limit") == 13:
            raise UsageError("13 is no limit", hint="take 12")
        if use == "length":
            return (MetricInfo(name=name, kind="positive", better="lower"),)
        if use == "score":
            return (MetricInfo(name=name, kind="unbounded"),)
        return (MetricInfo(name=name, kind="binary"),)


PROMPT = """\
messages:
  - {role: system, content: "Answer only from the context."}
  - {role: user, content: "{{ inputs.question }}"}
"""
ITEMS = """\
{"id": "q1", "question": "How long?", "expected": {"section": "1"}, "tags": ["policy"]}
{"id": "q2", "question": "How much?", "expected": {"section": "2"}, "cluster": "doc"}
"""
SUITE = """\
dataset: {path: questions.jsonl}
candidates:
  - {model: openai/gpt-5-mini, prompt: prompts/answer.yaml}
graders:
  - {use: contains_all, values: ["{{ expected.section }}"]}
"""


@pytest.fixture
def catalog() -> FakeCatalog:
    return FakeCatalog()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the smallest suite; also the working folder."""
    files = {
        "evalkit.toml": "",
        "suites/qa.yaml": SUITE,
        "suites/questions.jsonl": ITEMS,
        "suites/prompts/answer.yaml": PROMPT,
        "suites/schemas/answer.json": '{"type": "object"}\n',
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def settings(project: Path) -> Settings:
    return load_settings(project, environ={})


@pytest.fixture
def load(project: Path, settings: Settings, catalog: FakeCatalog) -> Callable[[str], Suite]:
    """Write the text as suites/qa.yaml and load it."""

    def write_and_load(text: str) -> Suite:
        (project / "suites/qa.yaml").write_text(text)
        return load_suite(Path("suites/qa.yaml"), settings=settings, catalog=catalog)

    return write_and_load
