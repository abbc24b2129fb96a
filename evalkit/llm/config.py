"""Models by name: the ``[models.*]`` tables of ``evalkit.toml``, and the one place that turns a name into a model.

A name splits at its first ``/`` into a provider and the provider's own model name. ``openai/*`` and ``anthropic/*``
need no table. Keys are read from the environment through a function given by the caller, are bound to their host and
never enter ``identity``, a dump or a message.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator

from evalkit.base.clock import Clock, SystemClock
from evalkit.base.errors import UsageError
from evalkit.base.model import Frozen, JsonObject, JsonValue
from evalkit.base.registry import suggest
from evalkit.llm.errors import MissingKeyError
from evalkit.llm.model import ChatModel
from evalkit.llm.pricing import Price

__all__ = [
    "MAX_RESPONSE_BYTES",
    "Endpoint",
    "ModelConfig",
    "ModelKind",
    "ModelSettings",
    "config_for",
    "open_model",
    "parse_model_configs",
]

ModelKind = Literal["openai", "anthropic", "http", "python", "replay", "gateway", "local"]

MAX_RESPONSE_BYTES = 16 * 1024 * 1024
"""Largest response read, after decompression, unless configured."""

_ENV = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SECRET_HEADERS = frozenset({"authorization", "x-api-key", "api-key", "proxy-authorization", "cookie"})
_DEFAULT_URL = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}
_DEFAULT_KEY = {"openai": "env:OPENAI_API_KEY", "anthropic": "env:ANTHROPIC_API_KEY"}
_URL_VARIABLE = {"openai": "OPENAI_BASE_URL", "anthropic": "ANTHROPIC_BASE_URL"}
_OPENERS = {
    "openai": "evalkit.llm.providers.openai:open_openai",
    "anthropic": "evalkit.llm.providers.anthropic:open_anthropic",
    "http": "evalkit.llm.providers.http:open_http",
    "python": "evalkit.llm.providers.python:open_python",
    "replay": "evalkit.llm.providers.replay:open_replay",
    "gateway": "evalkit.llm.providers.gateway:open_gateway",
    "local": "evalkit.llm.providers.local:open_local",
}

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=False)]
AtLeastOne = Annotated[float, Field(ge=1, allow_inf_nan=False, strict=False)]


class ModelConfig(Frozen):
    """One ``[models.NAME]`` table.

    Attributes:
        kind: which provider speaks.
        base_url: where; only http or https, without credentials or query. For ``http`` the full address to post to.
        key: ``env:NAME``, never the key itself.
        requests_per_minute: pacing; None for none.
        tokens_per_minute: pacing; None for none.
        price: USD per million tokens; None leaves it to the bundled list.
        timeout_s: limit of one attempt, under the candidate's own.
        headers: sent with every request; a value may be ``env:NAME``.
        allow_insecure: whether a key may be sent over plain http to another machine.
        proxy_from_env: whether HTTP_PROXY and its kin are honoured.
        stream: whether to stream, which measures the time to the first token.
        max_tokens_field: spelling of the output limit; None chooses by host.
        max_response_bytes: cap on a response after decompression.
        extra: fields merged into every request body.
        body: kind ``http``: the JSON to post; texts in it are templates over ``inputs``, ``messages``, ``prompt``,
            ``model``, ``id`` and ``trial``.
        answer_path: kind ``http``: where the answer is in the response, as ``data.answers[0].text``; empty takes the
            whole body as text.
        usage_paths: kind ``http``: paths of ``input_tokens`` and ``output_tokens``.
        function: kind ``python``: ``module:function``.
        path: kind ``replay``: the file of recorded outputs.
        columns: kind ``replay``: our column name to the file's.
    """

    kind: ModelKind
    base_url: str | None = None
    key: str | None = None
    requests_per_minute: AtLeastOne | None = None
    tokens_per_minute: AtLeastOne | None = None
    price: Price | None = None
    timeout_s: Positive | None = None
    headers: Mapping[str, str] = {}
    allow_insecure: bool = False
    proxy_from_env: bool = False
    stream: bool = False
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = None
    max_response_bytes: int = Field(default=MAX_RESPONSE_BYTES, ge=1024)
    extra: JsonObject = {}
    body: JsonValue = None
    answer_path: str | None = None
    usage_paths: Mapping[str, str] = {}
    function: str | None = None
    path: str | None = None
    columns: Mapping[str, str] = {}

    @field_validator("key")
    @classmethod
    def _key_by_reference(cls, value: str | None) -> str | None:
        if value is not None and not _ENV.fullmatch(value):
            raise ValueError("a key is given as env:NAME, never itself: put it into the environment")
        return value

    @field_validator("base_url")
    @classmethod
    def _usable_url(cls, value: str | None) -> str | None:
        return None if value is None else _checked_url(value)

    @field_validator("headers")
    @classmethod
    def _safe_headers(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        for name, text in value.items():
            if not _HEADER.fullmatch(name) or any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
                raise ValueError(f"{name!r} is not a valid header")
            if name.lower() in _SECRET_HEADERS and not _ENV.fullmatch(text):
                raise ValueError(f"the value of {name!r} is a secret: give it as env:NAME")
        return value

    @model_validator(mode="after")
    def _complete(self) -> ModelConfig:
        needed = {"http": ("base_url", "body", "answer_path"), "python": ("function",), "replay": ("path",)}
        for field in needed.get(self.kind, ()):
            if getattr(self, field) is None:
                raise ValueError(f"kind {self.kind!r} needs `{field}`")
        return self


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address and the headers that go there and nowhere else; secrets show as ``***`` in any print.

    Attributes:
        url: the base address, without a trailing slash.
        key: the provider's key, or None.
        headers: further headers, resolved.
        identity: kind, address and public settings: part of the candidate's digest.
    """

    url: str
    key: SecretStr | None
    headers: Mapping[str, SecretStr]
    identity: JsonObject

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret value, for redaction."""
        values = [value.get_secret_value() for value in self.headers.values()]
        return (*values, self.key.get_secret_value()) if self.key else tuple(values)


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What a provider is opened with.

    Attributes:
        name: the full name, ``provider/model``.
        model: the provider's own model name.
        config: its table, defaults filled in.
        endpoint: address and key; None for kinds that need none.
        limit: connections at most.
        clock: time.
        root: the directory relative paths start from.
    """

    name: str
    model: str
    config: ModelConfig
    endpoint: Endpoint | None
    limit: int
    clock: Clock
    root: Path


def parse_model_configs(raw: Mapping[str, Any], where: str | None = None) -> dict[str, ModelConfig]:
    """Return the ``[models]`` table parsed.

    Raises:
        UsageError: a table is not valid; the message names table and field.
    """
    return {name: _parse(name, table, where) for name, table in raw.items()}


def config_for(model: str, configs: Mapping[str, ModelConfig]) -> ModelConfig:
    """Return the table ``model`` belongs to; ``openai``, ``anthropic`` and ``local`` have one built in.

    Raises:
        UsageError: the provider is unknown; the hint is the table to add.
    """
    provider, slash, name = model.partition("/")
    if not slash or not provider or not name:
        raise UsageError(
            f"{model!r} is not a model's name", hint="write provider/model, as in openai/gpt-5-mini or local/extract-1"
        )
    if provider in configs:
        return configs[provider]
    if provider in {"openai", "anthropic", "local"}:
        return ModelConfig(kind=provider)  # type: ignore[arg-type]
    known = [*configs, "openai", "anthropic", "local"]
    variable = re.sub("[^A-Z0-9]", "_", provider.upper()) + "_API_KEY"
    raise UsageError(
        f"unknown provider {provider!r} in model {model!r}{suggest(provider, known)}",
        hint=f'add to evalkit.toml:\n         [models.{provider}]\n         kind = "openai"\n'
        f'         base_url = "https://…/v1"\n         key = "env:{variable}"',
    )


def open_model(
    name: str,
    configs: Mapping[str, ModelConfig],
    *,
    resolve_env: Callable[[str], str | None],
    limit: int = 64,
    clock: Clock | None = None,
    root: Path | None = None,
) -> ChatModel:
    """Return the model called ``name``, ready to be asked; nothing is sent yet.

    Args:
        name: ``provider/model``.
        configs: the ``[models]`` tables by provider.
        resolve_env: an environment variable's value, or None.
        limit: connections at most; at least the number of calls made at once.
        clock: time; the machine's by default.
        root: the directory relative paths in the tables start from; the current one by default.

    Raises:
        MissingKeyError: the variable of its key is not set.
        UsageError: the provider is unknown or its table cannot be used.
    """
    config = config_for(name, configs)
    provider, _, model = name.partition("/")
    endpoint = _endpoint(name, provider, config, resolve_env) if _has_endpoint(config) else None
    settings = ModelSettings(name, model, config, endpoint, limit, clock or SystemClock(), root or Path())
    module, _, opener = _OPENERS[config.kind].partition(":")
    try:
        open_kind = getattr(import_module(module), opener)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"models of kind {config.kind!r} are not available in this installation", hint="update evalkit"
        ) from error
    if config.kind == "local":
        opened: ChatModel = open_kind(model, **dict(config.extra))
    else:
        opened = open_kind(settings)
    return opened


def _has_endpoint(config: ModelConfig) -> bool:
    return config.kind in {"openai", "anthropic", "http", "gateway"}


def _parse(name: str, table: Any, where: str | None) -> ModelConfig:
    place = f"[models.{name}]" if where is None else f"{where} [models.{name}]"
    if isinstance(table, ModelConfig):
        return table
    if "/" in name:
        raise UsageError(f"a provider's name has no slash: {name!r}", hint="the part before the slash", where=place)
    try:
        return ModelConfig.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "table"
        message = first["msg"].removeprefix("Value error, ")
        known = list(ModelConfig.model_fields)
        guess = suggest(field, known) if first["type"] == "extra_forbidden" else ""
        raise UsageError(
            f"models.{name}.{field}: {message}{guess}", hint=f"fields: {', '.join(known)}", where=place
        ) from error


def _endpoint(name: str, provider: str, config: ModelConfig, resolve_env: Callable[[str], str | None]) -> Endpoint:
    url = config.base_url or _default_url(name, config.kind, resolve_env)
    reference = config.key or (None if config.base_url else _DEFAULT_KEY.get(config.kind))
    key = SecretStr(_secret(name, reference, resolve_env)) if reference else None
    headers: dict[str, SecretStr] = {}
    for header, value in config.headers.items():
        headers[header] = SecretStr(_secret(name, value, resolve_env) if _ENV.fullmatch(value) else value)
    secret = key is not None or any(_ENV.fullmatch(value) for value in config.headers.values())
    if secret and not config.allow_insecure:
        _refuse_plain(provider, url)
    identity: dict[str, Any] = {"kind": config.kind, "base_url": url}
    if config.extra:
        identity["extra"] = dict(config.extra)
    if config.headers:
        identity["headers"] = dict(sorted(config.headers.items()))
    return Endpoint(url, key, headers, identity)


def _default_url(name: str, kind: ModelKind, resolve_env: Callable[[str], str | None]) -> str:
    if kind not in _DEFAULT_URL:
        raise UsageError(f"model {name!r} has no `base_url`", hint='add base_url = "https://…" to its table')
    variable = _URL_VARIABLE[kind]
    given = resolve_env(variable)
    if not given:
        return _DEFAULT_URL[kind]
    try:
        return _checked_url(given)
    except ValueError as error:
        raise UsageError(f"{variable}: {error}", hint=f"unset it, or set it like {_DEFAULT_URL[kind]}") from error


def _secret(name: str, reference: str, resolve_env: Callable[[str], str | None]) -> str:
    variable = reference.removeprefix("env:")
    value = (resolve_env(variable) or "").strip()
    if not value:
        raise MissingKeyError(name, variable)
    if any(ord(letter) < 33 or ord(letter) > 126 for letter in value):
        raise UsageError(
            f"the environment variable {variable} holds characters no key has (a line break, a space, quotes?)",
            hint=f"set {variable} again",
        )
    return value


def _checked_url(url: str) -> str:
    """Return ``url`` without its trailing slash.

    Raises:
        ValueError: it is not a plain http or https address.
    """
    if any(ord(letter) < 33 or ord(letter) == 127 for letter in url):
        raise ValueError(f"{url!r} is not an address")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{url!r} is not an http or https address")
    if parts.username or parts.password:
        raise ValueError("an address holds no user or password: use `key`")
    if parts.query or parts.fragment:
        raise ValueError(f"{url!r} has a query or fragment")
    if _link_local(parts.hostname):
        raise ValueError(f"{parts.hostname} is a link-local address, where cloud metadata lives")
    _ = parts.port  # raises for a port that is none
    return url.rstrip("/")


def _link_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_link_local
    except ValueError:
        return False


def _refuse_plain(provider: str, url: str) -> None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost" or host.endswith(".localhost")
    if parts.scheme == "http" and not loopback:
        raise UsageError(
            f"the key of [models.{provider}] would go over plain http to {host}",
            hint="use https, or set allow_insecure = true in that table if the network is yours",
        )
