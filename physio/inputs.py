"""What the world does to a system in time: schedules, callable in t.

Every schedule knows its long-run ``mean``, which the search for a periodic state
uses in its place.
"""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree


class AbstractSchedule(eqx.Module):
    """A quantity in time."""

    @abc.abstractmethod
    def __call__(self, t: Float[Array, ""]) -> PyTree:
        """The value at time t."""

    @abc.abstractmethod
    def mean(self) -> PyTree:
        """The value that stands for it in a periodic state."""


class Constant(AbstractSchedule):
    """The same value at all times."""

    value: Any

    def __call__(self, t: Float[Array, ""]) -> PyTree:
        return self.value

    def mean(self) -> PyTree:
        return self.value


class Steps(AbstractSchedule):
    """``values[k]`` from ``times[k]`` on, ``before`` until the first."""

    times: Float[Array, " n_step"]
    values: Float[Array, " n_step"]
    before: Float[Array, ""]

    def __call__(self, t: Float[Array, ""]) -> Float[Array, ""]:
        index = jnp.searchsorted(self.times, t, side="right")
        return jnp.concatenate([self.before[None], self.values])[index]

    def mean(self) -> Float[Array, ""]:
        return self.values[-1]


class Pulses(AbstractSchedule):
    """A train of ``count`` rectangular pulses of a given height.

    ``start``, ``duration`` and ``interval`` in the system's unit of time; the mean
    is that of the train over whole intervals.
    """

    start: Float[Array, ""]
    duration: Float[Array, ""]
    interval: Float[Array, ""]
    height: Float[Array, ""]
    count: int = eqx.field(static=True, default=1)

    def __call__(self, t: Float[Array, ""]) -> Float[Array, ""]:
        since = t - self.start
        number = jnp.floor(since / self.interval)
        inside = (since - number * self.interval < self.duration) & (number >= 0)
        return jnp.where(inside & (number < self.count), self.height, 0.0)

    def mean(self) -> Float[Array, ""]:
        return self.height * self.duration / self.interval


class Ramp(AbstractSchedule):
    """From ``before`` to ``after``, linear between ``start`` and ``stop``."""

    start: Float[Array, ""]
    stop: Float[Array, ""]
    before: Float[Array, ""]
    after: Float[Array, ""]

    def __call__(self, t: Float[Array, ""]) -> Float[Array, ""]:
        share = jnp.clip((t - self.start) / (self.stop - self.start), 0.0, 1.0)
        return self.before + share * (self.after - self.before)

    def mean(self) -> Float[Array, ""]:
        return self.after


def constant(value: Any) -> Constant:
    """A schedule that never changes."""
    return Constant(jax.tree.map(lambda v: jnp.asarray(v, float), value))


def steps(times: Any, values: Any, *, before: Any = 0.0) -> Steps:
    """A schedule of steps. Raises ``ValueError`` unless times rise and counts agree."""
    times, values = jnp.asarray(times, float), jnp.asarray(values, float)
    if times.ndim != 1 or times.shape != values.shape or times.size == 0:
        raise ValueError(
            f"steps wants as many times as values; got {times.shape}, {values.shape}."
        )
    if not bool(jnp.all(jnp.diff(times) > 0)):
        raise ValueError("steps wants rising times.")
    return Steps(times, values, jnp.asarray(before, float))


def pulses(
    start: Any, duration: Any, height: Any, *, interval: Any = 1e9, count: int = 1
) -> Pulses:
    """One rectangular pulse, or a train of ``count`` of them."""
    if not 0 < float(duration) <= float(interval):
        raise ValueError(
            f"A pulse of {duration} does not fit an interval of {interval}."
        )
    a, b, c, d = (jnp.asarray(v, float) for v in (start, duration, interval, height))
    return Pulses(a, b, c, d, count)


def ramp(start: Any, stop: Any, after: Any, *, before: Any = 0.0) -> Ramp:
    """A linear change between two times. Raises ``ValueError`` unless start < stop."""
    if not float(start) < float(stop):
        raise ValueError(f"ramp wants start < stop; got {start} and {stop}.")
    return Ramp(*(jnp.asarray(v, float) for v in (start, stop, before, after)))


def at_mean(inputs: PyTree) -> PyTree:
    """The inputs with every schedule held at its mean."""
    return jax.tree.map(
        lambda s: Constant(s.mean()) if isinstance(s, AbstractSchedule) else s,
        inputs,
        is_leaf=lambda s: isinstance(s, AbstractSchedule),
    )
