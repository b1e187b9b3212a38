"""Phase singularities on surfaces, filaments in volumes, and their tracks."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from physio.electrophysiology.signals.phase import _TURN, wrap


@dataclasses.dataclass(frozen=True)
class Singularities:
    """Phase singularities of one frame: where, of which charge, in which loop."""

    position: Float[np.ndarray, "n_tip 3"]
    charge: Int[np.ndarray, " n_tip"]
    loop: Int[np.ndarray, " n_tip"]


@jax.jit
def charges(
    phase: Float[ArrayLike, "*frames n_node"], loops: Int[ArrayLike, "n_loop n_corner"]
) -> Int[Array, "*frames n_loop"]:
    """Topological charge of every loop of nodes, 0 where a phase is unknown.

    On a closed surface whose triangles are all seen from outside they add up to zero.
    """
    phase, loops = jnp.asarray(phase), jnp.asarray(loops)
    corners = loops.shape[1]
    turned = sum(
        (
            wrap(phase[..., loops[:, (k + 1) % corners]] - phase[..., loops[:, k]])
            for k in range(corners)
        ),
        start=jnp.zeros((*phase.shape[:-1], loops.shape[0]), phase.dtype),
    )
    turns = jnp.round(turned / _TURN)
    return jnp.where(jnp.isnan(turns), 0.0, turns).astype(jnp.int32)


def grid_loops(shape: tuple[int, int]) -> Int[np.ndarray, "n_loop 4"]:
    """The cells of an nx x ny grid of nodes in C order, counter-clockwise in x, y."""
    node = np.arange(shape[0] * shape[1], dtype=np.int32).reshape(shape)
    corners = (node[:-1, :-1], node[1:, :-1], node[1:, 1:], node[:-1, 1:])
    return np.stack([corner.ravel() for corner in corners], axis=1)


def singularities(
    phase: Float[ArrayLike, " n_node"],
    loops: Int[ArrayLike, "n_loop n_corner"],
    nodes: Float[ArrayLike, "n_node 3"],
) -> Singularities:
    """The charged loops of one frame (triangles, cells of a grid, faces of a volume).

    A position is where exp(i phase), interpolated over the loop's charged triangle,
    vanishes; within a loop, always.
    """
    loops = np.asarray(loops)
    charge = np.asarray(charges(phase, loops))
    loop = np.flatnonzero(charge)
    position = _zeros(np.asarray(phase), loops[loop], np.asarray(nodes))
    return Singularities(position, charge[loop], loop)


@dataclasses.dataclass(frozen=True)
class VolumeFaces:
    """The faces of a volume's cells as loops of nodes, and which cell has which.

    ``outward`` is +1 where a face's loop is counter-clockwise seen from outside its
    cell, -1 where it is clockwise.
    """

    loops: Int[np.ndarray, "n_face n_corner"]
    cells: Int[np.ndarray, "n_cell n_side"]
    outward: Int[np.ndarray, "n_cell n_side"]


@dataclasses.dataclass(frozen=True)
class Filaments:
    """Vortex filaments: points (mm), and the lines through them as rows of indices."""

    points: Float[np.ndarray, "n_point 3"]
    lines: tuple[Int[np.ndarray, " n_on_line"], ...]
    closed: tuple[bool, ...]

    @property
    def length(self) -> Float[np.ndarray, " n_line"]:
        """Length of every line (mm), the closing segment of a ring included."""
        rings = [
            np.append(line, line[:1]) if ring else line
            for line, ring in zip(self.lines, self.closed, strict=True)
        ]
        steps = [np.diff(self.points[ring], axis=0) for ring in rings]
        return np.array([np.linalg.norm(step, axis=1).sum() for step in steps])


@dataclasses.dataclass(frozen=True)
class Tip:
    """One singularity followed over frames: times (ms), positions (mm), charge."""

    t: Float[np.ndarray, " n_seen"]
    position: Float[np.ndarray, "n_seen 3"]
    charge: int

    @property
    def lifetime(self) -> float:
        """From the first to the last frame it is seen in (ms)."""
        return float(self.t[-1] - self.t[0])

    @property
    def path_length(self) -> float:
        """Length of the trajectory (mm)."""
        return float(np.linalg.norm(np.diff(self.position, axis=0), axis=1).sum())

    @property
    def meander(self) -> float:
        """Root of the mean squared distance from its mean position (mm)."""
        away = self.position - self.position.mean(axis=0)
        return float(np.sqrt((away**2).sum(axis=1).mean()))


def voxel_faces(index: Int[np.ndarray, "n_node 3"]) -> VolumeFaces:
    """Faces of the cubes between active voxels, the voxels' centres being the nodes.

    A cube needs all eight corners, a face all four.
    """
    shape = tuple(int(n) for n in index.max(axis=0) + 2)
    node = np.full(shape, -1, dtype=np.int32)
    node[tuple(index.T)] = np.arange(len(index), dtype=np.int32)
    face_at, loops, count = [], [], 0
    for axis in range(3):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        across = np.roll(node, -1, first)
        quad = np.stack(
            [node, across, np.roll(across, -1, second), np.roll(node, -1, second)]
        )  # rolling meets the empty layer beyond the last voxel, never the other side
        whole = (quad >= 0).all(axis=0)
        number = np.full(shape, -1, dtype=np.int32)
        number[whole] = np.arange(count, count + whole.sum(), dtype=np.int32)
        count += int(whole.sum())
        face_at.append(number)
        loops.append(quad[:, whole].T)
    sides = [
        side
        for axis in range(3)
        for side in (face_at[axis], np.roll(face_at[axis], -1, axis))
    ]
    cube = (np.stack(sides) >= 0).all(axis=0)
    cells = np.stack([side[cube] for side in sides], axis=1)
    outward = np.tile(np.array([-1, 1] * 3), (len(cells), 1))
    return VolumeFaces(np.concatenate(loops), cells, outward)


def tetra_faces(tetra: Int[np.ndarray, "n_elem 4"]) -> VolumeFaces:
    """Faces of positively oriented tetrahedra."""
    corners = np.array([[1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1]])
    every = tetra[:, corners].reshape(-1, 3)
    order = np.argsort(every, axis=1)
    # an even permutation of three is a rotation: 0 1 2, 1 2 0, 2 0 1
    even = (order[:, 1] - order[:, 0]) % 3 == 1
    loops, cells = np.unique(
        np.take_along_axis(every, order, axis=1), axis=0, return_inverse=True
    )
    outward = np.where(even, 1, -1).reshape(-1, 4)
    return VolumeFaces(loops, cells.reshape(-1, 4), outward)


def filaments(
    phase: Float[ArrayLike, " n_node"],
    faces: VolumeFaces,
    nodes: Float[ArrayLike, "n_node 3"],
) -> Filaments:
    """The vortex filaments of one frame in a volume.

    A filament pierces the charged faces; as much enters a cell as leaves it, so that
    its points join into lines that end only at the surface or where the phase is
    unknown. Where two filaments share a cell, the nearest points are joined.
    """
    points = singularities(phase, faces.loops, nodes)
    row = np.full(len(faces.loops), -1)
    row[points.loop] = np.arange(len(points.loop))
    charge = np.zeros(len(faces.loops), dtype=int)
    charge[points.loop] = points.charge
    flux = charge[faces.cells] * faces.outward
    links: list[list[int]] = [[] for _ in points.loop]
    for cell in np.flatnonzero(flux.any(axis=1)):
        leaving = row[faces.cells[cell][flux[cell] > 0]]
        entering = row[faces.cells[cell][flux[cell] < 0]]
        apart = np.linalg.norm(
            points.position[leaving, None] - points.position[None, entering], axis=2
        )
        for a, b in _nearest_pairs(apart):
            links[leaving[a]].append(int(entering[b]))
            links[entering[b]].append(int(leaving[a]))
    lines, closed = _chains(links)
    return Filaments(points.position, tuple(lines), tuple(closed))


def track(
    t: Float[ArrayLike, " n_frame"],
    frames: list[Singularities],
    *,
    reach: float,
    gap: int = 1,
) -> list[Tip]:
    """Singularities followed from frame to frame, the nearest of equal charge first.

    A tip moves at most ``reach`` mm between sightings and may be missed in up to
    ``gap`` frames; then it has ended. Tips in order of their first frame.
    """
    times = np.asarray(t)
    if len(times) != len(frames):
        raise ValueError(
            f"Each frame needs its time; got {len(times)} times, {len(frames)} frames."
        )
    found: list[list[tuple[int, int]]] = []  # per tip: (frame, row in that frame)
    alive: list[int] = []
    for frame, tips in enumerate(frames):
        alive = [tip for tip in alive if frame - found[tip][-1][0] <= gap + 1]
        last = [found[tip][-1] for tip in alive]
        where = np.array([frames[f].position[r] for f, r in last]).reshape(-1, 3)
        sign = np.array([frames[f].charge[r] for f, r in last], dtype=int)
        apart = np.linalg.norm(where[:, None] - tips.position[None], axis=2)
        possible = (sign[:, None] == tips.charge[None]) & (apart <= reach)
        pairs = _nearest_pairs(np.where(possible, apart, np.inf))
        for a, b in pairs:
            found[alive[a]].append((frame, b))
        for new in sorted(set(range(len(tips.charge))) - {b for _, b in pairs}):
            alive.append(len(found))
            found.append([(frame, new)])
    return [
        Tip(
            times[[f for f, _ in seen]],
            np.array([frames[f].position[r] for f, r in seen]),
            int(frames[seen[0][0]].charge[seen[0][1]]),
        )
        for seen in found
    ]


def _zeros(phase: np.ndarray, loops: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Where exp(i phase) vanishes in each charged loop, linear on its triangles."""
    if not len(loops):
        return np.zeros((0, 3))
    # a fan of triangles: the diagonals cancel, so at least one carries a charge
    fans = np.stack(
        [loops[:, [0, k, k + 1]] for k in range(1, loops.shape[1] - 1)], axis=1
    )
    angle = phase[fans]
    turned = np.roll(angle, -1, axis=2) - angle
    charged = np.rint((turned - _TURN * np.rint(turned / _TURN)).sum(axis=2) / _TURN)
    which = np.argmax(charged != 0.0, axis=1)
    triangle = fans[np.arange(len(fans)), which]
    angle = phase[triangle]
    # the origin in barycentric coordinates of three points on the unit circle
    a, b, c = angle.T
    weight = np.stack([np.sin(c - b), np.sin(a - c), np.sin(b - a)], axis=1)
    total = weight.sum(axis=1, keepdims=True)
    flat = np.abs(total) < 1e-12  # two opposite phases: any point between them will do
    weight = np.where(flat, 1.0 / 3.0, weight / np.where(flat, 1.0, total))
    return np.einsum("nk,nkd->nd", weight, nodes[triangle])


def _nearest_pairs(apart: np.ndarray) -> list[tuple[int, int]]:
    """Rows and columns paired one to one, the nearest first; inf is no pair."""
    pairs, rows, columns = [], set(), set()
    for flat in np.argsort(apart, axis=None, kind="stable"):
        a, b = divmod(int(flat), apart.shape[1])
        if not np.isfinite(apart[a, b]):
            break
        if a not in rows and b not in columns:
            pairs.append((a, b))
            rows.add(a)
            columns.add(b)
    return pairs


def _chains(links: list[list[int]]) -> tuple[list[np.ndarray], list[bool]]:
    """Lines through points that have at most two neighbours: open ones, then rings."""
    lines, closed = [], []
    waiting = set(range(len(links)))
    ends = [point for point in waiting if len(links[point]) < 2]
    for first in [*ends, *range(len(links))]:
        if first not in waiting:
            continue
        line, ring, here = [], len(links[first]) == 2, first
        while here is not None:
            waiting.discard(here)
            line.append(here)
            here = next((other for other in links[here] if other in waiting), None)
        lines.append(np.array(line))
        closed.append(ring)
    return lines, closed
