"""Two-current models: Mitchell and Schaeffer (2003) and the form that does not pace.

Mitchell, Schaeffer, Bull Math Biol 65:767, 10.1016/S0092-8240(03)00041-7. Corrado,
Niederer, Math Biosci 281:46 (2016), 10.1016/j.mbs.2016.08.010. The voltage ``v`` is
dimensionless, 0 at rest and 1 at the top: V = 100 v - 80 mV; times are ms.
"""
# pyright: reportIncompatibleVariableOverride=false, reportArgumentType=false
# A class variable stands for the abstract one;
# a param field converts the number it is given: the type checker knows neither.

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from physio.electrophysiology.cells.cell import AbstractCell, Excitation, Gate
from physio.parameters import param

_2003 = "Mitchell 2003, 10.1016/S0092-8240(03)00041-7, table 1"
_2016 = "Corrado 2016, 10.1016/j.mbs.2016.08.010; values of its first author's code"


class MitchellSchaefferState(eqx.Module):
    """Voltage (dimensionless) and the gate of the inward current."""

    v: Float[Array, "..."]
    h: Float[Array, "..."]


def _rest(like: Array) -> MitchellSchaefferState:
    return MitchellSchaefferState(jnp.zeros((), like.dtype), jnp.ones((), like.dtype))


def _gate(v: Array, edge: Array, opening: Array, closing: Array) -> dict[str, Gate]:
    """dh/dt = (1 - h) / tau_open below the edge, -h / tau_close above it."""
    high = v > edge
    one = jnp.ones_like(v)
    return {"h": Gate(jnp.where(high, 0 * one, one), jnp.where(high, closing, opening))}


class MitchellSchaeffer2003(AbstractCell):
    """dv/dt = h v^2 (1 - v) / tau_in - v / tau_out + stimulus (1/ms).

    dh/dt = (1 - h) / tau_open where v <= v_gate, -h / tau_close above. For some
    parameters (tau_open short against tau_out) it excites itself; then take
    :class:`CorradoNiederer2016`.
    """

    inward_time: Array = param(
        0.3, unit="ms", source=_2003, doc="tau_in", per_node=True
    )
    outward_time: Array = param(
        6.0, unit="ms", source=_2003, doc="tau_out", per_node=True
    )
    opening_time: Array = param(
        120.0, unit="ms", source=_2003, doc="tau_open", per_node=True
    )
    closing_time: Array = param(
        150.0, unit="ms", source=_2003, doc="tau_close", per_node=True
    )
    gate_voltage: Array = param(
        0.13, unit="1", source=_2003, doc="v_gate", per_node=True
    )

    excitation: ClassVar[Excitation | None] = Excitation(
        ("h",), "inward_time", 0.3, (1.0,), (-0.0924,), (0.099,)
    )
    slow: ClassVar[tuple[str, ...]] = ()
    threshold: ClassVar[float] = 0.5
    stimulus: ClassVar[tuple[float, float]] = (0.25, 1.0)

    def initial_state(self) -> MitchellSchaefferState:
        """Rest: v = 0, h = 1."""
        return _rest(self.inward_time)

    def gates(self, y: MitchellSchaefferState) -> dict[str, Gate]:
        return _gate(y.v, self.gate_voltage, self.opening_time, self.closing_time)

    def currents(self, y: MitchellSchaefferState) -> dict[str, Array]:
        return {"j_in": self.fast_current(y), "j_out": y.v / self.outward_time}

    def fast_current(self, y: MitchellSchaefferState) -> Array:
        return -y.h * y.v * y.v * (1 - y.v) / self.inward_time

    def rates(self, y: MitchellSchaefferState, stimulus: Array) -> dict[str, Array]:
        return {}


class CorradoNiederer2016(AbstractCell):
    """The modified Mitchell-Schaeffer model: no pacing of its own if v_gate <= v_crit.

    dv/dt = h v (v - v_crit) (1 - v) / tau_in - (1 - h) v / tau_out + stimulus; the gate
    is that of :class:`MitchellSchaeffer2003`. Whatever the gate, dv/dt < 0 where v is
    between 0 and v_crit, so that recovery below v_gate cannot excite again.
    """

    inward_time: Array = param(
        0.1, unit="ms", source=_2016, doc="tau_in", per_node=True
    )
    outward_time: Array = param(
        9.0, unit="ms", source=_2016, doc="tau_out", per_node=True
    )
    opening_time: Array = param(
        100.0, unit="ms", source=_2016, doc="tau_open", per_node=True
    )
    closing_time: Array = param(
        120.0, unit="ms", source=_2016, doc="tau_close", per_node=True
    )
    gate_voltage: Array = param(
        0.13, unit="1", source=_2016, doc="v_gate", per_node=True
    )
    critical_voltage: Array = param(
        0.13, unit="1", source=_2016, doc="v_crit", per_node=True
    )

    excitation: ClassVar[Excitation | None] = Excitation(
        ("h",), "inward_time", 0.1, (1.0,), (0.0215,), (0.0902,)
    )
    slow: ClassVar[tuple[str, ...]] = ()
    threshold: ClassVar[float] = 0.5
    stimulus: ClassVar[tuple[float, float]] = (0.5, 1.0)

    def initial_state(self) -> MitchellSchaefferState:
        """Rest: v = 0, h = 1."""
        return _rest(self.inward_time)

    def gates(self, y: MitchellSchaefferState) -> dict[str, Gate]:
        return _gate(y.v, self.gate_voltage, self.opening_time, self.closing_time)

    def currents(self, y: MitchellSchaefferState) -> dict[str, Array]:
        return {
            "j_in": self.fast_current(y),
            "j_out": (1 - y.h) * y.v / self.outward_time,
        }

    def fast_current(self, y: MitchellSchaefferState) -> Array:
        drive = y.v * (y.v - self.critical_voltage) * (1 - y.v)
        return -y.h * drive / self.inward_time

    def rates(self, y: MitchellSchaefferState, stimulus: Array) -> dict[str, Array]:
        return {}
