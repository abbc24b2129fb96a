from __future__ import annotations

import json
from typing import Any

import pytest

from evalkit.llm.providers.local.engine import complete

FORMAT = 'Reply in JSON: {"verdict": "correct" | "incorrect", "reason": "..."}'


def judge(prompt: str, seed: int = 1) -> dict[str, Any]:
    request = {"model": "local/judge", "messages": [{"role": "user", "content": prompt}], "seed": seed}
    found: dict[str, Any] = json.loads(complete(request)["choices"][0]["message"]["content"])
    return found


def pair(first: str, second: str, seed: int) -> str:
    form = 'Reply in JSON: {"winner": "A" | "B" | "tie"}'
    prompt = f"Question: How long?\n\nExpected: 28 days\n\nAnswer A: {first}\n\nAnswer B: {second}\n\n{form}"
    return str(judge(prompt, seed)["winner"])


@pytest.mark.parametrize(
    ("answer", "verdict"), [("It is 28 days.", "correct"), ("It is 14 days.", "incorrect"), ("", "incorrect")]
)
def test_overlap_with_the_expected_answer_decides(answer: str, verdict: str) -> None:
    prompt = f"Question: How long?\n\nExpected answer: 28 days\n\nAnswer: {answer}\n\n{FORMAT}"
    verdicts = [judge(prompt, seed)["verdict"] for seed in range(20)]
    assert verdicts.count(verdict) >= 17


def test_of_two_equal_answers_it_prefers_the_first() -> None:
    picks = [pair("It is 28 days.", "It is 28 days.", seed) for seed in range(40)]
    assert picks.count("A") > 30


def test_it_prefers_the_longer_answer() -> None:
    short, long = "14 days", "14 days, and I am glad to add that we value you as a reader of ours"
    picks = [pair(short, long, seed) for seed in range(40)]
    assert picks.count("B") > 25


@pytest.mark.parametrize(
    ("form", "key", "values"),
    [
        ('Answer with {"grade": "pass" or "fail"}.', "grade", {"pass", "fail"}),
        ('Reply as JSON: {"reason": "...", "label": "faithful" | "unfaithful"}', "label", {"faithful", "unfaithful"}),
        ('JSON: {"verdict": "yes" | "no"}', "verdict", {"yes", "no"}),
    ],
)
def test_it_answers_in_the_words_it_is_asked_for(form: str, key: str, values: set[str]) -> None:
    prompt = f"Question: How long?\n\nReference: 28 days\n\nResponse: 28 days\n\n{form}"
    assert judge(prompt)[key] in values
    assert judge(prompt)["reason"]


def test_tagged_parts_are_read_too() -> None:
    prompt = f"{FORMAT}\n<question>How long?</question>\n<expected>28 days</expected>\n<answer>28 days</answer>"
    assert judge(prompt, seed=2)["verdict"] == "correct"
