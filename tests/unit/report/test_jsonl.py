from __future__ import annotations

import csv
import json
from pathlib import Path

from evalkit.core.verdict import MetricComparison, Verdict
from evalkit.report.jsonl import FORMAT, verdict_json, verdict_json_text, write_rows_csv, write_rows_jsonl
from evalkit.report.rows import ReportRow, change_of


def test_verdict_object_is_versioned_and_names_everything(verdict: Verdict) -> None:
    data = json.loads(verdict_json_text(verdict))
    assert data == json.loads(json.dumps(verdict_json(verdict)))
    assert (data["format"], data["kind"], data["outcome"], data["exit_code"]) == (FORMAT, "evalkit.verdict", "fail", 1)
    rule = data["rules"][1]
    assert (rule["metric"], rule["rule"], rule["outcome"], rule["need"]) == (
        "json_schema",
        "no_regression",
        "fail",
        "> -0.03",
    )
    assert rule["regressed"][0] == {"item_id": "q017", "baseline": 1.0, "candidate": 0.0}
    assert data["candidate"]["candidate_digest"] == verdict.comparison.candidate.candidate.digest
    assert data["policy"]["alpha"] == 0.05


def test_every_figure_of_a_comparison_is_in_the_object(verdict: Verdict) -> None:
    shown = set(verdict_json(verdict)["rules"][0])
    assert set(MetricComparison.model_fields) - shown == {"info", "rule_id"}


def test_infinite_bounds_become_null(verdict: Verdict) -> None:
    comparison = verdict.findings[0].comparison.model_copy(update={"high": float("inf")})
    finding = verdict.findings[0].model_copy(update={"comparison": comparison})
    data = json.loads(verdict_json_text(verdict.model_copy(update={"findings": (finding,)})))
    assert data["rules"][0]["high"] is None


def test_hostile_verdicts_are_valid_json_with_the_text_as_it_came(hostile_verdict: Verdict, hostile: str) -> None:
    data = json.loads(verdict_json_text(hostile_verdict))
    assert data["suite"] == hostile.encode("utf-8", "backslashreplace").decode()


def test_rows_keep_text_and_failures(rows: list[ReportRow], tmp_path: Path) -> None:
    assert write_rows_jsonl(tmp_path / "rows.jsonl", rows) == len(rows)
    read = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [change_of(row) for row in rows] == [row["change"] for row in read]
    assert read[3]["candidate_failure"]["code"] == "timeout"
    assert read[4]["scores"]["correct"]["candidate_reason"] == "wrong number of days"


def test_changes_are_classified(rows: list[ReportRow]) -> None:
    assert [change_of(row) for row in rows] == ["changed", "fixed", "both_fail", "error", "regressed", "regressed"]


def test_hostile_rows_round_trip_through_jsonl(hostile_row: ReportRow, hostile: str, tmp_path: Path) -> None:
    write_rows_jsonl(tmp_path / "rows.jsonl", [hostile_row])
    lines = (tmp_path / "rows.jsonl").read_bytes().split(b"\n")
    assert len(lines) == 2
    row = json.loads(lines[0])
    assert row["candidate"] == hostile.encode("utf-8", "backslashreplace").decode()


def test_csv_has_no_formula_and_one_record_a_row(hostile_row: ReportRow, hostile: str, tmp_path: Path) -> None:
    write_rows_csv(tmp_path / "rows.csv", [hostile_row, hostile_row], metrics=["correct", hostile])
    raw = (tmp_path / "rows.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    with (tmp_path / "rows.csv").open(newline="", encoding="utf-8-sig") as file:
        table = list(csv.reader(file))
    assert len(table) == 3
    assert {len(line) for line in table} == {len(table[0])}
    for line in table:
        for cell in line:
            assert not cell.lstrip().startswith(("=", "+", "@", "-"))


def test_csv_shows_values_and_status(rows: list[ReportRow], tmp_path: Path) -> None:
    write_rows_csv(tmp_path / "rows.csv", rows, metrics=["correct"])
    with (tmp_path / "rows.csv").open(newline="", encoding="utf-8-sig") as file:
        table = list(csv.DictReader(file))
    assert (table[4]["correct.baseline"], table[4]["correct.candidate"], table[4]["change"]) == (
        "1.0",
        "0.0",
        "regressed",
    )
    assert table[3]["failure"] == "timeout: no answer in 60 s"
