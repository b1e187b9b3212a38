"""In which unit a signal is: as typed, named or stated, and as its values look.

A unit is never guessed: what is not said is asked for, and so are values that a living
adult hardly has in the unit that was said, but has in another.
"""

import re
from typing import Any

import numpy as np

from calibration.observations.kinds import KINDS, UNITS
from cordax.records.record import Measurement
from cordax.records.waveforms.signals import WaveformError
from physio.units import MMHG_PER_KPA

#: Units that files state and keys do not carry; microlitres are a mouse's volumes, out
#: of a patient's range, and said so.
_MORE = {
    "mmHg": {
        "torr": 1.0,
        "pa": MMHG_PER_KPA / 1000,
        "hpa": MMHG_PER_KPA / 10,
        "mbar": MMHG_PER_KPA / 10,
    },
    "mL": {"cc": 1.0, "cm3": 1.0, "ul": 1e-3},
}
_UNCALIBRATED = ("rvu", "au", "a.u.", "adu", "nu")
#: signal -> the number that its greatest value is, and its key in a record.
_PEAKS: dict[str, tuple[str, str]] = {
    "arterial_pressure": ("systolic_pressure", "systolic_pressure_mmhg"),
    "lv_pressure": ("systolic_pressure", "systolic_pressure_mmhg"),
    "pulmonary_artery_pressure": (
        "pulmonary_systolic_pressure",
        "pulmonary_systolic_pressure_mmhg",
    ),
    "lv_volume": ("lv_end_diastolic_volume", "lv_end_diastolic_volume_ml"),
}
_SMALLEST = 35.0  # mL: of an end-diastolic volume; a judgement
_AGREES = 0.3  # of a number: it confirms a peak this near


def unit_of(table: dict[str, Any], unit: str, stated: str) -> tuple[str, float]:
    """A signal's own ``unit``, and the factor to it; ``stated`` is what the file says.

    **Raises** WaveformError where it is not known, or said in two ways.
    """
    suffixes = UNITS[unit] | _MORE.get(unit, {})
    ends = re.split(r"[_ (\[]", table["column"].lower().rstrip(")]"))[1:]
    named = next((e for e in reversed(ends) if e in suffixes or e in _UNCALIBRATED), "")
    said = {
        "unit": _word(str(table.get("unit", ""))),
        "the column's name": named,
        "the file": _word(stated),
    }
    known = {who: word for who, word in said.items() if word}
    for who, word in known.items():
        if word in _UNCALIBRATED:
            raise WaveformError(
                f"{table['column']!r} is in {word.upper()}, says {who}: an "
                "uncalibrated signal, no volume or pressure",
                "Calibrate it first (a volume by parallel volume and gain, from a "
                "saline bolus or EDV and ESV of echo or MRI) and give the column in "
                f"{unit}.",
            )
    if not known or next(iter(known.values())) not in suffixes:
        typed = next(iter(known.values()), "")
        raise WaveformError(
            f"the unit of column {table['column']!r} is "
            + (
                f"{typed!r}, not one of {', '.join(suffixes)}" if typed else "not known"
            ),
            f'Type unit = "{next(iter(suffixes))}" if that is what it holds; else '
            "convert the column.",
        )
    factors = {who: suffixes[word] for who, word in known.items() if word in suffixes}
    if len(set(factors.values())) > 1:
        raise WaveformError(
            f"the unit of column {table['column']!r} is said in two ways: "
            + ", ".join(f"{who} says {known[who]}" for who in factors),
            "Type the one that is right as unit, and correct the file.",
        )
    return unit, next(iter(factors.values()))


def _word(unit: str) -> str:
    """A unit as the keys have it: "mm Hg" and "cmH2O" are mmhg and cmh2o."""
    return unit.lower().replace(" ", "").replace("μ", "u").replace("µ", "u")


def require_likely(
    name: str,
    signal: str,
    column: str,
    value: np.ndarray,
    numbers: dict[str, Measurement],
) -> None:
    """Asks where a signal's values look like those of another unit.

    **Raises** WaveformError, unless a number of the record confirms them.
    """
    if signal not in _PEAKS:
        return
    kind, key = _PEAKS[signal]
    about, peak = KINDS[kind], float(np.quantile(value, 0.99))
    least = _SMALLEST if signal == "lv_volume" else about.usual[0]
    as_kpa = peak * MMHG_PER_KPA
    if peak >= least or (signal != "lv_volume" and as_kpa > about.high):
        return
    known = numbers.get(kind)
    if known is not None and abs(peak / known.value - 1) <= _AGREES:
        return
    confirm = f" If it is in {about.unit} indeed, type {key} = {peak:.3g} as well."
    if peak < about.low:
        confirm = ""  # the number itself would be refused
    if signal == "lv_volume":
        raise WaveformError(
            f"{name}: {column} reaches {peak:.3g} mL, less than an adult's ventricle "
            "holds: it looks like an uncalibrated conductance signal (RVU), or uL",
            "Calibrate it and give mL; uL x 1e-3 are mL (type unit = 'ul')." + confirm,
        )
    beside = f" where {kind} is {known.value:g}" if known is not None else ""
    raise WaveformError(
        f"{name}: {column} reaches {peak:.3g} mmHg{beside}: it looks like kPa "
        f"({peak:.3g} kPa are {as_kpa:.0f} mmHg)",
        'Type unit = "kpa", and take mmHg out of its name if it is there.' + confirm,
    )
