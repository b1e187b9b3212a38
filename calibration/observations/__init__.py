"""What is measured: kinds, numbers, waveforms, transfer to a site, discrepancies."""

from calibration.observations.discrepancy import Shift, shift, with_discrepancy
from calibration.observations.independence import (
    Observations,
    as_check,
    independent,
    require_independent,
)
from calibration.observations.kinds import (
    ARTERIAL,
    DISCREPANCY_SD,
    KINDS,
    METHODS,
    UNITS,
    Kind,
    default_discrepancy,
)
from calibration.observations.numbers import Observation
from calibration.observations.transfer import (
    GRID,
    Transfer,
    arterial,
    at_phase,
    harmonics,
    published,
    transferred,
    uniform,
)
from calibration.observations.waveforms import Waveform

__all__ = [
    "ARTERIAL",
    "DISCREPANCY_SD",
    "GRID",
    "KINDS",
    "Kind",
    "METHODS",
    "Observation",
    "Observations",
    "Shift",
    "Transfer",
    "UNITS",
    "Waveform",
    "arterial",
    "as_check",
    "at_phase",
    "default_discrepancy",
    "harmonics",
    "independent",
    "published",
    "require_independent",
    "shift",
    "transferred",
    "uniform",
    "with_discrepancy",
]
