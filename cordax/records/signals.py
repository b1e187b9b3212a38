"""Waveforms from a CSV file: reading, checking, and the mean beat.

Nothing is repaired: a gap, a blank cell or an irregular clock is reported with its
line, and the user says which stretch to use (`from_s`, `to_s`).
"""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration.observations.kinds import UNITS

BEAT_POINTS = 64  # of a mean beat: resolves the dicrotic notch at 60 bpm to 16 ms
_SHORTEST, _LONGEST = 0.24, 2.4  # of a heart period in s: 250 to 25 per minute


class WaveformError(ValueError):
    """What is wrong with a file of waveforms: a sentence, what to do, and its line."""

    def __init__(self, message: str, fix: str, line: int | None = None):
        super().__init__(message)
        self.message, self.fix, self.line = message, fix, line


@dataclass(frozen=True)
class Beats:
    """Where beats begin (s, on the upstroke) and how regular they are.

    `kept[i]`: whether the beat from `onset[i]` to `onset[i + 1]` has a usual length.
    """

    onset: np.ndarray
    kept: np.ndarray

    @property
    def period(self) -> float:
        """Mean length in s of the kept beats."""
        return float(np.diff(self.onset)[self.kept].mean())


def read_columns(path: Path, names: list[str]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Line numbers and the named columns of a CSV file; an empty cell is NaN."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file))
    except OSError as error:
        raise WaveformError(
            f"{path} cannot be read: {error.strerror}",
            f"Put the file beside the record, or correct file = {path.name!r}.",
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise WaveformError(
            f"{path.name} is not a CSV text file ({error})", "Save it as CSV, UTF-8."
        ) from None
    header = [cell.strip() for cell in rows[0]] if rows else []
    missing = [name for name in names if name not in header]
    if missing:
        raise WaveformError(
            f"{path.name} has no column {missing[0]!r}; it has "
            f"{', '.join(map(repr, header)) or 'no line at all'}",
            "Type one of these names, separated in the file by commas.",
            1,
        )
    return _numbers(path, rows, [header.index(name) for name in names], names)


def _numbers(path, rows, columns, names):
    lines, values = [], [[] for _ in columns]
    for line, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        lines.append(line)
        for out, column, name in zip(values, columns, names, strict=True):
            cell = row[column].strip() if column < len(row) else ""
            number = _number(cell)
            if number is None:
                raise WaveformError(
                    f"{path.name}, line {line}: {name} = {cell!r} is not a number",
                    "Use a point for decimals and commas between columns.",
                    line,
                )
            out.append(number)
    return np.array(lines), [np.array(column) for column in values]


def _number(cell: str) -> float | None:
    if cell == "" or cell.lower() in {"nan", "na", "null"}:
        return math.nan
    try:
        return float(cell)
    except ValueError:
        return None


def check_finite(name: str, column: str, lines: np.ndarray, v: np.ndarray) -> None:
    """Raises at the first missing value."""
    bad = lines[~np.isfinite(v)]
    if bad.size:
        raise WaveformError(
            f"{name}, line {bad[0]}: {column} is missing or NaN "
            f"({bad.size} such cells, the last in line {bad[-1]})",
            "Choose a stretch without gaps (from_s, to_s); gaps are never filled "
            "silently.",
            int(bad[0]),
        )


def check_clock(name: str, lines: np.ndarray, t: np.ndarray, hz: float | None) -> None:
    """Raises where the times do not increase evenly, or not at the stated rate."""
    if t.size < 16:
        raise WaveformError(
            f"{name} holds {t.size} samples; a beat needs at least 16",
            "Sample faster, or give numbers instead of a waveform.",
        )
    step = np.diff(t)
    usual = float(np.median(step))
    if usual <= 0 or np.any(step <= 0):
        at = int(np.argmax(step <= 0))
        raise WaveformError(
            f"{name}, line {lines[at + 1]}: time goes from {t[at]:g} to "
            f"{t[at + 1]:g} s; it must increase",
            "Sort the lines by time and remove repeated ones.",
            int(lines[at + 1]),
        )
    if usual > 0.1:
        guess = (
            f"The times look like milliseconds: divide them by 1000 "
            f"({usual:g} ms = {1000 / usual:.0f} Hz)."
            if usual / 1000 <= 0.1
            else "Give a waveform of at least 10 samples a second."
        )
        raise WaveformError(
            f"{name}: one sample every {usual:g} s; a beat needs 0.001 to 0.1 s", guess
        )
    _check_evenness(name, lines, t, step, usual)
    if hz is not None and abs(1 / usual / hz - 1) > 0.02:
        raise WaveformError(
            f"{name}: sampling_hz = {hz:g}, but the times give {1 / usual:.4g} Hz",
            f"Type sampling_hz = {1 / usual:.4g}, or correct the time column.",
        )


def _check_evenness(name, lines, t, step, usual):
    # A printed time is rounded: a fifth of a step is rounding, half a step is a gap.
    if np.mean(np.abs(step / usual - 1) > 0.2) > 0.02:
        raise WaveformError(
            f"{name}: the samples are not evenly spaced ({step.min():.3g} to "
            f"{step.max():.3g} s)",
            "Resample the file to a fixed rate.",
        )
    at = int(np.argmax(step))
    if step[at] > 1.5 * usual:
        raise WaveformError(
            f"{name}, line {lines[at + 1]}: a gap of {step[at]:.3g} s at "
            f"{t[at]:g} s (samples are {usual:.3g} s apart)",
            f"Use the part before it (to_s = {t[at]:g}) or after it "
            f"(from_s = {t[at + 1]:g}).",
            int(lines[at + 1]),
        )


def check_values(name: str, column: str, values: np.ndarray, bounds, unit: str) -> None:
    """Raises where a waveform is flat or leaves what is possible for its signal."""
    low, high = bounds
    least, most = float(values.min()), float(values.max())
    if least == most:
        raise WaveformError(
            f"{name}: {column} is flat at {least:g} {unit}",
            "Choose the column of the signal, or a stretch where it is connected.",
        )
    if low <= least and most <= high:
        return
    fix = "Choose a stretch without flushes and disconnections (from_s, to_s)."
    for suffix, factor in UNITS[unit].items():
        if factor != 1.0 and low <= least * factor and most * factor <= high:
            fix = f"The values look like {suffix}: type unit = {suffix!r}."
    raise WaveformError(
        f"{name}: {column} runs from {least:g} to {most:g} {unit}; expected within "
        f"{low:g} to {high:g} {unit}",
        fix,
    )


def find_beats(t: np.ndarray, pressure: np.ndarray) -> Beats:
    """The steepest point of each upstroke, by autocorrelation and slope.

    **Raises** WaveformError where no regular pulse is seen.
    """
    step = float(np.median(np.diff(t)))
    width = max(1, round(0.02 / step))  # smooths the slope over 40 ms
    kernel = np.ones(2 * width + 1) / (2 * width + 1)
    slope = np.convolve(np.gradient(pressure, step), kernel, mode="same")
    slope[:width] = slope[-width:] = 0.0
    period = _period(slope, step)
    onset = _steepest(t, slope, 0.6 * period)
    if onset.size < 3:
        raise WaveformError(
            f"only {onset.size} upstrokes are seen in {t[-1] - t[0]:.3g} s",
            "Give at least three beats, or exactly one with single_beat = true.",
        )
    length = np.diff(onset)
    return Beats(onset, np.abs(length / np.median(length) - 1) < 0.2)


def _period(slope: np.ndarray, step: float) -> float:
    centred = slope - slope.mean()
    size = 1 << (2 * slope.size - 1).bit_length()
    power = np.abs(np.fft.rfft(centred, size)) ** 2
    correlation = np.fft.irfft(power, size)[: slope.size] / max(power.sum(), 1e-300)
    first = max(1, round(_SHORTEST / step))
    last = min(slope.size - 1, round(_LONGEST / step))
    if last <= first:
        raise WaveformError(
            f"the waveform lasts {slope.size * step:.3g} s, less than a beat",
            "Give a longer stretch.",
        )
    span = correlation[first : last + 1]
    # The earliest lag nearly as good as the best one: two beats correlate as well.
    good = np.flatnonzero(span >= 0.8 * span.max())
    start = good[0]
    stop = start
    while stop + 1 < span.size and span[stop + 1] >= span[stop]:
        stop += 1
    return (first + stop) * step


def _steepest(t: np.ndarray, slope: np.ndarray, apart: float) -> np.ndarray:
    inner = slope[1:-1]
    peaks = 1 + np.flatnonzero((inner >= slope[:-2]) & (inner > slope[2:]))
    peaks = peaks[slope[peaks] > 0.4 * np.quantile(slope, 0.99)]
    chosen: list[int] = []
    for peak in peaks[np.argsort(-slope[peaks])]:
        if all(abs(t[peak] - t[other]) > apart for other in chosen):
            chosen.append(int(peak))
    at = np.array(sorted(chosen), dtype=int)
    if not at.size:
        return np.zeros(0)
    before, here, after = slope[at - 1], slope[at], slope[at + 1]
    shift = 0.5 * (before - after) / (before - 2 * here + after)
    return t[at] + shift * np.median(np.diff(t))


def from_the_foot(beats: Beats, t: np.ndarray, pressure: np.ndarray) -> Beats:
    """The same beats, begun at the lowest point of their mean instead."""
    n = 256
    _, mean = mean_beat(t, pressure, beats, n)
    lag = beats.period * (n - int(np.argmin(mean))) / n
    onset = beats.onset - lag
    inside = onset >= t[0]
    return Beats(onset[inside], beats.kept[inside[:-1]])


def mean_beat(
    t: np.ndarray, values: np.ndarray, beats: Beats, n: int = BEAT_POINTS
) -> tuple[np.ndarray, np.ndarray]:
    """The average of the kept beats at equal phase.

    **Returns** times `0, T/n, ...` in s (no end point) and the n mean values.
    """
    phase = np.arange(n) / n
    start, length = beats.onset[:-1][beats.kept], np.diff(beats.onset)[beats.kept]
    rows = start[:, None] + phase * length[:, None]
    return phase * beats.period, np.interp(rows, t, values).mean(axis=0)
