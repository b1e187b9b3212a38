"""The heart's electrical experiment: a paced beat, mapped at electrodes.

An :class:`ActivationMapping` holds what is the same whatever the velocities: the
geometry, the region of each of its elements, and where each electrode lies in it. The
model (``RegionalConduction``) is asked for the arrival of its front (an anisotropic
eikonal equation), and a map (``ActivationMap``) is compared at its electrodes.

What the model leaves out is the map's discrepancy: the delay of a curved front near its
site, D / v^2 ln(r / r_0), 0.8 ms from 1 to 20 mm at D = 0.1 mm^2/ms and 0.6 mm/ms, and
velocities that vary inside a region. The spacing's own error is of first order: compare
a finer geometry's times before trusting a coarse one.
"""

from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from calibration.observations.independence import Observations
from calibration.observations.maps import ActivationMap
from calibration.problems.problem import AbstractExperiment, Prediction
from physio.electrophysiology.eikonal.elements import MeshLike
from physio.electrophysiology.eikonal.front import AbstractNeighbourhood
from physio.electrophysiology.eikonal.regional import RegionalConduction
from physio.electrophysiology.eikonal.solve import prepare


class ActivationMapping(AbstractExperiment):
    """A geometry and the electrodes of a map in it.

    Made by :meth:`of`. ``regions`` are by element or voxel; an electrode reads
    ``weights`` times the activation of its ``nodes``, exact where the front is plane.
    """

    space: AbstractNeighbourhood
    regions: Int[Array, " n_elem"]
    nodes: Int[Array, "n_electrode n_around"]
    weights: Float[Array, "n_electrode n_around"]
    answer: ClassVar[str] = "wave that reaches every electrode"

    @classmethod
    def of(
        cls, geometry: Any, electrodes: Float[ArrayLike, "n_electrode 3"]
    ) -> "ActivationMapping":
        """From a ``Mesh`` or ``Voxels`` and the electrodes' positions (mm).

        Raises ``ValueError`` for an electrode further outside than an edge, and a
        geometry with two kinds of conducting elements.
        """
        space = prepare(geometry)
        places = np.asarray(electrodes, float)
        if places.ndim != 2 or places.shape[1] != 3 or not np.isfinite(places).all():
            raise ValueError(
                "Electrodes are positions (n_electrode, 3) in mm, all of them finite; "
                f"got shape {places.shape}."
            )
        nodes, weights = _read_out(space, places)
        regions = jnp.asarray(_regions(geometry))
        return cls(space, regions, jnp.asarray(nodes), jnp.asarray(weights))

    def start(self, model: RegionalConduction) -> Float[Array, " n_y"]:
        """Nothing: the front is followed from its sites, not searched for."""
        return jnp.zeros(0)

    def predict(
        self,
        model: RegionalConduction,
        observations: Observations,
        nuisances: dict[str, Array] | None = None,
        y0: Float[Array, " n_y"] | None = None,
    ) -> Prediction:
        """The times (ms) at every map's electrodes.

        Features: ``activation_time`` at all electrodes, the ``earliest_activation`` of
        the tissue and its ``total_activation_time``, first to last node.
        """
        times = model.activation(self.space, self.regions)
        seen = jnp.sum(self.weights * times[self.nodes], axis=1)
        earliest = jnp.nanmin(times)
        features = {
            "activation_time": seen,
            "earliest_activation": earliest,
            "total_activation_time": jnp.nanmax(times) - earliest,
        }
        values = tuple(seen[o.electrodes] for o in _maps(observations))
        return Prediction(values, features, jnp.zeros(0), jnp.all(jnp.isfinite(seen)))

    def check(self, model: RegionalConduction, observations: Observations) -> None:
        """Raise where a map, a region, a site or an electrode does not fit."""
        if not isinstance(model, RegionalConduction):
            raise ValueError(
                "A map of activation is of a RegionalConduction; got a "
                f"{type(model).__name__}."
            )
        n = self.nodes.shape[0]
        for o in _maps(observations):
            if int(jnp.max(o.electrodes)) >= n:
                raise ValueError(
                    f"{o.label} has a time for electrode {int(jnp.max(o.electrodes))}; "
                    f"the experiment's are 0 to {n - 1}."
                )
        _check_regions(model, np.asarray(self.regions))
        if not _axes(self.space) and any(
            float(region.anisotropy) != 1.0 for region in model.regions.values()
        ):
            raise ValueError(
                "The geometry has no fibres: give fibres, or each Region anisotropy 1 "
                "and leave it out of the Space."
            )
        # asked outside jit, the solver says what is wrong with a site
        seen = self.predict(model, ()).features["activation_time"]
        late = np.flatnonzero(~np.isfinite(np.asarray(seen)))
        if late.size:
            raise ValueError(
                f"No wave reaches {late.size} of {n} electrodes, the first of them "
                f"number {late[0]}: they lie in or beside tissue that does not conduct "
                "or is not joined to a site's. Leave them out."
            )


def _maps(observations: Observations) -> tuple[ActivationMap, ...]:
    """The observations, each of which must be a map."""
    for o in observations:
        if not isinstance(o, ActivationMap):
            raise ValueError(
                f"{o.label} is not read off a map of activation: fit it with the "
                "experiment it was measured in."
            )
    return tuple(o for o in observations if isinstance(o, ActivationMap))


def _axes(space: Any) -> bool:
    """Whether there are fibres anywhere."""
    return bool(np.asarray(space.fibres).any())


def _regions(geometry: Any) -> np.ndarray:
    """The region's number of each conducting element or voxel."""
    if not isinstance(geometry, MeshLike):
        return np.asarray(geometry.regions)
    mesh: Any = geometry
    kinds = mesh.tissue
    if len(kinds) != 1:
        raise ValueError(
            f"A map is fitted on one kind of element; the mesh has {', '.join(kinds)}. "
            "Leave the others out of the Mesh."
        )
    return np.asarray(mesh.regions[kinds[0]])


def _check_regions(model: RegionalConduction, numbers: np.ndarray) -> None:
    """Raise where a region of the geometry has no velocity, or the other way round."""
    there, counts = np.unique(numbers, return_counts=True)
    named = {region.number: name for name, region in model.regions.items()}
    for number, count in zip(there.tolist(), counts.tolist(), strict=True):
        if number not in named:
            raise ValueError(
                f"Region {number} of the geometry ({count} elements) has no velocity. "
                f"Add it to the model: Region(velocity, anisotropy, {number})"
            )
    for number in sorted(set(named) - set(there.tolist())):
        raise ValueError(
            f"Region {named[number]!r} has number {number}; the geometry has "
            f"{', '.join(map(str, there.tolist()))}. A map says nothing of it."
        )


def _read_out(
    space: AbstractNeighbourhood, places: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes around each electrode and what each counts for there, rows of one length.

    The smallest weights that add up to 1 and whose mean position is the electrode, or
    the point nearest to it in the plane of its nodes.
    """
    centred = places - np.asarray(space.centre)
    seeds, outside, edge = space.locate(jnp.asarray(centred))
    far = np.flatnonzero(np.asarray(outside) > np.asarray(edge))
    if far.size:
        k = int(far[0])
        raise ValueError(
            f"Electrode {k} is {float(outside[k]):.3g} mm outside the geometry, whose "
            f"edges there are {float(edge[k]):.3g} mm long. Are both in mm and in one "
            "frame?"
        )
    points = np.asarray(space.nodes)
    around = np.asarray(seeds.node).reshape(len(places), -1)
    nodes = np.zeros_like(around)
    weights = np.zeros(around.shape)
    for k, (row, place) in enumerate(zip(around, centred, strict=True)):
        real = row[row < len(points)]
        apart = points[real] - place
        middle = apart.mean(axis=0)
        spread = np.linalg.pinv((apart - middle).T, rcond=1e-6)
        nodes[k] = real[0]  # what is left over counts for nothing
        nodes[k, : real.size] = real
        weights[k, : real.size] = 1.0 / real.size - spread @ middle
    return nodes, weights
