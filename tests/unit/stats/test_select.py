"""The automatic choice of a method."""

import pytest

from evalkit.stats import StatsError, choose, kind_of
from evalkit.stats.select import Kind, Method, Rule


@pytest.mark.parametrize(
    ("values", "bounded", "kind"),
    [
        ([0, 1, 1], False, "binary"),
        ([0.2, 1], True, "bounded"),
        ([0.2, 3], False, "positive"),
        ([-1, 2], False, "unbounded"),
    ],
)
def test_kind_is_read_from_values_and_declaration(values: list[float], bounded: bool, kind: Kind) -> None:
    assert kind_of(values, bounded=bounded) == kind


@pytest.mark.parametrize(
    ("kind", "rule", "method"),
    [
        ("binary", "difference", "gate_test"),
        ("bounded", "absolute", "gate_from_null"),
        ("positive", "ratio", "ratio_gate"),
        ("positive", "quantile", "quantile_gate"),
        ("unbounded", "difference", "mean_gate"),
    ],
)
def test_each_rule_has_its_method_and_says_why(kind: Kind, rule: Rule, method: Method) -> None:
    choice = choose(kind, rule, n_items=100, n_trials=3)
    assert choice.method == method
    assert "100 items" in choice.why
    assert "3 trials" in choice.why
    assert choice.caution is None


def test_cautions_name_the_number_of_units() -> None:
    few = choose("unbounded", "difference", n_items=500, n_clusters=12, target="new")
    assert few.caution is not None
    assert "12 units" in few.caution
    assert "12 clusters" in few.why
    assert choose("binary", "difference", n_items=1).caution is not None


def test_requests_that_do_not_fit_raise() -> None:
    with pytest.raises(StatsError, match="ratio rule"):
        choose("binary", "ratio", n_items=10)
    with pytest.raises(StatsError, match="clusters need"):
        choose("binary", "difference", n_items=10, n_clusters=3)
    with pytest.raises(StatsError, match="declared"):
        kind_of([0.5, 7], bounded=True)
