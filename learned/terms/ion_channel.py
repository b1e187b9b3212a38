"""A membrane current that a model lacks: a gate of its own, and what flows through it.

    dx/dt = (s(V) - x) / tau(V),   I = g(x) (V - E)

s is a logistic function of the voltage, so that x stays in 0 ... 1; log tau is
a Chebyshev series, so that tau is positive, and constant outside the range of
voltages it was found in. g is a network of the gate alone, 0 at birth, which fades
outside the range of x it was trained in. The gate joins the state of any cell
(:class:`Gated`), the current is a correction of ``physio.augment``: pacing, tissue
and parameters work on the sum as on the cell.
"""

# pyright: reportIncompatibleVariableOverride=false, reportCallIssue=false
# pyright: reportArgumentType=false
# A property stands for the abstract class variable, which is no argument either;
# scipy's stubs do not know that a Jacobian may be a function.

import dataclasses
from functools import cache
from types import new_class
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from learned.blocks.ranges import Range
from learned.terms.residual import NeuralResidual, neural_residual
from physio.compose import AbstractCorrection, augment
from physio.electrophysiology.cells.augmented import AbstractOfCell, AugmentedCell
from physio.electrophysiology.cells.cell import (
    AbstractCell,
    Gate,
)
from physio.parameters import TRANSPARENT
from physio.system import Inputs, State

COEFFICIENTS = (
    12  # of log tau: 9 miss a slow potassium gate's clamp by more than its noise
)


class LearnedGate(eqx.Module):
    """Kinetics of one gate: where it tends and how fast, at any voltage.

    s(V) = 1 / (1 + exp((``half`` - V) ``steepness``)), mV and 1/mV (below 0: it closes
    as V rises); log(tau / ms) is the Chebyshev series ``log_tau`` over the one input of
    ``range``, the voltage (mV), and constant outside.
    """

    stored_as: ClassVar[str] = "LearnedGate"

    name: str = eqx.field(static=True)
    half: Float[Array, ""]
    steepness: Float[Array, ""]
    log_tau: Float[Array, " n_coefficient"]
    range: Range

    @classmethod
    def of(
        cls,
        name: str,
        *,
        half: float,
        steepness: float,
        tau: float,
        voltages: tuple[float, float],
    ) -> "LearnedGate":
        """A gate of constant ``tau`` (ms), to be trained between two voltages (mV).

        Raises ``ValueError`` for a tau that is not positive, a steepness of 0 or
        voltages that do not rise.
        """
        if not (np.isfinite(tau) and tau > 0.0 and np.isfinite(half)):
            raise ValueError(f"{name}: half {half} mV and tau {tau} ms, which is > 0.")
        if not np.isfinite(steepness) or steepness == 0.0:
            raise ValueError(
                f"{name}: a steepness of {steepness} 1/mV has no gate. A tenth opens "
                "it over 40 mV."
            )
        low, high = (np.array([float(v)]) for v in voltages)
        where = Range(("state.v",), ("mV",), low, high).check()
        series = jnp.zeros(COEFFICIENTS).at[0].set(jnp.log(tau))
        return cls(name, jnp.asarray(half), jnp.asarray(steepness), series, where)

    def steady(self, v: Float[Array, "*node"]) -> Float[Array, "*node"]:
        """s(V), within 0 and 1."""
        return jax.nn.sigmoid((v - self.half) * self.steepness)

    def tau(self, v: Float[Array, "*node"]) -> Float[Array, "*node"]:
        """tau(V) in ms: exp of the series, summed by Clenshaw's recurrence."""
        low, high = self.range.lower[0], self.range.upper[0]
        u = 2.0 * (jnp.clip(v, low, high) - low) / (high - low) - 1.0
        now, last = jnp.zeros_like(u), jnp.zeros_like(u)
        for k in range(self.log_tau.size - 1, 0, -1):
            now, last = self.log_tau[k] + 2.0 * u * now - last, now
        return jnp.exp(self.log_tau[0] + u * now - last)

    def kinetics(self, v: Float[Array, "*node"]) -> Gate:
        """Steady state and time constant, as a cell's own gates state them."""
        return Gate(self.steady(v), self.tau(v))


@cache
def _extended(base: type, names: tuple[str, ...]) -> type:
    """A state with one more field per gate; one class a kind, or jit retraces."""
    fields = [f.name for f in dataclasses.fields(base)]
    types = {name: Array for name in (*fields, *names)}
    told = f"The state of a {base.__name__.removesuffix('State')}, and learned gates."
    return new_class(
        f"Gated{base.__name__}", (eqx.Module,), {},
        lambda body: body.update(__annotations__=types, __doc__=told),
    )  # fmt: skip


class Gated(AbstractOfCell, AbstractCell):
    """A cell with learned gates in its state, which nothing reads yet.

    The state has the base's fields and one of each gate's name. Parameters look
    through to the base. A current through the gates is added by ``physio.augment``
    (see :func:`with_current`). Raises ``ValueError`` where a name is taken.
    """

    base: Any = eqx.field(metadata=TRANSPARENT)
    gates_learned: tuple[LearnedGate, ...]

    def __check_init__(self) -> None:
        names = [gate.name for gate in self.gates_learned]
        taken = {f.name for f in dataclasses.fields(self.base.initial_state())}
        again = {n for n in names if n in taken or names.count(n) > 1}
        if again or not all(n.isidentifier() for n in names):
            raise ValueError(
                f"A learned gate wants a name that the state of a "
                f"{type(self.base).__name__} has not; got {', '.join(names)}, and it "
                f"has {', '.join(sorted(taken))}."
            )

    def _known(self, y: State) -> PyTree:
        """The base's own state."""
        start = type(jax.eval_shape(self.base.initial_state))
        return start(*(getattr(y, f.name) for f in dataclasses.fields(start)))

    def initial_state(self) -> State:
        """The base's start, each gate where it tends there."""
        y = self.base.initial_state()
        own = {
            gate.name: gate.steady(y.v).astype(y.v.dtype) for gate in self.gates_learned
        }
        base = {f.name: getattr(y, f.name) for f in dataclasses.fields(y)}
        return _extended(type(y), tuple(own))(**base, **own)

    def gates(self, y: State) -> dict[str, Gate]:
        own = {gate.name: gate.kinetics(y.v) for gate in self.gates_learned}
        return {**self.base.gates(self._known(y)), **own}

    def currents(self, y: State) -> dict[str, Array]:
        return self.base.currents(self._known(y))

    def fast_current(self, y: State) -> Array:
        return self.base.fast_current(self._known(y))

    def rates(self, y: State, stimulus: Array) -> dict[str, Array]:
        return self.base.rates(self._known(y), stimulus)


class LearnedCurrent(AbstractCorrection):
    """I = g(x) (V - E) (uA/uF, outward positive): a conductance and where it reverses.

    ``conductance`` gives g (mS/uF) from named quantities of the cell, ``reversal`` is
    E (mV). Its ions are not booked: concentrations follow the base's currents alone.
    """

    stored_as: ClassVar[str] = "LearnedCurrent"

    conductance: NeuralResidual
    reversal: Float[Array, ""]

    def __check_init__(self) -> None:
        if self.conductance.units != ("mS/uF",):
            raise ValueError(
                "A learned current has one conductance in mS/uF; the residual gives "
                f"{', '.join(self.conductance.outputs)} in "
                f"{', '.join(self.conductance.units)}."
            )

    @classmethod
    def of(
        cls,
        gate: LearnedGate,
        x: Float[np.ndarray, " n_sample"],
        *,
        most: float,
        reversal: float,
        key: PRNGKeyArray,
        hidden: tuple[int, ...] = (8, 8),
    ) -> "LearnedCurrent":
        """A current through a gate that does not flow yet.

        ``x`` are the gate's values along the training recordings, ``most`` bounds the
        conductance (mS/uF), ``reversal`` is where E starts (mV).
        """
        where = Range.of((f"state.{gate.name}",), ("1",), np.asarray(x)[:, None])
        bounds = {"conductance": ("mS/uF", most)}
        residual = neural_residual(where, bounds, key=key, hidden=hidden)
        return cls(residual, jnp.asarray(reversal))

    def at(
        self, x: Float[Array, " n_sample"], v: Float[Array, " n_sample"]
    ) -> Float[Array, " n_sample"]:
        """The current (uA/uF) where its one gate is x and the voltage v (mV)."""
        return self.conductance.at(x[:, None])[0] * (v - self.reversal)

    def trained(self) -> tuple[Any, ...]:
        """What a training moves: weights, biases and the reversal."""
        net = self.conductance.network
        return net.weights, net.biases, self.reversal

    def value(
        self, base: Any, t: Float[Array, ""], y: State, inputs: Inputs
    ) -> Float[Array, "*node"]:
        return self.conductance.value(base, t, y, inputs)[0] * (y.v - self.reversal)

    def within(
        self, base: Any, t: Float[Array, ""], y: State, inputs: Inputs
    ) -> Float[Array, "*node"]:
        return self.conductance.within(base, t, y, inputs)


def outward(current: Float[Array, "*node"]) -> dict[str, Array]:
    """A membrane current as a tangent of a cell's state: dV/dt = -I."""
    return {"v": -current}


def gated(cell: Any, gates: tuple[LearnedGate, ...]) -> Gated:
    """A cell with learned gates in its state."""
    return Gated(cell, gates)


def with_current(
    cell: Any, gates: tuple[LearnedGate, ...], current: AbstractCorrection
) -> AugmentedCell:
    """A cell with learned gates and the current through them; again a cell."""
    return augment(gated(cell, gates), current, outward)
