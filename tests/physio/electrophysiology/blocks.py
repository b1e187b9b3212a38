"""Small geometries made by hand, for the tests of this folder."""

import itertools
from types import SimpleNamespace

import numpy as np


def box_voxels(cells, spacing, fibre, sheet=None, keep=None):
    """A full box of voxels (or those of ``keep``) with one fibre direction."""
    index = np.indices(cells).reshape(3, -1).T.astype(np.int32)
    if keep is not None:
        index = index[keep(spacing * (index + 0.5))]
    place = -np.ones(tuple(n + 2 for n in cells), np.int32)
    place[tuple((index + 1).T)] = np.arange(len(index))

    def neighbour(offset):
        return place[tuple((index + 1 + np.asarray(offset)).T)]

    return SimpleNamespace(
        spacing=spacing, origin=np.full(3, 0.5 * spacing), shape=tuple(cells),
        index=index, nodes=spacing * (index + 0.5), neighbour=neighbour,
        fibres=np.tile(np.asarray(fibre, float), (len(index), 1)),
        sheets=None if sheet is None else np.tile(sheet, (len(index), 1)),
    )  # fmt: skip


def box_tetrahedra(cells, sides, fibre, jitter=0.0):
    """A box cut into cubes of six tetrahedra; inner nodes may be moved."""
    axes = [np.linspace(0, side, n + 1) for side, n in zip(sides, cells, strict=True)]
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    shape = tuple(n + 1 for n in cells)
    elements = []
    for corner in np.ndindex(*cells):
        for order in itertools.permutations(range(3)):
            path = [np.array(corner)]
            for axis in order:
                path.append(path[-1] + np.eye(3, dtype=int)[axis])
            elements.append([np.ravel_multi_index(tuple(p), shape) for p in path])
    if jitter:
        inside = np.all((nodes > 0) & (nodes < np.asarray(sides)), axis=1)
        moved = np.random.default_rng(0).uniform(-1, 1, nodes.shape) * jitter
        nodes = nodes + inside[:, None] * moved
    return _mesh(nodes, "tetra", elements, fibre)


def sheet_triangles(cells, sides, fibre):
    """A rectangle in space (z = 0) cut into triangles."""
    axes = [np.linspace(0, side, n + 1) for side, n in zip(sides, cells, strict=True)]
    flat = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    nodes = np.concatenate([flat, np.zeros((len(flat), 1))], axis=1)
    width = cells[1] + 1
    elements = []
    for i, j in np.ndindex(*cells):
        a, b = i * width + j, (i + 1) * width + j
        elements += [[a, b, b + 1], [a, b + 1, a + 1]]
    return _mesh(nodes, "triangle", elements, fibre)


def _mesh(nodes, kind, elements, fibre):
    corners = np.asarray(elements, np.int32)
    fibres = np.tile(np.asarray(fibre, float), (len(corners), 1))
    return SimpleNamespace(
        nodes=nodes, elements={kind: corners}, fibres={kind: fibres}, sheets={}
    )
