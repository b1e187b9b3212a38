"""What a recording shows that is not the patient: noticed, named, never repaired.

Spikes of a few milliseconds, flushes and beats of another size leave their beats out of
the mean beat, with a warning; a level that steps (a moved transducer), a pulse that is
mostly irregular, and more than one pulse in a period (bigeminy) are refused: the mean
of what differs is nobody's beat.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from cordax.records.waveforms.signals import Beats, WaveformError, mean_beat

_SPIKE = 0.012  # s: nothing in a catheter's pressure comes and goes within it
_SLOWEST_SPIKE = 0.021  # s between samples; sparser ones show a systole as one point
_SHARE = 0.2  # of the pulse that a spike stands out of its surroundings
_ODD = 25.0  # mmHg that a beat's ends lie from the usual ones before it is an artefact
_STEP = 6.0  # mmHg: 8 cm of height between transducer and heart
_UNUSUAL = 0.1  # of the beats of another length, from which the rate is in doubt
_FEWEST = 0.5  # of the beats that must be alike for a mean beat
_SLOW = 45.0  # 1/min: below it a pulse may be every second beat
#: Left ventricular ejection (s) = 0.413 - 0.0017 rate; Weissler 1968,
#: 10.1161/01.CIR.37.2.149, men, supine. The dicrotic rise is over 0.12 s later.
_EJECTION, _BY_RATE, _DICROTIC = 0.413, 0.0017, 0.12
_RISE = 0.05  # of the pulse from which a second rise counts
_MOST_DOUBLED = 65.0  # 1/min: in bigeminy the heart beats twice this at most
_STRONG = 0.4  # of the pulse: no dicrotic wave rises so high

Warn = Callable[[str, str], None]


def spikes(t: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Which samples belong to spikes shorter than 12 ms."""
    step = float(np.median(np.diff(t)))
    none = np.zeros(v.size, dtype=bool)
    if step > _SLOWEST_SPIKE:
        return none
    half = max(1, int(_SPIKE / step))
    padded = np.pad(v, half, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    usual = np.median(around, axis=1)
    low, high = np.quantile(usual, [0.02, 0.98])
    return np.abs(v - usual) > max(_SHARE * (high - low), 1e-12)


def without_spikes(v: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """The signal in which beats are looked for: across a spike a straight line."""
    if not bad.any() or bad.all():
        return v
    place = np.arange(v.size)
    return np.interp(place, place[~bad], v[~bad])


def leave_out(
    name: str, beats: Beats, t: np.ndarray, v: np.ndarray, bad: np.ndarray, warn: Warn
) -> Beats:
    """The beats less those with spikes or of another size, each told by ``warn``.

    **Raises** WaveformError where too few are left to be averaged.
    """
    ends = _ends(beats, t, v)
    usual = np.median(ends, axis=0)
    spread = 1.4826 * np.median(np.abs(ends - usual), axis=0)
    odd = (np.abs(ends - usual) > np.maximum(_ODD, 6.0 * spread)).any(axis=1)
    at = np.searchsorted(t, beats.onset)
    spiky = np.array([bad[a:b].any() for a, b in zip(at[:-1], at[1:], strict=True)])
    for which, what in (
        (spiky, f"hold spikes shorter than {1000 * _SPIKE:g} ms"),
        (odd & ~spiky, "are of another height (a flush, a movement, an ectopic beat)"),
    ):
        if which.any():
            first = beats.onset[:-1][which][0]
            warn(
                f"{name}: {which.sum()} of {which.size} beats {what}, the first at "
                f"{first:.4g} s; they are left out of the mean beat",
                "Choose a stretch without them (from_s, to_s) to be sure.",
            )
    left = replace(beats, kept=beats.kept & ~spiky & ~odd)
    require_regular(name, left)
    if np.mean(~beats.kept) > _UNUSUAL:
        whole = 60.0 * beats.kept.size / (beats.onset[-1] - beats.onset[0])
        warn(
            f"{name}: {np.sum(~beats.kept)} of {beats.kept.size} beats have another "
            f"length and are left out; the rate of all is {whole:.3g} per minute, that "
            f"of the mean beat {60.0 / left.period:.3g}",
            "Choose a regular stretch (from_s, to_s), or type heart_rate_bpm.",
        )
    return left


def _ends(beats: Beats, t: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Least and greatest value of each beat, (n_beat, 2)."""
    at = np.searchsorted(t, beats.onset)
    pairs = zip(at[:-1], at[1:], strict=True)
    return np.array([(v[a:b].min(), v[a:b].max()) for a, b in pairs])


def require_regular(name: str, beats: Beats) -> None:
    """**Raises** WaveformError where fewer than half of the beats are alike."""
    if beats.kept.mean() >= _FEWEST:
        return
    raise WaveformError(
        f"{name}: only {beats.kept.sum()} of {beats.kept.size} beats are alike "
        "(irregular as in atrial fibrillation, or disturbed)",
        "Choose a stretch of regular beats (from_s, to_s), or leave the waveform out "
        "and type numbers: systolic_pressure_mmhg, diastolic_pressure_mmhg, "
        "heart_rate_bpm.",
    )


def require_level(name: str, beats: Beats, t: np.ndarray, v: np.ndarray) -> None:
    """**Raises** WaveformError where the whole pulse steps up or down at once."""
    ends = _ends(beats, t, v)[beats.kept]
    onset = beats.onset[:-1][beats.kept]
    if len(ends) < 8:
        return
    best, place = 0.0, 0
    for k in range(3, len(ends) - 2):
        # both ends move together where a transducer moves, and at once
        moved = np.median(ends[k:], axis=0) - np.median(ends[:k], axis=0)
        near = np.median(ends[k : k + 3], axis=0) - np.median(ends[k - 3 : k], axis=0)
        size = float(np.abs(near).min())
        together = abs(moved[0] - moved[1]) < 0.35 * np.abs(moved).max()
        alike = np.abs(near - moved).max() < 0.35 * np.abs(moved).max()
        if together and alike and size > best and moved[0] * moved[1] > 0:
            best, place = size, k
    if not place:
        return
    rest = [ends[:place], ends[place:]]
    spread = max(1.4826 * np.median(np.abs(r - np.median(r, 0)), 0).max() for r in rest)
    if best < max(_STEP, 4.0 * spread):
        return
    before, after = (np.median(r, axis=0) for r in rest)
    near = np.abs(np.diff(ends.mean(axis=1)))[place - 3 : place + 2]
    place += int(np.argmax(near)) - 2  # the beat at which it moves
    last, first = float(onset[place - 1]), float(onset[place] + beats.period)
    at = float(onset[place])
    raise WaveformError(
        f"{name}: at {at:.4g} s the whole pulse moves from {before[1]:.0f}/"
        f"{before[0]:.0f} to {after[1]:.0f}/{after[0]:.0f}, as when a transducer is "
        "moved or zeroed; the mean of both is neither",
        f"Use the part before it (to_s = {last:.4g}) or after it (from_s = "
        f"{first:.4g}).",
    )


def second_rise(beats: Beats, t: np.ndarray, v: np.ndarray) -> tuple[float, float]:
    """Delay (s) and share of the pulse of the mean beat's next rise; zeros if none."""
    n = 256
    _, mean = mean_beat(t, v, beats, n)
    kernel = np.hanning(9) / np.hanning(9).sum()
    mean = np.convolve(np.tile(mean, 3), kernel, mode="same")[n : 2 * n]
    pulse = float(np.ptp(mean))
    peak = int(np.argmax(mean))
    mean = np.roll(mean, -peak)  # from the systolic peak to the end of the beat
    foot = int(np.argmin(mean))
    fall = mean[: foot + 1]
    least = np.minimum.accumulate(fall)
    rise = fall - least
    if not pulse or rise.max() < _RISE * pulse:
        return 0.0, 0.0
    top = int(np.argmax(rise))
    trough = int(np.argmin(fall[: top + 1]))
    steepest = trough + int(np.argmax(np.diff(fall[trough : top + 1])))
    main = int(np.argmax(np.diff(np.roll(mean, n // 2)))) - n // 2  # before the peak
    delay = (steepest - main) / n * beats.period
    return float(delay), float(rise.max() / pulse)


def require_one_pulse(
    name: str,
    beats: Beats,
    t: np.ndarray,
    v: np.ndarray,
    rate: float | None,
    *,
    arterial: bool,
) -> None:
    """**Raises** WaveformError where a period may hold more than one heart beat.

    ``rate`` (1/min) as typed in the record, where it is. A second rise tells in an
    artery alone: elsewhere the atria make one.
    """
    pulse = 60.0 / beats.period
    delay, share = second_rise(beats, t, v)
    late = _EJECTION - _BY_RATE * pulse + _DICROTIC
    second = delay > late or share > _STRONG
    if arterial and second and pulse <= _MOST_DOUBLED:
        raise WaveformError(
            f"{name}: each period of {beats.period:.3g} s holds a second rise, "
            f"{delay:.2g} s after the first: too late or too high for a dicrotic wave, "
            f"so the heart beats {2 * pulse:.3g} per minute, every second beat weaker "
            "(bigeminy, pulsus alternans)",
            "The mean of unlike beats is no beat: choose a stretch of like ones "
            "(from_s, to_s), or leave the waveform out and type numbers.",
        )
    if pulse < _SLOW and (rate is None or abs(rate / pulse - 1) > 0.2):
        raise WaveformError(
            f"{name}: the pulse is seen {pulse:.3g} times per minute. In bigeminy "
            "every second beat gives little or no pulse, and the heart beats "
            f"{2 * pulse:.3g}",
            "Count the heart rate from the ECG and type it: heart_rate_bpm = ... (a "
            "waveform in which only every second beat shows cannot be used).",
        )
