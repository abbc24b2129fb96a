"""How evalkit runs, as opposed to what it measures: flag > ``EVALKIT_*`` > file > default, built once and passed down.

The file is ``evalkit.toml``, or ``[tool.evalkit]`` in ``pyproject.toml``, in the project's folder. This is the only
module that reads the environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError

from evalkit.base.errors import UsageError
from evalkit.base.model import Frozen, Many
from evalkit.base.serial import FileError, Loc, Located, read_toml, validate
from evalkit.llm.config import ModelConfig

__all__ = ["SETTINGS", "SettingInfo", "Settings", "SettingsFile", "find_root", "load_settings"]

_FILE = "evalkit.toml"
_PYPROJECT = "pyproject.toml"
_MARKS = (_FILE, _PYPROJECT, ".git")
_KEY_VARIABLES = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
_REFERENCE = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")
_SECRET = re.compile(r"""(?i)((?:key|token|secret|password|authorization|cookie)["']?\s*=\s*)(["'])(?!env:).*?\2""")
_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}

Color = Literal["auto", "always", "never"]
Tracking = Literal["mlflow", "none"]
Provider = Annotated[str, StringConstraints(pattern=r"^[^/\s]+$")]


class SettingsFile(Frozen):
    """What ``evalkit.toml`` may hold."""

    store: str = Field(default=".evalkit", min_length=1, description="Folder of runs and caches.")
    reports: str = Field(default="reports", min_length=1, description="Folder reports are written to.")
    plugins: Many[str] = Field(default=(), description="Modules that register graders, models or stages.")
    concurrency: int = Field(default=16, ge=1, le=4096, description="Calls in flight at once.")
    max_cost_usd: float | None = Field(default=None, ge=0, description="The most one command may spend, in USD.")
    max_calls: int | None = Field(default=None, ge=0, description="The most calls one command may make.")
    max_time_s: float | None = Field(default=None, gt=0, description="The longest one command may take, in seconds.")
    cache: bool = Field(default=True, description="Whether answers to the very same call are used again.")
    tracking: Tracking = Field(default="mlflow", description="Where runs are logged after the verdict.")
    color: Color = Field(default="auto", description="Whether the terminal's output is coloured.")
    models: dict[Provider, ModelConfig] = Field(default={}, description="Providers: [models.NAME] tables.")


@dataclass(frozen=True, slots=True)
class SettingInfo:
    """One setting, for documentation and ``config``.

    Attributes:
        name: its key in the file and among overrides.
        variable: the environment variable.
        flag: the option of the command line, None where there is none.
        default: as printed.
        description: one sentence.
        in_file: whether the file may set it.
    """

    name: str
    variable: str
    flag: str | None
    default: str
    description: str
    in_file: bool = True


_FLAGS = {
    "store": "--store",
    "reports": "--out",
    "concurrency": "--concurrency",
    "max_cost_usd": "--max-cost",
    "max_calls": "--max-calls",
    "max_time_s": "--max-time",
    "cache": "--no-cache",
    "tracking": "--no-mlflow",
}


def _info(name: str) -> SettingInfo:
    spec = SettingsFile.model_fields[name]
    default = "none" if spec.default in (None, ()) else str(spec.default)
    default = default.lower() if isinstance(spec.default, bool) else default
    return SettingInfo(name, f"EVALKIT_{name.upper()}", _FLAGS.get(name), default, str(spec.description))


_CODE = SettingInfo(
    "allow_code",
    "EVALKIT_ALLOW_CODE",
    None,
    "false",
    "Whether graders may execute model-written code. Never set by a file.",
    in_file=False,
)
SETTINGS: tuple[SettingInfo, ...] = (*(_info(name) for name in SettingsFile.model_fields if name != "models"), _CODE)
"""Every setting but ``models``, which has a table of its own for each provider."""


@dataclass(frozen=True)
class Settings:
    """How this process runs.

    Attributes:
        root: the project's folder, absolute.
        store: folder of runs and caches, absolute.
        reports: folder of reports, absolute.
        models: configured providers by name.
        plugins: modules that register graders, models or stages.
        concurrency: calls in flight at once.
        max_cost_usd: cap on spending a command, or None.
        max_calls: cap on calls a command, or None.
        max_time_s: cap on time a command, or None.
        cache: whether answers to the very same call are used again.
        tracking: ``mlflow`` or ``none``.
        allow_code: whether graders may execute model-written code.
        color: ``auto``, ``always`` or ``never``.
        environ: the environment as it was; never printed.
        origins: setting to where its value is from: ``default``, ``evalkit.toml:3``, ``EVALKIT_STORE``, ``--store``.
    """

    root: Path
    store: Path
    reports: Path
    models: Mapping[str, ModelConfig] = field(default_factory=dict)
    plugins: tuple[str, ...] = ()
    concurrency: int = 16
    max_cost_usd: float | None = None
    max_calls: int | None = None
    max_time_s: float | None = None
    cache: bool = True
    tracking: Tracking = "mlflow"
    allow_code: bool = False
    color: Color = "auto"
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    origins: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def ci(self) -> bool:
        """Whether the environment says that nobody is watching (``CI=true``)."""
        return self.environ.get("CI", "").strip().lower() not in {"", "0", "false"}

    def resolve_env(self, name: str) -> str | None:
        """Return an environment variable's value, or None."""
        return self.environ.get(name)

    def secrets(self) -> tuple[str, ...]:
        """Return the value of every key the models refer to, for redaction."""
        references = [text for config in self.models.values() for text in (config.key or "", *config.headers.values())]
        names = [match.group(1) for text in references if (match := _REFERENCE.fullmatch(text))]
        values = [self.environ.get(name, "").strip() for name in (*names, *_KEY_VARIABLES)]
        return tuple(dict.fromkeys(value for value in values if value))


def find_root(start: Path) -> Path:
    """Return the nearest folder at or above ``start`` that holds evalkit.toml, pyproject.toml or .git, else its own."""
    folder = start.resolve()
    if not folder.is_dir():
        folder = folder.parent
    for candidate in (folder, *folder.parents):
        if any((candidate / mark).exists() for mark in _MARKS):
            return candidate
    return folder


def load_settings(
    start: Path, overrides: Mapping[str, Any] = MappingProxyType({}), environ: Mapping[str, str] | None = None
) -> Settings:
    """Return the settings that hold at ``start``.

    Args:
        start: a file or folder of the project.
        overrides: values of flags by setting; None means that the flag was not given.
        environ: the environment; the process's own if None.

    Raises:
        UsageError: a value is not valid or a key is unknown; ``where`` has file and line, variable or flag.
    """
    environ = dict(os.environ) if environ is None else dict(environ)
    root = find_root(start)
    origins = {info.name: "default" for info in SETTINGS}
    values: dict[str, Any] = {}
    models: Mapping[str, ModelConfig] = {}
    found = _read_file(root)
    if found is not None:
        located, at, data = found
        file = validate(SettingsFile, located, at=at, data=data)
        models = dict(file.models)
        for name in file.model_fields_set - {"models"}:
            values[name] = _from_file(name, getattr(file, name), root)
            origins[name] = _origin(located, (*at, name))
        origins |= {f"models.{name}": _origin(located, (*at, "models", name)) for name in models}
    if environ.get("NO_COLOR"):
        values["color"], origins["color"] = "never", "NO_COLOR"
    for info in SETTINGS:
        text = environ.get(info.variable)
        if text is not None and text.strip():
            values[info.name], origins[info.name] = _from_text(info, text.strip()), info.variable
    known = {info.name: info for info in SETTINGS}
    for name, value in overrides.items():
        if value is not None:
            values[name], origins[name] = _from_flag(known[name], value), known[name].flag or name
    return Settings(
        root=root,
        models=models,
        environ=environ,
        origins=origins,
        store=values.pop("store", root / ".evalkit"),
        reports=values.pop("reports", root / "reports"),
        **values,
    )


def _masked(line: str) -> str:
    """Return a line of the file without what may be a key written there by mistake: errors show their line."""
    return _SECRET.sub(r"\1\2***\2", line)


def _read_file(root: Path) -> tuple[Located, Loc, dict[str, Any]] | None:
    own = read_toml(root / _FILE) if (root / _FILE).exists() else None
    project = read_toml(root / _PYPROJECT) if (root / _PYPROJECT).exists() else None
    tool = project.data.get("tool", {}).get("evalkit") if project is not None else None
    if own is not None and tool is not None:
        raise UsageError(
            f"{own.path} and [tool.evalkit] in {_PYPROJECT} both hold settings",
            where=project.where(("tool", "evalkit")) if project else None,
            hint=f"move everything into {_FILE}",
        )
    located, at, data = (own, (), own.data) if own is not None else (project, ("tool", "evalkit"), tool)
    if located is None or data is None:
        return None
    located = replace(located, lines=[_masked(line) for line in located.lines])
    if isinstance(data, dict) and _CODE.name in data:
        problem = located.problem(
            (*at, _CODE.name),
            "a file cannot allow code: it may come with a pull request",
            hint=f"set {_CODE.variable}=1 where you trust the project",
        )
        raise FileError([problem])
    return located, at, data


def _origin(located: Located, loc: Loc) -> str:
    line, _ = located.position(loc, key=True)
    return f"{located.path}:{line}"


def _from_file(name: str, value: Any, root: Path) -> Any:
    return root / value if name in {"store", "reports"} else value


def _from_flag(info: SettingInfo, value: Any) -> Any:
    return _checked(info, str(value) if isinstance(value, Path) else value, info.flag or info.name)


def _from_text(info: SettingInfo, text: str) -> Any:
    convert = _CONVERT.get(info.name, str)
    try:
        value = convert(text)
    except (ValueError, KeyError) as error:
        raise UsageError(
            f"{info.variable}={text!r} is not {_KIND[convert]}", where=info.variable, hint=f"default: {info.default}"
        ) from error
    return _checked(info, value, info.variable)


def _checked(info: SettingInfo, value: Any, where: str) -> Any:
    if info is _CODE:
        return bool(value)
    try:
        checked = getattr(SettingsFile.model_validate({info.name: value}), info.name)
    except ValidationError as error:
        message = error.errors(include_url=False)[0]["msg"].removeprefix("Input ")
        raise UsageError(f"{where}: {message}, not {value!r}", where=where, hint=info.description) from error
    return Path.cwd() / checked if info.name in {"store", "reports"} else checked


def _boolean(text: str) -> bool:
    return _WORDS[text.lower()]


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


_CONVERT: Mapping[str, Callable[[str], Any]] = {
    "plugins": _listed,
    "concurrency": int,
    "max_cost_usd": float,
    "max_calls": int,
    "max_time_s": float,
    "cache": _boolean,
    "allow_code": _boolean,
}
_KIND: Mapping[Callable[[str], Any], str] = {
    int: "a whole number",
    float: "a number",
    _boolean: "true or false",
    _listed: "a list",
    str: "a word",
}
