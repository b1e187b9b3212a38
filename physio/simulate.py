"""Run a system: adaptive steps, fixed steps, or straight to its periodic beat.

``simulate`` is the reference (diffrax, adaptive); ``march`` takes fixed Runge-Kutta
steps with the time-only part of the rate tabulated outside its loop; ``settle``
finds the periodic beat by Newton's method on the map of one beat, differentiated
implicitly.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from physio.stepping import (
    STEPS_PER_BEAT,
    _joined,
    _march_beats,
    _rate,
    _saved,
    _stepper,
    _trajectory,
)
from physio.system import (
    AbstractBeating,
    AbstractStepper,
    AbstractSystem,
    State,
    Trajectory,
)


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
