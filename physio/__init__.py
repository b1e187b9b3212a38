"""Mechanistic models of the heart and circulation, and how to run them.

Times, pressures and volumes are in s, mmHg and mL for hemodynamics; see
``physio.units``. Nothing here knows of patients' files, neural networks or the
application.
"""

from physio.compose import Augmented as Augmented
from physio.interventions import scale as scale
from physio.interventions import set_to as set_to
from physio.interventions import shift as shift
from physio.interventions import then as then
from physio.parameters import get as get
from physio.parameters import param as param
from physio.parameters import parameters as parameters
from physio.parameters import replace as replace
from physio.periodic import settle as settle
from physio.simulate import march as march
from physio.simulate import simulate as simulate
from physio.system import AbstractBeating as AbstractBeating
from physio.system import AbstractRegulated as AbstractRegulated
from physio.system import AbstractStepper as AbstractStepper
from physio.system import AbstractSystem as AbstractSystem
from physio.system import Periodic as Periodic
from physio.system import Trajectory as Trajectory
