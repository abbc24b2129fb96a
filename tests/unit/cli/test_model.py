"""`model serve` reads its faults before it listens."""

from __future__ import annotations

import pytest

from evalkit.base.errors import UsageError
from evalkit.cli.model import serve


@pytest.mark.parametrize(("fault", "says"), [("429=often", "NAME=RATE"), ("429", "NAME=RATE|no rate")])
def test_a_fault_without_a_rate_is_refused(fault: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as error:
        serve(fault=[fault])
    assert "--fault 429=0.05" in str(error.value.hint)
