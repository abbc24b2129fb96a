from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from evalkit.base.errors import UsageError
from evalkit.suite.paths import find_file, parse_git_path
from evalkit.suite.prompts import load_prompt

TEXT = "messages:\n  - {role: user, content: 'Say {{ inputs.word }}'}\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "suites/prompts").mkdir(parents=True)
    (tmp_path / "suites/prompts/p.yaml").write_text(TEXT)
    return tmp_path


def git(root: Path, *words: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@t.example", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(root: Path) -> Path:
    git(root, "init", "-q", "-b", "main")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    return root


def test_a_prompt_is_found_beside_the_suite_and_in_the_project(root: Path) -> None:
    beside = load_prompt("prompts/p.yaml", base=root / "suites", root=root)
    inside = load_prompt("suites/prompts/p.yaml", base=root / "suites", root=root)
    assert beside.prompt == inside.prompt
    assert beside.prompt.source == "suites/prompts/p.yaml"
    assert beside.prompt.commit is None
    assert beside.templates[0].fields == ("inputs.word",)
    assert beside.templates[0].where == "suites/prompts/p.yaml:2:27"


def test_the_commit_is_named_only_while_the_file_is_what_it_holds(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    path = "prompts/p.yaml"
    assert load_prompt(path, base=repository / "suites", root=repository).prompt.commit == commit
    (repository / "suites" / path).write_text(TEXT.replace("Say", "Tell"))
    assert load_prompt(path, base=repository / "suites", root=repository).prompt.commit is None


def test_a_prompt_of_a_commit_is_read_from_there(repository: Path) -> None:
    old = load_prompt("prompts/p.yaml", base=repository / "suites", root=repository).prompt
    (repository / "suites/prompts/p.yaml").write_text(TEXT.replace("Say", "Tell"))
    git(repository, "commit", "-qam", "second")
    found = load_prompt("git:HEAD~1:suites/prompts/p.yaml", base=repository / "suites", root=repository).prompt
    assert found.digest == old.digest
    assert found.commit == old.commit
    assert found.source == "git:HEAD~1:suites/prompts/p.yaml"


def test_a_project_below_the_repository_names_files_from_its_own_folder(repository: Path) -> None:
    found = load_prompt("git:main:prompts/p.yaml", base=repository / "suites", root=repository / "suites").prompt
    assert found.messages[0].content == "Say {{ inputs.word }}"
    nested = load_prompt("prompts/p.yaml", base=repository / "suites", root=repository / "suites").prompt
    assert nested.commit == git(repository, "rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("git:HEAD:nowhere.yaml", "commit HEAD has no file 'nowhere.yaml'"),
        ("git:no-such-ref:p.yaml", "git knows no commit 'no-such-ref'"),
        ("git:HEAD", "is not git:REF:path"),
        ("git::p.yaml", "is not git:REF:path"),
        ("git:-x:p.yaml", "is not git:REF:path"),
        ("git:a..b:p.yaml", "is not git:REF:path"),
        ("git:HEAD;rm:p.yaml", "is not git:REF:path"),
        ("git:HEAD:/etc/passwd", "leaves the project"),
        ("git:HEAD:a/../../b", "leaves the project"),
    ],
)
def test_git_paths_that_are_none_are_refused(repository: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        load_prompt(text, base=repository, root=repository)
    assert caught.value.hint


def test_a_ref_cannot_become_an_option(repository: Path) -> None:
    marker = repository / "marker"
    with pytest.raises(UsageError):
        load_prompt(f"git:--output={marker}:p.yaml", base=repository, root=repository)
    assert not marker.exists()


def test_plain_paths_are_not_git_paths() -> None:
    assert parse_git_path("prompts/git:x.yaml") is None


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("", "p.yaml:1", "empty"),
        ("messages: []\n", "p.yaml:1:11", "needs at least 1, has 0"),
        ("messages: hello\n", "p.yaml:1:11", "must be a valid tuple"),
        ("- {role: user, content: x}\n", "p.yaml:1:1", "must be a mapping of fields"),
        ("messages:\n  - {role: usr, content: x}\n", "p.yaml:2:12", "did you mean 'user'?"),
        ("messages:\n  - {role: user}\n", "p.yaml:2:5", "field 'content' is missing"),
        ("messages:\n  - {role: user, content: x, contnet: y}\n", "p.yaml:2:30", "did you mean 'content'?"),
        ("messages:\n  - {role: user, content: 5}\n", "p.yaml:2:27", "valid string"),
        ("messages:\n  - {role: user, content: '{{ input.x }}'}\n", "p.yaml:2:27", "did you mean 'inputs'?"),
        ("messages:\n  - {role: user, content: '{{ expected }}'}\n", "p.yaml:2:27", "refers to 'expected'"),
        ("messages:\n  - {role: user, content: '{{ inputs.x '}\n", "p.yaml:2:27", "template"),
        ("messages:\n  - {role: user, content: '{% include \"x\" %}'}\n", "p.yaml:2:27", "not available"),
        ("mesages:\n  - {role: user, content: x}\n", "p.yaml:1:1", "did you mean 'messages'?"),
    ],
)
def test_every_malformed_prompt_is_refused_with_file_and_line(root: Path, text: str, where: str, message: str) -> None:
    (root / "p.yaml").write_text(text)
    with pytest.raises(UsageError) as caught:
        load_prompt("p.yaml", base=root, root=root)
    lines = [line for line in caught.value.message.splitlines() if message in line]
    assert lines, caught.value.message
    assert lines[0].startswith(where)
    assert caught.value.hint


def test_a_link_out_of_the_project_is_refused(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "p.yaml"
    outside.write_text(TEXT)
    (root / "link.yaml").symlink_to(outside)
    with pytest.raises(UsageError, match="outside the project"):
        find_file("link.yaml", base=root, root=root)


def test_texts_that_are_no_paths_are_refused(root: Path) -> None:
    for text in ("", "  ", "a\0b", "~/x.yaml"):
        with pytest.raises(UsageError):
            find_file(text, base=root, root=root)


def test_without_git_only_git_paths_fail(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="git is not installed"):
        load_prompt("git:HEAD:suites/prompts/p.yaml", base=repository, root=repository)
    assert load_prompt("suites/prompts/p.yaml", base=repository, root=repository).prompt.commit is None


def test_what_git_holds_must_be_utf8_and_small(repository: Path) -> None:
    (repository / "latin.yaml").write_bytes(b"messages: \xe9")
    (repository / "large.yaml").write_bytes(b"#" * (9 * 1024 * 1024))
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "more")
    with pytest.raises(UsageError, match="is not UTF-8"):
        load_prompt("git:HEAD:latin.yaml", base=repository, root=repository)
    with pytest.raises(UsageError, match="is larger than"):
        load_prompt("git:HEAD:large.yaml", base=repository, root=repository)
