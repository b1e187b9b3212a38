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

from dataclasses import dataclass, field

from physio.units import (
    DYN_S_CM5_PER_WOOD,
    ML_PER_L,
    MMHG_PER_CMH2O,
    MMHG_PER_KPA,
    PERCENT,
    S_PER_MIN,
    WOOD_PER_MMHG_S_PER_ML,
)

#: For each internal unit: the suffixes a key may carry, and their factor to it.
UNITS: dict[str, dict[str, float]] = {
    "mmHg": {"mmhg": 1.0, "kpa": MMHG_PER_KPA, "cmh2o": MMHG_PER_CMH2O},
    "L/min": {"l_min": 1.0, "ml_s": S_PER_MIN / ML_PER_L, "ml_min": 1 / ML_PER_L},
    "L/min/m2": {"l_min_m2": 1.0, "ml_min_m2": 1 / ML_PER_L},
    "mL": {"ml": 1.0, "l": ML_PER_L},
    "mL/m2": {"ml_m2": 1.0, "l_m2": ML_PER_L},
    "%": {"percent": 1.0, "fraction": PERCENT},
    "1/min": {"bpm": 1.0, "per_min": 1.0, "hz": S_PER_MIN},
    "mmHg/s": {"mmhg_s": 1.0, "kpa_s": MMHG_PER_KPA},
    "cm2": {"cm2": 1.0, "mm2": 0.01},
    "WU": {
        "wu": 1.0,
        "dyn_s_cm5": 1 / DYN_S_CM5_PER_WOOD,
        "mmhg_s_ml": WOOD_PER_MMHG_S_PER_ML,
    },
    "year": {"years": 1.0},
    "cm": {"cm": 1.0, "m": 100.0, "mm": 0.1},
    "kg": {"kg": 1.0, "g": 1e-3},
    "m2": {"m2": 1.0},
}

SITES = ("aortic", "radial", "brachial", "femoral", "cuff")
METHODS = ("cuff", "catheter", "thermodilution", "fick", "pulse_contour", "echo", "mri")


@dataclass(frozen=True)
class Kind:
    """One kind of measurement.

    `low` to `high` is possible, `usual` is where a wrong unit is looked for; `sd` is
    in the kind's unit, or a share of the value where `relative`; `by_method` holds
    the sd of other methods, on the same footing.
    """

    unit: str
    low: float
    high: float
    usual: tuple[float, float]
    sd: float
    meaning: str
    relative: bool = False
    by_method: dict[str, float] = field(default_factory=dict)

    def default_sd(self, value: float, method: str) -> float:
        """The standard deviation assumed where the record gives none."""
        sd = self.by_method.get(method, self.sd)
        return sd * abs(value) if self.relative else sd


_FLOW = {
    "thermodilution": 0.10,
    "fick": 0.10,
    "pulse_contour": 0.18,
    "echo": 0.15,
    "mri": 0.06,
}
_CUFF = {"cuff": 8.0, "catheter": 3.0}
_EDV = {"echo": 0.10, "mri": 0.05}
_ESV = {"echo": 0.15, "mri": 0.08}
_EF = {"echo": 5.0, "mri": 3.0}


def _pressure(low, high, usual, sd, meaning, by_method=None) -> Kind:
    return Kind("mmHg", low, high, usual, sd, meaning, by_method=by_method or {})


def _share(unit, low, high, usual, sd, meaning, by_method=None) -> Kind:
    return Kind(unit, low, high, usual, sd, meaning, True, by_method or {})


KINDS: dict[str, Kind] = {
    "heart_rate": Kind("1/min", 25.0, 250.0, (40.0, 180.0), 1.0, "heart rate"),
    "systolic_pressure": _pressure(
        40.0, 300.0, (70.0, 220.0), 3.0, "arterial systolic pressure", _CUFF
    ),
    "diastolic_pressure": _pressure(
        20.0, 180.0, (35.0, 120.0), 3.0, "arterial diastolic pressure", _CUFF
    ),
    "mean_pressure": _pressure(
        25.0, 220.0, (45.0, 150.0), 3.0, "mean arterial pressure", _CUFF
    ),
    "central_venous_pressure": _pressure(
        -10.0, 40.0, (0.0, 25.0), 1.0, "mean central venous or right atrial pressure"
    ),
    "pulmonary_systolic_pressure": _pressure(
        8.0, 150.0, (12.0, 100.0), 3.0, "pulmonary artery systolic pressure"
    ),
    "pulmonary_diastolic_pressure": _pressure(
        1.0, 80.0, (3.0, 50.0), 2.0, "pulmonary artery diastolic pressure"
    ),
    "pulmonary_mean_pressure": _pressure(
        4.0, 100.0, (8.0, 70.0), 2.0, "mean pulmonary artery pressure"
    ),
    "wedge_pressure": _pressure(
        -2.0, 55.0, (3.0, 40.0), 2.0, "mean pulmonary artery wedge pressure"
    ),
    "cardiac_output": _share(
        "L/min", 0.8, 25.0, (2.0, 12.0), 0.15, "cardiac output", _FLOW
    ),
    "cardiac_index": _share(
        "L/min/m2", 0.5, 12.0, (1.2, 6.0), 0.15, "cardiac output per m2 of body", _FLOW
    ),
    "stroke_volume": _share(
        "mL", 8.0, 250.0, (25.0, 160.0), 0.15, "stroke volume", _FLOW
    ),
    "stroke_volume_index": _share(
        "mL/m2", 5.0, 130.0, (12.0, 80.0), 0.15, "stroke volume per m2 of body", _FLOW
    ),
    "lv_end_diastolic_volume": _share(
        "mL",
        25.0,
        600.0,
        (60.0, 400.0),
        0.10,
        "left ventricular end-diastolic volume",
        _EDV,
    ),
    "lv_end_systolic_volume": _share(
        "mL",
        5.0,
        550.0,
        (15.0, 330.0),
        0.15,
        "left ventricular end-systolic volume",
        _ESV,
    ),
    "lv_ejection_fraction": Kind(
        "%",
        4.0,
        90.0,
        (10.0, 80.0),
        5.0,
        "left ventricular ejection fraction",
        by_method=_EF,
    ),
    "rv_end_diastolic_volume": _share(
        "mL",
        30.0,
        700.0,
        (70.0, 400.0),
        0.12,
        "right ventricular end-diastolic volume",
        _EDV,
    ),
    "rv_ejection_fraction": Kind(
        "%",
        4.0,
        90.0,
        (10.0, 80.0),
        6.0,
        "right ventricular ejection fraction",
        by_method=_EF,
    ),
    "la_maximum_volume": _share(
        "mL", 10.0, 400.0, (25.0, 200.0), 0.12, "largest left atrial volume", _EDV
    ),
    "lv_end_diastolic_pressure": _pressure(
        -2.0, 60.0, (3.0, 40.0), 3.0, "left ventricular end-diastolic pressure"
    ),
    "lv_dpdt_max": _share(
        "mmHg/s",
        150.0,
        6000.0,
        (400.0, 3500.0),
        0.10,
        "largest rate of LV pressure rise",
    ),
    "aortic_valve_mean_gradient": _pressure(
        0.5, 130.0, (1.0, 100.0), 4.0, "mean gradient across the aortic valve"
    ),
    "aortic_valve_peak_gradient": _pressure(
        1.0, 220.0, (2.0, 160.0), 7.0, "peak gradient across the aortic valve"
    ),
    "aortic_valve_area": _share(
        "cm2", 0.15, 6.0, (0.3, 5.0), 0.15, "effective area of the aortic valve"
    ),
    "systemic_resistance": _share(
        "WU",
        2.0,
        80.0,
        (5.0, 45.0),
        0.20,
        "systemic vascular resistance (a check only)",
    ),
}

PATIENT: dict[str, Kind] = {
    "age": Kind("year", 18.0, 110.0, (18.0, 110.0), 0.0, "age"),
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
