"""Items of the bundled datasets that the rules were not written on, and a way to ask about them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.llm.providers.local.engine import complete

DATASETS = Path(__file__).parents[4] / "datasets"

Ask = Callable[..., str]


def held_out(name: str) -> list[dict[str, Any]]:
    """The clusters with even numbers: the rules were written looking at the odd ones only."""
    path = max((DATASETS / name).glob("*.jsonl"))
    items = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [item for item in items if int(re.findall(r"\d+", item["cluster"])[0]) % 2 == 0]


@pytest.fixture(scope="session")
def questions() -> list[dict[str, Any]]:
    return held_out("support_qa")


@pytest.fixture(scope="session")
def documents() -> list[dict[str, Any]]:
    return held_out("extraction")


@pytest.fixture(scope="session")
def ask() -> Ask:
    def send(system: str, user: str, *, model: str = "local/extract-1", seed: int = 7, **extra: Any) -> str:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        answer = complete({"model": model, "messages": messages, "seed": seed, **extra})
        return str(answer["choices"][0]["message"]["content"])

    return send


def as_user(item: dict[str, Any]) -> str:
    return f"Context:\n{item['inputs']['context']}\n\nQuestion: {item['inputs']['question']}"
