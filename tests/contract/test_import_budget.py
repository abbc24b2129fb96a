"""Importing evalkit, its verbs and its help loads nothing heavy; asked of new processes by `sys.modules`."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = frozenset(
    {"pandas", "scipy", "mlflow", "duckdb", "aiohttp", "genai_prices", "jsonschema", "sqlalchemy", "matplotlib"}
)
"""What only the command or the function that uses it may load."""

HELP = "import sys\nsys.argv = ['evalkit', *{words!r}]\nfrom evalkit.cli.main import main\ntry:\n    main()\n"
HELP += "except SystemExit:\n    pass\n"


def loaded(code: str) -> set[str]:
    report = "\nimport sys\nprint('\\nLOADED', *sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code + report], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("LOADED")[2].split())


def test_the_package_loads_no_library_at_all() -> None:
    assert not loaded("import evalkit") & (HEAVY | {"numpy", "pydantic", "yaml", "jinja2", "httpx", "typer", "rich"})


@pytest.mark.parametrize(
    "code",
    ["import evalkit.api", "import evalkit as ek\nek.load_suite, ek.run, ek.compare, ek.decide, ek.Suite, ek.check"],
    ids=["module", "names"],
)
def test_the_verbs_load_nothing_heavy(code: str) -> None:
    assert not loaded(code) & (HEAVY | {"typer", "rich"})


@pytest.mark.parametrize(
    "words",
    [["--help"], ["gate", "--help"], ["dataset", "import", "--help"], ["version"], []],
    ids=lambda words: " ".join(words) or "no words",
)
def test_help_loads_neither_numbers_nor_models(words: list[str]) -> None:
    """Typer itself loads pydantic where a command has options; nothing of ours does."""
    assert not loaded(HELP.format(words=words)) & (HEAVY | {"numpy", "yaml", "jinja2", "httpx", "rich"})


def test_reading_a_suite_loads_no_statistics_and_no_client(tmp_path: object) -> None:
    code = (
        "from evalkit.api import load_suite\nfrom pathlib import Path\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "(folder / 'evalkit.toml').write_text('')\n"
        '(folder / \'q.jsonl\').write_text(\'{"id": "1", "inputs": {"question": "?"}, "expected": "a"}\')\n'
        "(folder / 'p.yaml').write_text('messages: [{role: user, content: \"{{ inputs.question }}\"}]')\n"
        "(folder / 's.yaml').write_text('dataset: {path: q.jsonl}\\n"
        "candidates: [{model: local/extract-1, prompt: p.yaml}]\\ngraders: [{use: exact}]')\n"
        "load_suite(folder / 's.yaml')\n"
    )
    assert not loaded(code) & HEAVY
