"""Diffusion on linear tetrahedra, triangles and links, lumped masses.

M_i (L v)_i = -sum_e |e| sum_j (grad phi_i . D_e grad phi_j) v_j. Triangles lie anywhere
in space: their gradients are tangent, and their thickness cancels. A line between two
nodes is a link, as between the two layers of a bilayer atrium (Labarthe 2014,
10.1093/europace/euu251): it pulls both together at a rate, and holds no tissue.
"""

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from physio.electrophysiology.diffusion.operator import (
    AbstractDiscretisation,
    AbstractOperator,
    Lists,
)
from physio.parameters import param

_LINK = "Labarthe 2014, 10.1093/europace/euu251: layers 0.1 mm apart, D 0.01 mm^2/ms"


class Elements(eqx.Module):
    """Elements of one kind: where their bonds' weights go, and what makes them.

    ``corners`` nodes, ``slots`` the flat place ``k n_node + i`` of every ordered pair
    of corners, ``gradients`` of the linear functions (1/mm), ``size`` mm^3 or mm^2.
    """

    corners: Int[Array, "n_elem n_corner"]
    slots: Int[Array, "n_elem n_pair"]
    gradients: Float[Array, "n_elem n_corner 3"]
    size: Float[Array, " n_elem"]
    fibres: Float[Array, "n_elem 3"] | None
    sheets: Float[Array, "n_elem 3"] | None


class LinearElements(AbstractDiscretisation):
    """A mesh of tetrahedra and triangles, and the links between its nodes."""

    nodes: Float[Array, "n_node 3"]
    neighbours: Int[Array, "n_neighbour n_node"]
    masses: Float[Array, " n_node"]
    parts: tuple[Elements, ...]
    link_slots: Int[Array, "n_link 2"]
    link_nodes: Int[Array, "n_link 2"]
    link_rate: Array = param(
        1.0, unit="1/ms", source=_LINK, doc="how fast linked nodes equalise"
    )

    def operator(self, diffusivity: Float[Array, "3 ..."]) -> AbstractOperator:
        kind = diffusivity.dtype
        count = self.nodes.shape[0]
        flat = jnp.zeros(self.neighbours.size, kind)
        for part in self.parts:
            flat = flat.at[part.slots.reshape(-1)].add(
                _stiffness(part, _per_element(part, diffusivity, count)).reshape(-1)
            )
        masses = self.masses.astype(kind)
        ends = masses[self.link_nodes]
        strength = self.link_rate.astype(kind) * jnp.min(ends, axis=1)
        live = _live(diffusivity, count)[self.link_nodes].all(axis=1)
        strength = jnp.where(live, strength, 0)
        flat = flat.at[self.link_slots.reshape(-1)].add(jnp.repeat(strength, 2))
        weights = flat.reshape(self.neighbours.shape) / masses[None]
        return Lists(
            neighbours=self.neighbours, weights=weights, volumes=masses, paired=False
        )


def _live(diffusivity: Array, count: int) -> Array:
    """Which nodes conduct at all; per-element conductivities say nothing of nodes."""
    if diffusivity.ndim == 1 or diffusivity.shape[1] not in (1, count):
        return jnp.ones(count, bool)
    return jnp.broadcast_to(diffusivity.max(axis=0) > 0, (count,))


def _per_element(part: Elements, diffusivity: Array, count: int) -> Array:
    """Diffusivities (3, n_elem or 1): the harmonic mean of the corners' where per node.

    So an element with a corner that does not conduct does not conduct.
    """
    if diffusivity.ndim == 1 or diffusivity.shape[1] == 1:
        return diffusivity.reshape(3, 1)
    if diffusivity.shape[1] == count:
        at = diffusivity[:, part.corners]
        least = jnp.min(at, axis=-1)
        safe = jnp.where(at > 0, at, 1)
        return jnp.where(least > 0, 1 / jnp.mean(1 / safe, axis=-1), 0)
    if diffusivity.shape[1] == part.size.shape[0]:
        return diffusivity
    raise ValueError(
        f"A conductivity has one value, one per node ({count}) or one per element "
        f"({part.size.shape[0]}); got {diffusivity.shape[1]}."
    )


def _stiffness(part: Elements, diffusivity: Array) -> Array:
    """-|e| grad phi_a . D grad phi_b for every ordered pair of corners."""
    along, sheet, normal = diffusivity
    kind = diffusivity.dtype
    g = part.gradients.astype(kind)
    flow = normal[:, None, None] * g
    for axis, extra in ((part.fibres, along), (part.sheets, sheet)):
        if axis is not None:
            unit = axis.astype(kind)
            share = jnp.einsum("ecx,ex->ec", g, unit)[:, :, None]
            flow = flow + (extra - normal)[:, None, None] * share * unit[:, None, :]
    size = part.size.astype(kind)[:, None, None]
    all_pairs = -size * jnp.einsum("eax,ebx->eab", g, flow)
    first, second = _pairs(g.shape[1])
    return all_pairs[:, first, second]


def _pairs(corners: int) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.nonzero(~np.eye(corners, dtype=bool))
    return first, second


def gradients(
    nodes: Float[np.ndarray, "n_node 3"], corners: Int[np.ndarray, "n_elem n_corner"]
) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of the linear functions, and the size, of simplices in space.

    Returns ``(n_elem, n_corner, 3)`` in 1/mm and ``(n_elem,)`` in mm^d. Raises
    ``ValueError`` for elements without a size.
    """
    edges = nodes[corners[:, 1:]] - nodes[corners[:, :1]]
    metric = edges @ edges.transpose(0, 2, 1)
    dimension = edges.shape[1]
    size = np.sqrt(np.maximum(np.linalg.det(metric), 0)) / math.factorial(dimension)
    scale = np.max(np.sum(edges**2, axis=2), axis=1) ** (dimension / 2)
    flat = np.flatnonzero(~(size > 1e-9 * scale))
    if flat.size:
        raise ValueError(
            f"{flat.size} elements have no size, the first is number {flat[0]}. Type: "
            "cordax mesh check FILE --repair OUT"
        )
    rest = np.linalg.solve(metric, edges)
    return np.concatenate([-rest.sum(axis=1, keepdims=True), rest], axis=1), size


def on_mesh(mesh: Any) -> LinearElements:
    """How to diffuse on a :class:`~physio.electrophysiology.mesh.mesh.Mesh`.

    Tetrahedra where it has any, else triangles, and lines between their nodes are
    links; else lines are cables. Raises ``ValueError`` for a mesh of none, for nodes of
    no element, and where fibres are missing.
    """
    kinds = ("tetra", "triangle", "line")
    kind = next((k for k in kinds if len(mesh.elements.get(k, ()))), "")
    if not kind:
        raise ValueError(
            f"Tissue needs tetrahedra, triangles or lines; this mesh has "
            f"{', '.join(mesh.elements) or 'no elements'}."
        )
    if mesh.fibres.get(kind) is None:
        raise ValueError(
            f"The {kind} elements have no fibres. Give them a direction, or make them "
            "by rule: physio.electrophysiology.anatomy.fibres."
        )
    nodes = np.asarray(mesh.nodes, float)
    corners = np.asarray(mesh.elements[kind])
    none = np.zeros((0, 2), np.int32)
    links = none if kind == "line" else np.asarray(mesh.elements.get("line", none))
    first, second = _pairs(corners.shape[1])
    pairs = np.concatenate(
        [
            np.stack([corners[:, first], corners[:, second]], axis=2).reshape(-1, 2),
            links,
            links[:, ::-1],
        ]
    )
    slots, neighbours = _slots(pairs, len(nodes))
    grads, size = gradients(nodes, corners)
    masses = np.bincount(
        corners.reshape(-1), np.repeat(size / corners.shape[1], corners.shape[1]),
        minlength=len(nodes),
    )  # fmt: skip
    if not (masses > 0).all():
        raise ValueError(
            f"{(masses <= 0).sum()} nodes belong to no {kind}, the first is number "
            f"{np.flatnonzero(masses <= 0)[0]}. Type: cordax mesh check FILE --repair "
            "OUT"
        )
    inside = len(first) * len(corners)
    part = Elements(
        jnp.asarray(corners.astype(np.int32)),
        jnp.asarray(slots[:inside].reshape(len(corners), -1)),
        jnp.asarray(grads), jnp.asarray(size), jnp.asarray(mesh.fibres[kind]),
        None if mesh.sheets.get(kind) is None else jnp.asarray(mesh.sheets[kind]),
    )  # fmt: skip
    return LinearElements(
        jnp.asarray(nodes), jnp.asarray(neighbours), jnp.asarray(masses), (part,),
        jnp.asarray(slots[inside:].reshape(2, -1).T),
        jnp.asarray(links.astype(np.int32)),
    )  # fmt: skip


def _slots(pairs: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """A flat place for every pair (i, j), equal pairs sharing one; the neighbours."""
    key = pairs[:, 0].astype(np.int64) * count + pairs[:, 1]
    unique, place = np.unique(key, return_inverse=True)
    node, other = unique // count, unique % count
    first = np.searchsorted(node, np.arange(count))
    rank = np.arange(len(unique)) - first[node]
    width = int(rank.max()) + 1
    neighbours = np.tile(np.arange(count, dtype=np.int32), (width, 1))
    neighbours[rank, node] = other
    return (rank * count + node)[place].astype(np.int32), neighbours
