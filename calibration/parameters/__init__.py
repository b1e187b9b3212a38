"""Which parameters are free, in which range, with which prior."""

from calibration.parameters.patient_priors import (
    ANAESTHETISED_GAIN,
    AWAKE_GAIN,
    FREE,
    FREE_BY_CONDITION,
    REFERENCE_AREA,
    STRESS_RELAXATION,
)
from calibration.parameters.priors import (
    LogNormal,
    Normal,
    TruncatedNormal,
    Uniform,
    number,
)
from calibration.parameters.space import Free, Space

__all__ = [
    "ANAESTHETISED_GAIN",
    "AWAKE_GAIN",
    "FREE",
    "FREE_BY_CONDITION",
    "Free",
    "LogNormal",
    "Normal",
    "REFERENCE_AREA",
    "STRESS_RELAXATION",
    "Space",
    "TruncatedNormal",
    "Uniform",
    "number",
]
