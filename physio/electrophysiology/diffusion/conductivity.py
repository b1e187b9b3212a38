"""Conductivities, their units, and what diffuses: D = sigma / (chi Cm).

With sigma in mS/mm, chi (membrane surface per tissue volume) in 1/mm and Cm in
uF/mm^2, D is in mm^2/ms without a further factor: 1 mS/mm / (1/mm uF/mm^2) = 1 mm^2
mS/uF = 1 mm^2/ms. And 1 S/m is 1 mS/mm. The benchmark of Niederer 2011 (chi 140 /mm, Cm
0.01 uF/mm^2): 0.133418 S/m is 0.0953 mm^2/ms.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from physio.parameters import param

_GIVEN = "the user's: measured, or wanted of the tissue"
_NIEDERER = "Niederer 2011, 10.1098/rsta.2011.0139, table 1"
MS_PER_MM_PER_S_PER_M = 1.0


class Conductivity(eqx.Module):
    """Effective (monodomain) conductivity along the fibre, the sheet and its normal."""

    fibre: Array = param(
        0.133418, unit="mS/mm", source=_NIEDERER, doc="along fibres", per_node=True
    )
    sheet: Array = param(
        0.0176062, unit="mS/mm", source=_NIEDERER, doc="across, in sheets",
        per_node=True,
    )  # fmt: skip
    normal: Array = param(
        0.0176062, unit="mS/mm", source=_NIEDERER, doc="across sheets", per_node=True
    )


class Velocities(eqx.Module):
    """Conduction velocities, mm/ms (= m/s), one number or one per element or node.

    All three are 0 where nothing conducts (lesions, insulating tissue). A geometry
    without fibres conducts with ``fibre`` in every direction, one without sheets with
    ``sheet`` in every direction across; the others must then be the same. An element
    whose velocity is given at its nodes takes the mean of their slowness, so that it
    conducts where all of them do.
    """

    fibre: Array = param(
        unit="mm/ms", source=_GIVEN, doc="along the fibre", per_node=True
    )
    sheet: Array = param(
        unit="mm/ms", source=_GIVEN, doc="across it, in the sheet", per_node=True
    )
    normal: Array = param(
        unit="mm/ms", source=_GIVEN, doc="across the sheet", per_node=True
    )

    @classmethod
    def isotropic(cls, velocity: Any) -> "Velocities":
        """The same velocity in every direction."""
        return cls(velocity, velocity, velocity)

    @property
    def named(self) -> tuple[tuple[str, Array], ...]:
        """The three with their names."""
        return tuple((k, getattr(self, k)) for k in ("fibre", "sheet", "normal"))

    @property
    def dtype(self) -> Any:
        return jnp.result_type(self.fibre, self.sheet, self.normal)


class Membrane(eqx.Module):
    """How much membrane a volume of tissue holds, and its capacitance."""

    surface_per_volume: Array = param(
        140.0, unit="1/mm", source=_NIEDERER, doc="chi, membrane per tissue volume"
    )
    capacitance: Array = param(
        0.01, unit="uF/mm^2", source=_NIEDERER, doc="Cm, per membrane surface"
    )

    def diffusivity(self, conductivity: Conductivity) -> Float[Array, "3 ..."]:
        """D = sigma / (chi Cm) along fibre, sheet and normal (mm^2/ms)."""
        scale = self.surface_per_volume * self.capacitance
        three = (conductivity.fibre, conductivity.sheet, conductivity.normal)
        return jnp.stack(jnp.broadcast_arrays(*three)) / scale

    def conductivity(self, diffusivity: Float[Array, "3 ..."]) -> Conductivity:
        """The conductivity (mS/mm) of a diffusivity (mm^2/ms): the way back."""
        return Conductivity(
            *(diffusivity * (self.surface_per_volume * self.capacitance))
        )


def monodomain(
    intracellular: Float[Array, " 3"], extracellular: Float[Array, " 3"]
) -> Conductivity:
    """The conductivity of a monodomain from a bidomain's: sigma_i sigma_e / (sum).

    Both along fibre, sheet and normal, in mS/mm (= S/m). Raises ``ValueError`` for
    negative values, or where both are zero.
    """
    both = jnp.stack([intracellular, extracellular])
    if bool(jnp.any(both < 0)) or bool(jnp.any(both.sum(axis=0) == 0)):
        raise ValueError("Conductivities must be positive, in mS/mm (= S/m).")
    return Conductivity(*(intracellular * extracellular / both.sum(axis=0)))
