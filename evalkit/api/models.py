"""The models of a command: opened once each, asked for their identity before their keys are needed."""

from __future__ import annotations

from evalkit.api.session import Session
from evalkit.base.model import JsonObject
from evalkit.core.candidate import Candidate
from evalkit.llm.config import open_model
from evalkit.llm.errors import MissingKeyError
from evalkit.llm.model import ChatModel

__all__ = ["Models"]


class Models:
    """Opens models by name and closes them together.

    A model's identity is part of its candidate's digest and needs no key, so a run that is finished can be found, read
    and compared on a machine that has none.

    Args:
        session: the project.
        limit: connections a model may hold at once.
    """

    def __init__(self, session: Session, *, limit: int) -> None:
        self._session = session
        self._limit = limit
        self._open: dict[str, ChatModel] = {}
        self._missing: dict[str, MissingKeyError] = {}

    def resolve(self, candidate: Candidate) -> Candidate:
        """Return the candidate with the identity of its endpoint.

        Raises:
            UsageError: its provider is unknown or cannot be used.
        """
        return candidate.model_copy(update={"model_identity": self._identity(candidate.model)})

    def ready(self, name: str) -> ChatModel:
        """Return the model, able to be asked.

        Raises:
            MissingKeyError: the variable of its key is not set.
        """
        self._opened(name)
        if name in self._missing:
            raise self._missing[name]
        return self._open[name]

    async def aclose(self) -> None:
        """Close every model that was opened."""
        for model in self._open.values():
            await model.aclose()
        self._open.clear()

    def _identity(self, name: str) -> JsonObject:
        return self._opened(name).identity

    def _opened(self, name: str) -> ChatModel:
        if name not in self._open:
            try:
                self._open[name] = self._new(name, with_keys=True)
            except MissingKeyError as error:
                self._missing[name] = error
                self._open[name] = self._new(name, with_keys=False)
        return self._open[name]

    def _new(self, name: str, *, with_keys: bool) -> ChatModel:
        settings = self._session.settings

        def resolve_env(variable: str) -> str | None:
            value = settings.resolve_env(variable)
            return value if with_keys or value or variable.endswith("_BASE_URL") else "no-key-set"

        return open_model(
            name,
            settings.models,
            resolve_env=resolve_env,
            limit=self._limit,
            clock=self._session.clock,
            root=settings.root,
        )
