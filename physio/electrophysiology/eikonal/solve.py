"""Activation times from an anisotropic eikonal equation, differentiable.

The front of a wave arrives at T(x), where

    grad T . C grad T = 1,   C = v_f^2 f f^T + v_s^2 s s^T + v_n^2 n n^T,

with the conduction velocities along fibre, sheet and normal: a way d takes
sqrt(d^T C^-1 d). First order in the size of the elements: each node takes the least
time over the simplices around it (see ``eikonal_local``), iterated by fronts.

Derivatives follow from the fixed point T = F(T, parameters): each node's time is a
weighted mean of up to three earlier ones plus a travel time whose way stands still to
first order, so that a linear system, solved in the order of the times, gives them (as
Grandits et al. 2020, 10.1016/j.jcp.2020.109700, do for velocities).
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float

from physio.electrophysiology.eikonal.elements import MeshLike, mesh_neighbourhood
from physio.electrophysiology.eikonal.front import (
    AbstractNeighbourhood,
    Seeds,
    fronts,
    origins,
    pull,
    push,
)
from physio.electrophysiology.eikonal.grid import VoxelsLike, voxel_neighbourhood
from physio.electrophysiology.eikonal.local import NEVER
from physio.electrophysiology.eikonal.medium import Medium, Velocities

__all__ = ["Velocities", "activation_times", "prepare"]


def prepare(
    geometry: Any, *, kinds: tuple[str, ...] | None = None
) -> AbstractNeighbourhood:
    """Who is beside whom in a `Mesh` or `Voxels`, to be used many times.

    Inside jit, vmap and grad pass it as an argument, or it becomes part of the
    program. ``kinds`` of a mesh conduct; by default its tetrahedra, else its
    triangles, and its lines. ("tetra", "triangle") makes of the triangles a layer with
    velocities of its own, such as the fast one beneath the endocardium.

    **Raises** ValueError for a geometry without elements, or fibres that are neither
    0 nor unit vectors.
    """
    if isinstance(geometry, AbstractNeighbourhood):
        return geometry
    if isinstance(geometry, MeshLike):
        return mesh_neighbourhood(geometry, kinds)
    if isinstance(geometry, VoxelsLike):
        if len(np.asarray(geometry.index)) == 0:
            raise ValueError(
                "There is no active voxel. Check the mask and its threshold."
            )
        return voxel_neighbourhood(geometry)
    raise ValueError(
        f"Activation times need a Mesh or Voxels; got {type(geometry).__name__}."
    )


def activation_times(
    geometry: Any,
    velocity: Velocities | dict[str, Velocities],
    sites: Any,
    onset: Float[ArrayLike, "*n_site"] = 0.0,
) -> Float[Array, " n_node"]:
    """When a front from the sites arrives at each node (ms), NaN where it never does.

    **Arguments**

    - `geometry`: a `Mesh`, `Voxels`, or what `prepare` made of one.
    - `velocity`: mm/ms; one for the geometry, or one per kind of element.
    - `sites`: positions (n_site, 3) in mm, or node numbers (n_site,). A position
      starts the corners of its element, or of its cell of voxels, each after its
      travel time.
    - `onset`: when each site fires (ms), one number for all or (n_site,); inf: never.

    Works under jit, vmap and forward and reverse derivatives by velocities, positions
    and onsets, in the precision of the velocities. What concerns values is then not
    checked, and a site outside goes to the nearest element. In vmap, every member
    takes as many passes as the slowest.

    **Raises** ValueError for no site, one further outside than an edge or one in tissue
    that does not conduct; for negative velocities and arrays of a wrong length.
    """
    space = prepare(geometry)
    space.check(velocity)
    placed, at_nodes = _placed(space, sites)
    n_site = placed.shape[0]
    onset = jnp.asarray(onset)
    if onset.shape not in ((), (n_site,)):
        raise ValueError(
            f"Wanted one onset, or one for each of {n_site} sites; got {onset.shape}."
        )
    if not isinstance(onset, Tracer) and not np.all(np.asarray(onset) > -np.inf):
        raise ValueError("Onsets are times in ms, inf for a site that is off.")
    times, outside, edge, dead = _activation(
        space, velocity, placed, jnp.broadcast_to(onset, (n_site,)), at_nodes
    )
    if not any(isinstance(x, Tracer) for x in (outside, dead)):
        _check_sites(np.asarray(outside), np.asarray(edge), np.asarray(dead))
    return times


def _placed(space: AbstractNeighbourhood, sites: Any) -> tuple[Array, bool]:
    """Positions relative to the centre, or node numbers, and which of the two."""
    array = sites if isinstance(sites, jax.Array) else np.asarray(sites)
    at_nodes = array.ndim == 1 and np.issubdtype(array.dtype, np.integer)
    if array.shape[:1] == (0,):
        raise ValueError("There is no site: give at least one position or node.")
    if not at_nodes and (array.ndim != 2 or array.shape[1] != 3):
        raise ValueError(
            f"Sites are positions (n_site, 3) in mm or whole node numbers (n_site,); "
            f"got {array.dtype} of shape {array.shape}."
        )
    if not isinstance(array, Tracer):
        values = np.asarray(array)
        n_node = space.nodes.shape[0]
        if at_nodes and (values.min() < 0 or values.max() >= n_node):
            raise ValueError(
                f"Node numbers are 0 to {n_node - 1}; got {values.min()} to "
                f"{values.max()}."
            )
        if not np.isfinite(values).all():
            raise ValueError(f"Sites must be finite; got {values}.")
    if at_nodes:
        return jnp.asarray(array, jnp.int32), True
    return jnp.asarray(array) - space.centre[None, :], False


def _check_sites(outside: np.ndarray, edge: np.ndarray, dead: np.ndarray) -> None:
    far = outside > edge
    if far.any():
        site = int(np.argmax(far))
        raise ValueError(
            f"Site {site} is {outside[site]:.3g} mm outside the geometry, whose edges "
            f"there are {edge[site]:.3g} mm long. Are both in mm and in one frame?"
        )
    if dead.any():
        raise ValueError(
            f"Site {int(np.argmax(dead))} is in tissue that does not conduct "
            "(velocity 0). Move it, or give it onset inf to leave it out."
        )


@partial(jax.jit, static_argnames="at_nodes")
def _activation(
    space: AbstractNeighbourhood,
    velocity: Any,
    placed: Array,
    onset: Array,
    at_nodes: bool,
) -> tuple[Array, Array, Array, Array]:
    """Times; of each site how far outside it is, an edge there, and whether dead."""
    medium = space.medium(velocity)
    dtype = medium.dtype
    onset = onset.astype(dtype)
    n_site = placed.shape[0]
    if at_nodes:
        positions = space.nodes[placed].astype(dtype)
        seeds = space.at_nodes(medium, placed)
        outside, edge = jnp.zeros(n_site, dtype), jnp.ones(n_site, dtype)
    else:
        positions = placed.astype(dtype)
        seeds, outside, edge = space.locate(jax.lax.stop_gradient(positions))
    alive = (seeds.medium >= 0) & medium.conducts[seeds.medium]
    seeds = seeds._replace(medium=jnp.where(alive, seeds.medium, -1))
    any_alive = jnp.zeros(n_site, bool).at[seeds.site].max(alive)
    times = _fixed_point(space, seeds, medium, positions, onset)
    times = jnp.where(times < 0.5 * NEVER, times, jnp.nan)
    return times, outside, edge, ~any_alive & (onset < NEVER)


def _seed_times(
    space: AbstractNeighbourhood,
    seeds: Seeds,
    medium: Medium,
    positions: Array,
    onset: Array,
) -> Float[Array, " n_seed"]:
    """When the sites reach the nodes around them, NEVER where a seed is none."""
    nodes = space.nodes.astype(positions.dtype)
    way = nodes.at[seeds.node].get(mode="clip") - positions[seeds.site]
    time = onset[seeds.site] + medium.travel_time(way, jnp.maximum(seeds.medium, 0))
    return jnp.where((seeds.medium >= 0) & (time < NEVER), time, NEVER)


def _start(space: AbstractNeighbourhood, seeds: Seeds, time: Array) -> Array:
    start = jnp.full(space.nodes.shape[0], NEVER, time.dtype)
    return start.at[seeds.node].min(time, mode="drop")


@jax.custom_jvp
def _fixed_point(
    space: AbstractNeighbourhood,
    seeds: Seeds,
    medium: Medium,
    positions: Array,
    onset: Array,
) -> Float[Array, " n_node"]:
    time = _seed_times(space, seeds, medium, positions, onset)
    return fronts(space, medium, _start(space, seeds, time))


@_fixed_point.defjvp
def _fixed_point_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    space, seeds, *parameters = primals
    times = _fixed_point(*primals)
    medium = parameters[0]
    time = _seed_times(space, seeds, *parameters)
    start = _start(space, seeds, time)
    came_from = origins(space, space.tables(medium), times)
    n_seed = seeds.node.size
    # compiled twice, the same sum may differ in its last bits
    near = 16.0 * jnp.finfo(times.dtype).eps
    least = start.at[seeds.node].get(mode="fill", fill_value=0.0)
    first = (seeds.medium >= 0) & (time <= least + near * jnp.abs(least))
    owner = jnp.full(times.size, -1, jnp.int32)
    owner = owner.at[seeds.node].max(
        jnp.where(first, jnp.arange(n_seed, dtype=jnp.int32), -1), mode="drop"
    )
    source = (owner >= 0) & (start <= times + near * jnp.abs(times))
    came_from = came_from._replace(
        weights=jnp.where(source[:, None], 0.0, came_from.weights)
    )
    came_from, times_ = jax.lax.stop_gradient((came_from, times))

    def local_times(medium: Medium, positions: Array, onset: Array) -> Array:
        seeded = _seed_times(space, seeds, medium, positions, onset)
        travelled = medium.travel_time(came_from.way, came_from.medium)
        return jnp.where(source, seeded[jnp.maximum(owner, 0)], travelled)

    _, change = jax.jvp(local_times, tuple(parameters), tuple(tangents[2:]))

    def minus_weighted(x: Array) -> Array:
        beside = x.at[came_from.nodes].get(mode="fill", fill_value=0.0)
        return x - jnp.sum(came_from.weights * beside, axis=1)

    tangent = jax.lax.custom_linear_solve(
        minus_weighted,
        change,
        lambda _, b: push(times_, came_from, b),
        lambda _, b: pull(times_, came_from, b),
    )
    return times, tangent
