"""The [[waveform]] tables of a record: their keys, their files, their mean beats."""

import difflib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calibration.observations.kinds import UNITS
from cordax.records import signals as wf
from cordax.records.keys import SITES
from cordax.records.record import Measurement, Waveform

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
) -> list[Waveform]:
    """Every waveform that can be used; problems go to `reader`.

    Signals of one file share its beats, so that they stay aligned.
    """
    loaded = []
    for index, table in enumerate(tables):
        where = f"waveform/{index}"
        if not _keys_are_right(reader, where, table):
            continue
        try:
            loaded.append((where, table, *_load(reader.path.parent, table)))
        except wf.WaveformError as error:
            _say(reader, where, error)
    rate = numbers["heart_rate"].value if "heart_rate" in numbers else None
    done, shared = [], {}
    # The arterial pulse is the sharpest: its beats serve the other signals of its file.
    for where, table, unit, t, value in sorted(
        loaded, key=lambda item: item[1]["signal"] != "arterial_pressure"
    ):
        try:
            done.append(_wave(reader, where, table, unit, t, value, rate, shared))
        except wf.WaveformError as error:
            _say(reader, where, error)
    return sorted(done, key=lambda wave: wave.line or 0)


def _say(reader: "Reader", where: str, error: wf.WaveformError) -> None:
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


def _load(folder: Path, table: dict[str, Any]):
    unit, factor = _unit(table)
    clock = table.get("time_column", "time_s")
    path = folder / table["file"]
    lines, (t, value) = wf.read_columns(path, [clock, table["column"]])
    inside = np.ones(t.size, dtype=bool)
    if "from_s" in table or "to_s" in table:
        low, high = table.get("from_s", -math.inf), table.get("to_s", math.inf)
        inside = (t >= low) & (t <= high)
    if not inside.any():
        raise wf.WaveformError(
            f"{path.name} has no line between from_s and to_s"
            if t.size
            else f"{path.name} has no line of data",
            "Widen from_s and to_s." if t.size else "Export the data again.",
        )
    lines, t, value = lines[inside], t[inside], value[inside] * factor
    wf.check_finite(path.name, clock, lines, t)
    wf.check_finite(path.name, table["column"], lines, value)
    stated = float(table["sampling_hz"]) if "sampling_hz" in table else None
    wf.check_clock(path.name, lines, t, stated)
    bounds = SIGNALS[table["signal"]][1]
    wf.check_values(path.name, table["column"], value, bounds, unit)
    return unit, t, value


def _unit(table: dict[str, Any]) -> tuple[str, float]:
    unit = SIGNALS[table["signal"]][0]
    suffixes = UNITS[unit]
    typed = str(table.get("unit", "")).lower()
    if not typed:
        ends = [s for s in suffixes if table["column"].lower().endswith(f"_{s}")]
        typed = max(ends, key=len, default="")
    if typed not in suffixes:
        raise wf.WaveformError(
            f"the unit of column {table['column']!r} is "
            + (
                f"{typed!r}, not one of {', '.join(suffixes)}" if typed else "not known"
            ),
            f'Type unit = "{next(iter(suffixes))}".',
        )
    return unit, suffixes[typed]


def _wave(reader, where, table, unit, t, value, rate, shared) -> Waveform:
    signal = table["signal"]
    if _is_single(table, t, rate):
        period, beats, left_out = t.size * float(np.median(np.diff(t))), 1, 0
        beat_t = np.arange(min(wf.BEAT_POINTS, t.size)) * period
        beat_t = beat_t / beat_t.size
        beat = np.interp(beat_t, t - t[0], value, period=period)
    else:
        found = shared.get(table["file"]) or wf.find_beats(t, value)
        if signal == "arterial_pressure":
            found = shared[table["file"]] = wf.from_the_foot(found, t, value)
        beat_t, beat = wf.mean_beat(t, value, found)
        period, beats = found.period, int(found.kept.sum())
        left_out = int(found.kept.size - beats)
    _check_rate(table, period, rate)
    if "role" in table:
        reader.typed_roles.add(f"line {reader.line(where)}")
    return Waveform(
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
    raise wf.WaveformError(
        f"{table['file']}: its beats last {period:.3g} s, {seen:.4g} per minute, but "
        f"heart_rate is {rate:g} per minute: the times run {seen / rate:.3g} times "
        "as fast as they should, or the heart rate is wrong",
        f"Check the sampling rate of the time column, or type heart_rate_bpm = "
        f"{seen:.4g}.",
    )
