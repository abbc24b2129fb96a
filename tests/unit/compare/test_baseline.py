"""A baseline is the same file for the same run, gives back exact numbers, and refuses hand edits with their line."""

from __future__ import annotations

import gzip
import math
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.base.errors import UsageError
from evalkit.base.hashing import canonical_json, digest_bytes
from evalkit.base.redact import Redactor
from evalkit.compare.baseline import (
    NoBaselineError,
    StoredBaseline,
    WrittenBaseline,
    baseline_path,
    outputs_path,
    read_baseline,
    write_baseline,
)
from evalkit.compare.baseline_rows import check_sum
from evalkit.compare.compare import compare
from evalkit.compare.stored_outputs import StoredOutputs, pack_outputs, unpack_outputs
from evalkit.core.candidate import Candidate, Prompt, PromptMessage
from evalkit.core.output import CallKey, Exchange, Failure, Output
from evalkit.core.run import STATUS_CANDIDATE_FAILED, STATUS_NAMES, STATUS_OK, RunTable
from evalkit.core.suite import Policy
from evalkit.llm.wire import ChatResponse, ToolCall, Usage
from tests.unit.compare.tables import column, table

WHEN = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
SECRET = "hunter2-hunter2"


def answer(item_id: str, trial: int = 0, text: str = "Within 30 days.", **more: Any) -> tuple[str, int, Output]:
    exchange = Exchange(
        key=CallKey(item_id=item_id, trial=trial),
        request_digest="r",
        response=ChatResponse(text=text, latency_s=0.25, cost_usd=0.001, **more),
    )
    return item_id, trial, Output(item_id=item_id, trial=trial, exchanges=(exchange,))


def failed(item_id: str, message: str = "no answer") -> tuple[str, int, Output]:
    failure = Failure(code="timeout", blame="candidate", message=message, attempts=3, elapsed_s=60.0)
    exchange = Exchange(key=CallKey(item_id=item_id, trial=0), request_digest="r", failure=failure)
    return item_id, 0, Output(item_id=item_id, trial=0, exchanges=(exchange,))


def run(n: int = 7, **more: Any) -> RunTable:
    """A run with every status, values that need all digits, and everything an item may carry."""
    status = np.arange(n * 2).reshape(n, 2) % len(STATUS_NAMES)
    times = np.random.default_rng(5).random((n, 2)) * 10
    fields: dict[str, Any] = {
        "ids": [f"q{n - row}" for row in range(n)],
        "clusters": ["a", None, *["b"] * (n - 2)],
        "weights": [1.0, 1 / 3, *[2.0] * (n - 2)],
        "tags": [("x", "y"), *[()] * (n - 1)],
        "calls": [f"call {row}" for row in range(n)],
        "trials": 2,
    }
    return table(
        column(status % 2, status=status),
        column(times, name="latency_s", kind="positive", better="lower", grader=None, status=status),
        column(times / 10, name="close", kind="bounded", grader="close@1"),
        **(fields | more),
    )


def write(path: Path, made: RunTable, outputs: Any = (), **more: Any) -> WrittenBaseline:
    options: dict[str, Any] = {"reason": "first", "accepted_at": WHEN, "redactor": Redactor([SECRET])}
    return write_baseline(path, made, outputs, **(options | more))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return baseline_path(tmp_path / "suites", "support_qa")


def test_what_was_written_is_read_back_exactly(path: Path) -> None:
    made = run()
    written = write(path, made)
    assert path.name == "support_qa.jsonl"
    assert path.parent.name == "baselines"
    assert (written.n_items, written.outputs_path, written.complete) == (7, None, True)
    found = read_baseline(path).table
    order = sorted(range(7), key=lambda row: made.item_ids[row])
    for name in ("item_ids", "item_digests", "clusters", "weights", "tags", "call_digests"):
        assert list(getattr(found, name)) == [getattr(made, name)[row] for row in order], name
    for name, kept in made.columns.items():
        assert found.columns[name].info == kept.info
        assert (found.columns[name].status == kept.status[order]).all()
        ok = kept.status[order] == STATUS_OK
        assert (found.columns[name].value[ok] == kept.value[order][ok]).all()
    blamed = made.columns["latency_s"].status[order] == STATUS_CANDIDATE_FAILED
    assert (found.columns["latency_s"].value[blamed] == made.columns["latency_s"].value[order][blamed]).all()
    assert np.isnan(found.columns["correct"].value[blamed]).all()
    assert found.provenance == "stored baseline 2026-11-20"
    assert found.manifest.reason == "first"
    assert found.manifest.accepted_at == "2026-11-20T09:30:00+00:00"
    assert found.manifest.candidate == made.manifest.candidate
    assert found.manifest.candidate.prompt is not None
    assert found.manifest.candidate.digest == made.manifest.candidate.digest


def test_a_baseline_of_a_run_compares_as_the_run_does(path: Path) -> None:
    made = run(40)
    write(path, made)
    policy = Policy()
    stored, direct = compare(made, read_baseline(path).table, policy), compare(made, made, policy)
    assert [one.model_dump() for one in stored.metrics] == [one.model_dump() for one in direct.metrics]


def test_the_same_run_gives_the_same_bytes(path: Path, tmp_path: Path) -> None:
    answers = [answer(f"q{row}") for row in range(1, 8)]
    write(path, run(), answers)
    other = tmp_path / "other.jsonl"
    write(other, run(), answers)
    assert outputs_path(path).read_bytes() == outputs_path(other).read_bytes()
    first = path.read_bytes()
    write(path, run(), answers)
    assert path.read_bytes() == first
    assert not list(path.parent.glob(".*"))


def test_a_line_is_compact_and_readable(path: Path) -> None:
    write(path, table(column([1.0, 0.0, 0.5], kind="bounded"), ids=["b", "a", "c"]))
    lines = path.read_text().splitlines()
    assert lines[1].startswith('{"id":"a","digest":"digest of a","trials":[{"correct":0}],"sum":"')
    assert '"trials":[{"correct":0.5}]' in lines[3]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_floats_come_back_bit_by_bit(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    path = tmp_path_factory.mktemp("b") / "b.jsonl"
    made = table(column(values, kind="unbounded"))
    write(path, made)
    assert read_baseline(path).table.columns["correct"].value.tobytes() == made.columns["correct"].value.tobytes()


def edited(path: Path, number: int, change: Callable[[bytes], bytes]) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    lines[number - 1] = change(lines[number - 1])
    path.write_bytes(b"".join(lines))


@pytest.mark.parametrize(
    ("number", "change", "line"),
    [
        (1, lambda line: line.replace(b'"temperature":0.0', b'"temperature":0.1'), 1),
        (1, lambda line: line.replace(b'"n_items":7', b'"n_items":6'), 1),
        (4, lambda line: line.replace(b'"close"', b'"clone"', 1), 4),
        (4, lambda line: line.replace(b"digest of", b"digest Of"), 4),
        (5, lambda line: b"", 7),
        (5, lambda line: line + line, 6),
        (8, lambda line: line + line, 9),
        (3, lambda line: b"\n" + line, 3),
        (2, lambda line: b"{}\n", 2),
    ],
)
def test_a_hand_edit_is_refused_with_its_line(
    path: Path, number: int, change: Callable[[bytes], bytes], line: int
) -> None:
    write(path, run())
    before = path.read_bytes()
    edited(path, number, change)
    assert path.read_bytes() != before
    with pytest.raises(UsageError) as refused:
        read_baseline(path)
    assert refused.value.where is not None
    assert refused.value.where.endswith(f"support_qa.jsonl:{line}")
    assert refused.value.hint


def test_lines_that_changed_places_are_refused(path: Path) -> None:
    write(path, run())
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2], lines[3] = lines[3], lines[2]
    path.write_bytes(b"".join(lines))
    with pytest.raises(UsageError, match="does not come after"):
        read_baseline(path)


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":"z"}',
        b'{"id":"z","digest":"d","trials":[{"unknown":1}]}',
        b'{"id":"z","digest":"d","trials":[{"correct":"marvellous"}]}',
        b'{"id":"z","digest":"d","trials":[{},{},{"correct":1}]}',
        b"[1]",
    ],
)
def test_a_line_with_a_good_sum_and_bad_content_is_refused(path: Path, body: bytes) -> None:
    write(path, run())
    edited(path, 8, lambda _: body[:-1] + b',"sum":"' + check_sum(body[:-1] + b"}") + b'"}\n')
    with pytest.raises(UsageError, match="not an item of a baseline"):
        read_baseline(path)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"not json\n", "not the manifest"),
        (b"[]\n", "not the manifest"),
        (b"{}\n", "not the manifest"),
        (b'{"evalkit_baseline": 2}\n', "format 2; this version of evalkit reads 1"),
        (b'{"evalkit_baseline": 1}\n', "not a manifest of format 1"),
    ],
)
def test_a_first_line_that_is_no_manifest_is_refused(path: Path, line: bytes, says: str) -> None:
    write(path, run())
    edited(path, 1, lambda _: line)
    with pytest.raises(UsageError, match=says):
        read_baseline(path)


def test_no_baseline_says_how_to_accept_one(path: Path) -> None:
    with pytest.raises(NoBaselineError) as refused:
        read_baseline(path)
    assert "evalkit baseline accept" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"status": "interrupted"}, "interrupted, not finished"),
        ({"restricted": "-k refund"}, "only a part"),
        ({"limit": 3}, "--limit 3"),
        ({"ids": ["a"] * 7}, "an item twice"),
    ],
)
def test_a_run_that_is_not_whole_cannot_be_a_baseline(path: Path, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        write(path, run(**changes))
    assert not path.exists()


def test_an_empty_run_a_missing_reason_and_a_nan_are_refused(path: Path) -> None:
    with pytest.raises(UsageError, match="no items"):
        write(path, table(ids=[]))
    with pytest.raises(UsageError, match="needs a reason"):
        write(path, run(), reason="  ")
    with pytest.raises(UsageError, match="holds numbers only"):
        write(path, table(column([math.nan])))
    assert not path.exists()


def test_a_definition_that_holds_a_key_is_not_committed(path: Path) -> None:
    prompt = Prompt(messages=(PromptMessage(role="system", content=f"key {SECRET}"),))
    with pytest.raises(UsageError, match="shaped like a key"):
        write(path, run(candidate=Candidate(name="n", model="m", prompt=prompt)))
    assert not path.exists()


def test_answers_and_failures_come_back_redacted(path: Path) -> None:
    call = ToolCall(id="1", name="refund", arguments=f'{{"key": "{SECRET}"}}')
    usage = Usage(input_tokens=10, output_tokens=5)
    given_outputs = [
        answer("q1", text=f"The password is {SECRET}.", tool_calls=(call,), usage=usage, finish="tool_calls"),
        failed("q2", message=f"timeout with {SECRET}"),
    ]
    written = write(path, run(), given_outputs)
    assert (written.n_outputs, written.complete, written.outputs_path) == (2, True, outputs_path(path))
    stored = read_baseline(path)
    assert stored.has_all_outputs
    first, second = stored.outputs()
    assert (first.item_id, first.trial, first.text) == ("q1", 0, "The password is ***.")
    assert first.response is not None
    assert (first.response.finish, first.response.usage) == ("tool_calls", usage)
    assert SECRET not in first.response.tool_calls[0].arguments
    assert (first.latency_s, first.cost_usd) == (0.25, 0.001)
    assert second.failure is not None
    assert (second.failure.code, second.failure.message) == ("timeout", "timeout with ***")
    assert SECRET.encode() not in gzip.decompress(outputs_path(path).read_bytes())


def test_answers_of_several_steps_keep_the_last_text_and_all_costs() -> None:
    steps = [answer("q1", text="looking")[2].exchanges[0], answer("q1", text="found")[2].exchanges[0]]
    packed = pack_outputs([("q1", 0, Output(item_id="q1", trial=0, exchanges=tuple(steps)))], Redactor())
    stored = StoredOutputs(file="f", sha256=digest_bytes(packed.data), n=1, complete=True)
    (back,) = unpack_outputs(packed.data, stored, where="f")
    assert (back.text, back.latency_s, back.cost_usd) == ("found", 0.5, 0.002)


def test_no_more_bytes_are_kept_than_allowed_and_it_is_said() -> None:
    noise = np.random.default_rng(7)
    outputs = [answer(f"q{row:04d}", text=noise.bytes(2000).hex()) for row in range(400)]
    packed = pack_outputs(iter(outputs), Redactor(), limit=300_000)
    assert len(packed.data) <= 300_000
    assert not packed.complete
    assert 0 < packed.n < 400
    lines = gzip.decompress(packed.data).splitlines()
    assert [orjson.loads(line)["id"] for line in lines] == [f"q{row:04d}" for row in range(packed.n)]
    whole = pack_outputs(iter(outputs), Redactor())
    assert whole.complete
    assert whole.n == len(gzip.decompress(whole.data).splitlines()) == 400
    tiny = pack_outputs(iter(outputs[:1]), Redactor(), limit=200)
    assert (tiny.n, tiny.complete) == (0, False)


def test_an_outputs_file_that_is_gone_reads_as_none_and_a_changed_one_is_refused(path: Path) -> None:
    write(path, run(), [answer("q1")])
    beside = outputs_path(path)
    data = beside.read_bytes()
    beside.write_bytes(data + b"x")
    with pytest.raises(UsageError, match="not the file its baseline was written with"):
        list(read_baseline(path).outputs())
    beside.unlink()
    assert list(read_baseline(path).outputs()) == []
    write(path, run(), [answer("q1")])
    write(path, run())
    assert not beside.exists()
    assert list(read_baseline(path).outputs()) == []
    assert not read_baseline(path).has_all_outputs


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"not gzip", "not a gzip file"),
        (gzip.compress(b"nonsense\n", mtime=0), "f:1 is not an answer"),
        (gzip.compress(b'{"id": "q", "trial": 0}\n', mtime=0), "f:1 is not an answer"),
        (gzip.compress(b'{"id": "q", "trial": -1, "response": {}}\n', mtime=0), "f:1 is not an answer"),
    ],
    ids=["not gzip", "not JSON", "no response", "a negative trial"],
)
def test_damaged_answers_are_refused_with_their_line(data: bytes, says: str) -> None:
    stored = StoredOutputs(file="f", sha256=digest_bytes(data), n=1, complete=True)
    with pytest.raises(UsageError, match=says):
        list(unpack_outputs(data, stored, where="f"))


def test_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalkit.compare.stored_outputs._MAX_UNPACKED", 1000)
    data = gzip.compress(b" " * 100_000)
    stored = StoredOutputs(file="f", sha256=digest_bytes(data), n=1, complete=True)
    with pytest.raises(UsageError, match="more than 1,000 bytes"):
        list(unpack_outputs(data, stored, where="f"))


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path, path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    write(path, run(), [answer("q1")])
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    return tmp_path


def test_a_baseline_is_read_at_a_revision_whatever_the_working_tree_holds(repository: Path, path: Path) -> None:
    write(path, run(), [answer("q1", text="changed")], reason="changed")
    stored: StoredBaseline = read_baseline(path, ref="main")
    assert stored.table.manifest.reason == "first"
    assert [output.text for output in stored.outputs()] == ["Within 30 days."]
    assert [output.text for output in read_baseline(path).outputs()] == ["changed"]
    for file in (path, outputs_path(path)):
        file.unlink()
    path.parent.rmdir()
    assert read_baseline(path, ref="main").table.manifest.reason == "first"


def test_a_revision_without_the_baseline_or_unknown_is_said(repository: Path, path: Path) -> None:
    with pytest.raises(NoBaselineError, match="main:"):
        read_baseline(path.with_name("other.jsonl"), ref="main")
    with pytest.raises(UsageError, match="does not know the revision 'nowhere'"):
        read_baseline(path, ref="nowhere")
    for odd in ("--output=x", "main:suites"):
        with pytest.raises(UsageError, match="not a git revision"):
            read_baseline(path, ref=odd)


def test_git_that_is_missing_or_hangs_is_said(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: Any, **__: Any) -> Any:
        raise subprocess.TimeoutExpired("git", 60)

    with monkeypatch.context() as patch:
        patch.setattr("evalkit.compare.git_file.subprocess.run", hang)
        with pytest.raises(UsageError, match="did not answer"):
            read_baseline(path, ref="main")
    monkeypatch.setattr("evalkit.compare.git_file.shutil.which", lambda _: None)
    with pytest.raises(UsageError, match="git is not installed"):
        read_baseline(path, ref="main")


def test_a_manifest_edited_together_with_its_hash_still_binds_the_rows(path: Path) -> None:
    write(path, run())
    head = orjson.loads(path.read_bytes().splitlines()[0])
    head["rows"] = "0" * 64
    del head["content"]
    head["content"] = digest_bytes(canonical_json(head))
    edited(path, 1, lambda _: canonical_json(head) + b"\n")
    with pytest.raises(UsageError, match="added, removed or replaced"):
        read_baseline(path)
