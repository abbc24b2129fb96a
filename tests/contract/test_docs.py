"""The pages' own commands and Python run as written, in a temporary project, and print what the pages say.

A page that begins with ``<!-- runs: empty -->`` starts in an empty folder, one with ``<!-- runs: tutorial -->`` in the
folder the tutorial ends in, without its runs. Then, in the page's order:

``<!-- file: PATH -->``        the next block is written to PATH
``<!-- not run: REASON -->``   the next block is left alone
```` ```console ````           each ``$`` line is run and must print what follows it; a line ``…`` stands for any
                               lines, and ``…`` at the end of a line for its rest
```` ```python ````            is run
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest

import evalkit
from evalkit.cli.main import main
from evalkit.core.verdict import ExitCode
from evalkit.llm import sandbox
from evalkit.llm.config import ModelKind
from evalkit.llm.errors import BLAME, RETRYABLE, ErrorCode
from evalkit.llm.prompt import MAX_SOURCE
from evalkit.llm.sandbox import MAX_TEXT
from evalkit.store.analysis import VIEWS

ROOT = Path(__file__).resolve().parents[2]
ERRORS = "docs/reference/errors.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_RUNS = re.compile(r"<!-- runs: (empty|tutorial) -->")
_BLOCK = re.compile(
    r"(?:^<!-- (?P<what>file|not run): (?P<detail>[^\n]+) -->\n)?^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_PROGRESS = re.compile(r"^(calls|grading|planning) \d+/\d+ ")
_VARIES = (
    (re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}"), "RUN"),
    (re.compile(r"\d{4}-\d\d-\d\d"), "DATE"),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "URL"),
    (re.compile(r"latency_s .*"), "latency_s"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True)
class Block:
    what: str | None
    detail: str
    info: str
    body: str


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(m["what"], m["detail"] or "", m["info"], m["body"]) for m in _BLOCK.finditer(text)]


def start_of(page: Path) -> str | None:
    found = _RUNS.match(page.read_text(encoding="utf-8"))
    return found[1] if found else None


def environment() -> dict[str, str]:
    """No key, no colour, nothing logged elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not re.match(r"EVALKIT_|MLFLOW_|.*_API_KEY$", name)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return {**kept, "PATH": path, "NO_COLOR": "1", "COLUMNS": "80", "CI": "true", "EVALKIT_TRACKING": "none"}


def shell(command: str, folder: Path) -> tuple[str, int]:
    """Return what ``command`` prints and its exit code."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout, done.returncode


@contextmanager
def inside(folder: Path, words: list[str]) -> Iterator[io.StringIO]:
    """Stand in ``folder`` as a program called by ``words`` does; yields what is printed meanwhile."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), redirect_stderr(printed):
        patch.chdir(folder)
        patch.setattr(sys, "argv", words)
        for name in set(os.environ) - set(environment()):
            patch.delenv(name)
        for name, value in environment().items():
            patch.setenv(name, value)
        yield printed


def command_line(words: list[str], folder: Path) -> tuple[str, int]:
    """Return what ``evalkit WORDS`` prints and its exit code; in this process, which saves a second of imports."""
    with inside(folder, words) as printed:
        try:
            main()
        except SystemExit as end:
            return printed.getvalue(), int(end.code or 0)
    return printed.getvalue(), 0


def run(command: str, folder: Path, last: int) -> tuple[str, int]:
    """Return what a line of a page prints, without lines of progress, and its exit code."""
    if command.startswith("evalkit ") and not re.search(r"[|&;<>]", command):
        text, code = command_line(shlex.split(command), folder)
    else:
        text, code = shell(f"(exit {last}); {command}", folder)
    assert "Traceback" not in text, text
    return "\n".join(line for line in text.splitlines() if not _PROGRESS.match(line)), code


def write(folder: Path, name: str, body: str) -> None:
    path = folder / name
    assert path.resolve().is_relative_to(folder.resolve())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(body, encoding="utf-8")


def steady(line: str) -> str:
    """Return ``line`` without what differs from one run to the next."""
    for pattern, word in _VARIES:
        line = pattern.sub(word, line)
    return line.strip()


def same(printed: list[str], shown: list[str]) -> bool:
    """Whether ``printed`` is what a page shows, where ``…`` stands for what was left out."""
    if not shown:
        return not printed
    if shown[0] == "…":
        return any(same(printed[at:], shown[1:]) for at in range(len(printed) + 1))
    if not printed:
        return False
    fits = printed[0].startswith(shown[0][:-1].rstrip()) if shown[0].endswith(" …") else printed[0] == shown[0]
    return fits and same(printed[1:], shown[1:])


def run_console(body: str, folder: Path) -> None:
    code = 0
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        printed, code = run(command, folder, code)
        lines = [steady(line) for line in printed.splitlines() if line.strip()]
        wanted = [steady(line) for line in shown.splitlines() if line.strip()]
        assert same(lines, wanted), f"$ {command}\n--- printed\n{printed}\n--- the page\n{shown}"


def play(page: Path, folder: Path) -> None:
    for block in blocks(page):
        if block.what == "not run":
            continue
        if block.what == "file":
            write(folder, block.detail, block.body)
        elif block.info == "console":
            run_console(block.body, folder)
        elif block.info == "python":
            with inside(folder, ["page.py"]):
                exec(compile(block.body, "page.py", "exec"), {"__name__": "__main__"})


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files of the tutorial's project, before its first command but ``make_questions.py``."""
    folder = tmp_path_factory.mktemp("tutorial")
    files = {block.detail: block.body for block in blocks(ROOT / "docs/tutorial.md") if block.what == "file"}
    for name, body in files.items():
        write(folder, name, body)
    shell("python make_questions.py", folder)
    return {**files, "questions.jsonl": (folder / "questions.jsonl").read_text()}


@pytest.mark.parametrize("path", [path for path in PAGES if start_of(path)], ids=lambda path: path.stem)
def test_page_prints_what_it_says(path: Path, tmp_path: Path, tutorial: dict[str, str]) -> None:
    if start_of(path) == "tutorial":
        for name, body in tutorial.items():
            write(tmp_path, name, body)
    (tmp_path / ".git").mkdir()  # the project ends here, whatever lies above
    play(path, tmp_path)


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_error_page_names_every_code_with_its_blame_and_whether_it_is_repeated() -> None:
    rows = dict(
        re.findall(r"^\| `(\w+)` (\| (?:candidate|infrastructure) \| (?:yes|no) )\|", page(ERRORS), re.MULTILINE)
    )
    assert rows == {code: f"| {BLAME[code]} | {'yes' if code in RETRYABLE else 'no'} " for code in get_args(ErrorCode)}


@pytest.mark.parametrize("name", ["README.md", "docs/reference/errors.md"])
def test_exit_codes_are_all_documented(name: str) -> None:
    cells = " ".join(line.split("|")[1] for line in page(name).splitlines() if re.match(r"\| \d", line))
    assert set(map(int, re.findall(r"\d+", cells))) == {int(code) for code in ExitCode}


def test_template_page_lists_exactly_the_filters_there_are() -> None:
    listed = re.search(r"Filters: `([^`]+)`", page("docs/reference/templates.md"))
    assert listed is not None
    assert listed[1].split() == sorted(name for name in sandbox._FILTERS if not name.startswith("_"))


def test_template_page_states_the_limits_there_are() -> None:
    text = page("docs/reference/templates.md")
    for limit in (MAX_SOURCE, MAX_TEXT, sandbox.MAX_WORK, sandbox.MAX_RANGE, sandbox.MAX_NODES):
        assert f"{limit:,}" in text, limit


def test_model_page_shows_every_kind() -> None:
    text = page("docs/reference/models.md")
    assert [kind for kind in get_args(ModelKind) if f"| `{kind}` |" not in text] == []


def test_python_page_names_everything_public() -> None:
    text = page("docs/reference/python.md")
    assert [name for name in evalkit.__all__ if not re.search(rf"`{name}[`(]", text)] == []


def test_store_page_lists_the_views_columns_in_order() -> None:
    text = page("docs/reference/store.md")
    for view, columns in VIEWS.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{view}` |"))
        listed = re.sub(r"\([^)]*\)", "", row.split("|")[3])
        assert re.findall(r"`(\w+)`", listed) == list(columns)


def test_a_blank_rest_is_not_what_a_page_shows() -> None:
    assert same(["a", "b", "c"], ["a", "…", "c"])
    assert same(["a b"], ["a …"])
    assert not same(["a", "b"], ["a"])
    assert not same(["a"], ["a", "b"])
