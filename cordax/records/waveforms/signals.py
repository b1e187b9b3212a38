"""Signals of a text table: checking them, and the mean beat.

Nothing is repaired: a gap, a blank cell or an irregular clock is reported with its
line, and the user says which stretch to use (`from_s`, `to_s`).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration.observations.kinds import UNITS
from cordax.records.formats import delimited
from cordax.records.formats.delimited import TableError

BEAT_POINTS = 64  # of a mean beat: resolves the dicrotic notch at 60 bpm to 16 ms
_SHORTEST, _LONGEST = 0.24, 2.4  # of a heart period in s: 250 to 25 per minute


class WaveformError(TableError):
    """What is wrong with a waveform: a sentence, what to do, and its line."""


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
    table = delimited.read(path)
    return table.lines, [table.numbers(table.find(name)) for name in names]


def stretch(t: np.ndarray, bad: np.ndarray) -> str:
    """The lines to type for the longest stretch without bad samples."""
    edges = np.flatnonzero(np.diff(np.concatenate([[1], bad.astype(int), [1]])))
    starts, ends = edges[::2], edges[1::2] - 1
    if not starts.size or (ends - starts).max() < 16:
        return "No stretch is long enough for a beat: choose another column or file."
    best = int(np.argmax(ends - starts))
    first, last = t[starts[best]], t[ends[best]]
    return (
        f"Type from_s = {first:.10g} and to_s = {last:.10g}, the longest such stretch."
    )


def check_finite(
    name: str, column: str, lines: np.ndarray, t: np.ndarray, v: np.ndarray
) -> None:
    """Raises at the first missing value."""
    missing = ~np.isfinite(v)
    bad = lines[missing]
    if bad.size:
        known = np.isfinite(t)
        longest = stretch(t[known], missing[known])
        raise WaveformError(
            f"{name}, line {bad[0]}: {column} is missing or NaN "
            f"({bad.size} such cells, the last in line {bad[-1]})",
            f"Gaps are never filled. {longest}",
            int(bad[0]),
        )


def even_clock(
    name: str, lines: np.ndarray, t: np.ndarray, hz: float | None, printed: float
) -> np.ndarray:
    """The times, checked: they increase evenly, and at the stated rate.

    ``printed`` is the step (s) in which they were written. Times that lie within it of
    an even clock are rounded ones, and the even clock is returned (360 Hz in ms).

    **Raises** WaveformError where they are not even.
    """
    if t.size < 16:
        raise WaveformError(
            f"{name} holds {t.size} samples; a beat needs at least 16",
            "Sample faster, or give numbers instead of a waveform.",
        )
    place = np.arange(t.size)
    if hz is not None and printed > 2.0 / hz:
        # times of whole seconds: only the rate tells more
        if np.ptp(t - place / hz) <= 1.02 * printed:
            return t[0] + place / hz
    elif _is_rounded(t, printed):
        step, start = np.polyfit(place, t, 1)
        _check_rate(name, float(step), hz)
        return start + step * place
    _check_steps(name, lines, t, printed)
    _check_rate(name, float(np.median(np.diff(t))), hz)
    return t


def _is_rounded(t: np.ndarray, printed: float) -> bool:
    """Whether an even clock, printed in such steps, gives these uneven times."""
    steps = np.diff(t)
    usual = float(np.median(steps))
    odd = np.mean(np.abs(steps - usual) > 0.2 * usual)
    if odd < 0.02 or not 0 < printed <= 2.0 * usual:
        return False  # a few odd steps among even ones are gaps
    place = np.arange(t.size)
    off = t - np.polyval(np.polyfit(place, t, 1), place)
    return bool(np.ptp(off) <= 1.05 * printed)


def _check_steps(name: str, lines: np.ndarray, t: np.ndarray, printed: float) -> None:
    step = np.diff(t)
    usual = float(np.median(step))
    if usual > 0 and np.all(step > 0):
        return _check_evenness(name, lines, t, step, usual)
    at = int(np.argmax(step <= 0))
    per = int(np.median(np.diff(np.flatnonzero(step > 0)))) if (step > 0).any() else 0
    if per > 1 and printed >= 0.1 and not (step < 0).any():
        raise WaveformError(
            f"{name}, line {lines[at + 1]}: times are written in steps of {printed:g} "
            f"s, {per} samples in each",
            f"Type the rate of the samples: sampling_hz = {per / printed:g}.",
            int(lines[at + 1]),
        )
    raise WaveformError(
        f"{name}, line {lines[at + 1]}: time goes from {t[at]:g} to "
        f"{t[at + 1]:g} s; it must increase",
        "Sort the lines by time and remove repeated ones.",
        int(lines[at + 1]),
    )


def _check_rate(name: str, usual: float, hz: float | None) -> None:
    if usual > 0.1:
        guess = (
            f"The times look like milliseconds ({usual:g} ms = {1000 / usual:.0f} Hz): "
            'type time_unit = "ms".'
            if usual / 1000 <= 0.1
            else "Give a waveform of at least 10 samples a second."
        )
        raise WaveformError(
            f"{name}: one sample every {usual:g} s; a beat needs 0.001 to 0.1 s", guess
        )
    if usual < 1e-4:
        raise WaveformError(
            f"{name}: one sample every {usual:.3g} s; a beat needs 0.0001 to 0.1 s",
            'Type time_unit = "s" if the times are seconds, or correct the times.',
        )
    if hz is not None and abs(1 / usual / hz - 1) > 0.02:
        raise WaveformError(
            f"{name}: sampling_hz = {hz:g}, but the times give {1 / usual:.4g} Hz",
            f"Type sampling_hz = {1 / usual:.4g}, or correct the time column.",
        )


def _check_evenness(name, lines, t, step, usual):
    # A printed time is rounded: a fifth of a step is rounding, half a step is a gap.
    at = int(np.argmax(step))
    few = np.mean(step > 1.5 * usual) < 0.01
    if not few and np.mean(np.abs(step / usual - 1) > 0.2) > 0.02:
        raise WaveformError(
            f"{name}: the samples are not evenly spaced ({step.min():.3g} to "
            f"{step.max():.3g} s)",
            "Resample the file to a fixed rate.",
        )
    if step[at] > 1.5 * usual:
        raise WaveformError(
            f"{name}, line {lines[at + 1]}: a gap of {step[at]:.3g} s at "
            f"{t[at]:g} s (samples are {usual:.3g} s apart)",
            f"Use the part before it (to_s = {t[at]:g}) or after it "
            f"(from_s = {t[at + 1]:g}).",
            int(lines[at + 1]),
        )


def check_values(
    name: str, column: str, t: np.ndarray, values: np.ndarray, bounds, unit: str
) -> None:
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
    outside = (values < low) | (values > high)
    fix = "Choose a stretch without flushes and disconnections. " + stretch(t, outside)
    for suffix, factor in UNITS[unit].items():
        if factor != 1.0 and low <= least * factor and most * factor <= high:
            fix = f"The values look like {suffix}: type unit = {suffix!r}."
    raise WaveformError(
        f"{name}: {column} runs from {least:g} to {most:g} {unit}; expected within "
        f"{low:g} to {high:g} {unit} (not so {outside.sum()} of {values.size} samples)",
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
