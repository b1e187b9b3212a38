"""The periodic beat by Newton's method on the one-beat map."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree

from physio.inputs import at_mean
from physio.parameters import require_float64
from physio.stepping import (
    STEPS_PER_BEAT,
    _compact,
    _finite,
    _held,
    _march_beats,
    _stepper,
)
from physio.system import AbstractRegulated, Periodic, State, Trajectory


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
