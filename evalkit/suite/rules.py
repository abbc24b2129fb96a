"""The policy of a suite: rules checked against the metrics there are, defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evalkit.base.errors import UsageError
from evalkit.base.registry import suggest
from evalkit.base.serial import Problems, validate
from evalkit.core.score import BUILT_IN_METRICS, MetricInfo
from evalkit.core.suite import MetricRule, Policy
from evalkit.suite.files import PolicyFile, RuleFile

__all__ = ["DEFAULT_MARGIN", "QUANTILES", "build_policy"]

DEFAULT_MARGIN = 0.05
"""The margin of ``no_regression`` on a metric in [0, 1], where none is given."""

QUANTILES = ("p50", "p90", "p95", "p99")
"""What may follow the name of a metric without bounds, as in ``latency_s.p95``."""

_RATES = frozenset({"binary", "bounded"})


def build_policy(
    file: PolicyFile,
    problems: Problems,
    *,
    primary: Sequence[MetricInfo],
    metrics: Sequence[MetricInfo],
    unsure: frozenset[str],
    defaults: list[str],
) -> Policy:
    """Return the policy; what is wrong goes to ``problems``.

    Args:
        file: as written.
        problems: of the suite file.
        primary: the first metric of each grader, for which rules are made if there are none.
        metrics: every metric of every grader.
        unsure: names of graders that are wrong themselves; rules on their metrics are not looked at.
        defaults: takes a sentence for everything filled in.
    """
    known = {info.name: info for info in (*metrics, *BUILT_IN_METRICS)}
    rules = (
        _default_rules(primary, defaults)
        if file.rules is None
        else _rules(file.rules, problems, known, unsure, defaults)
    )
    if file.design == "sequential":
        problems.add(
            ("policy", "design"),
            "sequential designs are not decided by this version, and taking one for fixed would be peeking",
            hint="leave `design` out; `evalkit plan` says how many items a fixed design needs",
        )
    data = file.model_dump(exclude={"rules"})
    try:
        return validate(Policy, problems.located, at=("policy",), data={**data, "rules": tuple(rules)})
    except UsageError as error:
        problems.add_error(("policy",), error)
        return Policy()


def _default_rules(primary: Sequence[MetricInfo], defaults: list[str]) -> list[MetricRule]:
    gating = [info.name for info in primary if info.kind in _RATES and info.better == "higher"]
    if gating:
        defaults.append(f"rules: no_regression with margin {DEFAULT_MARGIN} on {', '.join(gating)}")
    left = [info.name for info in primary if info.name not in gating]
    if left:
        defaults.append(f"no rule on {', '.join(left)}: measured and reported only")
    return [MetricRule(metric=name, rule="no_regression", margin=DEFAULT_MARGIN) for name in gating]


def _rules(
    entries: Sequence[RuleFile],
    problems: Problems,
    known: Mapping[str, MetricInfo],
    unsure: frozenset[str],
    defaults: list[str],
) -> list[MetricRule]:
    rules: list[MetricRule] = []
    first: dict[str, int] = {}
    for index, entry in enumerate(entries):
        loc = ("policy", "rules", index)
        where = problems.located.where(loc)
        try:
            data = {**entry.model_dump(), "where": where}
            rule = validate(MetricRule, problems.located, at=loc, data=data)
        except UsageError as error:
            problems.add_error(loc, error)
            continue
        if rule.id in first:
            problems.add(loc, f"rule {rule.rule!r} on {rule.metric!r} is policy.rules[{first[rule.id]}] already")
            continue
        first[rule.id] = index
        if rule.metric.partition(".")[0] in unsure:
            continue
        info = _metric(rule.metric, index, problems, known)
        if info is not None:
            rules.append(_fitted(rule, info, index, problems, defaults))
    return rules


def _metric(text: str, index: int, problems: Problems, known: Mapping[str, MetricInfo]) -> MetricInfo | None:
    if text in known:
        return known[text]
    loc = ("policy", "rules", index, "metric")
    name, dot, suffix = text.rpartition(".")
    if not dot or name not in known:
        near = suggest(text, sorted(known)) or (suggest(name, sorted(known)) if dot else "")
        problems.add(loc, f"there is no metric {text!r}{near}", hint=f"metrics: {', '.join(sorted(known))}")
        return None
    if suffix not in QUANTILES:
        problems.add(
            loc,
            f"{suffix!r} is not a quantile{suggest(suffix, list(QUANTILES))}",
            hint=f"one of {', '.join(QUANTILES)}",
        )
        return None
    if known[name].kind in _RATES:
        problems.add(loc, f"{name!r} lies in [0, 1]: its quantiles say nothing", hint=f"write metric: {name}")
        return None
    return known[name]


def _fitted(rule: MetricRule, info: MetricInfo, index: int, problems: Problems, defaults: list[str]) -> MetricRule:
    """Return ``rule`` with its default margin, noting what does not suit the kind of metric."""
    loc = ("policy", "rules", index)
    if rule.better is not None and info.name in {built_in.name for built_in in BUILT_IN_METRICS}:
        problems.add((*loc, "better"), f"which direction of {info.name} is better is known", hint="remove `better`")
    if rule.rule == "none_may_fail" and (info.kind != "binary" or rule.metric != info.name):
        problems.add((*loc, "rule"), f"'none_may_fail' counts passes and failures; {rule.metric!r} is {info.kind}")
    if rule.bound is not None and info.kind in _RATES and not 0 <= rule.bound <= 1:
        problems.add((*loc, "bound"), f"{info.name!r} lies in [0, 1]: {rule.bound:g} is no bound", hint="0.9 is 90 %")
    if rule.rule != "no_regression":
        return rule
    return _no_regression(rule, info, index, problems, defaults)


def _no_regression(
    rule: MetricRule, info: MetricInfo, index: int, problems: Problems, defaults: list[str]
) -> MetricRule:
    loc = ("policy", "rules", index)
    if info.kind in _RATES:
        if rule.margin is not None and rule.margin > 1:
            problems.add((*loc, "margin"), f"{info.name!r} lies in [0, 1]: {rule.margin:g} allows any loss")
        if rule.margin is None and rule.max_ratio is None:
            defaults.append(f"rule no_regression on {rule.metric}: margin {DEFAULT_MARGIN}")
            return rule.model_copy(update={"margin": DEFAULT_MARGIN})
    elif info.kind == "unbounded" and rule.margin is None:
        problems.add(loc, f"no_regression on {rule.metric!r} needs a `margin`", hint=f"in the unit of {info.name}")
    elif rule.margin is None and rule.max_ratio is None:
        problems.add(
            loc,
            f"no_regression on {rule.metric!r} needs `max_ratio` (or `margin`)",
            hint="max_ratio: 1.10 lets it grow by less than 10 %",
        )
    return rule
