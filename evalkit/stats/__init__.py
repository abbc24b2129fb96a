"""The statistical core: gate tests, intervals, standard errors, multiplicity, planning.

Pure functions over numpy arrays; imports numpy only (scipy on first use) and nothing of evalkit outside this
package. Results are frozen dataclasses; no function returns NaN or a sentinel: input that cannot be analysed
raises `StatsError`, data that prove nothing carry a reason. Methods, assumptions and measured error rates:
docs/statistics.md.
"""

from evalkit.stats.absolute import Direction, gate_from_null, p_from_null
from evalkit.stats.agreement import Kappa, cohen_kappa, confusion_table, krippendorff_alpha
from evalkit.stats.binary import (
    clopper_pearson,
    clopper_pearson_lower,
    clopper_pearson_upper,
    mcnemar_chi2,
    mcnemar_exact,
    mcnemar_exact_one_sided,
    mcnemar_midp,
    newcombe_paired,
    tango_interval,
    tango_p,
    tango_variance,
    tango_z,
    wilson,
)
from evalkit.stats.bootstrap import bootstrap_mean
from evalkit.stats.cluster import clustered_se, iid_se, mean_interval, paired_interval
from evalkit.stats.errors import StatsError
from evalkit.stats.estimate import Estimate, Interval, Test
from evalkit.stats.gate import GateResult, PValue, Target, gate_test, p_value
from evalkit.stats.judge import CorrectedRate, ppi_mean, rogan_gladen
from evalkit.stats.multiplicity import benjamini_hochberg, holm
from evalkit.stats.paired import (
    mean_gate,
    paired_t_p,
    sign_flip_exact,
    sign_flip_random,
    unbounded_gate,
)
from evalkit.stats.power import (
    NeededItems,
    PassChance,
    detectable_effect,
    discordance_upper,
    min_clusters,
    needed_items,
    needed_n,
    probability_passes,
    probability_unchanged_passes,
)
from evalkit.stats.quantile import (
    quantile_bootstrap,
    quantile_difference_gate,
    quantile_gate,
    sample_quantile,
)
from evalkit.stats.ratio import ratio_gate, ratio_of_sums
from evalkit.stats.select import Choice, choose, kind_of
from evalkit.stats.trials import (
    VarianceSplit,
    item_means,
    pass_at_k,
    pass_hat_k,
    suite_pass_at_k,
    suite_pass_hat_k,
    variance_split,
)
from evalkit.stats.weights import effective_n, hajek_mean

__all__ = [
    "Choice",
    "CorrectedRate",
    "Direction",
    "Estimate",
    "GateResult",
    "Interval",
    "Kappa",
    "NeededItems",
    "PValue",
    "PassChance",
    "StatsError",
    "Target",
    "Test",
    "VarianceSplit",
    "benjamini_hochberg",
    "bootstrap_mean",
    "choose",
    "clopper_pearson",
    "clopper_pearson_lower",
    "clopper_pearson_upper",
    "clustered_se",
    "cohen_kappa",
    "confusion_table",
    "detectable_effect",
    "discordance_upper",
    "effective_n",
    "gate_from_null",
    "gate_test",
    "hajek_mean",
    "holm",
    "iid_se",
    "item_means",
    "kind_of",
    "krippendorff_alpha",
    "mcnemar_chi2",
    "mcnemar_exact",
    "mcnemar_exact_one_sided",
    "mcnemar_midp",
    "mean_gate",
    "mean_interval",
    "min_clusters",
    "needed_items",
    "needed_n",
    "newcombe_paired",
    "p_from_null",
    "p_value",
    "paired_interval",
    "paired_t_p",
    "pass_at_k",
    "pass_hat_k",
    "ppi_mean",
    "probability_passes",
    "probability_unchanged_passes",
    "quantile_bootstrap",
    "quantile_difference_gate",
    "quantile_gate",
    "ratio_gate",
    "ratio_of_sums",
    "rogan_gladen",
    "sample_quantile",
    "sign_flip_exact",
    "sign_flip_random",
    "suite_pass_at_k",
    "suite_pass_hat_k",
    "tango_interval",
    "tango_p",
    "tango_variance",
    "tango_z",
    "unbounded_gate",
    "variance_split",
    "wilson",
]
