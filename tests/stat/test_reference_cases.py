"""Every numerical case of reference_cases.json that this package answers, within the case's own tolerance.

Each case names its source (statsmodels, scipy, published tables) in its ``provenance``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from evalkit import stats
from evalkit.stats.special import t_quantile, t_tail

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Flat = dict[str, Any]


def _wilson(data: Flat) -> list[float]:
    interval = stats.wilson(data["k"], data["n"], alpha=data["alpha"])
    return [interval.low, interval.high]


def _clopper(data: Flat) -> list[float]:
    interval = stats.clopper_pearson(data["k"], data["n"], alpha=data["alpha"])
    return [interval.low, interval.high]


def _mean_se(data: Flat) -> Flat:
    values = np.repeat([1.0, 0.0], [data["ones"], data["n"] - data["ones"]])
    return {"mean": values.mean(), "se": stats.iid_se(values)}


def _mcnemar(data: Flat) -> Flat:
    b, c = data["b"], data["c"]
    chi2 = stats.mcnemar_chi2(b, c)
    return {
        "exact_p": stats.mcnemar_exact(b, c).p_value,
        "midp": stats.mcnemar_midp(b, c).p_value,
        "chi2": chi2.statistic,
        "chi2_p": chi2.p_value,
        "one_sided_exact_candidate_worse_p": stats.mcnemar_exact_one_sided(b, c).p_value,
    }


def _tango(data: Flat) -> Flat:
    interval = stats.tango_interval(data["b"], data["c"], data["n"])
    return {"est": interval.estimate, "lower": interval.low, "upper": interval.high}


def _tango_ni(data: Flat) -> Flat:
    b, c, n, m = data["b"], data["c"], data["n"], data["m"]
    return {"z": stats.tango_z(b, c, n, null=-m), "p": stats.tango_p(b, c, n, margin=m)}


def _newcombe(data: Flat) -> Flat:
    interval = stats.newcombe_paired(data["both"], data["only_baseline"], data["only_candidate"], data["neither"])
    return {"lower": interval.low, "upper": interval.high}


def _paired_t(data: Flat) -> Flat:
    diffs = np.array(data["candidate"]) - np.array(data["baseline"])
    return {"p": stats.paired_t_p(diffs, null=-data["m"])}


def _sign_flip(data: Flat) -> Flat:
    result = stats.sign_flip_exact(data["d"])
    return {"mean": result.statistic, "p": result.p_value}


def _clustered(data: Flat) -> Flat:
    values = [value for members in data["clusters"].values() for value in members]
    labels = [name for name, members in data["clusters"].items() for _ in members]
    cr0, cr1 = (stats.clustered_se(values, labels, correct=correct) for correct in (False, True))
    interval = stats.mean_interval(values, clusters=labels)
    return {
        "mean": interval.value,
        "iid_se": stats.iid_se(values),
        "cr0_se_miller": cr0,
        "statsmodels_cr0": cr0,
        "cr_se_inspect_G_over_Gminus1": cr1,
        "statsmodels_default_correction": cr1,
        "t_crit_df4": t_quantile(0.025, interval.df or 0),
    }


def _pass_k(data: Flat) -> Flat:
    arguments = data["n"], data["c"], data["k"]
    return {"pass_at_k": stats.pass_at_k(*arguments), "pass_hat_k": stats.pass_hat_k(*arguments)}


def _needed(data: Flat) -> int:
    return stats.needed_n(data["psi"], margin=data["m"], alpha=data["alpha"], power=data["power"])


def _ratio(data: Flat) -> Flat:
    result = stats.ratio_of_sums(data["cost"], data["success"])
    return {"ratio": result.value, "se": result.se}


def _tiny(data: Flat) -> Flat:
    p = 2 * t_tail(data["t"], data["df"])
    return {"p": p, "log10p": np.log10(p)}


def _kappa(data: Flat) -> Flat:
    kappa = stats.cohen_kappa(data["table"])
    return {"kappa": kappa.value, "se": kappa.se, "ci95": [kappa.low, kappa.high]}


def _rogan_gladen(data: Flat) -> Flat:
    rate = stats.rogan_gladen(
        data["p"],
        sensitivity=data["q1_sens"],
        specificity=data["q0_spec"],
        n=data["n"],
        n_positive=data["m1"],
        n_negative=data["m0"],
    )
    return {"theta": rate.estimate, "lower": rate.low, "upper": rate.high}


def _ppi(data: Flat) -> Flat:
    ones = data["f_unlabeled_ones"]
    unlabelled = np.repeat([1.0, 0.0], [ones, data["N"] - ones])
    interval = stats.ppi_mean(data["y"], data["f"], unlabelled, tuning="pooled")
    return {"est": interval.estimate, "ci": [interval.low, interval.high]}


ANSWERS: dict[str, Callable[[Flat], Any]] = {
    "wilson_7_20": _wilson,
    "wilson_30_30": _wilson,
    "cp_0_30": _clopper,
    "mean_se_binary": _mean_se,
    "mcnemar_8_2": _mcnemar,
    "mcnemar_0_0": _mcnemar,
    "mcnemar_0_6": _mcnemar,
    "tango_1_7_21": _tango,
    "tango_0_0_50": _tango,
    "ni_tango_40_20_160": _tango_ni,
    "ni_tango_10_10_100": _tango_ni,
    "newcombe_cavo": _newcombe,
    "paired_t_ni": _paired_t,
    "signflip_exact_8": _sign_flip,
    "clustered_se": _clustered,
    "multiple_fdr_bh": lambda data: stats.benjamini_hochberg(data["p"]).tolist(),
    "passk_10_3_5": _pass_k,
    "passk_20_18_5": _pass_k,
    "n_ni_paired_0.15_0.03": _needed,
    "n_ni_paired_0.06_0.03": _needed,
    "ratio_delta": _ratio,
    "tiny_p": _tiny,
    "cohen_kappa": _kappa,
    "krippendorff_nominal": lambda data: stats.krippendorff_alpha(data["ratings"], level="nominal"),
    "krippendorff_interval": lambda data: stats.krippendorff_alpha(data["ratings"], level="interval"),
    "rogan_gladen_0.7": _rogan_gladen,
    "rogan_gladen_0.95": _rogan_gladen,
    "ppi_mean_tuned": _ppi,
}
NOT_VALUES = {"published_rounded", "one_minus_cdf_is"}


@pytest.mark.realdata
@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_case(name: str, evalkit_data: Path) -> None:
    cases = json.loads((evalkit_data / "statistics" / "reference_cases.json").read_text())["cases"]
    case = next(case for case in cases if case["id"] == name)
    ours, expected = ANSWERS[name](case["input"]), case["expected"]
    if isinstance(expected, dict):
        wanted = {key: value for key, value in expected.items() if key not in NOT_VALUES}
        assert set(wanted) <= set(ours)
        for key, value in wanted.items():
            relative = 1e-9 if key == "p" else 0.0
            assert ours[key] == (
                value if value is None else pytest.approx(value, abs=case["tolerance"], rel=relative)
            ), key
    else:
        assert ours == pytest.approx(expected, abs=case["tolerance"], rel=0)
