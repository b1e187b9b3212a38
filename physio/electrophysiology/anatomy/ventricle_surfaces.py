"""The surfaces of one or two ventricles: epicardium, endocardia, base and apex.

Given as masks of nodes, carried by the geometry as fields, or found: the base is the
largest flat part of the convex hull, unless a plane is given; closed there, what the
rest of the boundary falls into is the epicardium around one cavity or two.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from physio.electrophysiology.mesh import geometry
from physio.electrophysiology.mesh.mesh import Mesh
from physio.electrophysiology.voxels.voxels import FACES, Voxels
from physio.units import PERCENT

NAMES = ("base", "epi", "lv_endo", "rv_endo")
_FLAT = np.cos(np.radians(6.0))  # one plane, though it may be made of voxels' stairs
_BASE_SHARE = 0.06  # of the hull's area, below which nothing is a base
_CAVITY_SHARE = 0.02  # of the tissue's volume or area: less is a hole, not a cavity
# The base may dip by these shares of the heart's height below what the hull shows, as
# between two valves; the shallowest that closes a second cavity is taken.
_DIPS = (0.025, 0.05, 0.075, 0.1)
_UPWARD = 0.5  # cosine between the base and what belongs to it
_STAIR = 0.3  # the same for the faces of voxels that make up a slope
_AROUND = 2  # voxels around one that tell how the boundary lies there
_LID = 1.5  # spacings below the hull's plane at which cavities are closed
_APART = 4.0  # edges or spacings between surfaces that should meet
_SHARED = 0.05  # of an endocardium that may be epicardium too, at rims
_GIVE = (
    "Give the base as a plane, base=(point, normal), or the surfaces: "
    "given_surfaces(geometry, epi=..., lv_endo=..., base=...)."
)


@dataclass(frozen=True, eq=False)
class Surfaces:
    """How much each node lies on each surface, and the nodes of the apex.

    Of a mesh 1 or 0; of voxels the number of their faces on the surface. ``rv_endo`` is
    None for a left ventricle alone. ``apex`` runs through the wall at the left apex.
    """

    epi: Float[np.ndarray, " n_node"]
    lv_endo: Float[np.ndarray, " n_node"]
    base: Float[np.ndarray, " n_node"]
    apex: Bool[np.ndarray, " n_node"]
    rv_endo: Float[np.ndarray, " n_node"] | None = None


def given_surfaces(
    where: Mesh | Voxels,
    *,
    epi: np.ndarray,
    lv_endo: np.ndarray,
    base: np.ndarray,
    rv_endo: np.ndarray | None = None,
    apex: np.ndarray | None = None,
) -> Surfaces:
    """Surfaces from one mask of nodes (n_node,) each; the apex is found if not given.

    **Raises** ValueError for a mask of another length, an empty one, an endocardium
    that is also epicardium, and a base that does not meet the other surfaces.
    """
    given = {"epi": epi, "lv_endo": lv_endo, "base": base}
    if rv_endo is not None:
        given["rv_endo"] = rv_endo
    masks = {name: _mask(where, name, mask) for name, mask in given.items()}
    if isinstance(where, Voxels):
        bare = sum((where.neighbour(o) < 0).astype(np.float64) for o in FACES)
        # faces at a rim belong to the surfaces there in equal parts
        share = bare / np.maximum(sum(masks.values()), 1)
        amounts = {name: mask * share for name, mask in masks.items()}
        for name, amount in amounts.items():
            if not amount.any():
                raise ValueError(f"No voxel of {name!r} is on the boundary.")
    else:
        amounts = {name: mask.astype(np.float64) for name, mask in masks.items()}
    return _checked(where, amounts, apex)


def surfaces_by_class(
    where: Mesh | Voxels,
    classes: np.ndarray,
    numbers: Mapping[str, int],
) -> Surfaces:
    """Surfaces from one number per node, as in files: {"base": 1, "epi": 2, ...}.

    Only nodes on the boundary count, so that a field carried from the nearest node of a
    surface to all voxels will do.
    """
    unknown = [name for name in numbers if name not in NAMES]
    if unknown:
        raise ValueError(f"Surfaces are named {', '.join(NAMES)}; got {unknown[0]!r}.")
    values = np.asarray(classes)
    if values.shape != (where.n_node,):
        raise ValueError(
            f"classes has shape {values.shape}; give one number per node "
            f"({where.n_node},)."
        )
    edge = np.zeros(where.n_node, bool)
    edge[_boundary_nodes(where)] = True
    masks = {name: edge & (values == number) for name, number in numbers.items()}
    return given_surfaces(where, **masks)


def carried_surfaces(where: Mesh | Voxels) -> Surfaces | None:
    """The surfaces a geometry names by fields, as generated hearts do; None without."""
    fields = where.fields if isinstance(where, Voxels) else where.point_fields
    if not all(name in fields for name in NAMES[:3]):
        return None
    return given_surfaces(where, **{n: fields[n] for n in NAMES if n in fields})


def find_surfaces(
    where: Mesh | Voxels,
    *,
    base: tuple[np.ndarray, np.ndarray] | None = None,
) -> Surfaces:
    """Finds the surfaces of a truncated ventricle or biventricle.

    ``base`` is a plane, a point on it (mm) and its normal away from the apex; the
    boundary beyond it is the base. Of two cavities the left one has the thicker wall.
    Holes smaller than 2 % of the tissue stay without a name.

    **Raises** ValueError where nothing is flat enough for a base, where no cavity or
    more than two are found.
    """
    points = where.nodes[_boundary_nodes(where)]
    plane = _base_plane(points) if base is None else _plane(base)
    heights = points @ plane.normal
    top, outside, cavities = _cut(where, plane)
    for share in _DIPS if base is None else ():
        if len(cavities) > 1:
            break
        deeper = plane._replace(low=plane.low - share * float(np.ptp(heights)))
        found = _cut(where, deeper)
        if len(found.cavities) > len(cavities):
            top, outside, cavities = found
    if not cavities:
        raise ValueError(
            "No cavity found: below the base at {:.4g} mm along ({:.2f}, {:.2f}, "
            "{:.2f}) the boundary is in one piece. {}".format(
                plane.low, *plane.normal, _GIVE
            )
        )
    if len(cavities) > 2:
        raise ValueError(
            f"{len(cavities)} cavities found, where ventricles have one or two. Cut "
            f"away the atria (only), or name the surfaces. {_GIVE}"
        )
    if not top.any():
        raise ValueError(f"No part of the boundary lies on the base. {_GIVE}")
    from scipy.spatial import KDTree

    tree = KDTree(where.nodes[outside > 0])
    # the septum is far from the epicardium for both: the nearest quarter decides
    walls = [
        np.percentile(tree.query(where.nodes[cavity > 0])[0], 25.0)
        for cavity in cavities
    ]
    order = np.argsort(walls)[::-1]
    amounts = {"epi": outside, "base": top}
    for name, which in zip(("lv_endo", "rv_endo"), order, strict=False):
        amounts[name] = cavities[which]
    return _checked(where, amounts, None)


def _mask(where: Mesh | Voxels, name: str, given: np.ndarray) -> np.ndarray:
    mask = np.asarray(given)
    if mask.shape != (where.n_node,):
        raise ValueError(
            f"The surface {name!r} has shape {mask.shape}; give one mark per node "
            f"({where.n_node},)."
        )
    mask = mask > 0
    if not mask.any():
        raise ValueError(f"The surface {name!r} has no node. {_GIVE}")
    return mask


def _checked(
    where: Mesh | Voxels, amounts: dict[str, np.ndarray], apex: np.ndarray | None
) -> Surfaces:
    from scipy.spatial import KDTree

    step = edge_length(where)
    base = KDTree(where.nodes[amounts["base"] > 0])
    epi = amounts["epi"] > 0
    for name in amounts:
        on = amounts[name] > 0
        if name == "base":
            continue
        gap = float(base.query(where.nodes[on])[0].min())
        if gap > _APART * step:
            raise ValueError(
                f"The surfaces 'base' and {name!r} do not touch: they are {gap:.3g} mm "
                f"apart at an edge of {step:.3g} mm. {_GIVE}"
            )
        shared = np.mean(epi[on])
        if name != "epi" and shared > _SHARED and isinstance(where, Mesh):
            raise ValueError(
                f"{PERCENT * shared:.0f} % of the nodes of {name!r} are also on 'epi'. "
                "Each node of the walls lies on one surface, but at rims."
            )
    if apex is not None:
        at_apex = _mask(where, "apex", apex)
    else:
        at_apex = _apex(where, epi, amounts["lv_endo"] > 0, base, step)
    if (at_apex & (amounts["base"] > 0)).any():
        raise ValueError(
            "The apex is on the base: the left ventricle has no apex of its own. Give "
            "its nodes, apex=..., to given_surfaces."
        )
    return Surfaces(**amounts, apex=at_apex)


def _apex(where, epi, endo, base, step) -> np.ndarray:
    """Nodes around the way through the wall at the far end of the left cavity."""
    nodes = where.nodes
    away = base.query(nodes[endo])[0]
    rim = nodes[endo][away <= away.min() + step].mean(axis=0)
    axis = nodes[endo].mean(axis=0) - rim
    axis /= np.linalg.norm(axis)
    # the middle of what lies furthest: voxels end in a flat step
    inner = _middle(nodes[endo], nodes[endo] @ axis, step)
    beside = nodes[epi] - inner
    along = beside @ axis
    # less what it lies aside, lest a right ventricle that reaches further wins
    lateral = np.linalg.norm(beside - along[:, None] * axis, axis=1)
    outer = _middle(nodes[epi], along - lateral, step)
    way = outer - inner
    share = np.clip((nodes - inner) @ way / max(float(way @ way), 1e-12), 0.0, 1.0)
    distance = np.linalg.norm(nodes - inner - share[:, None] * way, axis=1)
    return distance < max(0.9 * step, distance.min() * (1.0 + 1e-9))


def _middle(nodes: np.ndarray, score: np.ndarray, step: float) -> np.ndarray:
    return nodes[score > score.max() - 0.5 * step].mean(axis=0)


def edge_length(where: Mesh | Voxels) -> float:
    """The spacing of voxels, or the median edge of a mesh's boundary (mm)."""
    if isinstance(where, Voxels):
        return where.spacing
    faces = geometry.boundary_faces(where.elements["tetra"])
    sides = where.nodes[faces] - where.nodes[np.roll(faces, 1, axis=1)]
    return float(np.median(np.linalg.norm(sides, axis=2)))


def _boundary_nodes(where: Mesh | Voxels) -> np.ndarray:
    if isinstance(where, Voxels):
        return np.flatnonzero(where.boundary())
    return np.unique(geometry.boundary_faces(where.elements["tetra"]))


class _Cut(NamedTuple):
    """How much each node lies on the base, the epicardium and each cavity."""

    base: np.ndarray
    epi: np.ndarray
    cavities: list[np.ndarray]


class _Base(NamedTuple):
    """Between two parallel planes: what faces up beyond the low one, all beyond both.

    Heights along the normal (mm).
    """

    normal: np.ndarray
    low: float
    high: float


def _plane(given) -> _Base:
    point, normal = (np.asarray(part, np.float64) for part in given)
    if point.shape != (3,) or normal.shape != (3,) or not np.linalg.norm(normal) > 0:
        raise ValueError(
            f"A base is a point and a normal, three numbers each; got {given}."
        )
    normal = normal / np.linalg.norm(normal)
    height = float(point @ normal)
    return _Base(normal, height, height)


def _base_plane(points: np.ndarray) -> _Base:
    """The largest flat part of the convex hull."""
    from scipy.spatial import ConvexHull

    hull = ConvexHull(points)
    area = geometry.measures(points, hull.simplices)
    normals = hull.equations[:, :3]
    biggest = normals[np.argsort(area)[-200:]]
    together = (normals @ biggest.T > _FLAT).T
    sums = together @ area
    best = int(np.argmax(sums))
    if sums[best] < _BASE_SHARE * area.sum():
        raise ValueError(
            "No base found: the largest flat part of the hull has "
            f"{PERCENT * sums[best] / area.sum():.1f} % of its area, and a truncated "
            f"ventricle more than {PERCENT * _BASE_SHARE:.0f} %. {_GIVE}"
        )
    normal = area[together[best]] @ normals[together[best]]
    normal /= np.linalg.norm(normal)
    heights = points @ normal
    low = heights[hull.simplices[together[best]]].min()
    return _Base(normal, float(low), float(heights.max()))


def _cut(where: Mesh | Voxels, base: _Base) -> _Cut:
    """What the boundary falls into when it is cut, or closed, at the base."""
    if isinstance(where, Voxels):
        return _in_voxels(where, base)
    return _in_mesh(where, base)


def _in_mesh(mesh: Mesh, base: _Base) -> _Cut:
    faces = geometry.boundary_faces(mesh.elements["tetra"])
    a, b, c = (mesh.nodes[faces[:, k]] for k in range(3))
    outward = geometry.cross(b - a, c - a)
    area = np.linalg.norm(outward, axis=1)
    height = (a + b + c) @ base.normal / 3.0
    near = 0.5 * edge_length(mesh)
    upward = outward @ base.normal > _UPWARD * area
    top = (height > base.high + near) | ((height > base.low - near) & upward)
    rest = faces[~top]
    # joined by edges: at a thin rim the two sides may share single nodes
    side = geometry.unique_rows(geometry.element_edges(rest, "triangle"))[1]
    face = np.repeat(np.arange(len(rest)), 3)
    links = np.stack([face, len(rest) + side], axis=1)
    piece = geometry.components(len(rest) + int(side.max(initial=0)) + 1, links)
    piece = piece[: len(rest)]
    areas = np.bincount(piece, weights=area[~top])
    wanted = np.flatnonzero(areas > _CAVITY_SHARE * areas.sum())

    def nodes_of(some: np.ndarray) -> np.ndarray:
        mask = np.zeros(mesh.n_node)
        mask[some] = 1.0
        return mask

    pieces = [nodes_of(rest[piece == k]) for k in wanted]
    reach = [float(np.prod(np.ptp(mesh.nodes[p > 0], axis=0))) for p in pieces]
    outer = pieces.pop(int(np.argmax(reach)))
    return _Cut(nodes_of(faces[top]), outer, pieces)


def _in_voxels(voxels: Voxels, base: _Base) -> _Cut:
    from scipy import ndimage

    h = voxels.spacing
    low = voxels.index.min(axis=0) - _AROUND
    shape = tuple(voxels.index.max(axis=0) - low + 1 + _AROUND)
    place = voxels.index - low
    free = np.ones(shape, bool)
    free[tuple(place.T)] = False
    x, y, z = (
        (voxels.origin[a] + h * (low[a] + np.arange(shape[a]))) * base.normal[a]
        for a in range(3)
    )
    level = x[:, None, None] + y[None, :, None] + z[None, None, :]
    floor = base.low - _LID * h
    label = np.zeros(shape, np.int32)
    ndimage.label(free & (level <= floor), output=label)
    count = int(label.max())
    sizes = np.bincount(label.ravel(), minlength=count + 1)
    outer = np.unique(
        np.concatenate([label.take((0, -1), axis=a).ravel() for a in range(3)])
    )
    sizes[outer] = sizes[0] = 0
    wanted = np.flatnonzero(sizes > _CAVITY_SHARE * voxels.n_node)
    top = len(wanted) + 1
    number = np.full(count + 1, -1)
    number[outer] = 0
    number[wanted] = np.arange(1, top)
    number[0] = -1
    amounts = np.zeros((top + 1, voxels.n_node))
    in_lid = np.flatnonzero(level[tuple(place.T)] > floor - h)
    upward = np.zeros(voxels.n_node, bool)
    upward[in_lid] = _outward(free, place[in_lid]) @ base.normal > _UPWARD
    for offset in FACES:
        bare = np.flatnonzero(free[tuple((place + offset).T)])
        beyond = place[bare] + offset
        height = level[tuple(beyond.T)]
        # in the lid, a face belongs to what lies straight below
        drop = np.where(height > floor, height - floor + h, 0.0) / h
        below = np.rint(beyond - drop[:, None] * base.normal).astype(int)
        below = np.clip(below, 0, np.array(shape) - 1)
        here = number[label[tuple(below.T)]]
        up = upward[bare] & (np.asarray(offset) @ base.normal > _STAIR)
        here[(up & (height > floor)) | (height > base.high + h)] = top
        bare, here = bare[here >= 0], here[here >= 0]
        amounts[here, bare] += 1.0
    return _Cut(amounts[top], amounts[0], list(amounts[1:top]))


def _outward(free: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The direction of most free cells around, smoother than a voxel's own faces."""
    total = np.zeros((len(place), 3))
    steps = np.arange(-_AROUND, _AROUND + 1)
    for offset in np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3):
        there = free[tuple((place + offset).T)]
        total += there[:, None] * (offset / max(np.linalg.norm(offset), 1.0))
    size = np.linalg.norm(total, axis=1, keepdims=True)
    return total / np.where(size > 0.0, size, 1.0)
