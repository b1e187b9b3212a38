"""When tissue activates and recovers, and how fast the wave travels.

From a recorded voltage V(t, node): times of activation and repolarisation of every
beat, action potential durations, restitution pairs; from one map of activation times:
velocity vectors, total time, isochrones. mV, ms, mm, mm/ms (= m/s). What did not
happen is NaN. All but :func:`restitution_pairs` can be jitted and vmapped.
"""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from physio.units import PERCENT


class ActivationBeats(eqx.Module):
    """Activation and repolarisation (ms) of every beat at every node; NaN if absent."""

    activation: Float[Array, "n_beat n_node"]
    repolarisation: Float[Array, "n_beat n_node"]

    @property
    def duration(self) -> Float[Array, "n_beat n_node"]:
        """Action potential duration (ms)."""
        return self.repolarisation - self.activation

    @property
    def diastolic_interval(self) -> Float[Array, "n_beat n_node"]:
        """From the repolarisation before to the activation (ms); NaN at the first."""
        first = jnp.full_like(self.activation[:1], jnp.nan)
        return jnp.concatenate([first, self.activation[1:] - self.repolarisation[:-1]])


class Velocity(eqx.Module):
    """Conduction velocity of a wave at every node.

    ``sound`` is False where one plane wave does not describe the neighbourhood: where
    fronts collide, where the wave starts, beside tissue never activated and where the
    neighbours do not span the tissue.
    """

    vector: Float[Array, "n_node 3"]  # mm/ms, along the gradient of activation time
    speed: Float[Array, " n_node"]  # mm/ms
    sound: Bool[Array, " n_node"]


def crossings(
    t: Float[ArrayLike, " n_t"],
    v: Float[ArrayLike, "n_t n_node"],
    level: ArrayLike,
    *,
    rising: bool = True,
    n_event: int | None = None,
    blanking: float = 0.0,
) -> Float[Array, "n_event n_node"]:
    """Times (ms) at which V passes a level, between samples by a straight line.

    ``level`` (mV) is one number or one per node. A crossing less than ``blanking`` ms
    after the last counted one is none. ``n_event`` rows are returned, padded with NaN
    and without what comes after them; as many as occur where it is not given, which
    cannot be under jit or vmap.

    **Raises** ValueError where times and voltages do not fit, or where a traced run
    does not say ``n_event``.
    """
    t, v = _recording(t, v)
    level = jnp.broadcast_to(jnp.asarray(level, v.dtype), v.shape[1:])
    height = v - level[None, :] if rising else level[None, :] - v
    if n_event is not None:
        return _crossings(t, height, n_event, blanking)
    if isinstance(height, Tracer):
        raise ValueError(
            "Under jit or vmap the number of events must be known beforehand: pass "
            "n_event=... (n_beat=... for activation times)."
        )
    times = _crossings(t, height, max(1, int(_most(height))), blanking)
    # blanking may have left rows without any event
    return times[: max(1, int(jnp.sum(jnp.any(~jnp.isnan(times), axis=1))))]


def activation_times(
    t: Float[ArrayLike, " n_t"],
    v: Float[ArrayLike, "n_t n_node"],
    threshold: ArrayLike,
    *,
    n_beat: int | None = None,
    blanking: float = 0.0,
) -> Float[Array, "n_beat n_node"]:
    """Times (ms) at which V rises through the threshold, as :func:`crossings`."""
    return crossings(t, v, threshold, n_event=n_beat, blanking=blanking)


@partial(jax.jit, static_argnames=("percent", "level"))
def repolarisation_times(
    t: Float[ArrayLike, " n_t"],
    v: Float[ArrayLike, "n_t n_node"],
    activation: Float[ArrayLike, "n_beat n_node"],
    *,
    percent: float = 90.0,
    level: float | None = None,
) -> Float[Array, "n_beat n_node"]:
    """Times (ms) at which V has recovered from each beat.

    The first fall, after the beat's peak and before the next activation, through
    ``level`` (mV) where given, else through peak - percent / 100 (peak - rest), rest
    being the lowest V between the activation before and this one. ``activation`` must
    hold every beat of the recording. A level above the notch of an epicardial action
    potential meets the notch first.
    """
    t, v = _recording(t, v)
    activation = jnp.asarray(activation, t.dtype)
    edge = jnp.full_like(activation[:1], jnp.inf)
    upcoming = jnp.concatenate([activation[1:], edge])
    upcoming = jnp.where(jnp.isnan(upcoming), jnp.inf, upcoming)
    earlier = jnp.concatenate([-edge, activation[:-1]])
    column = t[:, None]

    def recovery(beat: tuple[Array, Array, Array]) -> Array:
        before, start, end = (x[None, :] for x in beat)
        inside = (column >= start) & (column < end)
        peak = jnp.max(jnp.where(inside, v, -jnp.inf), axis=0)
        peak_at = jnp.argmax(jnp.where(inside, v, -jnp.inf), axis=0)
        prior = (column >= before) & (column < start)
        rest = jnp.min(jnp.where(prior, v, jnp.inf), axis=0)
        fallen = peak - percent / PERCENT * (peak - rest)
        wanted = fallen if level is None else jnp.full_like(fallen, level)
        height = v - wanted[None, :]
        late = jnp.arange(t.size - 1)[:, None] >= peak_at[None, :]
        falls = (height[:-1] >= 0.0) & (height[1:] < 0.0) & late & inside[:-1]
        k = jnp.argmax(falls, axis=0)
        above, below = _rows(height, k), _rows(height, k + 1)
        found = jnp.any(falls, axis=0)
        fraction = above / jnp.where(found, above - below, 1.0)
        time = t[k] + (t[k + 1] - t[k]) * fraction.astype(t.dtype)
        return jnp.where(found, time, jnp.nan)

    return jax.lax.map(recovery, (earlier, activation, upcoming))


def action_potentials(
    t: Float[ArrayLike, " n_t"],
    v: Float[ArrayLike, "n_t n_node"],
    threshold: ArrayLike,
    *,
    percent: float = 90.0,
    level: float | None = None,
    n_beat: int | None = None,
    blanking: float = 0.0,
) -> ActivationBeats:
    """Every beat of a recording: activation, repolarisation, APD and DI."""
    activation = activation_times(t, v, threshold, n_beat=n_beat, blanking=blanking)
    return ActivationBeats(
        activation,
        repolarisation_times(t, v, activation, percent=percent, level=level),
    )


def restitution_pairs(
    activation: Float[ArrayLike, "n_beat n_node"],
    repolarisation: Float[ArrayLike, "n_beat n_node"],
) -> tuple[Float[np.ndarray, " n_pair"], Float[np.ndarray, " n_pair"]]:
    """Diastolic intervals and the durations that follow them (ms), of all nodes.

    Pairs of which one is unknown are left out; beats run fastest.
    """
    beats = ActivationBeats(jnp.asarray(activation), jnp.asarray(repolarisation))
    interval = np.asarray(beats.diastolic_interval).T.ravel()
    duration = np.asarray(beats.duration).T.ravel()
    known = np.isfinite(interval) & np.isfinite(duration)
    return interval[known], duration[known]


@partial(jax.jit, static_argnames=("dimension", "largest_residual"))
def conduction_velocity(
    activation: Float[ArrayLike, " n_node"],
    nodes: Float[ArrayLike, "n_node 3"],
    neighbours: Int[ArrayLike, "n_neighbour n_node"],
    *,
    dimension: int = 3,
    largest_residual: float = 0.3,
) -> Velocity:
    """Velocity vectors from activation times on any geometry.

    The gradient g of T minimises sum_j [T_j - T - g . (x_j - x)]^2 / |x_j - x|^2 over
    the neighbours (-1 for none); the velocity is g / |g|^2 (Bayly et al. 1998,
    10.1109/10.668746, with planes for its quadratics). ``dimension`` is that of the
    tissue: 3 a volume, 2 a surface (the gradient lies in the tangent plane, spanned
    by the two directions in which the neighbours spread most), 1 a cable.

    A node is ``sound`` unless it or a neighbour was never activated, or the part of
    the differences that the plane leaves, root of the ratio of weighted squares,
    exceeds ``largest_residual``: a collision or a source at the node leaves 1, one
    half-way to a neighbour 0.71, and 0.3 bounds the error of a speed beside one to a
    third.
    """
    if dimension not in (1, 2, 3):
        raise ValueError(
            f"A tissue has dimension 1, 2 or 3; got {dimension}. For a surface type "
            "conduction_velocity(..., dimension=2)."
        )
    nodes = jnp.asarray(nodes)
    time = jnp.asarray(activation)
    sums = _neighbour_sums(time, nodes, jnp.asarray(neighbours))
    values, vectors = jnp.linalg.eigh(sums.spread)
    kept = (jnp.arange(3) >= 3 - dimension)[None, :]
    # 1e-4 is a spread of 1 % of the widest: a flat piece, not a thin one
    kept = kept & (values > 1e-4 * values[:, -1:])
    inverse = jnp.where(kept, 1.0 / jnp.where(kept, values, 1.0), 0.0)
    along = jnp.einsum("nij,ni->nj", vectors, sums.moment)
    gradient = jnp.einsum("nij,nj->ni", vectors, inverse * along)
    left = sums.total - jnp.sum(gradient * sums.moment, axis=1)
    steep = jnp.sum(gradient**2, axis=1)
    known = (steep > 0.0) & ~jnp.isnan(time)
    sound = (
        known
        & sums.complete
        & (jnp.sum(kept, axis=1) == dimension)
        & (left <= largest_residual**2 * sums.total)
    )
    steep = jnp.where(known, steep, jnp.nan)
    return Velocity(gradient / steep[:, None], 1.0 / jnp.sqrt(steep), sound)


def total_activation_time(activation: Float[ArrayLike, "*nodes"]) -> Float[Array, ""]:
    """From the first to the last activation (ms); NaN where there is none."""
    times = jnp.asarray(activation)
    known = ~jnp.isnan(times)
    last = jnp.max(jnp.where(known, times, -jnp.inf))
    first = jnp.min(jnp.where(known, times, jnp.inf))
    return jnp.where(jnp.any(known), last - first, jnp.nan)


def isochrones(
    activation: Float[ArrayLike, " n_node"], step: float, *, start: float | None = None
) -> Int[Array, " n_node"]:
    """The band of ``step`` ms each node falls in, from ``start`` or the first time.

    -1 where never activated or before the start.
    """
    if not step > 0.0:
        raise ValueError(f"Isochrones need a step above 0 ms; got {step} ms.")
    times = jnp.asarray(activation)
    known = ~jnp.isnan(times)
    if start is None:
        first = jnp.min(jnp.where(known, times, jnp.inf))
    else:
        first = jnp.asarray(start, times.dtype)
    band = jnp.floor((jnp.where(known, times, first - step) - first) / step)
    return jnp.where(band >= 0.0, band, -1.0).astype(jnp.int32)


class _Sums(eqx.Module):
    spread: Float[Array, "n_node 3 3"]
    moment: Float[Array, "n_node 3"]
    total: Float[Array, " n_node"]
    complete: Bool[Array, " n_node"]


def _neighbour_sums(time: Array, nodes: Array, neighbours: Array) -> _Sums:
    """What the least squares need, added up one neighbour at a time."""

    def add(sums: _Sums, row: Array) -> tuple[_Sums, None]:
        there = row >= 0
        step = nodes[row] - nodes
        later = time[row] - time
        known = there & ~jnp.isnan(later)
        later = jnp.where(known, later, 0.0).astype(step.dtype)
        squared = jnp.sum(step**2, axis=1)
        weight = jnp.where(known, 1.0 / jnp.where(known, squared, 1.0), 0.0)
        pull = weight[:, None] * step
        return _Sums(
            sums.spread + pull[:, :, None] * step[:, None, :],
            sums.moment + pull * later[:, None],
            sums.total + weight * later**2,
            sums.complete & (known | ~there),
        ), None

    empty = _Sums(
        jnp.zeros((time.size, 3, 3), nodes.dtype),
        jnp.zeros_like(nodes),
        jnp.zeros_like(nodes[:, 0]),
        jnp.ones(time.shape, bool),
    )
    return jax.lax.scan(add, empty, neighbours)[0]


def _recording(t: ArrayLike, v: ArrayLike) -> tuple[Array, Array]:
    times, voltage = jnp.asarray(t), jnp.asarray(v)
    if times.shape[0] != voltage.shape[0] or times.shape[0] < 2:
        raise ValueError(
            "A recording needs at least two times and one row of V for each; got "
            f"{times.shape[0]} times and V of shape {voltage.shape}."
        )
    # frames may be kept in half precision; times keep their own
    return _single(times), _single(voltage)


def _single(values: Array) -> Array:
    """In float32 at least."""
    return values.astype(jnp.promote_types(values.dtype, jnp.float32))


@jax.jit
def _most(height: Array) -> Array:
    passes = (height[:-1] < 0.0) & (height[1:] >= 0.0)
    return jnp.max(jnp.sum(passes, axis=0), initial=0)


@partial(jax.jit, static_argnames=("n_event", "blanking"))
def _crossings(t: Array, height: Array, n_event: int, blanking: float) -> Array:
    n_t, n_node = height.shape
    passes = (height[:-1] < 0.0) & (height[1:] >= 0.0)
    # the first crossing at or after each sample; n_t - 1 says that there is none
    here = jnp.where(passes, jnp.arange(n_t - 1, dtype=jnp.int32)[:, None], n_t - 1)
    none = jnp.full((n_node,), n_t - 1, here.dtype)
    following = jnp.concatenate([_least_to_come(here, none), none[None]])

    def next_event(start: Array, _: Any) -> tuple[Array, Array]:
        k = _rows(following, start)
        found = k < n_t - 1
        k = jnp.minimum(k, n_t - 2)
        before, after = _rows(height, k), _rows(height, k + 1)
        fraction = before / jnp.where(found, before - after, 1.0)
        time = t[k] + (t[k + 1] - t[k]) * fraction.astype(t.dtype)
        rest = jnp.searchsorted(t, time + blanking).astype(k.dtype)
        start = jnp.where(found, jnp.maximum(k + 1, rest), n_t - 1)
        return jnp.minimum(start, n_t - 1), jnp.where(found, time, jnp.nan)

    start = jnp.zeros((n_node,), here.dtype)
    return jax.lax.scan(next_event, start, None, length=n_event)[1]


def _least_to_come(values: Array, end: Array) -> Array:
    """The least of each row and those after it; lax.cummin takes six times as long."""

    def less(least: Array, row: Array) -> tuple[Array, Array]:
        least = jnp.minimum(least, row)
        return least, least

    return jax.lax.scan(less, end, values, reverse=True)[1]


def _rows(values: Array, row: Array) -> Array:
    """values[row[i], i] for every column i."""
    return jnp.take_along_axis(values, row[None, :], axis=0)[0]
