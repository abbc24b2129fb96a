from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from evalkit.core.run import RunManifest
from evalkit.core.verdict import Finding, MetricComparison, Verdict
from evalkit.report.rows import MetricSummary
from evalkit.report.safe_text import display_width
from evalkit.report.terminal import quiet_line, render_run, render_verdict

GOLDEN = Path(__file__).parent / "golden"


def lines_of(verdict: Verdict) -> list[str]:
    return render_verdict(verdict).splitlines()


def with_comparison(verdict: Verdict, index: int, **changes: object) -> Verdict:
    finding = verdict.findings[index]
    changed = finding.model_copy(update={"comparison": finding.comparison.model_copy(update=changes)})
    return with_finding(verdict, index, changed)


def with_finding(verdict: Verdict, index: int, finding: Finding) -> Verdict:
    findings = list(verdict.findings)
    findings[index] = finding
    return verdict.model_copy(update={"findings": tuple(findings)})


def test_verdict_reads_as_the_golden_text(verdict: Verdict) -> None:
    expected = (GOLDEN / "verdict.txt").read_text()
    assert render_verdict(verdict, report="reports/support_qa.html") == expected


def test_colour_adds_nothing_but_ansi_codes(verdict: Verdict) -> None:
    coloured = render_verdict(verdict, color=True)
    assert "\x1b[31mFAIL\x1b[0m" in coloured
    assert re.sub(r"\x1b\[\d*m", "", coloured) == render_verdict(verdict)


def test_no_line_is_wider_than_80_columns_with_long_names(verdict: Verdict) -> None:
    for name in ("a_metric_with_a_very_long_name_indeed.p95", "指标" * 20, "x" * 300):
        for index in (0, 1):
            rule = verdict.findings[index].rule.model_copy(update={"metric": name})
            finding = verdict.findings[index].model_copy(update={"rule": rule, "outcome": "inconclusive"})
            verdict = with_finding(verdict, index, finding)
        candidate = verdict.comparison.candidate
        renamed = candidate.model_copy(update={"candidate": candidate.candidate.model_copy(update={"name": name})})
        verdict = verdict.model_copy(
            update={"comparison": verdict.comparison.model_copy(update={"candidate": renamed, "suite": name})}
        )
        for line in lines_of(verdict):
            assert display_width(line) <= 80


def test_cut_rule_names_keep_their_quantile(verdict: Verdict) -> None:
    rule = verdict.findings[0].rule.model_copy(update={"metric": "latency_of_the_whole_application_s.p95"})
    table = lines_of(with_finding(verdict, 0, verdict.findings[0].model_copy(update={"rule": rule})))
    assert re.match(r"latency_\S*…s\.p95  ", table[2])


def test_ratio_rules_show_a_factor(verdict: Verdict) -> None:
    info = verdict.findings[0].comparison.info.model_copy(update={"name": "cost_usd", "kind": "positive"})
    changed = with_comparison(
        verdict, 0, info=info, scale="ratio", baseline=0.00123, candidate=0.00128, effect=1.0406, low=0.99, high=1.0911
    )
    assert "0.00123  0.00128  ×1.04 [0.99, 1.09]" in render_verdict(changed)


def test_absolute_rules_show_the_figure(verdict: Verdict) -> None:
    changed = with_comparison(
        verdict, 0, scale="absolute", baseline=None, candidate=0.93, effect=0.93, low=0.901, high=0.95
    )
    assert "–      0.930  0.930 [0.901, 0.950]" in render_verdict(changed)


def test_what_could_not_be_computed_is_said_with_its_reason(verdict: Verdict) -> None:
    finding = verdict.findings[0].model_copy(
        update={
            "outcome": "inconclusive",
            "reason": "",
            "comparison": MetricComparison(info=verdict.findings[0].comparison.info, reason="no paired scores"),
        }
    )
    text = render_verdict(with_finding(verdict, 0, finding))
    assert "correct: no paired scores" in text
    assert "nan" not in text.lower().replace("correct", "")


def test_rules_that_do_not_decide_stand_in_parentheses_and_are_explained(verdict: Verdict) -> None:
    text = render_verdict(with_finding(verdict, 1, verdict.findings[1].model_copy(update={"decides": False})))
    assert "(FAIL)" in text
    assert "outcomes in parentheses are reported only and decide nothing" in text


def test_a_clean_pass_says_nothing_about_accounts(verdict: Verdict) -> None:
    finding = verdict.findings[0]
    clean = verdict.model_copy(update={"outcome": "pass", "summary_line": "PASS", "findings": (finding,)})
    assert [line.split(" ")[0] for line in lines_of(clean)] == ["support_qa", "rule", "correct", "PASS", "one"]


def test_every_account_that_is_not_zero_is_printed(verdict: Verdict) -> None:
    pairing = verdict.comparison.pairing.model_copy(
        update={
            "n_paired": 298,
            "only_baseline": ("q1",),
            "changed": ("q2",),
            "only_candidate": ("q3", "q4", "q5", "q6"),
            "same_calls": 7,
            "candidate_error_rate": 0.0004,
        }
    )
    changed = with_comparison(
        verdict, 0, n_missing=1, n_imputed=2, n_skipped=3, n_grader_errors=4, worst_case_low=-0.02, worst_case_high=0.01
    )
    comparison = changed.comparison.model_copy(
        update={"pairing": pairing, "differences": ("prompt",), "warnings": ("few clusters",)}
    )
    text = " ".join(render_verdict(changed.model_copy(update={"comparison": comparison})).split())
    for phrase in (
        "298 paired, 2 missing",
        "1 item not compared: only in the baseline (q1)",
        "1 item not compared: changed since the baseline (q2)",
        "4 items not compared: new, not in the baseline (q3 q4 q5 …)",
        "7 pairs came from one and the same call",
        "candidate < 0.1 %, baseline 0 % of the outputs",
        "1 missing, 2 imputed, 4 lost to grader errors",
        "skipped items: correct 3",
        "whatever these were, the effect lies in [-0.020, +0.010]",
        "differs: prompt",
        "warning: few clusters",
    ):
        assert phrase in text


def test_clustered_rules_show_both_targets(verdict: Verdict) -> None:
    changed = with_comparison(
        verdict,
        0,
        target="these",
        other_target="new",
        p_pass_other_target=0.07,
        p_fail_other_target=0.41,
        n_clusters=24,
    )
    text = render_verdict(changed)
    assert "p to pass | fail  clusters  for these clusters  for new clusters" in text
    assert "correct           24        0.010 | 0.361       0.070 | 0.410" in text
    assert "judged for these clusters" in text


def test_embedded_models_are_named_as_no_llm(verdict: Verdict) -> None:
    comparison = verdict.comparison
    candidate = comparison.candidate.candidate.model_copy(update={"model": "local/extract-1"})
    manifest = comparison.candidate.model_copy(update={"candidate": candidate})
    shown = verdict.model_copy(update={"comparison": comparison.model_copy(update={"candidate": manifest})})
    note = "local/extract-1: the embedded model is not an LLM: for demonstration and tests"
    assert note in " ".join(render_verdict(shown).split())
    assert note not in render_verdict(verdict)


def test_probability_that_an_unchanged_candidate_passes_is_printed(verdict: Verdict) -> None:
    text = render_verdict(verdict.model_copy(update={"probability_unchanged_passes": 0.883}))
    assert "an unchanged candidate passes with probability 88 %" in text


def test_outcome_word_leads_even_if_the_summary_lacks_it(verdict: Verdict) -> None:
    changed = verdict.model_copy(update={"outcome": "inconclusive", "summary_line": "borderline: run 400 more items"})
    assert "INCONCLUSIVE: borderline: run 400 more items" in render_verdict(changed)
    assert quiet_line(changed) == "support_qa: INCONCLUSIVE: borderline: run 400 more items"


@pytest.mark.parametrize("kind", ["borderline", "too small by design"])
def test_inconclusive_says_which_kind(verdict: Verdict, kind: str) -> None:
    changed = verdict.model_copy(
        update={
            "outcome": "inconclusive",
            "summary_line": "INCONCLUSIVE: correct: -0.02 [-0.07, +0.03], needs > -0.05",
            "inconclusive_kind": kind,
            "next_steps": ("correct: about 900 items show > -0.05",),
        }
    )
    text = " ".join(render_verdict(changed).split())
    assert f"INCONCLUSIVE: {kind}: correct: -0.02 [-0.07, +0.03], needs > -0.05" in text
    assert "next: correct: about 900 items" in text


def test_counts_print_as_counts_and_shares_as_shares(verdict: Verdict) -> None:
    info = verdict.findings[0].comparison.info.model_copy(update={"name": "latency_s", "kind": "positive"})
    counted = with_comparison(
        verdict,
        0,
        scale="absolute",
        statistic="failing outputs",
        baseline=1.0,
        candidate=3.0,
        effect=None,
        low=None,
        high=None,
    )
    assert re.search(r"^correct +1 +3 +3 ", render_verdict(counted), re.MULTILINE)
    shared = with_comparison(verdict, 0, info=info, statistic="share beyond the baseline's p95", baseline=0.05)
    assert "correct      0.050  0.853  -0.007 [-0.038, +0.024]" in render_verdict(shared)
    assert "the figures are the share beyond the baseline's p95" in render_verdict(shared)


def test_second_failed_rule_shows_its_items_too(verdict: Verdict) -> None:
    finding = verdict.findings[0].model_copy(update={"outcome": "fail", "reason": "long explanation"})
    text = render_verdict(with_finding(verdict, 0, finding))
    assert "correct: 17 worse, 15 better (q003 q017 q029 …)" in text
    assert "long explanation" not in text


def test_hostile_text_cannot_act_in_a_terminal_or_ci_log(hostile_verdict: Verdict) -> None:
    text = render_verdict(hostile_verdict, report="r.html", suite_path="s.yaml") + quiet_line(hostile_verdict)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
    for line in text.splitlines():
        assert not line.strip().startswith("::")
        assert not re.search(r"##(\[|vso|teamcity)", line, re.IGNORECASE)


def test_no_hostile_line_is_wider_than_80_columns(hostile_verdict: Verdict) -> None:
    assert max(display_width(line) for line in lines_of(hostile_verdict)) <= 80


def test_command_for_one_item_is_safe_to_paste(verdict: Verdict) -> None:
    comparison = verdict.findings[1].comparison
    flip = comparison.regressed[0].model_copy(update={"item_id": "q1; rm -rf $HOME `id`"})
    changed = with_comparison(verdict, 1, regressed=(flip,))
    line = next(line for line in lines_of(changed) if "one item" in line)
    assert shlex.split(line.split("one item: ")[1])[-1] == "q1; rm -rf $HOME `id`"


@pytest.mark.parametrize("status", ["finished", "interrupted"])
def test_run_shows_means_intervals_and_what_was_not_scored(verdict: Verdict, status: str) -> None:
    manifest: RunManifest = verdict.comparison.candidate.model_copy(update={"status": status})
    info = verdict.findings[0].comparison.info
    cost = info.model_copy(update={"name": "cost_usd", "kind": "positive"})
    text = render_run(
        manifest,
        [
            MetricSummary(info, 0.8533, 0.81, 0.89, 298, 300, (("skipped", 0), ("grader errors", 2))),
            MetricSummary(cost, 0.00123, None, None, 300, 300),
        ],
    )
    assert "run 20261123-141530-8f2c41" in text
    assert status in text
    assert "correct   0.853 [0.810, 0.890]  298  2 grader errors" in text
    assert "cost_usd  $0.00123" in text
    assert all(display_width(line) <= 80 for line in text.splitlines())
