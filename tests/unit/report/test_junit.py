from __future__ import annotations

from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

import pytest

from evalkit.core.verdict import Verdict
from evalkit.report.junit import junit_xml, write_junit

CASE_CHILDREN = {"skipped", "error", "failure", "system-out", "system-err"}
SUITE_CHILDREN = ("properties", "testcase", "system-out", "system-err")


def parsed(*verdicts: Verdict) -> ET.Element:
    return ET.fromstring(junit_xml(verdicts))


def with_outcomes(verdict: Verdict, *outcomes: str, whole: str, on_inconclusive: str = "warn") -> Verdict:
    findings = tuple(
        finding.model_copy(update={"outcome": outcome})
        for finding, outcome in zip(verdict.findings, outcomes, strict=True)
    )
    policy = verdict.policy.model_copy(update={"on_inconclusive": on_inconclusive})
    return verdict.model_copy(update={"findings": findings, "outcome": whole, "policy": policy})


def tags_of(verdict: Verdict) -> dict[str, list[str]]:
    return {
        case.get("name", ""): [child.tag for child in case if child.tag != "system-out"]
        for case in parsed(verdict).iter("testcase")
    }


def test_each_rule_is_one_case_and_a_failed_rule_a_failure(verdict: Verdict) -> None:
    assert tags_of(verdict) == {"correct:no_regression": [], "json_schema:no_regression": ["failure"]}
    failure = next(parsed(verdict).iter("failure"))
    assert failure.get("message") == "json_schema: json_schema fell 6.7 points: 20 worse, 0 better"
    assert "q017 q044" in (failure.text or "")


@pytest.mark.parametrize(("policy", "tag"), [("warn", "skipped"), ("fail", "failure"), ("extend", "failure")])
def test_inconclusive_is_skipped_only_where_the_policy_warns(
    verdict: Verdict, policy: str, tag: Literal["skipped", "failure"]
) -> None:
    shown = with_outcomes(verdict, "pass", "inconclusive", whole="inconclusive", on_inconclusive=policy)
    assert tags_of(shown)["json_schema:no_regression"] == [tag]
    assert parsed(shown).get("failures") == ("0" if tag == "skipped" else "1")


def test_an_error_without_a_rule_gets_a_case_of_its_own(verdict: Verdict) -> None:
    shown = with_outcomes(verdict, "pass", "pass", whole="error")
    assert tags_of(shown)["verdict"] == ["error"]
    assert parsed(shown).get("errors") == "1"


def test_a_restricted_run_is_never_green(verdict: Verdict) -> None:
    shown = with_outcomes(verdict, "pass", "pass", whole="inconclusive", on_inconclusive="fail")
    assert tags_of(shown)["verdict"] == ["failure"]


def test_a_rule_that_decides_nothing_is_no_failure(verdict: Verdict) -> None:
    finding = verdict.findings[1].model_copy(update={"decides": False})
    shown = verdict.model_copy(update={"outcome": "pass", "findings": (verdict.findings[0], finding)})
    assert tags_of(shown)["json_schema:no_regression"] == ["skipped"]
    assert parsed(shown).get("failures") == "0"


def test_figures_are_properties(verdict: Verdict) -> None:
    properties = {node.get("name"): node.get("value") for node in parsed(verdict).iter("property")}
    assert properties["outcome"] == "fail"
    assert properties["json_schema:no_regression.effect"] == "-0.0667"
    assert properties["json_schema:no_regression.p_fail_adjusted"] == "1.9e-06"


def test_counts_add_up_over_suites_and_times_are_there(verdict: Verdict, tmp_path: Path) -> None:
    write_junit(tmp_path / "out" / "junit.xml", [verdict, verdict])
    root = ET.parse(tmp_path / "out" / "junit.xml").getroot()
    assert (root.get("tests"), root.get("failures")) == ("4", "2")
    assert root[0].get("timestamp") == "2026-11-23T14:15:30"
    assert root[0].get("time") == "212.000"


def test_xml_stays_valid_and_in_the_schema_whatever_the_text(hostile_verdict: Verdict) -> None:
    root = parsed(hostile_verdict)
    assert root.tag == "testsuites"
    for suite in root:
        order = [SUITE_CHILDREN.index(child.tag) for child in suite]
        assert order == sorted(order)
        cases = suite.findall("testcase")
        assert suite.get("tests") == str(len(cases))
        assert suite.get("name")
        for case in cases:
            assert case.get("name")
            assert case.get("classname")
            assert {child.tag for child in case} <= CASE_CHILDREN
            assert sum(child.tag in {"skipped", "error", "failure"} for child in case) <= 1
