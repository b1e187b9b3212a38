"""Conductivities that give wanted velocities on tetrahedra and triangles.

A mesh has no one row of weights, so waves are timed on a small block made of elements
of the mesh's own edge length, once with the fibres along the wave and once across it.
What that leaves on the mesh itself is told by waves through blocks that were not tuned
on: other node positions, and fibres slanted to the block.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial import Delaunay

from physio.electrophysiology.diffusion.bond_average import AbstractScheme, BondAverage
from physio.electrophysiology.diffusion.conductivity import Membrane, Velocities
from physio.electrophysiology.diffusion.elements import LinearElements, on_mesh
from physio.electrophysiology.mesh.generate import box_tetra
from physio.electrophysiology.mesh.mesh import Mesh
from physio.electrophysiology.tissue.monodomain import Monodomain, as_dtype
from physio.electrophysiology.tissue.pacing import stimulate
from physio.electrophysiology.tissue.run import Record, run
from physio.electrophysiology.velocity.plane_waves import free_velocity
from physio.electrophysiology.velocity.tuning import Tuned

_ROUNDS = 3
_JITTER = 0.2  # of an edge: how far inner nodes are moved off a lattice
_LENGTHS, _WIDTHS = 12.0, 8  # of a block: in sqrt(D * 1 ms) behind and timed; edges
_SLANTS = (0.0, 22.5, 45.0)  # degrees


class _Block(NamedTuple):
    mesh: Mesh
    timed: np.ndarray
    struck: np.ndarray


def tune_mesh(
    cell: Any,
    wanted: Velocities,
    mesh: Mesh,
    *,
    dt: float = 0.02,
    scheme: AbstractScheme | None = None,
    membrane: Membrane | None = None,
) -> Tuned:
    """The conductivity with which a mesh conducts at wanted velocities (numbers).

    Sheet and normal share the value across. Raises ``ValueError`` where a wave does not
    travel through elements of this size.
    """
    scheme = BondAverage() if scheme is None else scheme
    membrane = Membrane() if membrane is None else membrane
    along, across = float(wanted.fibre), float(np.sqrt(wanted.sheet * wanted.normal))
    kind = "tetra" if len(mesh.elements.get("tetra", ())) else "triangle"
    edge = typical_edge(mesh, kind)
    free = free_velocity(cell)
    d = (np.array([along, across]) / free) ** 2
    world = (cell, scheme, membrane, dt)
    for _ in range(_ROUNDS):
        blocks = [_block(kind, edge, np.sqrt(d[k]), 0) for k in (0, 1)]
        v = [_wave(world, blocks[k], d, 90.0 * k)[0] for k in (0, 1)]
        d = d * (np.array([along, across]) / v) ** 2
    errors = {"along": 0.0, "across": 0.0, "between": 0.0}
    for slant in (*_SLANTS, 90.0):
        turn = np.radians(slant)
        rough = np.hypot(along * np.cos(turn), across * np.sin(turn)) / free
        speed, share = _wave(world, _block(kind, edge, rough, 1), d, slant)
        goal = np.sqrt(along**2 * share + across**2 * (1 - share))
        off = float(abs(speed / goal - 1))
        name = {0.0: "along", 90.0: "across"}.get(slant, "between")
        errors[name] = max(errors[name], off)
    values = jnp.asarray([d[0], d[1], d[1]], jax.tree.leaves(cell)[0].dtype)
    return Tuned(membrane.conductivity(values), errors)


def typical_edge(mesh: Mesh, kind: str) -> float:
    """The median length of a mesh's edges (mm)."""
    corners = mesh.elements[kind]
    first, second = np.triu_indices(corners.shape[1], 1)
    ends = mesh.nodes[corners[:, first]] - mesh.nodes[corners[:, second]]
    return float(np.median(np.linalg.norm(ends, axis=-1)))


def _block(kind: str, edge: float, reach: float, seed: int) -> _Block:
    """A bar along x of elements with this median edge; where a wave is timed in it."""
    # a cube's six tetrahedra have edges 1, sqrt 2 and sqrt 3; a square's triangles 1
    step = edge / (1.25 if kind == "tetra" else 1.1)
    start = max(4 * reach, 2.5 * step)
    length = start + max(2 * _LENGTHS * reach, 16 * step)
    cells = [int(np.ceil(length / step)), _WIDTHS, _WIDTHS][
        : 3 if kind == "tetra" else 2
    ]
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


def _wave(
    world: Any, block: _Block, d: np.ndarray, slant: float
) -> tuple[float, float]:
    """A front's velocity, and the squared cosine of its normal to the fibre.

    Fibres are turned by ``slant`` degrees in the plane; a front leans as it goes, so
    its normal is that of a plane through the times in the middle of the bar.
    """
    cell, scheme, membrane, dt = world
    dtype = jax.tree.leaves(cell)[0].dtype
    ((kind, elements),) = block.mesh.elements.items()
    angle = np.radians(slant)
    fibre = np.array([np.cos(angle), np.sin(angle), 0.0])
    mesh = Mesh(
        nodes=block.mesh.nodes, elements=block.mesh.elements,
        fibres={kind: np.tile(fibre, (len(elements), 1))},
    )  # fmt: skip
    conductivity = membrane.conductivity(jnp.asarray([d[0], d[1], d[1]]))
    geometry: LinearElements = on_mesh(mesh)
    tissue = as_dtype(Monodomain(cell, geometry, conductivity, membrane, scheme), dtype)
    strength, duration = cell.stimulus
    pacing = stimulate(
        block.struck, strength=1.2 * strength, duration=2 * duration, dtype=dtype
    )
    seen = run(tissue, 60.0, pacing, dt=dt, record=Record(every=2.0))
    first, at = seen.activation()[block.timed], mesh.nodes[block.timed]
    if not np.isfinite(first).all():
        raise ValueError(
            "A wave does not travel through elements of this size at the wanted "
            "velocity. Take a finer mesh, or voxels."
        )
    used = at[:, np.ptp(at, axis=0) > 0]
    slowness = np.zeros(3)
    flat = np.column_stack([used, np.ones(len(used))])
    slowness[: used.shape[1]] = np.linalg.lstsq(flat, first, rcond=None)[0][:-1]
    size = float(np.linalg.norm(slowness))
    return 1 / size, float((slowness @ fibre / size) ** 2)
