"""Real model outputs through the command line alone: import, replay, accept, gate; figures against the reference."""

from __future__ import annotations

import gzip
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from .conftest import Cli

pytestmark = [pytest.mark.realdata, pytest.mark.timeout(900)]

ABS = 1e-9
REL_P = 1e-6


def read_rows(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="module")
def reference(evalkit_data: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((evalkit_data / "reference.json").read_text())
    return loaded


def project(
    folder: Path, suite: str, dataset: str, models: Iterable[str], graders: str, *, extra: str = "", policy: str = ""
) -> None:
    """Write evalkit.toml and a suite whose candidates replay recorded outputs."""
    names = list(models)
    tables = "\n".join(f'[models.r{i}]\nkind = "replay"\npath = "replay/{name}.jsonl"' for i, name in enumerate(names))
    (folder / "evalkit.toml").write_text(f'tracking = "none"\nconcurrency = 64\n{tables}\n', encoding="utf-8")
    candidates = "\n".join(f"  - {{name: {name}, model: r{i}/recorded}}" for i, name in enumerate(names))
    (folder / "suites").mkdir(exist_ok=True)
    (folder / f"suites/{suite}.yaml").write_text(
        f"dataset: {{name: {dataset}, version: '1'}}\ncandidates:\n{candidates}\n{extra}graders:\n{graders}{policy}",
        encoding="utf-8",
    )


def metric_of(output: str, name: str) -> dict[str, Any]:
    body: dict[str, Any] = next(m for m in json.loads(output)["metrics"] if m["metric"] == name)
    return body


def finding(folder: Path, stem: str, metric: str) -> dict[str, Any]:
    verdict = json.loads((folder / f"reports/{stem}.verdict.json").read_text())
    found: dict[str, Any] = next(rule for rule in verdict["rules"] if rule["metric"] == metric)
    return found


def same_pair(comparison: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Assert every figure of a pair of the reference: a is the baseline, b the candidate."""
    assert comparison["n_pairs"] == expected["n"]
    assert comparison["baseline"] == pytest.approx(expected["acc_a"], abs=ABS)
    assert comparison["candidate"] == pytest.approx(expected["acc_b"], abs=ABS)
    assert comparison["effect"] == pytest.approx(expected["diff_b_minus_a"], abs=ABS)
    assert comparison["se_independent"] == pytest.approx(expected["paired_se"], abs=ABS)
    assert (comparison["n_better"], comparison["n_worse"]) == (expected["b_only"], expected["a_only"])
    # the reference rounds p to 10 decimals; below that a relative comparison says nothing
    assert comparison["mcnemar_p"] == pytest.approx(expected["mcnemar_exact_p"], rel=REL_P, abs=6e-11)


def test_gsm8k_labels_verdicts_and_figures_are_reproduced(
    tmp_path: Path, cli: Cli, evalkit_data: Path, reference: dict[str, Any]
) -> None:
    rows = read_rows(evalkit_data / "model_compare/gsm8k_solutions.jsonl.gz")
    models = list(rows[0]["outputs"])
    write_rows(tmp_path / "items.jsonl", rows)
    for model in models:
        outputs = [{"item_id": row["item_id"], **row["outputs"][model]} for row in rows]
        write_rows(tmp_path / f"replay/{model}.jsonl", outputs)
    graders = "  - {use: numeric, name: solved, after: 'A:'}\n  - {use: recorded, name: label, field: is_correct}\n"
    policy = "policy:\n  rules:\n    - {metric: solved, rule: no_regression, margin: 0.03}\n"
    project(tmp_path, "gsm8k", "gsm8k", models, graders, policy=policy)
    cli("dataset", "import", "items.jsonl", "--to", "gsm8k", "--version", "1", "--id", "item_id", "--input", "question",
        "--expected", "answer", "--license", "MIT", cwd=tmp_path)  # fmt: skip
    run_ids = {}
    for model in models:
        output = cli("run", "suites/gsm8k.yaml", "-c", model, "--json", cwd=tmp_path).stdout
        run_ids[model] = json.loads(output)["run"]["id"]
        expected = reference["gsm8k"]["per_model"][model]
        for name in ("solved", "label"):
            metric = metric_of(output, name)
            assert metric["n"] == expected["n"]
            assert metric["mean"] == pytest.approx(expected["mean"], abs=ABS)
            assert metric["se_independent"] == pytest.approx(expected["se_clt"], abs=ABS)
    agreement = cli("runs", "sql", "--json",
        "select count(*) as n, sum(case when a.value = b.value then 1 else 0 end) as agree from scores a join scores b"
        " using (run_id, item_id) where a.metric = 'solved' and b.metric = 'label'", cwd=tmp_path)  # fmt: skip
    counted = json.loads(agreement.stdout)
    assert counted["n"] == counted["agree"] == 4 * 679

    outcomes = {}
    p_values = {}
    for pair, expected in reference["gsm8k"]["pairs"].items():
        base, candidate = pair.split(" -> ")
        cli("baseline", "accept", run_ids[base], "--reason", "reference", cwd=tmp_path)
        done = cli("gate", "suites/gsm8k.yaml", "-c", candidate, "--junit", "junit.xml", cwd=tmp_path, code=None)
        found = finding(tmp_path, "gsm8k", "solved")
        same_pair(found, expected)
        outcomes[pair] = found["outcome"]
        p_values[pair] = found["mcnemar_p"]
        assert done.code == {"pass": 0, "fail": 1, "inconclusive": 0}[found["outcome"]]
        suite = ET.parse(tmp_path / "junit.xml").getroot().find(".//testsuite")
        assert suite is not None
        assert (suite.get("failures") == "1") == (found["outcome"] == "fail")
    assert outcomes["6b_finetuning -> 175b_verification"] == "pass"
    assert outcomes["6b_verification -> 175b_finetuning"] == "fail"

    from evalkit.stats import holm

    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    for pair, expected in reference["gsm8k"]["pairs"].items():
        # the reference adjusted p values it had rounded before
        assert adjusted[pair] == pytest.approx(expected["holm_p"], rel=REL_P, abs=2e-10)


def test_mmlu_pro_with_clusters_and_missing_items(
    tmp_path: Path, cli: Cli, evalkit_data: Path, reference: dict[str, Any]
) -> None:
    import duckdb

    source = evalkit_data / "model_compare/mmlu_pro_verdicts.parquet"
    connection = duckdb.connect()
    frame = connection.execute(f"select item_id, model, pred, category, answer, correct from '{source}'").df()
    connection.close()
    items = frame.drop_duplicates("item_id")[["item_id", "category", "answer"]]
    write_rows(
        tmp_path / "items.jsonl", ({str(key): value for key, value in row.items()} for row in items.to_dict("records"))
    )
    models = sorted(frame["model"].unique())
    for model, part in frame.groupby("model"):
        rows = [
            {"item_id": row.item_id, "text": row.pred if isinstance(row.pred, str) else ""} for row in part.itertuples()
        ]
        write_rows(tmp_path / f"replay/{model}.jsonl", rows)
    policy = (
        "policy:\n  max_error_rate: 0.02\n  clusters: these\n"
        "  rules:\n    - {metric: right, rule: no_regression, margin: 0.02}\n"
    )
    graders = "  - {use: exact, name: right, expected: '{{ expected }}'}\n"
    project(tmp_path, "mmlu", "mmlu_pro", models, graders, policy=policy)
    cli("dataset", "import", "items.jsonl", "--to", "mmlu_pro", "--version", "1", "--id", "item_id", "--expected",
        "answer", "--cluster", "category", "--input", "category", cwd=tmp_path)  # fmt: skip
    run_ids = {}
    for output in cli("run", "suites/mmlu.yaml", "--json", cwd=tmp_path).stdout.splitlines():
        run = json.loads(output)["run"]
        model = run["candidate"]["name"]
        run_ids[model] = run["id"]
        expected = reference["mmlu_pro"]["per_model"][model]
        metric = metric_of(output, "right")
        assert metric["n"] == expected["n"]
        assert metric["mean"] == pytest.approx(expected["mean"], abs=ABS)
        assert metric["se_independent"] == pytest.approx(expected["se_clt"], abs=ABS)
        clustered = expected["cluster_by_category"]
        assert metric["se_clustered"] == pytest.approx(clustered["cluster_se_CR0"], abs=ABS)
        assert metric["n_clusters"] == clustered["clusters"]
    for pair, expected in reference["mmlu_pro"]["pairs"].items():
        base, candidate = pair.split(" -> ")
        cli("compare", run_ids[candidate], "--against", run_ids[base], cwd=tmp_path, code=None)
        found = finding(tmp_path, "mmlu", "right")
        same_pair(found, expected)
        clustered = expected["cluster_by_category"]
        assert found["se_clustered"] == pytest.approx(clustered["cluster_se_CR0"], abs=ABS)
        assert found["n_clusters"] == clustered["clusters"]
    # a model that lacks 14 % of the items is an error, never a verdict on what happens to be there
    cli("compare", run_ids["DeepSeek-Coder-V2"], "--against", run_ids["gemma-7b"], cwd=tmp_path, code=4)


def test_bbh_two_prompts_clustered_by_task(
    tmp_path: Path, cli: Cli, evalkit_data: Path, reference: dict[str, Any]
) -> None:
    rows = read_rows(evalkit_data / "model_compare/bbh_direct_vs_cot.jsonl.gz")
    write_rows(tmp_path / "items.jsonl", [{**row, "tags": [row["task"]]} for row in rows])
    for prompt in ("direct", "cot"):
        recorded = [
            {"item_id": row["item_id"], "text": row[prompt], "is_correct": row[f"{prompt}_correct"]} for row in rows
        ]
        write_rows(tmp_path / f"replay/{prompt}.jsonl", recorded)
    policy = "policy:\n  clusters: these\n  rules:\n    - {metric: right, rule: no_regression, margin: 0.02}\n"
    graders = "  - {use: recorded, name: right, field: is_correct}\n"
    project(tmp_path, "bbh", "bbh", ("direct", "cot"), graders, policy=policy)
    cli("dataset", "import", "items.jsonl", "--to", "bbh", "--version", "1", "--id", "item_id", "--input", "question",
        "--expected", "target", "--cluster", "task", "--tags", "tags", cwd=tmp_path)  # fmt: skip
    cli("run", "suites/bbh.yaml", "-c", "direct", cwd=tmp_path)
    cli("baseline", "accept", "latest", "--reason", "direct prompting", cwd=tmp_path)
    cli("gate", "suites/bbh.yaml", "-c", "cot", "--junit", "junit.xml", cwd=tmp_path, code=0)
    assert b"<failure" not in (tmp_path / "junit.xml").read_bytes()
    comparison = finding(tmp_path, "bbh", "right")
    same_pair(comparison, reference["bbh"]["overall"])
    clustered = reference["bbh"]["cluster_by_task"]
    assert comparison["se_clustered"] == pytest.approx(clustered["cluster_se_CR0"], abs=ABS)
    assert comparison["n_clusters"] == clustered["clusters"]
    verdict = json.loads((tmp_path / "reports/bbh.verdict.json").read_text())
    slices = {part["slice"]: part for part in verdict["slices"] if part["metric"] == "right"}
    assert set(slices) == set(reference["bbh"]["per_task"])
    for task, expected in reference["bbh"]["per_task"].items():
        same_pair(slices[task], expected)


def test_tau_bench_four_trials(tmp_path: Path, cli: Cli, evalkit_data: Path, reference: dict[str, Any]) -> None:
    rows = read_rows(evalkit_data / "model_compare/tau_airline_gpt4o.jsonl.gz")
    tasks = {str(row["task_id"]): row["instruction"] for row in rows}
    write_rows(tmp_path / "items.jsonl", [{"id": task, "instruction": text} for task, text in tasks.items()])
    recorded = [
        {
            "item_id": str(row["task_id"]),
            "trial": row["trial"],
            "text": json.dumps(row["traj"][-1]),
            "reward": row["reward"],
            "cost_usd": row["user_cost"],
        }
        for row in rows
    ]
    write_rows(tmp_path / "replay/gpt4o.jsonl", recorded)
    policy = "policy:\n  rules:\n    - {metric: reward, rule: at_least, bound: 0.1}\n"
    project(
        tmp_path, "tau", "tau", ["gpt4o"], "  - {use: recorded, name: reward, field: reward}\n",
        extra="trials: 4\n", policy=policy,
    )  # fmt: skip
    cli("dataset", "import", "items.jsonl", "--to", "tau", "--version", "1", "--id", "id", "--input", "instruction",
        cwd=tmp_path)  # fmt: skip
    output = cli("run", "suites/tau.yaml", "--json", cwd=tmp_path).stdout
    expected = reference["tau_airline"]
    reward = metric_of(output, "reward")
    assert reward["n"] == expected["tasks"] * expected["trials"]
    assert reward["mean"] == pytest.approx(expected["mean_reward"], abs=ABS)
    assert reward["se_independent"] == pytest.approx(expected["naive_se"], abs=ABS)
    assert reward["se_clustered"] == pytest.approx(expected["cluster_by_task"]["cluster_se_CR0"], abs=ABS)
    for k in range(1, 5):
        assert reward["pass_hat_k"][k - 1] == pytest.approx(expected["pass_hat_k"][str(k)], abs=ABS)
        assert reward["pass_at_k"][k - 1] == pytest.approx(expected["pass_at_k"][str(k)], abs=ABS)
    assert metric_of(output, "cost_usd")["total"] == pytest.approx(expected["total_user_cost"], abs=ABS)
    cli("gate", "suites/tau.yaml", cwd=tmp_path, code=0)
    cli("baseline", "accept", "latest", "--reason", "the recorded trials", cwd=tmp_path)
    # the same recorded calls on both sides are no evidence of anything
    done = cli("gate", "suites/tau.yaml", "--against", "stored", cwd=tmp_path, code=0)
    assert "same call" in done.stdout
