"""The [[waveform]] tables of a record: their keys, their files, their mean beats."""

import difflib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cordax.records.formats import delimited
from cordax.records.formats.clock import SECONDS, times
from cordax.records.formats.delimited import TableError
from cordax.records.keys import SITES
from cordax.records.record import Measurement, RecordedWaveform
from cordax.records.waveforms import artefacts
from cordax.records.waveforms import signals as wf
from cordax.records.waveforms.units import require_likely, unit_of

if TYPE_CHECKING:
    from cordax.records.reader import Reader

#: signal -> unit, possible range, default sd of one point
SIGNALS: dict[str, tuple[str, tuple[float, float], float]] = {
    "arterial_pressure": ("mmHg", (10.0, 320.0), 3.0),
    "central_venous_pressure": ("mmHg", (-30.0, 60.0), 1.5),
    "pulmonary_artery_pressure": ("mmHg", (-5.0, 160.0), 2.0),
    "lv_pressure": ("mmHg", (-30.0, 350.0), 4.0),
    "lv_volume": ("mL", (3.0, 650.0), 8.0),
}
_REQUIRED = ("file", "column", "signal")
_KEYS = (
    *_REQUIRED,
    "time_column",
    "time_unit",
    "site",
    "unit",
    "sampling_hz",
    "from_s",
    "to_s",
    "single_beat",
    "sd",
    "role",
)


def read_waveforms(
    reader: "Reader", tables: list[dict[str, Any]], numbers: dict[str, Measurement]
) -> list[RecordedWaveform]:
    """Every waveform that can be used; problems go to `reader`.

    Signals of one file share its beats, so that they stay aligned.
    """
    loaded = []
    for index, table in enumerate(tables):
        where = f"waveform/{index}"
        if not _keys_are_right(reader, where, table):
            continue
        try:
            loaded.append((where, table, *_load(reader.path.parent, table, numbers)))
        except TableError as error:
            _say(reader, where, error)
    rate = numbers["heart_rate"].value if "heart_rate" in numbers else None
    done, shared = [], {}
    # The arterial pulse is the sharpest: its beats serve the other signals of its file.
    for where, table, unit, t, value in sorted(
        loaded, key=lambda item: item[1]["signal"] != "arterial_pressure"
    ):
        try:
            done.append(_wave(reader, where, table, unit, t, value, rate, shared))
        except TableError as error:
            _say(reader, where, error)
    return sorted(done, key=lambda wave: wave.line or 0)


def _say(reader: "Reader", where: str, error: TableError) -> None:
    reader.say(where, "file", error.message, error.fix)


def _keys_are_right(reader: "Reader", where: str, table: dict[str, Any]) -> bool:
    before = len(reader.found)
    for key in table:
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, 1)
            reader.say(
                where,
                key,
                f"{key} is no key of [[waveform]]; the keys are {', '.join(_KEYS)}",
                f"Did you mean {near[0]}?" if near else "Remove it.",
            )
    for key in _REQUIRED:
        if not isinstance(table.get(key), str):
            reader.say(
                where, key, f"[[waveform]] needs {key}", f'Type {key} = "..." there.'
            )
    allowed = {
        "signal": tuple(SIGNALS),
        "site": SITES,
        "role": ("likelihood", "check"),
        "time_unit": tuple(SECONDS),
    }
    for key, values in allowed.items():
        if isinstance(table.get(key), str) and table[key] not in values:
            near = difflib.get_close_matches(table[key], values, 1) or [values[0]]
            reader.say(
                where,
                key,
                f"{key} = {table[key]!r}; it may be {', '.join(values)}",
                f'Type {key} = "{near[0]}".',
            )
    for key in ("sampling_hz", "from_s", "to_s", "sd"):
        value = table.get(key, 1.0)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            reader.say(where, key, f"{key} = {value!r}", "Type a number, no quotes.")
        elif key in ("sampling_hz", "sd") and not (value > 0 and math.isfinite(value)):
            reader.say(where, key, f"{key} = {value:g}", "It must be above 0.")
    return len(reader.found) == before


def _load(
    folder: Path, table: dict[str, Any], numbers: dict[str, Measurement]
) -> tuple[str, np.ndarray, np.ndarray]:
    """Unit, times and values of one signal, within from_s and to_s, checked."""
    found = delimited.read(folder / table["file"])
    name, place = found.name, found.find(table["column"])
    unit, factor = unit_of(table, SIGNALS[table["signal"]][0], found.units[place])
    hz = float(table["sampling_hz"]) if "sampling_hz" in table else None
    clock = times(found, table.get("time_column"), table.get("time_unit"), hz)
    value = found.numbers(place) * factor
    lines, t = found.lines, clock.t
    inside = np.ones(t.size, dtype=bool)
    if "from_s" in table or "to_s" in table:
        low, high = table.get("from_s", -math.inf), table.get("to_s", math.inf)
        inside = (t >= low) & (t <= high)
    if not inside.any():
        raise wf.WaveformError(
            f"{name} has no line between from_s and to_s: it runs from {t.min():.4g} "
            f"to {t.max():.4g} s"
            if t.size
            else f"{name} has no line of data",
            "Widen from_s and to_s." if t.size else "Export the data again.",
        )
    lines, t, value = lines[inside], t[inside], value[inside]
    wf.check_finite(name, clock.column, lines, t, t)
    wf.check_finite(name, table["column"], lines, t, value)
    t = wf.even_clock(name, lines, t, hz, clock.step)
    bounds = SIGNALS[table["signal"]][1]
    wf.check_values(name, table["column"], t, value, bounds, unit)
    require_likely(name, table["signal"], table["column"], value, numbers)
    return unit, t, value


def _wave(reader, where, table, unit, t, value, rate, shared) -> RecordedWaveform:
    signal = table["signal"]
    if _is_single(table, t, rate):
        period, beats, left_out = t.size * float(np.median(np.diff(t))), 1, 0
        beat_t = np.arange(min(wf.BEAT_POINTS, t.size)) * period
        beat_t = beat_t / beat_t.size
        beat = np.interp(beat_t, t - t[0], value, period=period)
    else:
        found = _beats(reader, where, table, t, value, rate, shared)
        beat_t, beat = wf.mean_beat(t, value, found)
        period, beats = found.period, int(found.kept.sum())
        left_out = int(found.kept.size - beats)
    _check_rate(table, period, rate)
    if "role" in table:
        reader.typed_roles.add(f"line {reader.line(where)}")
    return RecordedWaveform(
        signal=signal,
        site=table.get("site", "radial") if signal == "arterial_pressure" else "",
        unit=unit,
        time_s=t,
        value=value,
        beat_time_s=beat_t,
        beat=beat,
        period_s=period,
        beats=beats,
        beats_left_out=left_out,
        sd=float(table.get("sd", SIGNALS[signal][2])),
        role=table.get("role", "likelihood"),
        file=table["file"],
        column=table["column"],
        line=reader.line(where),
    )


def _beats(reader, where, table, t, value, rate, shared) -> wf.Beats:
    """The beats of a signal: those of its file's arterial pressure, where there is."""
    signal, name = table["signal"], table["file"]
    bad = artefacts.spikes(t, value)
    clean = artefacts.without_spikes(value, bad)
    found = shared.get(name)
    if found is None:
        found = wf.find_beats(t, clean)
        arterial = signal == "arterial_pressure"
        artefacts.require_one_pulse(name, found, t, clean, rate, arterial=arterial)
        if arterial:
            found = shared[name] = wf.from_the_foot(found, t, clean)
    artefacts.require_level(name, found, t, clean)

    def warn(message: str, fix: str) -> None:
        reader.say(where, "file", message, fix, "warning")

    label = f"{name}, {table['column']}"
    return artefacts.leave_out(label, found, t, value, bad, warn)


def _is_single(table: dict[str, Any], t: np.ndarray, rate: float | None) -> bool:
    if "single_beat" in table:
        return bool(table["single_beat"])
    length = t.size * float(np.median(np.diff(t)))
    # Two beats last twice a period; a wrong clock is told by _check_rate.
    return length < 1.5 * (60.0 / rate if rate else 0.8)


def _check_rate(table: dict[str, Any], period: float, rate: float | None) -> None:
    if rate is None or abs(period * rate / 60.0 - 1) <= 0.2:
        return
    seen = 60.0 / period
    if abs(seen / rate - 0.5) < 0.05:
        raise wf.WaveformError(
            f"{table['file']}: its beats last {period:.3g} s, half as many as "
            f"heart_rate {rate:g} per minute: every second beat gives no pulse "
            "(bigeminy), or the times run half as fast as they should",
            "With bigeminy leave the waveform out and type numbers; else check the "
            "sampling rate of the time column.",
        )
    raise wf.WaveformError(
        f"{table['file']}: its beats last {period:.3g} s, {seen:.4g} per minute, but "
        f"heart_rate is {rate:g} per minute: the times run {seen / rate:.3g} times "
        "as fast as they should, or the heart rate is wrong",
        f"Check the sampling rate of the time column, or type heart_rate_bpm = "
        f"{seen:.4g}.",
    )
