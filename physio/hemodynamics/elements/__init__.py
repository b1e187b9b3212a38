"""Chambers, valves, vessels, devices and sources of a loop."""

from physio.hemodynamics.elements.chambers import (
    AbstractActivation as AbstractActivation,
)
from physio.hemodynamics.elements.chambers import DoubleHill as DoubleHill
from physio.hemodynamics.elements.chambers import ElastanceChamber as ElastanceChamber
from physio.hemodynamics.elements.chambers import StiffeningChamber as StiffeningChamber
from physio.hemodynamics.elements.chambers import TwoCosine as TwoCosine
from physio.hemodynamics.elements.devices import Defect as Defect
from physio.hemodynamics.elements.devices import (
    EndExpiratoryPressure as EndExpiratoryPressure,
)
from physio.hemodynamics.elements.devices import RotaryPump as RotaryPump
from physio.hemodynamics.elements.devices import peep_from_cmh2o as peep_from_cmh2o
from physio.hemodynamics.elements.elastance_laws import FourierSeries as FourierSeries
from physio.hemodynamics.elements.elastance_laws import (
    ShiftingChamber as ShiftingChamber,
)
from physio.hemodynamics.elements.element import (
    AbstractCompartment as AbstractCompartment,
)
from physio.hemodynamics.elements.element import (
    AbstractConnection as AbstractConnection,
)
from physio.hemodynamics.elements.element import (
    AbstractMemoryless as AbstractMemoryless,
)
from physio.hemodynamics.elements.inertial_valves import InertialDiode as InertialDiode
from physio.hemodynamics.elements.inertial_valves import LeafletValve as LeafletValve
from physio.hemodynamics.elements.smooth_valves import ArctanDiode as ArctanDiode
from physio.hemodynamics.elements.smooth_valves import (
    InertialTanhDiode as InertialTanhDiode,
)
from physio.hemodynamics.elements.smooth_valves import TanhDiode as TanhDiode
from physio.hemodynamics.elements.sources import FlowSource as FlowSource
from physio.hemodynamics.elements.sources import PressureSource as PressureSource
from physio.hemodynamics.elements.sources import Reservoir as Reservoir
from physio.hemodynamics.elements.sources import Waveform as Waveform
from physio.hemodynamics.elements.valves import Diode as Diode
from physio.hemodynamics.elements.valves import DynamicOrifice as DynamicOrifice
from physio.hemodynamics.elements.valves import OrificeDiode as OrificeDiode
from physio.hemodynamics.elements.valves import orifice_flow as orifice_flow
from physio.hemodynamics.elements.vessels import ElasticVessel as ElasticVessel
from physio.hemodynamics.elements.vessels import InertialVessel as InertialVessel
from physio.hemodynamics.elements.vessels import Resistance as Resistance
from physio.hemodynamics.elements.vessels import Vein as Vein
