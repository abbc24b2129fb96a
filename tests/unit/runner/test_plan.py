"""What is asked, in which order, under which digest."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.core.candidate import Candidate, Prompt, PromptMessage
from evalkit.core.item import DatasetInfo, Item
from evalkit.core.suite import GraderSpec, MetricRule, Policy, Suite
from evalkit.runner.plan import RunPlan, analysis_order, call_seed, plan_run

MakeSuite = Callable[..., Suite]


def of(ids: list[str]) -> list[Item]:
    return [Item(id=item_id, inputs={}) for item_id in ids]


@given(st.lists(st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True), unique=True, max_size=30), st.integers(0, 2**32))
def test_the_order_is_a_function_of_seed_and_ids_alone(ids: list[str], seed: int) -> None:
    expected = [item.id for item in analysis_order(of(ids), seed)]
    shuffled = ids.copy()
    random.Random(1).shuffle(shuffled)
    other_content = [Item(id=item_id, inputs={"x": 1}, expected="y", weight=2.0) for item_id in shuffled]
    assert [item.id for item in analysis_order(other_content, seed)] == expected
    assert sorted(expected) == sorted(ids)


@given(
    st.lists(st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True), unique=True, min_size=1, max_size=30),
    st.integers(0, 2**32),
    st.data(),
)
def test_items_keep_their_order_when_others_are_added(ids: list[str], seed: int, data: st.DataObject) -> None:
    fewer = data.draw(st.lists(st.sampled_from(ids), unique=True))
    whole = [item.id for item in analysis_order(of(ids), seed) if item.id in fewer]
    assert [item.id for item in analysis_order(of(fewer), seed)] == whole


def test_another_seed_gives_another_order() -> None:
    ids = [f"q{n}" for n in range(50)]
    assert analysis_order(of(ids), 1) != analysis_order(of(ids), 2)


def test_every_item_is_first_about_equally_often() -> None:
    ids = [f"q{n}" for n in range(5)]
    firsts = [analysis_order(of(ids), seed)[0].id for seed in range(2000)]
    counts = [firsts.count(item_id) for item_id in ids]
    assert min(counts) > 330  # expected 400, standard deviation 18
    assert max(counts) < 470


@pytest.mark.parametrize("limit", [0, 1, 4, 10, 99])
def test_a_limit_takes_a_prefix_of_the_order(make_suite: MakeSuite, limit: int) -> None:
    suite = make_suite(10)
    whole = plan_run(suite, suite.candidates[0], draw="0").items
    assert plan_run(suite, suite.candidates[0], draw="0", limit=limit).items == whole[:limit]


def test_a_selection_keeps_the_order_and_is_always_marked_as_restricted(make_suite: MakeSuite) -> None:
    suite = make_suite(10)
    whole = plan_run(suite, suite.candidates[0], draw="0")
    some = plan_run(suite, suite.candidates[0], draw="0", select=["q7", "q2", "nowhere"])
    assert [item.id for item in some.items] == [item.id for item in whole.items if item.id in {"q7", "q2"}]
    assert some.restricted
    assert some.digest != whole.digest
    other = plan_run(suite, suite.candidates[0], draw="0", select=["q7"], restricted="-k refund")
    assert other.restricted == "-k refund"
    assert other.digest != some.digest


def test_calls_are_items_times_trials(make_suite: MakeSuite) -> None:
    suite = make_suite(10, trials=3)
    assert plan_run(suite, suite.candidates[0], draw="0").n_calls == 30
    assert plan_run(suite, suite.candidates[0], draw="0", limit=2).n_calls == 6


CANDIDATE = Candidate(name="next", model="fake/model")
PROMPT = Prompt(messages=(PromptMessage(role="user", content="{{ inputs.question }}"),))


@pytest.mark.parametrize(
    "change",
    [
        {"candidate": {"model": "fake/other"}},
        {"candidate": {"temperature": 0.5}},
        {"candidate": {"max_output_tokens": 7}},
        {"candidate": {"prompt": PROMPT}},
        {"candidate": {"extra": {"x": 1}}},
        {"candidate": {"model_identity": {"base_url": "https://other.example"}}},
        {"candidate": {"name": "other"}},
        {"suite": {"trials": 2}},
        {"suite": {"seed": 1}},
        {"suite": {"name": "other"}},
        {"suite": {"dataset": DatasetInfo(name="support", version=None, digest="other", n_items=10)}},
        {"plan": {"draw": "1"}},
        {"plan": {"limit": 5}},
    ],
    ids=str,
)
def test_the_digest_covers_what_decides_the_outputs(make_suite: MakeSuite, change: dict[str, Any]) -> None:
    assert _plan(make_suite).digest != _plan(make_suite, **change).digest


@pytest.mark.parametrize(
    "change",
    [
        {"suite": {"graders": [GraderSpec(use="exact", name="correct", digest="g")]}},
        {"suite": {"policy": Policy(alpha=0.1, rules=(MetricRule(metric="m", rule="none_may_fail"),))}},
        {"suite": {"description": "words", "path": "elsewhere.yaml", "baseline": "next", "defaults": ["a sentence"]}},
        {"suite": {"dataset": DatasetInfo(name="renamed", version="2", digest="d", n_items=10, license="MIT")}},
    ],
    ids=str,
)
def test_the_digest_leaves_out_graders_policy_and_words(make_suite: MakeSuite, change: dict[str, Any]) -> None:
    assert _plan(make_suite).digest == _plan(make_suite, **change).digest


def test_where_a_prompt_was_read_from_is_not_in_the_digest(make_suite: MakeSuite) -> None:
    moved = PROMPT.model_copy(update={"source": "b.yaml", "commit": "abc"})
    here, there = ({"candidate": {"prompt": prompt}} for prompt in (PROMPT, moved))
    assert _plan(make_suite, **here).digest == _plan(make_suite, **there).digest


def _plan(
    make_suite: MakeSuite,
    *,
    candidate: dict[str, Any] | None = None,
    suite: dict[str, Any] | None = None,
    plan: dict[str, Any] | None = None,
) -> RunPlan:
    chosen = CANDIDATE.model_copy(update=candidate or {})
    return plan_run(make_suite(10, candidates=[chosen], **(suite or {})), chosen, **{"draw": "0", **(plan or {})})


def test_request_seeds_differ_by_draw_item_and_trial_and_by_nothing_else() -> None:
    seeds = {
        call_seed(draw, item_id, trial) for draw in ("0", "1") for item_id in ("a", "b", "a\u0131") for trial in (0, 1)
    }
    assert len(seeds) == 12
    assert call_seed("0", "a", 0) == call_seed("0", "a", 0)
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_request_seeds_of_two_draws_are_uncorrelated() -> None:
    first, second = ([call_seed(draw, f"q{n}", 0) / 2**31 for n in range(2000)] for draw in ("0", "1"))
    mean = sum((a - 0.5) * (b - 0.5) for a, b in zip(first, second, strict=True)) / 2000
    assert abs(mean) < 4 * (1 / 12) / 2000**0.5
