"""Hearts without a file: cable, ring, sheet, slab, ventricles, atrium.

Each is a small value with its sizes in mm; ``as_mesh(edge)`` and ``as_voxels(spacing)``
make the geometry a simulation runs on, ``at(points)`` says what it is anywhere.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from physio.electrophysiology.anatomy.generated import AbstractHeart, Anatomy, positive
from physio.electrophysiology.anatomy.ventricles import Biventricle, LeftVentricle
from physio.electrophysiology.mesh import generate as meshing
from physio.electrophysiology.mesh import geometry
from physio.electrophysiology.mesh.mesh import Mesh
from physio.electrophysiology.voxels.voxels import Voxels

__all__ = [
    "Anatomy",
    "Atrium",
    "Biventricle",
    "Cable",
    "LeftVentricle",
    "Ring",
    "Sheet",
    "Slab",
]
_OUTSIDE = 1
ENDO, EPI = 1, 2
_ICOSAHEDRON = 1.107  # angle of its sides seen from the middle, rad


def _flat_anatomy(code, angle, fields) -> Anatomy:
    """Fibres in the x-y plane at ``angle`` (degrees, per point) to x, sheets in it."""
    turn = np.radians(np.broadcast_to(angle, len(code)))
    zero = np.zeros_like(turn)
    fibres = np.stack([np.cos(turn), np.sin(turn), zero], axis=1)
    sheets = np.stack([-np.sin(turn), np.cos(turn), zero], axis=1)
    regions = np.zeros(len(code), dtype=np.int32)
    return Anatomy(code, regions, fibres, sheets, fields)


def _in_box(points: np.ndarray, size: np.ndarray) -> np.ndarray:
    away = ((points < -1e-9) | (points > size + 1e-9)).any(axis=1)
    return np.where(away, _OUTSIDE, 0)


def _parts(size: float, edge: float) -> int:
    if not edge > 0.0:
        raise ValueError(f"The edge is {edge} mm; give more than 0.")
    return max(round(size / edge), 1)


@dataclass(frozen=True)
class Cable(AbstractHeart):
    """A fibre of ``length`` (mm) along x: lines, or one row of voxels."""

    length: float = 20.0

    surfaces = {}

    def __post_init__(self) -> None:
        positive(self, "length")

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner (mm)."""
        return np.zeros(3), np.array([self.length, 0.0, 0.0])

    def at(self, points: Float[np.ndarray, "n 3"]) -> Anatomy:
        """What the cable is at points (mm)."""
        code = _in_box(points, np.array([self.length, np.inf, np.inf]))
        return _flat_anatomy(code, 0.0, {})

    def as_mesh(self, edge: float) -> Mesh:
        """Lines of about ``edge`` (mm)."""
        count = _parts(self.length, edge)
        nodes = np.zeros((count + 1, 3))
        nodes[:, 0] = np.linspace(0.0, self.length, count + 1)
        first = np.arange(count)
        return self._meshed(nodes, "line", np.stack([first, first + 1], 1), edge)


@dataclass(frozen=True)
class Ring(AbstractHeart):
    """A loop of ``circumference`` (mm) in the x-y plane, fibres around it.

    With a ``width`` (mm) it is a band of triangles or voxels whose middle line has that
    length; without, a closed loop of lines.
    """

    circumference: float = 100.0
    width: float = 0.0

    surfaces = {}

    def __post_init__(self) -> None:
        positive(self, "circumference")
        if not 0.0 <= self.width < 2.0 * self.radius:
            raise ValueError(
                f"The width of a ring is {self.width} mm; give 0 or more, and less "
                f"than its diameter of {2.0 * self.radius:.3g} mm."
            )

    @property
    def radius(self) -> float:
        """Of the middle line (mm)."""
        return self.circumference / (2.0 * np.pi)

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner (mm); the ring is around the origin."""
        wide = self.radius + self.width / 2.0
        return np.array([-wide, -wide, 0.0]), np.array([wide, wide, 0.0])

    def at(self, points: Float[np.ndarray, "n 3"]) -> Anatomy:
        """What the ring is at points (mm)."""
        away = np.abs(np.hypot(points[:, 0], points[:, 1]) - self.radius)
        code = np.where(away > self.width / 2.0 + 1e-9, _OUTSIDE, 0)
        around = np.degrees(np.arctan2(points[:, 1], points[:, 0])) + 90.0
        return _flat_anatomy(code, around, {})

    def as_voxels(self, spacing: float) -> Voxels:
        """A band of voxels, one thick.

        **Raises** ValueError where the width is less than three voxels.
        """
        if self.width < 3.0 * spacing:
            finest = int(100.0 * self.width / 3.0) / 100.0
            finer = f"a spacing of at most {finest:g} mm, or " if finest else ""
            raise ValueError(
                f"A ring of voxels of {spacing} mm must be three of them wide; its "
                f"width is {self.width} mm. Take {finer}"
                f"Ring({self.circumference:g}, width={3.0 * spacing:g})"
            )
        return super().as_voxels(spacing)

    def as_mesh(self, edge: float) -> Mesh:
        """Lines, or triangles where the ring has a width, of about ``edge`` (mm)."""
        count = max(_parts(self.circumference, edge), 3)
        rows = _parts(self.width, edge) if self.width else 0
        turn = 2.0 * np.pi * np.arange(count) / count
        radii = self.radius + np.linspace(-0.5, 0.5, rows + 1) * self.width
        if not rows:
            radii = np.array([self.radius])
        circle = np.stack([np.cos(turn), np.sin(turn), np.zeros(count)], axis=1)
        nodes = (radii[None, :, None] * circle[:, None, :]).reshape(-1, 3)
        if not rows:
            first = np.arange(count)
            lines = np.stack([first, (first + 1) % count], axis=1)
            return self._meshed(nodes, "line", lines, edge)
        triangles = meshing.grid_triangles((count + 1, rows + 1)) % len(nodes)
        return self._meshed(nodes, "triangle", triangles, edge)


@dataclass(frozen=True)
class Sheet(AbstractHeart):
    """A rectangle in the x-y plane (mm), fibres at ``fibre`` degrees to x."""

    length: float = 50.0
    width: float = 50.0
    fibre: float = 0.0

    surfaces = {}

    def __post_init__(self) -> None:
        positive(self, "length", "width")

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner (mm)."""
        return np.zeros(3), np.array([self.length, self.width, 0.0])

    def at(self, points: Float[np.ndarray, "n 3"]) -> Anatomy:
        """What the sheet is at points (mm)."""
        code = _in_box(points, np.array([self.length, self.width, np.inf]))
        return _flat_anatomy(code, self.fibre, {})

    def as_mesh(self, edge: float) -> Mesh:
        """Right-angled triangles with legs of about ``edge`` (mm)."""
        counts = [_parts(self.length, edge), _parts(self.width, edge)]
        x, y = np.meshgrid(
            np.linspace(0.0, self.length, counts[0] + 1),
            np.linspace(0.0, self.width, counts[1] + 1),
            indexing="ij",
        )
        nodes = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)
        triangles = meshing.grid_triangles((counts[0] + 1, counts[1] + 1))
        return self._meshed(nodes, "triangle", triangles, edge)


@dataclass(frozen=True)
class Slab(AbstractHeart):
    """A block of tissue (mm), by default that of the N-version benchmark.

    ``transmural`` runs along z; fibres lie in the x-y plane at ``fibre_endo`` degrees
    to x at z = 0 and turn to ``fibre_epi`` at the other face. Source of the size:
    Niederer et al. 2011, doi:10.1098/rsta.2011.0139.
    """

    length: float = 20.0
    width: float = 7.0
    height: float = 3.0
    fibre_endo: float = 0.0
    fibre_epi: float = 0.0

    surfaces = {}

    def __post_init__(self) -> None:
        positive(self, "length", "width", "height")

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner (mm)."""
        return np.zeros(3), np.array([self.length, self.width, self.height])

    def at(self, points: Float[np.ndarray, "n 3"]) -> Anatomy:
        """What the slab is at points (mm)."""
        across = np.clip(points[:, 2] / self.height, 0.0, 1.0)
        angle = self.fibre_endo + (self.fibre_epi - self.fibre_endo) * across
        code = _in_box(points, self.bounds()[1])
        return _flat_anatomy(code, angle, {"transmural": across})

    def as_mesh(self, edge: float) -> Mesh:
        """Six tetrahedra to each cube of about ``edge`` (mm)."""
        size = self.bounds()[1]
        axes = [np.linspace(0.0, s, _parts(s, edge) + 1) for s in size]
        grid = np.meshgrid(*axes, indexing="ij")
        nodes = np.stack([part.ravel() for part in grid], axis=1)
        tetra = meshing.box_tetra([len(axis) for axis in axes])
        return self._meshed(nodes, "tetra", meshing.turned(nodes, tetra), edge)


@dataclass(frozen=True)
class Atrium(AbstractHeart):
    """An ellipsoid with half axes ``x``, ``y``, ``z`` (mm): a surface, or its wall.

    The mesh is the closed surface of triangles; the voxels are the ``wall`` (mm)
    within it. Fibres run around z, turned toward +z by ``fibre_endo`` degrees at the
    inside to ``fibre_epi`` at the surface. ``apicobasal`` is the polar angle from -z
    over pi.
    """

    x: float = 22.0
    y: float = 22.0
    z: float = 22.0
    wall: float = 2.5
    fibre_endo: float = 0.0
    fibre_epi: float = 0.0

    surfaces = {"endo": ENDO, "epi": EPI}

    def __post_init__(self) -> None:
        positive(self, "x", "y", "z", "wall")
        if not self.wall < min(self.x, self.y, self.z):
            raise ValueError(
                f"The wall of {self.wall} mm fills the atrium. Give less than its "
                "smallest half axis."
            )

    @property
    def _axes(self) -> np.ndarray:
        return np.array([self.x, self.y, self.z])

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner (mm); the atrium is around the origin."""
        return -self._axes, self._axes

    def at(self, points: Float[np.ndarray, "n 3"]) -> Anatomy:
        """What the atrium is at points (mm)."""
        outer = np.linalg.norm(points / self._axes, axis=1)
        inner = np.linalg.norm(points / (self._axes - self.wall), axis=1)
        code = np.where(inner < 1.0, ENDO, np.where(outer > 1.0 + 1e-9, EPI, 0))
        gap = inner - outer
        across = np.clip((inner - 1.0) / np.where(gap > 0.0, gap, 1.0), 0.0, 1.0)
        out = points / self._axes**2
        out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-300)
        around = np.stack(
            [-points[:, 1] * self.x / self.y, points[:, 0] * self.y / self.x,
             np.zeros(len(points))],
            axis=1,
        )  # fmt: skip
        length = np.linalg.norm(around, axis=1, keepdims=True)
        around = np.where(length > 0.0, around / np.maximum(length, 1e-300), [1, 0, 0])
        up = geometry.cross(out, around)
        up /= np.maximum(np.linalg.norm(up, axis=1, keepdims=True), 1e-300)
        angle = np.radians(
            self.fibre_endo + (self.fibre_epi - self.fibre_endo) * across
        )[:, None]
        fibres = np.cos(angle) * around + np.sin(angle) * up
        height = -points[:, 2] / (self.z * np.maximum(outer, 1e-300))
        polar = np.arccos(np.clip(height, -1.0, 1.0)) / np.pi
        fields = {"transmural": across, "apicobasal": polar}
        regions = np.zeros(len(points), dtype=np.int32)
        return Anatomy(code, regions, fibres, out, fields)

    def as_mesh(self, edge: float) -> Mesh:
        """The closed surface, triangles of about ``edge`` (mm), facing outwards."""
        unit, triangles = meshing.sphere(
            _parts(_ICOSAHEDRON * float(self._axes.mean()), edge)
        )
        return self._meshed(unit * self._axes, "triangle", triangles, edge)
