"""Phase of an excitation, its singularities, and how fast it turns.

The phase grows by 2 pi a cycle. Round a **singularity** it changes by +-2 pi: the tip
of a spiral on a surface, a point of a **filament** in a volume. The topological charge
of a loop of nodes is the sum of the wrapped phase differences round it, in turns; +1
means that the phase grows in the loop's own order, hence that the wave turns against
it (Iyer and Gray 2001, 10.1114/1.1335538; Bray and Wikswo 2002,
IEEE Trans Biomed Eng 49:1086).
"""

import math
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from physio.units import MS_PER_S

_TURN = 2.0 * math.pi


class HilbertPhase(eqx.Module):
    """Phase in (-pi, pi]; ``sound`` is False within a cycle of the record's ends."""

    phase: Float[Array, "n_t n_node"]
    sound: Bool[Array, "n_t n_node"]


class Rhythmicity(eqx.Module):
    """Dominant frequency (Hz) and regularity index (0-1) of every node."""

    frequency: Float[Array, " n_node"]
    regularity: Float[Array, " n_node"]


def wrap(angle: Float[ArrayLike, "..."]) -> Float[Array, "..."]:
    """An angle less whole turns, in [-pi, pi], odd: wrap(-a) = -wrap(a)."""
    angle = jnp.asarray(angle)
    return angle - _TURN * jnp.round(angle / _TURN)


@jax.jit
def hilbert_phase(v: Float[ArrayLike, "n_t n_node"]) -> HilbertPhase:
    """Phase of the analytic signal of V less its mean over time, node by node.

    Samples are evenly spaced. The transform takes the record for periodic, so that
    the first and last cycle (length of the record / rises through the mean) are
    wrong. NaN where a node does not change.
    """
    v = _single(v)
    n_t = v.shape[0]
    centred = v - jnp.mean(v, axis=0, keepdims=True)
    gain = np.zeros(n_t)  # the one-sided spectrum, whose real part is the signal
    gain[0] = 1.0
    gain[1 : (n_t + 1) // 2] = 2.0
    if n_t % 2 == 0:
        gain[n_t // 2] = 1.0
    spectrum = jnp.fft.fft(centred, axis=0) * jnp.asarray(gain, v.dtype)[:, None]
    analytic = jnp.fft.ifft(spectrum, axis=0)
    cycles = jnp.sum((centred[:-1] < 0.0) & (centred[1:] >= 0.0), axis=0)
    length = n_t / jnp.maximum(cycles, 1)
    index = jnp.arange(n_t)[:, None]
    sound = (index >= length[None, :]) & (index < n_t - length[None, :])
    moves = jnp.ptp(v, axis=0) > 0.0
    phase = jnp.where(moves[None, :], jnp.angle(analytic), jnp.nan)
    return HilbertPhase(phase, sound & moves[None, :])


@partial(jax.jit, static_argnames=("delay", "least_range"))
def delay_phase(
    v: Float[ArrayLike, "n_t n_node"],
    delay: int,
    *,
    centre: ArrayLike | None = None,
    least_range: float = 0.0,
) -> Float[Array, "n_delayed n_node"]:
    """Phase in the plane of V(t) and V(t - delay): atan2(V(t - delay) - c, V(t) - c).

    ``delay`` in samples, best about a quarter of the upstroke-to-recovery time; row 0
    belongs to sample ``delay``. c is the middle of each node's range where not given.
    NaN where a node's range is not above ``least_range`` (mV): tissue at rest has no
    phase (Gray et al. 1998, 10.1038/32164).
    """
    v = _single(v)
    if not 0 < delay < v.shape[0]:
        raise ValueError(
            f"The delay must lie between 1 and {v.shape[0] - 1} samples, the record's "
            f"length less one; got {delay}."
        )
    top, bottom = jnp.max(v, axis=0), jnp.min(v, axis=0)
    middle = 0.5 * (top + bottom) if centre is None else jnp.asarray(centre, v.dtype)
    middle = jnp.broadcast_to(middle, top.shape)[None, :]
    phase = jnp.arctan2(v[:-delay] - middle, v[delay:] - middle)
    return jnp.where((top - bottom > least_range)[None, :], phase, jnp.nan)


def dominant_frequency(
    t: Float[ArrayLike, " n_t"],
    v: Float[ArrayLike, "n_t n_node"],
    *,
    band: tuple[float, float] = (0.5, 20.0),
    half_width: float = 0.75,
) -> Rhythmicity:
    """Dominant frequency (Hz) in a band, and the share of the band's power about it.

    Hann window, mean removed; the peak of the power spectrum between bins is the
    vertex of the parabola through three logarithms. Regularity is the power within
    +-``half_width`` Hz of the peak over that of the band (Sanders et al. 2005,
    10.1161/CIRCULATIONAHA.104.517011, with 3-15 Hz). NaN where a node does not change.

    **Raises** ValueError where the times (ms) are uneven or the band holds fewer than
    three frequencies.
    """
    times, v = np.asarray(t), _single(v)
    steps = np.diff(times)
    if times.size < 8 or not np.allclose(steps, steps[0], rtol=1e-3):
        raise ValueError(
            "A spectrum needs eight or more evenly spaced times; got "
            f"{times.size} from {times.min()} to {times.max()} ms."
        )
    n_t = times.size
    frequency = np.fft.rfftfreq(n_t, d=float(steps.mean()) / MS_PER_S)
    inside = np.flatnonzero((frequency >= band[0]) & (frequency <= band[1]))
    inside = inside[(inside > 0) & (inside < frequency.size - 1)]
    if inside.size < 3:
        raise ValueError(
            f"The band {band[0]}-{band[1]} Hz holds {inside.size} frequencies of a "
            f"record of {times[-1] - times[0]:.0f} ms. Record longer, or widen band=."
        )
    ends = (int(inside[0]), int(inside[-1]))
    return _spectral_peak(v, ends, float(frequency[1]), half_width)


@partial(jax.jit, static_argnums=(1, 2, 3))
def _spectral_peak(
    v: Array, ends: tuple[int, int], width: float, half_width: float
) -> Rhythmicity:
    """The peak among the bins between two, ``width`` Hz apart."""
    window = jnp.asarray(np.hanning(v.shape[0]), v.dtype)[:, None]
    centred = (v - jnp.mean(v, axis=0, keepdims=True)) * window
    power = jnp.abs(jnp.fft.rfft(centred, axis=0)) ** 2
    moves = jnp.ptp(v, axis=0) > 0.0
    inside = slice(ends[0], ends[1] + 1)
    bins = width * jnp.arange(ends[0], ends[1] + 1, dtype=v.dtype)
    peak = ends[0] + jnp.argmax(power[inside], axis=0)
    floor = jnp.finfo(v.dtype).tiny
    low, mid, high = (
        jnp.log(jnp.take_along_axis(power, (peak + k)[None, :], axis=0)[0] + floor)
        for k in (-1, 0, 1)
    )
    bend = low - 2.0 * mid + high
    shift = jnp.where(bend < 0.0, 0.5 * (low - high) / jnp.where(bend < 0, bend, 1), 0)
    found = (peak + jnp.clip(shift, -0.5, 0.5)) * width
    near = jnp.abs(bins[:, None] - found[None, :]) <= half_width
    share = jnp.sum(jnp.where(near, power[inside], 0.0), axis=0)
    share = share / jnp.where(moves, jnp.sum(power[inside], axis=0), 1.0)
    return Rhythmicity(
        jnp.where(moves, found, jnp.nan), jnp.where(moves, share, jnp.nan)
    )


def _single(v: ArrayLike) -> Array:
    """In float32 at least: frames may be kept in half precision."""
    v = jnp.asarray(v)
    return v.astype(jnp.promote_types(v.dtype, jnp.float32))
