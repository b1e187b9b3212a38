"""The commented patient record that `cordax record new` writes.

Made from the table of kinds, so that it never lacks one; every optional line is
commented out, and the file as written is a complete record.
"""

import re
from pathlib import Path

from calibration.observations.kinds import KINDS, METHODS
from cordax.records.keys import SITES, default_suffix
from cordax.records.record import CONDITIONS
from cordax.records.waveforms.tables import SIGNALS

_ID = re.compile(r'^id = "(.*)"$', re.MULTILINE)
_HEAD = """\
# A patient record for cordax: one patient, one state (supine, at rest).
#
# Each key names its unit: pressure_mmhg, _kpa or _cmh2o; volume_ml or _l;
# output_l_min or _ml_s; fraction_percent or _fraction. Remove the # of a line to use
# it. Leave out what was not measured: cordax says what your data do not determine.
# Check the file with:     cordax record check {name}
# Calibrate a twin with:   cordax fit {name} -o {stem}-twin

[patient]
id = "{stem}"
# Size, age and sex scale where the search starts.
age_years = 60
sex = "male" # or "female"
height_cm = 175
weight_kg = 75
# body_surface_area_m2 = 1.9 # instead of height and weight
# One word or a list: {conditions}
condition = "awake"
source = "" # where the numbers come from

[measurements]
# Where arterial pressure was measured: {sites}
arterial_pressure_site = "cuff"
"""

_SD = """\

# Every number may carry its standard deviation, and the method that sets the default:
# cardiac_output_sd_l_min = 0.5
# cardiac_output_sd_percent = 15 # of the value
# cardiac_output_method = "thermodilution" # {methods}
# What follows from other numbers is compared, not fitted; you may decide yourself:
# stroke_volume_role = "likelihood" # or "check"
"""

_WAVEFORM = """
# A waveform: a text table (CSV, tabs, LabChart, rdsamp) with names in its first line,
# evenly sampled, without gaps. One beat or many; many are averaged, keeping signals of
# one file aligned.
# Its numbers above stay what is fitted unless role = "likelihood" here.
# [[waveform]]
# file = "beat.csv" # beside this record
# time_column = "time_s" # found by its name where it is left out
# time_unit = "s" # or ms, us, ns, min, days, where the name does not say it
# column = "abp_mmhg" # its ending is the unit, else: unit = "mmHg"
# signal = "arterial_pressure" # {signals}
# site = "radial" # for arterial pressure
# sampling_hz = 125 # checked against the times
# from_s = 0.0 # the stretch to use
# to_s = 60.0
# sd = 3.0 # of one point
# role = "likelihood" # or "check"
"""

_USED = ("heart_rate", "systolic_pressure", "diastolic_pressure")


def is_unfilled(path: Path) -> bool:
    """Whether a file is a record as ``template`` gave it, with nothing filled in."""
    text = path.read_text(encoding="utf-8", errors="replace")
    found = _ID.search(text)
    return found is not None and text == template(f"{found.group(1)}.toml")


def template(name: str = "patient.toml") -> str:
    """The text of a new record called `name`, every key explained."""
    rows = []
    for kind, about in KINDS.items():
        suffix = default_suffix(about.unit)
        spread = f"{100 * about.sd:g} %" if about.relative else f"{about.sd:g}"
        mark = "" if kind in _USED else "# "
        rows.append(
            f"{mark}{kind}_{suffix} = {about.example:g} "
            f"# {about.meaning}; {about.low:g} to {about.high:g}, sd {spread}"
        )
    return (
        _HEAD.format(
            name=name,
            stem=name.removesuffix(".toml"),
            conditions=", ".join(CONDITIONS),
            sites=", ".join(SITES),
        )
        + "\n".join(rows)
        + "\n"
        + _SD.format(methods=", ".join(METHODS))
        + _WAVEFORM.format(signals=", ".join(SIGNALS))
    )
