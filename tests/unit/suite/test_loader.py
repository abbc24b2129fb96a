from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.base.errors import UsageError
from evalkit.base.serial import FileError
from evalkit.core.suite import MetricRule, Policy, Suite
from evalkit.settings import Settings, load_settings
from evalkit.suite.files import PolicyFile, RuleFile
from evalkit.suite.loader import load_suite

Load = Callable[[str], Suite]

HEAD = """\
dataset: {path: questions.jsonl}
candidates:
  - {model: openai/gpt-5-mini, prompt: prompts/answer.yaml}
"""
GRADERS = """\
graders:
  - {use: contains_all, values: ["{{ expected.section }}"]}
"""
RULES = HEAD + GRADERS + "policy:\n  rules:\n"


def test_the_smallest_suite_is_filled_in_and_says_how(project: Path, settings: Settings, catalog: Any) -> None:
    suite = load_suite("suites/qa.yaml", settings=settings, catalog=catalog)
    assert (suite.name, suite.baseline, suite.trials, suite.seed) == ("qa", "stored", 1, 20261123)
    assert [candidate.name for candidate in suite.candidates] == ["answer"]
    assert suite.policy.rules == (MetricRule(metric="contains_all", rule="no_regression", margin=0.05),)
    assert [item.id for item in suite.items] == ["q1", "q2"]
    assert suite.items[0].inputs == {"question": "How long?"}
    assert suite.path == str(project / "suites/qa.yaml")
    said = "\n".join(suite.defaults)
    for word in (
        "suite 'qa'",
        "candidate 'answer'",
        "margin 0.05 on contains_all",
        "baseline",
        "trials: 1",
        "seed: 20261123",
    ):
        assert word in said


def test_the_full_suite_of_the_design_loads(load: Load) -> None:
    suite = load("""\
# yaml-language-server: $schema=./schema/suite.json
description: The support assistant's answers to refund-policy questions.
dataset: {path: questions.jsonl}
candidates:
  - {name: current, model: local/extract-1, prompt: suites/prompts/answer.yaml}
  - {name: next,    model: local/extract-1, prompt: prompts/answer.yaml, temperature: 0, max_output_tokens: 400}
baseline: stored
trials: 2
seed: 7
graders:
  - {use: json_schema, schema: schemas/answer.json}
  - {use: contains_all, name: cites_section, values: ["{{ expected.section }}"], when: "'policy' in tags"}
  - {use: contains_any, name: correct, values: "{{ expected.section }}", negate: true, weight: 2}
  - {use: length}
policy:
  alpha: 0.05
  power: 0.8
  design: fixed
  on_inconclusive: warn
  max_error_rate: 0.01
  judges: {uncalibrated: advisory}
  rules:
    - {metric: correct,       rule: no_regression}
    - {metric: json_schema,   rule: no_regression, margin: 0.03}
    - {metric: cites_section, rule: improve, gate: false}
    - {metric: cost_usd,      rule: no_regression, max_ratio: 1.10}
    - {metric: latency_s.p95, rule: at_most, bound: 8.0}
    - {metric: json_schema,   rule: none_may_fail}
    - {metric: length.p50,    rule: observed_at_most, bound: 300}
""")
    assert [candidate.temperature for candidate in suite.candidates] == [None, 0.0]
    assert suite.candidates[0].prompt == suite.candidates[1].prompt
    assert suite.candidates[0].prompt is not None
    assert suite.candidates[0].prompt.source == "suites/prompts/answer.yaml"
    assert suite.policy.rules[0].margin == 0.05
    assert [rule.id for rule in suite.policy.rules][:2] == ["correct:no_regression", "json_schema:no_regression"]
    assert suite.policy.rules[4].where == "suites/qa.yaml:27:7"
    assert suite.graders[1].when == "'policy' in tags"
    assert (suite.graders[2].negate, suite.graders[2].weight) == (True, 2.0)
    assert suite.graders[0].where == "suites/qa.yaml:11:5"
    assert "rule no_regression on correct: margin 0.05" in suite.defaults


def test_a_file_parameter_becomes_absolute_and_its_content_is_the_digest(load: Load, project: Path) -> None:
    text = HEAD + "graders:\n  - {use: json_schema, schema: schemas/answer.json}\n"
    first = load(text).graders[0]
    assert first.params == {"schema": str(project / "suites/schemas/answer.json")}
    (project / "suites/schemas/other.json").write_bytes((project / "suites/schemas/answer.json").read_bytes())
    assert load(text.replace("answer.json", "other.json")).graders[0].digest == first.digest
    (project / "suites/schemas/answer.json").write_text('{"type": "array"}')
    assert load(text).graders[0].digest != first.digest


def test_a_suite_has_the_same_digests_in_every_folder(
    load: Load, catalog: Any, project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first = load(HEAD + "graders:\n  - {use: json_schema, schema: schemas/answer.json}\n")
    copy = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(project, copy)
    second = load_suite(copy / "suites/qa.yaml", settings=load_settings(copy, environ={}), catalog=catalog)
    assert (second.digest, second.candidates[0].digest) == (first.digest, first.candidates[0].digest)


def test_candidates_without_names_are_told_apart(load: Load) -> None:
    suite = load(
        """\
dataset: {path: questions.jsonl}
candidates:
  - {model: openai/gpt-5-mini, prompt: prompts/answer.yaml}
  - {model: openai/gpt-5, prompt: prompts/answer.yaml}
  - {model: openai/some org/model:1}
  - {name: answer-2, model: openai/gpt-5}
""".replace("some org", "org")
        + GRADERS
    )
    assert [candidate.name for candidate in suite.candidates] == ["answer", "answer-3", "model-1", "answer-2"]


def test_without_rules_only_rates_where_higher_is_better_get_one(load: Load) -> None:
    suite = load(HEAD + GRADERS + "  - {use: length}\n  - {use: score}\n")
    assert [rule.metric for rule in suite.policy.rules] == ["contains_all"]
    assert "no rule on length, score: measured and reported only" in suite.defaults


def test_an_empty_list_of_rules_means_none(load: Load) -> None:
    assert load(HEAD + GRADERS + "policy: {rules: []}\n").policy.rules == ()


def test_a_response_schema_may_be_a_file_or_written_out(load: Load) -> None:
    text = HEAD.replace("prompts/answer.yaml}", "prompts/answer.yaml, response_schema: %s}") + GRADERS
    assert load(text % "schemas/answer.json").candidates[0].response_schema == {"type": "object"}
    assert load(text % "{type: object}").candidates[0].response_schema == {"type": "object"}


def test_items_that_when_leaves_out_need_not_have_the_field(load: Load, project: Path) -> None:
    (project / "suites/questions.jsonl").write_text(
        '{"id": "a", "question": "?", "expected": {"section": "1"}, "tags": ["policy"]}\n'
        '{"id": "b", "question": "?", "expected": {}}\n'
        '{"id": "c", "question": "?"}\n'
    )
    load(HEAD + GRADERS.replace("]}", "], when: \"'policy' in tags\"}"))
    with pytest.raises(UsageError, match=r"missing in 1 of 3 items: b \(suites/questions.jsonl:2\)"):
        load(HEAD + GRADERS)


def test_a_null_field_is_the_graders_business_but_not_the_prompts(load: Load, project: Path) -> None:
    items = project / "suites/questions.jsonl"
    items.write_text('{"id": "a", "question": "?", "expected": {"section": null}}\n')
    load(HEAD + GRADERS)
    items.write_text('{"id": "a", "inputs": {"question": null, "x": 1}, "expected": {"section": "1"}}\n')
    with pytest.raises(UsageError, match=r"needs 'inputs.question'.*missing in 1 of 1 items"):
        load(HEAD + GRADERS)


def test_a_suite_outside_its_project_is_refused(
    settings: Settings, catalog: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other") / "qa.yaml"
    other.write_text(HEAD + GRADERS)
    with pytest.raises(UsageError, match="lies outside the project"):
        load_suite(other, settings=settings, catalog=catalog)


def test_the_file_models_have_the_fields_of_the_core() -> None:
    assert set(PolicyFile.model_fields) == set(Policy.model_fields)
    assert set(RuleFile.model_fields) == set(MetricRule.model_fields) - {"where"}
    for name, field in PolicyFile.model_fields.items():
        if name not in {"rules", "judges"}:
            assert field.default == Policy.model_fields[name].default, name


MALFORMED = [
    # text of the suite, place, message
    ("candidates: []\n", "suites/qa.yaml:1", "field 'dataset' is missing"),
    (HEAD + "graders: []\n", "suites/qa.yaml:4:10", "needs at least 1, has 0"),
    (HEAD, "suites/qa.yaml:1", "field 'graders' is missing"),
    ("- a\n", "suites/qa.yaml:1:1", "must be a mapping of fields"),
    ("just text\n", "suites/qa.yaml:1:1", "must be a mapping of fields"),
    (HEAD + GRADERS + "trails: 2\n", "suites/qa.yaml:6:1", "unknown field 'trails', did you mean 'trials'?"),
    (HEAD + GRADERS + "trials: 0\n", "suites/qa.yaml:6:9", "greater than or equal to 1"),
    (HEAD + GRADERS + "trials: '2'\n", "suites/qa.yaml:6:9", "valid integer"),
    (HEAD + GRADERS + "seed: -1\n", "suites/qa.yaml:6:7", "greater than or equal to 0"),
    (HEAD + GRADERS + "baseline: curent\n", "suites/qa.yaml:6:11", "neither 'stored' nor a candidate"),
    (HEAD + GRADERS + "baseline: answer\n", "suites/qa.yaml:6:11", "is the only candidate"),
    (HEAD + GRADERS + "policy: {design: sequential}\n", "suites/qa.yaml:6:18", "not decided by this version"),
    (HEAD.replace("questions.jsonl", "question.jsonl") + GRADERS, "suites/qa.yaml:1", "there is no file"),
    (HEAD.replace("path: questions.jsonl", "path: questions.jsonl, version: '1'") + GRADERS,
     "suites/qa.yaml:1:10", "no `version`"),
    (HEAD.replace("path: questions.jsonl", "name: support") + GRADERS, "suites/qa.yaml:1:10", "needs a `version`"),
    (HEAD.replace("path: questions.jsonl", "name: s, version: 1.0") + GRADERS, "suites/qa.yaml:1:29", "valid string"),
    (HEAD.replace("path: questions.jsonl", "name: s, version: '1'") + GRADERS,
     "suites/qa.yaml:1:17", "there is no dataset 's'"),
    (HEAD.replace("{path: questions.jsonl}", "{}") + GRADERS,
     "suites/qa.yaml:1:10", "give `name` with `version`, or `path`"),
    (HEAD.replace("questions.jsonl", "../../../etc/passwd") + GRADERS, "suites/qa.yaml:1:17", "outside the project"),
    (HEAD.replace("openai/", "") + GRADERS, "suites/qa.yaml:3:13", "is not of the form"),
    (HEAD.replace("openai/", "opnai/") + GRADERS, "suites/qa.yaml:3:13", "unknown provider 'opnai'"),
    (HEAD.replace("prompts/answer.yaml", "prompts/anwser.yaml") + GRADERS, "suites/qa.yaml:3:40", "there is no file"),
    (HEAD.replace("prompts/answer.yaml", "/etc/passwd") + GRADERS, "suites/qa.yaml:3:40", "absolute path"),
    (HEAD.replace("prompts/answer.yaml", "../../outside.yaml") + GRADERS,
     "suites/qa.yaml:3:40", "outside the project"),
    (HEAD.replace("prompts/answer.yaml", "https://x.example/p.yaml") + GRADERS,
     "suites/qa.yaml:3:40", "is an address"),
    (HEAD.replace("prompts/answer.yaml", "prompts") + GRADERS, "suites/qa.yaml:3:40", "not a regular file"),
    (HEAD.replace("prompts/answer.yaml", '"git:--output=x:p.yaml"') + GRADERS,
     "suites/qa.yaml:3:40", "is not git:REF:path"),
    (HEAD.replace("prompts/answer.yaml", '"git:HEAD:../p.yaml"') + GRADERS,
     "suites/qa.yaml:3:40", "leaves the project"),
    (HEAD.replace("prompts/answer.yaml", '"git:HEAD:p.yaml"') + GRADERS,
     "suites/qa.yaml:3:40", "git knows no commit"),
    (HEAD.replace("model:", "temperature: 3, model:") + GRADERS, "suites/qa.yaml:3:19", "less than or equal to 2"),
    (HEAD.replace("model:", "temprature: 1, model:") + GRADERS, "suites/qa.yaml:3:6", "did you mean 'temperature'?"),
    (HEAD.replace("model:", "name: stored, model:") + GRADERS,
     "suites/qa.yaml:3:12", "stands for the stored baseline"),
    (HEAD.replace("model:", "name: a b, model:") + GRADERS, "suites/qa.yaml:3:12", "is not of the form"),
    (HEAD + "  - {name: x, model: openai/a}\n  - {name: x, model: openai/b}\n" + GRADERS,
     "suites/qa.yaml:5:12", "already"),
    (HEAD + "graders:\n  - {use: contain, values: [a]}\n", "suites/qa.yaml:5:11", "did you mean 'contains_a"),
    (HEAD + "graders:\n  - {values: [a]}\n", "suites/qa.yaml:5:5", "field 'use' is missing"),
    (HEAD + "graders:\n  - {use: contains_any, vals: [a]}\n", "suites/qa.yaml:5:25", "did you mean 'values'?"),
    (HEAD + "graders:\n  - {use: contains_any, values: [a, 1]}\n", "suites/qa.yaml:5:37", "valid string"),
    (HEAD + "graders:\n  - {use: contains_any}\n", "suites/qa.yaml:5:5", "field 'values' is missing"),
    (HEAD + "graders:\n  - {use: length, limit: 13}\n", "suites/qa.yaml:5:5", "13 is no limit"),
    (HEAD + "graders:\n  - {use: length, negate: yes}\n", "suites/qa.yaml:5:27", "valid boolean"),
    (HEAD + "graders:\n  - {use: length, weight: 0}\n", "suites/qa.yaml:5:27", "greater than 0"),
    (HEAD + "graders:\n  - {use: length, name: latency_s}\n", "suites/qa.yaml:5:5", "is built in"),
    (HEAD + "graders:\n  - {use: length, name: a.p95}\n", "suites/qa.yaml:5:25", "is not of the form"),
    (HEAD + "graders:\n  - {use: length}\n  - {use: length}\n",
     "suites/qa.yaml:6:5", "comes from graders[0] already"),
    (HEAD + "graders:\n  - {use: length, when: \"tag == 'x'\"}\n", "suites/qa.yaml:5:25", "refers to 'tag'"),
    (HEAD + "graders:\n  - {use: length, when: \"'x' in\"}\n", "suites/qa.yaml:5:25", "template:"),
    (HEAD + "graders:\n  - {use: length, when: \"inputs.nope == 1\"}\n",
     "suites/qa.yaml:5:25", "in item 'q1' (suites/questions.jsonl:1)"),
    (HEAD + "graders:\n  - {use: contains_any, values: [\"{{ expected.sektion }}\"]}\n",
     "suites/qa.yaml:5:34", "did you mean 'expected.section'?"),
    (HEAD + "graders:\n  - {use: contains_any, values: [\"{{ expected.section \"]}\n",
     "suites/qa.yaml:5:34", "template"),
    (HEAD + "graders:\n  - {use: contains_any, values: [\"{{ output }}\"]}\n",
     "suites/qa.yaml:5:34", "refers to 'output'"),
    (HEAD + "graders:\n  - {use: json_schema, schema: schemas/none.json}\n",
     "suites/qa.yaml:5:32", "there is no file"),
    (HEAD + "graders:\n  - {use: json_schema, schema: ../../x.json}\n", "suites/qa.yaml:5:32", "outside the project"),
    (RULES + "    - {metric: contains_al, rule: improve}\n",
     "suites/qa.yaml:8:16", "did you mean 'contains_all'?"),
    (RULES + "    - {metric: latency_s.p42, rule: at_most, bound: 1}\n",
     "suites/qa.yaml:8:16", "'p42' is not a quantile"),
    (RULES + "    - {metric: contains_all.p95, rule: at_most, bound: 1}\n",
     "suites/qa.yaml:8:16", "quantiles say nothing"),
    (RULES + "    - {metric: contains_all, rule: at_least}\n",
     "suites/qa.yaml:8:7", "needs `bound`"),
    (RULES + "    - {metric: contains_all, rule: at_least, bound: 90}\n",
     "suites/qa.yaml:8:53", "90 is no bound"),
    (RULES + "    - {metric: cost_usd, rule: no_regression}\n",
     "suites/qa.yaml:8:7", "needs `max_ratio`"),
    (RULES + "    - {metric: contains_all, rule: no_regression, margin: 5}\n",
     "suites/qa.yaml:8:59", "allows any loss"),
    (RULES + "    - {metric: contains_all, rule: no_regression, margin: 0.1, max_ratio: 1.1}\n",
     "suites/qa.yaml:8:7", "not both"),
    (RULES + "    - {metric: cost_usd, rule: none_may_fail}\n",
     "suites/qa.yaml:8:32", "counts passes and failures"),
    (RULES + "    - {metric: cost_usd, rule: no_regresion}\n",
     "suites/qa.yaml:8:32", "did you mean 'no_regression'?"),
    (RULES + "    - &r {metric: contains_all, rule: improve}\n    - *r\n",
     "suites/qa.yaml:9:7", "policy.rules[0] already"),
    (HEAD + GRADERS + "policy: {on_inconclusive: extend}\n", "suites/qa.yaml:6:9", "needs `design: sequential`"),
    (HEAD + GRADERS + "policy: {alpha: 0.9}\n", "suites/qa.yaml:6:17", "less than 0.5"),
    (HEAD + GRADERS + "policy: {judges: {uncalibrated: ignore}}\n", "suites/qa.yaml:6:33", "is not one of"),
    (RULES + "    - {metric: cost_usd, rule: at_most, bound: 1, better: higher}\n",
     "suites/qa.yaml:8:59", "is known"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "where", "message"), MALFORMED, ids=[str(n) for n in range(len(MALFORMED))])
def test_every_malformed_suite_is_refused_with_file_line_and_a_hint(
    load: Load, text: str, where: str, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load(text)
    assert isinstance(caught.value, FileError)
    matching = [problem for problem in caught.value.problems if message in problem.message]
    assert matching, caught.value.message
    assert matching[0].where.startswith(where), matching[0].where
    assert caught.value.hint


def test_everything_wrong_in_a_suite_is_said_at_once(load: Load) -> None:
    with pytest.raises(UsageError) as caught:
        load("""\
dataset: {path: questions.jsonl}
candidates:
  - {model: opnai/gpt-5-mini, prompt: prompts/anwser.yaml}
graders:
  - {use: contain, values: [a]}
  - {use: contains_any, values: ["{{ expected.sektion }}"]}
policy:
  rules:
    - {metric: contain, rule: improve}
    - {metric: nothing, rule: improve}
""")
    lines = [line for line in caught.value.message.splitlines() if line.startswith("suites/")]
    assert [line.split(" ")[0].split(":")[1] for line in lines] == ["3", "3", "5", "6", "10"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("none.json", None, "there is no file"),
        ("list.json", "[]", "holds no JSON Schema"),
        ("bad.json", '{"a": 1, "a": 2}', "given twice"),
        ("bad.yaml", "a: [", "not valid YAML"),
    ],
)
def test_a_response_schema_that_is_none_is_refused(
    load: Load, project: Path, name: str, text: str | None, message: str
) -> None:
    if text is not None:
        (project / "suites" / name).write_text(text)
    with pytest.raises(UsageError, match=message):
        load(HEAD.replace("prompts/answer.yaml}", f"prompts/answer.yaml, response_schema: {name}}}") + GRADERS)


def test_no_regression_without_a_scale_of_its_own_needs_a_margin(load: Load) -> None:
    graders = "graders:\n  - {use: score}\npolicy:\n  rules:\n    - {metric: score, rule: no_regression%s}\n"
    with pytest.raises(UsageError, match=r"suites/qa.yaml:8:7 .*needs a `margin`"):
        load(HEAD + graders % ", max_ratio: 1.1")
    assert load(HEAD + graders % ", margin: 3").policy.rules[0].margin == 3


def test_a_template_that_fails_for_an_item_under_when_is_not_that_items_business(load: Load, project: Path) -> None:
    (project / "suites/questions.jsonl").write_text(
        '{"id": "a", "question": "?", "expected": {"section": {"n": null}}}\n'
        '{"id": "b", "question": "?", "expected": 1}\n'
    )
    load(HEAD + "graders:\n  - {use: contains_any, values: ['{{ expected.section.n }}'], when: \"id == 'a'\"}\n")
    with pytest.raises(UsageError, match=r"missing in 1 of 2 items: b"):
        load(HEAD + "graders:\n  - {use: contains_any, values: ['{{ expected.section.n }}']}\n")
