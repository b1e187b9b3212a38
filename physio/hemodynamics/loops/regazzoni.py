"""The 12-state closed loop of Regazzoni et al. (2022), 10.1016/j.jcp.2022.111083.

Four chambers, four diodes, R-L-C systemic and pulmonary arteries and veins. An
arithmetic oracle and the workhorse of population runs: its published pulmonary
pressures are not healthy.
"""

# pyright: reportCallIssue=false, reportArgumentType=false
# A param field converts the number it is given, and an abstract field's place is its
# subclass's: the type checker knows neither.

from physio.hemodynamics.circulation import Circulation
from physio.hemodynamics.elements.chambers import ElastanceChamber, TwoCosine
from physio.hemodynamics.elements.valves import Diode
from physio.hemodynamics.elements.vessels import ElasticVessel, InertialVessel
from physio.rhythm import RegularRhythm


def regazzoni() -> Circulation:
    """The published parameters, HR 72, no reflex; blood volume is all stressed."""

    def chamber(driver: str, ea: float, eb: float, v0: float, start: float):
        return ElastanceChamber(driver, ea, eb, v0, start_volume=start)

    def vessel(compliance: float, pressure: float):
        return ElasticVessel(compliance, start_volume=compliance * pressure)

    compartments = {
        "left_atrium": chamber("atria", 0.07, 0.09, 4.0, 65.0),
        "left_ventricle": chamber("ventricles", 2.75, 0.08, 5.0, 120.0),
        "right_atrium": chamber("atria", 0.06, 0.07, 4.0, 65.0),
        "right_ventricle": chamber("ventricles", 0.55, 0.05, 10.0, 145.0),
        "systemic_arteries": vessel(1.2, 80.0),
        "systemic_veins": vessel(60.0, 30.0),
        "pulmonary_arteries": vessel(10.0, 35.0),
        "pulmonary_veins": vessel(16.0, 24.0),
    }
    connections = {
        "mitral_valve": Diode("left_atrium", "left_ventricle"),
        "aortic_valve": Diode("left_ventricle", "systemic_arteries"),
        "tricuspid_valve": Diode("right_atrium", "right_ventricle"),
        "pulmonary_valve": Diode("right_ventricle", "pulmonary_arteries"),
        "systemic": InertialVessel("systemic_arteries", "systemic_veins", 0.8, 5e-3),
        "venous_return": InertialVessel("systemic_veins", "right_atrium", 0.26, 5e-4),
        "pulmonary": InertialVessel(
            "pulmonary_arteries", "pulmonary_veins", 0.1625, 5e-4
        ),
        "pulmonary_venous_return": InertialVessel(
            "pulmonary_veins", "left_atrium", 0.1625, 5e-4
        ),
    }
    activations = {
        "ventricles": TwoCosine("ventricles", 0.34, 0.17, 1.0),
        "atria": TwoCosine("atria", 0.17, 0.17, 1.0),
    }
    total = sum(float(part.start_volume) for part in compartments.values())
    return Circulation(
        RegularRhythm(72.0, 1.0 / 6.0), activations, compartments, connections, total
    )
