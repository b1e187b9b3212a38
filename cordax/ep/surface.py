"""The outside of a heart as triangles, for pictures: of a mesh, or of voxels."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from cordax.ep.heart import Heart
from physio.electrophysiology.mesh.mesh import Mesh
from physio.electrophysiology.voxels.voxels import FACES, Voxels, flat_index

_ROUNDS, _PULL = 12, 0.5  # of smoothing: what makes stairs a wall
_MIXED = 2  # of the values, whose stairs are lower
#: Vertices of a view that a browser turns without effort.
MOST = 60_000
# The corners of a voxel's face towards each of FACES, seen from outside.
_CORNERS = np.array(
    [
        [[0, 0, 0], [0, 0, 1], [0, 1, 1], [0, 1, 0]],
        [[1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 0, 1]],
        [[0, 0, 0], [1, 0, 0], [1, 0, 1], [0, 0, 1]],
        [[0, 1, 0], [0, 1, 1], [1, 1, 1], [1, 1, 0]],
        [[0, 0, 0], [0, 1, 0], [1, 1, 0], [1, 0, 0]],
        [[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]],
    ]
)


@dataclass(frozen=True)
class Surface:
    """Triangles (n_triangle, 3) over points (n_vertex, 3) in mm, facing outwards.

    ``mix`` (n_vertex, n_node), sparse, takes the nodes' values to the vertices.
    """

    points: np.ndarray
    triangles: np.ndarray
    mix: Any

    def at(self, values: np.ndarray) -> np.ndarray:
        """A node's values (n_node,) on the vertices; NaN where most of theirs are."""
        given = np.asarray(values, float)
        known = np.isfinite(given)
        share = self.mix @ known.astype(float)
        total = self.mix @ np.where(known, given, 0.0)
        return np.where(share > 0.5, total / np.maximum(share, 0.5), np.nan)


def surface(heart: Heart) -> Surface:
    """The outside of the heart; ``ValueError`` for a mesh of lines alone."""
    if isinstance(heart.geometry, Voxels):
        return _of_voxels(heart.geometry)
    return _of_mesh(heart.geometry)


def coarser(whole: Surface, most: int = MOST) -> Surface:
    """With at most about so many vertices: those of one little cube become one."""
    if len(whole.points) <= most:
        return whole
    low, high = whole.points.min(axis=0), whole.points.max(axis=0)
    side = float((high - low).max()) / 1000.0
    place = np.zeros(len(whole.points), np.int64)
    count = len(whole.points)
    while count > most:
        cell = ((whole.points - low) / side).astype(np.int64)
        key = (cell[:, 0] * 4000 + cell[:, 1]) * 4000 + cell[:, 2]
        _, place = np.unique(key, return_inverse=True)
        count, side = int(place.max()) + 1, side * 1.15
    size = np.bincount(place)[:, None]
    points = np.stack([np.bincount(place, x) for x in whole.points.T], axis=1) / size
    triangles = place[whole.triangles]
    a, b, c = triangles.T
    triangles = triangles[(a != b) & (b != c) & (a != c)]
    return Surface(points, triangles, _means(place, count) @ whole.mix)


def _of_mesh(mesh: Mesh) -> Surface:
    triangles = mesh.surface()
    used, place = np.unique(triangles, return_inverse=True)
    mix = _links(np.arange(len(used)), used, (len(used), mesh.n_node))
    return Surface(mesh.nodes[used], place.reshape(-1, 3), mix)


def _of_voxels(voxels: Voxels) -> Surface:
    quads, owners = [], []
    for offset, corners in zip(FACES, _CORNERS, strict=True):
        bare = np.flatnonzero(voxels.neighbour(offset) < 0)
        quads.append(voxels.index[bare][:, None, :] + corners[None])
        owners.append(bare)
    corner = np.concatenate(quads).reshape(-1, 3)
    owner = np.repeat(np.concatenate(owners), 4)
    shape = tuple(n + 1 for n in voxels.shape)
    used, place = np.unique(flat_index(corner, shape), return_inverse=True)
    at = np.stack(np.unravel_index(used, shape), axis=1)
    points = voxels.origin + voxels.spacing * (at - 0.5)
    quad = place.reshape(-1, 4)
    mix = _rows_to_one(_links(place, owner, (len(used), voxels.n_node)))
    if min(voxels.shape) > 1:  # else smoothing would only round its corners
        ends = np.concatenate([quad[:, [k, (k + 1) % 4]] for k in range(4)])
        ends = np.concatenate([ends, ends[:, ::-1]])
        beside = _links(ends[:, 0], ends[:, 1], (len(used), len(used)))
        points, mix = _smooth(points, mix, _rows_to_one(beside))
    triangles = np.concatenate([quad[:, [0, 1, 2]], quad[:, [0, 2, 3]]])
    return Surface(points, triangles, mix)


def _smooth(points: np.ndarray, mix: Any, beside: Any) -> tuple[np.ndarray, Any]:
    """Each vertex toward its neighbours' mean, and half as far back out again.

    Values are mixed a little too: those of the stairs' corners differ.
    """
    for _ in range(_ROUNDS):
        for pull in (_PULL, -0.5 * _PULL):
            points = points + pull * (beside @ points - points)
    for _ in range(_MIXED):
        mix = 0.5 * (mix + beside @ mix)
    return points, mix


def _links(row: np.ndarray, column: np.ndarray, shape: tuple[int, int]) -> Any:
    """A sparse matrix of ones."""
    from scipy.sparse import csr_matrix

    links = csr_matrix((np.ones(len(row)), (row, column)), shape=shape)
    links.data[:] = 1.0  # a pair named twice counts once
    return links


def _rows_to_one(links: Any) -> Any:
    from scipy.sparse import diags

    return diags(1.0 / np.asarray(links.sum(axis=1)).ravel()) @ links


def _means(place: np.ndarray, count: int) -> Any:
    """What takes values to the mean of those that share a place."""
    return _rows_to_one(_links(place, np.arange(len(place)), (count, len(place))))
