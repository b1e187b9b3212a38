"""Closed surfaces and tetrahedra as active voxels.

Tetrahedra: every voxel centre within a tetrahedron's box is tested against its four
faces. Closed surfaces: a ray along z through the centres of each column changes
between outside and inside at every triangle it meets; both triangles at an edge see
the same side of it, computed once for both, so no ray slips between them.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int

from physio.electrophysiology.mesh import geometry
from physio.electrophysiology.mesh.mesh import Mesh
from physio.electrophysiology.voxels.voxels import Voxels, active, flat_index
from physio.units import PERCENT

_CHUNK = 4_000_000  # candidates tested at once: some 0.5 GB
_SLAB = 2**26  # cells of the grid filled at once
# Rays pass this far beside the centres, in voxels and with unequal parts: meshes have
# vertices and edges at round numbers, and a ray through one decides by rounding.
_ASIDE = np.array([2.1387e-5, 1.5721e-5])
# A centre on a shared face belongs to both tetrahedra; rounding leaves 1e-13.
_ON_FACE = 1e-9
# The volume of the voxels may differ from the mesh's by this share.
_VOLUME = 0.1
# ... and the wall must have this many voxels. Its thickness is taken as twice volume
# over surface, which counts the rims too and is somewhat less than the wall's.
_ACROSS = 1.5


def from_mesh(mesh: Mesh, spacing: float) -> Voxels:
    """The voxels whose centres lie in the tissue of a mesh, with all it carries.

    Tetrahedra: regions, fibres, sheets and cell fields are those of the tetrahedron
    around the centre; point fields are interpolated (NaN where a corner is; whole
    numbers are the nearest corner's). A closed surface: point fields are those of its
    nearest node, the triangles' regions become the field "surface", and the tissue is
    what an odd number of surfaces encloses. ``spacing`` in mm.

    **Raises** ValueError where the surface is open, the spacing is too coarse for the
    wall, or the mesh holds neither tetrahedra nor triangles.
    """
    if not spacing > 0.0:
        raise ValueError(f"The spacing is {spacing} mm; give more than 0.")
    if not np.isfinite(mesh.nodes).all():
        raise ValueError(
            "The mesh has nodes without finite coordinates. Type: cordax mesh check"
        )
    if "tetra" in mesh.elements:
        return _from_tetra(mesh, float(spacing))
    if "triangle" in mesh.elements:
        return _from_surface(mesh, float(spacing))
    raise ValueError(
        "Voxels are made of tetrahedra or a closed surface; the mesh holds "
        f"{', '.join(mesh.elements) or 'no elements'}."
    )


def grid_over(low, high, spacing: float) -> tuple[np.ndarray, tuple[int, int, int]]:
    """The origin and shape of the grid whose voxels cover a box."""
    # a box of whole voxels is not given one more by rounding
    count = np.maximum(np.ceil((high - low) / spacing - 1e-6), 1.0).astype(np.int64)
    if np.prod(count, dtype=np.float64) > 4e9:
        raise ValueError(
            f"A spacing of {spacing} mm makes a grid of {count[0]} x {count[1]} x "
            f"{count[2]} voxels. Give a coarser one, and mind the unit of the mesh."
        )
    middle = (low + high) / 2.0
    origin = middle - spacing * (count - 1) / 2.0
    return origin, (int(count[0]), int(count[1]), int(count[2]))


def _candidates(
    low: Int[np.ndarray, "n_elem n_axis"], count: Int[np.ndarray, "n_elem n_axis"]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(element, cell) for every cell of every element's box, some millions at once."""
    per = np.prod(count, axis=1, dtype=np.int64)
    ends = np.cumsum(per)
    start = 0
    while start < len(per):
        before = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, before + _CHUNK, "right")), start + 1)
        part = per[start:stop]
        element = np.repeat(np.arange(start, stop), part)
        place = np.arange(int(part.sum())) - np.repeat(np.cumsum(part) - part, part)
        cell = np.empty((len(element), low.shape[1]), dtype=np.int32)
        for axis in reversed(range(low.shape[1])):
            place, rest = np.divmod(place, count[element, axis])
            cell[:, axis] = rest + low[element, axis]
        yield element, cell
        start = stop


def _from_tetra(mesh: Mesh, spacing: float) -> Voxels:
    tetra = mesh.elements["tetra"]
    size = np.abs(mesh.measures("tetra"))
    solid = size > 0.0
    faces = geometry.boundary_faces(tetra)
    area = geometry.measures(mesh.nodes, faces).sum()
    _fine_enough(spacing, 2.0 * size.sum() / area)
    used = mesh.nodes[tetra].reshape(-1, 3)
    origin, shape = grid_over(used.min(axis=0), used.max(axis=0), spacing)
    corners = (mesh.nodes[tetra[solid]] - origin) / spacing
    numbers = np.flatnonzero(solid)
    low = np.ceil(corners.min(axis=1) - _ON_FACE).astype(np.int32)
    high = np.floor(corners.max(axis=1) + _ON_FACE).astype(np.int32)
    low, high = np.maximum(low, 0), np.minimum(high, np.array(shape) - 1)
    inverse = np.linalg.inv(corners[:, 1:] - corners[:, :1])
    owner = np.full(int(np.prod(shape)), -1, dtype=np.int32)
    count = np.maximum(high - low + 1, 0)
    for element, cell in _candidates(low, count):
        shares = _shares(corners, inverse, element, cell)
        inside = (shares >= -_ON_FACE).all(axis=1) & (
            shares.sum(axis=1) <= 1 + _ON_FACE
        )
        # the lowest tetrahedron wins: it is written last
        place = flat_index(cell[inside], shape)[::-1]
        whose = element[inside][::-1]
        taken = owner[place]
        owner[place] = np.where(taken >= 0, np.minimum(taken, whose), whose)
    found = np.flatnonzero(owner >= 0)
    _volume_kept(len(found) * spacing**3, size.sum(), spacing)
    index = np.stack(np.unravel_index(found, shape), axis=1).astype(np.int32)
    whose = owner[found]
    rest = _shares(corners, inverse, whose, index)
    weights = np.clip(np.column_stack([1.0 - rest.sum(axis=1), rest]), 0.0, 1.0)
    whose = numbers[whose]
    fields = {
        name: _interpolated(np.asarray(values), tetra[whose], weights)
        for name, values in mesh.point_fields.items()
    }
    for name, group in mesh.cell_fields.items():
        if "tetra" in group:
            fields[name] = group["tetra"][whose]
    return Voxels(
        spacing,
        origin,
        shape,
        index,
        regions=mesh.regions["tetra"][whose],
        fibres=mesh.fibres["tetra"][whose] if "tetra" in mesh.fibres else None,
        sheets=mesh.sheets["tetra"][whose] if "tetra" in mesh.sheets else None,
        fields=fields,
    )


def _shares(corners, inverse, element, cell) -> np.ndarray:
    """Barycentric coordinates of the second to fourth corner."""
    away = cell - corners[element, 0]
    return np.einsum("ij,ijk->ik", away, inverse[element])


def _interpolated(values, corners, weights) -> np.ndarray:
    if values.dtype.kind in "iub":
        nearest = np.argmax(weights, axis=1)
        return values[corners[np.arange(len(corners)), nearest]]
    flat = values.reshape(len(values), -1)
    mixed = np.einsum("ij,ijk->ik", weights, flat[corners])
    return mixed.reshape(len(corners), *values.shape[1:]).astype(values.dtype)


def _from_surface(mesh: Mesh, spacing: float) -> Voxels:
    triangles = mesh.elements["triangle"]
    first, _, times = geometry.unique_rows(
        geometry.element_edges(triangles, "triangle")
    )
    odd = first[times % 2 == 1]
    if len(odd):
        edge = geometry.element_edges(triangles, "triangle")[odd[0]]
        where = "({:.4g}, {:.4g}, {:.4g}) mm".format(*mesh.nodes[edge[0]])
        raise ValueError(
            f"The surface is open: {len(odd)} edges have an odd number of triangles, "
            f"the first at {where}. Close it before filling it with voxels."
        )
    used = mesh.nodes[np.unique(triangles)]
    volume, area = _enclosed(mesh.nodes, triangles)
    if volume <= 1e-9 * area**1.5:  # a sphere has 0.09
        raise ValueError(
            "The surfaces enclose nothing: they coincide or are flat. Keep one of them."
        )
    _fine_enough(spacing, 2.0 * volume / area)
    origin, shape = grid_over(used.min(axis=0), used.max(axis=0), spacing)
    column, height = _crossings(mesh.nodes, triangles, origin, shape, spacing)
    index = _filled(column, height, shape)
    _volume_kept(len(index) * spacing**3, volume, spacing)
    voxels = Voxels(spacing, origin, shape, index)
    return Voxels(spacing, origin, shape, index, fields=_nearest(mesh, voxels.nodes))


def _enclosed(nodes, triangles) -> tuple[float, float]:
    """Volume (mm^3) and area (mm^2) of closed surfaces, whichever way they face.

    A surface within an odd number of others is a hole in them.
    """
    corners = nodes[triangles] - nodes[triangles].mean(axis=(0, 1))
    normal = geometry.cross(
        corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    )
    area = float(np.linalg.norm(normal, axis=1).sum() / 2.0)
    parts = np.einsum("ij,ij->i", corners[:, 0], normal) / 6.0
    pairs = geometry.element_edges(triangles, "triangle")
    label = geometry.components(len(nodes), pairs)[triangles[:, 0]]
    volumes = np.abs(np.bincount(label, weights=parts))
    if len(volumes) > 1:
        holes = [_is_hole(corners, label, k) for k in range(len(volumes))]
        volumes = np.where(holes, -volumes, volumes)
    return float(volumes.sum()), area


def _is_hole(corners, label, number: int) -> bool:
    """Whether a ray from one corner of a surface up meets the others oddly often."""
    start = corners[np.argmax(label == number), 0].copy()
    start[:2] += _ASIDE * np.ptp(corners[:, :, :2])
    others = corners[label != number]
    around = others[:, :, :2] - start[:2]
    after = np.roll(around, -1, axis=1)
    turns = around[:, :, 0] * after[:, :, 1] - around[:, :, 1] * after[:, :, 0]
    meets = (turns > 0.0).all(axis=1) | (turns < 0.0).all(axis=1)
    turns, others = turns[meets], others[meets]
    heights = (turns * others[:, [2, 0, 1], 2]).sum(axis=1) / turns.sum(axis=1)
    return bool(np.sum(heights > start[2]) % 2)


def _crossings(
    nodes, triangles, origin, shape, spacing
) -> tuple[np.ndarray, np.ndarray]:
    """The columns (x, y) of rays along z and the heights at which they meet faces."""
    placed = (nodes - origin) / spacing
    placed[:, :2] -= _ASIDE
    corners = placed[triangles]
    low = np.ceil(corners[:, :, :2].min(axis=1)).astype(np.int32)
    high = np.floor(corners[:, :, :2].max(axis=1)).astype(np.int32)
    low, high = np.maximum(low, 0), np.minimum(high, np.array(shape[:2]) - 1)
    columns, heights = [], []
    for element, cell in _candidates(low, np.maximum(high - low + 1, 0)):
        sides = [
            _side(placed, triangles[element, k], triangles[element, (k + 1) % 3], cell)
            for k in range(3)
        ]
        turns = np.stack(sides, axis=1)
        meets = (turns > 0.0).all(axis=1) | (turns <= 0.0).all(axis=1)
        total = turns.sum(axis=1)
        meets &= total != 0.0
        element, cell = element[meets], cell[meets]
        turns, total = turns[meets], total[meets]
        opposite = corners[element][:, [2, 0, 1], 2]  # the corner facing each side
        heights.append((turns * opposite).sum(axis=1) / total)
        columns.append(cell[:, 0].astype(np.int64) * shape[1] + cell[:, 1])
    return np.concatenate(columns), np.concatenate(heights)


def _side(placed, start, end, cell) -> np.ndarray:
    """Twice the area of (start, end, ray), the same number for both triangles."""
    swap = start > end
    a, b = np.where(swap, end, start), np.where(swap, start, end)
    ax, ay = placed[a, 0], placed[a, 1]
    area = (placed[b, 0] - ax) * (cell[:, 1] - ay)
    area -= (placed[b, 1] - ay) * (cell[:, 0] - ax)
    # a ray on the edge itself counts as right of it, whichever triangle asks
    area = np.where(area == 0.0, -np.finfo(np.float64).tiny, area)
    return np.where(swap, -area, area)


def _filled(column, height, shape) -> np.ndarray:
    """The voxels between an odd and an even crossing of their column, from below."""
    first = np.clip(np.ceil(height), 0, shape[2]).astype(np.int64)
    order = np.argsort(column, kind="stable")
    column, first = column[order], first[order]
    wide = max(_SLAB // (shape[1] * (shape[2] + 1)), 1)
    found = []
    for start in range(0, shape[0], wide):
        n_x = min(wide, shape[0] - start)
        ends = np.searchsorted(column, [start * shape[1], (start + n_x) * shape[1]])
        part = slice(*ends)
        place = (column[part] - start * shape[1]) * (shape[2] + 1) + first[part]
        times = np.bincount(place, minlength=n_x * shape[1] * (shape[2] + 1))
        odd = (times & 1).astype(bool).reshape(n_x, shape[1], shape[2] + 1)
        inside = np.logical_xor.accumulate(odd, axis=2)[:, :, :-1]
        found.append(active(inside) + np.array([start, 0, 0], dtype=np.int32))
    return np.concatenate(found)


def _nearest(mesh: Mesh, places: np.ndarray) -> dict[str, np.ndarray]:
    from scipy.spatial import KDTree

    triangles = mesh.elements["triangle"]
    fields: dict[str, np.ndarray] = {}
    if mesh.point_fields:
        used = np.unique(triangles)
        nearest = used[KDTree(mesh.nodes[used]).query(places)[1]]
        for name, values in mesh.point_fields.items():
            fields[name] = np.asarray(values)[nearest]
    cells = {n: g["triangle"] for n, g in mesh.cell_fields.items() if "triangle" in g}
    if np.ptp(mesh.regions["triangle"]) > 0:
        cells["surface"] = mesh.regions["triangle"]
    if cells:
        nearest = KDTree(mesh.centroids("triangle")).query(places)[1]
        fields |= {name: values[nearest] for name, values in cells.items()}
    return fields


def _fine_enough(spacing: float, wall: float) -> None:
    if spacing * _ACROSS > wall:
        raise ValueError(
            f"A spacing of {spacing} mm is too coarse: the wall is {wall:.3g} mm thick "
            f"on average. Give at most {wall / _ACROSS:.2g} mm."
        )


def _volume_kept(found: float, wanted: float, spacing: float) -> None:
    if abs(found - wanted) > _VOLUME * wanted:
        raise ValueError(
            f"At a spacing of {spacing} mm the voxels hold {found:.4g} mm^3 and the "
            f"mesh {wanted:.4g} mm^3, {PERCENT * (found / wanted - 1.0):+.0f} %. Give "
            "a finer spacing; if that does not help, surfaces or elements overlap."
        )
