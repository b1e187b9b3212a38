"""Laplace's equation between surfaces, with the operator of the tissue.

div(c grad u) = 0 with values held on some nodes, or behind the faces of voxels, and
no flux through the rest of the boundary. The voxel face at which a value is held lies
half a spacing from the voxel's centre, so that the stairs of a boundary lie on it on
average. Solved by conjugate gradients over the nodes' volumes, in which the operator
is symmetric, with its diagonal as preconditioner.
"""
# pyright: reportIncompatibleVariableOverride=false
# A field stands for the abstract one: the type checker knows not.

import abc
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from physio.electrophysiology.diffusion.elements import (
    Elements,
    LinearElements,
    on_mesh,
)
from physio.electrophysiology.diffusion.grid import OFFSETS, ActiveVoxels, on_voxels
from physio.electrophysiology.diffusion.operator import (
    AbstractDiscretisation,
    AbstractOperator,
    Lists,
)
from physio.electrophysiology.mesh.mesh import Mesh
from physio.electrophysiology.voxels.voxels import Voxels

# of the first residual: fibres are then within 0.1 degrees of the exact solution's in
# 999 of 1000 places
_TOLERANCE = 1e-5
_MOST = 20_000
# where the gradient is this share of its mean, the diffusivity falls no further
_LEAST = 0.02
# passes over the 18 neighbours, against the stairs of voxels: on an ellipsoid at 1 mm
# they take a quarter off the error of the fibres
_SMOOTHINGS = 2


class AbstractSpace(eqx.Module):
    """A geometry without a direction, ready for several Laplace problems.

    Its places are the tetrahedra of a mesh or the voxels: there gradients are known and
    a diffusivity may be given.
    """

    ways: eqx.AbstractVar[AbstractDiscretisation]

    @abc.abstractmethod
    def even(self) -> Float[Array, " n_place"]:
        """A diffusivity of 1 everywhere."""

    @abc.abstractmethod
    def operator(self, c: Float[Array, " n_place"]) -> AbstractOperator:
        """The operator for an isotropic diffusivity (mm^2/ms) per place."""

    @abc.abstractmethod
    def pull(self, c: Float[Array, " n_place"]) -> Float[Array, " n_node"] | None:
        """That of one held face of a node (1/ms); None where nodes themselves are."""

    @abc.abstractmethod
    def gradient(self, u: Float[Array, " n_node"]) -> Float[Array, "n_place 3"]:
        """The gradient (1/mm), smoothed over what lies around each place."""

    @abc.abstractmethod
    def at_places(self, u: Float[Array, " n_node"]) -> Float[Array, " n_place"]:
        """Values of nodes at the places."""

    @abc.abstractmethod
    def around(self, u: Float[Array, " n_node"]) -> Float[Array, " n_node"]:
        """At each node the mean over the places it belongs to."""


class TetraSpace(AbstractSpace):
    """Tetrahedra, whose nodes are held."""

    ways: LinearElements

    @property
    def _part(self) -> Elements:
        return self.ways.parts[0]

    def even(self) -> Float[Array, " n_place"]:
        return jnp.ones(self._part.size.shape)

    @eqx.filter_jit
    def operator(self, c: Float[Array, " n_place"]) -> AbstractOperator:
        return self.ways.operator(jnp.broadcast_to(c, (3, c.shape[0])))

    def pull(self, c: Float[Array, " n_place"]) -> None:
        return None

    @eqx.filter_jit
    def gradient(self, u: Float[Array, " n_node"]) -> Float[Array, "n_place 3"]:
        part = self._part
        rise = jnp.einsum("ec,ecx->ex", u[part.corners], part.gradients)
        # through the nodes: an element whose corners are all held has none of its own
        axes = [self.at_places(self._nodal(rise[:, k])) for k in range(3)]
        return jnp.stack(axes, axis=1)

    @eqx.filter_jit
    def at_places(self, u: Float[Array, " n_node"]) -> Float[Array, " n_place"]:
        return jnp.mean(u[self._part.corners], axis=1)

    @eqx.filter_jit
    def around(self, u: Float[Array, " n_node"]) -> Float[Array, " n_node"]:
        return self._nodal(self.at_places(u))

    def _nodal(self, values: Float[Array, " n_place"]) -> Float[Array, " n_node"]:
        share = (self._part.size * values / 4)[:, None]
        return jnp.zeros_like(self.ways.masses).at[self._part.corners].add(share) / (
            self.ways.masses
        )


class VoxelSpace(AbstractSpace):
    """Voxels, whose faces are held, in 32 bits: their stairs are coarser than that."""

    ways: ActiveVoxels

    def even(self) -> Float[Array, " n_place"]:
        return jnp.ones(self.ways.neighbours.shape[1], jnp.float32)

    @eqx.filter_jit
    def operator(self, c: Float[Array, " n_place"]) -> AbstractOperator:
        whole = self.ways.operator(jnp.broadcast_to(c, (3, c.shape[0])))
        # of the 18 bonds of a voxel, such a diffusivity leaves the 6 along the axes
        along = [k for k, o in enumerate(OFFSETS) if sum(abs(step) for step in o) == 1]
        kept = jnp.array(along)
        return Lists(
            neighbours=self.ways.neighbours[kept],
            weights=whole.weights[kept],
            volumes=whole.volumes,
            paired=True,
        )

    def pull(self, c: Float[Array, " n_place"]) -> Float[Array, " n_node"]:
        return c * (2.0 / self.ways.spacing**2)  # half a spacing away

    @eqx.filter_jit
    def gradient(self, u: Float[Array, " n_node"]) -> Float[Array, "n_place 3"]:
        rise = _least_squares(u, self.ways.neighbours) / self.ways.spacing
        for _ in range(_SMOOTHINGS):
            rise = _averaged(rise, self.ways.neighbours)
        return rise

    def at_places(self, u: Float[Array, " n_node"]) -> Float[Array, " n_place"]:
        return u

    def around(self, u: Float[Array, " n_node"]) -> Float[Array, " n_node"]:
        return u


def space(geometry: Mesh | Voxels) -> AbstractSpace:
    """Makes the tetrahedra of a mesh, or voxels, ready; their fibres play no part.

    **Raises** ValueError for a mesh without tetrahedra or with nodes of none.
    """
    if isinstance(geometry, Voxels):
        along = np.tile([1.0, 0.0, 0.0], (geometry.n_node, 1)).astype(np.float32)
        # with sheets, so that a full box keeps its lists
        ways = on_voxels(
            replace(geometry, fibres=along, sheets=np.roll(along, 1, axis=1))
        )
        if isinstance(ways, ActiveVoxels):
            return VoxelSpace(ways)
        raise TypeError("Voxels with sheets should have given lists of neighbours.")
    if "tetra" not in geometry.elements:
        raise ValueError(
            "Fibres by rule need tetrahedra or voxels; the mesh holds "
            f"{', '.join(geometry.elements) or 'no elements'}. Make voxels of a closed "
            "surface. Type: from_mesh(mesh, spacing=0.5)"
        )
    tetra = geometry.elements["tetra"]
    along = np.tile([1.0, 0.0, 0.0], (len(tetra), 1))
    bare = Mesh(geometry.nodes, {"tetra": tetra}, fibres={"tetra": along})
    return TetraSpace(on_mesh(bare))


class Held(eqx.Module):
    """What is held: nodes at a value, and the pull of held faces toward theirs.

    The equation of a node is (L u)_i + pull_i (value_i - u_i) = 0, or u_i = value_i
    where ``fixed``.
    """

    fixed: Bool[Array, " n_node"]
    pull: Float[Array, " n_node"]
    value: Float[Array, " n_node"]


def hold(
    where: AbstractSpace,
    values: dict[float, Float[np.ndarray, " n_node"]],
    c: Float[Array, " n_place"],
    *,
    zero: Bool[np.ndarray, " n_node"] | None = None,
) -> Held:
    """Holds values on surfaces: {value: amount}, and 0 on the nodes ``zero``.

    The amount is 1 at the nodes of the surface of a mesh, and the number of faces on it
    of every voxel; ``c`` the operator's diffusivity. A node on surfaces of different
    values gets their mean.
    """
    count = np.zeros(where.ways.nodes.shape[0], np.float64)
    total = count.copy()
    for value, amount in values.items():
        count += amount
        total += value * np.asarray(amount, np.float64)
    mean = total / np.where(count > 0, count, 1.0)
    of_face = where.pull(c)
    if of_face is None:
        fixed, pull = count > 0, np.zeros_like(count)
    else:
        fixed, pull = np.zeros(len(count), bool), count * np.asarray(of_face)
    if zero is not None:
        fixed, mean = fixed | zero, np.where(zero, 0.0, mean)
    return Held(
        jnp.asarray(fixed), jnp.asarray(pull, c.dtype), jnp.asarray(mean, c.dtype)
    )


def solve(
    operator: AbstractOperator,
    held: Held,
    guess: Float[Array, " n_node"],
) -> Float[Array, " n_node"]:
    """The solution of Laplace's equation, from a first guess.

    A piece of tissue on which nothing is held keeps its guess.

    **Raises** ValueError where nothing is held, and where the iteration does not end.
    """
    if not np.asarray(held.fixed).any() and not np.asarray(held.pull).any():
        raise ValueError("Laplace's equation needs a value held somewhere.")
    u, steps = _conjugate_gradients(operator, held, guess)
    if int(steps) >= _MOST or not np.isfinite(np.asarray(u)).all():
        raise ValueError(
            f"Laplace's equation was not solved in {int(steps)} steps. Look for flat "
            "elements. Type: cordax mesh check FILE"
        )
    return u


@eqx.filter_jit
def _conjugate_gradients(
    operator: AbstractOperator, held: Held, start: Float[Array, " n_node"]
) -> tuple[Array, Array]:
    free = ~held.fixed
    volumes = operator.volumes

    def applied(p: Array) -> Array:
        return jnp.where(free, volumes * (held.pull * p - operator(p)), 0)

    diagonal = volumes * (jnp.sum(operator.weights, axis=0) + held.pull)
    inverse = jnp.where(free & (diagonal > 0), 1 / jnp.where(free, diagonal, 1), 0)
    u = jnp.where(held.fixed, held.value, start)
    first = jnp.where(free, volumes * held.pull * held.value, 0) - applied(u)
    # against the start from nothing: a good guess must not ask for more
    cold = jnp.where(held.fixed, held.value, 0)
    scale = jnp.where(free, volumes * held.pull * held.value, 0) - applied(cold)
    end = _TOLERANCE**2 * jnp.vdot(scale, inverse * scale)

    def unfinished(carry):
        _, _, _, size, step = carry
        return (size > end) & (step < _MOST)

    def advance(carry):
        u, r, p, size, step = carry
        q = applied(p)
        length = size / jnp.vdot(p, q)
        u, r = u + length * p, r - length * q
        z = inverse * r
        new = jnp.vdot(r, z)
        return u, r, z + (new / size) * p, new, step + 1

    z = inverse * first
    size = jnp.vdot(first, z)
    u, _, _, _, steps = jax.lax.while_loop(
        unfinished, advance, (u, first, z, size, jnp.array(0))
    )
    return u, steps


@jax.jit
def _least_squares(
    u: Float[Array, " n_node"], neighbours: Array
) -> Float[Array, "n_node 3"]:
    """sum o (u_o - u) over the inverse of sum o o', over the active of 18 offsets o."""
    here = jnp.arange(u.shape[0])
    offsets = np.array(OFFSETS)
    moment = [jnp.zeros_like(u) for _ in range(6)]
    rise = [jnp.zeros_like(u) for _ in range(3)]
    pairs = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)]
    for k, offset in enumerate(offsets):
        other = neighbours[k]
        there = (other != here).astype(u.dtype)
        for m, (a, b) in enumerate(pairs):
            if offset[a] and offset[b]:
                moment[m] = moment[m] + int(offset[a] * offset[b]) * there
        for a in range(3):
            if offset[a]:
                rise[a] = rise[a] + int(offset[a]) * (u[other] - u)
    # a voxel alone in a direction has no slope in it: 1e-3 keeps the inverse finite
    xx, yy, zz = (m + 1e-3 for m in moment[:3])
    xy, xz, yz = moment[3:]
    a, b, c = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    d, e, f = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    determinant = xx * a + xy * b + xz * c
    x, y, z = rise
    rows = [a * x + b * y + c * z, b * x + d * y + e * z, c * x + e * y + f * z]
    return jnp.stack(rows, axis=1) / determinant[:, None]


@jax.jit
def _averaged(values: Float[Array, "n_node 3"], neighbours: Array) -> Array:
    total = values
    for k in range(neighbours.shape[0]):
        total = total + values[neighbours[k]]
    return total / (1 + neighbours.shape[0])


@jax.jit
def steepness(*gradients: Float[Array, "n_place 3"]) -> Float[Array, " n_place"]:
    """The sum of the lengths of gradients over its mean, kept off zero.

    As the diffusivity of a second solution it makes the first grow evenly: along a
    tube of field lines c |grad u| A is one number, and so is |grad u| A of the first,
    so that c = |grad u| leaves a second whose slope is the same all along.
    """
    size = sum(jnp.linalg.norm(g, axis=1) for g in gradients)
    return jnp.maximum(size / jnp.mean(size), _LEAST)
