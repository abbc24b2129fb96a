from __future__ import annotations

from evalkit.base.errors import UsageError
from evalkit.base.located import FileError, Problem
from evalkit.base.redact import Redactor
from evalkit.report.error_text import render_error


def test_error_names_place_and_next_command() -> None:
    error = UsageError(
        'metric "correct" has no scores in baseline run 8f2c41',
        where="suites/support_qa.yaml:38",
        hint="score it again with `evalkit grade 8f2c41`, or remove the rule",
    )
    assert render_error(error) == (
        'error: metric "correct" has no scores in baseline run 8f2c41\n'
        "  where: suites/support_qa.yaml:38\n"
        "  hint:  score it again with `evalkit grade 8f2c41`, or remove the rule\n"
    )


def test_errors_of_files_keep_the_source_line_and_its_caret() -> None:
    problem = Problem(
        "s.yaml:14:12", "graders[2].use", "unknown grader 'contain'", "known: contains", "    - use: contain", 12
    )
    assert render_error(FileError([problem])).splitlines() == [
        "s.yaml:14:12 graders[2].use: unknown grader 'contain'",
        "        - use: contain",
        "               ^",
        "  hint:  known: contains",
    ]


def test_secrets_are_masked_in_errors() -> None:
    error = UsageError("bad line: key = 'hunter2hunter2'", hint="remove sk-abcdefghijklmnopqrstuvwx")
    text = render_error(error, redactor=Redactor(["hunter2hunter2"]))
    assert "hunter2" not in text
    assert "sk-abc" not in text


def test_hostile_messages_cannot_act(hostile: str) -> None:
    text = render_error(UsageError(hostile, where=hostile + "1", hint=hostile))
    for line in text.split("\n"):
        assert line.isprintable()
        assert not line.strip().startswith("::")
        assert "##[" not in line
        assert "##vso" not in line.lower()
