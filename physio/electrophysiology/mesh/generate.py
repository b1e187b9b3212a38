"""Triangles and tetrahedra for shapes known in closed form.

Structured pieces (grids, discs of rings, extruded triangles, spheres) and, for a shape
given by its signed distance, a body-centred cubic lattice whose nodes near the surface
are moved onto it (isosurface stuffing, Labelle and Shewchuk 2007,
doi:10.1145/1276377.1276448): no sharp or flat tetrahedra anywhere.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

from physio.electrophysiology.mesh import geometry

# Shares of a long and a short lattice edge within which a node is moved onto the
# surface: those of the paper for which its bound on the angles holds.
_SNAP_LONG, _SNAP_SHORT = 0.24999, 0.41189
_BISECTIONS = 12  # of a lattice edge: 1/4096 of its length
# The six paths from one corner of a cube to the opposite one (Kuhn 1960).
_PATHS = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
# A prism turned so that each of its corners comes first (Dompierre et al. 1999, "How
# to subdivide pyramids, prisms and hexahedra into tetrahedra", table 2).
_PRISM_TURNS = np.array(
    [
        [0, 1, 2, 3, 4, 5], [1, 2, 0, 4, 5, 3], [2, 0, 1, 5, 3, 4],
        [3, 5, 4, 0, 2, 1], [4, 3, 5, 1, 0, 2], [5, 4, 3, 2, 1, 0],
    ]
)  # fmt: skip
_PRISM_A = np.array([[0, 1, 2, 5], [0, 1, 5, 4], [0, 4, 5, 3]])
_PRISM_B = np.array([[0, 1, 2, 4], [0, 4, 2, 5], [0, 4, 5, 3]])

Distance = Callable[[np.ndarray], np.ndarray]


def box_tetra(shape: Sequence[int]) -> Int[np.ndarray, "n_elem 4"]:
    """Six tetrahedra for each cell of a grid of nodes ``shape`` (C order)."""
    cells = np.stack(
        np.meshgrid(*(np.arange(n - 1) for n in shape), indexing="ij"), axis=-1
    ).reshape(-1, 3)
    strides = np.array([shape[1] * shape[2], shape[2], 1])
    first = cells @ strides
    parts = []
    for path in _PATHS:
        steps = np.cumsum([0, *(strides[axis] for axis in path)])
        parts.append(first[:, None] + steps)
    return np.stack(parts, axis=1).reshape(-1, 4)


def grid_triangles(shape: Sequence[int]) -> Int[np.ndarray, "n_elem 3"]:
    """Two triangles for each cell of a grid of nodes, their diagonals alternating."""
    i, j = np.meshgrid(*(np.arange(n - 1) for n in shape), indexing="ij")
    a, turn = (i * shape[1] + j).ravel(), ((i + j) % 2).ravel()
    b, c, d = a + shape[1], a + shape[1] + 1, a + 1
    one = np.where(turn[:, None], np.stack([a, b, d], 1), np.stack([a, b, c], 1))
    two = np.where(turn[:, None], np.stack([b, c, d], 1), np.stack([a, c, d], 1))
    return np.concatenate([one, two])


def disc(
    counts: Sequence[int],
) -> tuple[Float[np.ndarray, " n_node"], Int[np.ndarray, "n_elem 3"]]:
    """A disc of rings with ``counts`` nodes, the first ring one node.

    Returns the azimuth of each node as a share of the turn, and the triangles. A ring
    may have any number of nodes, so that edges stay equal toward the middle.
    """
    shifts = [0.5 * (k % 2) for k in range(len(counts))]
    azimuth = [
        (np.arange(n) + shift) / n for n, shift in zip(counts, shifts, strict=True)
    ]
    starts = np.concatenate([[0], np.cumsum(counts)])
    parts = []
    for k in range(1, len(counts)):
        inner, outer = counts[k - 1], counts[k]
        when = np.concatenate([azimuth[k - 1] + 0.5 / inner, azimuth[k] + 0.5 / outer])
        if inner == 1:
            when = when[1:]
        order = np.argsort(when, kind="stable")
        steps_in = order < (inner if inner > 1 else 0)
        i = (np.cumsum(steps_in) - steps_in) % inner + starts[k - 1]
        j = (np.cumsum(~steps_in) - ~steps_in) % outer + starts[k]
        i_next = (i - starts[k - 1] + 1) % inner + starts[k - 1]
        j_next = (j - starts[k] + 1) % outer + starts[k]
        parts.append(np.stack([i, j, np.where(steps_in, i_next, j_next)], axis=1))
    return np.concatenate(azimuth), np.concatenate(parts)


def extruded(
    triangles: Int[np.ndarray, "n_elem 3"], n_node: int, n_layer: int
) -> Int[np.ndarray, "n_tetra 4"]:
    """Three tetrahedra for each triangle and layer; layer k's nodes start at k n_node.

    Both neighbours of a side choose its diagonal by the order of its nodes.
    """
    ordered = np.sort(triangles, axis=1)
    low = (ordered[None] + n_node * np.arange(n_layer)[:, None, None]).reshape(-1, 3)
    high = low + n_node
    a, b, c, up = low[:, 0], low[:, 1], low[:, 2], high
    parts = [
        np.stack([a, b, c, up[:, 2]], axis=1),
        np.stack([a, b, up[:, 1], up[:, 2]], axis=1),
        np.stack([a, up[:, 0], up[:, 1], up[:, 2]], axis=1),
    ]
    return np.concatenate(parts)


def turned(
    nodes: Float[np.ndarray, "n_node 3"], tetra: Int[np.ndarray, "n_elem 4"]
) -> Int[np.ndarray, "n_elem 4"]:
    """The tetrahedra with their corners in the order of positive volume."""
    wrong = geometry.measures(nodes, tetra) < 0.0
    tetra = tetra.copy()
    tetra[wrong, 2:] = tetra[wrong][:, [3, 2]]
    return tetra


def sphere(
    n_part: int,
) -> tuple[Float[np.ndarray, "n_node 3"], Int[np.ndarray, "n_elem 3"]]:
    """An icosahedron with each side in ``n_part``, on the unit sphere, outwards."""
    golden = (1.0 + 5.0**0.5) / 2.0
    rows = [(0.0, s, t * golden) for s in (-1.0, 1.0) for t in (-1.0, 1.0)]
    whole = np.array([r[k:] + r[:k] for r in rows for k in range(3)])
    gaps = np.linalg.norm(whole[:, None] - whole[None], axis=-1)
    near = np.abs(gaps - 2.0) < 1e-9
    faces = [
        (i, j, k)
        for i in range(12)
        for j in range(i + 1, 12)
        for k in range(j + 1, 12)
        if near[i, j] and near[j, k] and near[i, k]
    ]
    steps = [(i, j) for i in range(n_part + 1) for j in range(n_part + 1 - i)]
    number = {step: k for k, step in enumerate(steps)}
    shares = np.array([(n_part - i - j, i, j) for i, j in steps]) / n_part
    ups = [(i, j) for i in range(n_part) for j in range(n_part - i)]
    small = [(number[i, j], number[i + 1, j], number[i, j + 1]) for i, j in ups]
    small += [
        (number[i + 1, j], number[i + 1, j + 1], number[i, j + 1])
        for i, j in ups
        if i + j < n_part - 1
    ]
    nodes = np.concatenate([shares @ whole[list(face)] for face in faces])
    triangles = np.array(small)[None] + len(steps) * np.arange(20)[:, None, None]
    # nodes on shared sides agree to rounding
    keys = np.rint(nodes * 1e6).astype(np.int64)
    _, first, which = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    nodes, triangles = nodes[first], which.ravel()[triangles.reshape(-1, 3)]
    nodes /= np.linalg.norm(nodes, axis=1, keepdims=True)
    a, b, c = (nodes[triangles[:, k]] for k in range(3))
    inwards = np.einsum("ij,ij->i", geometry.cross(b - a, c - a), a) < 0.0
    triangles[inwards] = triangles[inwards][:, [0, 2, 1]]
    return nodes, triangles


def stuffed(
    distance: Distance,
    low: Float[np.ndarray, " 3"],
    high: Float[np.ndarray, " 3"],
    step: float,
) -> tuple[Float[np.ndarray, "n_node 3"], Int[np.ndarray, "n_elem 4"]]:
    """Tetrahedra of the shape where ``distance(points)`` (mm) is negative.

    ``step`` is the side of the lattice's cubes; the upper face of the box along z is a
    plane of the lattice. The box must enclose the shape.
    """
    nodes, tetra = _lattice(low, high, step)
    value = distance(nodes)
    value[np.abs(value) < 1e-9 * step] = 0.0
    tetra = tetra[(value[tetra] < 0.0).any(axis=1)]
    nodes, value, edges = _snapped(distance, nodes, value, tetra, step)
    crossed = value[edges[:, 0]] * value[edges[:, 1]] < 0.0
    edges = edges[crossed]
    cuts = _cuts(distance, nodes, edges, value)
    whole = np.concatenate([nodes, cuts])
    parts = _cut_tetra(distance, nodes, tetra, value, edges)
    parts = turned(whole, parts)
    used = np.zeros(len(whole), dtype=bool)
    used[parts] = True
    return whole[used], (np.cumsum(used) - 1)[parts]


def _lattice(low, high, step) -> tuple[np.ndarray, np.ndarray]:
    """Body-centred cubic: corners and centres of cubes, four tetrahedra per face."""
    count = np.ceil((high - low) / step).astype(np.int64) + 1
    start = high - step * count
    start[:2] += step / 2.0
    count += 1  # centres one layer above the upper plane
    corner = np.stack(
        np.meshgrid(*(np.arange(n + 1) for n in count), indexing="ij"), -1
    ).reshape(-1, 3)
    centre = np.stack(
        np.meshgrid(*(np.arange(n) for n in count), indexing="ij"), -1
    ).reshape(-1, 3)
    nodes = start + step * np.concatenate([corner, centre + 0.5])
    along = np.array([(count[1] + 1) * (count[2] + 1), count[2] + 1, 1])
    within = np.array([count[1] * count[2], count[2], 1])
    parts = []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        pairs = centre[centre[:, axis] < count[axis] - 1]
        one = pairs @ within + len(corner)
        two = one + within[axis]
        first = pairs @ along + along[axis]
        ring = first[:, None] + np.array([0, along[u], along[u] + along[v], along[v]])
        for k in range(4):
            parts.append(np.stack([one, two, ring[:, k], ring[:, (k + 1) % 4]], 1))
    return nodes, np.concatenate(parts)


def _snapped(distance, nodes, value, tetra, step):
    """Moves the nodes near the surface onto it; also gives the edges in use."""
    pairs = geometry.element_edges(tetra, "tetra")
    edges = np.sort(pairs[geometry.unique_rows(pairs)[0]], axis=1)
    crossed = edges[value[edges[:, 0]] * value[edges[:, 1]] < 0.0]
    cuts = _cuts(distance, nodes, crossed, value)
    length = np.linalg.norm(nodes[crossed[:, 1]] - nodes[crossed[:, 0]], axis=1)
    share = np.where(length > 0.95 * step, _SNAP_LONG, _SNAP_SHORT)
    ends = np.concatenate([crossed[:, 0], crossed[:, 1]])
    places = np.concatenate([cuts, cuts])
    gaps = np.linalg.norm(places - nodes[ends], axis=1)
    near = gaps < np.concatenate([share * length, share * length])
    order = np.argsort(-gaps[near], kind="stable")  # the nearest is written last
    ends, places = ends[near][order], places[near][order]
    nodes, value = nodes.copy(), value.copy()
    nodes[ends] = places
    value[ends] = 0.0
    return nodes, value, edges


def _cuts(distance, nodes, edges, value) -> np.ndarray:
    """Where edges meet the surface, by halving."""
    inside = np.where(value[edges[:, 0]] < 0.0, edges[:, 0], edges[:, 1])
    outside = np.where(value[edges[:, 0]] < 0.0, edges[:, 1], edges[:, 0])
    a, b = nodes[inside], nodes[outside]
    for _ in range(_BISECTIONS):
        middle = 0.5 * (a + b)
        negative = (distance(middle) < 0.0)[:, None]
        a, b = np.where(negative, middle, a), np.where(negative, b, middle)
    return 0.5 * (a + b)


def _cut_tetra(distance, nodes, tetra, value, edges) -> np.ndarray:
    """What is inside of every lattice tetrahedron, by its numbers of corners."""
    signs = np.sign(value[tetra])
    order = np.argsort(signs, axis=1, kind="stable")
    tetra = np.take_along_axis(tetra, order, axis=1)
    n_in, n_out = (signs < 0.0).sum(axis=1), (signs > 0.0).sum(axis=1)
    keys = edges[:, 0] * len(nodes) + edges[:, 1]
    by_key = np.argsort(keys)

    def cut(rows: np.ndarray, i: int, j: int) -> np.ndarray:
        pair = np.sort(rows[:, [i, j]], axis=1)
        place = np.searchsorted(keys[by_key], pair[:, 0] * len(nodes) + pair[:, 1])
        return by_key[place] + len(nodes)

    def rows(inside: int, outside: int) -> np.ndarray:
        return tetra[(n_in == inside) & (n_out == outside)]

    flat = rows(0, 0)
    whole = [tetra[(n_in > 0) & (n_out == 0)]]
    whole.append(flat[distance(nodes[flat].mean(axis=1)) < 0.0])
    r = rows(1, 3)
    whole.append(np.stack([r[:, 0], cut(r, 0, 1), cut(r, 0, 2), cut(r, 0, 3)], 1))
    r = rows(1, 2)
    whole.append(np.stack([r[:, 0], r[:, 1], cut(r, 0, 2), cut(r, 0, 3)], 1))
    r = rows(1, 1)
    whole.append(np.stack([r[:, 0], r[:, 1], r[:, 2], cut(r, 0, 3)], 1))
    r = rows(3, 1)
    prisms = [np.column_stack([r[:, :3], cut(r, 0, 3), cut(r, 1, 3), cut(r, 2, 3)])]
    r = rows(2, 2)
    low = [r[:, 0], cut(r, 0, 2), cut(r, 0, 3)]
    prisms.append(np.stack([*low, r[:, 1], cut(r, 1, 2), cut(r, 1, 3)], 1))
    r = rows(2, 1)
    pyramids = np.stack([r[:, 0], r[:, 1], cut(r, 1, 3), cut(r, 0, 3), r[:, 2]], 1)
    return np.concatenate(
        [*whole, _prism_tetra(np.concatenate(prisms)), _pyramid_tetra(pyramids)]
    )


def _prism_tetra(prisms: np.ndarray) -> np.ndarray:
    """Three tetrahedra each; every square is cut through its lowest node."""
    turns = _PRISM_TURNS[np.argmin(prisms, axis=1)]
    p = np.take_along_axis(prisms, turns, axis=1)
    first = np.minimum(p[:, 1], p[:, 5]) < np.minimum(p[:, 2], p[:, 4])
    return np.concatenate(
        [p[first][:, _PRISM_A].reshape(-1, 4), p[~first][:, _PRISM_B].reshape(-1, 4)]
    )


def _pyramid_tetra(pyramids: np.ndarray) -> np.ndarray:
    """Two tetrahedra each: four corners around the base, then the tip."""
    even = np.argmin(pyramids[:, :4], axis=1) % 2 == 0
    a, b = pyramids[even], pyramids[~even]
    return np.concatenate(
        [
            a[:, [0, 1, 2, 4]],
            a[:, [0, 2, 3, 4]],
            b[:, [1, 2, 3, 4]],
            b[:, [1, 3, 0, 4]],
        ]
    )
