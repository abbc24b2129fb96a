"""A store in a temporary folder, and short ways to make what goes into it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from evalkit.core.candidate import Candidate
from evalkit.core.item import DatasetInfo, Item
from evalkit.core.output import CallKey, Exchange, Failure
from evalkit.core.run import RunManifest
from evalkit.llm.errors import BLAME, ErrorCode
from evalkit.llm.wire import ChatResponse
from evalkit.store.journal import Journal
from evalkit.store.store import Store


def _items(n: int) -> list[Item]:
    return [Item(id=f"q{index}", inputs={"question": f"What is {index}?"}, tags=("t",)) for index in range(n)]


def _manifest(run_id: str = "20261123-120000-abcdef", **fields: object) -> RunManifest:
    base: dict[str, object] = {
        "id": run_id,
        "suite": "support",
        "suite_digest": "s" * 64,
        "candidate": Candidate(name="next", model="local/extract-1"),
        "dataset": DatasetInfo(name="support", version="1", digest="d" * 64, n_items=3),
        "trials": 1,
        "seed": 7,
        "draw": "0",
        "batch": "b1",
        "plan_digest": "p" * 64,
        "started_at": "2026-11-23T12:00:00.000+00:00",
        "n_planned": 3,
    }
    return RunManifest.model_validate({**base, **fields})


def _answer(item_id: str, text: str = "yes", *, trial: int = 0, cached: bool = False, **fields: object) -> Exchange:
    response = ChatResponse.model_validate({"text": text, **fields})
    return Exchange(
        key=CallKey(item_id=item_id, trial=trial), request_digest=f"r-{item_id}", response=response, cached=cached
    )


def _failure(
    item_id: str,
    code: ErrorCode,
    *,
    trial: int = 0,
    elapsed_s: float | None = None,
    cost_usd: float | None = None,
) -> Exchange:
    failed = Failure(code=code, blame=BLAME[code], message="no", attempts=1, elapsed_s=elapsed_s, cost_usd=cost_usd)
    return Exchange(key=CallKey(item_id=item_id, trial=trial), request_digest=f"r-{item_id}", failure=failed)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / ".evalkit")


@pytest.fixture
def items() -> list[Item]:
    return _items(3)


@pytest.fixture
def manifest() -> RunManifest:
    return _manifest()


@pytest.fixture
def created(store: Store, manifest: RunManifest, items: list[Item]) -> Callable[[], Journal]:
    """Open the journal of a run that is created on the first call."""

    def open_journal() -> Journal:
        new = not (store.folder(manifest.id) / "outputs.db").exists()
        journal = store.journal(manifest.id)
        if new:
            journal.create(manifest, items)
        return journal

    return open_journal


@pytest.fixture(scope="session")
def answer() -> Callable[..., Exchange]:
    return _answer


@pytest.fixture(scope="session")
def failure() -> Callable[..., Exchange]:
    return _failure


@pytest.fixture(scope="session")
def make_manifest() -> Callable[..., RunManifest]:
    return _manifest


@pytest.fixture(scope="session")
def make_items() -> Callable[[int], list[Item]]:
    return _items
