from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.base.errors import UsageError
from evalkit.core.item import Item
from evalkit.core.output import Output
from evalkit.core.score import Score
from evalkit.core.suite import GraderSpec
from evalkit.graders import registry
from evalkit.graders.registry import CATALOG, GRADERS, build_grader, check, grader_digest

ITEM = Item(id="i1", inputs={"order_id": "77"})


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_added", "_cache"):
        monkeypatch.setattr(GRADERS, name, dict(getattr(GRADERS, name)))
    monkeypatch.setattr(registry, "_FUNCTIONS", {})


def _scores(use: str, output: Output, **params: Any) -> tuple[Score, ...]:
    return tuple(build_grader(GraderSpec(use=use, name="m", params=params)).grade(ITEM, output))


def test_every_built_in_imports_and_has_strict_parameters() -> None:
    for name in CATALOG.names():
        model = CATALOG.params_model(name)
        assert model.model_config["extra"] == "forbid", name
        assert GRADERS.get(name).version >= 1


def test_an_unknown_grader_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'contains_any'"):
        CATALOG.params_model("contain_any")


def test_a_wrong_parameter_names_the_nearest_and_lists_the_rest() -> None:
    with pytest.raises(UsageError, match="no parameter 'value', did you mean 'values'") as caught:
        build_grader(
            GraderSpec(use="contains_any", name="m", params={"value": ["x"], "values": ["y"]}, where="s.yaml:3")
        )
    assert caught.value.where == "s.yaml:3"
    assert caught.value.hint is not None
    assert "whole_words" in caught.value.hint
    with pytest.raises(UsageError, match="needs the parameter 'values'"):
        CATALOG.metrics("contains_any", "m", {})
    with pytest.raises(UsageError, match="parameter whole_words"):
        CATALOG.metrics("contains_any", "m", {"values": ["x"], "whole_words": "yes"})


def test_defaults_spelled_out_give_the_same_digest() -> None:
    assert grader_digest("exact", {}) == grader_digest("exact", {"expected": "{{ expected }}", "whitespace": "trim"})
    assert grader_digest("exact", {}) != grader_digest("exact", {"ignore_case": True})


def test_a_file_counts_by_content_not_by_path(tmp_path: Path) -> None:
    one = grader_digest("json_schema", {"schema": "a.json"}, {"a.json": "d1"})
    assert one == grader_digest("json_schema", {"schema": "b/c.json"}, {"b/c.json": "d1"})
    assert one != grader_digest("json_schema", {"schema": "a.json"}, {"a.json": "d2"})
    assert CATALOG.files("json_schema", {"schema": "a.json"}) == ("a.json",)
    assert CATALOG.files("json_schema", {"schema": {}}) == ()


@pytest.mark.parametrize(("name", "text"), [("s.json", '{"type": "object"}'), ("s.yaml", "type: object\n")])
def test_a_schema_file_is_read_from_the_suites_folder(
    tmp_path: Path, output: Callable[..., Output], name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    spec = GraderSpec(use="json_schema", name="m", params={"schema": name})
    grader = build_grader(spec, root=tmp_path)
    assert [grader.grade(ITEM, output(answer))[0].value for answer in ("{}", "[]")] == [1.0, 0.0]
    absolute = GraderSpec(use="json_schema", name="m", params={"schema": str(tmp_path / name)})
    assert build_grader(absolute).grade(ITEM, output("[]"))[0].value == 0.0
    assert CATALOG.metrics("json_schema", "m", absolute.params)[0].name == "m"


def test_a_file_outside_missing_or_not_an_object_is_refused(tmp_path: Path) -> None:
    inner = tmp_path / "suites"
    inner.mkdir()
    (tmp_path / "out.json").write_text("{}")
    (inner / "list.json").write_text("[]")
    for name in ("../out.json", "none.json", "list.json"):
        with pytest.raises(UsageError) as caught:
            build_grader(GraderSpec(use="json_schema", name="m", params={"schema": name}), root=inner)
        assert caught.value.hint


def test_a_function_becomes_a_check(output: Callable[..., Output]) -> None:
    @check("mentions_order_id")
    def mentions(item: Item, text: str, *, field: str = "order_id") -> bool:
        return str(item.inputs[field]) in text

    assert mentions(ITEM, "77"), "the decorator returns the function itself"
    assert _scores("mentions_order_id", output("order 77"))[0].value == 1.0
    assert _scores("mentions_order_id", output("order 78"))[0].value == 0.0
    assert _scores("mentions_order_id", output("x"), field="nope")[0].status == "error"
    with pytest.raises(UsageError, match="no parameter 'feld'"):
        _scores("mentions_order_id", output("x"), feld="order_id")


def test_the_second_argument_is_text_or_output_by_its_name_or_annotation(output: Callable[..., Output]) -> None:
    @check("only_item", kind="unbounded")
    def only_item(item: Item) -> float:
        return -2.5

    @check("by_name", kind="positive")
    def by_name(item, output):  # type: ignore[no-untyped-def]
        return output.latency_s

    @check("by_annotation", kind="positive")
    def by_annotation(item: Item, answer: Output) -> float:
        return float(len(answer.text))

    @check("text_called_output", kind="positive")
    def text_called_output(item: Item, output: str) -> int:
        return len(output)

    answer = output("abc", latency_s=1.5)
    assert [
        _scores(use, answer)[0].value for use in ("only_item", "by_name", "by_annotation", "text_called_output")
    ] == [
        -2.5,
        1.5,
        3.0,
        3.0,
    ]


def test_none_abstains_a_score_is_taken_and_a_value_out_of_kind_is_an_error(output: Callable[..., Output]) -> None:
    @check("cannot_say")
    def cannot_say(item: Item) -> None:
        return None

    @check("own_score", kind="bounded")
    def own_score(item: Item, text: str) -> Score:
        return Score(metric="whatever", status="ok", value=0.25, label=text)

    @check("half")
    def half(item: Item) -> float:
        return 0.5

    @check("nan", kind="unbounded")
    def nan(item: Item) -> float:
        return float("nan")

    answer = output("abc")
    assert _scores("cannot_say", answer)[0].status == "abstained"
    assert (_scores("own_score", answer)[0].metric, _scores("own_score", answer)[0].value) == ("m", 0.25)
    assert _scores("half", answer)[0].status == "error"
    assert _scores("nan", answer)[0].status == "error"


def test_a_changed_function_changes_the_digest_and_replaces_the_old_one(output: Callable[..., Output]) -> None:
    def define(answer: int) -> str:
        def body_one(item: Item) -> int:
            return 1

        def body_two(item: Item) -> int:
            return 0

        function = body_one if answer else body_two
        function.__qualname__ = "same_place"
        check("again")(function)
        return grader_digest("again", {})

    first = define(1)
    assert _scores("again", output(""))[0].value == 1.0
    assert define(0) != first
    assert _scores("again", output(""))[0].value == 0.0


def test_another_function_of_the_same_name_is_an_error_at_lookup() -> None:
    @check("twice")
    def one(item: Item) -> bool:
        return True

    @check("twice")
    def two(item: Item) -> bool:
        return False

    with pytest.raises(UsageError, match="registered 2 times"):
        grader_digest("twice", {})


def test_a_function_with_other_arguments_is_refused_at_registration() -> None:
    async def waits(item: Item) -> bool:
        return True

    functions: list[Any] = [lambda: True, lambda a, b, c: True, lambda item, *rest: True, waits]
    for function in functions:
        with pytest.raises(UsageError) as caught:
            check("bad")(function)
        assert caught.value.hint


def test_a_grader_that_breaks_its_own_declaration_gets_error_scores(
    output: Callable[..., Output], monkeypatch: pytest.MonkeyPatch
) -> None:
    grader = build_grader(GraderSpec(use="exact", name="m", params={"expected": "x"}))
    for answer in ((), (Score(metric="other", status="ok", value=1.0),)):
        monkeypatch.setattr(type(grader.grader), "grade", lambda self, item, output, answer=answer: answer)
        (score,) = grader.grade(ITEM, output("x"))
        assert (score.metric, score.status) == ("m", "error")


def test_a_condition_that_fails_is_an_error_score_not_an_exception(output: Callable[..., Output]) -> None:
    grader = build_grader(GraderSpec(use="exact", name="m", params={"expected": "x"}, when="inputs.nope == 1"))
    (score,) = grader.grade(ITEM, output("x"))
    assert score.status == "error"


def test_negate_keeps_no_stale_reason(output: Callable[..., Output]) -> None:
    grader = build_grader(GraderSpec(use="exact", name="m", params={"expected": "x"}, negate=True))
    (good,), (bad,) = grader.grade(ITEM, output("y")), grader.grade(ITEM, output("x"))
    assert (good.value, good.reason) == (1.0, None)
    assert bad.value == 0.0
    assert bad.reason
