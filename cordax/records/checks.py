"""What the numbers of a record say together: contradictions, and which are derived.

Only independent numbers are fitted: what the relations of the catalogue make a function
of the others is a check (a stroke volume beside an output, an ejection fraction beside
both volumes), and so are resistances and numbers read off a fitted waveform. Of numbers
that say the same `<kind>_role = "likelihood"` picks one.
"""

from dataclasses import replace
from math import hypot
from typing import TYPE_CHECKING

from calibration.observations.kinds import KINDS, ordered, read_off
from calibration.observations.kinds import derived as only_checks
from calibration.observations.relations import expected, implied, reason
from cordax.records.consistency import contradictions
from cordax.records.consistency.flows import FLOWS
from cordax.records.record import Measurement, Record

if TYPE_CHECKING:
    from cordax.records.reader import Reader

#: Kinds whose contradictions have a rule of their own.
_OWN_RULE = {*FLOWS, "lv_ejection_fraction", "systemic_resistance"}
_TOO_FAR = 3.0  # combined sd
_OF_PATIENT = ("condition", "body_surface_area_m2")
_PULSES = (
    ("diastolic_pressure", "systolic_pressure"),
    ("pulmonary_diastolic_pressure", "pulmonary_systolic_pressure"),
)


def complete(reader: "Reader", record: Record, *, waveforms_typed: bool) -> Record:
    """Adds a heart rate from the waveform, checks the whole, and gives roles."""
    record = _with_heart_rate(reader, record, waveforms_typed)
    known = {m.kind: m for m in record.measurements}
    _check_relations(reader, known)
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
    for low, high in ordered():
        if low not in known or high not in known:
            continue
        a, b = known[low], known[high]
        if _in_order(known, (low, high)):
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


def _in_order(known: dict[str, Measurement], pair: tuple[str, str]) -> bool:
    return known[pair[0]].value < known[pair[1]].value


def _check_relations(reader: "Reader", known: dict[str, Measurement]) -> None:
    """A kind beside all that it follows from, by the catalogue's relations.

    What it follows from was mostly measured with it and is wrong with it, so its error
    counts no more than the kind's own: the two volumes of an ejection fraction.
    """
    values = {kind: m.value for kind, m in known.items()}
    sds = {kind: m.sd for kind, m in known.items()}
    swapped = {k for k in ordered() if set(k) <= set(known) and not _in_order(known, k)}
    for kind in sorted(set(known) - _OWN_RULE):
        relation, told = KINDS[kind].relation, expected(kind, values, sds)
        if relation is None or told is None:
            continue
        if any(set(pair) <= set(relation.of) for pair in swapped):
            continue  # numbers in the wrong order have their own message
        value, sd = told
        m, off = known[kind], abs(known[kind].value - value)
        if off <= _TOO_FAR * hypot(m.sd, min(sd, m.sd)):
            continue
        others = " and ".join(
            f"{one} {values[one]:g} {known[one].unit}" for one in relation.of
        )
        reader.say(
            "measurements",
            m.source_key,
            f"{kind} is {m.value:g} {m.unit}, but {others} give {value:.3g} {m.unit}",
            "Correct one if it is a typing mistake.",
            "warning",
        )


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
    read: dict[str, str] = {}
    waves = []
    for wave in record.waveforms:
        numbers = kinds.intersection(read_off(wave.signal))
        typed = f"line {wave.line}" in reader.typed_roles
        if not typed and numbers:
            wave = replace(wave, role="check")
        if typed and wave.role == "likelihood":
            why = f"read off the {wave.signal} waveform, which is fitted"
            read.update(dict.fromkeys(numbers - reader.typed_roles, why))
        waves.append(wave)
    free = {m.kind for m in record.measurements if m.role != "check"}
    said_by_others = _derived(free - set(read), first=free & reader.typed_roles)
    measurements = [
        _with_role(reader, m, said_by_others | read) for m in record.measurements
    ]
    return replace(record, measurements=tuple(measurements), waveforms=tuple(waves))


def _with_role(
    reader: "Reader", measurement: Measurement, derived: dict[str, str]
) -> Measurement:
    kind, why = measurement.kind, derived.get(measurement.kind)
    if why is None or measurement.role == "check":
        return measurement
    if kind in reader.typed_roles:
        reader.say(
            "measurements",
            f"{kind}_role",
            f"{kind} cannot be fitted: {why}",
            'It is compared only; leave the line out, or give the others role "check".',
            "warning",
        )
    return replace(measurement, role="check", why=why)


def _derived(kinds: set[str], first: set[str]) -> dict[str, str]:
    """Kinds that follow from other ones, with the reason; ``first`` are kept before."""
    found = {k: why for k in kinds if (why := only_checks(k))}
    given = [(kind, "") for kind in sorted(kinds - set(found))]
    for (kind, _), others in implied(given, first).items():
        found[kind] = reason(kind, others)
    return found
