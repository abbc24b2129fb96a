"""Scores of stored outputs by graders that have changed since: computed again, without a call to any model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from evalkit.api.session import SessionGrader
from evalkit.core.output import Output
from evalkit.core.run import (
    STATUS_CANDIDATE_FAILED,
    STATUS_INFRASTRUCTURE_FAILED,
    STATUS_MISSING,
    MetricColumn,
    RunTable,
)
from evalkit.core.suite import Suite
from evalkit.store.table import SCORE_STATUS

__all__ = ["up_to_date"]


def up_to_date(
    table: RunTable, outputs: Iterable[tuple[str, Output]], suite: Suite, graders: Sequence[SessionGrader]
) -> RunTable:
    """Return ``table`` with a column for every metric of ``graders``, each by the grader as it is now.

    Columns whose grader is unchanged are kept. The others are computed from ``outputs``; an output that is not stored,
    or whose item is not in the suite with the same content, stays missing.

    Args:
        table: stored scores.
        outputs: item id and output, read only if something changed.
        suite: the items as they are now.
        graders: the suite's graders.
    """
    changed = [grader for grader in graders if not _same(table, grader)]
    if not changed:
        return table
    shape = (len(table.item_ids), table.manifest.trials)
    columns = {
        info.name: MetricColumn(info, np.full(shape, STATUS_MISSING, dtype=np.uint8), np.zeros(shape))
        for grader in changed
        for info in grader.metrics
    }
    row = {item_id: index for index, item_id in enumerate(table.item_ids)}
    items = {item.id: item for item in suite.items}
    for item_id, output in outputs:
        index, item = row.get(item_id), items.get(item_id)
        if index is None or item is None or item.digest != table.item_digests[index]:
            continue
        at = (index, output.trial)
        if output.failure is not None:
            blamed = output.failure.blame == "candidate"
            for column in columns.values():
                column.status[at] = STATUS_CANDIDATE_FAILED if blamed else STATUS_INFRASTRUCTURE_FAILED
            continue
        for grader in changed:
            for score in grader.grade(item, output):
                column = columns[score.metric]
                column.status[at] = SCORE_STATUS[score.status]
                column.value[at] = score.value if score.value is not None else 0.0
    return replace(table, columns={**table.columns, **columns})


def _same(table: RunTable, grader: SessionGrader) -> bool:
    return all(
        info.name in table.columns and table.columns[info.name].info.grader == info.grader for info in grader.metrics
    )
