"""Arms: what a call may cost, how fast calls go out, and which model answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from evalkit.api.arms import ArmBuilder
from evalkit.api.models import Models
from evalkit.base.errors import UsageError
from evalkit.llm.config import ModelConfig
from evalkit.llm.wire import ChatResponse, Usage
from evalkit.runner.arm import Arm
from evalkit.runner.plan import plan_run
from evalkit.store.journal import Journal
from tests.e2e.tiny import SUITE

from .conftest import Project


def build(project: Project, config: ModelConfig, *, n: int = 1, capped: bool = False) -> list[Arm]:
    """Arms of ``n`` candidates that all ask ``paced/…``."""
    settings = project.session.settings
    project.session.settings = replace(settings, models={**settings.models, "paced": config})
    suite = project.suite(SUITE)
    candidate = suite.candidates[0]
    builder = ArmBuilder(project.session, Models(project.session, limit=1), capped=capped)
    arms = []
    for index in range(n):
        asked = candidate.model_copy(update={"name": f"c{index}", "model": "paced/extract-1"})
        journal = Journal(project.folder / f"{index}.db")
        arms.append(builder.build(plan_run(suite, asked, draw="0"), journal, {}))
        journal.close()
    return arms


def test_candidates_on_one_provider_share_its_pace(project: Project) -> None:
    config = ModelConfig(kind="openai", base_url="http://127.0.0.1:9/v1", requests_per_minute=60)
    paces: list[Any] = [arm.pace for arm in build(project, config, n=2)]
    pacers = [pace.__closure__[0].cell_contents for pace in paces]
    assert pacers[0] is pacers[1]


def test_without_a_limit_there_is_no_pace(project: Project) -> None:
    [arm] = build(project, ModelConfig(kind="openai", base_url="http://127.0.0.1:9/v1"))
    assert arm.pace is None


def test_an_unknown_price_is_unknown_cost_and_refused_under_a_cap(project: Project) -> None:
    config = ModelConfig(kind="openai", base_url="http://127.0.0.1:9/v1")
    [arm] = build(project, config)
    assert arm.cost(ChatResponse(text="", usage=Usage(input_tokens=1, output_tokens=1))) is None
    with pytest.raises(UsageError, match="price"):
        build(project, config, capped=True)


def test_a_free_model_is_free_however_a_call_ends(project: Project) -> None:
    free = ModelConfig.model_validate(
        {"kind": "openai", "base_url": "http://127.0.0.1:9/v1", "price": {"input": 0, "output": 0}}
    )
    assert build(project, free)[0].free
    assert not build(project, ModelConfig(kind="openai", base_url="http://127.0.0.1:9/v1"))[0].free
