"""How far a run is."""

from __future__ import annotations

from evalkit.runner.progress import Progress, silent


def moment(rate: float | None) -> Progress:
    return Progress("calls", done=25, total=100, cached=0, failed=0, cost_usd=0.0, elapsed_s=10.0, rate=rate)


def test_what_is_left_follows_from_the_rate() -> None:
    assert moment(2.5).left_s == 30.0


def test_without_a_rate_nobody_knows_what_is_left() -> None:
    assert moment(None).left_s is None


def test_the_silent_sink_shows_nothing() -> None:
    silent(moment(None))
