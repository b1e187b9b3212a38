"""Valves whose blood, or whose leaflets, have inertia and stop hard.

A stop is written as a rate, so that any solver may cross it: what runs into it
relaxes within ``stopping_time``, which is short against every other time.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from physio.hemodynamics.elements.element import AbstractConnection
from physio.parameters import param

_SANKARAN = "Sankaran 2012, 10.1007/s10439-012-0579-3"
_KORAKIANITIS = "Korakianitis & Shi 2006, 10.1016/j.jbiomech.2005.06.016"
_STOP: dict[str, Any] = dict(unit="s", doc="time to come to rest at a stop")


class InertialDiode(AbstractConnection):
    """L dq/dt = dp - R q while q > 0 or dp > 0; else closed, q = 0.

    Blood keeps moving after the pressures cross, and the valve closes when it has
    come to rest. Sankaran 2012, 10.1007/s10439-012-0579-3.
    """

    source: str = eqx.field(static=True)
    target: str = eqx.field(static=True)
    resistance: Array = param(
        0.01, unit="mmHg s/mL", source=_SANKARAN, doc="R, when open"
    )
    inertance: Array = param(
        2e-4, unit="mmHg s^2/mL", source=_SANKARAN, doc="L, of the blood in the valve"
    )
    stopping_time: Array = param(
        2e-3, source="this project: stable at 400 fixed steps of a beat", **_STOP
    )

    def initial_state(self) -> PyTree:
        return {"flow": jnp.zeros_like(self.inertance)}

    def flow(
        self, pressure_difference: Float[Array, ""], state: PyTree
    ) -> Float[Array, ""]:
        return jnp.maximum(state["flow"], 0.0)

    def derivative(
        self, pressure_difference: Float[Array, ""], state: PyTree
    ) -> PyTree:
        flow = state["flow"]
        free = (pressure_difference - self.resistance * flow) / self.inertance
        moving = (flow > 0.0) | (pressure_difference > 0.0)
        return {"flow": jnp.where(moving, free, -flow / self.stopping_time)}


class LeafletValve(AbstractConnection):
    """Leaflets that swing between two stops, driven by pressure and by the flow.

    q = CQ a sign(dp) sqrt(|dp|), a = ((1 - cos h) / (1 - cos h_open))^2,
    d2h/dt2 = Kp dp cos h - Kf dh/dt + Kb q cos h - Kv max(q, 0) sin 2h.

    h (rad) is the opening angle; where it meets ``closed_angle`` or ``open_angle``
    the leaflets stop. A stenosis is a smaller ``open_angle``. Fast where dp vanishes:
    for adaptive steps. Korakianitis & Shi 2006, 10.1016/j.jbiomech.2005.06.016.
    """

    source: str = eqx.field(static=True)
    target: str = eqx.field(static=True)
    flow_coefficient: Array = param(
        350.0, unit="mL/(s mmHg^0.5)", source=_KORAKIANITIS, doc="CQ, fully open"
    )
    pressure_gain: Array = param(
        5500.0, unit="rad/(s^2 mmHg)", source=_KORAKIANITIS, doc="Kp"
    )
    friction: Array = param(50.0, unit="1/s", source=_KORAKIANITIS, doc="Kf")
    flow_gain: Array = param(
        2.0, unit="rad/(s mL)", source=_KORAKIANITIS, doc="Kb, dragged by the flow"
    )
    vortex_gain: Array = param(
        3.5, unit="rad/(s mL)", source=_KORAKIANITIS, doc="Kv, closed by the vortex"
    )
    closed_angle: Array = param(
        0.0872664625997165, unit="rad", source=_KORAKIANITIS, doc="5 degrees"
    )
    open_angle: Array = param(
        1.30899693899575, unit="rad", source=_KORAKIANITIS, doc="75 degrees"
    )
    healthy_angle: Array = param(
        1.30899693899575, unit="rad", source=_KORAKIANITIS,
        doc="h_open, where CQ is the whole coefficient",
    )  # fmt: skip
    start_angle: Array = param(
        0.0, unit="rad", source="start of a run", doc="angle at the start of a run"
    )
    stopping_time: Array = param(
        1e-4, source="this project: 1/10000 of a beat", **_STOP
    )
    linear_below: Array = param(
        1e-3, unit="mmHg", source="this project: 10 mL/s, bounds the stiffness",
        doc="pressure below which the flow is linear in it",
    )  # fmt: skip

    def initial_state(self) -> PyTree:
        return {"angle": self.start_angle, "speed": jnp.zeros_like(self.start_angle)}

    def flow(
        self, pressure_difference: Float[Array, ""], state: PyTree
    ) -> Float[Array, ""]:
        widest = 1.0 - jnp.cos(self.healthy_angle)
        open_share = (1.0 - jnp.cos(state["angle"])) / widest
        size = pressure_difference**2 + self.linear_below**2
        root = pressure_difference / size**0.25
        return self.flow_coefficient * open_share**2 * root

    def derivative(
        self, pressure_difference: Float[Array, ""], state: PyTree
    ) -> PyTree:
        angle, speed = state["angle"], state["speed"]
        flow = self.flow(pressure_difference, state)
        lift = self.pressure_gain * pressure_difference + self.flow_gain * flow
        vortex = self.vortex_gain * jnp.maximum(flow, 0.0) * jnp.sin(2.0 * angle)
        force = lift * jnp.cos(angle) - self.friction * speed - vortex
        above, below = angle >= self.open_angle, angle <= self.closed_angle
        # pressed against its stop a leaflet rests, whichever way it still creeps:
        # one that creeps across it makes adaptive steps ever smaller
        stopped = (above & ((force > 0.0) | (speed > 0.0))) | (
            below & ((force < 0.0) | (speed < 0.0))
        )
        force = jnp.where(above, jnp.minimum(force, 0.0), force)
        force = jnp.where(below, jnp.maximum(force, 0.0), force)
        braked = force - speed / self.stopping_time
        return {
            "angle": jnp.where(stopped, 0.0, speed),
            "speed": jnp.where(stopped, braked, force),
        }
