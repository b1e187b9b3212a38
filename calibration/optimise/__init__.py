"""Least squares from many starts, many problems in one program."""

from calibration.optimise.batches import (
    VALUE_LANES,
    features_many,
    in_chunks,
    linearise_each,
    linearise_many,
    predict_many,
    together,
)
from calibration.optimise.fit import Fit, fit, fit_many
from calibration.optimise.levenberg_marquardt import descend

__all__ = [
    "Fit",
    "VALUE_LANES",
    "descend",
    "features_many",
    "fit",
    "fit_many",
    "in_chunks",
    "linearise_each",
    "linearise_many",
    "predict_many",
    "together",
]
