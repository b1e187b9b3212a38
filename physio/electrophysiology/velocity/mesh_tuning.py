"""Conductivities that give wanted velocities on tetrahedra and triangles.

A mesh has no one row of weights, so waves are timed on a small block made of elements
of the mesh's own edge length, once with the fibres along the wave and once across it
(lines are a cable, which has one direction). What that leaves on the mesh itself is
told by waves through blocks that were not tuned on: other node positions, and fibres
slanted to the block.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial import Delaunay

from physio.electrophysiology.diffusion.bond_average import AbstractScheme, BondAverage
from physio.electrophysiology.diffusion.conductivity import Membrane, Velocities
from physio.electrophysiology.diffusion.elements import on_mesh
from physio.electrophysiology.diffusion.operator import largest_step
from physio.electrophysiology.mesh.generate import box_tetra
from physio.electrophysiology.mesh.mesh import Mesh
from physio.electrophysiology.tissue.monodomain import Monodomain, as_dtype
from physio.electrophysiology.tissue.pacing import stimulate
from physio.electrophysiology.tissue.recording import Recorder, run
from physio.electrophysiology.velocity.tuning import CableTuner, Tuned, Waves, worse

_ROUNDS = 3
_JITTER = 0.2  # of an edge: how far inner nodes are moved off a lattice
_LENGTHS, _WIDTHS = 12.0, 8  # of a block: in sqrt(D * 1 ms) behind and timed; edges
_SLANTS = (0.0, 22.5, 45.0)  # degrees
#: in sqrt(D): how far a front of velocity v feels an end, times v; what there is
_AHEAD, _BEHIND = 2.7, 3.6
_STABLE = 0.9  # of a block's stability limit
_KINDS = ("tetra", "triangle", "line")
_LEAST, _EVERY = 60.0, 2.0  # ms: of a wave through a block, and between its chunks
_SLOWER = 2.0  # than wanted: a wave that is still to be tuned arrives all the same


class _Block(NamedTuple):
    mesh: Mesh
    timed: np.ndarray
    stimulated: np.ndarray


def tune_mesh(
    cell: Any,
    wanted: Velocities,
    mesh: Mesh,
    *,
    dt: float = 0.02,
    scheme: AbstractScheme | None = None,
    membrane: Membrane | None = None,
    start: Any = None,
) -> Tuned:
    """The conductivity with which a mesh conducts at wanted velocities (numbers).

    Sheet and normal share the value across. ``scheme``, ``dt`` and ``start`` (one
    cell's state) are those of the runs to come. Raises ``ValueError`` where a wave does
    not travel through elements of this size.
    """
    scheme = BondAverage() if scheme is None else scheme
    membrane = Membrane() if membrane is None else membrane
    along, across = float(wanted.fibre), float(np.sqrt(wanted.sheet * wanted.normal))
    kind = next(k for k in _KINDS if len(mesh.elements.get(k, ())))
    edge = typical_edge(mesh, kind)
    row = np.array([along, across, across])
    if kind == "line":
        one = CableTuner(cell, edge, dt, scheme, start)
        table = one.table(row)
        d, waves = table(np.eye(3)[:1])[:, 0], one.waves(row, table)
    else:
        bars = _Bars(cell, kind, edge, dt, scheme, membrane, start)
        d = bars.tuned(along, across)
        waves = bars.waves(along, across, d)
        d = np.array([d[0], d[1], d[1]])
    found = jnp.asarray(d, jax.tree.leaves(cell)[0].dtype)
    return Tuned(membrane.conductivity(found), waves)


class _Bars(Waves):
    """Waves through blocks of elements of one kind and edge length."""

    def __init__(
        self, cell: Any, kind: str, edge: float, dt: float, scheme: AbstractScheme,
        membrane: Membrane, start: Any,
    ) -> None:  # fmt: skip
        super().__init__(cell, edge, dt, scheme, start)
        self.elements, self.membrane = kind, membrane

    def tuned(self, along: float, across: float) -> np.ndarray:
        """Diffusivities along the fibre and across it."""
        self.slowest = min(along, across)
        wanted = np.array([along, across])
        d = (wanted / self.free) ** 2
        for _ in range(_ROUNDS):
            v = [self._wave(d, 90.0 * k, 0, wanted[k])[0] for k in (0, 1)]
            d = d * (wanted / v) ** 2
        return d

    def waves(
        self, along: float, across: float, d: np.ndarray
    ) -> dict[str, tuple[float, float]]:
        """Wanted and got by the waves that miss most, on blocks not tuned on."""
        found: dict[str, tuple[float, float]] = {}
        for slant in (*_SLANTS, 90.0):
            turn = np.radians(slant)
            rough = np.hypot(along * np.cos(turn), across * np.sin(turn))
            speed, share = self._wave(d, slant, 1, rough)
            goal = np.sqrt(along**2 * share + across**2 * (1 - share))
            name = {0.0: "along", 90.0: "across"}.get(slant, "between")
            found = worse(found, {name: (float(goal), speed)})
        return found

    def _wave(
        self, d: np.ndarray, slant: float, seed: int, about: float
    ) -> tuple[float, float]:
        """A front's velocity, and the squared cosine of its normal to the fibre.

        Fibres are turned by ``slant`` degrees in the plane; a front leans as it goes,
        so its normal is that of a plane through the times in the middle of the bar.
        """
        reach = np.sqrt(d[int(slant / 90)]) if seed == 0 else about / self.free
        beyond = max(_AHEAD / self.free - _BEHIND, 0.0)
        block = _block(self.elements, self.spacing, reach, seed, beyond)
        first, at = self._timed(block, d, slant, about)
        used = at[:, np.ptp(at, axis=0) > 0]
        slowness = np.zeros(3)
        flat = np.column_stack([used, np.ones(len(used))])
        slowness[: used.shape[1]] = np.linalg.lstsq(flat, first, rcond=None)[0][:-1]
        size = float(np.linalg.norm(slowness))
        return 1 / size, float((slowness @ _fibre(slant) / size) ** 2)

    def _timed(
        self, block: _Block, d: np.ndarray, slant: float, about: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """When the nodes in the middle of the bar are activated, and where they are."""
        ((kind, elements),) = block.mesh.elements.items()
        fibres = {kind: np.tile(_fibre(slant), (len(elements), 1))}
        mesh = Mesh(nodes=block.mesh.nodes, elements=block.mesh.elements, fibres=fibres)
        conductivity = self.membrane.conductivity(jnp.asarray([d[0], d[1], d[1]]))
        tissue = Monodomain(
            self.cell, on_mesh(mesh), conductivity, self.membrane, self.scheme,
            start=self.start,
        )  # fmt: skip
        strength, duration = self.cell.stimulus
        pacing = stimulate(
            block.stimulated, strength=1.2 * strength, duration=2 * duration,
            dtype=self.kind,
        )  # fmt: skip
        length = float(np.ptp(mesh.nodes[:, 0]))
        last = max(_LEAST, _SLOWER * length / about)
        tissue = as_dtype(tissue, self.kind)
        # a block's smallest element may ask for a shorter step than the mesh's
        limit = _STABLE * float(largest_step(tissue.operator()))
        parts = int(np.ceil(self.dt / limit))
        seen = run(
            tissue, float(_EVERY * np.ceil(last / _EVERY)), pacing,
            dt=self.dt / parts, record=Recorder(every=_EVERY),
        )  # fmt: skip
        first, at = seen.activation()[block.timed], mesh.nodes[block.timed]
        if not np.isfinite(first).all():
            raise ValueError(self.lost())
        return first, at


def _fibre(slant: float) -> np.ndarray:
    angle = np.radians(slant)
    return np.array([np.cos(angle), np.sin(angle), 0.0])


def typical_edge(mesh: Mesh, kind: str) -> float:
    """The median length of a mesh's edges (mm)."""
    corners = mesh.elements[kind]
    first, second = np.triu_indices(corners.shape[1], 1)
    ends = mesh.nodes[corners[:, first]] - mesh.nodes[corners[:, second]]
    return float(np.median(np.linalg.norm(ends, axis=-1)))


def _block(
    kind: str, edge: float, reach: float, seed: int, beyond: float = 0.0
) -> _Block:
    """A bar along x of elements with this median edge; where a wave is timed in it.

    It goes on for ``beyond`` times ``reach`` where a front would feel its sealed end.
    """
    # a cube's six tetrahedra have edges 1, sqrt 2 and sqrt 3; a square's triangles 1
    step = edge / (1.25 if kind == "tetra" else 1.1)
    start = max(4 * reach, 2.5 * step)
    length = start + max(2 * _LENGTHS * reach, 16 * step)
    count = int(np.ceil((length + beyond * reach) / step))
    cells = [count, _WIDTHS, _WIDTHS][: 3 if kind == "tetra" else 2]
    index = np.stack(np.meshgrid(*(np.arange(n + 1) for n in cells), indexing="ij"), -1)
    index = index.reshape(-1, len(cells)).astype(float)
    inside = np.all((index > 0) & (index < np.array(cells)), axis=1)
    moved = np.random.default_rng(seed).uniform(-1, 1, index.shape) * _JITTER
    nodes = np.zeros((len(index), 3))
    nodes[:, : len(cells)] = step * (index + inside[:, None] * moved)
    if kind == "tetra":
        elements = box_tetra([n + 1 for n in cells])
    else:
        nodes, elements = _staggered(nodes, index, step)
    near, far = start + np.array([0.45, 0.85]) * (length - start)
    core = np.abs(index[:, 1:] - 0.5 * _WIDTHS).max(axis=1) <= 0.25 * _WIDTHS
    timed = core & (nodes[:, 0] > near) & (nodes[:, 0] < far)
    mesh = Mesh(nodes=nodes, elements={kind: elements})
    return _Block(mesh, timed, nodes[:, 0] <= start)


def _staggered(
    nodes: np.ndarray, index: np.ndarray, step: float
) -> tuple[np.ndarray, np.ndarray]:
    """Every other row moved by half a step: triangles like a mesher's, no diagonal."""
    last = index[:, 0].max()
    odd = (index[:, 1] % 2 == 1) & (index[:, 0] > 0) & (index[:, 0] < last)
    nodes = nodes + np.array([0.5 * step, 0.0, 0.0]) * odd[:, None]
    nodes[:, 1] *= 0.9
    elements = Delaunay(nodes[:, :2]).simplices.astype(np.int32)
    sides = nodes[elements[:, 1:]] - nodes[elements[:, :1]]
    area = 0.5 * np.abs(np.linalg.det(sides[:, :, :2]))
    return nodes, elements[area > 1e-3 * step**2]
