"""From measurements to a calibrated model with honest uncertainty."""

from calibration.observations.independence import as_check, independent
from calibration.observations.kinds import default_discrepancy
from calibration.observations.maps import ActivationMap
from calibration.observations.numbers import Observation
from calibration.observations.transfer import Transfer, published
from calibration.observations.waveforms import Waveform
from calibration.optimise.fit import Fit, fit, fit_many
from calibration.parameters.priors import LogNormal, Normal, TruncatedNormal, Uniform
from calibration.parameters.space import Free, Space
from calibration.problems.circulation import Experiment, Indices
from calibration.problems.electrophysiology import ActivationMapping
from calibration.problems.problem import AbstractExperiment, Prediction, Problem

__all__ = [
    "AbstractExperiment",
    "ActivationMap",
    "ActivationMapping",
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
    "published",
]
