"""Vessels: what holds blood, and what it flows through with resistance and inertia."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from physio.hemodynamics.elements.element import (
    LUNG_SHARE,
    PLEURAL_SHARE,
    START_VOLUME,
    AbstractCompartment,
    AbstractConnection,
    AbstractMemoryless,
)
from physio.parameters import param

_FIT = "this project's fit of a healthy man to published ranges, docs/validation.md"
_COLUMN: dict[str, Any] = dict(
    unit="cm", source="anatomy; 0 where source and target are level",
    doc="how far the target lies above the source when upright",
)  # fmt: skip


class ElasticVessel(AbstractCompartment):
    """A vessel of constant compliance: p = (V - V0) / C, plus a share of a chamber's
    pressure for vessels in the heart's wall (Krams 1989: intramyocardial pump)."""

    stored_as: ClassVar[str] = "ElasticVessel"

    compliance: Array = param(
        1.6, unit="mL/mmHg", source=_FIT, doc="volume gained per pressure"
    )
    unstressed_volume: Array = param(
        0.0, unit="mL", source="0: stressed volume only", doc="volume at zero pressure"
    )
    squeeze_share: Array = param(
        0.0, unit="1", source="0: outside the heart's wall",
        doc="share of the squeezing chamber's pressure acting outside",
    )  # fmt: skip
    start_volume: Array = param(150.0, **START_VOLUME)
    pleural_share: Array = param(0.0, **PLEURAL_SHARE)
    lung_share: Array = param(0.0, **LUNG_SHARE)
    squeezed_by: str | None = eqx.field(static=True, default=None)

    def transmural_pressure(
        self, volume: Float[Array, ""], activations: dict[str, Array]
    ) -> Float[Array, ""]:
        return (volume - self.unstressed_volume) / self.compliance


class Vein(AbstractCompartment):
    """Veins, which stiffen as they fill and collapse as they empty.

    p = P (exp((V - V0) / (C P)) - 1): compliance C at zero pressure, halved at p = P.
    An exponential wall law as Fung's, 1967, 10.1152/ajplegacy.1967.213.6.1532.
    """

    stored_as: ClassVar[str] = "Vein"

    compliance: Array = param(
        90.0, unit="mL/mmHg", source=_FIT, doc="compliance at zero pressure"
    )
    stiffening_pressure: Array = param(
        20.0, unit="mmHg", source="this project: compliance at 5 mmHg near Magder "
        "2016, 10.1186/s13054-016-1571-1 (about 2 mL/mmHg/kg at 70 kg, all veins)",
        doc="pressure at which the compliance is halved",
    )  # fmt: skip
    unstressed_volume: Array = param(
        2800.0, unit="mL", source="Magder 2016: about 70 % of blood is unstressed",
        doc="volume at zero pressure",
    )  # fmt: skip
    start_volume: Array = param(3200.0, **START_VOLUME)
    pleural_share: Array = param(0.0, **PLEURAL_SHARE)
    lung_share: Array = param(0.0, **LUNG_SHARE)

    def transmural_pressure(
        self, volume: Float[Array, ""], activations: dict[str, Array]
    ) -> Float[Array, ""]:
        scale = self.compliance * self.stiffening_pressure
        # a runaway trial step must not overflow: 30 is far outside any body
        filled = jnp.minimum((volume - self.unstressed_volume) / scale, 30.0)
        return self.stiffening_pressure * jnp.expm1(filled)


class Resistance(AbstractMemoryless):
    """Poiseuille flow: q = dp / R."""

    source: str = eqx.field(static=True)
    target: str = eqx.field(static=True)
    resistance: Array = param(
        0.9, unit="mmHg s/mL", source=_FIT, doc="pressure drop per flow"
    )
    column: Array = param(0.0, **_COLUMN)

    def flow(
        self, pressure_difference: Float[Array, ""], state: PyTree
    ) -> Float[Array, ""]:
        return pressure_difference / self.resistance


class InertialVessel(AbstractConnection):
    """Flow with inertia: L dq/dt = dp - R q."""

    source: str = eqx.field(static=True)
    target: str = eqx.field(static=True)
    resistance: Array = param(
        0.05, unit="mmHg s/mL", source=_FIT, doc="pressure drop per flow"
    )
    inertance: Array = param(
        5e-3, unit="mmHg s^2/mL",
        source="Regazzoni 2022, 10.1016/j.jcp.2022.111083, table 2",
        doc="pressure drop per acceleration of flow",
    )  # fmt: skip
    start_flow: Array = param(
        0.0, unit="mL/s", source="start of a run", doc="flow at the start of a run"
    )
    column: Array = param(0.0, **_COLUMN)

    def initial_state(self) -> PyTree:
        return {"flow": self.start_flow}

    def flow(
        self, pressure_difference: Float[Array, ""], state: PyTree
    ) -> Float[Array, ""]:
        return state["flow"]

    def derivative(
        self, pressure_difference: Float[Array, ""], state: PyTree
    ) -> PyTree:
        drop = pressure_difference - self.resistance * state["flow"]
        return {"flow": drop / self.inertance}
