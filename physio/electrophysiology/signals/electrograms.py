"""Extracellular potentials of a monodomain solution, and what is read off them.

In an unbounded homogeneous conductor (Bishop and Plank 2011, IEEE Trans Biomed Eng
58:2297)

    phi(x_e) = 1 / (4 pi sigma_b) * integral of I_m(x) / |x_e - x| dx

with the membrane current I_m = beta Cm L V (uA/mm^3), L the diffusion operator, whose
action on V (mV/ms = uA/uF) the tissue computes anyway, and beta Cm the membrane's
capacitance per volume. A wave that comes nearer is positive, one that goes away
negative: the **intrinsic deflection** as it passes is downward. mV, ms, mm, mS/mm.

Since L is symmetric, phi is linear in V itself with weights computed once
(:func:`voltage_weights`); these stay accurate where a front is thinner than the mesh.
"""

import math
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float, Int

MEMBRANE_CAPACITANCE = 1.4
"""beta Cm (uF/mm^3): 140 /mm times 0.01 uF/mm^2 (Niederer 2011, table 2)."""


def lead_field(
    electrodes: Float[ArrayLike, "n_electrode 3"],
    nodes: Float[ArrayLike, "n_node 3"],
    volumes: Float[ArrayLike, " n_node"],
    conductivity: float,
) -> Float[Array, "n_electrode n_node"]:
    """Potential at each electrode (mV) per membrane current at each node (uA/mm^3).

    volume / (4 pi sigma_b distance); ``volumes`` (mm^3) are the nodes' shares of the
    tissue, ``conductivity`` (mS/mm = S/m) that of the surrounding conductor.

    **Raises** ValueError for an electrode that touches a node, where the potential of
    a point source is infinite, or a conductivity that is not positive.
    """
    _positive(conductivity)
    electrodes, nodes = jnp.asarray(electrodes), jnp.asarray(nodes)
    distance = _distances(electrodes, nodes)
    return jnp.asarray(volumes)[None, :] / (4.0 * math.pi * conductivity * distance)


def voltage_weights(
    weights: Float[ArrayLike, "n_electrode n_node"],
    volumes: Float[ArrayLike, " n_node"],
    diffusion: Callable[[Array], Array],
    *,
    capacitance: float = MEMBRANE_CAPACITANCE,
) -> Float[Array, "n_electrode n_node"]:
    """Potential at each electrode per V at each node (mV/mV), from a lead field.

    beta Cm volume L(weights / volume): Green's second identity, exact for an operator
    ``diffusion`` (V -> L V, one row of nodes) that is symmetric under the volumes.
    """
    share = jnp.asarray(volumes)[None, :]
    applied = jax.lax.map(diffusion, jnp.asarray(weights) / share)
    return capacitance * share * applied


def gradient_weights(
    electrodes: Float[ArrayLike, "n_electrode 3"],
    nodes: Float[ArrayLike, "n_node 3"],
    elements: Int[ArrayLike, "n_elem n_corner"],
    tensor: Float[ArrayLike, "n_elem 3 3"],
    conductivity: float,
    *,
    thickness: float = 1.0,
) -> Float[Array, "n_electrode n_node"]:
    """Potential at each electrode per V at each node (mV/mV), from the elements alone.

    phi = -1 / (4 pi sigma_b) * integral of (sigma grad V) . grad(1 / |x_e - x|), with
    linear elements and the lead field of each element's centroid. ``tensor`` is the
    conductivity sigma of the tissue (mS/mm); ``thickness`` the cross-section of lines
    (mm^2) or the thickness of triangles (mm).
    """
    _positive(conductivity)
    electrodes, nodes = jnp.asarray(electrodes), jnp.asarray(nodes)
    elements = jnp.asarray(elements)
    _distances(electrodes, jnp.mean(nodes[elements], axis=1))
    size = thickness if elements.shape[1] < 4 else 1.0
    factor = -size / (4.0 * math.pi * conductivity)
    return factor * _element_weights(electrodes, nodes, elements, jnp.asarray(tensor))


def unipolar(
    weights: Float[ArrayLike, "n_electrode n_node"],
    source: Float[ArrayLike, "n_t n_node"],
    of: Callable[[Array], Array] | None = None,
) -> Float[Array, "n_t n_electrode"]:
    """Unipolar electrograms (mV): the weights applied to the source, row by row.

    The source is I_m (uA/mm^3) for :func:`lead_field`, V (mV) for the weights of the
    voltage. With ``of``, ``source`` is V and ``of(V)`` the membrane current of one
    row, so that no second array of frames is held.
    """
    weights, source = jnp.asarray(weights), jnp.asarray(source)
    if of is None:
        return source @ weights.T
    return jax.lax.map(lambda row: weights @ of(row), source)


def bipolar(
    potentials: Float[ArrayLike, "n_t n_electrode"], pairs: Int[ArrayLike, "n_pair 2"]
) -> Float[Array, "n_t n_pair"]:
    """Bipolar electrograms (mV): the first electrode of each pair less the second."""
    potentials, pairs = jnp.asarray(potentials), jnp.asarray(pairs)
    return potentials[:, pairs[:, 0]] - potentials[:, pairs[:, 1]]


@partial(jax.jit, static_argnames=("least_slope",))
def local_activation_times(
    t: Float[ArrayLike, " n_t"],
    potentials: Float[ArrayLike, "n_t n_electrode"],
    *,
    least_slope: float = 0.0,
) -> Float[Array, " n_electrode"]:
    """Time (ms) of the steepest fall of each unipolar electrogram.

    max(-dphi/dt) between samples, the vertex of the parabola through three slopes.
    NaN where no fall is steeper than ``least_slope`` (mV/ms). One beat: cut the record.
    """
    t, potentials = jnp.asarray(t), jnp.asarray(potentials)
    slope = -jnp.diff(potentials, axis=0) / jnp.diff(t)[:, None]
    middle = 0.5 * (t[1:] + t[:-1])
    k = jnp.clip(jnp.argmax(slope, axis=0), 1, slope.shape[0] - 2)
    low, mid, high = (
        jnp.take_along_axis(slope, (k + step)[None, :], axis=0)[0]
        for step in (-1, 0, 1)
    )
    bend = low - 2.0 * mid + high
    shift = jnp.where(bend < 0.0, 0.5 * (low - high) / jnp.where(bend < 0, bend, 1), 0)
    time = middle[k] + jnp.clip(shift, -1.0, 1.0) * (middle[k + 1] - middle[k])
    return jnp.where(jnp.max(slope, axis=0) > least_slope, time, jnp.nan)


def peak_to_peak(
    potentials: Float[ArrayLike, "n_t n_electrode"],
) -> Float[Array, " n_electrode"]:
    """Largest less smallest potential of each electrogram (mV)."""
    return jnp.ptp(jnp.asarray(potentials), axis=0)


@partial(jax.jit, static_argnames=("least",))
def deflections(
    potentials: Float[ArrayLike, "n_t n_electrode"], least: float
) -> Int[Array, " n_electrode"]:
    """How many peaks and troughs stand out by at least ``least`` mV: fractionation.

    A turning point counts once the signal has moved ``least`` away from it on either
    side, so that noise below that adds none; the record's ends are none.
    """
    potentials = jnp.asarray(potentials)

    def follow(carry: tuple[Array, ...], now: Array) -> tuple[tuple[Array, ...], None]:
        high, low, heading, turns = carry
        high, low = jnp.maximum(high, now), jnp.minimum(low, now)
        falls = (heading >= 0) & (now <= high - least)
        rises = (heading <= 0) & (now >= low + least)
        turns = turns + jnp.where((falls | rises) & (heading != 0), 1, 0)
        heading = jnp.where(falls, -1, jnp.where(rises, 1, heading))
        # while it heads up only the highest matters, while down only the lowest
        high = jnp.where(heading < 0, now, high)
        low = jnp.where(heading > 0, now, low)
        return (high, low, heading, turns), None

    zero = jnp.zeros(potentials.shape[1:], jnp.int32)
    start = (potentials[0], potentials[0], zero, zero)
    return jax.lax.scan(follow, start, potentials)[0][3]


@jax.jit
def _element_weights(
    electrodes: Array, nodes: Array, elements: Array, tensor: Array
) -> Array:
    """Sum over elements of measure (sigma grad N) . grad(1 / |x_e - x|), by node."""
    corners = nodes[elements]
    gradients, measure = _shape_gradients(corners)
    current = jnp.einsum("eij,eaj->eai", tensor.astype(nodes.dtype), gradients)
    current = current * measure[:, None, None]
    centroid = jnp.mean(corners, axis=1)

    def one(electrode: Array) -> Array:
        towards = electrode[None, :] - centroid
        far = jnp.linalg.norm(towards, axis=1)
        parts = jnp.einsum("eai,ei->ea", current, towards / (far**3)[:, None])
        return jnp.zeros((nodes.shape[0],), parts.dtype).at[elements].add(parts)

    return jax.lax.map(one, electrodes)


def _shape_gradients(corners: Array) -> tuple[Array, Array]:
    """Gradients of the linear shape functions, and length, area or volume."""
    edges = corners[:, 1:] - corners[:, :1]
    gram = jnp.einsum("eai,ebi->eab", edges, edges)
    inverse = jnp.linalg.inv(gram)
    rest = jnp.einsum("eab,ebi->eai", inverse, edges)
    gradients = jnp.concatenate([-rest.sum(axis=1, keepdims=True), rest], axis=1)
    order = math.factorial(edges.shape[1])
    return gradients, jnp.sqrt(jnp.linalg.det(gram)) / order


def _distances(electrodes: Array, nodes: Array) -> Array:
    distance = jnp.stack(
        [
            jnp.linalg.norm(nodes - electrode[None, :], axis=1)
            for electrode in electrodes
        ]
    )
    if isinstance(distance, Tracer):
        return distance
    nearest = np.asarray(distance).min(axis=1)
    if not (nearest > 0.0).all():
        which = int(np.argmin(nearest))
        raise ValueError(
            f"Electrode {which} lies on a node, where the potential of a point source "
            "is infinite. Move it off the tissue, e.g. by half an edge."
        )
    return distance


def _positive(conductivity: float) -> None:
    if not conductivity > 0.0:
        raise ValueError(
            "The surrounding conductor needs a conductivity above 0 mS/mm (= S/m); "
            f"got {conductivity}."
        )
