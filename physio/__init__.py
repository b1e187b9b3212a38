"""Mechanistic models of the heart and circulation, and how to run them.

Times, pressures and volumes are in s, mmHg and mL for hemodynamics; see
``physio.units``. Nothing here knows of patients' files, neural networks or the
application.
"""

from physio.compose import Augmented as Augmented
from physio.interventions import scale as scale, set_to as set_to, shift as shift, then as then
from physio.parameters import (
    get as get,
    param as param,
    parameters as parameters,
    replace as replace,
)
from physio.simulate import march as march, settle as settle, simulate as simulate
from physio.system import (
    AbstractBeating as AbstractBeating,
    AbstractRegulated as AbstractRegulated,
    AbstractStepper as AbstractStepper,
    AbstractSystem as AbstractSystem,
    Periodic as Periodic,
    Trajectory as Trajectory,
)
