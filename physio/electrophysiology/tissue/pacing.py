"""When and where tissue is stimulated.

A :class:`Stimulus` adds ``strength * share`` (uA/uF) to a node from ``start + onset``
of each pulse on, for ``duration``. ``onset`` is infinite where it does not reach, so
that one array says where, and a spread of onsets imitates a conduction system.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


class Stimulus(eqx.Module):
    """A train of rectangular pulses at some nodes.

    ``starts`` (ms) rise; the spread of the onsets plus the duration is shorter than
    the gaps between them.
    """

    onset: Float[Array, " n_node"]
    share: Float[Array, " n_node"] | None
    starts: Float[Array, " n_pulse"]
    strength: Float[Array, ""]
    duration: Float[Array, ""]

    def __call__(self, t: Float[Array, ""]) -> Float[Array, " n_node"]:
        """The stimulus (uA/uF) at a time."""
        past = jnp.where(self.starts <= t, self.starts, -jnp.inf)
        since = t - jnp.max(past) - self.onset
        now = (since >= 0) & (since < self.duration)
        pulse = jnp.where(now, self.strength, 0)
        return pulse if self.share is None else pulse * self.share

    def later(self, delay: Any) -> "Stimulus":
        """The same train, ``delay`` ms later."""
        return eqx.tree_at(lambda s: s.starts, self, self.starts + delay)

    def ends(self) -> float:
        """When the last pulse is over (ms)."""
        spread = jnp.max(jnp.where(jnp.isfinite(self.onset), self.onset, 0))
        return float(self.starts[-1] + self.duration + spread)


class Pacing(eqx.Module):
    """Several stimuli together; callable in t."""

    stimuli: tuple[Stimulus, ...]

    def __call__(self, t: Float[Array, ""]) -> Float[Array, " n_node"]:
        first, *others = self.stimuli
        total = first(t)
        for stimulus in others:
            total = total + stimulus(t)
        return total

    def later(self, delay: Any) -> "Pacing":
        """Every stimulus ``delay`` ms later."""
        return Pacing(tuple(stimulus.later(delay) for stimulus in self.stimuli))

    def ends(self) -> float:
        """When the last pulse is over (ms)."""
        return max(stimulus.ends() for stimulus in self.stimuli)


def stimulate(
    where: Any,
    *,
    starts: Any = 0.0,
    strength: float = 52.0,
    duration: float = 1.0,
    onset: Any = None,
    share: Any = None,
    dtype: Any = None,
) -> Stimulus:
    """Pulses at the nodes of a mask ``(n_node,)``.

    ``starts`` (one or several) in ms; ``strength`` in uA/uF; ``onset`` (ms, per node)
    delays each node behind the pulse; ``share`` (per node) scales it. Raises
    ``ValueError`` for a mask that holds no node, starts that do not rise, or a spread
    that runs into the next pulse.
    """
    mask = np.asarray(where)
    if mask.ndim != 1 or mask.dtype != bool:
        raise ValueError(
            f"A stimulus wants a mask, one truth value per node; got {mask.dtype} of "
            f"shape {mask.shape}."
        )
    if not mask.any():
        raise ValueError(
            "The stimulus touches no node. Make its radius larger than the spacing of "
            "the nodes, or move it into the tissue."
        )
    times = np.atleast_1d(np.asarray(starts, float))
    delays = np.zeros(mask.size) if onset is None else np.asarray(onset, float)
    spread = float(np.ptp(delays[mask])) + duration
    gaps = np.diff(times)
    if duration <= 0 or (gaps.size and not (gaps > 0).all()):
        raise ValueError("Pulses want a positive duration and rising starts (ms).")
    if gaps.size and spread > gaps.min():
        raise ValueError(
            f"A pulse lasts {spread:g} ms with the spread of its onsets, and the next "
            f"follows after {gaps.min():g} ms."
        )
    kind = jnp.result_type(float) if dtype is None else dtype
    return Stimulus(
        jnp.asarray(np.where(mask, delays, np.inf), kind),
        None if share is None else jnp.asarray(share, kind),
        jnp.asarray(times, kind), jnp.asarray(strength, kind),
        jnp.asarray(duration, kind),
    )  # fmt: skip


def train(s1: float, count: int, *extra: float, start: float = 0.0) -> list[float]:
    """Start times of S1-S2-...: ``count`` pulses every ``s1`` ms, then the intervals.

    ``train(500, 8, 300, 250)`` is eight at 500 ms, one 300 ms after the last of them
    and one 250 ms after that.
    """
    if count < 1 or s1 <= 0 or any(interval <= 0 for interval in extra):
        raise ValueError("A train wants a pulse and positive intervals (ms).")
    times = [start + s1 * k for k in range(count)]
    for interval in extra:
        times.append(times[-1] + interval)
    return times


def burst(interval: float, duration: float, *, start: float = 0.0) -> list[float]:
    """Start times of a burst: every ``interval`` ms for ``duration`` ms."""
    return train(interval, 1 + int(duration // interval), start=start)


def within(
    nodes: Float[np.ndarray, "n_node 3"] | Float[Array, "n_node 3"],
    centre: Any,
    radius: float,
) -> np.ndarray:
    """The mask of nodes within ``radius`` (mm) of a point.

    Raises ``ValueError``, with the distance to the nearest node, where there is none.
    """
    distance = np.linalg.norm(np.asarray(nodes) - np.asarray(centre, float), axis=1)
    mask = distance <= radius
    if not mask.any():
        raise ValueError(
            f"No node lies within {radius:g} mm of {np.asarray(centre).tolist()}; the "
            f"nearest is {distance.min():.3g} mm away."
        )
    return mask


def from_roots(
    nodes: Any, roots: Any, times: Any, *, radius: float, **options: Any
) -> Stimulus:
    """Sinus-like activation: each root point (mm) at its own time (ms).

    A node within ``radius`` of several takes the earliest. Options as in
    :func:`stimulate`.
    """
    at = np.full(len(nodes), np.inf)
    for root, time in zip(np.atleast_2d(roots), np.atleast_1d(times), strict=True):
        near = within(nodes, root, radius)
        at[near] = np.minimum(at[near], time)
    mask = np.isfinite(at)
    return stimulate(mask, onset=np.where(mask, at, 0.0), **options)
