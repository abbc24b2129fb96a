from __future__ import annotations

from typing import Any

import pytest

from evalkit.base.errors import UsageError
from evalkit.core.item import Item
from evalkit.graders.check import NoScore
from evalkit.graders.templates import ItemText, ItemTexts, ItemValue, compile_condition

ITEM = Item(
    id="q1",
    inputs={"order": 7, "name": "Ana", "null": None},
    expected={"section": "§ 4", "accept": ["a", "b"], "items": 3, "n": 2.5, "flag": True, "deep": {"x": [1]}},
    tags=("policy", "de"),
    metadata={"lang": "de"},
)
BARE = Item(id="q2", inputs={"order": 7})


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("plain", "plain"),
        ("{{ expected.section }}", "§ 4"),
        ("{{ expected.accept }}", ["a", "b"]),
        ("  {{ expected.accept }} ", ["a", "b"]),
        ("{{ expected.items }}", 3),
        ("{{ expected.accept[1] }}", "b"),
        ("{{ expected.n * 2 }}", 5.0),
        ("{{ inputs.name | upper }}", "ANA"),
        ("no. {{ inputs.order }} in {{ expected.section }}", "no. 7 in § 4"),
        ("{{ inputs.order }}{{ id }}", "7q1"),
        ({"a": ["{{ id }}", 1], "b": None}, {"a": ["q1", 1], "b": None}),
        (["x", 1], ["x", 1]),
        (4.5, 4.5),
    ],
)
def test_one_expression_yields_its_value_and_other_templates_text(source: Any, value: Any) -> None:
    assert ItemValue(source)(ITEM) == value


def test_what_holds_no_template_is_constant() -> None:
    assert ItemValue({"a": ["x"]}).constant
    assert not ItemValue({"a": ["{{ id }}"]}).constant


@pytest.mark.parametrize("source", ["{{ expected }}", "{{ expected.section }}", "x {{ expected.section }}"])
def test_an_item_without_expected_is_skipped(source: str) -> None:
    with pytest.raises(NoScore, match="no expected answer") as caught:
        ItemValue(source)(BARE)
    assert caught.value.status == "skipped"


@pytest.mark.parametrize(
    "source", ["{{ expected.sction }}", "{{ expected.section.x }}", "x {{ inputs.nope }}", "{{ inputs.null + 1 }}"]
)
def test_a_missing_field_is_an_error_that_names_the_parameter(source: str) -> None:
    with pytest.raises(NoScore, match="parameter") as caught:
        ItemValue(source)(ITEM)
    assert caught.value.status == "error"


@pytest.mark.parametrize("source", ["{{ output }}", "{{ item.id }}", "a {{ answer }}", "{{ ", "{{ id | nofilter }}"])
def test_an_unknown_name_or_bad_syntax_is_refused_at_load(source: str) -> None:
    with pytest.raises(UsageError) as caught:
        ItemValue(source)
    assert caught.value.hint


def test_text_is_written_and_other_kinds_are_refused() -> None:
    assert ItemText("{{ inputs.order }}")(ITEM) == "7"
    assert ItemText("{{ expected.n }}")(ITEM) == "2.5"
    for source in ("{{ expected.accept }}", "{{ expected.deep }}", "{{ inputs.null }}"):
        with pytest.raises(NoScore, match="where text is needed"):
            ItemText(source)(ITEM)


def test_texts_splice_lists() -> None:
    assert ItemTexts("{{ expected.accept }}")(ITEM) == ("a", "b")
    assert ItemTexts(["x", "{{ expected.accept }}", "{{ inputs.order }}"])(ITEM) == ("x", "a", "b", "7")
    assert ItemTexts(["x", "y"]).constant == ("x", "y")


def test_empty_texts_are_refused_because_they_match_everything() -> None:
    for source in ("", [], ["a", ""]):
        with pytest.raises(UsageError, match="matches every output"):
            ItemTexts(source)
    with pytest.raises(NoScore, match="empty for this item"):
        ItemTexts(["{{ metadata.none }}"])(Item(id="a", inputs={}, metadata={"none": []}))
    assert ItemTexts("", allow_empty=True)(ITEM) == ("",)


def test_a_condition_sees_the_item_and_nothing_else() -> None:
    assert compile_condition("'policy' in tags and inputs.order > 3")(ITEM)
    assert not compile_condition("metadata.lang == 'en'")(ITEM)
    with pytest.raises(UsageError):
        compile_condition("output.text == ''")
