"""Prompt files: messages with roles and templates, compiled once to find mistakes before any call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from evalkit.base.errors import UsageError
from evalkit.base.files import MAX_TEXT_BYTES
from evalkit.base.model import Frozen, Many
from evalkit.base.serial import Located, Problems, parse_yaml, read_yaml, validate
from evalkit.core.candidate import Prompt, PromptMessage
from evalkit.llm.prompt import PROMPT_VARIABLES, Template, compile_template
from evalkit.llm.wire import Role
from evalkit.suite.paths import commit_of, find_file, parse_git_path, read_git_file

__all__ = ["LoadedPrompt", "PromptFile", "PromptMessageFile", "load_prompt"]


class PromptMessageFile(Frozen):
    """One message of a prompt file."""

    role: Role = Field(description="Who speaks.")
    content: str = Field(description="A jinja2 template over `inputs`, `metadata` and `id`.")


class PromptFile(Frozen):
    """The content of a prompt file."""

    description: str | None = Field(default=None, description="What the prompt is for; not sent.")
    messages: Many[PromptMessageFile] = Field(min_length=1, description="The messages, in order.")


@dataclass(frozen=True, slots=True)
class LoadedPrompt:
    """A prompt with its templates compiled.

    Attributes:
        prompt: what goes into the candidate.
        templates: one for each message.
    """

    prompt: Prompt
    templates: Sequence[Template]


def load_prompt(text: str, *, base: Path, root: Path) -> LoadedPrompt:
    """Return the prompt that ``text`` names.

    Args:
        text: a path relative to ``base`` or ``root``, or ``git:REF:path`` relative to ``root``.
        base: the folder of the suite.
        root: the project's folder.

    Raises:
        UsageError: there is no such file or commit, or the file is not a prompt; with file and line.
    """
    git_file = parse_git_path(text)
    if git_file is None:
        path = find_file(text, base=base, root=root)
        return _prompt(
            read_yaml(path), source=path.relative_to(root.resolve()).as_posix(), commit=commit_of(path, root)
        )
    content, commit = read_git_file(git_file, root, limit=MAX_TEXT_BYTES)
    try:
        body = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{text} is not UTF-8", hint="save the file as UTF-8", where=text) from error
    return _prompt(parse_yaml(body, path=text), source=text, commit=commit)


def _prompt(located: Located, *, source: str, commit: str | None) -> LoadedPrompt:
    file = validate(PromptFile, located)
    problems = Problems(located)
    templates: list[Template] = []
    for index, message in enumerate(file.messages):
        loc = ("messages", index, "content")
        try:
            templates.append(compile_template(message.content, located.where(loc), variables=PROMPT_VARIABLES))
        except UsageError as error:
            problems.add_error(loc, error)
    problems.raise_if_any()
    messages = tuple(PromptMessage(role=message.role, content=message.content) for message in file.messages)
    return LoadedPrompt(Prompt(messages=messages, source=source, commit=commit), templates)
