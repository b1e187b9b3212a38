"""What the numbers of a record say together: contradictions, and which are derived.

Only independent numbers are fitted. Of cardiac output, cardiac index, stroke volume
and stroke volume index one enters the likelihood (at a given heart rate the others
follow from it); an ejection fraction beside both volumes, a second gradient, a valve
area beside a gradient, numbers read off a fitted waveform and the systemic resistance
are checks. `<kind>_role = "likelihood"` or "check" overrides this.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from cordax.records.consistency import contradictions
from cordax.records.record import Measurement, Record
from cordax.records.waveforms.tables import SIGNALS

if TYPE_CHECKING:
    from cordax.records.reader import Reader

_FLOWS = ("cardiac_output", "cardiac_index", "stroke_volume", "stroke_volume_index")
_ORDERED = (
    ("diastolic_pressure", "systolic_pressure"),
    ("pulmonary_diastolic_pressure", "pulmonary_systolic_pressure"),
    ("lv_end_systolic_volume", "lv_end_diastolic_volume"),
    ("central_venous_pressure", "mean_pressure"),
    ("aortic_valve_mean_gradient", "aortic_valve_peak_gradient"),
)
_OF_PATIENT = ("condition", "body_surface_area_m2")
_PULSES = (
    ("diastolic_pressure", "systolic_pressure"),
    ("pulmonary_diastolic_pressure", "pulmonary_systolic_pressure"),
)


def complete(reader: "Reader", record: Record, *, waveforms_typed: bool) -> Record:
    """Adds a heart rate from the waveform, checks the whole, and gives roles."""
    record = _with_heart_rate(reader, record, waveforms_typed)
    known = {m.kind: m for m in record.measurements}
    _check_order(reader, known)
    _check_sizes(reader, record, known)
    _check_contradictions(reader, record)
    _check_enough(reader, record, known, waveforms_typed)
    return _with_roles(reader, record)


def _with_heart_rate(reader: "Reader", record: Record, typed: bool) -> Record:
    if any(m.kind == "heart_rate" for m in record.measurements):
        return record
    if any(p.key.startswith("heart_rate") for p in reader.found):
        return record
    if not record.waveforms:
        if not typed:  # a broken waveform has its own message
            reader.say(
                "measurements",
                "heart_rate_bpm",
                "the heart period is unknown: no heart_rate and no waveform",
                "Type heart_rate_bpm = ... under [measurements].",
            )
        return record
    wave = record.waveforms[0]
    rate = Measurement(
        kind="heart_rate",
        value=60.0 / wave.period_s,
        sd=1.0,
        unit="1/min",
        source_key=f"{wave.file}:{wave.column}",
        line=wave.line,
        why="from the waveform",
    )
    return replace(record, measurements=(rate, *record.measurements))


def _check_order(reader: "Reader", known: dict[str, Measurement]) -> None:
    for low, high in _ORDERED:
        if low not in known or high not in known:
            continue
        a, b = known[low], known[high]
        if a.value < b.value:
            continue
        fix = f"Correct one of {a.source_key} and {b.source_key}."
        if (low, high) in _PULSES:
            fix = f"Exchange {a.source_key} and {b.source_key} if they are swapped."
        reader.say(
            "measurements",
            a.source_key,
            f"{low} {a.value:g} {a.unit} is not below {high} {b.value:g} {b.unit} "
            f"(line {b.line})",
            fix,
        )


def _check_sizes(reader: "Reader", record: Record, known) -> None:
    """An index says nothing without the size of the body."""
    for kind in ("cardiac_index", "stroke_volume_index"):
        if kind in known and record.body_surface_area_m2 is None:
            reader.say(
                "measurements",
                known[kind].source_key,
                f"{kind} needs the size of the body",
                "Type height_cm and weight_kg, or body_surface_area_m2, under "
                "[patient].",
            )


def _check_contradictions(reader: "Reader", record: Record) -> None:
    for found in contradictions(record):
        table = "patient" if found.key in _OF_PATIENT else "measurements"
        reader.say(table, found.key, found.message, found.fix, "warning", found.line)


def _check_enough(reader: "Reader", record: Record, known, typed: bool) -> None:
    pressures = {"systolic_pressure", "mean_pressure"} & set(known)
    waves = {w.signal for w in record.waveforms} & {"arterial_pressure", "lv_pressure"}
    if pressures or waves or typed:
        return
    if any("pressure" in p.key for p in reader.found):
        return
    reader.say(
        "measurements",
        "",
        "no arterial pressure is given, so there is nothing to calibrate to",
        "Type systolic_pressure_mmhg and diastolic_pressure_mmhg, or a [[waveform]].",
    )


def _with_roles(reader: "Reader", record: Record) -> Record:
    kinds = {m.kind for m in record.measurements}
    free = kinds - {m.kind for m in record.measurements if m.role == "check"}
    derived = _derived(free)
    waves = []
    for wave in record.waveforms:
        numbers = kinds.intersection(SIGNALS[wave.signal][3])
        typed = f"line {wave.line}" in reader.typed_roles
        if not typed and numbers:
            wave = replace(wave, role="check")
        if typed and wave.role == "likelihood":
            why = f"read off the {wave.signal} waveform, which is fitted"
            derived.update(dict.fromkeys(numbers, why))
        waves.append(wave)
    measurements = [
        replace(m, role="check", why=derived[m.kind])
        if m.kind in derived and m.kind not in reader.typed_roles
        else m
        for m in record.measurements
    ]
    return replace(record, measurements=tuple(measurements), waveforms=tuple(waves))


def _derived(kinds: set[str]) -> dict[str, str]:
    """Kinds that follow from other ones, with the reason."""
    derived: dict[str, str] = {}
    flows = [kind for kind in _FLOWS if kind in kinds]
    for kind in flows[1:]:
        derived[kind] = f"follows from {flows[0]} at the heart rate"
    if {"lv_end_diastolic_volume", "lv_end_systolic_volume"} <= kinds:
        derived["lv_ejection_fraction"] = "follows from the two volumes"
    if "aortic_valve_mean_gradient" in kinds:
        derived["aortic_valve_peak_gradient"] = "the same jet as the mean gradient"
    if {"aortic_valve_mean_gradient", "aortic_valve_peak_gradient"} & kinds:
        derived["aortic_valve_area"] = "follows from the gradient and the flow"
    derived["systemic_resistance"] = "follows from pressures and output"
    return derived
