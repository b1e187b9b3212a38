"""Pacing one cell, and what its action potential measures.

Cells are paced in float64, with an integer count of steps. One compiled program serves
every cycle length, number of beats and stimulus: trains of pulses and counts of steps
are its arguments, and rows are padded to a power of two.
"""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, PyTree

from physio.electrophysiology.cells.cell import changed, relaxed, rush_larsen
from physio.system import Trajectory


class Train(eqx.Module):
    """Pulses counted in steps: at ``first``, then every ``period``, none from ``last``.

    ``strength`` in uA/uF (the model's own unit where it is dimensionless).
    """

    first: Int[Array, "*lane"]
    period: Int[Array, "*lane"]
    last: Int[Array, "*lane"]
    width: Int[Array, "*lane"]
    strength: Float[Array, "*lane"]

    def __call__(self, k: Int[Array, ""]) -> Float[Array, "*lane"]:
        """The stimulus during step k."""
        since = k - self.first
        on = (since >= 0) & (since % self.period < self.width) & (k < self.last)
        return jnp.where(on, self.strength, jnp.zeros_like(self.strength))


def steps_of(time: float, dt: float, what: str) -> int:
    """The whole number of steps in a time; ``ValueError`` where it is not whole."""
    count = round(time / dt)
    if count < 1 or not math.isclose(count * dt, time, rel_tol=1e-9):
        raise ValueError(
            f"{what} is a whole number of steps, at least one; {time} ms is "
            f"{time / dt:.6g} steps of {dt} ms."
        )
    return count


def midpoint(cell: Any, y: Any, diffusion: Any, stimulus: Any, dt: Any) -> Any:
    """A second-order Rush-Larsen step: half a plain one, then all from there.

    The upstroke's peak is 0.01 mV off at dt 0.01 ms where the plain step, whose
    voltage goes forward, is 0.2 mV off; it costs two. Sundnes, Artebrant, Skavhaug,
    Tveito 2009, 10.1109/TBME.2009.2014739.
    """
    stimulus = jnp.asarray(stimulus, y.v.dtype)
    half = rush_larsen(cell, y, diffusion, stimulus, 0.5 * dt)
    rest = {
        name: getattr(y, name) + dt * rate
        for name, rate in cell.rates(half, stimulus).items()
    }
    gates = {
        name: relaxed(getattr(y, name), gate, dt)
        for name, gate in cell.gates(half).items()
    }
    v = y.v + dt * (diffusion + stimulus - cell.current(half))
    return changed(y, v=v, **gates, **rest)


Step = Callable[[Any, PyTree, Any, Any, Any], PyTree]


def run_train(
    cell: Any,
    y: PyTree,
    train: Train,
    counts: np.ndarray,
    dt: float,
    names: tuple[str, ...] | None = None,
    step: Step = midpoint,
) -> PyTree:
    """The states named (all where None) after each count of steps."""
    rows = len(counts)
    padded = np.zeros(1 << max(10, (rows - 1).bit_length()), dtype=np.int64)
    padded[:rows] = counts
    kept = _run(
        cell, y, train, jnp.asarray(padded), jnp.asarray(dt, y.v.dtype), names, step
    )
    return jax.tree.map(lambda x: x[:rows], kept)


@eqx.filter_jit
def _run(
    cell: Any,
    y: PyTree,
    train: Train,
    counts: Int[Array, " n_row"],
    dt: Float[Array, ""],
    names: tuple[str, ...] | None,
    step: Step,
) -> PyTree:
    def once(k: Array, y: PyTree) -> PyTree:
        return step(cell, y, jnp.zeros_like(y.v), train(k), dt)

    def row(carry: tuple[Array, PyTree], count: Array) -> tuple[Any, PyTree]:
        k, y = carry
        y = jax.lax.fori_loop(k, k + count, once, y)
        kept = y if names is None else {name: getattr(y, name) for name in names}
        return (k + count, y), kept

    return jax.lax.scan(row, (jnp.zeros((), counts.dtype), y), counts)[1]


def pace(
    cell: Any,
    cycle_length: float,
    beats: int,
    *,
    dt: float = 0.01,
    y0: PyTree = None,
    stimulus: tuple[float, float] | None = None,
    onset: float = 0.0,
    save_every: float = 0.1,
    step: Step = midpoint,
) -> Trajectory:
    """Pace a cell, and return the last beat.

    Every time is in ms. ``stimulus`` is (uA/uF, ms), the model's published one by
    default; it begins ``onset`` after the start of a beat. The trajectory's times run
    from 0 to ``cycle_length`` in steps of ``save_every``, its last state is the final
    one. ``y0`` may be a batch of states, for one cell or one cell each. ``step`` is
    :func:`midpoint` or the tissue's ``rush_larsen``. Raises ``ValueError`` where a
    time is not a whole number of steps.
    """
    every = steps_of(save_every, dt, "save_every")
    period = steps_of(cycle_length, dt, "cycle_length")
    rows = steps_of(cycle_length, save_every, "cycle_length in units of save_every")
    if beats < 1:
        raise ValueError(f"At least one beat is paced; got beats={beats}.")
    late = steps_of(onset, dt, "onset") if onset else 0
    strength, width = _pulse(cell, stimulus, dt)
    y = cell.initial_state() if y0 is None else y0
    kind = y.v.dtype
    train = Train(
        jnp.asarray(late),
        jnp.asarray(period),
        jnp.asarray(beats * period),
        jnp.asarray(width),
        jnp.asarray(strength, kind),
    )
    counts = np.full(rows + 1, every)
    counts[0] = (beats - 1) * period
    kept = run_train(cell, y, train, counts, dt, None, step)
    t = jnp.arange(rows + 1, dtype=kind) * save_every
    ok = jnp.stack([jnp.isfinite(x).all() for x in jax.tree.leaves(kept)]).all()
    return Trajectory(t, kept, {"voltage": kept.v}, ok)


def _pulse(
    cell: Any, stimulus: tuple[float, float] | None, dt: float
) -> tuple[float, int]:
    strength, width = cell.stimulus if stimulus is None else stimulus
    return strength, steps_of(width, dt, "The stimulus")


class SteadyState(eqx.Module):
    """A paced cell's state at the start of a beat.

    ``change`` is the largest relative change of a state over the last beat, ``ok``
    whether it came below the tolerance within the beats allowed.
    """

    state: PyTree
    beats: int
    change: float
    ok: bool


def to_steady_state(
    cell: Any,
    cycle_length: float = 1000.0,
    *,
    tolerance: float = 1e-5,
    max_beats: int = 2000,
    dt: float = 0.01,
    y0: PyTree = None,
    stimulus: tuple[float, float] | None = None,
) -> SteadyState:
    """Pace until no state changes by more than ``tolerance`` over a beat.

    The change is relative to a state's size, or to 1e-6 (mM, or of a gate) where it is
    smaller. A gate that jumps at a voltage (Mitchell-Schaeffer, Bueno-Orovio) is met to
    within a step, so that such beats repeat to about dt / APD, no better. Raises
    ``ValueError`` in float32, whose concentrations cannot settle.
    """
    y = cell.initial_state() if y0 is None else y0
    if y.v.dtype != jnp.float64:
        raise ValueError(
            f"A steady state is found in float64; this cell is {y.v.dtype}. Before it "
            "is built, type: import cordax; cordax.setup()"
        )
    done, change = 0, math.inf
    while done < max_beats and change > tolerance:
        block = min(10, max_beats - done)
        beat = pace(cell, cycle_length, block, dt=dt, y0=y, stimulus=stimulus).y
        y = jax.tree.map(lambda x: x[-1], beat)
        done += block
        change = max(
            float(jnp.max(jnp.abs(x[-1] - x[0]) / jnp.maximum(jnp.abs(x[-1]), 1e-6)))
            for x in jax.tree.leaves(beat)
        )
        if not math.isfinite(change):
            break
    return SteadyState(y, done, change, change <= tolerance)


class ActionPotential(eqx.Module):
    """Figures of one action potential; times in ms, voltages in the model's unit.

    ``start`` is the steepest upstroke, ``upstroke`` its slope (per ms). A duration is
    NaN where the voltage does not come back.
    """

    rest: Float[Array, ""]
    peak: Float[Array, ""]
    upstroke: Float[Array, ""]
    start: Float[Array, ""]
    apd30: Float[Array, ""]
    apd50: Float[Array, ""]
    apd90: Float[Array, ""]


def action_potential(
    t: Float[ArrayLike, " n_t"],
    v: Float[ArrayLike, " n_t"],
    rest: Float[ArrayLike, ""] | None = None,
) -> ActionPotential:
    """Measure the first action potential of a trace.

    APDx runs from the steepest upstroke to where the voltage, falling, passes x % of
    the way from peak to rest, between samples by a straight line. The rest is the
    trace's least voltage unless given. Differentiable but for the sample of the
    steepest upstroke, whose place is refined by a parabola through its neighbours.
    """
    t, v = jnp.asarray(t), jnp.asarray(v)
    return _figures(t, v, v.min() if rest is None else jnp.asarray(rest, v.dtype))


@eqx.filter_jit
def _figures(
    t: Float[Array, " n_t"], v: Float[Array, " n_t"], base: Float[Array, ""]
) -> ActionPotential:
    top = jnp.argmax(v)
    peak = v[top]
    slope = (v[1:] - v[:-1]) / (t[1:] - t[:-1])
    k = jnp.argmax(slope)
    before = slope[jnp.maximum(k - 1, 0)]
    after = slope[jnp.minimum(k + 1, slope.shape[0] - 1)]
    bend = before - 2 * slope[k] + after
    inside = (k > 0) & (k < slope.shape[0] - 1) & (bend < 0)
    shift = jnp.where(inside, 0.5 * (before - after) / jnp.where(inside, bend, 1.0), 0)
    start = 0.5 * (t[k] + t[k + 1]) + shift * (t[k + 1] - t[k])
    durations = [
        crossing(t, v, peak - x * (peak - base), top) - start for x in (0.3, 0.5, 0.9)
    ]
    return ActionPotential(base, peak, slope[k], start, *durations)


def crossing(
    t: Float[Array, " n_t"],
    v: Float[Array, " n_t"],
    level: Float[Array, ""],
    after: Int[Array, ""],
) -> Float[Array, ""]:
    """When v first falls through a level after a sample; NaN where it never does."""
    index = jnp.arange(v.shape[0] - 1)
    falls: Bool[Array, " n"] = (index >= after) & (v[:-1] > level) & (v[1:] <= level)
    k = jnp.argmax(falls)
    drop = jnp.where(falls[k], v[k] - v[k + 1], 1.0)
    when = t[k] + (v[k] - level) / drop * (t[k + 1] - t[k])
    return jnp.where(falls[k], when, jnp.nan)
