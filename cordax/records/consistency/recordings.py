"""Waveforms against the numbers beside them; body surface against height and weight."""

from collections.abc import Iterator
from math import log

import numpy as np

from calibration.observations.kinds import default_discrepancy
from cordax.records.consistency.compare import (
    TOO_FAR,
    TYPING,
    Contradiction,
    Facts,
    Number,
    apart,
    combined,
)
from cordax.records.record import RecordedWaveform
from physio.units import MMHG_PER_CMH2O, MMHG_PER_KPA, PERCENT, S_PER_MIN

#: Signal -> what of its beat is compared with which number.
_OF_BEAT = {
    "arterial_pressure": {
        "systolic_pressure": np.max,
        "diastolic_pressure": np.min,
        "mean_pressure": np.mean,
    },
    "pulmonary_artery_pressure": {
        "pulmonary_systolic_pressure": np.max,
        "pulmonary_diastolic_pressure": np.min,
        "pulmonary_mean_pressure": np.mean,
    },
    "central_venous_pressure": {"central_venous_pressure": np.mean},
    "lv_volume": {
        "lv_end_diastolic_volume": np.max,
        "lv_end_systolic_volume": np.min,
        "lv_ejection_fraction": lambda v: PERCENT * (np.max(v) - np.min(v)) / np.max(v),
    },
}
_RATE_SD = 0.04  # of the rate: over minutes, at rest (judgement)
#: Surface by another formula than Du Bois's is within this share (1 sd); Mosteller's is
#: up to 7 % above it in the obese: Verbraecken 2006, 10.1016/j.metabol.2005.11.004.
_FORMULA_SD = 0.04
_UNITS = {"kpa": MMHG_PER_KPA, "cmh2o": MMHG_PER_CMH2O}


def waveforms(facts: Facts) -> Iterator[Contradiction]:
    """The beat of a recording against the numbers that are typed."""
    for wave in facts.record.waveforms:
        for kind, read in _OF_BEAT.get(wave.signal, {}).items():
            if facts.has(kind) and wave.beat.size:
                found = _compared(facts, wave, kind, float(read(wave.beat)))
                if found:
                    yield found
                    break  # one sentence a waveform: the others say the same
        yield from _rate(facts, wave)


def _compared(
    facts: Facts, wave: RecordedWaveform, kind: str, value: float
) -> Contradiction | None:
    typed, unit = facts.number(kind), facts.known[kind].unit
    own = 5.0 if unit == "%" else wave.sd  # points of an ejection fraction
    site = wave.site if facts.known[kind].site else ""
    sd = combined(typed.sd, own, default_discrepancy(kind, site, value))
    far = apart(value, typed.value, sd)
    if abs(far) <= TOO_FAR:
        return None
    fix = f"{TYPING}, or type the waveform's unit; then both count with their errors."
    for name, factor in _UNITS.items():
        if unit == "mmHg" and value and abs(log(typed.value / value / factor)) < 0.15:
            fix = f'It looks like {name} typed as mmhg: type unit = "{name}" there.'
    return Contradiction(
        "column",
        f"column {wave.column!r} of {wave.file} has {kind} {value:.3g} {unit}, but "
        f"{typed.words} is typed (line {facts.known[kind].line}): {abs(far):.1f} sd "
        "apart",
        fix,
        wave.line,
    )


def _rate(facts: Facts, wave: RecordedWaveform) -> Iterator[Contradiction]:
    rate = facts.known.get("heart_rate")
    if rate is None or rate.line == wave.line:  # taken from the waveform itself
        return
    seen = S_PER_MIN / wave.period_s
    sd = combined(rate.sd, _RATE_SD * seen)
    if abs(apart(seen, rate.value, sd)) > TOO_FAR:
        yield Contradiction(
            "column",
            f"the beats of {wave.file} come {seen:.4g} per minute, but heart_rate is "
            f"{rate.value:g} per minute (line {rate.line})",
            "The typed one is taken. Correct it if they belong together: "
            f"heart_rate_bpm = {seen:.4g}",
            wave.line,
        )


def body(facts: Facts) -> Iterator[Contradiction]:
    """The stated body surface against that of height and weight (Du Bois 1916)."""
    record = facts.record
    stated, height, weight = (
        record.stated_body_surface_area_m2,
        record.height_cm,
        record.weight_kg,
    )
    if stated is None or height is None or weight is None:
        return
    expected = Number(0.007184 * height**0.725 * weight**0.425, 0.0, "").value
    if abs(log(stated / expected)) > TOO_FAR * _FORMULA_SD:
        yield Contradiction(
            "body_surface_area_m2",
            f"body_surface_area {stated:g} m2, but height {height:g} cm and weight "
            f"{weight:g} kg give {expected:.3g} m2 (Du Bois): formulas differ by a few "
            "percent only",
            f"The stated one is taken. {TYPING}.",
        )
