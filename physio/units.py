"""The units of the package and the few conversion constants.

Hemodynamics: s, mmHg, mL, mL/s. Electrophysiology: ms, mV, mm, uA/uF, mS/mm,
mm^2/ms. Conversions happen at a door (files, command line) and use these names.
"""

DYN_PER_CM2_PER_MMHG = 1333.22387415  # 1 mmHg in dyn/cm^2 (Pa x 10), NIST SP 811
MMHG_PER_KPA = 7.50061683
MMHG_PER_CMH2O = 0.73555912
ML_PER_L = 1000.0
S_PER_MIN = 60.0
MS_PER_S = 1000.0
PERCENT = 100.0
# 1 Wood unit = 1 mmHg min/L; 1 mmHg s/mL = 1000 / 60 Wood units
WOOD_PER_MMHG_S_PER_ML = ML_PER_L / S_PER_MIN
DYN_S_CM5_PER_WOOD = 80.0

UNITS: dict[str, str] = {
    "1": "a number without unit",
    "s": "second",
    "1/s": "per second",
    "1/min": "per minute",
    "mmHg": "pressure",
    "mL": "volume",
    "mL/s": "flow",
    "mL/mmHg": "compliance",
    "mmHg/mL": "elastance",
    "1/mL": "stiffness exponent",
    "1/mmHg": "steepness in pressure",
    "mL/(s mmHg^0.5)": "flow coefficient of an orifice",
    "rad/(s^2 mmHg)": "angular acceleration per pressure",
    "rad/(s mL)": "angular acceleration per flow",
    "mmHg s/mL": "resistance",
    "mmHg s^2/mL": "inertance",
    "cm^2": "area",
    "cm": "length",
    "g/mL": "density",
    "1/(mmHg s)": "rate per pressure",
    "mmHg s^2": "density in pressure units",
    "rad": "angle",
    "mL/cmH2O": "lung or chest wall compliance",
    "rpm": "revolutions per minute",
    "mmHg/rpm^2": "pump head per squared speed",
    "ms": "millisecond",
    "1/ms": "per millisecond",
    "mV": "voltage",
    "1/mV": "steepness in voltage",
    "mV^2": "width of a bell in voltage",
    "mM": "concentration",
    "mM/ms": "flux",
    "1/(mM ms)": "rate per concentration",
    "1/(mM^2 ms)": "rate per squared concentration",
    "uA/uF": "membrane current, mV/ms",
    "mS/uF": "membrane conductance",
    "L/(F ms)": "permeability per capacitance",
    "cm/s": "permeability",
    "pF": "capacitance of a cell",
    "um^3": "volume of a cell",
    "K": "temperature",
    "mm": "length",
    "1/mm": "membrane surface per volume",
    "uF/mm^2": "capacitance per membrane surface",
    "mS/mm": "conductivity",
    "mm^2/ms": "diffusivity",
    "mm/ms": "velocity (= m/s)",
}
