"""Two-variable model of Aliev and Panfilov (1996), canine ventricle.

Chaos Solitons Fractals 7:293, 10.1016/0960-0779(95)00089-5. The voltage ``v`` (u in
the paper) is dimensionless: V = 100 v - 80 mV; the paper's unit of time is 12.9 ms
and is divided out, so that times here are ms.
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

_1996 = "Aliev 1996, 10.1016/0960-0779(95)00089-5, eqs. 1-3"


class AlievPanfilovState(eqx.Module):
    """Voltage and recovery (v in the paper), both dimensionless."""

    v: Float[Array, "..."]
    w: Float[Array, "..."]


class AlievPanfilov1996(AbstractCell):
    """T dv/dt = -k v (v - a) (v - 1) - v w + T stimulus; T = 12.9 ms.

    T dw/dt = (eps + mu_1 w / (mu_2 + v)) (-w - k v (v - a - 1)).
    """

    excitability: Array = param(8.0, unit="1", source=_1996, doc="k", per_node=True)
    critical_voltage: Array = param(
        0.15, unit="1", source=_1996, doc="a", per_node=True
    )
    recovery: Array = param(
        0.002, unit="1", source=_1996, doc="epsilon_0", per_node=True
    )
    recovery_gain: Array = param(0.2, unit="1", source=_1996, doc="mu_1", per_node=True)
    recovery_voltage: Array = param(
        0.3, unit="1", source=_1996, doc="mu_2", per_node=True
    )
    time_unit: Array = param(
        12.9, unit="ms", source=_1996, doc="the paper's unit of time", per_node=True
    )

    excitation: ClassVar[Excitation | None] = Excitation(
        (), "excitability", 8.0, (1.0,), (0.0441,), (0.0912,)
    )
    slow: ClassVar[tuple[str, ...]] = ()
    threshold: ClassVar[float] = 0.5
    stimulus: ClassVar[tuple[float, float]] = (0.3, 1.0)

    def initial_state(self) -> AlievPanfilovState:
        """Rest: both zero."""
        zero = jnp.zeros((), self.excitability.dtype)
        return AlievPanfilovState(zero, zero)

    def gates(self, y: AlievPanfilovState) -> dict[str, Gate]:
        return {}

    def currents(self, y: AlievPanfilovState) -> dict[str, Array]:
        return {
            "i_cubic": self.fast_current(y),
            "i_recovery": y.v * y.w / self.time_unit,
        }

    def fast_current(self, y: AlievPanfilovState) -> Array:
        cubic = y.v * (y.v - self.critical_voltage) * (y.v - 1)
        return self.excitability * cubic / self.time_unit

    def rates(self, y: AlievPanfilovState, stimulus: Array) -> dict[str, Array]:
        speed = self.recovery + self.recovery_gain * y.w / (self.recovery_voltage + y.v)
        towards = -y.w - self.excitability * y.v * (y.v - self.critical_voltage - 1)
        return {"w": speed * towards / self.time_unit}
