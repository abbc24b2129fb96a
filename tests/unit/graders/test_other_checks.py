from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from evalkit.graders.checks.pii_kinds import find_pii
from evalkit.graders.checks.refusal import find_refusal
from evalkit.graders.registry import CATALOG

Grade = Callable[..., Any]
Value = Callable[..., float | None]


def test_measured_values_are_positive_metrics_and_binary_with_a_limit() -> None:
    for use, limit in (("latency", {"max_s": 1}), ("cost", {"max_usd": 1}), ("tokens", {"max": 1})):
        (plain,), (limited,) = CATALOG.metrics(use, "m", {}), CATALOG.metrics(use, "m", limit)
        assert (plain.kind, plain.better) == ("positive", "lower")
        assert (limited.kind, limited.better) == ("binary", "higher")


def test_measured_values_and_limits(value: Value) -> None:
    response = {
        "latency_s": 1.5,
        "first_token_s": 0.2,
        "cost_usd": 0.02,
        "usage": {"input_tokens": 3, "output_tokens": 4},
    }
    for use, params, wanted in (
        ("latency", {}, 1.5),
        ("latency", {"of": "first_token"}, 0.2),
        ("latency", {"max_s": 1.5}, 1.0),
        ("latency", {"max_s": 1.4}, 0.0),
        ("cost", {}, 0.02),
        ("cost", {"max_usd": 0.01}, 0.0),
        ("tokens", {}, 4.0),
        ("tokens", {"of": "input"}, 3.0),
        ("tokens", {"of": "total", "max": 7}, 1.0),
    ):
        assert value(use, "x", response=response, **params) == wanted


@pytest.mark.parametrize(
    ("use", "params"), [("latency", {}), ("cost", {"max_usd": 1}), ("tokens", {}), ("tokens", {"of": "reasoning"})]
)
def test_an_unknown_measure_abstains(grade: Grade, use: str, params: dict[str, Any]) -> None:
    assert grade(use, "x", **params)[0].status == "abstained"


def test_finish_reason(value: Value) -> None:
    assert value("finish_reason", "x") == 1.0
    assert value("finish_reason", "x", response={"finish": "length"}) == 0.0
    assert value("finish_reason", "x", response={"finish": "length"}, allowed=["length"]) == 1.0


def test_recorded_reads_the_row_then_the_metadata(grade: Grade) -> None:
    def score(recorded: dict[str, Any], metadata: dict[str, Any], **params: Any) -> Any:
        item, response = {"metadata": metadata}, {"recorded": recorded}
        return grade("recorded", "x", item=item, response=response, **{"field": "reward", **params})[0]

    assert score({"reward": 1}, {"reward": 0}).value == 1.0
    assert score({}, {"reward": True}).value == 1.0
    assert score({"s": {"f": [0.5]}}, {}, field="s.f[0]", kind="bounded").value == 0.5
    assert score({"reward": None}, {}).status == "abstained"
    assert score({"reward": "good"}, {}).status == "error"
    assert score({}, {}).status == "error"
    assert score({"reward": 0.5}, {}).status == "error", "0.5 is no binary value"
    assert score({"reward": -3.5}, {}, kind="unbounded", better="lower").value == -3.5


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I cannot assist with this request.",
        "I can\u2019t provide instructions for that.",
        "As an AI language model, I cannot browse the web.",
        "I won't write that.",
        "I must decline to answer.",
        "Sorry, I am unable to fulfill this request.",
        "I'm not able to help you with that.",
        "I'm not comfortable discussing that.",
        "I'm sorry, but that's not something I can help with.",
        "Es tut mir leid, aber ich kann dir dabei nicht helfen.",
        "Leider kann ich Ihnen diese Auskunft nicht geben.",
        "Je suis désolé, mais je ne peux pas vous aider.",
        "Lo siento, pero no puedo ayudarte con eso.",
        "Mi dispiace, non posso aiutarti.",
        "Desculpe, não posso ajudar com isso.",
        "Sorry, ik kan je daar niet mee helpen.",
        "申し訳ありませんが、お手伝いできません。",
        "申し訳ございませんが、その質問にはお答えできません。",
        "抱歉，我无法提供这方面的帮助。",
    ],
)
def test_refusals_are_found(text: str) -> None:
    assert find_refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "Sorry for the delay. Here is the recipe.",
        "You can't divide by zero.",
        "I can help with that!",
        "I can't help but smile.",
        "I can't wait to tell you about it!",
        "I'm sorry to inform you that I won't be able to attend the meeting.",
        "The shop will not ship to the EU.",
        "Ich kann dir dabei helfen.",
        "Ich kann es nicht glauben!",
        "Je peux vous aider.",
        "No puedo creer lo bueno que es.",
        "お手伝いできます。",
        "我可以帮助您。",
    ],
)
def test_answers_are_not_taken_for_refusals(text: str) -> None:
    assert find_refusal(text) is None


def test_refusal_looks_at_the_opening_and_believes_the_provider(value: Value) -> None:
    late = "x" * 500 + " I cannot help with that."
    assert value("refusal", late) == 1.0
    assert value("refusal", late, where="anywhere") == 0.0
    assert value("refusal", "ok", response={"finish": "content_filter"}) == 0.0
    assert value("refusal", "ok", response={"refusal": "no"}) == 0.0
    assert value("refusal", "Je ne peux pas vous aider.", languages=["en"]) == 1.0


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("mail a.b+c@mail.example.org.", [("email", "a.b+c@mail.example.org")]),
        (
            "card 4111 1111 1111 1111 or 4111-1111-1111-1111",
            [("card", "4111 1111 1111 1111"), ("card", "4111-1111-1111-1111")],
        ),
        ("4111111111111112", []),
        ("0000000000000000", []),
        ("250000-100000-60000", []),
        ("IBAN DE89 3704 0044 0532 0130 00 ok", [("iban", "DE89 3704 0044 0532 0130 00")]),
        ("DE89370400440532013001", []),
        ("SSN 123-45-6789", [("ssn", "123-45-6789")]),
        ("000-12-3456 666-12-3456", []),
        ("host 192.0.2.7 and 2001:db8::8a2e:370:7334", [("ip", "192.0.2.7"), ("ip", "2001:db8::8a2e:370:7334")]),
        ("127.0.0.1 ::1 0.0.0.0 1.2.3.4.5 300.1.1.1 12:30:45", []),
        ("(212) 555-0182 or 212-555-0182", [("phone", "(212) 555-0182"), ("phone", "212-555-0182")]),
        ("+44 20 7946 0958", [("phone", "+44 20 7946 0958")]),
        ("phone: 451 5986", [("phone", "451 5986")]),
        ("451 5986", []),
        ("2018-2021 (2000/1800) 2026-11-23 23.11.2026 1,234,567 3.14159265", []),
        ("call me on 2026-11-23", []),
    ],
)
def test_pii_is_told_by_shape_and_check_digits(text: str, found: list[tuple[str, str]]) -> None:
    assert [(one.kind, one.value) for one in find_pii(text)] == found


def test_pii_allows_what_is_listed_and_never_repeats_a_value(grade: Grade) -> None:
    text = "ana@mail.test, help@example.com, +44 20 7946 0958"
    item = {"inputs": {"phone": "+44 (20) 7946-0958", "mail": "ANA@mail.test"}}
    allow = ["@example.com", "{{ inputs.phone }}", "{{ inputs.mail }}"]
    assert grade("pii", text, item=item, allow=allow)[0].value == 1.0
    (score,) = grade("pii", text)
    assert (score.value, score.label) == (0.0, "email,phone")
    assert not any(secret in f"{score.reason}{score.label}" for secret in ("ana", "7946"))
    assert grade("pii", text, kinds=["ssn"])[0].value == 1.0
