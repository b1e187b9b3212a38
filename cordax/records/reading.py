"""From the tables of a TOML file to a Record, collecting every problem on the way."""

import difflib
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from calibration.observations.kinds import KINDS, UNITS, Kind, Quantity
from cordax import vocabulary
from cordax.records import checks as record_checks
from cordax.records.keys import (
    PATIENT,
    convert,
    default_suffix,
    likely_unit,
    meant,
    split_key,
)
from cordax.records.reader import Reader
from cordax.records.record import Measurement, Record, RecordProblem
from cordax.records.words import condition_words, typed_name, typed_sex
from cordax.vocabulary import nearest_keys

_TABLES = ("patient", "measurements", "waveform")
_WORDS = ("id", "sex", "condition", "source", "note")
_ADULT = PATIENT["age"].low  # years; named states and priors are of adults


def build(
    path: Path, text: str, data: dict[str, Any]
) -> tuple[Record | None, list[RecordProblem]]:
    """The record and everything that is wrong with it."""
    reader = Reader(path, text)
    for table in data:
        if table not in _TABLES:
            near = difflib.get_close_matches(table, _TABLES, 1) or ["measurements"]
            reader.say(
                table,
                "" if isinstance(data[table], (dict, list)) else table,
                f"{table!r} is no table of a record",
                f"Put it into [{near[0]}]; the tables are [patient], [measurements] "
                "and [[waveform]].",
                line=reader.line(table) or reader.line("", table),
            )
    patient = _table(reader, data, "patient")
    typed = _table(reader, data, "measurements")
    who = _patient(reader, patient, path.stem)
    measurements = _measurements(reader, typed)
    from cordax.records.waveforms.tables import read_waveforms

    waveforms = data.get("waveform", [])
    if not isinstance(waveforms, list) or any(
        not isinstance(w, dict) for w in waveforms
    ):
        reader.say(
            "waveform", "", "[waveform] must be [[waveform]]", "Type [[waveform]]."
        )
        waveforms = []
    waves = read_waveforms(reader, waveforms, measurements)
    record = Record(
        measurements=tuple(measurements.values()),
        waveforms=tuple(waves),
        path=str(path),
        text=text,
        **who,
    )
    record = record_checks.complete(reader, record, waveforms_typed=bool(waveforms))
    warnings = tuple(p for p in reader.found if p.level == "warning")
    if any(problem.level == "error" for problem in reader.found):
        return None, reader.found
    return replace(record, warnings=warnings), reader.found


def _table(reader: Reader, data: dict, name: str) -> dict[str, Any]:
    table = data.get(name)
    if isinstance(table, dict):
        return table
    if table is None and name == "patient":
        return {}
    reader.say(
        name,
        "",
        f"the record has no table [{name}]",
        f"Type a line [{name}] above its keys; see: cordax record new example.toml",
    )
    return {}


def _patient(reader: Reader, table: dict[str, Any], stem: str) -> dict[str, Any]:
    who: dict[str, Any] = {"id": stem}
    names = [f"{k}_{s}" for k, v in PATIENT.items() for s in UNITS[v.unit]]
    fields = {
        "age": "age_years",
        "height": "height_cm",
        "weight": "weight_kg",
        "body_surface_area": "stated_body_surface_area_m2",
    }
    for key, value in table.items():
        parts = split_key(key, PATIENT)
        if parts and not parts[2]:
            number = _body(reader, key, value, parts[0], parts[1])
            if number is not None:
                who[fields[parts[0]]] = number
        elif key in _WORDS:
            _word(reader, who, key, value)
        else:
            _unknown(reader, "patient", key, [*_WORDS, *names], PATIENT)
    return who


def _body(reader: Reader, key: str, value: Any, name: str, suffix: str) -> float | None:
    """Age or size of an adult; a child is refused, whatever else is said of it."""
    kind = PATIENT[name]
    if not _is_number(reader, "patient", key, value):
        return None
    number = convert(float(value), suffix, kind.unit)
    if name == "age" and 0 <= number < _ADULT:
        reader.say(
            "patient",
            key,
            f"{key} = {value:g}: children are not modelled",
            f"cordax is for adults, from {_ADULT:g} years.",
        )
        return None
    small = name != "age" and 0 < number < kind.low
    if small and not likely_unit(float(value), suffix, kind):
        low, high = (b / UNITS[kind.unit][suffix] for b in (kind.low, kind.high))
        reader.say(
            "patient",
            key,
            f"{key} = {value:g} is below {low:.4g} to {high:.4g}, that of adults "
            f"({kind.meaning}); children are not modelled",
            f"Correct {key} if it is a typing mistake.",
        )
        return None
    return _number(reader, "patient", key, value, kind, suffix)


def _word(reader: Reader, who: dict[str, Any], key: str, value: Any) -> None:
    words = value if isinstance(value, list) else [value]
    if not all(isinstance(word, str) for word in words) or (
        isinstance(value, list) and key != "condition"
    ):
        reader.say(
            "patient", key, f"{key} = {value!r} is no text", f'Type {key} = "..."'
        )
    elif key == "condition":
        who["conditions"] = condition_words(reader, words)
    elif key == "sex":
        who["sex"] = typed_sex(reader, words[0])
    else:
        who[key] = value


def _measurements(reader: Reader, table: dict[str, Any]) -> dict[str, Measurement]:
    values: dict[str, tuple[str, float]] = {}
    spread: dict[str, tuple[str, float, bool]] = {}
    words: dict[str, dict[str, str]] = {"method": {}, "role": {}}
    site = ""
    for key, value in table.items():
        parts = split_key(key, KINDS)
        extra = re.fullmatch(r"(\w+)_(method|role)", key)
        if key == "arterial_pressure_site":
            site = typed_name(reader, key, value, vocabulary.SITES)
        elif extra and extra.group(1) in KINDS:
            kind, about = extra.groups()
            known = vocabulary.METHODS if about == "method" else vocabulary.ROLES
            words[about][kind] = typed_name(reader, key, value, known)
            if about == "role":
                reader.typed_roles.add(kind)
        elif parts is None:
            _unknown(reader, "measurements", key, _all_keys(), KINDS)
        elif parts[2]:
            number = _sd(reader, key, value, KINDS[parts[0]], parts[1])
            if number is not None:
                relative = parts[1] == "percent" and KINDS[parts[0]].unit != "%"
                spread[parts[0]] = (key, number, relative)
        else:
            kind, suffix, _ = parts
            number = _number(reader, "measurements", key, value, KINDS[kind], suffix)
            if kind in values:
                reader.say(
                    "measurements",
                    key,
                    f"{kind} is given twice ({values[kind][0]} and {key})",
                    "Keep one of them.",
                )
            elif number is not None:
                values[kind] = (key, number)
    for kind in set(spread) - set(values):
        key = spread[kind][0]
        if not any(p.key.startswith(kind) for p in reader.found):
            reader.say(
                "measurements",
                key,
                f"{key} stands without a value",
                f"Type {kind}_{default_suffix(KINDS[kind].unit)} = ... as well.",
            )
    return {
        kind: _measurement(reader, kind, *values[kind], spread, words, site)
        for kind in values
    }


def _measurement(reader, kind, key, value, spread, words, site) -> Measurement:
    about = KINDS[kind]
    arterial = about.arterial
    method = words["method"].get(kind, "")
    if arterial:
        site = site or "cuff"
        method = method or ("cuff" if site == "cuff" else "catheter")
    sd = about.default_sd(value, method)
    if kind in spread:
        _, typed, relative = spread[kind]
        sd = typed * abs(value) if relative else typed
    return Measurement(
        kind=kind,
        value=value,
        sd=sd,
        unit=about.unit,
        site=site if arterial else "",
        method=method,
        source_key=key,
        line=reader.line("measurements", key),
        role="check" if words["role"].get(kind) == "check" else "likelihood",
        given_sd=kind in spread,
        why="as typed" if words["role"].get(kind) == "check" else "",
    )


def _is_number(reader: Reader, table: str, key: str, value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        fix = f"Type {key} = 1.0, without quotes."
        if isinstance(value, str) and re.fullmatch(r"\s*-?[\d.]+\s*", value):
            fix = f"Type {key} = {value.strip()}, without quotes."
        reader.say(table, key, f"{key} = {value!r} is not a number", fix)
        return False
    if not math.isfinite(value):
        reader.say(table, key, f"{key} = {value} is not finite", "Leave the line out.")
        return False
    return True


def _number(reader, table, key, value, kind: Quantity, suffix: str) -> float | None:
    if not _is_number(reader, table, key, value):
        return None
    number = convert(float(value), suffix, kind.unit)
    if kind.low <= number <= kind.high:
        return number
    low, high = (b / UNITS[kind.unit][suffix] for b in (kind.low, kind.high))
    message = f"{key} = {value:g} is outside {low:.4g} to {high:.4g} ({kind.meaning})"
    guess = likely_unit(float(value), suffix, kind)
    if guess:
        stem = key.removesuffix(f"_{suffix}")
        own = default_suffix(kind.unit)
        as_own = convert(float(value), guess, kind.unit)
        message += f"; it looks like {guess} typed as {suffix}"
        fix = f"Type {stem}_{guess} = {value:g} (that is {as_own:.4g} {own})."
    elif number < 0 <= kind.low:
        fix = "It cannot be negative: correct the sign, or leave the line out."
    else:
        fix = "Correct the number or its unit, or leave the line out."
    reader.say(table, key, message, fix)
    return None


def _sd(reader: Reader, key: str, value: Any, kind: Kind, suffix: str) -> float | None:
    if not _is_number(reader, "measurements", key, value):
        return None
    relative = suffix == "percent" and kind.unit != "%"
    sd = value / 100 if relative else convert(float(value), suffix, kind.unit)
    most = 1.0 if relative else (kind.high - max(kind.low, 0.0)) / 2
    if 0 < sd <= most:
        return sd
    reader.say(
        "measurements",
        key,
        f"{key} = {value:g}; a standard deviation is above 0 and at most "
        f"{most * (100 if relative else 1 / UNITS[kind.unit][suffix]):.4g}",
        "Type the spread of repeated measurements, or leave the line out for the "
        "default.",
    )
    return None


def _all_keys() -> list[str]:
    return [f"{k}_{s}" for k, kind in KINDS.items() for s in UNITS[kind.unit]]


def _unknown(reader: Reader, table: str, key: str, known, kinds) -> None:
    stem = key
    for suffix in sorted({s for u in UNITS.values() for s in u}, key=len, reverse=True):
        stem = stem.removesuffix(f"_{suffix}") if stem == key else stem
    kind = meant(stem) or stem.removesuffix("_sd")
    begun = [name for name in kinds if key.startswith(f"{name}_")]
    if kind not in kinds and begun:  # age_months, wedge_pressure_torr
        kind = max(begun, key=len)
    if kind in kinds:
        choices = ", ".join(f"{kind}_{s}" for s in UNITS[kinds[kind].unit])
        reader.say(
            table,
            key,
            f"{key} is no key; {kind} is typed with its unit",
            f"Type one of {choices}.",
        )
        return
    near = nearest_keys(key, known)
    fix = (
        f"Did you mean {', '.join(near)}?"
        if near
        else "Remove it; the keys are listed by: cordax record new example.toml"
    )
    reader.say(table, key, f"{key} is no key of [{table}]", fix)
