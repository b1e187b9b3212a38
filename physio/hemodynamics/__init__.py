"""Closed-loop hemodynamics in s, mmHg, mL and mL/s."""

from physio.hemodynamics.circulation import (
    CAROTID_HEIGHT,
    HYDROSTATIC,
    Circulation,
    CirculationInputs,
)
from physio.hemodynamics.control.baroreflex import Baroreflex
from physio.hemodynamics.coupling import Pericardium, Septum
from physio.hemodynamics.elements.chambers import (
    DoubleHill,
    ElastanceChamber,
    StiffeningChamber,
    TwoCosine,
)
from physio.hemodynamics.elements.valves import Diode, DynamicOrifice, OrificeDiode
from physio.hemodynamics.elements.vessels import (
    ElasticVessel,
    InertialVessel,
    Resistance,
    Vein,
)
from physio.hemodynamics.exchange import Exchange, exchange
from physio.hemodynamics.indices.respiratory_variation import variation
from physio.hemodynamics.treatments import (
    beta_blocker,
    fluid_bolus,
    haemorrhage,
    heart_rate,
    lvad,
    peep,
    septal_defect,
    vasodilator,
    vasopressor,
)
from physio.hemodynamics.ventilation import Ventilation

__all__ = [
    "Baroreflex",
    "CAROTID_HEIGHT",
    "Circulation",
    "CirculationInputs",
    "Diode",
    "DoubleHill",
    "DynamicOrifice",
    "ElastanceChamber",
    "ElasticVessel",
    "Exchange",
    "HYDROSTATIC",
    "InertialVessel",
    "OrificeDiode",
    "Pericardium",
    "Resistance",
    "Septum",
    "StiffeningChamber",
    "TwoCosine",
    "Vein",
    "Ventilation",
    "beta_blocker",
    "exchange",
    "fluid_bolus",
    "haemorrhage",
    "heart_rate",
    "lvad",
    "peep",
    "septal_defect",
    "variation",
    "vasodilator",
    "vasopressor",
]
