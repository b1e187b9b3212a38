"""Chambers, valves, vessels, devices and sources of a loop."""

from physio.hemodynamics.elements.chambers import (
    AbstractActivation,
    DoubleHill,
    ElastanceChamber,
    StiffeningChamber,
    TwoCosine,
)
from physio.hemodynamics.elements.devices import (
    Defect,
    EndExpiratoryPressure,
    RotaryPump,
    peep_from_cmh2o,
)
from physio.hemodynamics.elements.elastance_laws import FourierSeries, ShiftingChamber
from physio.hemodynamics.elements.element import (
    AbstractCompartment,
    AbstractConnection,
    AbstractMemoryless,
)
from physio.hemodynamics.elements.inertial_valves import InertialDiode, LeafletValve
from physio.hemodynamics.elements.smooth_valves import (
    ArctanDiode,
    InertialTanhDiode,
    TanhDiode,
)
from physio.hemodynamics.elements.sources import (
    FlowSource,
    PressureSource,
    Reservoir,
    SampledActivation,
)
from physio.hemodynamics.elements.valves import (
    BLOOD_DENSITY,
    Diode,
    DynamicOrifice,
    OrificeDiode,
    orifice_flow,
)
from physio.hemodynamics.elements.vessels import (
    ElasticVessel,
    InertialVessel,
    Resistance,
    Vein,
)

__all__ = [
    "AbstractActivation",
    "AbstractCompartment",
    "AbstractConnection",
    "AbstractMemoryless",
    "ArctanDiode",
    "BLOOD_DENSITY",
    "Defect",
    "Diode",
    "DoubleHill",
    "DynamicOrifice",
    "ElastanceChamber",
    "ElasticVessel",
    "EndExpiratoryPressure",
    "FlowSource",
    "FourierSeries",
    "InertialDiode",
    "InertialTanhDiode",
    "InertialVessel",
    "LeafletValve",
    "OrificeDiode",
    "PressureSource",
    "Reservoir",
    "Resistance",
    "RotaryPump",
    "SampledActivation",
    "ShiftingChamber",
    "StiffeningChamber",
    "TanhDiode",
    "TwoCosine",
    "Vein",
    "orifice_flow",
    "peep_from_cmh2o",
]
