"""The smallest project a user would write: a file of questions, a prompt, a suite of six lines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["INSTRUCTION", "PROMPT", "SUITE", "make_project", "questions", "write_questions"]

INSTRUCTION = 'Use only what the context says; if it does not state the answer, write \\"not stated\\".'
"""Half of the questions have no answer: without this sentence the embedded model guesses them."""

PROMPT = f"""\
messages:
  - {{role: system, content: "You answer questions. {INSTRUCTION} Keep the answer short."}}
  - {{role: user, content: "Context: {{{{ inputs.context }}}}\\nQuestion: {{{{ inputs.question }}}}"}}
"""

SUITE = """\
dataset: {path: questions.jsonl}
candidates:
  - {model: local/extract-1, prompt: answer.yaml}
graders:
  - {use: contains_all, values: ["{{ expected }}"], ignore_case: true}
"""


def questions(numbers: Iterable[int]) -> list[dict[str, Any]]:
    """Return one question a number; odd ones have no answer in their context."""
    return [_question(number) for number in numbers]


def _question(number: int) -> dict[str, Any]:
    context = (
        f"Shop {number}\n\n[1] Returns. Goods may be sent back within {10 + number} days of the delivery date."
        f" [2] Contact. Letters go to box {number}, Harbour Street."
    )
    asked, expected = f"Within how many days may goods be sent back to shop {number}?", f"{10 + number} days"
    if number % 2:
        asked, expected = f"How much does gift wrapping cost at shop {number}?", "not stated"
    return {"id": f"q{number:03d}", "inputs": {"context": context, "question": asked}, "expected": expected}


def write_questions(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def make_project(folder: Path, *, n: int = 80, settings: str = 'tracking = "none"\n') -> Path:
    """Write questions, prompt, suite and settings into ``folder``; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_questions(folder / "questions.jsonl", questions(range(n)))
    (folder / "answer.yaml").write_text(PROMPT, encoding="utf-8")
    (folder / "support.yaml").write_text(SUITE, encoding="utf-8")
    (folder / "evalkit.toml").write_text(settings, encoding="utf-8")
    return folder
