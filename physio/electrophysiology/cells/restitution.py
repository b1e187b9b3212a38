"""Restitution and alternans: how the action potential depends on the pause before it.

Every interval or cycle length is a lane of one program; lanes share the step count
and differ in their trains of pulses.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from physio.electrophysiology.cells.protocols import (
    Train,
    _pulse,
    action_potential,
    crossing,
    pace,
    run_train,
    steps_of,
)


class Restitution(eqx.Module):
    """Duration against the pause before it, one entry per interval; ms.

    ``interval`` is the S1-S2 interval or the cycle length, ``diastolic`` the time from
    90 % repolarisation to the pulse, ``apd`` the APD90 that followed and ``previous``
    the one before. NaN where the pulse excited nothing or came before repolarisation.
    """

    interval: Float[Array, " n_interval"]
    diastolic: Float[Array, " n_interval"]
    apd: Float[Array, " n_interval"]
    previous: Float[Array, " n_interval"]


def _times(values: Sequence[float], what: str) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0 or not (array > 0).all():
        raise ValueError(f"{what} is a list of positive times in ms; got {values!r}.")
    return array


def _lanes(y: PyTree, count: int) -> PyTree:
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (count,)), y)


def s1s2(
    cell: Any,
    s1: float,
    intervals: Sequence[float],
    *,
    beats: int = 20,
    dt: float = 0.01,
    y0: PyTree = None,
    stimulus: tuple[float, float] | None = None,
    save_every: float = 0.5,
) -> Restitution:
    """S1-S2 restitution: ``beats`` at cycle length ``s1``, then one pulse per interval.

    Raises ``ValueError`` where a time is not a whole number of steps.
    """
    pauses = _times(intervals, "intervals")
    strength, width = _pulse(cell, stimulus, dt)
    every = steps_of(save_every, dt, "save_every")
    pause = np.array([steps_of(x, dt, "An S1-S2 interval") for x in pauses])
    if beats > 1:
        last = pace(cell, s1, beats - 1, dt=dt, y0=y0, stimulus=stimulus).y
        y0 = jax.tree.map(lambda x: x[-1], last)
    y = _lanes(cell.initial_state() if y0 is None else y0, len(pause))
    # long enough for the action potential of the last pulse
    rows = int(np.ceil((pause.max() * dt + 1.5 * s1) / save_every))
    train = Train(
        jnp.zeros_like(pause), jnp.asarray(pause), jnp.asarray(pause + width),
        jnp.full_like(pause, width), jnp.full(pause.shape, strength, y.v.dtype),
    )  # fmt: skip
    kept = run_train(cell, y, train, np.full(rows, every), dt, ("v",))
    t = jnp.arange(1, rows + 1) * save_every
    pulses = jnp.asarray(pauses)
    ends = jnp.full_like(pulses, jnp.inf)
    return _measured(cell.threshold, t, kept["v"], 0 * pulses, pulses, ends, pulses)


def dynamic(
    cell: Any,
    cycle_lengths: Sequence[float],
    *,
    beats: int = 50,
    dt: float = 0.01,
    y0: PyTree = None,
    stimulus: tuple[float, float] | None = None,
    save_every: float = 0.5,
) -> Restitution:
    """Dynamic restitution: all cycle lengths paced as long as ``beats`` of the longest.

    The last two beats are measured, so that ``previous`` and ``apd`` differ where the
    duration alternates. Raises ``ValueError`` where a time is not a whole number of
    steps.
    """
    cycles = _times(cycle_lengths, "cycle_lengths")
    strength, width = _pulse(cell, stimulus, dt)
    every = steps_of(save_every, dt, "save_every")
    period = np.array([steps_of(x, dt, "A cycle length") for x in cycles])
    longest = period.max()
    rows = int(np.ceil(2 * longest / every))
    total = max(beats, 2) * longest + (-longest * max(beats, 2)) % every
    y = _lanes(cell.initial_state() if y0 is None else y0, len(period))
    train = Train(
        # every lane ends as one of its beats does
        jnp.asarray(total % period), jnp.asarray(period),
        jnp.full_like(period, total), jnp.full_like(period, width),
        jnp.full(period.shape, strength, y.v.dtype),
    )  # fmt: skip
    counts = np.full(rows + 1, every)
    counts[0] = total - rows * every
    kept = run_train(cell, y, train, counts, dt, ("v",))
    t = (jnp.arange(rows + 1) - rows) * save_every
    cycle = jnp.asarray(cycles)
    return _measured(cell.threshold, t, kept["v"], -2 * cycle, -cycle, 0 * cycle, cycle)


@eqx.filter_jit
def _measured(
    threshold: float,
    t: Float[Array, " n_t"],
    v: Float[Array, "n_t n_interval"],
    first: Float[Array, " n_interval"],
    second: Float[Array, " n_interval"],
    end: Float[Array, " n_interval"],
    interval: Float[Array, " n_interval"],
) -> Restitution:
    """The two action potentials that begin at ``first`` and ``second``."""

    def one(v: Array, first: Array, second: Array, end: Array) -> tuple[Array, ...]:
        rest = v[jnp.argmin(jnp.abs(t - first))]
        rest = jnp.minimum(rest, jnp.where(t >= first, v, jnp.inf).min())
        apd, repolarised = _duration(threshold, t, v, first, second, rest)
        after, _ = _duration(threshold, t, v, second, end, rest)
        pause = second - repolarised
        return pause, jnp.where(jnp.isnan(pause), jnp.nan, after), apd

    pause, apd, previous = jax.vmap(one, in_axes=(1, 0, 0, 0))(v, first, second, end)
    return Restitution(interval, pause, apd, previous)


def _duration(
    threshold: float, t: Array, v: Array, start: Array, end: Array, rest: Array
) -> tuple[Array, Array]:
    """APD90 of what happens from ``start`` to ``end``, and when it is over."""
    within = (t >= start) & (t <= end)
    part = jnp.where(within, v, rest)
    figures = action_potential(t, part, rest)
    top = jnp.argmax(part)
    over = crossing(t, part, part[top] - 0.9 * (part[top] - rest), top)
    excited = (part[top] > threshold) & (over < end)
    nothing = jnp.asarray(jnp.nan, v.dtype)
    return (
        jnp.where(excited, figures.apd90, nothing),
        jnp.where(excited, over, nothing),
    )


def alternans(
    cell: Any, cycle_lengths: Sequence[float], **options: Any
) -> tuple[Float[Array, " n_interval"], Restitution]:
    """Difference of APD90 between the last two beats (ms) at each cycle length.

    NaN where a beat was not captured: a 2:1 response is not alternans. Options are
    those of :func:`dynamic`.
    """
    curve = dynamic(cell, cycle_lengths, **options)
    return jnp.abs(curve.apd - curve.previous), curve


def table(
    cell: Any,
    cycle_length: float = 1000.0,
    *,
    beats: int = 100,
    intervals: Sequence[float] = (),
    cycle_lengths: Sequence[float] = (),
    **options: Any,
) -> dict[str, float | np.ndarray]:
    """Everything one prints and plots of a cell, from one call.

    Pace ``beats`` at ``cycle_length`` and measure the last: ``rest``, ``peak``,
    ``upstroke`` (per ms), ``apd30``, ``apd50``, ``apd90`` (ms), ``calcium_low`` and
    ``calcium_high`` (mM, where the model has calcium), the trace as ``t`` and ``v``.
    ``intervals`` adds S1-S2 restitution as ``s1s2_...``, ``cycle_lengths`` dynamic
    restitution as ``dynamic_...`` with ``dynamic_alternans``. Options are those of
    :func:`physio.electrophysiology.cells.protocols.pace`.
    """
    beat = pace(cell, cycle_length, beats, **options)
    figures = action_potential(beat.t, beat.y.v)
    out: dict[str, float | np.ndarray] = {
        field.name: float(getattr(figures, field.name))
        for field in dataclasses.fields(figures)
        if field.name != "start"
    }
    if "cai" in {field.name for field in dataclasses.fields(beat.y)}:
        out["calcium_low"] = float(beat.y.cai.min())
        out["calcium_high"] = float(beat.y.cai.max())
    out["t"], out["v"] = np.asarray(beat.t), np.asarray(beat.y.v)
    options = {k: x for k, x in options.items() if k in ("dt", "stimulus")}
    options["y0"] = jax.tree.map(lambda x: x[-1], beat.y)
    if len(intervals):
        curve = s1s2(cell, cycle_length, intervals, beats=1, **options)
        out |= _columns("s1s2", curve)
    if len(cycle_lengths):
        difference, curve = alternans(cell, cycle_lengths, **options)
        out |= _columns("dynamic", curve)
        out["dynamic_alternans"] = np.asarray(difference)
    return out


def _columns(name: str, curve: Restitution) -> dict[str, np.ndarray]:
    return {
        f"{name}_{field.name}": np.asarray(getattr(curve, field.name))
        for field in dataclasses.fields(curve)
    }
