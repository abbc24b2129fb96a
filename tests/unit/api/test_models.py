"""Models by name: identity without a key, an answer only with one."""

from __future__ import annotations

import pytest

from evalkit.api.models import Models
from evalkit.api.session import Session
from evalkit.base.errors import UsageError
from evalkit.core.candidate import Candidate
from evalkit.llm.errors import MissingKeyError
from evalkit.settings import load_settings

from .conftest import Project


async def test_identity_needs_no_key_and_asking_does(project: Project) -> None:
    models = Models(project.session, limit=1)
    resolved = models.resolve(Candidate(name="a", model="openai/gpt-5-mini"))
    assert resolved.model_identity["kind"] == "openai"
    with pytest.raises(MissingKeyError, match="OPENAI_API_KEY"):
        models.ready("openai/gpt-5-mini")
    await models.aclose()


async def test_identity_is_the_same_with_and_without_the_key_and_never_holds_it(project: Project) -> None:
    keyed = Session(load_settings(project.folder, environ={"OPENAI_API_KEY": "sk-secret-1"}))
    candidate = Candidate(name="a", model="openai/gpt-5-mini")
    without, with_key = Models(project.session, limit=1), Models(keyed, limit=1)
    assert without.resolve(candidate).digest == with_key.resolve(candidate).digest
    assert "sk-secret-1" not in str(with_key.resolve(candidate).model_dump())
    assert with_key.ready("openai/gpt-5-mini").name
    await without.aclose()
    await with_key.aclose()


async def test_a_model_is_opened_once(project: Project) -> None:
    models = Models(project.session, limit=1)
    assert models.ready("local/extract-1") is models.ready("local/extract-1")
    await models.aclose()


async def test_an_unknown_provider_is_an_error(project: Project) -> None:
    models = Models(project.session, limit=1)
    with pytest.raises(UsageError, match="nowhere"):
        models.resolve(Candidate(name="a", model="nowhere/x"))
    await models.aclose()
