from __future__ import annotations

import pytest

from evalkit.llm.providers.local.features import read_features

PARAPHRASES = {
    "grounded": [
        "Answer only from the context.",
        "Rely exclusively on the passage above.",
        "Do not use any outside knowledge.",
        "Stick to what the document tells you.",
        "Base every statement on the supplied text.",
        "Never invent facts.",
        "Everything you say must come from the excerpt.",
    ],
    "abstain": [
        'If the context does not state the answer, say "not stated".',
        "Do not guess.",
        "When the document is silent, reply that you do not know.",
        "Where the text lacks the information, return null.",
        "Should the answer not be found in the passage, admit it.",
        "Say so if the answer isn't in the text.",
        "Decline rather than make something up when the answer is missing.",
    ],
    "brief": [
        "Be brief.",
        "Answer concisely.",
        "Keep the answer short.",
        "Use at most ten words.",
        "Reply in one sentence.",
        "Give just the value, nothing else.",
        "Do not ramble.",
    ],
    "json": [
        "Answer in JSON.",
        'Reply with {"answer": "...", "section": "..."}.',
        "Return an object with the keys answer and section.",
        "The output must be machine-readable.",
        "Use a JSON object.",
        "Produce valid json and no other text.",
    ],
    "cite": [
        "Cite the section.",
        "Name the clause the answer comes from.",
        "Add the section number in brackets.",
        "Give the relevant paragraph as your source.",
        "State which section supports it.",
        "Always include a citation.",
        "Never omit the section number.",
    ],
    "steps": [
        "Think step by step.",
        "Show your reasoning.",
        "Explain how you arrived at it.",
        "Reason carefully before you answer.",
        "Lay out your working.",
        "Go through it one step at a time.",
    ],
    "polite": [
        "Be polite.",
        "Answer in a friendly tone.",
        "Greet the customer.",
        "Thank the user for asking.",
        "Reply courteously.",
        "Offer further help at the end.",
    ],
}


@pytest.mark.parametrize(
    ("feature", "sentence"), [(name, text) for name, texts in PARAPHRASES.items() for text in texts]
)
def test_each_paraphrase_of_an_instruction_is_recognised(feature: str, sentence: str) -> None:
    assert getattr(read_features(f"You help customers. {sentence}"), feature)


@pytest.mark.parametrize("feature", sorted(PARAPHRASES))
def test_a_prompt_without_the_instruction_has_no_such_feature(feature: str) -> None:
    assert not getattr(read_features("You help customers with their contracts."), feature)


@pytest.mark.parametrize(
    ("sentence", "code"),
    [
        ("Answer in German.", "de"),
        ("Reply in Spanish, please.", "es"),
        ("Antworte auf Deutsch.", "de"),
        ("Responde en español.", "es"),
        ("Write your answer in English.", "en"),
        ("Answer in the language of the question.", "question"),
    ],
)
def test_the_answer_language_is_read(sentence: str, code: str) -> None:
    assert read_features(sentence).language == code


@pytest.mark.parametrize(
    ("first", "second", "feature", "wanted"),
    [
        ("Cite the section.", "Do not cite anything.", "cite", False),
        ("Do not cite anything.", "Cite the section.", "cite", True),
        ("Be brief.", "Answer in detail.", "brief", False),
        ("Answer in JSON.", "Answer in plain text.", "json", False),
        ("Use only the context.", "You may also use your general knowledge.", "grounded", False),
        ("Do not guess.", "Always give an answer, at worst your best guess.", "abstain", False),
    ],
)
def test_of_conflicting_instructions_the_later_wins(first: str, second: str, feature: str, wanted: bool) -> None:
    assert getattr(read_features(f"{first} {second}"), feature) is wanted


def test_keys_kinds_and_the_abstention_phrase_are_read() -> None:
    found = read_features(
        "Reply as JSON with the keys kind, sender and date.\nkind: one of order, invoice or receipt.\n"
        'If it is not stated, write "no idea".'
    )
    assert found.keys == ("kind", "sender", "date")
    assert found.kinds == ("order", "invoice", "receipt")
    assert found.phrase == "no idea"
