"""A membrane current that a model lacks: a gate of its own, and what flows through it.

    dx/dt = (s(V) - x) / tau(V),   I = g(x) (V - E)

s is a logistic function of the voltage, so that x stays in 0 ... 1; log tau is
a Chebyshev series, so that tau is positive, and constant outside the range of
voltages it was found in. g is a network of the gate alone, 0 at birth, which fades
outside the range of x it was trained in. The gate joins the state of any cell
(:class:`Gated`), the current is a correction of ``physio.Augmented``: pacing, tissue
and parameters work on the sum as on the cell.
"""

# pyright: reportIncompatibleVariableOverride=false, reportCallIssue=false
# pyright: reportArgumentType=false
# A property stands for the abstract class variable, which is no argument either;
# scipy's stubs do not know that a Jacobian may be a function.

import dataclasses
from functools import cache
from types import new_class
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from learned.ranges import Range
from learned.residual import NeuralResidual, neural_residual
from physio.compose import AbstractCorrection, Augmented
from physio.electrophysiology.cells.cell import (
    AbstractCell,
    Gate,
    changed,
    relaxed,
    rush_larsen,
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


class Gated(AbstractCell):
    """A cell with learned gates in its state, which nothing reads yet.

    The state has the base's fields and one of each gate's name. Parameters look
    through to the base. A current through the gates is added by ``physio.Augmented``
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

    @property
    def excitation(self) -> Any:
        return self.base.excitation

    @property
    def slow(self) -> tuple[str, ...]:
        return self.base.slow

    @property
    def threshold(self) -> float:
        return self.base.threshold

    @property
    def stimulus(self) -> tuple[float, float]:
        return self.base.stimulus


class LearnedCurrent(AbstractCorrection):
    """I = g(x) (V - E) (uA/uF, outward positive): a conductance and where it reverses.

    ``conductance`` gives g (mS/uF) from named quantities of the cell, ``reversal`` is
    E (mV). Its ions are not booked: concentrations follow the base's currents alone.
    """

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
) -> Augmented:
    """A cell with learned gates and the current through them; again a cell."""
    return Augmented(gated(cell, gates), current, outward)


class Followed(eqx.Module):
    """A cell made to follow a recorded voltage.

    ``missing`` (uA/uF) is the outward current it lacks for that, one per step, its
    noise the recording's divided by dt; ``states`` are those at the recorded times.
    """

    missing: Float[Array, "n_step *lane"]
    states: PyTree


@eqx.filter_jit
def followed(
    cell: Any,
    y0: State,
    voltage: Float[Array, "n_t *lane"],
    stimulus: Float[Array, "n_step *lane"],
    dt: float,
) -> Followed:
    """Drive every state but the voltage of a cell along a recorded voltage (mV).

    ``voltage`` is sampled at every step of ``dt`` (ms) from y0 on, ``stimulus``
    (uA/uF) is what was given during each. With nothing missing from the cell and no
    noise, the current that holds it on the recording is 0.
    """

    def step(y: State, at: tuple[Array, Array]) -> tuple[State, tuple[Array, State]]:
        target, given = at
        lacks = given - cell.current(y) - (target - y.v) / dt
        return rush_larsen(cell, y, -lacks, given, dt), (lacks, y)

    y0 = changed(y0, v=voltage[0])
    last, (missing, states) = jax.lax.scan(step, y0, (voltage[1:], stimulus))
    whole = jax.tree.map(lambda x, e: jnp.concatenate([x, e[None]]), states, last)
    return Followed(missing, whole)


class ClampRecord(eqx.Module):
    """A current under voltage clamp: what a blocker took away.

    ``v`` (mV) is held from each time to the next, ``current`` (uA/uF) is measured at
    the times; every sweep starts from rest at its first voltage.
    """

    t: Float[np.ndarray, " n_t"]
    v: Float[np.ndarray, "n_sweep n_t"]
    current: Float[np.ndarray, "n_sweep n_t"]


def voltage_clamp(
    cell: Any,
    current: str,
    t: Float[np.ndarray, " n_t"],
    v: Float[np.ndarray, "n_sweep n_t"],
) -> ClampRecord:
    """What a recording of one current of a cell would show, without noise.

    ``current`` is one of the names of ``cell.currents``. Gates settle at each sweep's
    first voltage and relax from there; everything else stays at the cell's start.
    """
    y = jax.tree.map(lambda x: jnp.broadcast_to(x, (len(v),)), cell.initial_state())
    y = changed(y, v=jnp.asarray(v[:, 0]))
    y = changed(y, **{name: gate.steady for name, gate in cell.gates(y).items()})

    def step(y: State, at: tuple[Array, Array]) -> tuple[State, Array]:
        held, dt = at
        y = changed(y, v=held)
        after = {
            name: relaxed(getattr(y, name), gate, dt)
            for name, gate in cell.gates(y).items()
        }
        return changed(y, **after), cell.currents(y)[current]

    dts = np.append(np.diff(t), 0.0)
    seen = jax.lax.scan(step, y, (jnp.asarray(v.T), jnp.asarray(dts)))[1]
    return ClampRecord(t, v, np.asarray(seen).T)


class ClampFit(eqx.Module):
    """A gate read from a clamp: I = ``conductance`` x^``power`` (V - ``reversal``).

    ``errors``: root mean square misfit (uA/uF) of every power tried.
    """

    gate: LearnedGate
    power: int
    conductance: float
    reversal: float
    errors: dict[int, float]


def gate_from_clamp(
    name: str,
    record: ClampRecord,
    *,
    reversal: float = -80.0,
    powers: tuple[int, ...] = (1, 2, 3, 4),
) -> ClampFit:
    """The gate whose current fits a blocked-current recording best (least squares).

    Half voltage, steepness, time constants, conductance and reversal are fitted
    together for each power; the power of the least misfit is kept (Hodgkin and Huxley
    1952, 10.1113/jphysiol.1952.sp004764). ``reversal`` (mV) is where its fit starts.
    Raises ``ValueError`` for shapes that differ, values that are not finite, or a
    record without two voltages.
    """
    _check_clamp(record)
    fits = [_fitted(name, record, reversal, power) for power in powers]
    best = min(fits, key=lambda fit: fit.errors[fit.power])
    errors = {fit.power: fit.errors[fit.power] for fit in fits}
    return eqx.tree_at(lambda f: f.errors, best, errors)


def _check_clamp(record: ClampRecord) -> None:
    shape = (record.v.shape[0], record.t.size)
    if record.v.shape != shape or record.current.shape != shape:
        raise ValueError(
            f"A clamp has voltages and currents of shape (n_sweep, n_t) = {shape}; got "
            f"{record.v.shape} and {record.current.shape}."
        )
    for what, values in (("times", record.t), ("voltages", record.v),
                         ("currents", record.current)):  # fmt: skip
        if not np.isfinite(values).all():
            raise ValueError(f"The clamp's {what} hold NaN. Leave those sweeps out.")
    if np.ptp(record.v) == 0.0 or (np.diff(record.t) <= 0.0).any():
        raise ValueError("A clamp wants several voltages and rising times (ms).")


@eqx.filter_jit
def _clamp_current(z: Array, like: LearnedGate, record: Any, power: Array) -> Array:
    """The fitted law's current, (n_sweep, n_t), for a flat vector of its numbers."""
    gate = _from_flat(z, like)
    v = record.v.T

    def step(x: Array, at: tuple[Array, Array]) -> tuple[Array, Array]:
        held, dt = at
        steady = gate.steady(held)
        return steady - (steady - x) * jnp.exp(-dt / gate.tau(held)), x

    dts = jnp.append(jnp.diff(record.t), 0.0)
    x = jax.lax.scan(step, gate.steady(v[0]), (v, dts))[1].T
    return jnp.exp(z[2]) * x**power * (record.v - z[3])


_UNITS = (10.0, 0.1)  # mV, 1/mV: sizes of half and steepness for the solver
_FLAT = 1e-4  # of the current's norm: what a coefficient of 1 in log tau weighs
_BEND = 3.0  # the most such a coefficient may be


def _from_flat(z: Array, like: LearnedGate) -> LearnedGate:
    return LearnedGate(like.name, _UNITS[0] * z[0], _UNITS[1] * z[1], z[4:], like.range)


def _fitted(name: str, record: Any, reversal: float, power: int) -> ClampFit:
    from scipy.optimize import least_squares

    low, high = float(record.v.min()), float(record.v.max())
    gate = LearnedGate.of(
        name, half=0.5 * (low + high), steepness=8.0 / (high - low),
        tau=float(np.ptp(record.t)) / 10.0, voltages=(low, high),
    )  # fmt: skip
    most = np.abs(record.current).max() / max(abs(high - reversal), 1.0)
    start = np.concatenate(
        [[float(gate.half) / _UNITS[0], float(gate.steepness) / _UNITS[1]],
         [np.log(max(most, 1e-12)), reversal], np.asarray(gate.log_tau)]
    )  # fmt: skip
    taken = jax.tree.map(jnp.asarray, record)
    exponent = jnp.asarray(float(power))  # an argument: one program for all powers
    # of voltages that no sweep visits the series is told nothing: it stays flat there
    flat = _FLAT * float(np.linalg.norm(record.current)) * np.eye(start.size)[5:]

    def misfit(z: np.ndarray) -> np.ndarray:
        got = _clamp_current(jnp.asarray(z), gate, taken, exponent)
        return np.concatenate([np.asarray(got - taken.current).ravel(), flat @ z])

    def slope(z: np.ndarray) -> np.ndarray:
        made = _clamp_slope(jnp.asarray(z), gate, taken, exponent)
        return np.concatenate([np.asarray(made).reshape(-1, z.size), flat])

    most = np.full(start.size, np.inf)
    most[5:] = _BEND
    found = least_squares(misfit, start, slope, (-most, most), x_scale="jac")
    error = float(np.sqrt(np.mean(found.fun[: record.current.size] ** 2)))
    z = jnp.asarray(found.x)
    return ClampFit(
        _from_flat(z, gate), power, float(jnp.exp(z[2])), float(z[3]), {power: error}
    )


@eqx.filter_jit
def _clamp_slope(z: Array, like: LearnedGate, record: Any, power: Array) -> Array:
    return jax.jacfwd(lambda z: _clamp_current(z, like, record, power))(z)
