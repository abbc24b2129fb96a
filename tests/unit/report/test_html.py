from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from evalkit.core.suite import MetricRule
from evalkit.core.verdict import SliceComparison, Verdict
from evalkit.report.html import render_html, write_html
from evalkit.report.interval_bar import BAR_WIDTH, axis_bars, need_line, rule_bar
from evalkit.report.rows import ReportRow, RowScore, SuiteReport

OWN_TAGS = set(
    re.findall(
        r"\w+",
        "html head meta title style body header p h1 nav a main section h2 table thead tr th abbr t"
        "body small td span svg rect line circle details summary dl div dt dd ul li b caption form fieldset l"
        "egend label input select option output kbd pre h4 code button footer script",
    )
)


class Page(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self._raw = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        self._raw = tag in {"script", "style"}

    def handle_endtag(self, tag: str) -> None:
        self._raw = False

    def handle_data(self, data: str) -> None:
        (self.scripts if self._raw else self.texts).append(data)


def data_of(text: str, name: str) -> object:
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found.group(1))


def many_rows(n: int, size: int = 700) -> list[ReportRow]:
    scores = {"correct": RowScore(1.0, "ok", 1.0, "ok", binary=True)}
    body = "Orders may be returned within thirty days. " * (size // 43)
    return [
        ReportRow(f"q{i:05}", f"{body}{i}", {"question": body}, body, f"{body}{i + 1}", scores=scores) for i in range(n)
    ]


def test_hostile_text_adds_no_tag_attribute_or_script(
    verdict: Verdict, hostile_verdict: Verdict, hostile_row: ReportRow
) -> None:
    page = Page(render_html(SuiteReport(hostile_verdict, [hostile_row], suite_path="s.yaml")))
    assert set(page.tags) <= OWN_TAGS
    assert page.tags.count("script") == 3
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name in {"src", "style", "action"}]
    assert all((value or "").startswith("#") for tag, name, value in page.attributes if name == "href")
    shown = "".join(page.texts)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b]", shown)


def test_policy_allows_exactly_our_script_and_style(verdict: Verdict, rows: list[ReportRow]) -> None:
    text = render_html(SuiteReport(verdict, rows))
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    rules = policy.group(1).replace("&#39;", "'")
    assert rules.startswith("default-src 'none'; ")
    assert "unsafe" not in rules
    assert "http" not in rules
    for tag in ("script", "style"):
        body = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert len(body) == 1
        digest = base64.b64encode(hashlib.sha256(body[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in rules


def test_page_names_no_address_outside_itself(verdict: Verdict, rows: list[ReportRow]) -> None:
    text = render_html(SuiteReport(verdict, rows))
    assert not re.search(r"(?:https?:)?//[a-z0-9]", text.replace("// ----", ""), re.IGNORECASE)
    assert "@import" not in text
    assert "url(" not in text


def test_verdict_comes_first_and_everything_is_there_without_the_script(
    verdict: Verdict, rows: list[ReportRow]
) -> None:
    page = Page(render_html(SuiteReport(verdict, rows, suite_path="suites/support_qa.yaml")))
    shown = " ".join(page.texts)
    order = [shown.index(word) for word in ("FAIL: json_schema fell", "Rules", "regressed", "sixty days", "git commit")]
    assert order == sorted(order)
    for text in (
        "-0.067",
        "[-0.094, -0.047]",
        "> -0.03",
        "How long may I return an order?",
        "wrong number of days",
        "timeout (infrastructure, 3 attempts): no answer in 60 s",
        "evalkit run suites/support_qa.yaml -k q017",
        "0.377 s → 0.412 s",
        "not stored",
        "4f2d11c0a9b8",
    ):
        assert text in shown


def test_items_that_need_a_look_come_first(verdict: Verdict, rows: list[ReportRow]) -> None:
    text = render_html(SuiteReport(verdict, rows))
    keys = re.findall(r'<details class="item" id="item=([^"]*)"', text)
    assert keys == ["q017", "q018", "q004", "q002", "q003", "q001"]


def test_worse_on_a_failed_rule_comes_before_other_losses(verdict: Verdict) -> None:
    def worse_on(metric: str, item_id: str, value: float) -> ReportRow:
        return ReportRow(item_id, "x", scores={metric: RowScore(value, "ok", 1.0, "ok")}, baseline_text="y")

    rows = [worse_on("correct", "q1", 0.0), worse_on("json_schema", "q2", 0.5)]
    text = render_html(SuiteReport(verdict, rows))
    assert re.findall(r'id="item=([^"]*)"', text) == ["q2", "q1"]


def test_500_items_take_less_than_two_megabytes(verdict: Verdict, tmp_path: Path) -> None:
    write_html(tmp_path / "report.html", SuiteReport(verdict, many_rows(500)))
    size = (tmp_path / "report.html").stat().st_size
    assert size < 2_000_000


def test_500_items_with_long_texts_take_less_than_two_megabytes(verdict: Verdict, tmp_path: Path) -> None:
    write_html(tmp_path / "report.html", SuiteReport(verdict, many_rows(500, size=8000)))
    assert (tmp_path / "report.html").stat().st_size < 2_000_000


def test_what_exceeds_the_budget_is_packed_and_complete(verdict: Verdict) -> None:
    text = render_html(SuiteReport(verdict, many_rows(40)), static_budget=30_000)
    light = data_of(text, "index")
    packed = data_of(text, "more")
    assert isinstance(light, list)
    assert isinstance(packed, str)
    more = json.loads(gzip.decompress(base64.b64decode(packed)))
    assert 0 < len(light) < 40
    assert [row["key"] for row in light] + [row["key"] for row in more] == [f"q{i:05}" for i in range(40)]
    assert f"{len(more)} more items lie compressed in this file" in text


def test_data_cannot_end_its_script_element(verdict: Verdict) -> None:
    row = ReportRow("</script><script>alert(1)</script>", "x", tags=("<!--", "\u2028"))
    text = render_html(SuiteReport(verdict, [row]))
    raw = re.search(r'id="index">(.*?)</script>', text, re.DOTALL)
    assert raw
    assert "<" not in raw.group(1)
    index = data_of(text, "index")
    assert isinstance(index, list)
    assert index[0]["key"] == "</script><script>alert(1)</script>"


def test_our_script_cannot_end_its_own_element() -> None:
    script = Path(__file__).parents[3] / "evalkit" / "report" / "templates" / "report.js"
    text = script.read_text()
    assert "</script" not in text.lower()
    assert "innerHTML" not in text
    assert "eval(" not in text


def test_a_second_trial_has_a_permalink_of_its_own(verdict: Verdict) -> None:
    rows = [ReportRow("q 1", "a"), ReportRow("q 1", "b", trial=1)]
    text = render_html(SuiteReport(verdict, rows))
    assert 'id="item=q 1~2"' in text
    assert 'href="#item=q%201~2"' in text


def test_slices_and_a_missing_baseline_are_shown(verdict: Verdict) -> None:
    part = SliceComparison(
        slice="shipping",
        metric="correct",
        n_pairs=90,
        baseline=0.9,
        candidate=0.8,
        effect=-0.1,
        low=-0.2,
        high=-0.02,
        p_fail=0.001,
        p_fail_adjusted=0.004,
        flagged=True,
    )
    comparison = verdict.comparison.model_copy(update={"slices": (part,), "baseline": None})
    text = render_html(SuiteReport(verdict.model_copy(update={"comparison": comparison, "findings": ()})))
    assert "shipping" in text
    assert "look here" in text
    assert "The policy has no rules." in text


def test_long_texts_are_cut_and_say_so(verdict: Verdict) -> None:
    assert "… 5,000 more characters" in render_html(SuiteReport(verdict, [ReportRow("q1", "x" * 25_000)]))


def test_bars_put_zero_and_margin_where_they_belong(verdict: Verdict) -> None:
    finding = verdict.findings[1]
    bar = rule_bar(finding.rule, finding.comparison)
    assert bar is not None
    assert bar.zero is not None
    assert bar.need is not None
    assert bar.low < bar.point < bar.high < bar.need < bar.zero <= BAR_WIDTH
    assert bar.good_right


@pytest.mark.parametrize(
    ("rule", "changes", "line", "good_right"),
    [
        (MetricRule(metric="m", rule="no_regression", margin=0.05), {}, -0.05, True),
        (MetricRule(metric="m", rule="improve"), {}, 0.0, True),
        (MetricRule(metric="m", rule="at_least", bound=0.9), {"scale": "absolute"}, 0.9, True),
        (MetricRule(metric="m", rule="at_most", bound=8.0), {"scale": "absolute", "candidate": 7.0}, 8.0, False),
        (
            MetricRule(metric="m", rule="no_regression", max_ratio=1.25),
            {"scale": "ratio", "effect": 1.1, "low": 0.9, "high": 1.2},
            1 / 1.25,
            True,
        ),
    ],
)
def test_the_line_of_each_rule(
    verdict: Verdict, rule: MetricRule, changes: dict[str, object], line: float, good_right: bool
) -> None:
    comparison = verdict.findings[0].comparison.model_copy(update=changes)
    assert need_line(rule, comparison) == pytest.approx(line)
    bar = rule_bar(rule, comparison)
    assert bar is not None
    assert bar.good_right is good_right


def test_open_ends_reach_the_edge_and_counts_have_no_bar(verdict: Verdict) -> None:
    finding = verdict.findings[0]
    open_end = rule_bar(finding.rule, finding.comparison.model_copy(update={"low": None, "high": float("inf")}))
    assert open_end is not None
    assert (open_end.low, open_end.high) == (0.0, BAR_WIDTH)
    nothing = finding.comparison.model_copy(update={"low": None, "high": None})
    assert rule_bar(finding.rule, nothing) is None


def test_forest_plot_shares_one_axis() -> None:
    first, second = axis_bars([(-0.2, -0.1, 0.0), (0.0, 0.1, 0.2)])
    assert first.zero == second.zero == first.high == second.low
    assert first.low == pytest.approx(BAR_WIDTH - second.high)
