"""Closed-loop hemodynamics in s, mmHg, mL and mL/s."""

from physio.hemodynamics.baroreflex import Baroreflex as Baroreflex
from physio.hemodynamics.chambers import (
    DoubleHill as DoubleHill,
    ElastanceChamber as ElastanceChamber,
    StiffeningChamber as StiffeningChamber,
    TwoCosine as TwoCosine,
)
from physio.hemodynamics.circulation import (
    Circulation as Circulation,
    CirculationInputs as CirculationInputs,
    Pericardium as Pericardium,
    Septum as Septum,
)
from physio.hemodynamics.valves import (
    Diode as Diode,
    DynamicOrifice as DynamicOrifice,
    OrificeDiode as OrificeDiode,
)
from physio.hemodynamics.ventilation import Ventilation as Ventilation
from physio.hemodynamics.vessels import (
    ElasticVessel as ElasticVessel,
    InertialVessel as InertialVessel,
    Resistance as Resistance,
    Vein as Vein,
)
