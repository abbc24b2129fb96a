"""Scores of stored outputs by graders that have changed since."""

from __future__ import annotations

from evalkit.api.regrade import up_to_date
from evalkit.core.output import Exchange, Failure, Output
from evalkit.core.run import STATUS_CANDIDATE_FAILED, STATUS_INFRASTRUCTURE_FAILED, STATUS_MISSING, STATUS_OK
from tests.e2e.tiny import SUITE

from .conftest import Project

CHANGED = SUITE.replace("ignore_case: true", "ignore_case: true, negate: true")


def test_unchanged_graders_read_no_output(project: Project) -> None:
    suite = project.suite()
    (run,) = project.run(suite)

    outputs = iter([("not an item", next(run.records()).output)])
    table = run.table()
    assert up_to_date(table, outputs, suite, project.session.graders(suite)) is table
    assert next(outputs, None) is not None, "nothing was read"


def test_failed_outputs_keep_their_blame_and_unstored_ones_stay_missing(project: Project) -> None:
    (run,) = project.run(project.suite())
    changed = project.suite(CHANGED)
    records = {record.item.id: record.output for record in run.records()}
    ids = list(run.table().item_ids)

    def failed(output: Output, code: str, blame: str) -> Output:
        failure = Failure(code=code, blame=blame, message="x", attempts=1)  # type: ignore[arg-type]
        exchange = Exchange(key=output.exchanges[0].key, request_digest="d", failure=failure)
        return output.model_copy(update={"exchanges": (exchange,)})

    outputs = [
        (ids[0], failed(records[ids[0]], "timeout", "candidate")),
        (ids[1], failed(records[ids[1]], "server_error", "infrastructure")),
        (ids[2], records[ids[2]]),
        ("unknown", records[ids[3]]),
    ]
    status = up_to_date(run.table(), outputs, changed, project.session.graders(changed)).columns["contains_all"].status
    assert list(status[:4, 0]) == [STATUS_CANDIDATE_FAILED, STATUS_INFRASTRUCTURE_FAILED, STATUS_OK, STATUS_MISSING]
    assert (status[3:, 0] == STATUS_MISSING).all()
