"""What is measured: kinds, numbers, waveforms, transfer to a site, discrepancies."""

from calibration.observations.catalogue import BIOBANK, CATHETER, KINDS
from calibration.observations.discrepancy import Shift, shift, with_discrepancy
from calibration.observations.entry import METHODS, SITES, UNITS, Healthy
from calibration.observations.independence import (
    Observations,
    as_check,
    independent,
    require_independent,
)
from calibration.observations.kinds import (
    aliases,
    arterial,
    cards,
    default_discrepancy,
    derived,
    healthy,
    index_of,
    ordered,
    read_off,
    title,
)
from calibration.observations.maps import ActivationMap
from calibration.observations.numbers import Observation
from calibration.observations.relations import (
    KNOWN,
    expected,
    implied,
    leaves,
    reason,
    value,
)
from calibration.observations.transfer import (
    GRID,
    Transfer,
    at_phase,
    harmonics,
    published,
    transferred,
    uniform,
)
from calibration.observations.waveforms import Waveform

__all__ = [
    "ActivationMap",
    "BIOBANK",
    "CATHETER",
    "GRID",
    "Healthy",
    "KINDS",
    "KNOWN",
    "METHODS",
    "Observation",
    "Observations",
    "SITES",
    "Shift",
    "Transfer",
    "UNITS",
    "Waveform",
    "aliases",
    "arterial",
    "as_check",
    "at_phase",
    "cards",
    "default_discrepancy",
    "derived",
    "expected",
    "harmonics",
    "healthy",
    "implied",
    "independent",
    "index_of",
    "leaves",
    "ordered",
    "published",
    "read_off",
    "reason",
    "require_independent",
    "shift",
    "title",
    "transferred",
    "uniform",
    "value",
    "with_discrepancy",
]
