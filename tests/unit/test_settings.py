from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from evalkit.base.errors import UsageError
from evalkit.settings import SETTINGS, Settings, SettingsFile, find_root, load_settings


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    return tmp_path


def settings(
    root: Path, text: str | None = None, environ: Mapping[str, str] | None = None, **overrides: Any
) -> Settings:
    if text is not None:
        (root / "evalkit.toml").write_text(text)
    return load_settings(root, overrides, environ or {})


def test_without_anything_every_value_is_its_default(root: Path) -> None:
    found = settings(root)
    assert (found.store, found.reports) == (root / ".evalkit", root / "reports")
    assert (found.concurrency, found.cache, found.tracking, found.allow_code) == (16, True, "mlflow", False)
    assert (found.max_cost_usd, found.max_calls, found.max_time_s) == (None, None, None)
    assert set(found.origins.values()) == {"default"}
    for info in SETTINGS:
        if info.in_file and info.name not in {"store", "reports"}:
            assert getattr(found, info.name) == SettingsFile.model_fields[info.name].default


def test_flag_beats_variable_beats_file_beats_default(root: Path) -> None:
    text = '# ours\nconcurrency = 2\nmax_calls = 10\nstore = "data/evals"\n'
    found = settings(root, text, {"EVALKIT_CONCURRENCY": "3", "EVALKIT_MAX_CALLS": "20"}, concurrency=4, max_calls=None)
    assert (found.concurrency, found.max_calls, found.store) == (4, 20, root / "data/evals")
    assert found.origins["concurrency"] == "--concurrency"
    assert found.origins["max_calls"] == "EVALKIT_MAX_CALLS"
    assert found.origins["store"] == "evalkit.toml:4"
    assert found.origins["cache"] == "default"


def test_pyproject_may_hold_the_settings_but_not_both(root: Path) -> None:
    (root / "pyproject.toml").write_text('[project]\nname = "x"\n\n[tool.evalkit]\nconcurrency = 5\n')
    found = settings(root)
    assert (found.concurrency, found.origins["concurrency"]) == (5, "pyproject.toml:5")
    with pytest.raises(UsageError, match="both hold settings") as caught:
        settings(root, "concurrency = 6\n")
    assert caught.value.where == "pyproject.toml:4:2"


def test_the_root_is_the_nearest_folder_with_a_mark(root: Path) -> None:
    (root / "sub/deep").mkdir(parents=True)
    assert find_root(root / "sub/deep") == root
    (root / "sub/evalkit.toml").write_text("")
    assert find_root(root / "sub/deep") == root / "sub"
    (root / "sub/deep/suite.yaml").write_text("")
    assert find_root(root / "sub/deep/suite.yaml") == root / "sub"


def test_every_setting_has_a_working_variable(root: Path) -> None:
    values = {
        "store": "s", "reports": "r", "plugins": "a, b", "concurrency": "7", "max_cost_usd": "1.5", "max_calls": "9",
        "max_time_s": "60", "cache": "no", "tracking": "none", "color": "never", "allow_code": "1",
    }  # fmt: skip
    assert set(values) == {info.name for info in SETTINGS}
    found = settings(root, environ={info.variable: values[info.name] for info in SETTINGS})
    assert (found.store, found.reports, found.plugins) == (root / "s", root / "r", ("a", "b"))
    assert (found.concurrency, found.max_cost_usd, found.max_calls, found.max_time_s) == (7, 1.5, 9, 60.0)
    assert (found.cache, found.tracking, found.color, found.allow_code) == (False, "none", "never", True)
    assert all(found.origins[info.name] == info.variable for info in SETTINGS)


def test_no_color_and_ci_are_heard(root: Path) -> None:
    assert settings(root, environ={"NO_COLOR": "1"}).color == "never"
    assert settings(root, environ={"NO_COLOR": "1", "EVALKIT_COLOR": "always"}).color == "always"
    assert settings(root, environ={"CI": "true"}).ci
    assert not settings(root, environ={"CI": "false"}).ci
    assert not settings(root).ci


def test_models_come_from_tables_and_their_keys_stay_out_of_sight(root: Path) -> None:
    text = """\
[models.prod]
kind = "openai"
base_url = "https://gw.example/v1"
key = "env:PROD_KEY"
requests_per_minute = 600
price = {input = 0.25, output = 2.0}
"""
    found = settings(root, text, {"PROD_KEY": "sk-very-secret", "OPENAI_API_KEY": "sk-other"})
    assert found.models["prod"].base_url == "https://gw.example/v1"
    assert found.origins["models.prod"] == "evalkit.toml:1"
    assert found.secrets() == ("sk-very-secret", "sk-other")
    assert found.resolve_env("PROD_KEY") == "sk-very-secret"
    assert "sk-" not in repr(found)


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("concurency = 1\n", "evalkit.toml:1:1", "did you mean 'concurrency'?"),
        ("a = 1\nconcurrency = = 1\n", "evalkit.toml:2:15", "not valid TOML"),
        ("\nconcurrency = 0\n", "evalkit.toml:2:15", "greater than or equal to 1"),
        ('concurrency = "4"\n', "evalkit.toml:1:15", "valid integer"),
        ("cache = 1\n", "evalkit.toml:1:9", "valid boolean"),
        ('tracking = "wandb"\n', "evalkit.toml:1:12", "is not one of"),
        ("max_cost_usd = -1\n", "evalkit.toml:1:16", "greater than or equal to 0"),
        ("max_cost_usd = nan\n", "evalkit.toml:1:16", "nan"),
        ("plugins = 'a'\n", "evalkit.toml:1:11", "valid tuple"),
        ('store = ""\n', "evalkit.toml:1:9", "at least 1 character"),
        ("allow_code = true\n", "evalkit.toml:1:14", "a file cannot allow code"),
        ('[models.prod]\nkind = "opnai"\n', "evalkit.toml:2:8", "did you mean 'openai'?"),
        ('[models.prod]\nkind = "openai"\nkye = "env:X"\n', "evalkit.toml:3:1", "did you mean 'key'?"),
        ('[models.prod]\nkind = "openai"\nkey = "sk-123"\n', "evalkit.toml:3:7", "env:NAME"),
        ('[models."a/b"]\nkind = "openai"\n', "evalkit.toml:1", "is not of the form"),
        ("[models]\nprod = 3\n", "evalkit.toml:2:8", "must be a mapping of fields"),
    ],
)
def test_every_mistake_in_the_file_is_refused_with_its_line(root: Path, text: str, where: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        settings(root, text)
    assert message in caught.value.message
    assert str(caught.value.where).startswith(where)
    assert caught.value.hint
    assert "sk-123" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("CONCURRENCY", "many"), ("CONCURRENCY", "0"), ("CACHE", "maybe"), ("MAX_COST_USD", "5$"), ("TRACKING", "wandb"),
     ("MAX_TIME_S", "-1"), ("COLOR", "blue"), ("ALLOW_CODE", "2"), ("MAX_COST_USD", "nan")],
)  # fmt: skip
def test_every_mistake_in_a_variable_names_it(root: Path, variable: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"EVALKIT_{variable}") as caught:
        settings(root, environ={f"EVALKIT_{variable}": value})
    assert caught.value.where == f"EVALKIT_{variable}"
    assert value in caught.value.message
    assert caught.value.hint


def test_a_mistake_in_a_flag_names_it(root: Path) -> None:
    with pytest.raises(UsageError, match="--concurrency: should be greater than or equal to 1, not -2"):
        settings(root, concurrency=-2)


def test_an_empty_variable_is_no_value(root: Path) -> None:
    assert settings(root, environ={"EVALKIT_STORE": " "}).origins["store"] == "default"
