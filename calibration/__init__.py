"""From measurements to a calibrated model with honest uncertainty."""

from calibration.fit import Fit, fit, fit_many
from calibration.misfit import Experiment, Indices, Prediction, Problem, predict
from calibration.observations import (
    Observation,
    Waveform,
    as_check,
    default_discrepancy,
    independent,
)
from calibration.priors import LogNormal, Normal, TruncatedNormal, Uniform
from calibration.space import Free, Space
from calibration.transfer import Transfer, published

__all__ = [
    "Experiment",
    "Fit",
    "Free",
    "Indices",
    "LogNormal",
    "Normal",
    "Observation",
    "Prediction",
    "Problem",
    "Space",
    "Transfer",
    "TruncatedNormal",
    "Uniform",
    "Waveform",
    "as_check",
    "default_discrepancy",
    "fit",
    "fit_many",
    "independent",
    "predict",
    "published",
]
