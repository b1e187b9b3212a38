"""Twelve-lead pseudo-ECG: electrodes for any heart, the leads, and their measures.

Electrode potentials come from ``physio.electrophysiology.electrograms``; the leads are
those of Einthoven, Goldberger and Wilson. Potentials in mV, t in ms, positions in mm.
The conductor is unbounded and homogeneous, so shapes and durations are to be trusted
before amplitudes: without the torso's surface the limb leads come out several times
too small beside the chest leads.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from physio.electrophysiology import electrograms

ELECTRODES = ("RA", "LA", "LL", "V1", "V2", "V3", "V4", "V5", "V6")
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
INDEPENDENT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")

# Electrodes about the midpoint of the long axis (mm): along it from base to apex,
# towards the right ventricle, and along their vector product; for a long axis
# of 91.5 mm from the mitral valve to the epicardial apex, the right ventricle being
# the mean of tricuspid valve, pulmonary valve and apex. From the landmarks and
# electrodes of the template torso of ansys-health-heart (MIT), define_ECG_coordinates.
# Its apex points left and forward, 39 degrees below the transversal and 30 before the
# frontal plane (25 healthy people: 27 +- 9 and 38 +- 5, Hoekema 1999, PMID 10338032).
_TEMPLATE_LENGTH = 91.5
_AT_ONCE = 2e8  # numbers of the template held at once
_TEMPLATE = {
    "RA": (-210.2, 139.7, -52.6),
    "LA": (-26.0, -85.4, -171.2),
    "LL": (176.3, -24.8, 122.8),
    "V1": (-18.2, 94.5, -9.8),
    "V2": (21.2, 52.8, -38.3),
    "V3": (51.3, 43.1, -26.7),
    "V4": (89.6, 8.9, -17.1),
    "V5": (90.7, -47.5, -30.9),
    "V6": (77.0, -109.3, -31.1),
}


@dataclasses.dataclass(frozen=True)
class HeartAxes:
    """Base and apex of the left ventricle, centre of the right one (mm)."""

    base: Float[np.ndarray, "3"]
    apex: Float[np.ndarray, "3"]
    right: Float[np.ndarray, "3"]


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


def heart_axes(
    nodes: Float[np.ndarray, "n_node 3"],
    left: Bool[np.ndarray, " n_node"],
    right: Bool[np.ndarray, " n_node"],
) -> HeartAxes:
    """Axes of a biventricular heart from the nodes of its ventricles.

    ``left`` holds the left ventricle with the septum, ``right`` the right free wall.
    The long axis starts as the direction of largest spread, its wide end being the
    base; then base (middle of the tenth of the nodes nearest it) and apex (farthest
    node) are found in turn. Give :class:`HeartAxes` yourself for a heart that is wider
    than long.
    """
    for name, mask in (("left", left), ("right", right)):
        if not mask.any():
            raise ValueError(f"The mask of the {name} ventricle holds no node.")
    wall = np.asarray(nodes)[left]
    centre = wall.mean(axis=0)
    direction = np.linalg.eigh(np.cov((wall - centre).T))[1][:, -1]
    height = (wall - centre) @ direction
    radius = np.linalg.norm(wall - centre - height[:, None] * direction, axis=1)
    top, bottom = np.quantile(height, (0.9, 0.1))
    if radius[height >= top].mean() < radius[height <= bottom].mean():
        direction = -direction
    base, apex = centre, centre
    for _ in range(5):
        height = (wall - centre) @ direction
        base = wall[height >= np.quantile(height, 0.9)].mean(axis=0)
        apex = wall[np.argmax(np.linalg.norm(wall - base, axis=1))]
        direction = (base - apex) / np.linalg.norm(base - apex)
    return HeartAxes(base, apex, np.asarray(nodes)[right].mean(axis=0))


def place_electrodes(
    axes: HeartAxes, *, scale: float | None = None
) -> dict[str, np.ndarray]:
    """Nine electrodes (mm) about a heart: the template torso, turned to its axes.

    ``scale`` stretches the torso; as long as the heart's long axis over the template's
    91.5 mm where not given. Limb electrodes lie at the shoulders and the left hip.
    """
    long = np.asarray(axes.apex) - np.asarray(axes.base)
    length = float(np.linalg.norm(long))
    aside = np.asarray(axes.right) - np.asarray(axes.base)
    if length > 0.0:
        long = long / length
        aside = aside - aside @ long * long
    width = float(np.linalg.norm(aside))
    if not (length > 0.0 and width > 1e-3 * length):
        raise ValueError(
            "Base, apex and right ventricle must not lie on one line; got "
            f"{axes.base}, {axes.apex} and {axes.right}."
        )
    frame = np.stack([long, aside / width, np.cross(long, aside / width)])
    stretch = length / _TEMPLATE_LENGTH if scale is None else scale
    middle = 0.5 * (np.asarray(axes.apex) + np.asarray(axes.base))
    return {
        name: middle + stretch * np.asarray(at) @ frame
        for name, at in _TEMPLATE.items()
    }


def electrode_array(
    electrodes: Mapping[str, np.ndarray],
) -> Float[np.ndarray, "9 3"]:
    """The electrodes in the order of ``ELECTRODES``, for ``lead_field``."""
    missing = [name for name in ELECTRODES if name not in electrodes]
    if missing:
        raise KeyError(
            f"A 12-lead ECG needs {', '.join(ELECTRODES)}; missing {missing}."
        )
    return np.stack([np.asarray(electrodes[name], float) for name in ELECTRODES])


def twelve_leads(potentials: Float[ArrayLike, "n_t 9"]) -> Float[Array, "n_t 12"]:
    """The leads (mV), in the order of ``LEADS``, from potentials as ``ELECTRODES``.

    I = LA - RA, II = LL - RA, III = LL - LA; aVR = RA - (LA + LL) / 2 and so on;
    V1-V6 against the mean of RA, LA and LL (Wilson's central terminal).
    """
    potentials = jnp.asarray(potentials)
    return potentials @ jnp.asarray(lead_matrix(), potentials.dtype).T


def lead_matrix() -> Float[np.ndarray, "12 9"]:
    """The leads as combinations of the electrodes; every row adds up to zero."""
    half, third = 0.5, 1.0 / 3.0
    limbs = [
        [-1.0, 1.0, 0.0],
        [-1.0, 0.0, 1.0],
        [0.0, -1.0, 1.0],
        [1.0, -half, -half],
        [-half, 1.0, -half],
        [-half, -half, 1.0],
    ]
    matrix = np.zeros((12, 9))
    matrix[:6, :3] = limbs
    matrix[6:, :3] = -third
    matrix[6:, 3:] = np.eye(6)
    return matrix


@partial(jax.jit, static_argnames=("rest", "plateau", "upstroke", "recovery"))
def template_voltage(
    t: Float[ArrayLike, " n_t"],
    activation: Float[ArrayLike, " n_node"],
    apd: Float[ArrayLike, "..."],
    *,
    rest: float = -85.0,
    plateau: float = 15.0,
    upstroke: float = 1.0,
    recovery: float = 20.0,
) -> Float[Array, "n_t n_node"]:
    """V(t, node) (mV) of a template action potential that starts at activation (ms).

    rest + (plateau - rest) S((t - T) / upstroke) S((T + apd - t) / recovery), S the
    logistic function: the upstroke is half-way at T, recovery at T + ``apd``, one
    number or one per node (after van Oosterom and Jacquemet 2005, Europace 7:S21).
    Tissue never activated (NaN) rests. With the weights of the voltage this gives an
    ECG from an eikonal map.
    """
    t, activation = jnp.asarray(t), jnp.asarray(activation)
    known = ~jnp.isnan(activation)
    start = jnp.where(known, activation, 0.0)
    end = start + jnp.broadcast_to(jnp.asarray(apd, start.dtype), start.shape)
    up = jax.nn.sigmoid((t[:, None] - start[None, :]) / upstroke)
    down = jax.nn.sigmoid((end[None, :] - t[:, None]) / recovery)
    shape = jnp.where(known[None, :], up * down, 0.0)
    return rest + (plateau - rest) * shape


def front_potentials(
    weights: Float[ArrayLike, "n_electrode n_node"],
    t: Float[np.ndarray, " n_t"],
    activation: Float[ArrayLike, " n_node"],
    apd: Float[ArrayLike, "..."],
) -> Float[np.ndarray, "n_t n_electrode"]:
    """Potentials (mV) of :func:`template_voltage`, from the weights of the voltage.

    Some of the times are held at once, so that a heart of any size fits the memory.
    """
    at = jnp.asarray(activation)
    size = max(int(_AT_ONCE / at.size), 8)
    parts = []
    for start in range(0, t.size, size):
        # the last part as long as the others: one program
        held = np.minimum(np.arange(start, start + size), t.size - 1)
        v = template_voltage(jnp.asarray(t[held], at.dtype), at, apd)
        parts.append(np.asarray(electrograms.unipolar(weights, v)))
    return np.concatenate(parts)[: t.size]


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
