"""Takes the messages apart: instructions, context, question, and what tools have returned."""

# ruff: noqa: E501 - tables of patterns and words read better unbroken

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.llm.providers.local.features import mentions_feature

__all__ = ["Layout", "content_text", "labelled_blocks", "read_layout"]

_CONTEXT = r"context|documents?|text|passage|policy|excerpt|source|material|article|information|e-?mail|letter|message|invoice|kontext|contexto|input"
_QUESTION = r"question|q|query|customer(?: asks)?|user(?: asks| question)?|frage|pregunta|request|asked"
_LABEL = re.compile(
    rf"^[ \t]*(?:#{{1,4}}[ \t]*)?(?:\*\*)?(?:(?:the|our|your|customer'?s?|user'?s?|here is the|this is the)[ \t]+)?"
    rf"(?:(?P<context>{_CONTEXT})|(?P<question>{_QUESTION})|(?P<other>instructions?|rules|task|answer|output|format|notes?|antwort|reply))"
    rf"(?:\*\*)?[ \t]*:(?:\*\*)?[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_ENDS_CONTEXT = re.compile(
    r"(?:#{1,4}\s*)?(?:\*\*)?(?:(?:the|user|customer)(?:'s)?\s)?(?:question|q|query|frage|pregunta|instructions?|task|answer|output|format|context)\b",
    re.IGNORECASE,
)
_TAG = re.compile(r"<(?P<tag>[a-zA-Z_]\w*)>(?P<body>.*?)</(?P=tag)>", re.DOTALL)
_FENCE = re.compile(r"(?:```\w*|\"\"\"|-{3,}|={3,})\n(?P<body>.+?)\n(?:```|\"\"\"|-{3,}|={3,})", re.DOTALL)
_FENCES = ("```", '"""', "---", "===")
_PARAGRAPH = re.compile(r"\n\s*\n")
_SECTIONED = re.compile(r"^\s*(?:\[[^\]\n]{1,24}\]|§|From:|Von:|To:|Subject:|Betreff:)")


@dataclass(frozen=True, slots=True)
class Layout:
    """One conversation, taken apart; absent parts are empty."""

    instructions: str
    context: str
    question: str
    tool_results: str = ""
    context_is_labelled: bool = False


def content_text(content: Any) -> str:
    """Return the text of a message's ``content``: a string, a list of parts, or None."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return ""


def labelled_blocks(text: str, label: re.Pattern[str]) -> list[tuple[re.Match[str] | None, str]]:
    """Return ``text`` cut at every match of ``label``: the match (None for what comes first) and what follows it."""
    blocks: list[tuple[re.Match[str] | None, str]] = []
    match: re.Match[str] | None = None
    at = 0
    for found in label.finditer(text):
        blocks.append((match, text[at : found.start()]))
        match, at = found, found.end()
    blocks.append((match, text[at:]))
    return [(found, body.strip()) for found, body in blocks if found or body.strip()]


def read_layout(messages: Sequence[Mapping[str, Any]]) -> Layout:
    """Return the parts of ``messages``; the last user message holds the question unless a label says otherwise."""
    rules = [content_text(m.get("content")) for m in messages if m.get("role") in {"system", "developer"}]
    turns = [content_text(m.get("content")) for m in messages if m.get("role") == "user"]
    results = [content_text(m.get("content")) for m in messages if m.get("role") == "tool"]
    parts = _Parts()
    for text in rules:
        parts.read(text, spoken=False)
    for position, text in enumerate(turns):
        parts.read(text, spoken=position == len(turns) - 1)
    return Layout(
        instructions="\n".join(parts.instructions),
        context="\n\n".join(parts.context),
        question=parts.question,
        tool_results="\n".join(results),
        context_is_labelled=parts.labelled,
    )


class _Parts:
    def __init__(self) -> None:
        self.instructions: list[str] = []
        self.context: list[str] = []
        self.question = ""
        self.labelled = False

    def read(self, text: str, *, spoken: bool) -> None:
        text = self._take_marked(text)
        blocks = labelled_blocks(text, _LABEL)
        in_context = False
        for found, body in blocks:
            if in_context and found and not _ENDS_CONTEXT.match(found[0].strip()):
                self.context[-1] += f"\n{found[0]}{body}"
            elif found and found["context"] and body:
                self._take_context(body)
                in_context = True
            elif found and found["question"]:
                self._take_question(body)
                in_context = False
            elif found is None and spoken:
                self._take_unlabelled(body, only=len(blocks) == 1)
            elif found is None:
                self._take_rules(body)
            else:
                self.instructions.append(f"{found[0] if found else ''}{body}")

    def _take_marked(self, text: str) -> str:
        if "</" not in text and not any(mark in text for mark in _FENCES):
            return text
        for found in _TAG.finditer(text):
            if re.fullmatch(_QUESTION, found["tag"], re.IGNORECASE):
                self._take_question(found["body"].strip())
            elif re.search(r"instruction|rule|task|format|example", found["tag"], re.IGNORECASE):
                self.instructions.append(found["body"].strip())
            else:
                self.context.append(found["body"].strip())
                self.labelled = True
        text = _TAG.sub("\n\n", text)
        for found in _FENCE.finditer(text):
            if not found["body"].lstrip().startswith("{"):
                self.context.append(found["body"].strip())
                self.labelled = True
        return _FENCE.sub(lambda found: found[0] if found["body"].lstrip().startswith("{") else "\n\n", text)

    def _take_context(self, body: str) -> None:
        paragraphs = _PARAGRAPH.split(body)
        tail: list[str] = []
        while len(paragraphs) > 1 and _is_instruction(paragraphs[-1]):
            tail.insert(0, paragraphs.pop())
        self.context.append("\n\n".join(paragraphs).strip())
        self.instructions += tail
        self.labelled = True

    def _take_question(self, body: str) -> None:
        paragraphs = [part.strip() for part in _PARAGRAPH.split(body) if part.strip()]
        while len(paragraphs) > 1 and _is_instruction(paragraphs[-1]):
            self.instructions.append(paragraphs.pop())
        self.question = "\n\n".join(paragraphs)

    def _take_unlabelled(self, body: str, *, only: bool) -> None:
        rest: list[str] = []
        for part in (each.strip() for each in _PARAGRAPH.split(body)):
            if _is_instruction(part):
                self.instructions.append(part)
            elif part:
                rest.append(part)
        if only and rest and (len(rest) == 1 or rest[-1].rstrip().endswith("?")) and not _SECTIONED.match(rest[-1]):
            self.question = rest.pop()
        elif only and rest and rest[0].rstrip().endswith("?"):
            self.question = rest.pop(0)
        if rest and (only or any(_SECTIONED.match(part) for part in rest)):
            self.context.append("\n\n".join(rest))
        else:
            self.instructions += rest

    def _take_rules(self, body: str) -> None:
        for part in _PARAGRAPH.split(body):
            lines = part.splitlines()
            if len(lines) > 1 and sum(bool(_SECTIONED.match(line)) for line in lines) >= 2:
                self.context.append(part.strip())
            elif part.strip():
                self.instructions.append(part.strip())


def _is_instruction(paragraph: str) -> bool:
    lines = paragraph.strip().splitlines()
    if not lines or _SECTIONED.match(lines[0]) or paragraph.rstrip().endswith("?") or len(paragraph) > 1200:
        return False
    return mentions_feature(paragraph)
