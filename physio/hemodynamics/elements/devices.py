"""What is added to a circulation: a pump, a septal defect, pressure in the lungs."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from physio.hemodynamics.elements.element import AbstractConnection, AbstractMemoryless
from physio.hemodynamics.elements.valves import orifice_flow
from physio.parameters import param
from physio.units import MMHG_PER_CMH2O

_SIMAAN = "Simaan 2009, 10.1109/TCST.2008.912123"


class RotaryPump(AbstractConnection):
    """A continuous-flow ventricular assist device.

    b1 dq/dt = b2 w^2 - b0 q + dp, dp the inlet's minus the outlet's pressure (mmHg),
    w the speed (rpm). Simaan 2009, 10.1109/TCST.2008.912123; backward flow through a
    slow pump is allowed, suction is not modelled.
    """

    source: str = eqx.field(static=True)
    target: str = eqx.field(static=True)
    speed: Array = param(9000.0, unit="rpm", source=_SIMAAN, doc="speed of the rotor")
    resistance: Array = param(
        0.1707, unit="mmHg s/mL", source=_SIMAAN, doc="b0, loss of head per flow"
    )
    inertance: Array = param(
        0.02177, unit="mmHg s^2/mL", source=_SIMAAN, doc="b1, inertia of the blood"
    )
    head: Array = param(
        9.9025e-7, unit="mmHg/rpm^2", source=_SIMAAN, doc="b2, head per speed squared"
    )

    def initial_state(self) -> PyTree:
        return {"flow": jnp.zeros_like(self.speed)}

    def flow(
        self, pressure_difference: Float[Array, ""], state: PyTree
    ) -> Float[Array, ""]:
        return state["flow"]

    def derivative(
        self, pressure_difference: Float[Array, ""], state: PyTree
    ) -> PyTree:
        gained = pressure_difference + self.head * self.speed**2
        return {"flow": (gained - self.resistance * state["flow"]) / self.inertance}


class Defect(AbstractMemoryless):
    """A hole between two compartments: an orifice open both ways (Gorlin)."""

    source: str = eqx.field(static=True)
    target: str = eqx.field(static=True)
    area: Array = param(
        0.5, unit="cm^2", source="a moderate defect, Penny & Vick 2011, "
        "10.1016/S0140-6736(10)61339-6", doc="effective area",
    )  # fmt: skip
    resistance: Array = param(
        0.005, unit="mmHg s/mL", source="as an open valve", doc="viscous resistance"
    )

    def flow(
        self, pressure_difference: Float[Array, ""], state: PyTree
    ) -> Float[Array, ""]:
        size = jnp.abs(pressure_difference)
        flow = orifice_flow(size, self.resistance, self.area)
        return jnp.where(pressure_difference > 0.0, flow, -flow)


class EndExpiratoryPressure(eqx.Module):
    """A constant airway pressure, shared between chest wall and lung by compliance.

    Pleural P C_lung / (C_lung + C_wall), transpulmonary the rest; mmHg from cmH2O.
    Chiumello 2008, 10.1164/rccm.200710-1589OC: about half in healthy lungs, less here
    because the compliances are those fitted to ventilated patients.
    """

    pressure_mmhg: Array = param(
        0.0,
        unit="mmHg",
        source="0: no PEEP",
        doc="airway pressure at end of expiration",
    )
    chest_wall_compliance: Array = param(
        220.0, unit="mL/cmH2O", source="as physio.hemodynamics.ventilation",
        doc="chest wall compliance",
    )  # fmt: skip
    lung_compliance: Array = param(
        105.0, unit="mL/cmH2O", source="as physio.hemodynamics.ventilation",
        doc="lung compliance",
    )  # fmt: skip

    def surroundings(self) -> tuple[Array, Array]:
        """Pleural and transpulmonary pressure (mmHg)."""
        total = self.lung_compliance + self.chest_wall_compliance
        pleural = self.pressure_mmhg * self.lung_compliance / total
        return pleural, self.pressure_mmhg - pleural


def peep_from_cmh2o(pressure: Array | float) -> EndExpiratoryPressure:
    """An end-expiratory pressure typed in cmH2O."""
    return EndExpiratoryPressure(jnp.asarray(pressure, float) * MMHG_PER_CMH2O)
