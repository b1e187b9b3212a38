"""Posteriors by importance, delayed acceptance and NUTS; intervals of them."""

from calibration.sampling.delayed_acceptance import (
    AGREED,
    effective_size,
    run_chains,
    split_r_hat,
)
from calibration.sampling.diagnostics import judged
from calibration.sampling.importance import Draws, Student, Target, spread
from calibration.sampling.interval import Interval
from calibration.sampling.pareto import TRUSTED, effective, resample, smooth
from calibration.sampling.posterior import Posterior, sample, sample_fit

__all__ = [
    "AGREED",
    "Draws",
    "Interval",
    "Posterior",
    "Student",
    "TRUSTED",
    "Target",
    "effective",
    "effective_size",
    "judged",
    "resample",
    "run_chains",
    "sample",
    "sample_fit",
    "smooth",
    "split_r_hat",
    "spread",
]
