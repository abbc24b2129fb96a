"""Parameters that name a file: which they are, and their content in place of the path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import yaml

from evalkit.base.errors import UsageError
from evalkit.base.model import Frozen

__all__ = ["NamesFile", "named_files", "read_named_files"]

_MAX_BYTES = 1_000_000


class NamesFile:
    """Marks a parameter whose text is the path of a JSON or YAML file; an object there is the content itself."""


def named_files(params: Frozen) -> dict[str, str]:
    """Return the parameters that hold a path: name as written in the suite, to the path as written."""
    found = {}
    for field, info in type(params).model_fields.items():
        value = getattr(params, field)
        if isinstance(value, str) and any(mark is NamesFile for mark in info.metadata):
            found[info.alias or field] = value
    return found


def read_named_files(params: Frozen, root: Path, *, where: str | None = None) -> Frozen:
    """Return ``params`` with every named file's content in place of its path.

    Args:
        params: validated parameters.
        root: the folder paths start from; a path that leaves it is refused.
        where: the place of the parameters, for errors.

    Raises:
        UsageError: a file is missing, outside ``root``, larger than 1 MB, or not an object in JSON or YAML.
    """
    paths = named_files(params)
    if not paths:
        return params
    content = {name: _read_object(root, path, where) for name, path in paths.items()}
    body = params.model_dump(by_alias=True)
    return type(params).model_validate({**body, **content})


def _read_object(root: Path, name: str, where: str | None) -> dict[str, Any]:
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise UsageError(f"file {name!r} lies outside {str(root)!r}", hint="move it beside the suite", where=where)
    if not path.is_file():
        raise UsageError(f"file {name!r} does not exist", hint=f"paths start from {str(root)!r}", where=where)
    if path.stat().st_size > _MAX_BYTES:
        raise UsageError(f"file {name!r} is larger than 1 MB", hint="split it", where=where)
    try:
        text = path.read_text(encoding="utf-8")
        value = orjson.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (orjson.JSONDecodeError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(
            f"file {name!r} cannot be read: {str(error).splitlines()[0]}", hint="mend it", where=where
        ) from error
    if not isinstance(value, dict):
        raise UsageError(f"file {name!r} holds no object", hint="its top level must be a mapping", where=where)
    return value
