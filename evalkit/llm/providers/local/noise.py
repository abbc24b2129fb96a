"""Seeded slips: when the embedded model errs depends on (model, question, request seed), never on the prompt.

Two prompts asked with one seed therefore slip on the same items, and two seeds slip independently.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from evalkit.base.hashing import unit_interval

__all__ = ["RATES", "Noise"]

RATES: Final[dict[str, dict[str, float]]] = {
    "extract-1": {
        "wrong_span": 0.02,
        "over_abstain": 0.005,
        "guess": 0.05,
        "no_citation": 0.03,
        "wrong_section": 0.02,
        "bad_json": 0.01,
        "ramble": 0.03,
        "forget": 0.02,
        "wrong_field": 0.025,
        "wrong_kind": 0.03,
    },
    "extract-1-mini": {
        "wrong_span": 0.11,
        "over_abstain": 0.03,
        "guess": 0.18,
        "no_citation": 0.09,
        "wrong_section": 0.05,
        "bad_json": 0.03,
        "ramble": 0.09,
        "forget": 0.06,
        "wrong_field": 0.14,
        "wrong_kind": 0.12,
    },
    "judge": {"wrong_verdict": 0.03, "bad_json": 0.005},
}
"""How often each size slips at temperature 0, by kind of slip."""


@dataclass(frozen=True, slots=True)
class Noise:
    """The seeded decisions of one request.

    Attributes:
        model: the model's short name, a key of :data:`RATES`.
        question: what is asked (for extraction the document, for a judge the answer it grades).
        seed: the request's seed, 0 when it gave none.
        temperature: 0 keeps the base rates; each unit doubles them once more and varies the wording.
    """

    model: str
    question: str
    seed: int
    temperature: float

    def draw(self, purpose: str) -> float:
        """Return a number in [0, 1) for ``purpose``."""
        return unit_interval("evalkit-local-1", self.model, " ".join(self.question.split()), self.seed, purpose)

    def slips(self, kind: str, factor: float = 1.0, *, at: str = "") -> bool:
        """Return whether the slip ``kind`` happens (at the place ``at``), its rate multiplied by ``factor``."""
        rate = RATES[self.model].get(kind, 0.0) * factor * (1.0 + self.temperature)
        return rate > 0 and self.draw(f"{kind}:{at}" if at else kind) < rate

    def pick(self, purpose: str, count: int) -> int:
        """Return an index below ``count``, or 0 at temperature 0: how a thing is worded."""
        if self.temperature <= 0:
            return 0
        return int(self.draw(f"wording:{purpose}") * count)

    def choose(self, purpose: str, count: int) -> int:
        """Return an index below ``count`` at any temperature: which of several wrong things is taken."""
        return int(self.draw(f"choice:{purpose}") * count)
