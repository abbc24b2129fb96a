"""The embedded model ``local/*``: rule-based extractive answers. Not an LLM: for demonstration and tests.

In process by :func:`open_local`, over HTTP in the OpenAI protocol by :func:`open_server` and :func:`serve`. What it
does with a prompt is described in ``docs/reference/embedded-model.md``.
"""

from __future__ import annotations

from evalkit.llm.providers.local.engine import MODELS, NOTICE
from evalkit.llm.providers.local.latency import Latency
from evalkit.llm.providers.local.provider import LocalModel, open_local
from evalkit.llm.providers.local.server import LocalServer, open_server, serve

__all__ = ["MODELS", "NOTICE", "Latency", "LocalModel", "LocalServer", "open_local", "open_server", "serve"]
