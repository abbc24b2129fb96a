"""Names become models; keys stay references, go to their host only, and never into an identity or a message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evalkit.base.errors import UsageError
from evalkit.llm.config import ModelConfig, config_for, open_model, parse_model_configs
from evalkit.llm.errors import MissingKeyError
from evalkit.llm.model import ChatModel

KEY = "sk-test-0123456789"
ENV = {"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY, "PROD_KEY": KEY}


def opened(name: str, table: dict[str, Any] | None = None, env: dict[str, str] | None = None) -> ChatModel:
    configs = parse_model_configs({name.partition("/")[0]: table} if table is not None else {}, "evalkit.toml")
    return open_model(name, configs, resolve_env=(ENV if env is None else env).get)


def refused(name: str, table: dict[str, Any] | None = None, env: dict[str, str] | None = None) -> UsageError:
    with pytest.raises(UsageError) as caught:
        opened(name, table, env)
    assert caught.value.hint
    assert KEY not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("name", "url"),
    [("openai/gpt-5-mini", "https://api.openai.com/v1"), ("anthropic/claude-x", "https://api.anthropic.com")],
)
def test_well_known_providers_need_their_key_alone(name: str, url: str) -> None:
    model = opened(name)
    assert isinstance(model, ChatModel)
    assert model.name == name
    assert model.identity == {"kind": name.partition("/")[0], "base_url": url}


@pytest.mark.parametrize(
    ("name", "variable"), [("openai/gpt-5-mini", "OPENAI_API_KEY"), ("anthropic/c", "ANTHROPIC_API_KEY")]
)
def test_a_missing_key_names_its_variable_and_has_its_own_exit_code(name: str, variable: str) -> None:
    for env in ({}, {variable: " "}):
        error = refused(name, env=env)
        assert isinstance(error, MissingKeyError)
        assert error.exit_code == 4
        assert error.variable == variable
        assert variable in error.message


def test_a_base_url_of_the_environment_is_honoured_and_part_of_the_identity() -> None:
    model = opened("openai/m", env={**ENV, "OPENAI_BASE_URL": "https://proxy.example/v1/"})
    assert model.identity["base_url"] == "https://proxy.example/v1"
    assert "OPENAI_BASE_URL" in refused("openai/m", env={**ENV, "OPENAI_BASE_URL": "proxy"}).message


def test_an_unknown_provider_is_answered_with_the_table_to_add() -> None:
    error = refused("prod-2/support")
    assert "[models.prod-2]" in (error.hint or "")
    assert "env:PROD_2_API_KEY" in (error.hint or "")
    assert "did you mean 'openai'" in refused("openia/gpt").message


@pytest.mark.parametrize("name", ["gpt-5", "/gpt", "openai/", ""])
def test_a_name_without_provider_or_model_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="not a model's name"):
        config_for(name, {})


def test_the_name_splits_at_its_first_slash() -> None:
    model = opened("router/meta/llama", {"kind": "openai", "base_url": "https://r.example/v1"})
    assert model.name == "router/meta/llama"


def test_a_key_is_refused_where_it_is_written_out() -> None:
    error = refused("p/m", {"kind": "openai", "base_url": "https://x.example", "key": KEY})
    assert "env:NAME" in error.message
    table = {"kind": "openai", "base_url": "https://x.example", "headers": {"Authorization": "Bearer " + KEY}}
    assert "env:NAME" in refused("p/m", table).message


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x.example",
        "file:///etc/passwd",
        "x.example/v1",
        "https://",
        "https://user:pass@x.example",
        "https://x.example/v1?key=1",
        "https://x.example/#a",
        "https://x.example:99999/",
        "http://169.254.169.254/latest",
        "http://[fe80::1]/",
        "https://x.example/\r\nX: 1",
        "",
    ],
)
def test_addresses_that_are_not_plain_http_are_refused(url: str) -> None:
    refused("p/m", {"kind": "openai", "base_url": url})


@pytest.mark.parametrize("host", ["x.example", "10.0.0.1", "127.0.0.1.x.example"])
def test_a_key_does_not_go_over_plain_http(host: str) -> None:
    table = {"kind": "openai", "base_url": f"http://{host}/v1", "key": "env:PROD_KEY"}
    assert "plain http" in refused("p/m", table).message
    assert opened("p/m", {**table, "allow_insecure": True}).identity["base_url"] == f"http://{host}/v1"
    secret_header = {"kind": "openai", "base_url": f"http://{host}/v1", "headers": {"X-Token": "env:PROD_KEY"}}
    assert "plain http" in refused("p/m", secret_header).message


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:1"])
def test_a_key_may_go_over_plain_http_to_this_machine(host: str) -> None:
    opened("p/m", {"kind": "openai", "base_url": f"http://{host}/v1", "key": "env:PROD_KEY"})


def test_an_address_of_ones_own_gets_no_key_unless_told() -> None:
    opened("openai/m", {"kind": "openai", "base_url": "http://x.example/v1"}, env={})


def test_no_secret_is_in_identity_or_print() -> None:
    table = {
        "kind": "openai",
        "base_url": "https://x.example/v1",
        "key": "env:PROD_KEY",
        "headers": {"X-Token": "env:PROD_KEY", "X-Route": "b"},
        "extra": {"reasoning_effort": "low"},
    }
    model = opened("p/m", table)
    assert KEY not in repr(model.identity)
    assert model.identity["headers"] == {"X-Route": "b", "X-Token": "env:PROD_KEY"}
    assert model.identity["extra"] == {"reasoning_effort": "low"}
    caller = model._caller  # type: ignore[attr-defined]
    assert KEY not in repr(caller.endpoint)


@pytest.mark.parametrize("value", ["sk-x\nHost: evil", "two words", "“quoted”"])
def test_a_key_that_would_break_the_request_is_refused(value: str) -> None:
    error = refused("openai/m", env={"OPENAI_API_KEY": value})
    assert "characters" in error.message


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"kind": "opena"}, "kind"),
        ({"kind": "openai", "base_ulr": "https://x"}, "did you mean 'base_url'"),
        ({"kind": "http", "base_url": "https://x.example"}, "needs `body`"),
        ({"kind": "python"}, "needs `function`"),
        ({"kind": "replay"}, "needs `path`"),
        ({"kind": "openai", "timeout_s": 0}, "timeout_s"),
        ({"kind": "openai", "price": {"input": -1, "output": 1}}, "price.input"),
        ({"kind": "openai", "headers": {"a b": "c"}}, "header"),
        ({"kind": "openai", "headers": {"a": "c\r\nd"}}, "header"),
    ],
)
def test_a_table_that_is_wrong_is_named_by_field(table: dict[str, Any], words: str) -> None:
    error = refused("p/m", table)
    assert words in error.message
    assert "evalkit.toml" in (error.where or "")


def test_an_openai_table_without_address_asks_openai() -> None:
    assert opened("fast/gpt", {"kind": "openai"}).identity["base_url"] == "https://api.openai.com/v1"


def test_whole_numbers_serve_as_prices_and_rates() -> None:
    config = ModelConfig.model_validate(
        {"kind": "openai", "requests_per_minute": 600, "price": {"input": 1, "output": 2}}
    )
    assert config.price is not None
    assert config.price.input == 1.0


def test_relative_paths_start_from_the_root(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_text('{"id": "a", "text": "x"}\n')
    configs = parse_model_configs({"rec": {"kind": "replay", "path": "out.jsonl"}})
    assert len(open_model("rec/x", configs, resolve_env=ENV.get, root=tmp_path)) == 1  # type: ignore[arg-type]
