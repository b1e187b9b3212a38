"""Run a system: adaptive steps, fixed steps, or straight to its periodic beat.

``simulate`` is the reference (diffrax, adaptive); ``march`` takes fixed Runge-Kutta
steps with the time-only part of the rate tabulated outside its loop; ``settle``
finds the periodic beat by Newton's method on the map of one beat, differentiated
implicitly.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from physio.compose import Augmented
from physio.inputs import at_mean
from physio.parameters import require_float64
from physio.system import (
    AbstractBeating,
    AbstractRegulated,
    AbstractStepper,
    AbstractSystem,
    Periodic,
    State,
    Trajectory,
)

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


@eqx.filter_jit
def _march_steps(
    system: Any, inputs: PyTree, y0: State, steps: int, dt: float, save_every: int
) -> Trajectory:
    def time(index: Array) -> Array:
        return index * jnp.asarray(dt, jnp.result_type(float))

    if isinstance(system, AbstractStepper):
        prepared = system.prepare(dt)

        def step(index: Array, y: State, /) -> State:
            return system.step(prepared, time(index), y, dt, inputs)
    else:
        times = time(jnp.arange(steps + 1))
        step = _stepper(system, _rate(system, inputs), times, inputs, rolled=False)
    _, y = _saved(step, y0, steps, save_every)
    t = time(jnp.arange(0, steps + 1, save_every))
    return _trajectory(system, t, _joined(y0, y), inputs)


def march(
    system: Any,
    t: float | None = None,
    inputs: PyTree = None,
    *,
    y0: State | None = None,
    dt: float | None = None,
    beats: int | None = None,
    steps_per_beat: int = STEPS_PER_BEAT,
    save_every: int = 1,
) -> Trajectory:
    """Run with fixed steps, either for a time or for a number of beats.

    ``march(system, t, dt=...)`` covers 0 ... t in steps of dt (the system's unit of
    time). ``march(system, beats=n)`` takes ``steps_per_beat`` steps in each beat,
    placed on the corners of the activation. Every ``save_every``-th state is kept,
    the first included. ``Trajectory.ok`` is False where a value is not finite.
    Raises ``ValueError`` where the steps do not divide into what is to be saved.
    """
    y0 = system.initial_state() if y0 is None else y0
    if beats is not None:
        if t is not None or dt is not None:
            raise ValueError("march takes either beats=n or t and dt, not both.")
        if not isinstance(system, AbstractBeating):
            raise ValueError(f"{type(system).__name__} does not beat; give t and dt.")
        if steps_per_beat % save_every:
            raise ValueError(
                f"save_every={save_every} does not divide steps_per_beat="
                f"{steps_per_beat}."
            )
        return _march_beats(system, inputs, y0, beats, steps_per_beat, save_every)
    if t is None or dt is None:
        raise ValueError("march wants beats=n, or t and dt.")
    steps = round(t / dt)
    if steps < 1 or abs(steps * dt - t) > 1e-6 * t or steps % save_every:
        raise ValueError(
            f"t={t} must be a whole number of steps of dt={dt}, and of "
            f"save_every={save_every} steps."
        )
    return _march_steps(system, inputs, y0, steps, dt, save_every)


def simulate(
    system: AbstractSystem,
    t: Float[Array, " n_t"],
    inputs: PyTree = None,
    *,
    y0: State | None = None,
    solver: Any = None,
    rtol: float = 1e-6,
    atol: float = 1e-6,
    max_steps: int = 1_000_000,
    adjoint: Any = None,
) -> Trajectory:
    """Run with adaptive steps and return the state at the times asked for.

    The tolerances' default keeps Jacobians within 1e-3; looser steps give right
    values and wrong Jacobians. ``solver`` is a diffrax solver, Tsit5 by default;
    ``adjoint=diffrax.ForwardMode()`` for Jacobians by forward mode.
    ``Trajectory.ok`` is False where the solver gave up.
    """
    import diffrax  # here: no command of the application waits for it

    y0 = system.initial_state() if y0 is None else y0
    # one vector: diffrax refuses a state with empty parts, and stiff solvers want it
    start, unravel = ravel_pytree(y0)

    def field(t: Any, y: Any, inputs: PyTree) -> Array:
        return ravel_pytree(system.vector_field(t, unravel(y), inputs))[0]

    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field),
        diffrax.Tsit5() if solver is None else solver,
        t[0],
        t[-1],
        None,
        start,
        inputs,
        saveat=diffrax.SaveAt(ts=t),
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
        max_steps=max_steps,
        adjoint=diffrax.RecursiveCheckpointAdjoint() if adjoint is None else adjoint,
        throw=False,
    )
    run = _trajectory(system, t, jax.vmap(unravel)(jnp.asarray(solution.ys)), inputs)
    good = solution.result == diffrax.RESULTS.successful
    return eqx.tree_at(lambda r: r.ok, run, run.ok & good)


def beat_map(
    system: AbstractRegulated, y: State, inputs: PyTree, steps: int
) -> tuple[State, PyTree]:
    """The state one beat later, and the beat's means of what the regulator senses."""
    times = system.beat_times(steps, jnp.asarray(0))

    def begin(t: Array, both: Any) -> Any:
        now = _held(system, t, both[0], inputs)

        def field(forcing: Any, t: Array, both: Any) -> Any:
            sensed = now.sensed(forcing, t, both[0], inputs)
            return now.rate(forcing, t, both[0], inputs), sensed

        return field

    step = _stepper(system, begin, times, inputs, rolled=_compact())
    zero = jax.tree.map(jnp.zeros_like, system.unknowns())
    y, total = jax.lax.fori_loop(0, steps, step, (y, zero))
    period = times[-1] - times[0]
    return y, jax.tree.map(lambda x: x / period, total)


def _stopped(tree: PyTree) -> PyTree:
    """The tree with no derivative passing through its arrays."""
    return jax.tree.map(
        lambda x: jax.lax.stop_gradient(x) if eqx.is_inexact_array(x) else x, tree
    )


def _newton(
    residual: Callable[[Array], Array], z: Array, tol: float, most: int
) -> tuple[Array, Array, Array]:
    """Damped Newton; the root, the Jacobian there and the number of steps taken.

    The error is measured against the size of each unknown; a step that does not
    lessen it, or leads to a value that is not finite, is halved.
    """
    directions = jnp.eye(z.size, dtype=z.dtype)

    def evaluate(z: Array) -> tuple[Array, Array]:
        return jax.vmap(lambda v: jax.jvp(residual, (z,), (v,)), out_axes=(None, -1))(
            directions
        )

    def size(z: Array, f: Array) -> Array:
        return jnp.max(jnp.abs(f) / (1.0 + jnp.abs(z)))

    def unfinished(carry: Any) -> Array:
        _, f, _, _, _, tried = carry
        return (jnp.max(jnp.abs(f)) > tol) & (tried < most)

    def improve(carry: Any) -> Any:
        z, f, jacobian, share, steps, tried = carry
        step = jnp.linalg.solve(jacobian, jnp.where(jnp.isfinite(f), f, 0.0))
        trial = z - share * step
        f_trial, jacobian_trial = evaluate(trial)
        better = size(z, f_trial) < size(z, f)
        old, new = (z, f, jacobian), (trial, f_trial, jacobian_trial)
        kept = jax.tree.map(lambda a, b: jnp.where(better, a, b), new, old)
        share = jnp.where(better | (tried < 0), 1.0, 0.5 * share)
        return *kept, share, steps + better, tried + 1

    # The first turn of the loop only evaluates at z (a zero step from an infinite
    # error): the beat's derivative is compiled once, not twice.
    none, infinite = jnp.asarray(0), jnp.full_like(z, jnp.inf)
    unit = jnp.eye(z.size, dtype=z.dtype)
    start = (z, infinite, unit, jnp.zeros((), z.dtype), none - 1, none - 1)
    z, _, jacobian, _, steps, _ = jax.lax.while_loop(unfinished, improve, start)
    return z, jacobian, steps


@eqx.filter_jit
def _settle(
    system: AbstractRegulated, inputs: PyTree, y0: State, tol: float, most: int,
    steps: int,
) -> Periodic:  # fmt: skip
    inputs = at_mean(inputs)
    start, unravel = ravel_pytree((y0, system.unknowns()))

    def residual(system: AbstractRegulated, inputs: PyTree, z: Array) -> Array:
        y, unknowns = unravel(z)
        end, means = beat_map(system.regulated(unknowns), y, inputs, steps)
        change = jax.tree.map(jnp.subtract, end, y)
        return ravel_pytree((change, system.balance(means, unknowns)))[0]

    fixed, held = _stopped(system), _stopped(inputs)
    z, jacobian, count = _newton(
        lambda z: residual(fixed, held, z), jax.lax.stop_gradient(start), tol, most
    )
    # One more Newton step with the Jacobian held: its derivative with respect to the
    # parameters is the implicit one, in forward and in reverse mode.
    f = residual(system, inputs, z)
    z = z - jnp.linalg.solve(jacobian, f)
    y, unknowns = unravel(z)
    error = jax.lax.stop_gradient(jnp.max(jnp.abs(f)))
    ok = (error <= tol) & _finite(z)
    return Periodic(system.regulated(unknowns), y, unknowns, error, count, ok)


def settle(
    system: AbstractRegulated,
    inputs: PyTree = None,
    *,
    y0: State | None = None,
    tol: float = 1e-8,
    max_iterations: int = 30,
    steps_per_beat: int = STEPS_PER_BEAT,
) -> Periodic:
    """The periodic beat, by Newton's method on the map of one beat.

    The regulator's unknowns are solved for in the same Newton system; slow inputs
    are held at their mean. ``Periodic.ok`` is False where the largest change over
    one beat stays above ``tol`` (in the units of the state). Derivatives are
    implicit. Raises ``ValueError`` for a system with float32 values.
    """
    require_float64(system)
    y0 = system.initial_state() if y0 is None else y0
    return _settle(system, inputs, y0, tol, max_iterations, steps_per_beat)


def periodic_beat(
    periodic: Periodic, inputs: PyTree = None, *, steps_per_beat: int = STEPS_PER_BEAT
) -> Trajectory:
    """One beat of the periodic state, ``steps_per_beat + 1`` points."""
    return _march_beats(
        periodic.system, at_mean(inputs), periodic.state, 1, steps_per_beat, 1,
        rolled=_compact(),
    )  # fmt: skip
