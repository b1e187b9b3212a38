"""A gate from voltage-clamp recordings."""

# pyright: reportArgumentType=false
# scipy's stubs do not know that a Jacobian may be a function.

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from learned.terms.ion_channel import LearnedGate
from physio.electrophysiology.cells.cell import changed, relaxed, rush_larsen
from physio.system import State


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
