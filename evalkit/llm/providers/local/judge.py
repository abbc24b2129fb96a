"""``local/judge``: grades by overlap, with two biases that are known, so that calibration has something to find.

- position: of two answers the first is credited :data:`POSITION_BIAS`;
- length: an answer is credited :data:`LENGTH_BIAS` for each doubling of its length against its reference (at most two,
  at least none below).

It reads the labelled parts of the judge's prompt (answer, expected, question) and replies in the JSON asked for.
"""

# ruff: noqa: E501 - tables of patterns and words read better unbroken

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from evalkit.llm.providers.local.layout import content_text
from evalkit.llm.providers.local.noise import Noise
from evalkit.llm.providers.local.wording import damaged
from evalkit.llm.providers.local.words import stem, stems, words

__all__ = ["LENGTH_BIAS", "POSITION_BIAS", "judge_reply"]

POSITION_BIAS: Final = 0.08
LENGTH_BIAS: Final = 0.07
_PASS: Final = 0.5

_LABELS = (
    ("second", r"(?:answer|response|output|reply|candidate|assistant|submission|text|completion)[ _-]*(?:b|2|two|second)|second (?:answer|response|output|reply)"),
    ("first", r"(?:answer|response|output|reply|candidate|assistant|submission|text|completion)[ _-]*(?:a|1|one|first)|first (?:answer|response|output|reply)"),
    ("expected", r"(?:expected|reference|gold|ideal|correct|true|model)(?: |_)?(?:answers?|outputs?|response|values?|text)?|expected|reference|accepted(?: answers?)?|accept|ground truth"),
    ("answer", r"(?:the |student'?s? |assistant'?s? |model'?s? |candidate'?s? |submitted |actual |given )?(?:answer|response|output|reply|submission|completion|candidate)(?: to grade| to judge| under test)?"),
    ("question", r"question|input|task|query|user|prompt|instruction"),
    ("context", r"context|document|source|text|passage"),
    ("rules", r"criteria|criterion|rubric|rules?|instructions?|verdict|format|grade|choices?"),
)  # fmt: skip
_LABEL = re.compile(
    r"(?:^[ \t]*(?:#{1,4}[ \t]*|\*\*|\[)?(?:"
    + "|".join(f"(?P<{name}>{pattern})" for name, pattern in _LABELS)
    + r")(?:\*\*|\])?[ \t]*:(?:\*\*)?)",
    re.IGNORECASE | re.MULTILINE,
)
_TAG = re.compile(r"<(?P<tag>[a-zA-Z_]\w*)>(?P<body>.*?)</(?P=tag)>", re.DOTALL)
_PAIRWISE = ({"a", "b"}, {"1", "2"}, {"first", "second"}, {"answer_a", "answer_b"}, {"response_a", "response_b"})
_KEY_CHOICES = re.compile(
    r"[\"'`](?P<key>verdict|choice|label|grade|result|score|winner|rating|answer|decision|preference|better|correct|passed|pass)[\"'`]\s*:\s*(?P<choices>[^,}\n]+(?:\s*(?:\||,|/|or)\s*[\"'`][\w -]+[\"'`](?!\s*:))*)",
    re.IGNORECASE,
)
_WORD_CHOICES = re.compile(
    r"\b(?:one of|either|choices?(?: are)?|answer with|reply with|verdict is|options?)\b:?\s*(?P<choices>[^.\n]{3,120})",
    re.IGNORECASE,
)
_CHOICE = re.compile(r"[\"'`]([\w -]{1,40})[\"'`]|\b([A-Z]|[a-z_]+(?:ly correct)?|\d)\b")
_NOISE_WORDS = {
    "or",
    "and",
    "either",
    "one",
    "of",
    "the",
    "a",
    "an",
    "with",
    "is",
    "if",
    "when",
    "only",
    "string",
    "word",
}
_SCALE = re.compile(r"\b(?:from |scale of |between )?(?P<low>[01])\s?(?:to|-|–|and)\s?(?P<high>5|10|100|1(?:\.0)?)\b")


@dataclass(slots=True)
class _Parts:
    found: dict[str, str] = field(default_factory=dict)
    rules: str = ""


def judge_reply(
    messages: Sequence[Mapping[str, Any]], noise_for: Callable[[str], Noise], *, schema: Mapping[str, Any] | None = None
) -> str:
    """Return the judge's reply to a grading prompt.

    Args:
        messages: the conversation.
        noise_for: makes the noise for the text that is graded.
        schema: the JSON schema the reply must follow, or None.
    """
    parts = _read(messages)
    pairwise = "first" in parts.found and "second" in parts.found
    graded = parts.found.get("answer") or f"{parts.found.get('first', '')}\n{parts.found.get('second', '')}"
    noise = noise_for(f"{parts.found.get('question', '')}\n{graded}")
    key, choices = _choices(parts.rules, schema, pairwise=pairwise)
    wobble = 0.1 * (noise.draw("wobble") - 0.5) * (1 + noise.temperature)
    if pairwise:
        value, reason = _compare(parts.found, choices, wobble)
    else:
        value, reason = _grade(parts.found, choices, parts.rules, wobble)
    if noise.slips("wrong_verdict") and value in choices:
        value = choices[(choices.index(value) + 1) % len(choices)]
    reply = {"reason": reason, key: value} if _reason_first(parts.rules) else {key: value, "reason": reason}
    return damaged(orjson.dumps(reply).decode(), noise)


def _read(messages: Sequence[Mapping[str, Any]]) -> _Parts:
    parts = _Parts()
    for message in messages:
        text = content_text(message.get("content"))
        for found in _TAG.finditer(text):
            label = _LABEL.match(f"{found['tag'].replace('_', ' ')}:")
            if label and label.lastgroup:
                parts.found[label.lastgroup] = found["body"].strip()
        text = _TAG.sub("\n", text)
        at, name = 0, "rules"
        for found in _LABEL.finditer(text):
            _store(parts, name, text[at : found.start()])
            at, name = found.end(), found.lastgroup or "rules"
        _store(parts, name, text[at:])
    return parts


def _store(parts: _Parts, name: str, body: str) -> None:
    if name != "rules" and body.strip():
        kept, _, tail = body.strip().partition("\n\n")
        parts.found[name] = body.strip() if name in {"context", "question"} or not _looks_like_rules(tail) else kept
        parts.rules += f"\n{tail}" if _looks_like_rules(tail) else ""
    else:
        parts.rules += f"\n{body}"


def _looks_like_rules(text: str) -> bool:
    return bool(re.search(r"\bjson\b|\bverdict\b|\{\s*\"", text, re.IGNORECASE))


def _reason_first(rules: str) -> bool:
    at = re.search(r"[\"'`](?:reason\w*|explanation|rationale)[\"'`]", rules)
    key = _KEY_CHOICES.search(rules)
    return bool(at and key and at.start() < key.start())


def _choices(rules: str, schema: Mapping[str, Any] | None, *, pairwise: bool) -> tuple[str, list[Any]]:
    for key, each in ((schema or {}).get("properties") or {}).items():
        if isinstance(each, Mapping) and each.get("enum"):
            return str(key), list(each["enum"])
        if isinstance(each, Mapping) and each.get("type") == "boolean":
            return str(key), [True, False]
    keyed = _KEY_CHOICES.search(rules)
    key = keyed["key"] if keyed else "verdict"
    listed = _split(keyed["choices"]) if keyed else []
    if len(listed) < 2:
        other = _WORD_CHOICES.search(rules)
        listed = _split(other["choices"]) if other else []
    if keyed and re.search(r"\btrue\b.*\bfalse\b", keyed["choices"]):
        return key, [True, False]
    if len(listed) < 2:
        listed = ["A", "B", "tie"] if pairwise else ["correct", "incorrect"]
    return key, listed


def _split(text: str) -> list[str]:
    quoted = [word for word, _ in _CHOICE.findall(text) if word]
    bare = [word for _, word in _CHOICE.findall(text) if word and word not in _NOISE_WORDS]
    return list(dict.fromkeys(quoted if len(quoted) > 1 else [*quoted, *bare]))


def _overlap(answer: str, expected: str, question: str) -> float:
    """Return which share of the reference the answer covers, in [0, 1]; wrong figures count against it."""
    said = set(stems(answer)) | {stem(word) for word in words(answer)}
    best = 0.0
    for option in _options(expected):
        wanted = set(stems(option)) or {stem(word) for word in words(option)}
        if wanted:
            share = len(wanted & said) / len(wanted)
            figures = set(re.findall(r"\d+", option))
            if figures and not figures <= set(re.findall(r"\d+", answer)):
                share *= 0.4
            best = max(best, share)
    if not expected.strip():
        wanted = set(stems(question))
        return 0.4 + 0.4 * (len(wanted & said) / len(wanted) if wanted else 0.0)
    return best


def _options(expected: str) -> list[str]:
    if expected.lstrip().startswith(("[", "{")):
        quoted = re.findall(r"[\"']([^\"']+)[\"']", expected)
        return quoted or [expected]
    return [part for part in expected.splitlines() if part.strip()] or [expected]


def _length_credit(answer: str, reference: str) -> float:
    ratio = max(len(answer), 1) / max(len(reference), 20)
    return LENGTH_BIAS * min(max(math.log2(ratio), 0.0), 2.0)


def _grade(found: Mapping[str, str], choices: list[Any], rules: str, wobble: float) -> tuple[Any, str]:
    answer, expected = found.get("answer", ""), found.get("expected") or found.get("context", "")
    overlap = _overlap(answer, expected, found.get("question", ""))
    value = overlap + _length_credit(answer, expected) + wobble if answer.strip() else 0.0
    reason = f"overlap with the reference {overlap:.2f}, with length credit {value:.2f}; {_PASS} or more counts"
    scale = _SCALE.search(rules)
    numbers = [int(each) for each in choices if str(each).isdigit()]
    if len(numbers) == len(choices) and len(numbers) > 1:
        at = round(min(max(value, 0.0), 1.0) * (len(numbers) - 1))
        return choices[at] if numbers == sorted(numbers) else choices[-1 - at], reason
    if scale and re.search(r"\b(?:score|rating|grade)\b", rules, re.IGNORECASE) and choices == ["correct", "incorrect"]:
        low, high = float(scale["low"]), float(scale["high"])
        return (round(low + min(max(value, 0.0), 1.0) * (high - low), 0 if high > 1 else 2)), reason
    if len(choices) > 2:
        step = (value >= _PASS + 0.25, value >= _PASS - 0.15)
        return choices[0 if step[0] else 1 if step[1] else 2], reason
    return choices[0 if (value >= _PASS) == _is_good(choices[0]) else 1], reason


def _is_good(choice: Any) -> bool:
    return not re.search(r"incorrect|wrong|fail|^no$|bad|false|unfaithful|unsupported|not", str(choice), re.IGNORECASE)


def _compare(found: Mapping[str, str], choices: list[Any], wobble: float) -> tuple[Any, str]:
    expected, question = found.get("expected", ""), found.get("question", "")
    first = (
        _overlap(found["first"], expected, question) + _length_credit(found["first"], found["second"]) + POSITION_BIAS
    )
    second = _overlap(found["second"], expected, question) + _length_credit(found["second"], found["first"])
    lead = first - second + wobble
    ties = [each for each in choices if re.search(r"tie|equal|both|same|neither|^c$|^0$", str(each), re.IGNORECASE)]
    sides = [each for each in choices if each not in ties]
    reason = f"overlap and credit: first {first:.2f}, second {second:.2f}"
    if abs(lead) < 0.03 and ties:
        return ties[0], reason
    ordered = (
        sorted(sides, key=str) if any({str(side).lower() for side in sides} == pair for pair in _PAIRWISE) else sides
    )
    return ordered[0 if lead >= 0 else -1], reason
