from __future__ import annotations

import re

from evalkit.core.verdict import MetricComparison, Verdict
from evalkit.report.markdown import (
    COMMENT_LIMIT,
    SUMMARY_LIMIT,
    marker,
    render_comment,
    render_step_summary,
    render_table,
)
from evalkit.report.rows import ReportRow, RowScore, SuiteReport


def test_comment_carries_marker_verdict_and_rules(verdict: Verdict) -> None:
    text = render_comment([SuiteReport(verdict, report="reports/support_qa.html")])
    assert text.startswith("<!-- evalkit:support_qa -->\n\n### ❌ support\\_qa: fail")
    assert (
        "| `json_schema` | 0.997 | 0.930 | -0.067 \\[-0.094, -0.047\\] | &gt; \\-0.05 |".replace("0.05", "0.03") in text
    )
    assert "| **FAIL** |" in text
    assert "report: `reports/support_qa.html`" in text


def test_regressed_items_come_with_their_differences(verdict: Verdict, rows: list[ReportRow]) -> None:
    text = render_comment([SuiteReport(verdict, rows)])
    assert "<summary>q017</summary>" in text
    assert "- The answer is thirty days (section 4.2).\n+ sixty days" in text
    assert "<summary>q004</summary>" in text
    assert "timeout: no answer in 60 s" in text
    assert "The baseline's text is not stored." in text
    assert "<summary>q001</summary>" not in text


def test_worst_items_come_first_and_only_as_many_as_asked(verdict: Verdict) -> None:
    rows = [
        ReportRow(f"q{index:03}", "b", baseline_text="a", scores={"m": RowScore(1 - index / 500, "ok", 1.0, "ok")})
        for index in range(500)
    ]
    shown = re.findall(r"<summary>(q\d+)</summary>", render_comment([SuiteReport(verdict, iter(rows))], n_items=3))
    assert shown == ["q499", "q498", "q497"]


def test_metrics_without_a_rule_are_reported(verdict: Verdict) -> None:
    info = verdict.findings[0].comparison.info.model_copy(update={"name": "cost_usd", "kind": "positive"})
    cost = MetricComparison(info=info, scale="ratio", baseline=0.01, candidate=0.0104, effect=1.04, low=1.0, high=1.08)
    comparison = verdict.comparison.model_copy(update={"metrics": (*verdict.comparison.metrics, cost)})
    text = render_comment([SuiteReport(verdict.model_copy(update={"comparison": comparison}))])
    assert "| `cost_usd` | 0.0100 | 0.0104 | ×1.04 \\[1.00, 1.08\\] |" in text


def test_comment_is_cut_by_section_and_says_so(verdict: Verdict) -> None:
    scores = {"m": RowScore(0.0, "ok", 1.0, "ok")}
    big = [ReportRow(f"q{i}", "word " * 400, baseline_text="other " * 333, scores=scores) for i in range(100)]
    text = render_comment([SuiteReport(verdict, big), SuiteReport(verdict, big)], n_items=100)
    assert len(text) <= COMMENT_LIMIT
    assert len(text) > COMMENT_LIMIT - 6_000
    assert text.count("### ❌") == 2
    assert text.count("<details>") == text.count("</details>")
    assert re.search(r"_\d+ more sections did not fit", text)


def test_step_summary_counts_bytes(verdict: Verdict) -> None:
    scores = {"m": RowScore(0.0, "ok", 1.0, "ok")}
    big = [ReportRow(f"q{i}", "界" * 1990, baseline_text="語" * 1990, scores=scores) for i in range(200)]
    text = render_step_summary([SuiteReport(verdict, big)], n_items=200)
    assert SUMMARY_LIMIT - 20_000 < len(text.encode()) <= SUMMARY_LIMIT


def test_a_thousand_suites_still_fit(verdict: Verdict) -> None:
    text = render_comment([SuiteReport(verdict)] * 1000)
    assert len(text) <= COMMENT_LIMIT
    assert text.startswith("<!-- evalkit:gate -->")


def test_marker_cannot_be_closed_by_a_name() -> None:
    assert re.fullmatch(r"<!-- evalkit:[A-Za-z0-9_.]+ -->", marker("a --> <script>"))


def test_note_for_tracking_has_table_and_statements(verdict: Verdict) -> None:
    verdict = verdict.model_copy(update={"next_steps": ("run 400 more items",)})
    text = render_table(verdict)
    assert "| rule | base |" in text
    assert "- next: run 400 more items" in text


def test_hostile_text_stays_in_code_or_escaped(hostile_verdict: Verdict, hostile_row: ReportRow) -> None:
    text = render_comment([SuiteReport(hostile_verdict, [hostile_row], report="r", suite_path="s")])
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    outside = _without_code(text.split("-->\n", 1)[1])
    tags = set(re.findall(r"<[^<>]*>", outside)) - {"<details>", "</details>", "<summary>", "</summary>"}
    assert {tag for tag in tags if not tag.startswith("<!-- evalkit:")} == set()
    assert not re.search(r"@\w|https?:|www\.|(?<!\\)!\[", outside)
    for line in outside.splitlines():
        if line.startswith("| "):
            assert len(re.findall(r"(?<!\\)\|", line)) in {9, 5}


def _without_code(text: str) -> str:
    text = re.sub(r"(?ms)^(`{3,})[a-z]*\n.*?^\1$", "", text)
    return re.sub(r"(?<![`\\])(`+)(?!`)(.*?)(?<!`)\1(?!`)", "", text)
