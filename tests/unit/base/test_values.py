from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from evalkit.base.clock import SystemClock
from evalkit.base.errors import EvalkitError, ModelError, StoreError, UsageError
from evalkit.base.hashing import canonical_json, digest, digest_bytes, short, unit_interval
from evalkit.base.ids import new_run_id
from evalkit.base.model import Frozen
from evalkit.base.redact import Redactor


class Point(Frozen):
    y: int
    x: int | None = None


def test_canonical_json_does_not_depend_on_order_and_leaves_none_fields_out() -> None:
    assert canonical_json({"b": 1, "a": {2, 1}}) == b'{"a":[1,2],"b":1}'
    assert canonical_json(Point(y=1)) == canonical_json({"y": 1}) == b'{"y":1}'
    assert canonical_json([Point(y=1)]) == b'[{"y":1}]'
    with pytest.raises(TypeError):
        canonical_json(object())


def test_digests_are_sha256() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # FIPS 180-4, of no bytes
    assert digest_bytes(b"") == empty
    assert digest("") == digest_bytes(b'""')
    assert short(empty) == "e3b0c44298fc"


def test_unit_interval_depends_on_its_parts_alone() -> None:
    assert unit_interval("a", 1) == unit_interval("a", 1)
    assert unit_interval("a", 1) != unit_interval("a", 2)
    assert unit_interval("ab", "c") != unit_interval("a", "bc")
    draws = [unit_interval("seed", n) for n in range(2000)]
    assert all(0 <= draw < 1 for draw in draws)
    assert abs(sum(draws) / 2000 - 0.5) < 0.03


def test_run_ids_sort_by_start() -> None:
    plan = digest("the plan")
    first = new_run_id(datetime(2026, 11, 23, 14, 15, 30, tzinfo=UTC), plan)
    assert first.startswith("20261123-141530-")
    assert first < new_run_id(datetime(2026, 11, 23, 14, 15, 31, tzinfo=UTC), plan)


def test_errors_print_message_place_and_hint() -> None:
    assert str(UsageError("m", hint="h", where="f:1")) == "m\n  where: f:1\n  hint:  h"
    assert str(EvalkitError("m")) == "m"
    assert (UsageError.exit_code, StoreError.exit_code, ModelError.exit_code) == (2, 4, 4)
    error = ModelError("m", code="rate_limit", retryable=True, retry_after_s=2.0, status=429)
    assert (error.code, error.retryable, error.retry_after_s, error.status) == ("rate_limit", True, 2.0, 429)


@pytest.mark.parametrize(
    "secret",
    [
        "sk-" + "a1" * 12,
        "AKIA" + "A1" * 8,
        "ghp_" + "a1" * 18,
        "xoxb-" + "1" * 12,
        "AIza" + "a" * 35,
        "Bearer " + "t" * 20,
    ],
)
def test_things_shaped_like_keys_are_masked(secret: str) -> None:
    assert Redactor().text(f"x {secret} y") == "x *** y"


def test_known_secrets_are_masked_the_longest_first_and_short_ones_never() -> None:
    redactor = Redactor(["secret", "secret-longer", "abc"])
    assert redactor.text("secret-longer secret abc") == "*** *** abc"


async def test_the_system_clock_is_aware_monotonic_and_yields() -> None:
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    before = clock.monotonic()
    await clock.sleep(-1)
    await asyncio.wait_for(clock.sleep(0), 1)
    assert clock.monotonic() >= before
