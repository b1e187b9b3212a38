"""Closed-loop hemodynamics in s, mmHg, mL and mL/s."""

from physio.hemodynamics.circulation import Circulation as Circulation
from physio.hemodynamics.circulation import CirculationInputs as CirculationInputs
from physio.hemodynamics.control.baroreflex import Baroreflex as Baroreflex
from physio.hemodynamics.coupling import Pericardium as Pericardium
from physio.hemodynamics.coupling import Septum as Septum
from physio.hemodynamics.elements.chambers import DoubleHill as DoubleHill
from physio.hemodynamics.elements.chambers import ElastanceChamber as ElastanceChamber
from physio.hemodynamics.elements.chambers import StiffeningChamber as StiffeningChamber
from physio.hemodynamics.elements.chambers import TwoCosine as TwoCosine
from physio.hemodynamics.elements.valves import Diode as Diode
from physio.hemodynamics.elements.valves import DynamicOrifice as DynamicOrifice
from physio.hemodynamics.elements.valves import OrificeDiode as OrificeDiode
from physio.hemodynamics.elements.vessels import ElasticVessel as ElasticVessel
from physio.hemodynamics.elements.vessels import InertialVessel as InertialVessel
from physio.hemodynamics.elements.vessels import Resistance as Resistance
from physio.hemodynamics.elements.vessels import Vein as Vein
from physio.hemodynamics.indices.respiratory_variation import variation as variation
from physio.hemodynamics.ventilation import Ventilation as Ventilation
