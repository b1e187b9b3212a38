"""What can be observed: kinds, sites, units, ranges, sds and discrepancies."""

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

ROLES = ("likelihood", "check")


SITES = ("", "aortic", "radial", "brachial", "femoral", "cuff")


ARTERIAL = (
    "systolic_pressure",
    "diastolic_pressure",
    "mean_pressure",
    "pulse_pressure",
)


#: Computed by the monitor from other numbers: never a term of the likelihood.
DERIVED = ("systemic_resistance", "pulmonary_resistance", "transpulmonary_gradient")


#: Groups that hold one measurement: SV = CO / HR, CI = CO / BSA, and so on; of each
#: group the first that is present enters the likelihood.
_ONE_OF = (
    ("cardiac_output", "cardiac_index", "stroke_volume", "stroke_volume_index"),
    ("lv_end_systolic_volume", "lv_ejection_fraction"),
)


#: Default sd of the model's own error, (absolute, share of the value). Judgement of
#: this project, from what a four-chamber lumped loop leaves out: wave travel in the
#: aorta (systolic, diastolic, pulse pressure), respiration and posture (right-sided
#: pressures), geometry of chambers (volumes), the linear end-systolic relation
#: (ejection fraction, dP/dt), flow-dependent losses (gradients); and a front whose
#: curvature and whose velocity inside a region an eikonal map leaves out (share of
#: the map's range).
DISCREPANCY_SD: dict[str, tuple[float, float]] = {
    "heart_rate": (0.0, 0.0),
    "systolic_pressure": (2.0, 0.0),
    "diastolic_pressure": (1.5, 0.0),
    "mean_pressure": (0.5, 0.0),
    "pulse_pressure": (2.5, 0.0),
    "central_venous_pressure": (0.5, 0.0),
    "pulmonary_systolic_pressure": (2.0, 0.0),
    "pulmonary_diastolic_pressure": (1.0, 0.0),
    "pulmonary_mean_pressure": (1.0, 0.0),
    "wedge_pressure": (1.0, 0.0),
    "cardiac_output": (0.0, 0.02),
    "cardiac_index": (0.0, 0.02),
    "stroke_volume": (0.0, 0.02),
    "stroke_volume_index": (0.0, 0.02),
    "lv_end_diastolic_volume": (0.0, 0.05),
    "lv_end_systolic_volume": (0.0, 0.08),
    "lv_ejection_fraction": (2.0, 0.0),
    "rv_end_diastolic_volume": (0.0, 0.06),
    "rv_ejection_fraction": (3.0, 0.0),
    "la_maximum_volume": (0.0, 0.10),
    "lv_end_diastolic_pressure": (1.5, 0.0),
    "lv_dpdt_max": (0.0, 0.10),
    "aortic_valve_mean_gradient": (1.5, 0.05),
    "aortic_valve_peak_gradient": (3.0, 0.08),
    "aortic_valve_area": (0.0, 0.08),
    "pressure": (2.0, 0.0),
    "flow": (10.0, 0.05),
    "volume": (3.0, 0.05),
    "activation_time": (1.0, 0.02),
}


#: More sd (mmHg) where an arterial pressure comes through a transfer element whose
#: amplification is not the patient's own. Systolic: the spread of brachial systolic
#: amplification is 9 mmHg (Bui 2023, 10.1038/s41440-023-01311-0) in coronary
#: patients, that of carotid-to-radial pulse pressure 13 % (Segers 2009,
#: 10.1161/HYPERTENSIONAHA.109.133009); half of it is taken as not the heart's.
#: Cuff: sd of cuff minus invasive systolic 12 mmHg (Bui 2023), of which the record's
#: sd of 8 is the device's own.
_SITE_SD = {
    "radial": (4.0, 1.5, 0.5),
    "brachial": (3.0, 1.5, 0.5),
    "femoral": (4.0, 2.0, 0.5),
    "cuff": (6.0, 4.0, 3.0),
}


def default_discrepancy(kind: str, site: str, value: float) -> float:
    """The model's own sd for a kind of observation at a site, in its unit.

    ``pressure.systemic_arteries`` and the like take the row ``pressure``. A kind
    that is not in the table has none (0).
    """
    absolute, share = DISCREPANCY_SD.get(kind.split(".")[0], (0.0, 0.0))
    own = (absolute**2 + (share * value) ** 2) ** 0.5
    systolic, diastolic, mean = _SITE_SD.get(site, (0.0, 0.0, 0.0))
    more = {
        "systolic_pressure": systolic,
        "diastolic_pressure": diastolic,
        "mean_pressure": mean,
        "pulse_pressure": (systolic**2 + diastolic**2) ** 0.5,
    }
    return (own**2 + more.get(kind, 0.0) ** 2) ** 0.5


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
