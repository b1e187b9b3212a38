"""Fast stand-ins for a simulator, with checked error bars."""

from learned.surrogates.gaussian_process import (
    PENALTY,
    Kernel,
    Processes,
    fit_processes,
    shared_penalty,
)
from learned.surrogates.outputs import Outputs, Wave, prefers_logarithm
from learned.surrogates.polynomial import Polynomial, fit_polynomial, terms
from learned.surrogates.surrogate import (
    LEVELS,
    Surrogate,
    conformal_factors,
    fit_surrogate,
    train_surrogate,
)

__all__ = [
    "Kernel",
    "LEVELS",
    "Outputs",
    "PENALTY",
    "Polynomial",
    "Processes",
    "Surrogate",
    "Wave",
    "conformal_factors",
    "fit_polynomial",
    "fit_processes",
    "fit_surrogate",
    "prefers_logarithm",
    "shared_penalty",
    "terms",
    "train_surrogate",
]
