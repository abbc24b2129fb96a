"""A verdict to render, kept as JSON so that every folder of tests reads the same one, and hostile texts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evalkit.core.output import Failure
from evalkit.core.verdict import Verdict
from evalkit.report.rows import ReportRow, RowScore

GOLDEN = Path(__file__).parent / "golden"

HOSTILE = (
    "\x1b[2J\x1b[H all clear",
    "\x1b]0;owned\x07title",
    "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "\x9b31mred by C1",
    "first\rsecond overwrites it",
    "bell\x07 backspace\x08\x08\x08 delete\x7f",
    "null\x00byte",
    "::set-output name=verdict::pass",
    "   ::error file=app.py,line=1::forged",
    "line one\n::add-mask::x\n\t::stop-commands::y",
    "harmless ##[set-env name=PATH]evil",
    "##vso[task.setvariable variable=x]evil",
    "text ##VSO[task.complete result=Succeeded;]done",
    "##teamcity[buildStatus status='SUCCESS']",
    "\u202egnp.exe right to left",
    "\u2066isolated\u2069 \u200fmark",
    "zero\u200bwidth\ufeff\u2060marks",
    "line\u2028separator\u2029paragraph\x85next",
    "hidden \U000e0041\U000e0042 tags",
    "lone \ud800 surrogate \uffff",
    "<script>document.title='owned'</script>",
    "<img src=x onerror=document.title='owned'>",
    "</script><script>document.title='owned'</script>",
    "<svg/onload=document.title='owned'>",
    "![beacon](https://evil.example/x.png)",
    "[link](javascript:alert(1)) <https://evil.example> https://evil.example www.evil.example",
    "@maintainer please look at #1234 and GH-12, mail a@b.example",
    "| forged | row |\n|---|---|\n| PASS | PASS |",
    "```\nout of the block\n```\n# FAIL is PASS",
    "&lt;b&gt; &amp; &#64; \\* `code` *bold* _under_ ~~gone~~ $x^2$",
    "]]> <!-- --> <![CDATA[",
    "=cmd|' /C calc'!A0",
    "{{ 7 * 7 }} {% raw %} {# #}",
    "</textarea></title></style><plaintext>",
)


@pytest.fixture
def verdict() -> Verdict:
    return Verdict.model_validate_json((GOLDEN / "verdict.json").read_text())


@pytest.fixture(params=HOSTILE, ids=range(len(HOSTILE)))
def hostile(request: pytest.FixtureRequest) -> str:
    text = request.param
    assert isinstance(text, str)
    return text


@pytest.fixture
def hostile_verdict(verdict: Verdict, hostile: str) -> Verdict:
    return poisoned(verdict, hostile)


def poisoned(verdict: Verdict, text: str) -> Verdict:
    """Return ``verdict`` with ``text`` in every place that a file or a model can write to."""
    comparison = verdict.comparison
    metrics = []
    for metric in comparison.metrics:
        flips = tuple(flip.model_copy(update={"item_id": text}) for flip in metric.regressed[:1])
        info = metric.info.model_copy(update={"name": text})
        metrics.append(
            metric.model_copy(
                update={"info": info, "regressed": flips, "reason": text, "why": text, "method": text, "n_missing": 2}
            )
        )
    manifest = comparison.candidate
    candidate = manifest.candidate.model_copy(
        update={"name": text, "model": "local/" + text.encode("utf-8", "replace").decode()}
    )
    findings = [
        finding.model_copy(
            update={
                "rule": finding.rule.model_copy(update={"metric": text}),
                "comparison": metric,
                "reason": text,
                "need": text,
            }
        )
        for finding, metric in zip(verdict.findings, metrics, strict=True)
    ]
    return verdict.model_copy(
        update={
            "suite": text,
            "summary_line": text,
            "next_steps": (text,),
            "restricted": text,
            "findings": tuple(findings),
            "comparison": comparison.model_copy(
                update={
                    "suite": text,
                    "baseline_label": text,
                    "metrics": tuple(metrics),
                    "candidate": manifest.model_copy(update={"candidate": candidate, "suite": text}),
                    "differences": (text,),
                    "warnings": (text,),
                    "pairing": comparison.pairing.model_copy(
                        update={"only_baseline": (text, text), "changed": (text,)}
                    ),
                }
            ),
        }
    )


def make_row(text: str = "the answer", **changes: object) -> ReportRow:
    """Return a regressed row."""
    row = ReportRow(
        item_id="q017",
        candidate_text=text,
        inputs={"question": "How long may I return an order?", "context": "Section 4.2: thirty days."},
        expected={"answer": "thirty days", "section": "4.2"},
        baseline_text="The answer is thirty days (section 4.2).",
        scores={
            "correct": RowScore(0.0, "ok", 1.0, "ok", "wrong number of days", None, binary=True),
            "json_schema": RowScore(1.0, "ok", 1.0, "ok", binary=True),
        },
        tags=("policy", "refund"),
        cluster="section-4",
        latency_s=0.412,
        baseline_latency_s=0.377,
        cost_usd=0.00123,
        baseline_cost_usd=0.00119,
    )
    return replace(row, **changes)  # type: ignore[arg-type]


@pytest.fixture
def rows() -> list[ReportRow]:
    ok = {"correct": RowScore(1.0, "ok", 1.0, "ok", binary=True)}
    fixed = {"correct": RowScore(1.0, "ok", 0.0, "ok", binary=True)}
    both = {"correct": RowScore(0.0, "ok", 0.0, "ok", binary=True)}
    failure = Failure(code="timeout", blame="infrastructure", message="no answer in 60 s", attempts=3)
    return [
        make_row("The answer is thirty days.", item_id="q001", scores=ok),
        make_row("fixed it", item_id="q002", scores=fixed),
        make_row("wrong again", item_id="q003", scores=both),
        make_row("", item_id="q004", scores={}, candidate_failure=failure),
        make_row("sixty days"),
        make_row("no stored text", item_id="q018", baseline_text=None),
    ]


@pytest.fixture
def hostile_row(hostile: str) -> ReportRow:
    reason = RowScore(0.0, "ok", 1.0, "ok", hostile, hostile, binary=True)
    return make_row(
        hostile,
        item_id=hostile,
        inputs={hostile: hostile},
        expected=hostile,
        baseline_text=hostile + "!",
        scores={hostile: reason, "correct": reason},
        tags=(hostile,),
        cluster=hostile,
        metadata={hostile: hostile},
    )
