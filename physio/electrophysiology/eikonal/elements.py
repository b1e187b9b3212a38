"""Tetrahedra, triangles and lines as a neighbourhood: the elements around each node.

An element enters by the squared travel times along its edges alone, so that one update
serves a volume, a surface in space and a tree of fibres, each with its own medium, on
the same nodes.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.sparse import coo_matrix

from physio.electrophysiology.eikonal.front import AbstractNeighbourhood, Seeds
from physio.electrophysiology.eikonal.local import (
    NEVER,
    Arrival,
    earlier,
    over_edge,
    over_triangle,
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

CORNERS = {"tetra": 4, "triangle": 3, "line": 2}


@runtime_checkable
class MeshLike(Protocol):
    """What is needed of a geometry of elements."""

    nodes: Any
    elements: Any
    fibres: Any
    sheets: Any


def _pairs(n_corner: int) -> np.ndarray:
    return np.array(list(combinations(range(n_corner), 2)))


def _seen_from(n_corner: int) -> tuple[np.ndarray, np.ndarray]:
    """For each corner the others, and the edges: to them first, then between them."""
    edge = {pair: k for k, pair in enumerate(combinations(range(n_corner), 2))}
    others = [[j for j in range(n_corner) if j != i] for i in range(n_corner)]
    edges = [
        [edge[min(i, j), max(i, j)] for j in o] + [edge[p] for p in combinations(o, 2)]
        for i, o in enumerate(others)
    ]
    return np.array(others), np.array(edges)


class Star(eqx.Module):
    """The elements of one kind, and those around each node.

    ``around`` holds n_corner * element + corner, and -1 where there are no more.
    """

    elements: Int[Array, "n_elem n_corner"]
    around: Int[Array, "n_node n_around"]
    kind: str = eqx.field(static=True)
    first: int = eqx.field(static=True)
    n_axes: int = eqx.field(static=True)

    def arrival(
        self, squared: Array, times: Array, code: Array, explain: bool
    ) -> tuple[Arrival, Array]:
        """Through one element of each node (``code``), and which medium it is."""
        n_corner = CORNERS[self.kind]
        others, edges = (jnp.asarray(table) for table in _seen_from(n_corner))
        element, corner = jnp.maximum(code, 0) // n_corner, code % n_corner
        nodes = self.elements[element[:, None], others[corner]].T
        q = squared[element[:, None], edges[corner]].T
        time, weights = _through(times[nodes], q)
        time = jnp.where((code >= 0) & (q[0] > 0), time, NEVER)
        if not explain:
            return Arrival(time), element + self.first
        short = jnp.zeros((3 - len(nodes), code.size), jnp.int32)
        arrival = Arrival(
            time,
            jnp.concatenate([nodes, short]),
            jnp.concatenate([weights, short.astype(time.dtype)]),
        )
        return arrival, element + self.first


def _through(t: Array, q: Array) -> tuple[Array, Array]:
    """Arrival over the closed face opposite a corner, with the weights of its ends."""
    if len(t) == 1:
        return t[0] + jnp.sqrt(q[0]), jnp.ones_like(t)
    if len(t) == 2:
        time, s = over_edge(*t, *q)
        return time, jnp.stack([1.0 - s, s])
    inside, weights = over_triangle(t, q)
    i, j = np.array([0, 0, 1]), np.array([1, 2, 2])
    edge, s = over_edge(t[i], t[j], q[i], q[j], q[3:])
    one, other, rest = 1.0 - s, s, jnp.zeros_like(s[0])
    ends = jnp.stack(
        [
            jnp.stack([one[0], other[0], rest]),
            jnp.stack([one[1], rest, other[1]]),
            jnp.stack([rest, one[2], other[2]]),
        ]
    )
    first = jnp.argmin(edge, axis=0)
    ends = jnp.take_along_axis(ends, first[None, None, :], axis=0)[0]
    edge = jnp.min(edge, axis=0)
    time = jnp.minimum(inside, edge)
    return time, jnp.where((inside <= edge)[None, :], weights, ends)


class ElementNeighbourhood(AbstractNeighbourhood):
    """Nodes and the stars of each kind; ``mesh_neighbourhood`` makes one."""

    nodes: Float[Array, "n_node 3"]
    centre: Float[Array, " 3"]
    neighbours: Int[Array, "n_node n_beside"]
    stars: tuple[Star, ...]
    fibres: Float[Array, "n_medium 3"]
    sheets: Float[Array, "n_medium 3"]

    def _of_kind(self, velocity: Any, star: Star) -> Velocities:
        return velocity[star.kind] if isinstance(velocity, Mapping) else velocity

    def check(self, velocity: Velocities | dict[str, Velocities]) -> None:
        kinds = [star.kind for star in self.stars]
        if isinstance(velocity, Mapping) and set(velocity) != set(kinds):
            raise ValueError(
                f"Velocities are given for {', '.join(velocity)}; the geometry "
                f"conducts through {', '.join(kinds)}. Give one for each, or one for "
                "all, or prepare(mesh, kinds=(...)) with those wanted."
            )
        for star in self.stars:
            place = f" ({star.kind})" if len(kinds) > 1 else ""
            lengths = {"elements": len(star.elements), "nodes": len(self.nodes)}
            n_axes = 2 if star.kind == "line" else star.n_axes
            check(self._of_kind(velocity, star), n_axes, lengths, place)

    def medium(self, velocity: Velocities | dict[str, Velocities]) -> Medium:
        parts = []
        for star in self.stars:

            def spread(values: Array, star: Star = star) -> Array:
                count = len(star.elements)
                if values.ndim and values.size != count:
                    return _mean_slowness(values[star.elements])
                return jnp.broadcast_to(values, (count,))

            parts.append(speeds(self._of_kind(velocity, star), star.n_axes, spread))
        found = jnp.concatenate(parts)
        return Medium(
            self.fibres.astype(found.dtype), self.sheets.astype(found.dtype), found
        )

    def tables(self, medium: Medium) -> tuple[Array, ...]:
        """Squared travel times along the edges (ms^2), 0 where nothing conducts."""
        points = self.nodes.astype(medium.dtype)
        tables = []
        for star in self.stars:
            count = len(star.elements)
            index = jnp.arange(star.first, star.first + count)
            pairs = _pairs(CORNERS[star.kind])
            ways = (
                points[star.elements[:, j]] - points[star.elements[:, i]]
                for i, j in pairs
            )
            squared = jnp.stack([medium.squared_time(w, index) for w in ways], axis=1)
            conducts = medium.conducts[star.first : star.first + count]
            tables.append(jnp.where(conducts[:, None], squared, 0.0))
        return tuple(tables)

    def width(self, medium: Medium) -> Array:
        points = self.nodes.astype(medium.dtype)
        ways = [points[s.elements[:, 1]] - points[s.elements[:, 0]] for s in self.stars]
        return mean_slow_time(medium, jnp.linalg.norm(jnp.concatenate(ways), axis=1))

    def update(
        self, tables: tuple[Array, ...], times: Array, ids: Array, explain: bool
    ) -> tuple[Arrival, Array]:
        none = jnp.full(ids.shape, NEVER, times.dtype)
        best = Arrival(none)
        if explain:
            slots = jnp.zeros((3, ids.size), jnp.int32)
            best = Arrival(none, slots, jnp.zeros((3, ids.size), times.dtype))
        medium = jnp.zeros(ids.shape, jnp.int32)
        for star, squared in zip(self.stars, tables, strict=True):
            codes = star.around[ids]
            count = jnp.max(jnp.sum(codes >= 0, axis=1))
            codes = codes.T

            def one(
                k: Array, found: Any, star: Star = star, squared=squared, codes=codes
            ) -> Any:
                best, medium = found
                arrival, through = star.arrival(squared, times, codes[k], explain)
                medium = jnp.where(arrival.time < best.time, through, medium)
                return earlier(best, arrival), medium

            best, medium = jax.lax.fori_loop(0, count, one, (best, medium))
        return best, medium

    def locate(self, positions: Array) -> tuple[Seeds, Array, Array]:
        n_node = len(self.nodes)
        points = self.nodes.astype(positions.dtype)

        def one(position: Array) -> tuple[Array, Array, Array, Array]:
            apart = [_distance(points[s.elements], position) for s in self.stars]
            index = jnp.argmin(jnp.concatenate(apart))
            nodes = jnp.full(4, n_node, jnp.int32)
            for star in self.stars:
                own = (index >= star.first) & (index < star.first + len(star.elements))
                row = star.elements[
                    jnp.clip(index - star.first, 0, len(star.elements) - 1)
                ]
                row = jnp.append(row, jnp.full(4 - row.size, n_node, jnp.int32))
                nodes = jnp.where(own, row, nodes)
            corners = points[jnp.where(nodes < n_node, nodes, nodes[0])]
            sides = corners[:, None, :] - corners[None, :, :]
            edge = jnp.sqrt(jnp.max(jnp.sum(sides * sides, axis=2)))
            return nodes, index.astype(jnp.int32), jnp.concatenate(apart)[index], edge

        nodes, index, outside, edge = jax.lax.map(one, positions)
        site = jnp.arange(positions.shape[0], dtype=jnp.int32)
        site = jnp.broadcast_to(site[:, None], nodes.shape).reshape(-1)
        medium = jnp.broadcast_to(index[:, None], nodes.shape).reshape(-1)
        nodes = nodes.reshape(-1)
        return Seeds(nodes, site, jnp.where(nodes < n_node, medium, -1)), outside, edge

    def at_nodes(self, medium: Medium, ids: Array) -> Seeds:
        index = jnp.full(ids.shape, -1, jnp.int32)
        for star in self.stars:
            codes = star.around[ids]
            around = jnp.maximum(codes, 0) // CORNERS[star.kind] + star.first
            fit = jnp.where((codes >= 0) & medium.conducts[around], around, -1)
            index = jnp.maximum(index, jnp.max(fit, axis=1, initial=-1))
        return Seeds(ids, jnp.arange(ids.size, dtype=jnp.int32), index)


def _mean_slowness(velocities: Float[Array, "n_elem n_corner"]) -> Array:
    """The velocity of an element from those at its corners; 0 where one of them is."""
    conducts = jnp.min(velocities, axis=1) > 0
    slowness = 1.0 / jnp.where(conducts[:, None], velocities, 1.0)
    return jnp.where(conducts, 1.0 / jnp.mean(slowness, axis=1), 0.0)


def _distance(corners: Float[Array, "n_elem n_corner 3"], position: Array) -> Array:
    """How far a position is from each element (mm), 0 inside.

    From outside to the point whose barycentric coordinates are the position's, the
    negative ones taken as 0: never less than the distance, equal beside a corner.
    """
    sides = corners[:, 1:] - corners[:, :1]
    way = position[None, :] - corners[:, 0]
    if sides.shape[1] == 1:
        duals = [sides[:, 0]]
    elif sides.shape[1] == 2:
        normal = jnp.cross(sides[:, 0], sides[:, 1])
        duals = [jnp.cross(sides[:, 1], normal), jnp.cross(normal, sides[:, 0])]
    else:
        duals = [
            jnp.cross(sides[:, i], sides[:, j]) for i, j in ((1, 2), (2, 0), (0, 1))
        ]
    shares = []
    for side, dual in zip(jnp.unstack(sides, axis=1), duals, strict=True):
        size = jnp.sum(side * dual, axis=1)
        share = jnp.sum(way * dual, axis=1) / jnp.where(size == 0, 1.0, size)
        shares.append(jnp.where(size == 0, 0.0, share))  # flat: its first corner
    first = 1.0 - sum(shares[1:], start=shares[0])
    kept = jnp.maximum(jnp.stack([first, *shares], axis=1), 0.0)
    kept = kept / jnp.sum(kept, axis=1, keepdims=True)
    rest = position[None, :] - jnp.sum(kept[:, :, None] * corners, axis=1)
    return jnp.sqrt(jnp.sum(rest * rest, axis=1))


def mesh_neighbourhood(
    mesh: MeshLike, kinds: tuple[str, ...] | None = None
) -> ElementNeighbourhood:
    """The elements of these kinds around each node; by default tissue and lines.

    Where there are tetrahedra triangles are taken for labels of their surface.
    """
    present = [kind for kind in CORNERS if len(mesh.elements.get(kind, ()))]
    if kinds is None:
        left_out = "triangle" if "tetra" in present else None
        kinds = tuple(kind for kind in present if kind != left_out)
    missing = [kind for kind in kinds if kind not in present]
    if missing or not kinds:
        raise ValueError(
            f"A front needs some of {', '.join(CORNERS)}; the mesh has "
            f"{', '.join(mesh.elements) or 'no elements'}, wanted was "
            f"{', '.join(kinds) or 'any'}. Hexahedra are voxels: give those."
        )
    points = np.asarray(mesh.nodes, float)
    n_node = len(points)
    stars, axes, links, first = [], [], [], 0
    for kind in kinds:
        elements = np.asarray(mesh.elements[kind], np.int32)
        fibres = (mesh.fibres or {}).get(kind)
        sheets = (mesh.sheets or {}).get(kind)
        n_axes = 0 if kind == "line" else count_axes(fibres, sheets)
        around = jnp.asarray(_around(elements, n_node))
        stars.append(Star(jnp.asarray(elements), around, kind, first, n_axes))
        pair = (
            unit_axes(fibres, len(elements), "fibres"),
            unit_axes(sheets, len(elements), "sheets"),
        )
        check_right_angles(*pair)
        axes.append(pair)
        links += [elements[:, p] for p in _pairs(CORNERS[kind])]
        first += len(elements)
    centre = points.mean(axis=0)
    return ElementNeighbourhood(
        nodes=jnp.asarray(points - centre),
        centre=jnp.asarray(centre),
        neighbours=jnp.asarray(_beside(np.concatenate(links), n_node)),
        stars=tuple(stars),
        fibres=jnp.asarray(np.concatenate([f for f, _ in axes])),
        sheets=jnp.asarray(np.concatenate([s for _, s in axes])),
    )


def _rows(owner: np.ndarray, value: np.ndarray, n_row: int, fill: int) -> np.ndarray:
    """Values in one row per owner, filled up to the longest; owners are sorted."""
    count = np.bincount(owner, minlength=n_row)
    rank = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    rows = np.full((n_row, max(int(count.max()), 1)), fill, np.int32)
    rows[owner, rank] = value
    return rows


def _around(elements: np.ndarray, n_node: int) -> np.ndarray:
    flat = elements.ravel()
    order = np.argsort(flat, kind="stable")
    return _rows(flat[order], order, n_node, -1)


def _beside(links: np.ndarray, n_node: int) -> np.ndarray:
    both = np.concatenate([links, links[:, ::-1]]).T
    once = coo_matrix((np.ones(both.shape[1], bool), tuple(both)), (n_node, n_node))
    owner, beside = once.tocsr().nonzero()  # each pair once, sorted by owner
    return _rows(owner, beside, n_node, n_node)
