"""Grading one text with one grader, in one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from evalkit.core.item import Item
from evalkit.core.output import CallKey, Exchange, Output
from evalkit.core.score import Score
from evalkit.core.suite import GraderSpec
from evalkit.graders.registry import build_grader
from evalkit.llm.wire import ChatResponse

Grade = Callable[..., Sequence[Score]]


def make_output(text: str, **response: Any) -> Output:
    answer = ChatResponse.model_validate({"text": "", **response}).model_copy(update={"text": text})
    exchange = Exchange(key=CallKey(item_id="i1", trial=0), request_digest="0").model_copy(update={"response": answer})
    return Output(item_id="i1", trial=0, exchanges=()).model_copy(update={"exchanges": (exchange,)})


@pytest.fixture
def output() -> Callable[..., Output]:
    return make_output


@pytest.fixture
def grade() -> Grade:
    """Return ``grade(use, text, item={...}, response={...}, reserved={...}, **params)``."""

    def run(
        use: str,
        text: str,
        *,
        item: dict[str, Any] | None = None,
        response: dict[str, Any] | None = None,
        reserved: dict[str, Any] | None = None,
        **params: Any,
    ) -> Sequence[Score]:
        grader = build_grader(GraderSpec(use=use, name=use, params=params, **(reserved or {})))
        given = Item.model_validate({"id": "i1", "inputs": {}, **(item or {})})
        return grader.grade(given, make_output(text, **(response or {})))

    return run


@pytest.fixture
def value(grade: Grade) -> Callable[..., float | None]:
    """Return the same for a check of one metric: its value, None where it has none."""

    def run(use: str, text: str, **kwargs: Any) -> float | None:
        (score,) = grade(use, text, **kwargs)
        return score.value

    return run
