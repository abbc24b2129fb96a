"""Templates render what they say, name what is missing, and cannot be used to stop or break anything."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.base.errors import UsageError
from evalkit.llm.prompt import (
    MAX_SOURCE,
    PROMPT_VARIABLES,
    compile_expression,
    compile_template,
    missing_fields,
    parse_messages,
    render_messages,
)
from evalkit.llm.wire import Message

VARIABLES: dict[str, Any] = {
    "id": "q1",
    "inputs": {"question": "why?", "n": 3, "items": [1, 2], "nothing": None, "nested": {"a": "b"}},
    "metadata": {},
    "tags": ["policy"],
    "expected": {"section": "4"},
    "cluster": None,
}


def render(source: str) -> str:
    return compile_template(source, "p.yaml:3", variables=PROMPT_VARIABLES).render(VARIABLES)


def refuse(source: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        render(source)
    assert caught.value.hint
    assert caught.value.where is not None
    assert caught.value.where.startswith("p.yaml:3")
    return caught.value


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("plain", "plain"),
        ("kept newline\n", "kept newline\n"),
        ("{{ inputs.question }} {{ inputs['n'] }} {{ inputs.nested.a }}", "why? 3 b"),
        ("{{ inputs.items }}", "[1, 2]"),
        ("{{ inputs.items[1] }}", "2"),
        ("{{ inputs.nested }}", '{"a": "b"}'),
        ("{{ inputs.question | upper }}", "WHY?"),
        ("{{ inputs.question.upper() }}", "WHY?"),
        ("{{ inputs.nothing or 'none given' }}", "none given"),
        ("{{ inputs.absent | default('none given') }}", "none given"),
        ("{% if inputs.absent is defined %}a{% else %}b{% endif %}", "b"),
        ("{% for x in inputs['items'] if x > 1 %}{{ loop.index }}={{ x }}{% endfor %}", "1=2"),
        ("{% for k, v in inputs.nested.items() %}{{ k }}:{{ v }}{% endfor %}", "a:b"),
        ("{{ range(3) | join(', ') }}", "0, 1, 2"),
        ("{{ {'a': [1, 'ü']} | tojson }}", '{"a": [1, "ü"]}'),
        ("{% set x = 2 * inputs.n %}{{ x }}", "6"),
        ("{% raw %}{{ kept }}{% endraw %}", "{{ kept }}"),
        ("<b>{{ '<i>' }}</b>", "<b><i></b>"),
    ],
)
def test_templates_render(source: str, text: str) -> None:
    assert render(source) == text


def test_what_is_inserted_is_not_rendered_again() -> None:
    template = compile_template("{{ inputs.q }}")
    assert template.render({"inputs": {"q": "{{ inputs.secret }}"}}) == "{{ inputs.secret }}"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
@settings(max_examples=200, deadline=None)
def test_the_fast_path_renders_as_jinja_does(value: Any) -> None:
    fast = compile_template("a{{ inputs.x }}b")
    slow = compile_template("a{% if true %}{{ inputs.x }}{% endif %}b")
    assert _outcome(fast, value) == _outcome(slow, value)


def _outcome(template: Any, value: Any) -> str:
    try:
        return str(template.render({"inputs": {"x": value}}))
    except UsageError:
        return "refused"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ inputs.qestion }}", "'inputs.qestion' is missing, did you mean 'question'"),
        ("{{ inputs.nested.a.b }}", "inputs.nested.a.b"),
        ("{{ inputs.nothing }}", "'inputs.nothing' is null"),
        ("{{ input.question }}", "did you mean 'inputs'"),
        ("{{ expected }}", "'expected'"),
        ("{% for x in inputs['items'] %}{{ x.y }}{% endfor %}", "has no attribute 'y'"),
        ("{{ inputs.question + 1 }}", "not allowed"),
        ("{{ 1 / 0 }}", "division"),
    ],
)
def test_a_value_that_cannot_be_rendered_is_named(source: str, words: str) -> None:
    assert words in refuse(source).message


def test_a_prompt_is_told_why_it_may_not_see_the_expected_answer() -> None:
    assert "kept out of prompts" in (refuse("{{ expected }}").hint or "")


@pytest.mark.parametrize(
    "source",
    [
        "{{ inputs.question",
        "{% if %}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
        "{% macro f() %}{% endmacro %}",
        "{% block b %}{% endblock %}",
        "{% filter upper %}x{% endfilter %}",
        "{% set a %}x{% endset %}",
        "{% for x in inputs.items recursive %}{% endfor %}",
        "{{ range(*[1]) }}",
        "{{ 'x' | center(9) }}",
        "{{ 'x' | format }}",
        "{{ 'x' | nope }}",
        "{{ self }}",
        "{{ _x }}",
        "{{" + "(" * 800 + "1" + ")" * 800 + "}}",
        "{{" + "-" * 500 + "1 }}",
        "{% for a in [1] %}" * 25 + "{% endfor %}" * 25,
        "x" * (MAX_SOURCE + 1),
    ],
    ids=lambda source: source[:30],
)
def test_what_is_outside_the_language_is_refused_when_compiled(source: str) -> None:
    with pytest.raises(UsageError):
        compile_template(source, "p.yaml")


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ inputs.__class__ }}",
        "{{ inputs['__class__'] }}",
        "{{ inputs.pop('question') }}",
        "{{ inputs.items.append(3) }}",
        "{{ inputs.nested.update({'a': 1}) }}",
        "{{ 'x'.format(1) }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ 'x'.encode() }}",
        "{{ ('x' | upper).__init__ }}",
        "{{ range.__init__ }}",
        "{{ [] | map(attribute='__class__') | list ~ [1] | map(attribute='__class__') | join }}",
        "{% for x in [1] %}{{ loop.__class__ }}{{ loop._iterable }}{% endfor %}",
        "{{ inputs.question() }}",
    ],
)
def test_nothing_of_python_can_be_reached(source: str) -> None:
    refuse(source)


DOUBLE = "{% set a = a ~ a %}"
STEPS = [f"{{% for {new} in [[{old}, {old}, {old}, {old}]] %}}" for old, new in pairwise("abcdefghijklmn")]
LAUGHS_BY_LOOP = "{% for a in [[1, 1]] %}" + "".join(STEPS) + "{{ n }}" + "{% endfor %}" * 14
TEN_THOUSAND = "{% for i in range(10000) %}"
BOMBS = {
    "nested loops": "{% for i in range(10000) %}{% for j in range(10000) %}{% endfor %}{% endfor %}",
    "long range": "{% for i in range(10**10) %}{% endfor %}",
    "loop over text": "{% set a = 'x' * 8000000 %}{% for c in a %}{% for d in a %}{% endfor %}{% endfor %}",
    "text times": "{{ 'a' * 10 ** 10 }}",
    "list times": "{{ [1] * 10 ** 10 }}",
    "power": "{{ 10 ** 10 ** 10 }}{{ 2 ** 4096 ** 4096 }}",
    "squares": "{% set a = 99999999 %}" + "{% set a = a * a %}" * 60 + "{{ a }}",
    "doubling by concatenation": "{% set a = 'x' %}" + DOUBLE * 60 + "{{ a }}",
    "doubling by addition": "{% set a = 'x' %}" + "{% set a = a + a %}" * 60 + "{{ a }}",
    "billion laughs": "{% set a = ['ha'] %}" + "{% set a = [a, a, a, a] %}" * 40 + "{{ a }}",
    "comparing laughs": "{% set a = [1] %}{% set b = [1] %}"
    + "{% set a = [a, a] %}{% set b = [b, b] %}" * 40
    + "{{ a == b }}",
    "laughs in objects": "{% set a = {'k': 1} %}" + "{% set a = {'x': a, 'y': a} %}" * 60 + "{{ a | tojson }}",
    "laughs by loop": LAUGHS_BY_LOOP,
    "replace": "{{ ('x' * 10000) | replace('x', 'y' * 10000) }}",
    "replace method": "{{ ('x' * 10000).replace('x', 'y' * 10000) }}",
    "join": "{{ range(10000) | list | join('x' * 10000) }}",
    "join method": "{{ ('x' * 10000).join(range(10000) | map('string')) }}",
    "indent": "{{ ('\\n' * 1000000) | indent(60) | indent(60) }}",
    "json indent": "{{ [1] | tojson(10 ** 9) }}",
    "format": "{{ '%1000000000d' % 1 }}",
    "ceiling": "{{ 1.5 | round(1000000000, 'ceil') }}",
    "long output": "{% set a = 'x' * 8000 %}{% for i in range(10000) %}{{ a }}{% endfor %}",
    "split": "{{ ('a ' * 4000000).split() | length }}",
    "membership in a loop": "{% set a = range(10000) | list %}" + TEN_THOUSAND + "{{ -1 in a }}{% endfor %}",
    "slices in a loop": "{% set a = 'x' * 8000000 %}{% for i in range(10000) %}{% set b = a[1:] %}{% endfor %}",
    "sorting in a loop": "{% for i in range(10000) %}{{ range(10000) | list | sort | sum }}{% endfor %}",
    "map of join": "{% set a = range(10000) | list %}{{ ([a] * 10000) | map('join') | list | length }}",
    "sum of lists": "{{ ([[1, 2, 3]] * 10000) | sum(start=[]) | length }}",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_ends_in_a_clear_error_within_a_second(name: str) -> None:
    began = time.thread_time()
    error = refuse(BOMBS[name])
    assert time.thread_time() - began < 1.0
    assert error.message.startswith("template")


def test_a_rendering_is_not_charged_for_earlier_ones() -> None:
    template = compile_template("{% for i in range(9000) %}{{ i }}{% endfor %}")
    for _ in range(30):
        assert template.render({}).startswith("012")


def test_missing_fields_names_what_every_rendering_needs() -> None:
    source = (
        "{{ inputs.a }}{{ inputs.question }}{{ inputs.nothing }}{% if inputs.b %}{{ inputs.c }}{% endif %}"
        "{{ inputs.d | default(1) }}{% for x in inputs.e %}{{ x.f }}{{ inputs.g }}{% endfor %}"
        "{% set q = inputs.h %}{{ q.z }}{{ inputs.i.k.upper() }}{{ inputs.j or inputs.k }}{{ inputs.l is defined }}"
    )
    template = compile_template(source)
    found = missing_fields(template, VARIABLES)
    assert found == ("inputs.a", "inputs.nothing", "inputs.b", "inputs.e", "inputs.h", "inputs.i.k", "inputs.j")


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("'policy' in tags", True),
        ("inputs.n > 2 and expected.section == '4'", True),
        ("cluster is none", True),
        ("metadata.lang is defined and metadata.lang == 'de'", False),
        ("tags | length", 1),
        ("[1, 2][0]", 1),
    ],
)
def test_expressions_evaluate(source: str, value: object) -> None:
    expression = compile_expression(source, "s.yaml:3")
    assert expression.evaluate(VARIABLES) == value
    assert expression.holds(VARIABLES) is bool(value)


@pytest.mark.parametrize(
    "source",
    [
        "metadata.lang == 'de'",
        "inputs.n > 'a'",
        "output == 1",
        "tags |",
        "a b",
        "",
        "x = 1",
        "range(10**9) | sum",
        "{{ 1 }}",
    ],
)
def test_expressions_that_cannot_be_evaluated_say_where(source: str) -> None:
    with pytest.raises(UsageError) as caught:
        compile_expression(source, "s.yaml:3").evaluate(VARIABLES)
    assert caught.value.where == "s.yaml:3"


def test_messages_are_rendered_and_the_conversation_appended_as_it_is() -> None:
    templates = [("system", compile_template("Be brief.")), ("user", compile_template("{{ inputs.question }}"))]
    tail = Message(role="assistant", content="{{ 1 }}")
    messages = render_messages(templates, VARIABLES, append=[tail])  # type: ignore[arg-type]
    assert [(message.role, message.content) for message in messages] == [
        ("system", "Be brief."),
        ("user", "why?"),
        ("assistant", "{{ 1 }}"),
    ]


def test_a_conversation_is_read_from_an_item() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    raw = [
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "r"},
    ]
    messages = parse_messages(raw)
    assert messages[0].text() == "hi"
    assert messages[1].tool_calls[0].name == "f"
    assert messages[2].tool_call_id == "1"


@pytest.mark.parametrize(
    "raw",
    [None, [], {}, "x", [1], [{"role": "robot", "content": "x"}], [{"role": "user", "content": 3}], [{"content": "x"}],
     [{"role": "user", "tool_calls": [3]}], [{"role": "user", "tool_calls": [{}]}], [{"role": "user", "text": "x"}]],
    ids=repr,
)  # fmt: skip
def test_what_is_no_conversation_is_refused(raw: object) -> None:
    with pytest.raises(UsageError, match="messages"):
        parse_messages(raw, "d.jsonl:7")
