"""A/A through the whole path: a suite file, runs of the embedded model, the store, the comparison, the verdict.

Every pair is two runs of one prompt at temperature 0.7 under names of draws that nobody uses again, without the cache:
two independent sets of calls. Nothing differs between them, so a verdict of fail is a false alarm, and no more of them
may come than the exact binomial band of the nominal level allows. A plain gate, red where the average fell, sees the
same runs. Error rates at a loss of exactly the margin cannot be had from a model; test_verdict_aa.py simulates them.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from evalkit.api.runs import RunOptions, make_runs
from evalkit.api.session import Session
from evalkit.api.stored_run import Run
from evalkit.api.verdicts import load_suite
from evalkit.compare.compare import compare
from evalkit.compare.decide import decide
from evalkit.core.run import RunTable
from evalkit.core.suite import Suite
from evalkit.core.verdict import Verdict
from evalkit.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
ALPHA = 0.05
NAIVE_RED = 0.30
CI_PAIRS, FULL_PAIRS = 40, 500
N_ITEMS = 90
N_CLUSTERS = 30

SUITE = """\
dataset: {path: items.jsonl}
candidates:
  - {name: current, model: local/extract-1, prompt: answer.yaml, temperature: 0.7, max_output_tokens: 200}
  - {name: twin, model: local/extract-1, prompt: answer.yaml, temperature: 0.7, max_output_tokens: 200}
graders:
  - use: contains_any
    name: correct
    values: "{{ expected.accept if expected.answerable else ['not stated'] }}"
    ignore_case: true
policy:
  alpha: 0.05
  CLUSTERS
  rules:
    - {metric: correct, rule: no_regression, margin: 0.05}
"""


def source_items() -> list[dict[str, Any]]:
    path = sorted((ROOT / "datasets/support_qa").glob("*.jsonl"))[-1]
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def unclustered() -> list[dict[str, Any]]:
    """Every sixth item, as if each stood alone."""
    rows = source_items()
    step = len(rows) // N_ITEMS
    return [{key: value for key, value in row.items() if key != "cluster"} for row in rows[::step][:N_ITEMS]]


def cluster_sizes() -> list[int]:
    """The quantiles of a log-normal distribution, rounded: most clusters are small, a few hold a large share."""
    shares = (np.arange(N_CLUSTERS) + 0.5) / N_CLUSTERS
    return [max(1, round(float(np.exp(1.0 + 0.9 * NormalDist().inv_cdf(share))))) for share in shares]


def clustered() -> list[dict[str, Any]]:
    """Items of neighbouring documents, cut into clusters of unequal sizes."""
    sizes = cluster_sizes()
    names = [f"c{number}" for number, size in enumerate(sizes) for _ in range(size)]
    rows = source_items()[: len(names)]
    return [{**row, "cluster": name} for row, name in zip(rows, names, strict=True)]


@dataclass(frozen=True)
class Project:
    """One suite in one folder with one store."""

    session: Session
    suite: Suite

    def run(self, draw: str, *names: str, cache: bool = False) -> list[Run]:
        options = RunOptions(draw=draw, cache=cache, export=False)
        return asyncio.run(make_runs(self.session, self.suite, names or ["current"], options))

    def table(self, draw: str) -> RunTable:
        return self.run(draw)[0].table()

    def judge(self, candidate: RunTable, baseline: RunTable) -> Verdict:
        comparison = compare(candidate, baseline, self.suite.policy, slices=False)
        return decide(comparison, self.suite.policy)


def make_project(folder: Path, rows: Sequence[dict[str, Any]], clusters: str) -> Project:
    (folder / "evalkit.toml").write_text('tracking = "none"\n', encoding="utf-8")
    (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "aa.yaml").write_text(SUITE.replace("CLUSTERS", clusters), encoding="utf-8")
    shutil.copy(ROOT / "suites/prompts/answer.yaml", folder / "answer.yaml")
    session = Session(load_settings(folder, environ={}))
    return Project(session, load_suite(session, folder / "aa.yaml"))


DESIGNS: dict[str, tuple[Callable[[], list[dict[str, Any]]], str]] = {
    "unclustered": (unclustered, "power: 0.8"),
    "clustered": (clustered, "clusters: these"),
}


@pytest.fixture
def figures_folder(tmp_path: Path, full_size: bool) -> Path:
    """Where figures are written: beside the documentation at full size."""
    return ROOT / "docs/measurements" if full_size else tmp_path


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("design", DESIGNS)
def test_equal_runs_rarely_fail_where_a_plain_average_goes_red(
    design: str, tmp_path: Path, full_size: bool, figures_folder: Path
) -> None:
    rows, clusters = DESIGNS[design]
    project = make_project(tmp_path, rows(), clusters)
    n_pairs = FULL_PAIRS if full_size else CI_PAIRS
    outcomes: Counter[str] = Counter()
    methods: Counter[str] = Counter()
    discordance, naive_red = [], 0
    for pair in range(n_pairs):
        verdict = project.judge(project.table(f"{design}-{pair}-candidate"), project.table(f"{design}-{pair}-baseline"))
        found = verdict.findings[0].comparison
        outcomes[verdict.outcome] += 1
        methods[f"{found.method}, {found.target}, {found.n_clusters} clusters"] += 1
        naive_red += (found.effect or 0.0) < 0.0
        discordance.append(found.discordance or 0.0)
        assert verdict.comparison.pairing.same_calls == 0
    figures = {
        "pairs": n_pairs,
        "items": len(project.suite.items),
        "outcomes": dict(outcomes),
        "methods": dict(methods),
        "fails_allowed": int(binom.ppf(0.999, n_pairs, ALPHA)),
        "naive_red": naive_red,
        "discordance_mean": round(float(np.mean(discordance)), 4),
        "pairs_without_discordance": sum(rate == 0.0 for rate in discordance),
    }
    (figures_folder / f"aa-{design}.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    assert sum(discordance) > 0.0
    assert outcomes["error"] == 0
    assert outcomes["fail"] <= binom.ppf(0.999, n_pairs, ALPHA), outcomes
    assert naive_red > (NAIVE_RED * n_pairs if full_size else binom.ppf(0.001, n_pairs, NAIVE_RED)), naive_red


@pytest.mark.slow
def test_clusters_are_unequal_and_a_few_hold_a_large_share() -> None:
    sizes = sorted(cluster_sizes())
    assert 80 <= sum(sizes) <= 150
    assert sizes[0] == 1
    assert sum(sizes[-3:]) > 0.3 * sum(sizes)


def test_two_candidates_of_one_draw_that_share_their_answers_are_the_same_calls(tmp_path: Path) -> None:
    rows, clusters = DESIGNS["unclustered"]
    project = make_project(tmp_path, rows()[:20], clusters)
    first = project.run("one", "current", cache=True)[0].table()
    twin = project.run("one", "twin", cache=True)[0].table()
    verdict = project.judge(twin, first)
    found = verdict.findings[0].comparison
    assert verdict.comparison.pairing.same_calls == 20
    assert found.discordance == 0.0
    assert any("same call" in warning for warning in verdict.comparison.warnings), verdict.comparison.warnings


def test_two_draws_are_independent_calls_even_with_the_cache(tmp_path: Path) -> None:
    rows, clusters = DESIGNS["unclustered"]
    project = make_project(tmp_path, rows()[:20], clusters)
    first = project.run("one", cache=True)[0].table()
    second = project.run("two", cache=True)[0].table()
    assert project.judge(second, first).comparison.pairing.same_calls == 0
