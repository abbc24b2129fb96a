from __future__ import annotations

import pytest

from evalkit.base import registry as module
from evalkit.base.errors import UsageError
from evalkit.base.registry import Registry, suggest


class Point:
    def __init__(self, name: str, thing: object) -> None:
        self.name, self._thing = name, thing

    def load(self) -> object:
        if isinstance(self._thing, ImportError):
            raise self._thing
        return self._thing


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry[object]:
    points = [
        Point("plugged", "from a plug-in"),
        Point("exact", "a second one"),
        Point("broken", ImportError("no module x")),
    ]
    monkeypatch.setattr(module, "entry_points", lambda group: points if group == "evalkit.things" else [])
    made: Registry[object] = Registry(
        "thing", group="evalkit.things", builtin={"exact": "string:digits", "digits": "string:digits"}
    )
    made.add("mine", 7)
    return made


def test_built_ins_additions_and_plug_ins_are_looked_up_by_name(registry: Registry[object]) -> None:
    assert registry.names() == ["broken", "digits", "exact", "mine", "plugged"]
    assert registry.get("digits") == "0123456789"
    assert registry.get("mine") == 7
    assert registry.get("plugged") == registry.get("plugged") == "from a plug-in"


def test_an_unknown_name_gets_a_suggestion_and_the_list(registry: Registry[object]) -> None:
    with pytest.raises(UsageError, match=r"unknown thing 'digit', did you mean 'digits'\?") as caught:
        registry.get("digit")
    assert caught.value.hint == "known things: broken, digits, exact, mine, plugged"


def test_a_name_given_twice_fails_only_when_it_is_looked_up(registry: Registry[object]) -> None:
    with pytest.raises(UsageError, match="thing 'exact' is registered 2 times"):
        registry.get("exact")


def test_a_plug_in_that_does_not_import_fails_only_when_it_is_looked_up(registry: Registry[object]) -> None:
    with pytest.raises(UsageError, match="thing 'broken' cannot be imported: no module x"):
        registry.get("broken")


def test_nothing_is_suggested_for_what_is_far_from_everything() -> None:
    assert suggest("zzz", ["alpha", "beta"]) == ""
