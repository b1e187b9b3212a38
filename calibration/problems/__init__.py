"""A model, what is free, what was measured; one experiment a kind of measurement."""

from calibration.problems.circulation import Experiment, Indices
from calibration.problems.electrophysiology import ActivationMapping
from calibration.problems.problem import (
    AbstractExperiment,
    Linearised,
    Prediction,
    Problem,
    linearise,
    residuals,
)

__all__ = [
    "AbstractExperiment",
    "ActivationMapping",
    "Experiment",
    "Indices",
    "Linearised",
    "Prediction",
    "Problem",
    "linearise",
    "residuals",
]
