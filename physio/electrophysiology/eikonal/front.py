"""A front over any set of nodes: fixed point of the local updates, and its derivative.

``fronts`` keeps two sets of nodes as flags: those whose time changed, and those
that must look again because a neighbour's did. Each pass takes the changed ones within
a window above the earliest and lets their later neighbours look (and those a little
earlier, as a simplex may be obtuse in the metric), so that a node is updated about six
times; at the end every node looks once more (fast iterative method,
Jeong and Whitaker 2008, 10.1137/060670298, with the window of delta-stepping, Meyer and
Sanders 2003, 10.1016/S0196-6774(03)00076-2). ``push`` and ``pull`` solve the linear
system of the fixed point in the order of the times.
"""

import abc
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from physio.electrophysiology.eikonal.local import NEVER, Arrival
from physio.electrophysiology.eikonal.medium import Medium, Velocities

_WORD = 32  # flags are counted in words of this many
_CHUNK = 1024  # nodes updated at once: what they need fits a core's cache
_CHUNKS = 16  # updated in one pass, at most
_WINDOW = 2.0  # widths of an element the slow way: 1-4 cost the same
_SLACK = 0.5  # likewise: how much later than a node one may be that matters to it


class Seeds(NamedTuple):
    """Nodes that sites start: node, site, and the medium between or -1 for none."""

    node: Int[Array, " n_seed"]
    site: Int[Array, " n_seed"]
    medium: Int[Array, " n_seed"]


class AbstractNeighbourhood(eqx.Module):
    """Nodes, who is beside whom, and the update of a node from those beside it.

    A node's number ``n_node`` stands for none. Node positions and sites are relative
    to ``centre``, so that 32 bits suffice for their differences.
    """

    nodes: eqx.AbstractVar[Float[Array, "n_node 3"]]
    centre: eqx.AbstractVar[Float[Array, " 3"]]
    neighbours: eqx.AbstractVar[Int[Array, "n_node n_beside"]]

    @abc.abstractmethod
    def check(self, velocity: "Velocities | dict[str, Velocities]") -> None:
        """Raise ``ValueError`` where the velocities do not fit; under jit see less."""

    @abc.abstractmethod
    def medium(self, velocity: "Velocities | dict[str, Velocities]") -> Medium:
        """The velocities by element or voxel."""

    @abc.abstractmethod
    def tables(self, medium: Medium) -> PyTree:
        """What the update needs of the medium, computed once."""

    @abc.abstractmethod
    def width(self, medium: Medium) -> Float[Array, ""]:
        """The travel time over an element the slow way, about (ms)."""

    @abc.abstractmethod
    def update(
        self,
        tables: PyTree,
        times: Float[Array, " n_padded"],
        ids: Int[Array, " n"],
        explain: bool,
    ) -> tuple[Arrival, Int[Array, " n"]]:
        """The arrival at each of ``ids`` from its neighbours, and in which medium."""

    @abc.abstractmethod
    def locate(
        self, positions: Float[Array, "n_site 3"]
    ) -> tuple[Seeds, Float[Array, " n_site"], Float[Array, " n_site"]]:
        """The nodes around each site, its distance outside (mm) and that of an edge."""

    @abc.abstractmethod
    def at_nodes(self, medium: Medium, ids: Int[Array, " n_site"]) -> Seeds:
        """Seeds at nodes themselves, in a medium that conducts where there is one."""


def _chosen(flags: Bool[Array, " n_padded"], size: int) -> tuple[Array, Array]:
    """The first ``size`` raised flags, and how many there are in all.

    ``jnp.nonzero`` counts flag by flag, which takes ten times as long.
    """
    bits = jnp.arange(_WORD, dtype=jnp.uint32)
    words = jnp.sum(
        flags.reshape(-1, _WORD).astype(jnp.uint32) << bits[None, :],
        axis=1,
        dtype=jnp.uint32,
    )
    counts = jax.lax.population_count(words).astype(jnp.int32)
    ends = jnp.cumsum(counts)
    rank = jnp.arange(size, dtype=jnp.int32)
    row = jnp.searchsorted(ends, rank, side="right").astype(jnp.int32)
    found = row < ends.size
    row = jnp.minimum(row, ends.size - 1)
    word, rank = words[row], rank - (ends[row] - counts[row])
    bit = jnp.zeros_like(rank)
    for half in (16, 8, 4, 2, 1):
        low = word & jnp.uint32((1 << half) - 1)
        below = jax.lax.population_count(low).astype(jnp.int32)
        upper = rank >= below
        rank = jnp.where(upper, rank - below, rank)
        word = jnp.where(upper, word >> half, low)
        bit = bit + jnp.where(upper, half, 0)
    return jnp.where(found, _WORD * row + bit, flags.size - 1), ends[-1]


class _Front(NamedTuple):
    times: Array
    changed: Array  # flags: neighbours do not know yet
    looking: Array  # flags: must be updated
    earliest: Array  # of the changed
    left: Array  # looking, but not yet updated
    checked: Array  # every node has looked since the last change


def fronts(
    space: AbstractNeighbourhood, medium: Medium, start: Float[Array, " n_node"]
) -> Float[Array, " n_node"]:
    """T = min(start, update(T)) at every node (ms), NEVER where nothing arrives."""
    n_node = start.size
    n_padded = _WORD * (n_node // _WORD + 1)
    chunk = min(_CHUNK, n_padded)
    size = chunk * min(_CHUNKS, math.ceil(n_padded / chunk))
    tables, width = space.tables(medium), space.width(medium)
    window, slack = _WINDOW * width, _SLACK * width
    least = 4.0 * jnp.finfo(start.dtype).eps
    none = n_padded - 1  # never a node: n_padded > n_node
    real = jnp.arange(n_padded) < n_node

    def by_chunks(count: Array, ids: Array, act: Callable, state: Any) -> Any:
        def one(k: Array, state: Any) -> Any:
            return act(jax.lax.dynamic_slice(ids, (k * chunk,), (chunk,)), state)

        return jax.lax.fori_loop(
            0, (jnp.minimum(count, size) - 1) // chunk + 1, one, state
        )

    def tell(times: Array, ids: Array, flags: Any) -> Any:
        changed, looking = flags
        beside = space.neighbours.at[ids].get(mode="fill", fill_value=n_node).T
        own = jnp.broadcast_to(times[ids][None, :], beside.shape)
        later = times[beside] > own - slack
        return changed.at[ids].set(False), looking.at[
            jnp.where(later, beside, none)
        ].set(True)

    def look(ids: Array, state: Any) -> Any:
        times, changed, looking = state
        before = times[ids]
        after = space.update(tables, times, jnp.minimum(ids, n_node - 1), False)[0].time
        gains = (after < before - least * jnp.abs(after)) & (ids < n_node)
        return (
            times.at[ids].set(jnp.where(gains, after, before)),
            changed.at[ids].set(changed[ids] | gains),
            looking.at[ids].set(False),
        )

    def once(s: _Front) -> _Front:
        front = s.changed & (s.times <= s.earliest + window)
        ids, count = _chosen(front, size)
        changed, looking = by_chunks(
            count, ids, lambda i, f: tell(s.times, i, f), (s.changed, s.looking)
        )
        # at the end all look, in case one by more than the slack later mattered
        last = (count == 0) & (s.left == 0)
        looking = (looking | last) & real
        ids, count = _chosen(looking, size)
        times, changed, looking = by_chunks(
            count, ids, look, (s.times, changed, looking)
        )
        earliest = jnp.min(jnp.where(changed, times, NEVER))
        left = jnp.maximum(count - size, 0)
        checked = (s.checked | last) & (earliest >= NEVER)
        return _Front(times, changed, looking, earliest, left, checked)

    def unfinished(s: _Front) -> Array:
        return (s.earliest < NEVER) | (s.left > 0) | ~s.checked

    padded = jnp.full(n_padded, NEVER, start.dtype).at[:n_node].set(start)
    still = jnp.zeros(n_padded, bool)
    first = _Front(
        padded,
        padded < NEVER,
        still,
        jnp.min(padded),
        jnp.zeros((), jnp.int32),
        jnp.array(False),
    )
    return jax.lax.while_loop(unfinished, once, first).times[:n_node]


class Origins(NamedTuple):
    """Where the front came from: T_i = sum_k weights_ik T_nodes_ik + time over ``way``.

    ``way`` is the vector from the node to the point of the face (mm), in ``medium``.
    """

    nodes: Int[Array, "n_node 3"]
    weights: Float[Array, "n_node 3"]
    way: Float[Array, "n_node 3"]
    medium: Int[Array, " n_node"]
    time: Float[Array, " n_node"]


def origins(
    space: AbstractNeighbourhood, tables: PyTree, times: Float[Array, " n_node"]
) -> Origins:
    """The face each node's time came from, at the fixed point."""
    n_node = times.size
    chunk = min(_CHUNK, n_node)
    n_chunk = math.ceil(n_node / chunk)
    padded = jnp.append(times, jnp.full(1, NEVER, times.dtype))
    ids = jnp.minimum(jnp.arange(n_chunk * chunk, dtype=jnp.int32), n_node - 1)

    def some(ids: Array) -> tuple[Array, ...]:
        arrival, medium = space.update(tables, padded, ids, True)
        nodes, weights = jax.tree.map(jnp.transpose, arrival[1:])
        return nodes, weights, medium, arrival.time

    found = jax.lax.map(some, ids.reshape(n_chunk, chunk))
    nodes, weights, medium, time = jax.tree.map(
        lambda x: x.reshape(-1, *x.shape[2:])[:n_node], found
    )
    reached = (time < 0.5 * NEVER)[:, None]
    weights = jnp.where(reached, weights, 0.0)
    nodes = jnp.where(weights > 0, nodes, n_node)
    points = space.nodes.astype(times.dtype)
    corners = points.at[nodes].get(mode="fill", fill_value=0.0)
    way = jnp.sum(weights[:, :, None] * corners, axis=1) - points
    return Origins(nodes, weights, jnp.where(reached, way, 0.0), medium, time)


def _ordered(times: Array, came_from: Origins) -> tuple[Array, Array, Array]:
    """Nodes in the order of their times, in chunks, and tables padded to match."""
    n_node = times.size
    # what depends on each other should be in one chunk, which is solved by itself
    chunk = min(max(_CHUNK, n_node // 16), n_node)
    n_chunk = math.ceil(n_node / chunk)
    order = jnp.full(n_chunk * chunk, n_node, jnp.int32)
    order = order.at[:n_node].set(jnp.argsort(times).astype(jnp.int32))
    nodes = jnp.append(came_from.nodes, jnp.full((1, 3), n_node, jnp.int32), axis=0)
    empty = jnp.zeros((1, 3), came_from.weights.dtype)
    weights = jnp.append(came_from.weights, empty, axis=0)
    return order.reshape(n_chunk, chunk), nodes, weights


def push(times: Array, came_from: Origins, source: Array) -> Float[Array, " n_node"]:
    """x = source + W x, where (W x)_i = sum_k weights_ik x_nodes_ik: a tangent."""
    order, nodes, weights = _ordered(times, came_from)
    source = jnp.append(source, jnp.zeros(1, source.dtype))
    tolerance = 8.0 * jnp.finfo(source.dtype).eps

    def settle(x: Array, ids: Array) -> tuple[Array, Array]:
        def go_on(s: Any) -> Array:
            return s[1] & (s[2] < ids.size)

        def again(s: Any) -> Any:
            x, _, k, _ = s
            new = source[ids] + jnp.sum(weights[ids] * x[nodes[ids]], axis=1)
            apart = jnp.abs(new - x[ids]) > tolerance * jnp.abs(new)
            return x.at[ids].set(new), jnp.any(apart), k + 1, s[3] | jnp.any(apart)

        no = jnp.array(False)
        return jax.lax.while_loop(go_on, again, (x, ~no, 0, no))[::3]

    def sweep(s: Any) -> Any:
        x, moved = jax.lax.scan(settle, s[0], order)
        return x, jnp.any(moved), s[2] + 1

    first = (jnp.zeros_like(source), jnp.array(True), 0)
    x = jax.lax.while_loop(lambda s: s[1] & (s[2] < order.size), sweep, first)[0]
    return x[:-1]


def pull(times: Array, came_from: Origins, wanted: Array) -> Float[Array, " n_node"]:
    """m = wanted + W^T m, latest nodes first: the transpose of ``push``."""
    order, nodes, weights = _ordered(times, came_from)
    wanted = jnp.append(wanted, jnp.zeros(1, wanted.dtype))
    least = jnp.finfo(wanted.dtype).eps * jnp.max(jnp.abs(wanted))

    def settle(state: Any, ids: Array) -> tuple[Any, None]:
        def go_on(s: Any) -> Array:
            return jnp.any(jnp.abs(s[1][ids]) > least)

        def again(s: Any) -> Any:
            total, waiting = s
            here = waiting[ids]
            onward = weights[ids] * here[:, None]
            waiting = waiting.at[ids].set(0.0).at[nodes[ids]].add(onward)
            return total.at[ids].add(here), waiting.at[-1].set(0.0)

        return jax.lax.while_loop(go_on, again, state), None

    def sweep(state: Any) -> Any:
        return jax.lax.scan(settle, state, order[::-1])[0]

    state = (jnp.zeros_like(wanted), wanted)
    total, _ = jax.lax.while_loop(
        lambda s: jnp.any(jnp.abs(s[1]) > least), sweep, state
    )
    return total[:-1]
