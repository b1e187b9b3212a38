"""What the data see, and how well predictions score."""

from calibration.assessment.identifiability import (
    INTERVAL_95,
    fisher,
    prior_only,
    profile,
    sentences,
    sobol,
    told,
)
from calibration.assessment.scores import (
    coverage,
    coverage_band,
    crps_gaussian,
    crps_sample,
    inside,
    paired_difference,
    rank_test,
    ranks,
    rmse,
    root_mean_square,
)

__all__ = [
    "INTERVAL_95",
    "coverage",
    "coverage_band",
    "crps_gaussian",
    "crps_sample",
    "fisher",
    "inside",
    "paired_difference",
    "prior_only",
    "profile",
    "rank_test",
    "ranks",
    "rmse",
    "root_mean_square",
    "sentences",
    "sobol",
    "told",
]
