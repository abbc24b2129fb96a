"""What is under test: a model, a prompt, parameters."""

from __future__ import annotations

from functools import cached_property

from pydantic import Field

from evalkit.base.hashing import digest
from evalkit.base.model import Frozen, JsonObject, JsonValue, Many
from evalkit.llm.wire import Role

__all__ = ["Candidate", "Prompt", "PromptMessage"]


class PromptMessage(Frozen):
    """One message of a prompt; ``content`` is a jinja2 template over ``inputs``, ``metadata`` and ``id``."""

    role: Role
    content: str


class Prompt(Frozen):
    """A prompt file. Its identity is its digest; ``source`` and ``commit`` are for people."""

    messages: Many[PromptMessage] = Field(min_length=1)
    source: str | None = None
    commit: str | None = None

    @property
    def digest(self) -> str:
        """The digest of roles and templates alone."""
        return digest([message.model_dump() for message in self.messages])


class Candidate(Frozen):
    """Model, prompt and parameters, fully resolved: everything that decides what is asked."""

    name: str
    model: str
    prompt: Prompt | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_output_tokens: int | None = Field(default=None, gt=0)
    stop: Many[str] = ()
    tools: Many[JsonObject] = ()
    tool_choice: JsonValue = None
    response_schema: JsonObject | None = None
    timeout_s: float = Field(default=60.0, gt=0)
    extra: JsonObject = {}
    model_identity: JsonObject = {}

    @cached_property
    def digest(self) -> str:
        """The digest of what decides the answers; the name and where the prompt was read from are not in it."""
        body = self.model_dump(mode="json", exclude={"name", "prompt"}, exclude_none=True)
        return digest({**body, "prompt": self.prompt.digest if self.prompt else None})
