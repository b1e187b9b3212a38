"""A front through tissue of a few regions, each with velocities of its own.

The model behind a map of activation: every region of a geometry conducts at one
velocity along its fibres and, slower by an anisotropy ratio, across them; the wave
starts at sites, each at its onset. Velocities of regions, not of places, because a map
of tens of electrodes tells no more. Dotted names are the clinic's:

    regions.healthy.velocity    regions.scar.anisotropy    sites.pacing.onset
"""

# pyright: reportArgumentType=false
# A param field converts the number it is given: the type checker does not know.

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from physio.electrophysiology.diffusion.conductivity import Velocities
from physio.electrophysiology.eikonal.front import AbstractNeighbourhood
from physio.electrophysiology.eikonal.solve import activation_times
from physio.parameters import param

_GIVEN = "the user's: measured, or free in a calibration"


class Region(eqx.Module):
    """The tissue with one region ``number`` of the geometry.

    Velocity 0 is tissue that does not conduct. Without fibres ``anisotropy`` is 1.
    """

    velocity: Array = param(unit="mm/ms", source=_GIVEN, doc="along the fibres")
    anisotropy: Array = param(
        unit="1", source=_GIVEN, doc="velocity along the fibres over that across them"
    )
    number: int = eqx.field(static=True, default=0)

    def __check_init__(self) -> None:
        for name, least in (("velocity", "0 or more"), ("anisotropy", "above 0")):
            value = np.asarray(getattr(self, name))
            if not (value > 0.0 or (value == 0.0 and name == "velocity")):
                raise ValueError(
                    f"The {name} of region {self.number} is {float(value):g}; "
                    f"it is {least}."
                )


def _position(value: Any) -> Float[Array, " 3"]:
    position = jnp.asarray(value, jnp.result_type(float))
    if position.shape != (3,):
        raise ValueError(
            f"A site's position is x, y, z in mm; got shape {position.shape}."
        )
    return position


class Site(eqx.Module):
    """Where a wave starts: a pacing electrode, or where the conduction system ends.

    ``position`` (3,) in mm, in the frame of the geometry.
    """

    position: Float[Array, " 3"] = eqx.field(converter=_position)
    onset: Array = param(0.0, unit="ms", source=_GIVEN, doc="when the wave starts here")


class RegionalConduction(eqx.Module):
    """Regions that conduct and sites that start, each by a name of the user's."""

    regions: dict[str, Region]
    sites: dict[str, Site]

    def __check_init__(self) -> None:
        numbers = [region.number for region in self.regions.values()]
        if not numbers or not self.sites:
            raise ValueError(
                "A wave needs at least one region and one site. Type: "
                'RegionalConduction({"tissue": Region(0.6, 2.5)}, '
                '{"pacing": Site((0.0, 0.0, 0.0))})'
            )
        twice = {number for number in numbers if numbers.count(number) > 1}
        if twice:
            raise ValueError(
                f"Region number {min(twice)} stands in two regions; each number of "
                "the geometry belongs to one."
            )

    def velocities(self, numbers: Int[Array, " n_elem"]) -> Velocities:
        """Velocities (mm/ms) of each element or voxel, by its region's number."""
        regions = tuple(self.regions.values())
        known = jnp.asarray([region.number for region in regions])
        row = jnp.argmax(numbers[:, None] == known[None, :], axis=1)
        along = jnp.stack([region.velocity for region in regions])
        across = along / jnp.stack([region.anisotropy for region in regions])
        return Velocities(along[row], across[row], across[row])

    def activation(
        self, space: AbstractNeighbourhood, numbers: Int[Array, " n_elem"]
    ) -> Float[Array, " n_node"]:
        """When the wave arrives at each node (ms), NaN where it never does.

        ``space`` is what ``solve.prepare`` made of the geometry, ``numbers`` the
        region of each of its elements or voxels. Differentiable as
        ``activation_times``.
        """
        sites = tuple(self.sites.values())
        positions: Any = jnp.stack([site.position for site in sites])
        onsets = jnp.stack([site.onset for site in sites])
        return activation_times(space, self.velocities(numbers), positions, onsets)
