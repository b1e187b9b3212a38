"""The diffusion operator: (L v)_i = sum_k w_ki (v_k(i) - v_i), for every geometry.

One form, neighbours beside weights, whatever the geometry was. :class:`Lists` holds
the neighbours' numbers, padded to the largest count; :class:`Stencil` knows them from
the shape of a full grid and reads no numbers. Weights hold the diffusivity (mm^2/ms),
so L v is in mV/ms. Rows sum to zero by their form; a missing neighbour is a weight of
zero, which is zero flux. ``volumes`` make it symmetric: V_i w_ki = V_k w_ik.
"""

import abc
import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree, UInt8


class AbstractOperator(eqx.Module):
    """A discrete div(D grad v) with zero flux through the boundary.

    Where ``paired``, neighbours k and k + K/2 lie opposite each other.
    """

    weights: eqx.AbstractVar[Array]
    volumes: eqx.AbstractVar[Array]
    paired: eqx.AbstractVar[bool]

    @abc.abstractmethod
    def neighbours_of(
        self, x: Float[Array, " n_node"]
    ) -> Callable[[int], Float[Array, " n_node"]]:
        """A function k -> the value of x at every node's k-th neighbour."""

    @abc.abstractmethod
    def apart(
        self, function: Callable[[PyTree], Array], y: PyTree
    ) -> Float[Array, " n_node"]:
        """``function(y)``, one value per node, compiled where it slows nothing else."""

    @property
    def count(self) -> int:
        """How many neighbours a node may have."""
        return self.weights.shape[0]

    def __call__(self, v: Float[Array, " n_node"]) -> Float[Array, " n_node"]:
        """L v (mV/ms)."""
        neighbour = self.neighbours_of(v)
        return weighted_differences(self.weights, neighbour, v)


def weighted_differences(
    weights: Array, neighbour: Callable[[int], Array], v: Array
) -> Array:
    """sum_k w_k (v_k - v)."""
    total = jnp.zeros_like(v)
    for k in range(weights.shape[0]):
        total = total + weights[k] * (neighbour(k) - v)
    return total


class Lists(AbstractOperator):
    """Neighbours by number, padded: ``neighbours[k, i]`` is i itself where absent.

    Where ``near``, their distances ``neighbours[k, i] - i`` in 16 bits: half to read.
    """

    neighbours: Int[Array, "n_neighbour n_node"]
    weights: Float[Array, "n_neighbour n_node"]
    volumes: Float[Array, " n_node"]
    paired: bool = eqx.field(static=True)
    near: bool = eqx.field(static=True, default=False)

    def neighbours_of(
        self, x: Float[Array, " n_node"]
    ) -> Callable[[int], Float[Array, " n_node"]]:
        first = jnp.arange(x.shape[0], dtype=jnp.int32) if self.near else 0
        return lambda k: jnp.take(x, first + self.neighbours[k], mode="clip")

    def apart(
        self, function: Callable[[PyTree], Array], y: PyTree
    ) -> Float[Array, " n_node"]:
        # A CPU's compiler gives up vector instructions in any kernel that gathers, and
        # fuses the cell's currents into it. It does not fuse into a branch: one that is
        # always taken, which it cannot know, keeps the gathers to themselves. On a GPU
        # it does know, and everything stays one kernel.
        taken = jax.lax.platform_dependent(
            self.neighbours[0, 0],  # of node 0: not negative, distances neither
            cpu=lambda first: first >= 0,
            default=lambda first: jnp.asarray(True),
        )
        return jax.lax.cond(
            taken, lambda y: function(y), lambda y: jnp.zeros_like(self.volumes), y
        )


class Stencil(AbstractOperator):
    """Neighbours of a full grid by their distance in memory, first + along each axis.

    Weights are ``(2 d, 1)`` or ``(2 d, n_node)``. Bit k of ``edges`` is set where the
    k-th neighbour lies outside: it is the node itself, or with ``vertices`` (the
    outermost nodes lie on the boundary, their cells halved) the mirrored one.
    """

    weights: Float[Array, "n_neighbour n_or_1"]
    volumes: Float[Array, " n_node"]
    edges: UInt8[Array, " n_node"]
    shape: tuple[int, ...] = eqx.field(static=True)
    vertices: bool = eqx.field(static=True, default=False)
    paired: bool = eqx.field(static=True, default=True)

    def neighbours_of(
        self, x: Float[Array, " n_node"]
    ) -> Callable[[int], Float[Array, " n_node"]]:
        # A window of the flat array, not of the grid: contiguous, so that it is read
        # by vector instructions; what it reads beyond a row is never used.
        dimensions = len(self.shape)
        reach = math.prod(self.shape[1:])
        padded = jnp.pad(x, reach)

        def beside(k: int) -> Array:
            step = math.prod(self.shape[k % dimensions + 1 :])
            first = reach + (step if k < dimensions else -step)
            return padded[first : first + x.shape[0]]

        def neighbour(k: int) -> Array:
            inside = self.edges & np.uint8(1 << k) == 0
            opposite = (k + dimensions) % (2 * dimensions)
            return jnp.where(
                inside, beside(k), beside(opposite) if self.vertices else x
            )

        return neighbour

    def apart(
        self, function: Callable[[PyTree], Array], y: PyTree
    ) -> Float[Array, " n_node"]:
        return function(y)


def _outside(shape: tuple[int, ...]) -> Array:
    """The bits of ``Stencil.edges``."""
    dimensions = len(shape)
    bits = jnp.zeros(shape, jnp.uint8)
    for axis, length in enumerate(shape):
        along = [length if a == axis else 1 for a in range(dimensions)]
        place = jnp.arange(length, dtype=jnp.int32)
        last = (place == length - 1) * np.uint8(1 << axis)
        first = (place == 0) * np.uint8(1 << (axis + dimensions))
        bits = bits | (last | first).astype(jnp.uint8).reshape(along)
    return bits.reshape(-1)


class AbstractDiscretisation(eqx.Module):
    """A geometry made ready to diffuse on: arrays, and how to weigh its bonds."""

    nodes: eqx.AbstractVar[Array]

    @abc.abstractmethod
    def operator(self, diffusivity: Float[Array, "3 ..."]) -> AbstractOperator:
        """The operator for a diffusivity along fibre, sheet and normal (mm^2/ms).

        One value each, or one per node: shape ``(3,)`` or ``(3, n_node)``.
        """


def node_values(
    values: Float[Array, "n_axis ..."], count: int
) -> Float[Array, "n_axis n_node"]:
    """One value per node; ``ValueError`` where there is another number of them."""
    if values.ndim == 1:
        values = values[:, None]
    if values.shape[1] not in (1, count):
        raise ValueError(
            f"A conductivity has one value or one per node ({count}); got "
            f"{values.shape[1]}."
        )
    return jnp.broadcast_to(values, (values.shape[0], count))


def grid_operator(
    shape: tuple[int, ...],
    spacing: tuple[float, ...],
    diffusivity: Float[Array, " n_axis"],
    *,
    vertices: bool = False,
) -> Stencil:
    """Second-order differences on a full grid whose fibres follow an axis.

    ``diffusivity`` (mm^2/ms) and ``spacing`` (mm) along each axis of ``shape``. Raises
    ``ValueError`` for an axis of fewer than two nodes.
    """
    if min(shape) < 2 or not len(shape) == len(spacing) == diffusivity.shape[0]:
        raise ValueError(
            f"A grid needs two nodes along every axis, a spacing and a diffusivity for "
            f"each; got shape {shape}, {len(spacing)} spacings and "
            f"{diffusivity.shape[0]} diffusivities."
        )
    squared = jnp.asarray(spacing, diffusivity.dtype) ** 2
    weights = jnp.tile(diffusivity / squared, 2)[:, None]
    volume = jnp.full(shape, math.prod(spacing), weights.dtype)
    if vertices:
        for axis, length in enumerate(shape):
            half = jnp.ones(length, weights.dtype).at[jnp.array([0, -1])].set(0.5)
            along = [length if a == axis else 1 for a in range(len(shape))]
            volume = volume * half.reshape(along)
    return Stencil(
        weights=weights,
        volumes=volume.reshape(-1),
        edges=_outside(shape),
        shape=shape,
        vertices=vertices,
    )


def largest_step(operator: AbstractOperator) -> Float[Array, ""]:
    """The time step (ms) below which explicit diffusion cannot grow.

    Gershgorin: no eigenvalue of -L exceeds 2 max_i sum_k |w_ki|; forward Euler is
    stable for dt below 2 over the largest.
    """
    return 1 / jnp.max(jnp.sum(jnp.abs(operator.weights), axis=0))


def dense(operator: AbstractOperator) -> Float[Array, "n_node n_node"]:
    """The operator as a matrix, for tests and small meshes."""
    count = operator.volumes.shape[0]
    return jax.vmap(operator, out_axes=1)(jnp.eye(count, dtype=operator.weights.dtype))
