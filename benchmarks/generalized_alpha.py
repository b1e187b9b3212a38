"""svZeroDSolver's time stepping, for any circulation of cordax.

Its cases were stored at 99 or 100 steps a cycle, where those with valves are far from
converged (its own scheme at 40 times the steps moves the closed loops by 25 to 29 %).
:func:`generalized_alpha` takes the steps of its src/algebra/Integrator.cpp (commit
c7b0ca09, BSD-3-Clause), so that the elements are compared apart from the steps.
"""

# pyright: reportCallIssue=false, reportArgumentType=false
# A param field converts the number it is given, and an abstract field's place is its
# subclass's: the type checker knows neither.

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, PyTree

from physio import Augmented, param, replace
from physio.hemodynamics import Circulation, ElasticVessel, InertialVessel
from physio.hemodynamics.elements.element import AbstractConnection
from physio.hemodynamics.elements.smooth_valves import InertialTanhDiode

# The method's constants for a spectral radius of 0.5
ALPHA_M, ALPHA_F = 0.5 * (3.0 - 0.5) / (1.0 + 0.5), 1.0 / (1.0 + 0.5)
GAMMA = 0.5 + ALPHA_M - ALPHA_F
TOL = 1e-9  # of its residual, as its case with coronaries asks


class ReboundingDiode(AbstractConnection):
    """svZeroDSolver's valve as its steps see it; only for :func:`generalized_alpha`.

    Open where q > 0 or the ``drop`` of pressure of the iterate before is above zero.
    While closed the rate keeps dp / L, which its steps remember although they set
    the flow itself to zero: at 99 steps a cycle that delays every opening.
    """

    source: str = eqx.field(static=True)
    target: str = eqx.field(static=True)
    resistance: Array = param(
        0.01, unit="mmHg s/mL", source="the case's file", doc="when open"
    )
    inertance: Array = param(
        2e-4, unit="mmHg s^2/mL", source="the case's file", doc="of the blood in it"
    )

    def initial_state(self) -> PyTree:
        zero = jnp.zeros_like(self.inertance)
        return {"flow": zero, "drop": zero}

    def flow(
        self, pressure_difference: Float[Array, ""], state: PyTree
    ) -> Float[Array, ""]:
        open_ = (state["flow"] > 0.0) | (state["drop"] > 0.0)
        return jnp.where(open_, state["flow"], 0.0)

    def derivative(
        self, pressure_difference: Float[Array, ""], state: PyTree
    ) -> PyTree:
        loss = self.resistance * self.flow(pressure_difference, state)
        rate = (pressure_difference - loss) / self.inertance
        return {"flow": rate, "drop": jnp.zeros_like(rate)}


def _base(system: Circulation | Augmented) -> Circulation:
    return system.base if isinstance(system, Augmented) else system


class _Steps(eqx.Module):
    """A circulation as svZeroDSolver's Integrator.cpp steps it (rho = 0.5).

    The unknowns are one vector; ``flows`` and ``drops`` say where in it the states
    of the rebounding valves stand. Their drop is no unknown: each iterate writes it
    for the next. ``weights`` bring the residual to the units of theirs.
    """

    system: Any
    loose: Any
    unravel: Callable[[Array], Any] = eqx.field(static=True)
    valves: tuple[str, ...] = eqx.field(static=True)
    flows: Int[Array, " n_valve"]
    drops: Int[Array, " n_valve"]
    weights: Float[Array, " n_unknown"]

    def rate(self, system: Any, t: Array, y: Array) -> Array:
        return ravel_pytree(system.vector_field(t, self.unravel(y), None))[0]

    def drop(self, t: Array, y: Array) -> Array:
        pressure = self.system.observe(t, self.unravel(y), None).pressure
        links = (_base(self.system).connections[name] for name in self.valves)
        found = [pressure[link.source] - pressure[link.target] for link in links]
        return jnp.stack(found) if found else jnp.zeros(0)

    def step(self, old: tuple[Array, Array], t: Array, dt: Array) -> Any:
        """The state and its rate one step later, and the state inside the step."""
        now, (y0, rate0) = t + ALPHA_F * dt, old

        def middle(y: Array, drop: Array) -> Array:
            return (y0 + ALPHA_F * (y - y0)).at[self.drops].set(drop)

        def residual(y: Array, rate: Array, drop: Array) -> Array:
            middle_rate = rate0 + ALPHA_M * (rate - rate0)
            return self.rate(self.system, now, middle(y, drop)) - middle_rate

        def improve(carry: Any) -> Any:
            y, rate, drop, left, count = carry
            at = middle(y, drop)
            jacobian = jax.jacfwd(lambda y: self.rate(self.loose, now, y))(at)
            matrix = ALPHA_M * jnp.eye(y.size) - ALPHA_F * GAMMA * dt * jacobian
            more = jnp.linalg.solve(matrix, left)
            # a closed valve's flow starts again from zero, but not its rate
            closed = (drop <= 0.0) & (at[self.flows] <= 0.0)
            kept = y.at[self.flows].multiply(jnp.where(closed, 0.0, 1.0))
            y, rate = kept + GAMMA * dt * more, rate + more
            drop = self.drop(now, middle(y, drop))
            return y, rate, drop, residual(y, rate, drop), count + 1

        def unfinished(carry: Any) -> Array:
            return (jnp.max(jnp.abs(carry[3] * self.weights)) > TOL) & (carry[4] < 30)

        rate, drop = rate0 * (1.0 - 1.0 / GAMMA), y0[self.drops]
        first = (y0, rate, drop, residual(y0, rate, drop), 0)
        y, rate, drop, _, _ = jax.lax.while_loop(unfinished, improve, first)
        inside = middle(y, drop)
        # pressures, too, are unknowns known inside the step only
        shown = y0[self.drops] + (drop - y0[self.drops]) / ALPHA_F
        return (y.at[self.drops].set(shown), rate), inside


def _stepper(system: Circulation | Augmented) -> tuple[_Steps, Array]:
    """The stepper of a system, and its start as one vector."""
    start, unravel = ravel_pytree(system.initial_state())
    place = unravel(jnp.arange(start.size, dtype=start.dtype))
    weights = jax.tree.map(jnp.ones_like, system.initial_state())
    links, loose, valves = _base(system).connections, system, []
    for name, link in links.items():
        if isinstance(link, ReboundingDiode):
            valves.append(name)
        if isinstance(link, ReboundingDiode | InertialVessel):
            weights.connection[name]["flow"] = link.inertance
        if isinstance(link, InertialTanhDiode):
            weights.connection[name]["drop"] = link.inertance / link.closed_resistance
    # its Jacobian leaves out what the ventricles' pressures do to the coronaries
    for name, part in _base(system).compartments.items():
        if isinstance(part, ElasticVessel):
            loose = replace(loose, f"{name}.squeeze_share", 0.0)

    def places(key: str) -> Array:
        found = [place.connection[name][key] for name in valves]
        return jnp.asarray(found, int)

    flat = ravel_pytree(weights)[0]
    steps = _Steps(
        system, loose, unravel, tuple(valves), places("flow"), places("drop"), flat
    )
    return steps, start


@eqx.filter_jit
def generalized_alpha(
    system: Circulation | Augmented, cycle: float, beats: int, steps: int
) -> tuple[Any, Any]:
    """The last beat by svZeroDSolver's scheme: states at, and inside, its steps.

    ``steps + 1`` states from the beat's start on, and ``steps`` at ``ALPHA_F`` of a
    step after each but the last. ``cycle`` in s.
    """
    stepper, start = _stepper(system)
    dt = jnp.asarray(cycle / steps)

    def one(carry: Any, index: Array) -> Any:
        new, inside = stepper.step(carry, index * dt, dt)
        return new, (carry[0], inside)

    carry = (start, jnp.zeros_like(start))
    (last, _), (y, inside) = jax.lax.scan(one, carry, jnp.arange(beats * steps))
    y = jnp.concatenate([y[-steps:], last[None]])
    return jax.vmap(stepper.unravel)(y), jax.vmap(stepper.unravel)(inside[-steps:])
