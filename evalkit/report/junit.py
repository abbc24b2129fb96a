"""Verdicts as JUnit XML: one test case a rule.

A failed rule is a ``<failure>``, a lost run an ``<error>``, an inconclusive rule ``<skipped>`` where the policy warns
and a ``<failure>`` where it does not. Figures are properties of the test suite, where every reader expects them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from evalkit.base.files import atomic_write
from evalkit.core.verdict import Finding, Outcome, Verdict
from evalkit.report.figures import arm_figure, change_text, interval_text
from evalkit.report.safe_text import one_line, visible
from evalkit.report.statements import headline, statements

__all__ = ["junit_xml", "write_junit"]


def write_junit(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Write the JUnit file of one or several verdicts; an existing one is replaced as a whole."""
    with atomic_write(path) as file:
        file.write(junit_xml(verdicts))


def junit_xml(verdicts: Sequence[Verdict]) -> bytes:
    """Return JUnit XML in UTF-8; valid whatever the texts hold."""
    root = ET.Element("testsuites", name="evalkit")
    suites = [_suite(verdict) for verdict in verdicts]
    root.extend(suites)
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in suites)))
    ET.indent(root)
    xml: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return xml + b"\n"


def _suite(verdict: Verdict) -> ET.Element:
    suite = ET.Element("testsuite", name=_attribute(verdict.suite))
    cases = [_case(verdict, finding) for finding in verdict.findings]
    if not any(finding.decides and finding.outcome == verdict.outcome for finding in verdict.findings):
        cases.append(_whole(verdict))
    suite.set("tests", str(len(cases)))
    for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(sum(case.find(tag) is not None for case in cases)))
    _set_times(suite, verdict)
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(verdict):
        ET.SubElement(properties, "property", name=_attribute(name), value=_attribute(value))
    suite.extend(cases)
    return suite


def _set_times(suite: ET.Element, verdict: Verdict) -> None:
    manifest = verdict.comparison.candidate
    started = _moment(manifest.started_at)
    finished = _moment(manifest.finished_at)
    if started is not None:
        suite.set("timestamp", started.strftime("%Y-%m-%dT%H:%M:%S"))
    if started is not None and finished is not None:
        suite.set("time", f"{max((finished - started).total_seconds(), 0.0):.3f}")


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


def _case(verdict: Verdict, finding: Finding) -> ET.Element:
    case = _new_case(verdict, finding.rule.id)
    message = f"{finding.rule.metric}: {finding.reason}" if finding.reason else finding.rule.id
    text = _details(finding)
    if finding.decides:
        _mark(case, verdict, finding.outcome, message, text)
    elif finding.outcome != "pass":
        ET.SubElement(case, "skipped", message=_attribute(f"decides nothing, {finding.outcome}: {message}"))
    if case.find("failure") is None and case.find("error") is None:
        ET.SubElement(case, "system-out").text = visible(text)
    return case


def _new_case(verdict: Verdict, name: str) -> ET.Element:
    return ET.Element("testcase", name=_attribute(name), classname=_attribute(f"evalkit.{verdict.suite}"))


def _mark(case: ET.Element, verdict: Verdict, outcome: Outcome, message: str, text: str) -> None:
    if outcome == "pass":
        return
    if outcome == "inconclusive" and verdict.policy.on_inconclusive == "warn":
        ET.SubElement(case, "skipped", message=_attribute(f"inconclusive: {message}"))
        return
    tag = "error" if outcome == "error" else "failure"
    ET.SubElement(case, tag, message=_attribute(message), type=outcome).text = visible(text)


def _whole(verdict: Verdict) -> ET.Element:
    """Return a case for an outcome that no single rule stands for, such as too many lost outputs."""
    case = _new_case(verdict, "verdict")
    text = "\n".join([headline(verdict), *(statement.text for statement in statements(verdict))])
    _mark(case, verdict, verdict.outcome, headline(verdict), text)
    return case


def _details(finding: Finding) -> str:
    comparison = finding.comparison
    lines = [
        f"baseline  {arm_figure(comparison, comparison.baseline)}",
        f"candidate {arm_figure(comparison, comparison.candidate)}",
        f"change    {change_text(comparison)} {interval_text(comparison)}".rstrip(),
        f"need      {finding.need}",
        f"items     {comparison.n_pairs} pairs, {comparison.n_worse} worse, {comparison.n_better} better",
    ]
    if comparison.regressed:
        lines.append("worse     " + " ".join(flip.item_id for flip in comparison.regressed))
    if finding.rule.where:
        lines.append(f"rule      {finding.rule.where}")
    return "\n".join(lines)


def _properties(verdict: Verdict) -> Iterator[tuple[str, str]]:
    comparison = verdict.comparison
    yield "outcome", verdict.outcome
    yield "summary", verdict.summary_line
    yield "exit_code", str(int(verdict.exit_code))
    yield "candidate_run", comparison.candidate.id
    yield "baseline", comparison.baseline_label
    yield "n_paired", str(comparison.pairing.n_paired)
    for finding in verdict.findings:
        yield from _rule_properties(finding)


def _rule_properties(finding: Finding) -> Iterator[tuple[str, str]]:
    comparison = finding.comparison
    figures = {
        "baseline": comparison.baseline,
        "candidate": comparison.candidate,
        "effect": comparison.effect,
        "low": comparison.low,
        "high": comparison.high,
        "confidence": comparison.confidence,
        "p_pass": comparison.p_pass,
        "p_fail": comparison.p_fail,
        "p_fail_adjusted": comparison.p_fail_adjusted,
        "detectable_effect": comparison.detectable_effect,
        "n_pairs": comparison.n_pairs,
    }
    yield f"{finding.rule.id}.outcome", finding.outcome
    yield f"{finding.rule.id}.decides", "true" if finding.decides else "false"
    yield f"{finding.rule.id}.need", finding.need
    for name, value in figures.items():
        if value is not None:
            yield f"{finding.rule.id}.{name}", f"{value:.10g}"


def _attribute(text: str) -> str:
    return one_line(text)
