"""Which fields a template needs, read off its syntax tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import nodes

__all__ = ["MISSING", "Path", "dotted", "look_up", "plain_parts", "required_paths"]

Path = tuple[str | int, ...]
"""Keys and positions, from the variable's name on."""

MISSING = object()
"""What :func:`look_up` returns where there is nothing."""


def dotted(path: Path) -> str:
    """Return a path as people write it: ``inputs.a[0]``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def look_up(path: Path, variables: Mapping[str, Any]) -> Any:
    """Return what stands at a path, or :data:`MISSING`."""
    value: Any = variables
    for part in path:
        try:
            value = value[part]
        except (LookupError, TypeError):
            return MISSING
    return value


def path_of(node: nodes.Node) -> Path | None:
    """Return the path a node spells out (``inputs.a['b'][0]``), or None if it is anything else."""
    if isinstance(node, nodes.Name):
        return (node.name,)
    if isinstance(node, nodes.Getattr):
        above = path_of(node.node)
        return None if above is None else (*above, node.attr)
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        above, key = path_of(node.node), node.arg.value
        return (*above, key) if above is not None and isinstance(key, (str, int)) else None
    return None


def required_paths(body: Sequence[nodes.Node]) -> tuple[Path, ...]:
    """Return the paths every rendering looks up, first use first."""
    found: dict[Path, None] = {}
    local: set[str] = {"range", "loop"}
    for node in body:
        _collect(node, found, local)
    return tuple(found)


def _collect(node: nodes.Node, found: dict[Path, None], local: set[str]) -> None:
    path = path_of(node)
    if path is not None:
        if path[0] not in local:
            found.setdefault(path)
        return
    for child in _always_evaluated(node):
        _collect(child, found, local)
    if isinstance(node, nodes.Assign):
        local.update(name.name for name in [node.target, *node.target.find_all(nodes.Name)] if hasattr(name, "name"))


def _always_evaluated(node: nodes.Node) -> list[nodes.Node]:
    """Return the children that are evaluated whatever the values are."""
    if isinstance(node, nodes.If):
        return [node.test]
    if isinstance(node, nodes.CondExpr):
        return [node.test]
    if isinstance(node, nodes.For):
        return [node.iter]
    if isinstance(node, (nodes.And, nodes.Or)):
        return [node.left]
    if isinstance(node, nodes.Assign):
        return [node.node]
    if isinstance(node, nodes.With):
        return list(node.values)
    if isinstance(node, nodes.Test) and node.name in {"defined", "undefined"}:
        return []
    if isinstance(node, nodes.Filter) and node.name in {"default", "d"}:
        return []
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr):
        return [node.node.node, *node.args, *node.kwargs]
    return list(node.iter_child_nodes())


def plain_parts(tree: nodes.Template) -> tuple[str | Path, ...] | None:
    """Return texts and paths if the template is nothing else, so that it can be filled without jinja."""
    parts: list[str | Path] = []
    for output in tree.body:
        if not isinstance(output, nodes.Output):
            return None
        for node in output.nodes:
            if isinstance(node, nodes.TemplateData):
                parts.append(node.data)
                continue
            path = path_of(node)
            if path is None or path[0] == "range":
                return None
            parts.append(path)
    return tuple(parts)
