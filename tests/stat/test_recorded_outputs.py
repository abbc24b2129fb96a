"""Figures of the recorded model outputs, computed from the files and compared with reference.json (10 decimals)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from evalkit.stats import (
    clustered_se,
    gate_test,
    holm,
    iid_se,
    item_means,
    mcnemar_exact,
    mean_interval,
    suite_pass_at_k,
    suite_pass_hat_k,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Scores = NDArray[np.float64]

pytestmark = pytest.mark.realdata

ROUNDED = 1e-9


def check_pair(baseline: Scores, candidate: Scores, expected: dict[str, Any]) -> float:
    """Compares one pair of runs; returns its exact McNemar p."""
    diffs = candidate - baseline
    b, c = int((diffs > 0).sum()), int((diffs < 0).sum())
    p = mcnemar_exact(b, c).p_value
    assert (diffs.size, b, c) == (expected["n"], expected["b_only"], expected["a_only"])
    assert baseline.mean() == pytest.approx(expected["acc_a"], abs=ROUNDED)
    assert candidate.mean() == pytest.approx(expected["acc_b"], abs=ROUNDED)
    assert diffs.mean() == pytest.approx(expected["diff_b_minus_a"], abs=ROUNDED)
    assert iid_se(diffs) == pytest.approx(expected["paired_se"], abs=ROUNDED)
    assert p == pytest.approx(expected["mcnemar_exact_p"], abs=ROUNDED)
    return p


def check_clusters(values: Scores, labels: list[object], expected: dict[str, Any]) -> None:
    """Compares a mean with its CR0 standard error."""
    assert (values.size, len(set(labels))) == (expected["n"], expected["clusters"])
    assert values.mean() == pytest.approx(expected["mean"], abs=ROUNDED)
    assert clustered_se(values, labels, correct=False) == pytest.approx(expected["cluster_se_CR0"], abs=ROUNDED)


@pytest.fixture(scope="session")
def mmlu_pro(evalkit_data: Path) -> pd.DataFrame:
    return pd.read_parquet(evalkit_data / "model_compare" / "mmlu_pro_verdicts.parquet")


def test_mmlu_pro_means_and_clusters(mmlu_pro: pd.DataFrame, reference: dict[str, Any]) -> None:
    for model, expected in reference["mmlu_pro"]["per_model"].items():
        mine = mmlu_pro[mmlu_pro["model"] == model]
        values = mine["correct"].to_numpy(dtype=np.float64)
        assert values.size == expected["n"]
        assert values.mean() == pytest.approx(expected["mean"], abs=ROUNDED)
        assert iid_se(values) == pytest.approx(expected["se_clt"], abs=ROUNDED)
        check_clusters(values, mine["category"].tolist(), expected["cluster_by_category"])


def test_mmlu_pro_pairs(mmlu_pro: pd.DataFrame, reference: dict[str, Any]) -> None:
    table = mmlu_pro.pivot_table(index=["item_id", "category"], columns="model", values="correct", aggfunc="first")
    for name, expected in reference["mmlu_pro"]["pairs"].items():
        first, second = name.split(" -> ")
        both = table[[first, second]].dropna()
        baseline, candidate = (both[column].to_numpy(dtype=np.float64) for column in (first, second))
        check_pair(baseline, candidate, expected)
        labels = both.index.get_level_values("category").tolist()
        check_clusters(candidate - baseline, labels, expected["cluster_by_category"])
        gate = gate_test(candidate - baseline, margin=0.02, clusters=labels, target="these")
        assert gate.low < expected["diff_b_minus_a"] < gate.high
        assert (gate.high - gate.low) / 2 == pytest.approx(1.645 * expected["paired_se"], rel=0.02)
        assert gate.other_target_p_pass is not None
        assert gate.other_target_p_pass > 0.05, "14 categories cannot speak for new ones at a margin of .02"


def test_gsm8k_pairs_with_holm(rows: Callable[[str], list[dict[str, Any]]], reference: dict[str, Any]) -> None:
    items = rows("gsm8k_solutions.jsonl.gz")
    models = reference["gsm8k"]["per_model"]
    scores = {
        model: np.array([item["outputs"][model]["is_correct"] for item in items], dtype=np.float64) for model in models
    }
    for model, expected in models.items():
        assert scores[model].mean() == pytest.approx(expected["mean"], abs=ROUNDED)
        assert iid_se(scores[model]) == pytest.approx(expected["se_clt"], abs=ROUNDED)
    pairs = reference["gsm8k"]["pairs"]
    raw = []
    for name, expected in pairs.items():
        first, second = name.split(" -> ")
        raw.append(check_pair(scores[first], scores[second], expected))
    assert holm(raw) == pytest.approx([expected["holm_p"] for expected in pairs.values()], abs=ROUNDED)


def test_bbh_overall_by_task_and_clustered(
    rows: Callable[[str], list[dict[str, Any]]], reference: dict[str, Any]
) -> None:
    items = rows("bbh_direct_vs_cot.jsonl.gz")
    direct, cot = (
        np.array([item[field] for item in items], dtype=np.float64) for field in ("direct_correct", "cot_correct")
    )
    tasks = np.array([item["task"] for item in items])
    expected = reference["bbh"]
    check_pair(direct, cot, expected["overall"])
    check_clusters(cot - direct, tasks.tolist(), expected["cluster_by_task"])
    for task, figures in expected["per_task"].items():
        check_pair(direct[tasks == task], cot[tasks == task], figures)


def test_tau_airline_trials(rows: Callable[[str], list[dict[str, Any]]], reference: dict[str, Any]) -> None:
    runs, expected = rows("tau_airline_gpt4o.jsonl.gz"), reference["tau_airline"]
    rewards = np.array([run["reward"] for run in runs], dtype=np.float64)
    tasks = [run["task_id"] for run in runs]
    assert rewards.mean() == pytest.approx(expected["mean_reward"], abs=ROUNDED)
    assert iid_se(rewards) == pytest.approx(expected["naive_se"], abs=ROUNDED)
    check_clusters(rewards, tasks, expected["cluster_by_task"])
    means = item_means(rewards, tasks)
    assert means.size == expected["tasks"]
    passes = np.round(means * expected["trials"]).astype(int)
    trials = [expected["trials"]] * means.size
    for k in range(1, 5):
        at, hat = suite_pass_at_k(passes, trials, k), suite_pass_hat_k(passes, trials, k)
        assert at.value == pytest.approx(expected["pass_at_k"][str(k)], abs=ROUNDED)
        assert hat.value == pytest.approx(expected["pass_hat_k"][str(k)], abs=ROUNDED)
    by_item = mean_interval(means)
    assert by_item.se == pytest.approx(clustered_se(rewards, tasks), rel=1e-9)
