"""Closed-loop hemodynamics in s, mmHg, mL and mL/s."""

from physio.hemodynamics.baroreflex import Baroreflex as Baroreflex
from physio.hemodynamics.chambers import (
    DoubleHill as DoubleHill,
)
from physio.hemodynamics.chambers import (
    ElastanceChamber as ElastanceChamber,
)
from physio.hemodynamics.chambers import (
    StiffeningChamber as StiffeningChamber,
)
from physio.hemodynamics.chambers import (
    TwoCosine as TwoCosine,
)
from physio.hemodynamics.circulation import (
    Circulation as Circulation,
)
from physio.hemodynamics.circulation import (
    CirculationInputs as CirculationInputs,
)
from physio.hemodynamics.circulation import (
    Pericardium as Pericardium,
)
from physio.hemodynamics.circulation import (
    Septum as Septum,
)
from physio.hemodynamics.valves import (
    Diode as Diode,
)
from physio.hemodynamics.valves import (
    DynamicOrifice as DynamicOrifice,
)
from physio.hemodynamics.valves import (
    OrificeDiode as OrificeDiode,
)
from physio.hemodynamics.variation import variation as variation
from physio.hemodynamics.ventilation import Ventilation as Ventilation
from physio.hemodynamics.vessels import (
    ElasticVessel as ElasticVessel,
)
from physio.hemodynamics.vessels import (
    InertialVessel as InertialVessel,
)
from physio.hemodynamics.vessels import (
    Resistance as Resistance,
)
from physio.hemodynamics.vessels import (
    Vein as Vein,
)
