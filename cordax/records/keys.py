"""What can be measured in a patient: kinds, units at the door, ranges, default sd.

A key of a patient record is a kind and a unit, `systolic_pressure_mmhg`; inside, every
kind has one unit, that of the clinic's tables. Ranges are those in which a living
adult has been seen, sick ones included: a value outside them is a typing mistake.

The default standard deviations are those of the method (`<kind>_method`), from

- cuff 8 mmHg: the limit of ISO 81060-2 for automated cuffs;
- catheter 3 mmHg: damping and levelling of a clinical transducer (judgement);
- thermodilution and Fick 10 %: Critchley 1999, 10.1023/A:1009982611386;
- uncalibrated pulse contour 18 %: percentage error 41 % of Peyton 2010,
  10.1097/ALN.0b013e3181f09fba, less the 10 % of its reference method;
- echo and MRI volumes: Grothues 2002, 10.1016/S0002-9149(02)02381-0, rounded up.
"""

from calibration.observations.kinds import UNITS, Kind

SITES = ("aortic", "radial", "brachial", "femoral", "cuff")


PATIENT: dict[str, Kind] = {
    "age": Kind("year", 16.0, 110.0, (16.0, 110.0), 0.0, "age"),
    "height": Kind("cm", 120.0, 230.0, (140.0, 210.0), 0.0, "height"),
    "weight": Kind("kg", 30.0, 300.0, (40.0, 160.0), 0.0, "weight"),
    "body_surface_area": Kind("m2", 1.0, 3.5, (1.2, 2.6), 0.0, "body surface area"),
}

#: What people type for a kind, so that the message can name it.
ALIASES = {
    "hr": "heart_rate",
    "pulse": "heart_rate",
    "sbp": "systolic_pressure",
    "sap": "systolic_pressure",
    "dbp": "diastolic_pressure",
    "dap": "diastolic_pressure",
    "map": "mean_pressure",
    "cvp": "central_venous_pressure",
    "rap": "central_venous_pressure",
    "mpap": "pulmonary_mean_pressure",
    "pcwp": "wedge_pressure",
    "pawp": "wedge_pressure",
    "co": "cardiac_output",
    "ci": "cardiac_index",
    "sv": "stroke_volume",
    "svi": "stroke_volume_index",
    "ef": "lv_ejection_fraction",
    "lvef": "lv_ejection_fraction",
    "lvedv": "lv_end_diastolic_volume",
    "edv": "lv_end_diastolic_volume",
    "lvesv": "lv_end_systolic_volume",
    "esv": "lv_end_systolic_volume",
    "rvedv": "rv_end_diastolic_volume",
    "rvef": "rv_ejection_fraction",
    "lvedp": "lv_end_diastolic_pressure",
    "ava": "aortic_valve_area",
    "svr": "systemic_resistance",
    "bsa": "body_surface_area",
}


def split_key(key: str, kinds: dict[str, Kind]) -> tuple[str, str, bool] | None:
    """`systolic_pressure_sd_mmhg` -> (kind, unit suffix, whether it is the sd)."""
    for name, kind in kinds.items():
        if not key.startswith(name + "_"):
            continue
        rest = key[len(name) + 1 :]
        is_sd = rest.startswith("sd_")
        suffix = rest[3:] if is_sd else rest
        if suffix in UNITS[kind.unit] or (is_sd and suffix == "percent"):
            return name, suffix, is_sd
    return None


def convert(value: float, suffix: str, unit: str) -> float:
    """A typed value in the kind's internal unit."""
    return value * UNITS[unit][suffix]


def likely_unit(value: float, typed: str, kind: Kind) -> str | None:
    """The suffix under which an impossible value would be a usual one, if any."""
    low, high = kind.usual
    for suffix, factor in UNITS[kind.unit].items():
        if suffix != typed and low <= value * factor <= high:
            return suffix
    return None


def default_suffix(unit: str) -> str:
    """The suffix of a kind's own unit: "mmHg" -> "mmhg"."""
    return next(iter(UNITS[unit]))
