"""Files with positions: what the readers of YAML, JSON, JSON lines and TOML offer, in one place.

:mod:`~evalkit.base.files` opens and writes, :mod:`~evalkit.base.located` keeps places and reports,
:mod:`~evalkit.base.explain` words pydantic's errors.
"""

from __future__ import annotations

from evalkit.base.files import atomic_write, inside, open_regular, read_bytes, read_text, shown
from evalkit.base.json_file import JsonlLimits, parse_json, read_json, read_jsonl
from evalkit.base.located import FileError, Loc, Located, Problem, Problems, spell, validate
from evalkit.base.toml_file import read_toml
from evalkit.base.yaml_file import parse_yaml, read_yaml

__all__ = [
    "FileError",
    "JsonlLimits",
    "Loc",
    "Located",
    "Problem",
    "Problems",
    "atomic_write",
    "inside",
    "open_regular",
    "parse_json",
    "parse_yaml",
    "read_bytes",
    "read_json",
    "read_jsonl",
    "read_text",
    "read_toml",
    "read_yaml",
    "shown",
    "spell",
    "validate",
]
