"""Checks against verdicts that others recorded on real model outputs."""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evalkit.core.item import Item
from evalkit.core.output import Output
from evalkit.core.suite import GraderSpec
from evalkit.graders.bound import BoundGrader
from evalkit.graders.checks.pii_kinds import find_pii
from evalkit.graders.registry import build_grader

_ROOT = Path(os.environ.get("EVALKIT_DATA") or Path(__file__).parents[3] / ".." / "shared" / "data")

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not _ROOT.is_dir(), reason=f"no recorded outputs at {_ROOT} (set EVALKIT_DATA)"),
]

MakeOutput = Callable[..., Output]


def _rows(name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(_ROOT / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def _grader(use: str, **params: Any) -> BoundGrader:
    return build_grader(GraderSpec(use=use, name=use, params=params))


@pytest.mark.parametrize("params", [{"after": "A:"}, {}], ids=["marker", "last number"])
def test_numeric_agrees_with_every_recorded_gsm8k_verdict(output: MakeOutput, params: dict[str, Any]) -> None:
    grader = _grader("numeric", **params)
    agree: Counter[tuple[str, bool]] = Counter()
    for row in _rows("model_compare/gsm8k_solutions"):
        item = Item(id=row["item_id"], inputs={"question": row["question"]}, expected=row["answer"])
        for model, answer in row["outputs"].items():
            (score,) = grader.grade(item, output(answer["text"]))
            agree[model, score.value == float(answer["is_correct"])] += 1
    assert agree == {
        (model, True): 679 for model in ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
    }


def test_choice_agrees_with_the_recorded_mmlu_pro_extraction(output: MakeOutput) -> None:
    item = Item(id="i", inputs={}, expected="A")
    plain, bare = _grader("choice"), _grader("choice", bare=True)
    same: Counter[str] = Counter()
    for row in _rows("model_compare/mmlu_pro_outputs"):
        for answer in row["outputs"].values():
            if answer["pred"] is None:
                continue
            made = output(answer["text"])
            same["all"] += 1
            same["plain"] += plain.grade(item, made)[0].label == answer["pred"]
            same["bare"] += bare.grade(item, made)[0].label == answer["pred"]
    assert same["all"] == 6421
    assert same["bare"] == 6404
    assert same["plain"] == 6347


_IFEVAL: dict[str, Callable[[dict[str, Any]], tuple[str, dict[str, Any]] | None]] = {
    "punctuation:no_comma": lambda kw: ("contains_none", {"values": [","]}),
    "keywords:existence": lambda kw: ("contains_all", {"values": kw["keywords"], "ignore_case": True}),
    "keywords:forbidden_words": lambda kw: (
        "contains_none",
        {"values": kw["forbidden_words"], "ignore_case": True, "whole_words": True},
    ),
    "startend:quotation": lambda kw: ("regex", {"pattern": r'\s*".*"\s*', "mode": "full", "dot_all": True}),
    "length_constraints:number_words": lambda kw: ("length", _limit("words", kw["relation"], kw["num_words"])),
    "length_constraints:number_sentences": lambda kw: (
        "length",
        _limit("sentences", kw["relation"], kw["num_sentences"]),
    ),
}


def _limit(unit: str, relation: str, count: int) -> dict[str, Any]:
    return {"unit": unit, "min": count} if relation == "at least" else {"unit": unit, "max": count - 1}


def test_text_checks_agree_with_recorded_ifeval_verdicts(output: MakeOutput) -> None:
    item = Item(id="i", inputs={})
    agree: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for row in _rows("model_compare/ifeval_en"):
        for index, instruction in enumerate(row["instruction_id_list"]):
            name = instruction.removeprefix("en:")
            made = _IFEVAL[name](row["kwargs"][index]) if name in _IFEVAL else None
            if made is None:
                continue
            grader = _grader(made[0], **made[1])
            for answer in row["outputs"].values():
                if answer["text"]:
                    total[name] += 1
                    agree[name] += grader.grade(item, output(answer["text"]))[0].value == answer["strict"][index]
    missed = {name: (agree[name], total[name]) for name in total if agree[name] != total[name]}
    assert set(total) == set(_IFEVAL)
    assert missed == {
        "length_constraints:number_words": (236, 243),
        "length_constraints:number_sentences": (196, 198),
    }


def test_pii_finds_what_the_documentation_says() -> None:
    kinds = {
        "PHONE_NUMBER": "phone",
        "CREDIT_CARD": "card",
        "IP_ADDRESS": "ip",
        "IBAN_CODE": "iban",
        "EMAIL_ADDRESS": "email",
    }
    hit: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    false_alarm: Counter[str] = Counter()
    for row in _rows("pii/presidio_synth"):
        found = find_pii(row["text"])
        for span in row["spans"]:
            kind = kinds.get(span["type"])
            if kind is None:
                continue
            one = next((f for f in found if f.kind == kind and f.start < span["end"] and f.end > span["start"]), None)
            (missed if one is None else hit)[kind] += 1
            if one is not None:
                found.remove(one)
        false_alarm.update(one.kind for one in found)
    assert hit == {"card": 42, "phone": 20, "ip": 9, "iban": 5, "email": 5}
    assert missed == {"phone": 6}
    assert not false_alarm
