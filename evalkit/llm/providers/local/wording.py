"""Puts an answer into the shape the prompt asks for: JSON or prose, cited, brief, polite, in a language."""

# ruff: noqa: E501 - tables of patterns and words read better unbroken

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from evalkit.llm.providers.local.answers import Answer
from evalkit.llm.providers.local.features import Features
from evalkit.llm.providers.local.noise import Noise

__all__ = ["damaged", "role_of", "schema_keys", "word_answer"]

_PHRASES: Final[dict[str, dict[str, str]]] = {
    "en": {
        "unknown": "The context does not say.",
        "hello": "Thank you for your question.",
        "bye": "Please let me know if I can help with anything else.",
        "lead": "According to the text, ",
        "filler": "I hope this gives you the full picture, and there may be more to consider in your situation.",
        "steps": "1. The question asks for this: {question}\n2. The part that fits best says: {evidence}\n3. So the answer is: ",
    },
    "de": {
        "unknown": "Das steht nicht im Kontext.",
        "hello": "Vielen Dank für Ihre Frage.",
        "bye": "Bei weiteren Fragen helfe ich Ihnen gern.",
        "lead": "Laut dem Text gilt: ",
        "filler": "Ich hoffe, das hilft Ihnen weiter; je nach Lage kann noch mehr zu beachten sein.",
        "steps": "1. Gefragt ist: {question}\n2. Am besten passt die Stelle: {evidence}\n3. Die Antwort lautet also: ",
    },
    "es": {
        "unknown": "El contexto no lo dice.",
        "hello": "Gracias por su pregunta.",
        "bye": "Quedo a su disposición para cualquier otra duda.",
        "lead": "Según el texto: ",
        "filler": "Espero que esto le sea útil; según el caso puede haber más que tener en cuenta.",
        "steps": "1. Se pregunta: {question}\n2. La parte que mejor encaja dice: {evidence}\n3. Por tanto, la respuesta es: ",
    },
}
_LEADS = ("According to the text, ", "As the text says: ", "The document states: ", "")

_VALUES: Final[dict[str, dict[str, str]]] = {
    "de": dict(
        pair.split("=")
        for pair in [
            "days=Tage",
            "day=Tag",
            "weeks=Wochen",
            "week=Woche",
            "months=Monate",
            "month=Monat",
            "years=Jahre",
            "year=Jahr",
            "hours=Stunden",
            "hour=Stunde",
            "minutes=Minuten",
            "seconds=Sekunden",
            "working days=Werktage",
            "business days=Werktage",
            "up to=bis zu",
            "at least=mindestens",
            "no more than=höchstens",
            "within=innerhalb von",
            "before=vor",
            "after=nach",
            "every=jeden",
            "one=ein",
            "two=zwei",
            "three=drei",
            "four=vier",
            "five=fünf",
            "six=sechs",
            "seven=sieben",
            "eight=acht",
            "nine=neun",
            "ten=zehn",
            "twelve=zwölf",
            "January=Januar",
            "February=Februar",
            "March=März",
            "May=Mai",
            "June=Juni",
            "July=Juli",
            "October=Oktober",
            "December=Dezember",
            "Monday=Montag",
            "Tuesday=Dienstag",
            "Wednesday=Mittwoch",
            "Thursday=Donnerstag",
            "Friday=Freitag",
            "Saturday=Samstag",
            "Sunday=Sonntag",
            "and=und",
            "or=oder",
            "the=der",
            "free of charge=kostenlos",
            "twice=zweimal",
            "once=einmal",
            "times=Mal",
        ]
    ),
    "es": dict(
        pair.split("=")
        for pair in [
            "days=días",
            "day=día",
            "weeks=semanas",
            "week=semana",
            "months=meses",
            "month=mes",
            "years=años",
            "year=año",
            "hours=horas",
            "hour=hora",
            "minutes=minutos",
            "seconds=segundos",
            "working days=días laborables",
            "business days=días laborables",
            "up to=hasta",
            "at least=al menos",
            "no more than=no más de",
            "within=en",
            "before=antes de",
            "after=después de",
            "every=cada",
            "one=un",
            "two=dos",
            "three=tres",
            "four=cuatro",
            "five=cinco",
            "six=seis",
            "seven=siete",
            "eight=ocho",
            "nine=nueve",
            "ten=diez",
            "twelve=doce",
            "January=enero",
            "February=febrero",
            "March=marzo",
            "April=abril",
            "May=mayo",
            "June=junio",
            "July=julio",
            "August=agosto",
            "September=septiembre",
            "October=octubre",
            "November=noviembre",
            "December=diciembre",
            "Monday=lunes",
            "Tuesday=martes",
            "Wednesday=miércoles",
            "Thursday=jueves",
            "Friday=viernes",
            "Saturday=sábado",
            "Sunday=domingo",
            "and=y",
            "or=o",
            "the=el",
            "free of charge=gratis",
            "twice=dos veces",
            "once=una vez",
            "times=veces",
        ]
    ),
}
_TRANSLATE = {
    code: re.compile(r"\b(?:" + "|".join(sorted(map(re.escape, table), key=len, reverse=True)) + r")\b")
    for code, table in _VALUES.items()
}

_ROLES: Final[tuple[tuple[str, re.Pattern[str]], ...]] = tuple(
    (role, re.compile(pattern, re.IGNORECASE))
    for role, pattern in (
        ("answerable", r"answerable|answered|found|supported|in_context|known"),
        ("section", r"section|source|citation|cite|clause|paragraph|reference|where"),
        ("reasoning", r"reason|explanation|steps|thought|thinking|rationale|analysis"),
        ("evidence", r"quote|evidence|excerpt|passage|support"),
        ("confidence", r"confidence|certainty|probability|score"),
        ("language", r"lang"),
        ("answer", r"answer|reply|response|text|result|value|output|message|antwort|respuesta"),
    )
)


def role_of(key: str) -> str | None:
    """Return which part of an answer the JSON key ``key`` asks for, or None."""
    return next((role for role, pattern in _ROLES if pattern.search(key)), None)


def schema_keys(schema: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the property names of a JSON schema, in order."""
    properties = (schema or {}).get("properties")
    return tuple(properties) if isinstance(properties, Mapping) else ()


def word_answer(answer: Answer, question: str, features: Features, noise: Noise, *, language: str) -> str:
    """Return the text of the reply.

    Args:
        answer: what is to be said.
        question: as asked, for replies that show their steps.
        features: what the prompt asks for.
        noise: decides slips and, above temperature 0, the wording.
        language: the code the question is written in.
    """
    wanted = language if features.language in {None, "question"} else str(features.language)
    phrases = _PHRASES.get(wanted, _PHRASES["en"])
    cites = features.cite and not noise.slips("no_citation")
    value = answer.value
    if value is not None and features.language is not None and wanted in _TRANSLATE:
        value = _TRANSLATE[wanted].sub(lambda found: _VALUES[wanted][found[0]], value)
    if features.json:
        return _json(answer, value, question, features, noise, phrases, cites)
    text = _prose(answer, value, features, noise, phrases)
    if features.steps and value is not None:
        text = phrases["steps"].format(question=question.strip(), evidence=answer.evidence) + text
    if cites and answer.section and value is not None:
        text = f"{text} [{answer.section}]"
    return f"{phrases['hello']} {text} {phrases['bye']}" if features.polite else text


def _prose(answer: Answer, value: str | None, features: Features, noise: Noise, phrases: Mapping[str, str]) -> str:
    if value is None:
        return _unknown(features, noise, phrases)
    brief = features.brief and not noise.slips("ramble")
    parts = [value if brief else answer.evidence if value in answer.evidence else value]
    if not brief:
        lead = _LEADS[noise.pick("lead", len(_LEADS))] if phrases is _PHRASES["en"] else phrases["lead"]
        parts = [lead + parts[0], *answer.around[:2], phrases["filler"]]
        if value not in answer.evidence:
            parts.insert(1, answer.evidence)
    if answer.invented:
        parts.append(answer.invented)
    return " ".join(
        part if part.endswith((".", "!", "?")) or (brief and len(parts) == 1) else part + "." for part in parts
    )


def _unknown(features: Features, noise: Noise, phrases: Mapping[str, str]) -> str:
    if features.phrase and not noise.slips("forget"):
        return features.phrase
    return phrases["unknown"]


def _json(
    answer: Answer,
    value: str | None,
    question: str,
    features: Features,
    noise: Noise,
    phrases: Mapping[str, str],
    cites: bool,
) -> str:
    makers: dict[str, Callable[[], Any]] = {
        "answer": lambda: _json_answer(answer, value, features, noise, phrases),
        "section": lambda: answer.section if cites else None,
        "answerable": lambda: value is not None,
        "reasoning": lambda: phrases["steps"].format(question=question.strip(), evidence=answer.evidence) + str(value),
        "evidence": lambda: answer.evidence or None,
        "confidence": lambda: round(answer.sure, 2),
        "language": lambda: next(code for code, table in _PHRASES.items() if table is phrases),
    }
    keys = features.keys or (("answer", "section") if cites else ("answer",))
    fields: dict[str, Any] = {}
    for key in keys:
        role = role_of(key) or ("answer" if len(keys) == 1 else None)
        fields[key] = makers[role]() if role else None
    if cites and answer.section and not any(role_of(key) == "section" for key in fields) and "answer" in fields:
        fields["answer"] = f"{fields['answer']} [{answer.section}]"
    if features.polite and "answer" in fields and fields["answer"]:
        fields["answer"] = f"{phrases['hello']} {fields['answer']} {phrases['bye']}"
    return damaged(orjson.dumps(fields).decode(), noise)


def _json_answer(
    answer: Answer, value: str | None, features: Features, noise: Noise, phrases: Mapping[str, str]
) -> str | None:
    if value is None and features.phrase is None:
        return None
    return _prose(answer, value, features, noise, phrases)


def damaged(text: str, noise: Noise) -> str:
    """Return JSON ``text`` as it is, or, on a slip, fenced with chatter, cut, or with a trailing comma."""
    if not noise.slips("bad_json"):
        return text
    return (f"Here is the JSON:\n{text}", text[:-1], f"{text[:-1]},}}")[noise.choose("bad_json", 3)]
