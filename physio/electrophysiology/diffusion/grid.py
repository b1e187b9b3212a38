"""Diffusion on voxels: a full grid along the fibres, or any set with any fibres.

The tensor's bond weights, for every plane (a, b) of the grid: a share lambda of the
cross term D_ab sits on the diagonal its sign selects, the rest on all four corners.
lambda = min(1, 0.95 tr D / (2 sum |D_ab|)) keeps the axes' weights positive; the
corners' part may be negative. Between two voxels the tensor is the mean of theirs times
4 t_i t_j / (t_i + t_j)^2, t the trace: the harmonic mean where they differ in size, and
no bond at all where one does not conduct.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from physio.electrophysiology.diffusion.operator import (
    AbstractDiscretisation,
    AbstractOperator,
    Lists,
    Stencil,
    grid_operator,
    node_values,
)

_PLANES = ((0, 1), (0, 2), (1, 2))
_AXES = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
_DIAGONALS = tuple(
    tuple(int(axis == a) + sign * int(axis == b) for axis in range(3))
    for a, b in _PLANES
    for sign in (1, -1)
)
#: Half of the 18 neighbours; the other half lies opposite, in the same order.
HALF = (*_AXES, *_DIAGONALS)
OFFSETS = (*HALF, *(tuple(-step for step in offset) for offset in HALF))
_DIAGONAL_SHARE = 0.95


def tensor(
    diffusivity: Float[Array, "3 ..."],
    fibres: Float[Array, "n_node 3"],
    sheets: Float[Array, "n_node 3"] | None,
) -> Float[Array, "n_node 3 3"]:
    """D = D_n I + (D_f - D_n) f f' + (D_s - D_n) s s'; without sheets D_s is D_n's."""
    along, sheet, normal = (d[..., None, None] for d in diffusivity)
    eye = jnp.eye(3, dtype=fibres.dtype)[None]
    whole = normal * eye + (along - normal) * fibres[:, :, None] * fibres[:, None, :]
    if sheets is None:
        return whole
    return whole + (sheet - normal) * sheets[:, :, None] * sheets[:, None, :]


def bond_weights(
    d: Float[Array, "n_node 3 3"], spacing: float
) -> Float[Array, "9 n_node"]:
    """The weights of the 9 bonds of ``HALF`` from a tensor alone (1/ms)."""
    cross = jnp.stack([d[:, a, b] for a, b in _PLANES])
    trace = d[:, 0, 0] + d[:, 1, 1] + d[:, 2, 2]
    size = jnp.sum(jnp.abs(cross), axis=0)
    tiny = jnp.finfo(d.dtype).tiny
    share = jnp.minimum(1.0, _DIAGONAL_SHARE * trace / jnp.maximum(2 * size, tiny))
    axes = jnp.stack([d[:, a, a] for a in range(3)])
    taken = share[None] * jnp.abs(cross)
    axes = axes - jnp.stack(
        [taken[0] + taken[1], taken[0] + taken[2], taken[1] + taken[2]]
    )
    corner = 0.5 * (1 - share)[None] * cross
    along = corner + share[None] * jnp.maximum(cross, 0)
    across = -corner + share[None] * jnp.maximum(-cross, 0)
    diagonals = jnp.stack([along, across], axis=1).reshape(6, -1)
    return jnp.concatenate([axes, diagonals]) / spacing**2


class ActiveVoxels(AbstractDiscretisation):
    """Voxels with a fibre each, 18 neighbours by number, the 19-point operator.

    ``near`` where no neighbour is further than 16 bits count.
    """

    nodes: Float[Array, "n_node 3"]
    neighbours: Int[Array, "18 n_node"]
    fibres: Float[Array, "n_node 3"]
    sheets: Float[Array, "n_node 3"] | None
    spacing: float = eqx.field(static=True)
    near: bool = eqx.field(static=True, default=False)

    def operator(self, diffusivity: Float[Array, "3 ..."]) -> AbstractOperator:
        kind = diffusivity.dtype
        here = jnp.arange(self.neighbours.shape[1], dtype=jnp.int32)
        d = tensor(
            node_values(diffusivity, here.size),
            self.fibres.astype(kind),
            None if self.sheets is None else self.sheets.astype(kind),
        )
        numbers = self.neighbours
        own = jnp.tile(bond_weights(d, self.spacing), (2, 1))
        bond = 0.5 * (own + jnp.take_along_axis(own, numbers, axis=1))
        trace = (d[:, 0, 0] + d[:, 1, 1] + d[:, 2, 2])[None]
        other = trace[0][numbers]
        total = trace + other
        match = 4 * trace * other / jnp.where(total > 0, total, 1) ** 2
        return Lists(
            neighbours=(numbers - here[None]).astype(jnp.int16)
            if self.near
            else numbers,
            weights=jnp.where(numbers == here[None], 0, bond * match),
            volumes=jnp.full(here.size, self.spacing**3, kind),
            paired=True,
            near=self.near,
        )


class FullGrid(AbstractDiscretisation):
    """A full grid whose fibres follow one of its axes: no numbers of neighbours.

    ``order`` says which of fibre, sheet and normal lies along each axis of ``shape``.
    """

    nodes: Float[Array, "n_node 3"]
    shape: tuple[int, ...] = eqx.field(static=True)
    order: tuple[int, ...] = eqx.field(static=True)
    spacing: tuple[float, ...] = eqx.field(static=True)
    vertices: bool = eqx.field(static=True, default=False)

    def operator(self, diffusivity: Float[Array, "3 ..."]) -> AbstractOperator:
        along = diffusivity[jnp.asarray(self.order)]
        if along.ndim == 1:
            return grid_operator(
                self.shape, self.spacing, along, vertices=self.vertices
            )
        return self._uneven(node_values(along, self.nodes.shape[0]))

    def _uneven(self, along: Float[Array, "n_axis n_node"]) -> Stencil:
        """Every bond the harmonic mean of its two nodes."""
        even = grid_operator(
            self.shape, self.spacing, jnp.ones(len(self.shape), along.dtype),
            vertices=self.vertices,
        )  # fmt: skip
        weights = []
        for k in range(even.count):
            own = along[k % len(self.shape)]
            other = even.neighbours_of(own)(k)
            total = own + other
            mean = 2 * own * other / jnp.where(total > 0, total, 1)
            weights.append(mean / self.spacing[k % len(self.shape)] ** 2)
        return eqx.tree_at(lambda o: o.weights, even, jnp.stack(weights))


def full_grid(
    shape: tuple[int, ...],
    spacing: float | tuple[float, ...],
    *,
    fibre_axis: int = 0,
    vertices: bool = False,
    origin: tuple[float, ...] = (0.0, 0.0, 0.0),
) -> FullGrid:
    """A grid of ``shape`` nodes with fibres along one axis.

    Its first axis is x. With ``vertices`` the first node lies at ``origin``, else half
    a spacing inside. ``spacing`` (mm) is one or one per axis. Raises ``ValueError`` for
    an axis of fewer than two nodes.
    """
    steps = np.broadcast_to(np.asarray(spacing, float), (len(shape),))
    if not 1 <= len(shape) <= 3 or min(shape) < 2 or not (steps > 0).all():
        raise ValueError(
            f"A grid has one to three axes of at least two nodes and a positive "
            f"spacing; got shape {shape}, spacing {spacing}."
        )
    others = iter((1, 2))
    order = [0 if axis == fibre_axis else next(others) for axis in range(len(shape))]
    index = np.indices(shape).reshape(len(shape), -1).T + (0.0 if vertices else 0.5)
    nodes = np.zeros((index.shape[0], 3))
    nodes[:, : len(shape)] = index * steps
    return FullGrid(
        jnp.asarray(nodes + np.asarray(origin)), tuple(shape), tuple(order),
        tuple(float(h) for h in steps), vertices,
    )  # fmt: skip


def on_voxels(voxels: Any) -> ActiveVoxels | FullGrid:
    """How to diffuse on :class:`~physio.electrophysiology.voxels.voxels.Voxels`.

    A full box whose fibres all follow one axis becomes a :class:`FullGrid`. Raises
    ``ValueError`` where the voxels carry no fibres.
    """
    if voxels.fibres is None:
        raise ValueError(
            "These voxels have no fibres. Give them a direction, or make them by rule: "
            "physio.electrophysiology.anatomy.fibres."
        )
    fibres = np.asarray(voxels.fibres)
    axis = int(np.argmax(np.abs(fibres[0])))
    aligned = np.all(np.abs(fibres[:, axis]) > 1 - 1e-6)
    full = voxels.index.shape[0] == int(np.prod(voxels.shape))
    if full and aligned and voxels.sheets is None and min(voxels.shape) > 1:
        start = np.asarray(voxels.origin) - 0.5 * voxels.spacing
        return full_grid(
            tuple(voxels.shape), voxels.spacing, fibre_axis=axis, origin=tuple(start)
        )
    count = voxels.index.shape[0]
    here = np.arange(count, dtype=np.int32)
    found = [np.asarray(voxels.neighbour(offset)) for offset in OFFSETS]
    neighbours = np.stack([np.where(n < 0, here, n) for n in found]).astype(np.int32)
    return ActiveVoxels(
        jnp.asarray(voxels.nodes), jnp.asarray(neighbours), jnp.asarray(fibres),
        None if voxels.sheets is None else jnp.asarray(voxels.sheets),
        float(voxels.spacing), bool(np.abs(neighbours - here).max() < 2**15),
    )  # fmt: skip
