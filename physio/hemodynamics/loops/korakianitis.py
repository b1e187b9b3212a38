"""The closed loop of Korakianitis & Shi (2006), 10.1016/j.jbiomech.2005.06.016.

Four chambers, aortic and pulmonary sinus and arteries with resistance, inertance and
compliance, veins with resistance and compliance; orifice valves, or valves whose
leaflets have inertia. One second per beat. Its start is far from the periodic beat.
"""

# pyright: reportCallIssue=false, reportArgumentType=false
# A param field converts the number it is given, and an abstract field's place is its
# subclass's: the type checker knows neither.

import math

from physio.hemodynamics.circulation import Circulation
from physio.hemodynamics.elements.chambers import ElastanceChamber, TwoCosine
from physio.hemodynamics.elements.element import AbstractCompartment, AbstractConnection
from physio.hemodynamics.elements.inertial_valves import LeafletValve
from physio.hemodynamics.elements.valves import BLOOD_DENSITY, OrificeDiode
from physio.hemodynamics.elements.vessels import (
    ElasticVessel,
    InertialVessel,
    Resistance,
)
from physio.rhythm import RegularRhythm
from physio.units import DYN_PER_CM2_PER_MMHG

# source, target and flow coefficient, mL/(s mmHg^0.5)
_VALVES = {
    "mitral_valve": ("left_atrium", "left_ventricle", 400.0),
    "aortic_valve": ("left_ventricle", "aortic_sinus", 350.0),
    "tricuspid_valve": ("right_atrium", "right_ventricle", 400.0),
    "pulmonary_valve": ("right_ventricle", "pulmonary_sinus", 350.0),
}


def orifice_area(flow_coefficient: float) -> float:
    """The effective area (cm^2) with q = CQ sqrt(dp), CQ in mL/(s mmHg^0.5)."""
    return flow_coefficient * math.sqrt(0.5 * BLOOD_DENSITY / DYN_PER_CM2_PER_MMHG)


def _chambers() -> dict[str, AbstractCompartment]:
    def chamber(driver: str, lowest: float, highest: float, v0: float, start: float):
        active = highest - lowest
        return ElastanceChamber(driver, active, lowest, v0, 1.0, start_volume=start)

    return {
        "left_atrium": chamber("atria", 0.15, 0.25, 4.0, 20.0),
        "left_ventricle": chamber("ventricles", 0.1, 2.5, 5.0, 500.0),
        "right_atrium": chamber("atria", 0.15, 0.25, 4.0, 20.0),
        "right_ventricle": chamber("ventricles", 0.1, 1.15, 10.0, 500.0),
    }


def _vessels() -> dict[str, AbstractCompartment]:
    def vessel(compliance: float, pressure: float):
        return ElasticVessel(compliance, start_volume=compliance * pressure)

    return {
        "aortic_sinus": vessel(0.08, 100.0),
        "systemic_arteries": vessel(1.6, 100.0),
        "systemic_veins": vessel(20.5, 0.0),
        "pulmonary_sinus": vessel(0.18, 30.0),
        "pulmonary_arteries": vessel(3.8, 30.0),
        "pulmonary_veins": vessel(20.5, 0.0),
    }


def _paths() -> dict[str, AbstractConnection]:
    return {
        "aorta": InertialVessel("aortic_sinus", "systemic_arteries", 0.003, 6.2e-5),
        # arteries, arterioles and capillaries in series
        "systemic": InertialVessel(
            "systemic_arteries", "systemic_veins", 0.05 + 0.5 + 0.52, 1.7e-3
        ),
        "venous_return": Resistance("systemic_veins", "right_atrium", 0.075),
        "pulmonary_trunk": InertialVessel(
            "pulmonary_sinus", "pulmonary_arteries", 0.002, 5.2e-5
        ),
        "pulmonary": InertialVessel(
            "pulmonary_arteries", "pulmonary_veins", 0.01 + 0.05 + 0.25, 1.7e-3
        ),
        "pulmonary_venous_return": Resistance("pulmonary_veins", "left_atrium", 0.006),
    }


def korakianitis_shi(
    valves: dict[str, AbstractConnection] | None = None,
) -> Circulation:
    """The published parameters with orifice valves, or with other ``valves``.

    All blood is stressed. ``leaflet_valves()`` gives the second form of the paper.
    """
    if valves is None:
        valves = {
            name: OrificeDiode(
                source, target, orifice_area(coefficient), resistance=0.0
            )
            for name, (source, target, coefficient) in _VALVES.items()
        }
    compartments = {**_chambers(), **_vessels()}
    activations = {
        "ventricles": TwoCosine("ventricles", 0.3, 0.15, 1.0),
        "atria": TwoCosine("atria", 0.045, 0.045, 1.0),
    }
    total = sum(float(part.start_volume) for part in compartments.values())
    return Circulation(
        RegularRhythm(60.0, 0.08),
        activations,
        compartments,
        {**valves, **_paths()},
        total,
    )


def leaflet_valves(**aortic: float) -> dict[str, AbstractConnection]:
    """Four leaflet valves without drag by the flow; ``aortic`` changes the aortic."""
    valves: dict[str, AbstractConnection] = {}
    for name, (source, target, coefficient) in _VALVES.items():
        changes = aortic if name == "aortic_valve" else {}
        valves[name] = LeafletValve(
            source, target, coefficient, **{"flow_gain": 0.0, **changes}
        )
    return valves
