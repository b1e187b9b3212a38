"""Mechanistic models of the heart and circulation, and how to run them.

Times, pressures and volumes are in s, mmHg and mL for hemodynamics; see
``physio.units``. Nothing here knows of patients' files, neural networks or the
application.
"""

from physio.compose import AbstractAugmented, AbstractCorrection, Augmented, augment
from physio.inputs import constant
from physio.interventions import Intervention, scale, set_to, shift, then
from physio.parameters import TRANSPARENT, get, param, parameters, replace
from physio.periodic import periodic_beat, settle
from physio.simulate import march, simulate
from physio.system import (
    AbstractBeating,
    AbstractRegulated,
    AbstractStepper,
    AbstractSystem,
    Periodic,
    Trajectory,
)

__all__ = [
    "TRANSPARENT",
    "AbstractAugmented",
    "AbstractBeating",
    "AbstractCorrection",
    "AbstractRegulated",
    "AbstractStepper",
    "AbstractSystem",
    "Augmented",
    "Intervention",
    "Periodic",
    "Trajectory",
    "augment",
    "constant",
    "get",
    "march",
    "param",
    "parameters",
    "periodic_beat",
    "replace",
    "scale",
    "set_to",
    "settle",
    "shift",
    "simulate",
    "then",
]
