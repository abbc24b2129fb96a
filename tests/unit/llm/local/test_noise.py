from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

Item = dict[str, Any]
Ask = Callable[..., str]
SYSTEM = 'Use only the context. If it is not stated, say "not stated". Be brief. Cite the section.'
REWORDED = (
    'Rely on the passage alone. When it lacks the answer, write "not stated". Answer concisely. Name the section.'
)

PROGRAM = """
import hashlib, orjson
from evalkit.llm.providers.local.engine import complete
body = {"model": "local/extract-1-mini", "temperature": 1.0, "seed": 3, "logprobs": True, "messages": [
    {"role": "system", "content": "Be brief. Cite the section."},
    {"role": "user", "content":
     "Context:\\n[1] Fees. A card costs $18 a year.\\n[2] Loans. Books go out for 28 days.\\n\\n"
     "Question: What does a card cost?"}]}
print(hashlib.sha256(orjson.dumps(complete(body))).hexdigest())
"""


def user(item: Item) -> str:
    return f"Context:\n{item['inputs']['context']}\n\nQuestion: {item['inputs']['question']}"


def correct(item: Item, text: str) -> bool:
    accepted = item["expected"]["accept"] or ["not stated"]
    return any(each.lower() in text.lower() for each in accepted)


def test_one_request_gives_the_same_bytes_in_every_process() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(digests) == 1
    assert len(digests.pop().strip()) == hashlib.sha256().digest_size * 2


def test_two_seeds_slip_on_different_items(questions: list[Item], ask: Ask) -> None:
    first = [correct(item, ask(SYSTEM, user(item), seed=1, model="local/extract-1-mini")) for item in questions]
    second = [correct(item, ask(SYSTEM, user(item), seed=2, model="local/extract-1-mini")) for item in questions]
    assert sum(a != b for a, b in zip(first, second, strict=True)) / len(questions) > 0.02


def test_two_wordings_of_one_prompt_share_their_noise(questions: list[Item], ask: Ask) -> None:
    for seed in (1, 2):
        first = [ask(SYSTEM, user(item), seed=seed) for item in questions]
        second = [ask(REWORDED, user(item), seed=seed) for item in questions]
        assert first == second


def test_the_small_size_is_clearly_worse(questions: list[Item], ask: Ask) -> None:
    def accuracy(model: str) -> float:
        hits = [correct(i, ask(SYSTEM, user(i), seed=seed, model=model)) for seed in (1, 2, 3) for i in questions]
        return sum(hits) / len(hits)

    assert accuracy("local/extract-1") - accuracy("local/extract-1-mini") > 0.03


def test_temperature_adds_slips_and_varies_the_wording(questions: list[Item], ask: Ask) -> None:
    cold = [ask("Use only the context.", user(item)) for item in questions]
    warm = [ask("Use only the context.", user(item), temperature=1.0) for item in questions]
    assert sum(a != b for a, b in zip(cold, warm, strict=True)) > len(questions) / 3
    assert warm == [ask("Use only the context.", user(item), temperature=1.0) for item in questions]
