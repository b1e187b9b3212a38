"""Active voxels as a neighbourhood: 48 tetrahedra around each, in its 26 neighbours.

The cube around a voxel is cut into the tetrahedra x, x+a, x+a+b, x+a+b+c, one per order
and sign of the axes, so that every direction of a wave lies in one of them and none is
wider than 55 degrees. A diagonal neighbour counts where a path over faces of conducting
voxels leads to it: no front slips through a line of blocked voxels, corner to corner.
"""

from itertools import permutations, product
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from physio.electrophysiology.eikonal.front import AbstractNeighbourhood, Seeds
from physio.electrophysiology.eikonal.local import (
    NEVER,
    Arrival,
    earlier,
    over_axis_face,
    over_edge,
)
from physio.electrophysiology.eikonal.medium import (
    Medium,
    Velocities,
    check,
    check_right_angles,
    count_axes,
    mean_slow_time,
    speeds,
    unit_axes,
)

_Step = tuple[int, ...]


@runtime_checkable
class VoxelsLike(Protocol):
    """What is needed of a geometry of voxels."""

    spacing: float
    origin: Any
    index: Any
    fibres: Any
    sheets: Any


def _sum(*steps: _Step) -> _Step:
    return tuple(sum(parts) for parts in zip(*steps, strict=True))


def _unsigned(step: _Step) -> _Step:
    leading = next(part for part in step if part)
    return step if leading > 0 else tuple(-part for part in step)


# axes first, then edges, then corners of the cube
_STEPS: list[_Step] = sorted(
    (step for step in product((-1, 0, 1), repeat=3) if any(step)),
    key=lambda step: (sum(map(abs, step)), step),
)
_ROW: dict[_Step, int] = {step: row for row, step in enumerate(_STEPS)}
_WAYS = [step for step in _STEPS if _unsigned(step) == step]
_WAY: dict[_Step, int] = {step: row for row, step in enumerate(_WAYS)}
_N_AXIS, _N_EDGE = 6, 12
_SYMMETRIC = np.array([[0, 3, 4], [3, 1, 5], [4, 5, 2]])


def _nearer(step: _Step) -> list[int]:
    """Rows of the steps with one of the parts of this one left out."""
    kept = [
        tuple(0 if i == k else part for i, part in enumerate(step))
        for k in range(3)
        if step[k]
    ]
    return [_ROW[other] for other in kept]


def _faces_and_edges() -> tuple[np.ndarray, np.ndarray]:
    """Rows (3 corners, 3 axes, 3 signs) and (2 ends, ways to each and between)."""
    faces, edges = [], set()
    for axes in permutations(range(3)):
        for signs in product((-1, 1), repeat=3):
            a, b, c = (
                tuple(sign if k == axis else 0 for k in range(3))
                for axis, sign in zip(axes, signs, strict=True)
            )
            corners = a, _sum(a, b), _sum(a, b, c)
            faces.append([*(_ROW[corner] for corner in corners), *axes, *signs])
            edges |= {(corners[0], corners[1], b), (corners[1], corners[2], c)}
            edges.add((corners[0], corners[2], _sum(b, c)))
    rows = [
        [_ROW[p], _ROW[q], *(_WAY[_unsigned(way)] for way in (p, q, between))]
        for p, q, between in sorted(edges)
    ]
    return np.array(faces, np.int32), np.array(rows, np.int32)


_FACES, _EDGES = _faces_and_edges()
_TO_EDGE = np.array([_nearer(step) for step in _STEPS[_N_AXIS : _N_AXIS + _N_EDGE]])
_TO_CORNER = np.array([_nearer(step) for step in _STEPS[_N_AXIS + _N_EDGE :]])


class GridNeighbourhood(AbstractNeighbourhood):
    """Voxels and the axes of their tissue; ``voxel_neighbourhood`` makes one."""

    nodes: Float[Array, "n_node 3"]
    centre: Float[Array, " 3"]
    neighbours: Int[Array, "n_node 26"]
    spacing: Float[Array, ""]
    fibres: Float[Array, "n_node 3"]
    sheets: Float[Array, "n_node 3"]
    n_axes: int = eqx.field(static=True)

    def check(self, velocity: Velocities | dict[str, Velocities]) -> None:
        check(velocity, self.n_axes, {"voxels": self.nodes.shape[0]})

    def medium(self, velocity: Velocities | dict[str, Velocities]) -> Medium:
        def spread(values: Array) -> Array:
            return jnp.broadcast_to(values, (self.nodes.shape[0],))

        found = speeds(velocity, self.n_axes, spread)
        return Medium(
            self.fibres.astype(found.dtype), self.sheets.astype(found.dtype), found
        )

    def tables(self, medium: Medium) -> Array:
        return medium.tensor()

    def width(self, medium: Medium) -> Array:
        return mean_slow_time(medium, self.spacing.astype(medium.dtype))

    def update(
        self, tables: Array, times: Array, ids: Array, explain: bool
    ) -> tuple[Arrival, Array]:
        tensor, spacing = tables[ids].T, self.spacing.astype(times.dtype)
        rows = self.neighbours[ids].T
        time = _in_reach(times[rows])
        lengths = _squared_times(tensor, spacing)
        axes_of = jnp.asarray(_SYMMETRIC)

        def through(first: Array, slots: Array, weights: tuple[Array, ...]) -> Arrival:
            if not explain:
                return Arrival(first)
            shape = (3, ids.size)
            slots = jnp.broadcast_to(slots[:, None], shape)
            return Arrival(first, slots, jnp.stack(weights))

        def edge(best: Arrival, row: Array) -> tuple[Arrival, None]:
            first, second = row[0], row[1]
            arrival, s = over_edge(
                time[first], time[second], *(lengths[row[k]] for k in (2, 3, 4))
            )
            slots = jnp.stack([first, second, first])
            return earlier(
                best, through(arrival, slots, (1 - s, s, jnp.zeros_like(s)))
            ), None

        def face(best: Arrival, row: Array) -> tuple[Arrival, None]:
            a, b, c = row[3], row[4], row[5]
            sa, sb, sc = row[6:].astype(times.dtype)
            signed = (
                tensor[a],
                tensor[b],
                tensor[c],
                tensor[axes_of[a, b]] * (sa * sb),
                tensor[axes_of[a, c]] * (sa * sc),
                tensor[axes_of[b, c]] * (sb * sc),
            )
            corners = (time[row[0]], time[row[1]], time[row[2]])
            arrival, weights = over_axis_face(corners, signed, spacing)
            return earlier(best, through(arrival, row[:3], weights)), None

        none = jnp.full(ids.shape, NEVER, times.dtype)
        zero = jnp.zeros_like(none)
        best = through(none, jnp.zeros(3, jnp.int32), (zero, zero, zero))
        best = jax.lax.scan(edge, best, jnp.asarray(_EDGES))[0]
        best = jax.lax.scan(face, best, jnp.asarray(_FACES))[0]
        best = best._replace(time=jnp.where(tensor[0] > 0, best.time, NEVER))
        if explain:
            nodes = rows[best.nodes, jnp.arange(ids.size)[None, :]]
            best = best._replace(nodes=nodes)
        return best, ids

    def locate(self, positions: Array) -> tuple[Seeds, Array, Array]:
        n_node = self.nodes.shape[0]
        spacing = self.spacing.astype(positions.dtype)

        def one(position: Array) -> tuple[Array, Array]:
            apart = (self.nodes.astype(position.dtype) - position[None, :]) / spacing
            # the cell's two voxels per axis, also where the site is on one of them
            around = jnp.all((apart > -1.0) & (apart <= 1.0), axis=1)
            nearest = jnp.argmin(jnp.sum(apart * apart, axis=1))
            around = around.at[nearest].set(False)
            cell = jnp.nonzero(around, size=8, fill_value=n_node)[0]
            beyond = jnp.maximum(jnp.abs(apart[nearest]) - 0.5, 0.0)
            nodes = jnp.append(cell, nearest).astype(jnp.int32)
            return nodes, jnp.sqrt(jnp.sum(beyond * beyond)) * spacing

        nodes, outside = jax.lax.map(one, positions)
        site = jnp.arange(positions.shape[0], dtype=jnp.int32)
        site = jnp.broadcast_to(site[:, None], nodes.shape).reshape(-1)
        nodes = nodes.reshape(-1)
        medium = jnp.where(nodes < n_node, nodes, -1)
        edge = jnp.broadcast_to(spacing, outside.shape)
        return Seeds(nodes, site, medium), outside, edge

    def at_nodes(self, medium: Medium, ids: Array) -> Seeds:
        site = jnp.arange(ids.size, dtype=jnp.int32)
        return Seeds(ids, site, ids)


def _in_reach(time: Array) -> Array:
    """Times of the 26 neighbours, NEVER where no path over faces leads to them."""
    axes = time[:_N_AXIS]
    edges = time[_N_AXIS : _N_AXIS + _N_EDGE]
    nearest = jnp.min(axes[_TO_EDGE], axis=1)
    edges = jnp.where(nearest < 0.5 * NEVER, edges, NEVER)
    nearest = jnp.min(edges[_TO_CORNER - _N_AXIS], axis=1)
    corners = jnp.where(nearest < 0.5 * NEVER, time[_N_AXIS + _N_EDGE :], NEVER)
    return jnp.concatenate([axes, edges, corners])


def _squared_times(tensor: Array, spacing: Array) -> Array:
    """Squared travel times along the 13 ways between neighbours (ms^2)."""
    xx, yy, zz, xy, xz, yz = tensor
    a, b, c = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    det = xx * a + xy * b + xz * c
    scale = spacing * spacing / jnp.where(det > 0, det, 1.0)
    inverse = [a, xx * zz - xz * xz, xx * yy - xy * xy, b, c, xy * xz - xx * yz]
    x, y, z = np.array(_WAYS).T
    forms = np.stack([x * x, y * y, z * z, 2 * x * y, 2 * x * z, 2 * y * z])
    forms = jnp.asarray(forms, tensor.dtype)
    return sum(
        (forms[k][:, None] * (scale * inverse[k])[None, :] for k in range(6)),
        start=jnp.zeros((len(_WAYS), tensor.shape[1]), tensor.dtype),
    )


def voxel_neighbourhood(voxels: VoxelsLike) -> GridNeighbourhood:
    """Who is beside whom among the active voxels."""
    index = np.asarray(voxels.index)
    n_node = len(index)
    low = index.min(axis=0) - 1
    box = np.full(index.max(axis=0) - low + 2, n_node, np.int32)
    place = index - low
    box[tuple(place.T)] = np.arange(n_node, dtype=np.int32)
    neighbours = np.stack([box[tuple((place + s).T)] for s in _STEPS], axis=1)
    spacing = float(voxels.spacing)
    centre = spacing * index.mean(axis=0)
    fibres = unit_axes(voxels.fibres, n_node, "fibres")
    sheets = unit_axes(voxels.sheets, n_node, "sheets")
    check_right_angles(fibres, sheets)
    return GridNeighbourhood(
        nodes=jnp.asarray(spacing * index - centre),
        centre=jnp.asarray(np.asarray(voxels.origin, float) + centre),
        neighbours=jnp.asarray(neighbours),
        spacing=jnp.asarray(spacing),
        fibres=jnp.asarray(fibres),
        sheets=jnp.asarray(sheets),
        n_axes=count_axes(voxels.fibres, voxels.sheets),
    )
