"""Diodes whose resistance passes smoothly from open to closed.

Their flow has derivatives of every order, which implicit solvers like; a smooth
valve leaks a little about zero pressure.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from physio.hemodynamics.elements.element import AbstractConnection, AbstractMemoryless
from physio.parameters import param

_REGAZZONI = "Regazzoni 2022, 10.1016/j.jcp.2022.111083, table 2"
_PFALLER = "Pfaller 2019, 10.1007/s10237-018-1098-4; svZeroDSolver ValveTanh.cpp"
_STEEPNESS: dict[str, Any] = dict(
    unit="1/mmHg", doc="k, reciprocal of the pressure over which the valve turns"
)


class ArctanDiode(AbstractMemoryless):
    """q = dp / (Ro^x Rc^(1 - x)), x = 1/2 + arctan(k dp) / pi.

    The resistance is blended in its logarithm. Regazzoni 2022,
    10.1016/j.jcp.2022.111083, with k = 100 pi / mmHg.
    """

    source: str = eqx.field(static=True)
    target: str = eqx.field(static=True)
    resistance: Array = param(
        0.0075, unit="mmHg s/mL", source=_REGAZZONI, doc="Ro, resistance when open"
    )
    closed_resistance: Array = param(
        75006.2, unit="mmHg s/mL", source=_REGAZZONI, doc="Rc, when closed"
    )
    steepness: Array = param(314.159265358979, source=_REGAZZONI, **_STEEPNESS)

    def flow(
        self, pressure_difference: Float[Array, ""], state: PyTree
    ) -> Float[Array, ""]:
        share = 0.5 + jnp.arctan(self.steepness * pressure_difference) / jnp.pi
        ratio = self.resistance / self.closed_resistance
        return pressure_difference / (self.closed_resistance * ratio**share)


def _tanh_flow(drop: Array, opened: Array, closed: Array, steepness: Array) -> Array:
    half = 0.5 * (closed - opened)
    return drop / (opened + half * (1.0 - jnp.tanh(steepness * drop)))


class TanhDiode(AbstractMemoryless):
    """q = dp / R(dp), R = (Rc + Ro) / 2 - (Rc - Ro) / 2 tanh(k dp).

    Pfaller 2019, 10.1007/s10237-018-1098-4; svZeroDSolver, src/model/ValveTanh.cpp.
    """

    source: str = eqx.field(static=True)
    target: str = eqx.field(static=True)
    resistance: Array = param(
        0.0075, unit="mmHg s/mL", source=_REGAZZONI, doc="Ro, resistance when open"
    )
    closed_resistance: Array = param(
        75006.2, unit="mmHg s/mL", source=_REGAZZONI, doc="Rc, when closed"
    )
    steepness: Array = param(100.0, source=_PFALLER, **_STEEPNESS)

    def flow(
        self, pressure_difference: Float[Array, ""], state: PyTree
    ) -> Float[Array, ""]:
        return _tanh_flow(
            pressure_difference, self.resistance, self.closed_resistance, self.steepness
        )


class InertialTanhDiode(AbstractConnection):
    """A smooth diode in series with a vessel: dp = x + R q + L dq/dt, q = x / Rv(x).

    x is the part of the pressure difference that falls across the valve and is the
    state: the flow is an explicit function of it, rising with x, where x of a given
    flow would have to be solved for. The valve is that of :class:`TanhDiode`. Stiff,
    with a time constant of L / (R + Rv): for an implicit solver.
    """

    source: str = eqx.field(static=True)
    target: str = eqx.field(static=True)
    resistance: Array = param(
        0.0075, unit="mmHg s/mL", source=_REGAZZONI, doc="Ro, of the open valve"
    )
    closed_resistance: Array = param(
        75006.2, unit="mmHg s/mL", source=_REGAZZONI, doc="Rc, of the closed valve"
    )
    steepness: Array = param(100.0, source=_PFALLER, **_STEEPNESS)
    series_resistance: Array = param(
        0.005, unit="mmHg s/mL", source="as an open valve", doc="R, of the vessel"
    )
    inertance: Array = param(
        5e-4, unit="mmHg s^2/mL", source=_REGAZZONI, doc="L, of the vessel's blood"
    )

    def initial_state(self) -> PyTree:
        return {"drop": jnp.zeros_like(self.inertance)}

    def flow(
        self, pressure_difference: Float[Array, ""], state: PyTree
    ) -> Float[Array, ""]:
        return _tanh_flow(
            state["drop"], self.resistance, self.closed_resistance, self.steepness
        )

    def derivative(
        self, pressure_difference: Float[Array, ""], state: PyTree
    ) -> PyTree:
        drop = state["drop"]
        flow = self.flow(pressure_difference, state)
        half = 0.5 * (self.closed_resistance - self.resistance)
        turn = jnp.tanh(self.steepness * drop)
        valve = self.resistance + half * (1.0 - turn)
        # dq/dx of q = x / Rv(x), positive for every x
        slope = (1.0 + flow * half * self.steepness * (1.0 - turn**2)) / valve
        left = pressure_difference - drop - self.series_resistance * flow
        return {"drop": left / (self.inertance * slope)}
