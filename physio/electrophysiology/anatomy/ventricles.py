"""Left ventricle and biventricle as truncated ellipsoids, known in closed form.

Each wall lies between two confocal prolate spheroids,

    x = d sinh λ sin μ cos θ,  y = d sinh λ sin μ sin θ,  z = -d cosh λ cos μ,

apex down, cut by the plane z = base. Then λ is exact across the wall, and the wall is
thinner at the apex, as in hearts. Fibres turn linearly in λ, as rule-based fibres do:
f = cos α c + sin α l with l toward the base, t outwards, c = l x t (Streeter et al.
1969, doi:10.1161/01.RES.24.3.339; signs of Bayer et al. 2012,
doi:10.1007/s10439-012-0593-5, so that +60 degrees is a right-handed helix).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from physio.electrophysiology.anatomy.generated import AbstractHeart, Anatomy, positive
from physio.electrophysiology.mesh import generate as meshing
from physio.electrophysiology.mesh import geometry
from physio.electrophysiology.mesh.mesh import Mesh

LV, RV, SEPTUM = 1, 2, 3
TISSUE, BASE, EPI, LV_ENDO, RV_ENDO = range(5)
_BCC_EDGE = 0.93  # mean edge of a body-centred lattice over the side of its cubes
_ROWS = 0.9  # distance of rings over the edge: between a square's and a triangle's


class _Place(NamedTuple):
    """Prolate spheroidal coordinates of points and mm per unit of λ there."""

    across: np.ndarray
    polar: np.ndarray
    azimuth: np.ndarray
    scale: np.ndarray


@dataclass(frozen=True)
class _Wall:
    """The wall between two confocal spheroids around (shift, 0, 0)."""

    radius: float
    length: float
    thickness: float
    shift: float = 0.0

    @property
    def focus(self) -> float:
        return float(np.sqrt(self.length**2 - self.radius**2))

    @property
    def ends(self) -> tuple[float, float]:
        """λ of the inner and the outer spheroid."""
        inner = np.arcsinh(self.radius / self.focus)
        return float(inner), float(
            np.arcsinh((self.radius + self.thickness) / self.focus)
        )

    @property
    def outer_length(self) -> float:
        return float(self.focus * np.cosh(self.ends[1]))

    def locate(self, points: Float[np.ndarray, "n 3"]) -> _Place:
        d = self.focus
        x, y, z = points[:, 0] - self.shift, points[:, 1], points[:, 2]
        aside = np.hypot(x, y)
        sums = np.hypot(aside, z - d) + np.hypot(aside, z + d)
        across = np.arccosh(np.maximum(sums / (2.0 * d), 1.0))
        polar = np.arccos(np.clip(-z / (d * np.cosh(across)), -1.0, 1.0))
        scale = d * np.sqrt(np.sinh(across) ** 2 + np.sin(polar) ** 2)
        return _Place(across, polar, np.arctan2(y, x), scale)

    def points(self, across, polar, azimuth) -> Float[np.ndarray, "n 3"]:
        aside = self.focus * np.sinh(across) * np.sin(polar)
        z = -self.focus * np.cosh(across) * np.cos(polar)
        x = self.shift + aside * np.cos(azimuth)
        return np.stack([x, aside * np.sin(azimuth), z], axis=1)

    def frame(self, place: _Place) -> tuple[np.ndarray, np.ndarray]:
        """Unit vectors toward the base (l) and outwards (t)."""
        cos, sin = np.cos(place.polar), np.sin(place.polar)
        ch, sh = np.cosh(place.across), np.sinh(place.across)
        ahead, aside = np.cos(place.azimuth), np.sin(place.azimuth)
        up = np.stack([sh * cos * ahead, sh * cos * aside, ch * sin], axis=1)
        out = np.stack([ch * sin * ahead, ch * sin * aside, -sh * cos], axis=1)
        size = np.sqrt(sh**2 + sin**2)[:, None]
        return up / size, out / size

    def transmural(self, place: _Place) -> np.ndarray:
        inner, outer = self.ends
        return np.clip((place.across - inner) / (outer - inner), 0.0, 1.0)

    def apicobasal(self, place: _Place, base: float) -> np.ndarray:
        """μ over its value at the base: 0 at the apex, 1 at the base."""
        return np.clip(place.polar / self.rim(place.across, base), 0.0, 1.0)

    def rim(self, across, base: float) -> np.ndarray:
        """μ of the base plane."""
        return np.arccos(np.clip(-base / (self.focus * np.cosh(across)), -1.0, 1.0))

    def distance(self, place: _Place) -> np.ndarray:
        """Signed distance to the wall (mm), to first order; negative within."""
        inner, outer = self.ends
        return np.maximum(inner - place.across, place.across - outer) * place.scale


class _Ventricles(AbstractHeart):
    """What one and two ventricles share."""

    surfaces = {"base": BASE, "epi": EPI, "lv_endo": LV_ENDO}


def _directions(wall: _Wall, place: _Place, transmural, endo: float, epi: float):
    up, out = wall.frame(place)
    around = geometry.cross(up, out)
    angle = np.radians(endo + (epi - endo) * transmural)[:, None]
    return np.cos(angle) * around + np.sin(angle) * up, out


@dataclass(frozen=True)
class LeftVentricle(_Ventricles):
    """A truncated ellipsoid: cavity ``radius`` and ``length`` (half its long axis).

    All in mm; ``base`` is the height of the base above the ellipsoid's middle,
    ``fibre_endo`` and ``fibre_epi`` the helix angles in degrees. The defaults give a
    wall of 10 mm, 5 mm at the apex, 87 mL of muscle around a cavity of 61 mL.
    """

    radius: float = 20.0
    length: float = 45.0
    wall: float = 10.0
    base: float = 20.0
    fibre_endo: float = 60.0
    fibre_epi: float = -60.0

    def __post_init__(self) -> None:
        positive(self, "radius", "length", "wall")
        _checked(self.radius, self.length, self.base)

    @property
    def _lv(self) -> _Wall:
        return _Wall(self.radius, self.length, self.wall)

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner of the box around the heart (mm)."""
        wide = self.radius + self.wall
        low = np.array([-wide, -wide, -self._lv.outer_length])
        return low, np.array([wide, wide, self.base])

    def at(self, points: Float[np.ndarray, "n 3"]) -> Anatomy:
        """What the heart is at points (mm)."""
        lv = self._lv
        place = lv.locate(points)
        inner, outer = lv.ends
        code = np.where(place.across < inner, LV_ENDO, TISSUE)
        code = np.where(place.across > outer, EPI, code)
        code = np.where(points[:, 2] > self.base, BASE, code)
        across = lv.transmural(place)
        fibres, sheets = _directions(lv, place, across, self.fibre_endo, self.fibre_epi)
        regions = np.full(len(points), LV, dtype=np.int32)
        fields = {"transmural": across, "apicobasal": lv.apicobasal(place, self.base)}
        return Anatomy(code, regions, fibres, sheets, fields)

    def as_mesh(self, edge: float) -> Mesh:
        """Tetrahedra of about ``edge`` (mm): rings on the mid-wall, in layers."""
        lv = self._lv
        if not 0.0 < edge <= self.wall:
            raise ValueError(
                f"The edge is {edge} mm and the wall {self.wall} mm. Give an edge from "
                "0 to the wall."
            )
        inner, outer = lv.ends
        middle = 0.5 * (inner + outer)
        shares, counts = _rings(lv, middle, self.base, edge)
        azimuth, triangles = meshing.disc(counts)
        share = np.repeat(shares, counts)
        n_layer = max(round(self.wall / edge), 1)
        radii = np.arcsinh(
            (self.radius + self.wall * np.arange(n_layer + 1) / n_layer) / lv.focus
        )
        across = np.repeat(radii, len(share))
        polar = np.tile(share, n_layer + 1) * lv.rim(across, self.base)
        nodes = lv.points(across, polar, 2.0 * np.pi * np.tile(azimuth, n_layer + 1))
        # the plane is exact, not to rounding: nothing of it lies above the base
        nodes[np.tile(share, n_layer + 1) == 1.0, 2] = self.base
        tetra = meshing.extruded(triangles, len(share), n_layer)
        return self._meshed(nodes, "tetra", meshing.turned(nodes, tetra), edge)


@dataclass(frozen=True)
class Biventricle(_Ventricles):
    """A left ventricle, and a right one that is a second ellipsoid around it.

    The right cavity is an ellipsoid of ``rv_radius`` and ``rv_length`` whose middle is
    ``rv_shift`` along x, less the left ventricle; its free wall is ``rv_wall`` thick.
    Regions: 1 left, 2 right, 3 septum (the left wall that faces the right cavity).
    Across the septum "transmural" runs from the left to the right cavity.
    """

    radius: float = 20.0
    length: float = 45.0
    wall: float = 10.0
    rv_radius: float = 29.0
    rv_length: float = 42.0
    rv_wall: float = 4.0
    rv_shift: float = 24.0
    base: float = 20.0
    fibre_endo: float = 60.0
    fibre_epi: float = -60.0

    surfaces = {"base": BASE, "epi": EPI, "lv_endo": LV_ENDO, "rv_endo": RV_ENDO}

    def __post_init__(self) -> None:
        positive(self, "radius", "length", "wall", "rv_radius", "rv_length", "rv_wall")
        _checked(self.radius, self.length, self.base)
        _checked(self.rv_radius, self.rv_length, self.base)
        reach = self.rv_shift + self.rv_radius
        if reach < self.radius + self.wall + 2.0 * self.rv_wall:
            raise ValueError(
                f"The right cavity reaches x = {reach:.4g} mm, hardly beyond the left "
                f"wall at {self.radius + self.wall:.4g} mm. Give a larger rv_shift."
            )

    @property
    def _lv(self) -> _Wall:
        return _Wall(self.radius, self.length, self.wall)

    @property
    def _rv(self) -> _Wall:
        return _Wall(self.rv_radius, self.rv_length, self.rv_wall, self.rv_shift)

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner of the box around the heart (mm)."""
        left, right = self.radius + self.wall, self.rv_radius + self.rv_wall
        low = [min(-left, self.rv_shift - right), -max(left, right)]
        deep = -max(self._lv.outer_length, self._rv.outer_length)
        high = [max(left, self.rv_shift + right), max(left, right), self.base]
        return np.array([*low, deep]), np.array(high)

    def _distances(self, in_lv: _Place, in_rv: _Place) -> tuple[np.ndarray, np.ndarray]:
        """To the left wall and to the right free wall (mm), negative within."""
        cavity = (self._lv.ends[0] - in_lv.across) * in_lv.scale
        return self._lv.distance(in_lv), np.maximum(self._rv.distance(in_rv), cavity)

    def distance(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        """Signed distance to the surface (mm), to first order; negative within."""
        places = self._lv.locate(points), self._rv.locate(points)
        left, right = self._distances(*places)
        return np.maximum(np.minimum(left, right), points[:, 2] - self.base)

    def at(self, points: Float[np.ndarray, "n 3"]) -> Anatomy:
        """What the heart is at points (mm)."""
        lv, rv = self._lv, self._rv
        in_lv, in_rv = lv.locate(points), rv.locate(points)
        left, right = self._distances(in_lv, in_rv)
        is_right = (right < left) & (left > 0.0)
        code = np.where(in_rv.across < rv.ends[0], RV_ENDO, EPI)
        code = np.where(in_lv.across < lv.ends[0], LV_ENDO, code)
        code = np.where(np.minimum(left, right) <= 0.0, TISSUE, code)
        code = np.where(points[:, 2] > self.base, BASE, code)
        outside = np.full(len(points), lv.ends[1])
        shadow = lv.points(outside, in_lv.polar, in_lv.azimuth)
        septal = rv.locate(shadow).across < rv.ends[0]
        regions = np.where(is_right, RV, np.where(septal, SEPTUM, LV)).astype(np.int32)

        def chosen(of_left: np.ndarray, of_right: np.ndarray) -> np.ndarray:
            mask = is_right if of_left.ndim == 1 else is_right[:, None]
            return np.where(mask, of_right, of_left)

        across = chosen(lv.transmural(in_lv), rv.transmural(in_rv))
        angles = self.fibre_endo, self.fibre_epi
        fibres, sheets = (
            chosen(of_left, of_right)
            for of_left, of_right in zip(
                _directions(lv, in_lv, across, *angles),
                _directions(rv, in_rv, across, *angles),
                strict=True,
            )
        )
        height = chosen(
            lv.apicobasal(in_lv, self.base), rv.apicobasal(in_rv, self.base)
        )
        fields = {"transmural": across, "apicobasal": height}
        return Anatomy(code, regions, fibres, sheets, fields)

    def as_mesh(self, edge: float) -> Mesh:
        """Tetrahedra of about ``edge`` (mm), from a lattice moved onto the surface."""
        if not 0.0 < edge <= self.rv_wall:
            raise ValueError(
                f"The edge is {edge} mm and the right wall {self.rv_wall} mm. Give an "
                "edge from 0 to the wall."
            )
        low, high = self.bounds()
        nodes, tetra = meshing.stuffed(self.distance, low, high, edge / _BCC_EDGE)
        return self._meshed(nodes, "tetra", tetra, edge)


def _rings(
    wall: _Wall, across: float, base: float, edge: float
) -> tuple[np.ndarray, list[int]]:
    """Shares of μ and numbers of nodes of rings an even way apart, apex first."""
    rim = float(wall.rim(np.array([across]), base)[0])
    polar = np.linspace(0.0, rim, 4001)
    line = wall.points(np.full_like(polar, across), polar, np.zeros_like(polar))
    way = np.concatenate(
        [[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))]
    )
    n_ring = max(round(way[-1] / (_ROWS * edge)), 2)
    at = np.interp(np.arange(n_ring + 1) * way[-1] / n_ring, way, polar)
    around = 2.0 * np.pi * wall.focus * np.sinh(across) * np.sin(at)
    counts = [1, *(max(round(length / edge), 6) for length in around[1:])]
    shares = at / rim
    shares[-1] = 1.0
    return shares, counts


def _checked(radius: float, length: float, base: float) -> None:
    if not radius < length:
        raise ValueError(
            f"A ventricle is longer than wide: its radius is {radius} mm and half its "
            f"long axis {length} mm. Give a length above the radius."
        )
    if not -length < base < length:
        raise ValueError(
            f"The base at {base} mm does not cut the cavity, which reaches from "
            f"{-length} to {length} mm. Give a base between."
        )
