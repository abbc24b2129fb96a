from __future__ import annotations

import re
from pathlib import Path

import pytest

from evalkit.base.errors import StoreError
from evalkit.base.redact import Redactor
from evalkit.core.candidate import Prompt, PromptMessage
from evalkit.core.verdict import Verdict
from evalkit.report import outbox
from evalkit.report.mlflow_environment import client_environment, is_http, public_uri, tracking_uri
from evalkit.report.mlflow_payload import PARAM_LIMIT, track_run, track_verdict
from evalkit.report.rows import MetricSummary


def test_payload_holds_params_means_changes_and_verdict(verdict: Verdict) -> None:
    summary = MetricSummary(verdict.findings[0].comparison.info, 0.8533, 0.81, 0.89, 298, 300)
    run = track_verdict(verdict, [summary])
    assert run.experiment == "evalkit/support_qa"
    assert run.params["model"] == "prod/answer-1"
    assert run.params["dataset_version"] == "2026-11-01"
    assert run.params["git_commit"] == "4f2d11c0a9b8"
    assert {f"correct/{part}": run.metrics[f"correct/{part}"] for part in ("mean", "ci_low", "ci_high", "n")} == {
        "correct/mean": 0.8533,
        "correct/ci_low": 0.81,
        "correct/ci_high": 0.89,
        "correct/n": 298.0,
    }
    assert run.metrics["delta/json_schema"] == -0.0667
    assert run.metrics["delta/json_schema/p_fail_adjusted"] == 1.9e-6
    assert run.tags["evalkit.outcome"] == "fail"
    assert "| rule | base |" in run.tags["mlflow.note.content"]
    assert run.end_ms - run.start_ms == 212_000


def test_same_verdict_has_the_same_key_and_another_baseline_another(verdict: Verdict) -> None:
    assert track_verdict(verdict).key == track_verdict(verdict).key
    assert track_verdict(verdict).key != track_run(verdict.comparison.candidate).key
    comparison = verdict.comparison
    assert comparison.baseline is not None
    other = comparison.model_copy(update={"baseline": comparison.baseline.model_copy(update={"id": "another"})})
    assert track_verdict(verdict.model_copy(update={"comparison": other})).key != track_verdict(verdict).key


def test_long_params_are_cut_and_carry_their_digest(verdict: Verdict) -> None:
    def with_prompt(text: str) -> str:
        manifest = verdict.comparison.candidate
        prompt = Prompt(messages=(PromptMessage(role="system", content=text),))
        candidate = manifest.candidate.model_copy(update={"prompt": prompt})
        return track_run(manifest.model_copy(update={"candidate": candidate})).params["prompt"]

    one, two = with_prompt("x" * 7000 + "a"), with_prompt("x" * 7000 + "b")
    assert len(one) == len(two) == PARAM_LIMIT
    assert one != two
    assert re.search(r"… sha256:[0-9a-f]{64}$", one)
    assert with_prompt("short") == "[system]\nshort"


def test_secrets_reach_no_field(verdict: Verdict) -> None:
    secret = "hunter2-hunter2"
    manifest = verdict.comparison.candidate
    prompt = Prompt(messages=(PromptMessage(role="system", content=f"the key is {secret}"),), source=secret)
    candidate = manifest.candidate.model_copy(update={"prompt": prompt, "name": secret})
    comparison = verdict.comparison.model_copy(
        update={"candidate": manifest.model_copy(update={"candidate": candidate}), "warnings": (secret,)}
    )
    leaky = verdict.model_copy(update={"comparison": comparison, "summary_line": f"FAIL: {secret}"})
    assert secret not in track_verdict(leaky, redactor=Redactor([secret])).model_dump_json()


def test_names_and_lengths_fit_mlflow_whatever_the_text(hostile_verdict: Verdict) -> None:
    run = track_verdict(hostile_verdict)
    for name in (*run.metrics, run.experiment):
        assert re.fullmatch(r"[\w\-. :/]{1,250}", name, re.ASCII)
        assert ".." not in name.split("/")
        assert "//" not in name
        assert not name.startswith("/")
    assert all(len(value) <= 8000 for value in run.tags.values())
    assert not re.search(r"[\x00-\x08\x1b\x7f-\x9f]", "".join([*run.tags.values(), *run.params.values()]))


def test_different_hostile_names_stay_different(verdict: Verdict) -> None:
    info = verdict.findings[0].comparison.info
    names = ["a/../b", "a/./b", "a//b", "a\\b", "a,b", "a=b", ".", "..", "/", "x" * 300, "x" * 301]
    summaries = [MetricSummary(info.model_copy(update={"name": name}), 0.5, None, None, 1, 1) for name in names]
    fitted = track_run(verdict.comparison.candidate, summaries).metrics
    assert sum(name.endswith("/mean") for name in fitted) == len(names)
    assert len(fitted) == 3 * len(names)


def test_outbox_keeps_copies_until_removed(verdict: Verdict, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    report.write_text("first")
    entry = outbox.put(tmp_path / "outbox", track_verdict(verdict), [report, tmp_path / "absent"])
    report.write_text("second")
    read = outbox.read(entry)
    assert [file.name for file in read.files] == ["report.html"]
    assert (outbox.files_folder(entry) / "report.html").read_text() == "first"
    assert outbox.entries(tmp_path / "outbox") == [entry]
    outbox.remove(entry)
    assert outbox.entries(tmp_path / "outbox") == []
    assert not outbox.files_folder(entry).exists()


@pytest.mark.parametrize("content", ["", "{", '{"format": 1}', "[]", "\x00"])
def test_damaged_outbox_entries_are_named(content: str, tmp_path: Path) -> None:
    entry = tmp_path / ("a" * 32 + ".json")
    entry.write_text(content)
    with pytest.raises(StoreError, match="cannot be read"):
        outbox.read(entry)


def test_standard_variable_wins_over_the_local_store(tmp_path: Path) -> None:
    assert tracking_uri({}, tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    assert tracking_uri({"MLFLOW_TRACKING_URI": "http://h:5000"}, tmp_path) == "http://h:5000"


def test_shown_uris_carry_no_credentials() -> None:
    assert public_uri("https://user:secret@h:5000/x?token=1") == "https://h:5000/x"
    assert public_uri("postgresql://user:secret@h/db?password=1") == "postgresql://h/db"
    assert is_http("HTTPS://h")
    assert not is_http("sqlite:///x")


def test_client_gets_no_retries_short_timeouts_and_no_telemetry() -> None:
    environ = client_environment({"PATH": "/bin", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "7"}, "http://h")
    assert environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"
    assert environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "3"
    assert environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert environ["PATH"] == "/bin"
