"""Durations, amplitudes and axis of a 12-lead ECG."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import ArrayLike, Float

from physio.electrophysiology.signals.ecg import LEADS

INDEPENDENT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")


@dataclasses.dataclass(frozen=True)
class EcgMeasures:
    """What a reader takes from one beat: ms, mV, degrees; by lead where a mapping.

    ``q``, ``r``, ``s`` and ``t`` amplitudes are measured from the baseline before the
    QRS; 0 where the wave is missing, a QS complex counts as Q. NaN: no T wave was
    found.
    """

    qrs_onset: float
    qrs_offset: float
    qrs_duration: float
    t_peak: float
    t_end: float
    qt: float
    axis: float  # frontal QRS axis, 0 towards the left, 90 downwards
    q: Mapping[str, float]
    r: Mapping[str, float]
    s: Mapping[str, float]
    t: Mapping[str, float]


def measure(
    t: Float[ArrayLike, " n_t"],
    leads: Float[ArrayLike, "n_t n_lead"],
    names: Sequence[str] = LEADS,
    *,
    fraction: float = 0.06,
    smoothing: float = 8.0,
    quiet: float = 12.0,
) -> EcgMeasures:
    """Onsets, durations and amplitudes of one beat (mV, ms).

    Each lead is smoothed by a Hann window of ``smoothing`` ms; the spatial velocity is
    the root of the summed squares of the slopes of the independent leads (Sornmo and
    Laguna 2005, ch. 7). The QRS spreads from its largest value to where it first stays
    for ``quiet`` ms below a threshold: ``fraction`` of the largest above the level of
    the record's calmest 20 ms. The isoelectric line is each lead's median in the 20 ms
    before the onset. T peaks where the magnitude over the leads is largest between
    40 ms after the QRS and the end; it ends where the steepest tangent after the peak
    meets the line (Lepeschkin and Surawicz 1952, 10.1161/01.CIR.6.3.378).

    **Raises** ValueError for uneven times, a flat record, or a beat cut by the
    record's end.
    """
    times, signal = np.asarray(t, float), np.asarray(leads, float)
    step = _even(times)
    names = list(names)
    if signal.shape != (times.size, len(names)):
        raise ValueError(
            f"{times.size} times and {len(names)} lead names do not fit leads of shape "
            f"{signal.shape}."
        )
    smooth = _smoothed(signal, smoothing / step)
    chosen = [k for k, name in enumerate(names) if name in INDEPENDENT]
    used = smooth[:, chosen or list(range(len(names)))]
    velocity = np.linalg.norm(np.gradient(used, step, axis=0), axis=1)
    onset, offset = _qrs(velocity, step, fraction, quiet)
    before = slice(max(0, onset - round(20.0 / step)), onset + 1)
    line = np.median(smooth[before], axis=0)
    level = smooth - line
    peak, end = _t_wave(level, offset, step)
    waves = [_waves(level[onset : offset + 1, k]) for k in range(len(names))]
    found = peak >= 0
    return EcgMeasures(
        qrs_onset=float(times[onset]),
        qrs_offset=float(times[offset]),
        qrs_duration=float(times[offset] - times[onset]),
        t_peak=float(times[peak]) if found else math.nan,
        t_end=float(times[0] + end * step) if found else math.nan,
        qt=float(times[0] + end * step - times[onset]) if found else math.nan,
        axis=_axis(level[onset : offset + 1], names),
        q={name: wave[0] for name, wave in zip(names, waves, strict=True)},
        r={name: wave[1] for name, wave in zip(names, waves, strict=True)},
        s={name: wave[2] for name, wave in zip(names, waves, strict=True)},
        t={
            name: float(level[peak, k]) if found else math.nan
            for k, name in enumerate(names)
        },
    )


def _even(times: np.ndarray) -> float:
    steps = np.diff(times)
    if times.size < 50 or not np.allclose(steps, steps[0], rtol=1e-3):
        raise ValueError(
            "An ECG is measured on 50 or more evenly spaced times (ms); got "
            f"{times.size}."
        )
    return float(steps.mean())


def _smoothed(signal: np.ndarray, width: float) -> np.ndarray:
    """Each lead under a Hann window ``width`` samples wide, the ends held."""
    half = max(0, round(0.5 * width))
    if half == 0:
        return signal
    window = np.hanning(2 * half + 3)[1:-1]
    held = np.pad(signal, ((half, half), (0, 0)), mode="edge")
    rows = [np.convolve(lead, window / window.sum(), mode="valid") for lead in held.T]
    return np.stack(rows, axis=1)


def _qrs(
    velocity: np.ndarray, step: float, fraction: float, quiet: float
) -> tuple[int, int]:
    """First and last sample of the QRS."""
    calm = max(2, round(20.0 / step))
    means = np.convolve(velocity, np.full(calm, 1.0 / calm), mode="valid")
    floor = float(means.min())
    top = int(np.argmax(velocity))
    if not velocity[top] > 0.0:
        raise ValueError("The ECG is flat: no lead changes. Check the leads given.")
    loud = velocity > floor + fraction * (velocity[top] - floor)
    length = max(1, round(quiet / step))
    onset = _quiet_after(loud[: top + 1][::-1], length)
    offset = _quiet_after(loud[top:], length)
    if onset < 0 or offset < 0:
        side = "start" if onset < 0 else "end"
        raise ValueError(
            f"The QRS runs into the record's {side}. Give a record with {quiet} ms of "
            "rest on either side of the QRS."
        )
    return top - onset, top + offset


def _quiet_after(loud: np.ndarray, length: int) -> int:
    """The last loud sample before the first ``length`` quiet ones; -1 for none."""
    run = 0
    for k, sounds in enumerate(loud):
        run = 0 if sounds else run + 1
        if run == length:
            return k - length
    return -1


def _t_wave(level: np.ndarray, offset: int, step: float) -> tuple[int, float]:
    """Sample of the T wave's peak and, between samples, of its end; -1 for none."""
    size = np.linalg.norm(level, axis=1)
    start = offset + round(40.0 / step)
    if start >= len(size) - 3:
        return -1, math.nan
    peak = start + int(np.argmax(size[start:]))
    # a largest value at either end is the ST segment or the next beat, not a T wave
    if peak in (start, len(size) - 1):
        return -1, math.nan
    # along the peak's own direction the wave keeps its sign, as one lead would
    wave = level @ (level[peak] / size[peak])
    slope = np.gradient(wave, step)
    after = slope[peak:]
    down = peak + int(np.argmin(after))
    if not slope[down] < 0.0:
        return -1, math.nan
    return peak, min(down - wave[down] / (slope[down] * step), len(size) - 1.0)


def _waves(qrs: np.ndarray) -> tuple[float, float, float]:
    """Q (before R), R and S (after R) of one lead, signed; 0 where missing."""
    top = int(np.argmax(qrs))
    r = max(0.0, float(qrs[top]))
    if r == 0.0:
        return float(qrs.min()), 0.0, 0.0
    return (
        min(0.0, float(qrs[:top].min(initial=0.0))),
        r,
        min(0.0, float(qrs[top:].min(initial=0.0))),
    )


def _axis(qrs: np.ndarray, names: Sequence[str]) -> float:
    """Direction of the QRS area in the frontal plane (degrees), NaN without I and aVF.

    aVF is Goldberger's, 2 / sqrt(3) too small beside I (Malmivuo and Plonsey 1995).
    """
    if "I" not in names:
        return math.nan
    first = qrs[:, names.index("I")].sum()
    if "aVF" in names:
        foot = qrs[:, names.index("aVF")].sum()
    elif "II" in names:
        foot = qrs[:, names.index("II")].sum() - 0.5 * first
    else:
        return math.nan
    return math.degrees(math.atan2(2.0 / math.sqrt(3.0) * foot, first))
