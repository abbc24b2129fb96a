"""Parameters that name a file: which they are, and their content in place of the path."""

from __future__ import annotations

from pathlib import Path

from evalkit.base.errors import UsageError
from evalkit.base.model import Frozen, JsonObject
from evalkit.base.serial import read_json, read_yaml

__all__ = ["NamesFile", "named_files", "read_named_files"]


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


def read_named_files(params: Frozen, root: Path | None, *, where: str | None = None) -> Frozen:
    """Return ``params`` with every named file's content in place of its path.

    Args:
        params: validated parameters.
        root: the folder relative paths start from and may not leave. Absolute paths are taken as the loader resolved
            them.
        where: the place of the parameters, for errors.

    Raises:
        UsageError: a file is missing, outside ``root``, too large, or not an object in JSON or YAML.
    """
    paths = named_files(params)
    if not paths:
        return params
    content = {name: _read_object(root, path, where) for name, path in paths.items()}
    body = params.model_dump(by_alias=True)
    return type(params).model_validate({**body, **content})


def _read_object(root: Path | None, name: str, where: str | None) -> JsonObject:
    path = Path(name) if root is None else root / name  # an absolute name stays what the loader made it
    inside = root is None or Path(name).is_absolute() or path.resolve().is_relative_to(root.resolve())
    if not inside:
        raise UsageError(f"file {name!r} lies outside the suite's folder", hint="move it beside the suite", where=where)
    located = read_json(path) if path.suffix == ".json" else read_yaml(path)
    if not isinstance(located.data, dict):
        raise UsageError(f"file {name!r} holds no object", hint="its top level must be a mapping", where=where)
    return located.data
