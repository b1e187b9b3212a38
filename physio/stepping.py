"""Fixed steps on a grid of the beat: Runge-Kutta and tables of activations."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from physio.compose import Augmented
from physio.system import AbstractBeating, AbstractSystem, State, Trajectory

STEPS_PER_BEAT = 400


def _finite(tree: PyTree) -> Array:
    leaves = [jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(tree)]
    return jnp.all(jnp.stack(leaves))


def _trajectory(system: Any, t: Array, y: State, inputs: PyTree) -> Trajectory:
    observed = jax.vmap(lambda t, y: system.observe(t, y, inputs))(t, y)
    within = None
    if isinstance(system, Augmented):
        within = jax.vmap(lambda t, y: system.within(t, y, inputs))(t, y)
    return Trajectory(t, y, observed, _finite(y), within)


def _axpy(a: Array, x: PyTree, y: PyTree) -> PyTree:
    return jax.tree.map(lambda x, y: y + a * x, x, y)


def runge_kutta_step(
    field: Callable[[Any, Array, State], State],
    forcings: tuple[Any, Any, Any],
    t: Float[Array, ""],
    dt: Float[Array, ""],
    y: State,
) -> State:
    """One classical fourth-order Runge-Kutta step of ``field(forcing, t, y)``.

    ``forcings`` are those at the step's start, middle and end.
    """
    first, middle, last = forcings
    half = 0.5 * dt
    k1 = field(first, t, y)
    k2 = field(middle, t + half, _axpy(half, k1, y))
    k3 = field(middle, t + half, _axpy(half, k2, y))
    k4 = field(last, t + dt, _axpy(dt, k3, y))
    return jax.tree.map(
        lambda y, a, b, c, d: y + dt * ((a + d) + 2.0 * (b + c)) / 6.0,
        y, k1, k2, k3, k4,
    )  # fmt: skip


# The same step's stages: where they stand in it, as a share and in rows of half steps,
# and what their rates weigh.
_NODE = np.array([0.0, 0.5, 0.5, 1.0])


_ROW = np.array([0, 1, 1, 2])


_WEIGHT = np.array([1.0, 2.0, 2.0, 1.0]) / 6.0


def _rolled_step(
    field: Callable[[Any, Array, State], State],
    forcing: Callable[[Array], Any],
    t: Float[Array, ""],
    dt: Float[Array, ""],
    y: State,
) -> State:
    """:func:`runge_kutta_step` as a loop over its stages: a quarter of the program.

    ``forcing`` takes the number of half steps after the step's start.
    """
    node, row, weight = jnp.asarray(_NODE), jnp.asarray(_ROW), jnp.asarray(_WEIGHT)

    def stage(s: Array, carry: tuple[State, State]) -> tuple[State, State]:
        rate, total = carry
        ahead = node[s] * dt
        rate = field(forcing(row[s]), t + ahead, _axpy(ahead, rate, y))
        return rate, _axpy(weight[s] * dt, rate, total)

    start = jax.tree.map(jnp.zeros_like, y)
    return jax.lax.fori_loop(0, len(_NODE), stage, (start, y))[1]


class _Table(eqx.Module):
    """The forcing at every step's start, middle and end, one row a half step."""

    rows: Float[Array, "n_half n_column"]
    unravel: Any = eqx.field(static=True)

    def __call__(self, step: Array) -> tuple[PyTree, PyTree, PyTree]:
        three = jax.lax.dynamic_slice_in_dim(self.rows, 2 * step, 3, axis=0)
        return self.unravel(three[0]), self.unravel(three[1]), self.unravel(three[2])

    def at(self, half_step: Array) -> PyTree:
        """The forcing of one row."""
        one = jax.lax.dynamic_index_in_dim(self.rows, half_step, keepdims=False)
        return self.unravel(one)


def _tabulate(system: AbstractSystem, times: Array, inputs: PyTree) -> _Table:
    middles = 0.5 * (times[:-1] + times[1:])
    halves = jnp.stack([times[:-1], middles], axis=1).reshape(-1)
    halves = jnp.append(halves, times[-1])
    _, unravel = ravel_pytree(system.forcing(times[0], inputs))
    rows = jax.vmap(lambda t: ravel_pytree(system.forcing(t, inputs))[0])(halves)
    return _Table(rows, unravel)


def _compact() -> bool:
    """Whether a step is a loop over its stages, where little runs at once.

    On a CPU that halves the time to compile a search for the periodic beat, and its
    derivative runs faster. On a GPU a step must be one kernel.
    """
    return jax.default_backend() == "cpu"


def _stepper(
    system: AbstractSystem, begin: Any, times: Array, inputs: PyTree, *, rolled: bool
) -> Callable[[Array, State], State]:
    """A function (index, y) -> y one step later, over given times.

    ``begin(t, y)`` gives the field of the step that starts there. The loop carries the
    state's named parts, not one flat vector: a population (``vmap``) then runs twice as
    fast, a single beat as fast. ``rolled`` steps are loops over their stages.
    """
    table = _tabulate(system, times, inputs)

    def step(index: Array, y: State, /) -> State:
        t = times[index]
        dt = times[index + 1] - t
        field = begin(t, y)
        if not rolled:
            return runge_kutta_step(field, table(index), t, dt, y)
        return _rolled_step(field, lambda k: table.at(2 * index + k), t, dt, y)

    return step


def _held(system: Any, t: Array, y: State, inputs: PyTree) -> Any:
    """The system of one step: learned corrections are evaluated at its start."""
    return system.held(t, y, inputs) if isinstance(system, Augmented) else system


def _rate(system: AbstractSystem, inputs: PyTree) -> Any:
    def begin(t: Array, y: State) -> Any:
        now = _held(system, t, y, inputs)
        return lambda forcing, t, y: now.rate(forcing, t, y, inputs)

    return begin


def _saved(step: Any, y: State, steps: int, save_every: int) -> tuple[State, State]:
    """Run ``steps`` steps; the final state, and the states after every few."""

    def chunk(y: State, first: Array) -> tuple[State, State]:
        y = jax.lax.fori_loop(0, save_every, lambda k, y: step(first + k, y), y)
        return y, y

    return jax.lax.scan(chunk, y, save_every * jnp.arange(steps // save_every))


def _joined(first: State, rest: State) -> State:
    return jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), first, rest)


@eqx.filter_jit
def _march_beats(
    system: AbstractBeating, inputs: PyTree, y0: State, beats: int, steps: int,
    save_every: int, *, rolled: bool = False,
) -> Trajectory:  # fmt: skip
    def one_beat(y: State, beat: Array) -> tuple[State, tuple[Array, State]]:
        times = system.beat_times(steps, beat)
        step = _stepper(system, _rate(system, inputs), times, inputs, rolled=rolled)
        y, saved = _saved(step, y, steps, save_every)
        return y, (times[save_every::save_every], saved)

    _, (t, y) = jax.lax.scan(one_beat, y0, jnp.arange(beats))
    t, y = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), (t, y))
    start = system.beat_times(steps, jnp.asarray(0))[0]
    t, y = jnp.append(start, t), _joined(y0, y)
    return _trajectory(system, t, y, inputs)
