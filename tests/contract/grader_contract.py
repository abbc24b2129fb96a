"""What every grader must keep to, as claims to run on one grader at a time.

For a grader of your own: make a :class:`Case` and call every claim with it::

    @pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
    def test_my_grader_keeps_the_contract(claim):
        claim(Case(use="mine", params={...}, other_params={...}, item=..., outputs=[...]))
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from evalkit.base.errors import UsageError
from evalkit.core.item import Item
from evalkit.core.output import CallKey, Exchange, Output
from evalkit.core.score import Score
from evalkit.core.suite import GraderSpec
from evalkit.graders.bound import BoundGrader
from evalkit.graders.grader import Grader
from evalkit.graders.registry import GRADERS, build_grader, grader_digest
from evalkit.llm.wire import ChatResponse

__all__ = ["CLAIMS", "Case", "make_output"]

HOSTILE_SECONDS = 15.0
"""CPU seconds one hostile output of about a megabyte may cost; a quadratic check takes hours."""


@dataclass(frozen=True)
class Case:
    """A grader with parameters and something to grade.

    Attributes:
        use: its registered name.
        params: valid parameters.
        other_params: valid parameters that differ from ``params``.
        item: an item the parameters fit.
        outputs: ordinary outputs.
    """

    use: str
    params: Mapping[str, Any]
    other_params: Mapping[str, Any]
    item: Item
    outputs: Sequence[Output]


def make_output(text: str, **response: Any) -> Output:
    """Return an answered output with ``text`` and further fields of the response; text may be what UTF-8 refuses."""
    answer = ChatResponse.model_validate({"text": "", **response}).model_copy(update={"text": text})
    exchange = Exchange(key=CallKey(item_id="i1", trial=0), request_digest="0").model_copy(update={"response": answer})
    return Output(item_id="i1", trial=0, exchanges=()).model_copy(update={"exchanges": (exchange,)})


def hostile_outputs() -> list[Output]:
    """Return outputs no honest model gives."""
    big = 1_000_000
    texts = [
        "",
        "\0",
        "a\0b",
        "\ud800 lone \udfff",
        '{"a": NaN}',
        '{"a": 1e999}',
        "[" * 100_000,
        '{"a":' * 2_000 + "1" + "}" * 2_000,
        '{"a":' * 90 + "1" + "}" * 90,
        "[" + "{}," * (big // 3) + "{}]",
        "a" * big,
        "1" * big,
        "1 " * (big // 2),
        " " * big,
        "{" * big,
        "```\n" * (big // 4),
        "a@" * (big // 2),
        "the answer is " * (big // 14),
        "i can't " * (big // 8),
        "\u202e\u200d\U0001f468" * 100,
        "٣" * 1000,
    ]
    return [make_output(text) for text in texts]


def _built(case: Case, **reserved: Any) -> BoundGrader:
    digest = grader_digest(case.use, case.params)
    return build_grader(GraderSpec(use=case.use, name="metric", params=case.params, digest=digest, **reserved))


def _keeps_form(grader: BoundGrader, scores: Sequence[Score]) -> None:
    assert [score.metric for score in scores] == [metric.name for metric in grader.metrics]
    for score in scores:
        assert (score.value is not None) == (score.status == "ok")
        assert score.value is None or math.isfinite(score.value)
        assert score.status == "ok" or score.reason, "a score without a value says why"
        score.model_dump_json()


def is_a_grader(case: Case) -> None:
    """The class and its instances have what the protocol names."""
    assert isinstance(_built(case).grader, Grader)


def first_metric_has_the_graders_name(case: Case) -> None:
    """Metrics are named after the grader, once each, and carry its id."""
    grader = _built(case)
    names = [metric.name for metric in grader.metrics]
    assert names[0] == "metric"
    assert len(set(names)) == len(names)
    assert {metric.grader for metric in grader.metrics} == {grader.id}


def scores_equal_metrics_in_order(case: Case) -> None:
    """One score a metric, in order, a value if and only if the status is ok."""
    grader = _built(case)
    for output in case.outputs:
        _keeps_form(grader, grader.grade(case.item, output))


def the_same_input_gives_the_same_scores(case: Case) -> None:
    """No state: grading again, in another order, or with a second instance changes nothing."""
    one, other = _built(case), _built(case)
    first = [list(one.grade(case.item, output)) for output in case.outputs]
    again = [list(one.grade(case.item, output)) for output in reversed(case.outputs)][::-1]
    assert first == again == [list(other.grade(case.item, output)) for output in case.outputs]


def inputs_are_not_changed(case: Case) -> None:
    """Item and output are only read."""
    item = copy.deepcopy(case.item)
    grader = _built(case)
    for output in case.outputs:
        before = output.model_dump_json()
        grader.grade(case.item, output)
        assert output.model_dump_json() == before
    assert case.item == item


def hostile_outputs_get_a_score(case: Case) -> None:
    """Nothing a model can send raises, hangs, or yields a score that cannot be stored."""
    grader = _built(case)
    for output in hostile_outputs():
        started = time.process_time()
        scores = grader.grade(case.item, output)
        used = time.process_time() - started
        _keeps_form(grader, scores)
        assert used < HOSTILE_SECONDS, f"{used:.1f} s for {output.text[:20]!r}…"


def an_item_without_expected_raises_nothing(case: Case) -> None:
    """Production traffic has no expected answer: then the score is skipped, or does not need it."""
    grader = _built(case)
    bare = Item(id="i1", inputs=case.item.inputs)
    for output in case.outputs:
        _keeps_form(grader, grader.grade(bare, output))


def when_false_skips_every_metric(case: Case) -> None:
    """``when`` decides before the grader is asked."""
    grader = _built(case, when="id == 'another'")
    assert {score.status for score in grader.grade(case.item, case.outputs[0])} == {"skipped"}


def negate_turns_rates_and_refuses_the_rest(case: Case) -> None:
    """``negate`` gives 1 - value on rates and is an error at build on anything else."""
    plain = _built(case)
    if any(metric.kind not in {"binary", "bounded"} for metric in plain.metrics):
        with pytest.raises(UsageError):
            _built(case, negate=True)
        return
    negated = _built(case, negate=True)
    for output in case.outputs:
        pairs = zip(plain.grade(case.item, output), negated.grade(case.item, output), strict=True)
        for one, other in pairs:
            assert one.status == other.status
            assert one.value is None or other.value == 1.0 - one.value


def the_digest_follows_parameters_and_version(case: Case) -> None:
    """Same parameters, same digest; other parameters or another version, another."""
    digest = grader_digest(case.use, case.params)
    assert digest == grader_digest(case.use, dict(reversed(list(case.params.items()))))
    assert digest != grader_digest(case.use, case.other_params)
    grader = GRADERS.get(case.use)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grader, "version", grader.version + 1)
        assert digest != grader_digest(case.use, case.params)


def an_unknown_parameter_is_refused_with_a_hint(case: Case) -> None:
    """A typo in a parameter is found before anything is graded."""
    with pytest.raises(UsageError, match="no_such_parameter") as caught:
        grader_digest(case.use, {**case.params, "no_such_parameter": 1})
    assert caught.value.hint


CLAIMS: tuple[Callable[[Case], None], ...] = (
    is_a_grader,
    first_metric_has_the_graders_name,
    scores_equal_metrics_in_order,
    the_same_input_gives_the_same_scores,
    inputs_are_not_changed,
    hostile_outputs_get_a_score,
    an_item_without_expected_raises_nothing,
    when_false_skips_every_metric,
    negate_turns_rates_and_refuses_the_rest,
    the_digest_follows_parameters_and_version,
    an_unknown_parameter_is_refused_with_a_hint,
)
