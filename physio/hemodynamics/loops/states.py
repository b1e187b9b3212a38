"""Named circulations: a healthy man and woman, and common diseases.

Each is the same graph of elements (:func:`closed_loop`) with values by dotted name,
fitted to published ranges by ``benchmarks/tune_states.py``; the ranges, with their
sources, are in ``tests/reference/states``.
"""

# pyright: reportCallIssue=false, reportArgumentType=false
# A param field converts the number it is given, and an abstract field's place is its
# subclass's: the type checker knows neither.

from physio.hemodynamics.circulation import Circulation
from physio.hemodynamics.control.baroreflex import Baroreflex
from physio.hemodynamics.elements.chambers import ElastanceChamber, TwoCosine
from physio.hemodynamics.elements.valves import OrificeDiode
from physio.hemodynamics.elements.vessels import (
    ElasticVessel,
    InertialVessel,
    Resistance,
    Vein,
)
from physio.hemodynamics.loops.state_values import VALUES
from physio.parameters import parameters, replace
from physio.rhythm import RegularRhythm

# How far below the heart one compartment for all systemic veins stands, cm: less than
# they do, or more blood pools than in people. At 60 degrees cardiac output, heart rate
# and diastolic pressure then change as in Hainsworth 1988.
_UPRIGHT = 12.0


def closed_loop(*, reflex: bool = True) -> Circulation:
    """The default graph: four chambers and valves, an aortic root with characteristic
    impedance, systemic and pulmonary arteries and veins, coronary vessels.

    Unstressed volumes after Ursino 1998, 10.1152/ajpheart.1998.275.5.H1733, table 1.
    Shares of the pleural pressure that reach vessels: docs/validation.md (heart and
    lung); 0.4 of the coronary vessels' wall stands in the chest cavity's pressure, the
    rest of their squeeze being the ventricle's.
    """

    def atrium(start: float) -> ElastanceChamber:
        return ElastanceChamber("atria", start_volume=start)

    def ventricle(start: float) -> ElastanceChamber:
        return ElastanceChamber("ventricles", start_volume=start)

    compartments = {
        "left_atrium": atrium(55.0),
        "left_ventricle": ventricle(155.0),
        "right_atrium": atrium(65.0),
        "right_ventricle": ventricle(165.0),
        "aortic_root": ElasticVessel(0.5, start_volume=40.0),
        "systemic_arteries": ElasticVessel(1.1, 611.0, start_volume=700.0),
        "systemic_veins": Vein(
            100.0, 20.0, 2900.0, start_volume=3500.0, pleural_share=0.65
        ),
        "pulmonary_arteries": ElasticVessel(
            4.3, 123.0, pleural_share=1.0, start_volume=170.0
        ),
        "pulmonary_veins": ElasticVessel(
            8.0, 120.0, pleural_share=1.0, lung_share=0.5, start_volume=190.0
        ),
        "coronary_vessels": ElasticVessel(
            0.1,
            5.0,
            0.6,
            start_volume=10.0,
            squeezed_by="left_ventricle",
            pleural_share=0.4,
        ),  # fmt: skip
    }
    connections = {
        "mitral_valve": OrificeDiode("left_atrium", "left_ventricle", 7.7),
        "aortic_valve": OrificeDiode("left_ventricle", "aortic_root", 6.8),
        "tricuspid_valve": OrificeDiode("right_atrium", "right_ventricle", 8.0),
        "pulmonary_valve": OrificeDiode("right_ventricle", "pulmonary_arteries", 7.1),
        "aorta": InertialVessel("aortic_root", "systemic_arteries", 0.035, 8e-4, 60.0),
        "systemic": Resistance("systemic_arteries", "systemic_veins", 0.9, -_UPRIGHT),
        "venous_return": Resistance("systemic_veins", "right_atrium", 0.05, _UPRIGHT),
        "pulmonary": Resistance("pulmonary_arteries", "pulmonary_veins", 0.06),
        "pulmonary_venous_return": Resistance("pulmonary_veins", "left_atrium", 0.015),
        "coronary_arteries": Resistance("aortic_root", "coronary_vessels", 10.0),
        "coronary_veins": Resistance("coronary_vessels", "right_atrium", 5.0),
    }
    activations = {
        "ventricles": TwoCosine("ventricles", 0.32, 0.16),
        "atria": TwoCosine("atria", 0.11, 0.11),
    }
    return Circulation(
        RegularRhythm(66.0, 0.16),
        activations,
        compartments,
        connections,
        5400.0,
        Baroreflex() if reflex else None,
    )


def named_state(name: str, *, reflex: bool = True) -> Circulation:
    """A circulation by name. Raises ``KeyError`` listing the names there are."""
    if name not in VALUES:
        raise KeyError(f"There is no state {name!r}; there are {', '.join(VALUES)}.")
    model = closed_loop(reflex=reflex)
    for key, value in VALUES[name].items():
        if reflex or not key.startswith("reflex."):
            model = replace(model, key, value)
    return model


# How a parameter of each unit grows with the body, lengths aside: volumes, flows and
# areas with its surface, resistances and elastances against it, so that pressures
# and heart rate stay (Westerhof & Elzinga 1991, 10.1152/ajpregu.1991.261.1.R126).
_BODY_POWER = {
    "mL": 1,
    "mL/s": 1,
    "mL/mmHg": 1,
    "cm^2": 1,
    "mmHg/mL": -1,
    "1/mL": -1,
    "mmHg s/mL": -1,
    "mmHg s^2/mL": -1,
}


def scaled_to_body(circulation: Circulation, ratio: float) -> Circulation:
    """The circulation of a body whose surface is ``ratio`` times as large."""
    for name, parameter in parameters(circulation).items():
        power = _BODY_POWER.get(parameter.unit, 0)
        if power:
            circulation = replace(circulation, name, parameter.value * ratio**power)
    return circulation
