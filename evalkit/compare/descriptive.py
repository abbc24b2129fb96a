"""Figures beside the gate's: they decide nothing, but are what other tools and papers print."""

from __future__ import annotations

import numpy as np

from evalkit.compare.values import FloatArray, IntArray
from evalkit.core.score import MetricInfo
from evalkit.stats import clustered_se, iid_se, mcnemar_exact

__all__ = ["difference_figures"]


def difference_figures(
    difference: FloatArray, info: MetricInfo, clusters: IntArray | None
) -> dict[str, float | int | None]:
    """Return standard errors of the mean difference, and the exact McNemar test for binary scores of one trial.

    Args:
        difference: candidate minus baseline, shape (n_pairs,), n_pairs >= 1.
        info: what the scores are.
        clusters: shape (n_pairs,) of codes, or None where items carry none.
    """
    n = difference.size
    better, worse = int((difference > 0).sum()), int((difference < 0).sum())
    flips = info.kind == "binary" and bool(np.isin(difference, (-1.0, 0.0, 1.0)).all())
    return {
        "se_independent": iid_se(difference) if n > 1 else None,
        "se_clustered": None if clusters is None or n < 2 else clustered_se(difference, clusters, correct=False),
        "mcnemar_p": mcnemar_exact(better, worse).p_value if flips else None,
    }
