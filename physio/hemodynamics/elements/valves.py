"""Heart valves: an ideal diode, a diode with effective areas, and a dynamic orifice.

A stenosis is a smaller effective area forward; a regurgitation an effective area
backward.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from physio.hemodynamics.elements.element import AbstractConnection, AbstractMemoryless
from physio.parameters import param
from physio.units import DYN_PER_CM2_PER_MMHG

BLOOD_DENSITY = 1.06  # g/mL, Mynard 2012, 10.1002/cnm.1466
_DENSITY = BLOOD_DENSITY / DYN_PER_CM2_PER_MMHG  # mmHg s^2/cm^2
_MYNARD = "Mynard 2012, 10.1002/cnm.1466, table 3"
_REGAZZONI = "Regazzoni 2022, 10.1016/j.jcp.2022.111083, table 2"
_OPEN_AREA: dict[str, Any] = dict(
    unit="cm^2", doc="effective area for forward flow; stenosis: small"
)
_LEAK_AREA: dict[str, Any] = dict(
    unit="cm^2", source="0: competent", doc="effective regurgitant orifice area"
)


class Diode(AbstractMemoryless):
    """q = dp / R forward, dp / R_closed backward."""

    source: str = eqx.field(static=True)
    target: str = eqx.field(static=True)
    resistance: Array = param(
        0.0075, unit="mmHg s/mL", source=_REGAZZONI, doc="resistance when open"
    )
    closed_resistance: Array = param(
        75006.2, unit="mmHg s/mL", source=_REGAZZONI, doc="resistance when closed"
    )

    def flow(
        self, pressure_difference: Float[Array, ""], state: PyTree
    ) -> Float[Array, ""]:
        resistance = jnp.where(
            pressure_difference > 0.0, self.resistance, self.closed_resistance
        )
        return pressure_difference / resistance


def orifice_flow(pressure_difference: Array, resistance: Array, area: Array) -> Array:
    """Flow through a resistance and an orifice in series, from a positive difference.

    dp = R q + rho q^2 / (2 A^2), solved for q in the form that holds at A = 0.
    """
    ohmic = resistance * area
    # 1e-12 mmHg keeps the root's derivative finite at no pressure and no area
    root = jnp.sqrt(ohmic**2 + 2.0 * _DENSITY * pressure_difference + 1e-12)
    return 2.0 * pressure_difference * area / (ohmic + root)


class OrificeDiode(AbstractMemoryless):
    """A diode with effective areas: dp = R q + rho q|q| / (2 A^2).

    A is ``open_area`` forward and ``leak_area`` backward: the Gorlin relation with a
    small viscous resistance. Garcia 2005, 10.1152/ajpheart.00822.2004, without the
    inertial term.
    """

    source: str = eqx.field(static=True)
    target: str = eqx.field(static=True)
    open_area: Array = param(4.0, source=_MYNARD, **_OPEN_AREA)
    leak_area: Array = param(0.0, **_LEAK_AREA)
    resistance: Array = param(
        0.005, unit="mmHg s/mL", source="this project: 1-2 mmHg at peak flow",
        doc="viscous resistance when open",
    )  # fmt: skip

    def flow(
        self, pressure_difference: Float[Array, ""], state: PyTree
    ) -> Float[Array, ""]:
        forward = pressure_difference > 0.0
        area = jnp.where(forward, self.open_area, self.leak_area)
        flow = orifice_flow(jnp.abs(pressure_difference), self.resistance, area)
        return jnp.where(forward, flow, -flow)


class DynamicOrifice(AbstractConnection):
    """Mynard's valve: leaflets that open and close, and blood that has inertia.

    dq/dt = (dp - B q|q|) / L, B = rho / (2 A^2), L = rho l / A,
    A = leak + (open - leak) z, dz/dt = (1 - z) Kvo dp (dp > 0), z Kvc dp (dp < 0).
    Mynard 2012, 10.1002/cnm.1466. As A closes the flow becomes arbitrarily stiff: L
    is raised by 2 B |q| x ``fastest``, which leaves the steady flow as it is and
    bounds the rate at which it is reached, and the leaflets' pace is bounded by
    1 / ``fastest`` likewise; A is floored at ``smallest_area``.
    """

    source: str = eqx.field(static=True)
    target: str = eqx.field(static=True)
    open_area: Array = param(6.8, source=_MYNARD, **_OPEN_AREA)
    leak_area: Array = param(0.0, **_LEAK_AREA)
    opening_rate: Array = param(
        16.0, unit="1/(mmHg s)", source=_MYNARD, doc="Kvo, rate of opening"
    )
    closing_rate: Array = param(
        16.0, unit="1/(mmHg s)", source=_MYNARD, doc="Kvc, rate of closing"
    )
    length: Array = param(1.0, unit="cm", source=_MYNARD, doc="effective length")
    smallest_area: Array = param(
        1e-3, unit="cm^2", source="this project: leaks below 1 mL a beat",
        doc="floor of the effective area",
    )  # fmt: skip
    fastest: Array = param(
        1e-3, unit="s", source="this project: peak flow changes by less than 1 %",
        doc="shortest time in which the flow follows a closing valve",
    )  # fmt: skip

    def initial_state(self) -> PyTree:
        zero = jnp.zeros_like(self.open_area)
        return {"flow": zero, "opening": zero}

    def flow(
        self, pressure_difference: Float[Array, ""], state: PyTree
    ) -> Float[Array, ""]:
        return state["flow"]

    def derivative(
        self, pressure_difference: Float[Array, ""], state: PyTree
    ) -> PyTree:
        flow, opening = state["flow"], state["opening"]
        area = self.leak_area + (self.open_area - self.leak_area) * opening
        area = jnp.maximum(area, self.smallest_area)
        bernoulli = 0.5 * _DENSITY / area**2 * jnp.abs(flow)
        inertance = _DENSITY * self.length / area + 2.0 * bernoulli * self.fastest
        forward = pressure_difference > 0.0
        gain = jnp.where(forward, self.opening_rate, self.closing_rate)
        pace = gain * jnp.abs(pressure_difference)
        pace = pace / (1.0 + self.fastest * pace)
        return {
            "flow": (pressure_difference - bernoulli * flow) / inertance,
            "opening": pace * jnp.where(forward, 1.0 - opening, -opening),
        }
