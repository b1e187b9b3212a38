"""Where sinus rhythm enters the ventricles, and the fast layer that spreads it.

Five root points on the endocardia stand for the fascicles, given by height and way
around, so that one table serves every biventricle; a layer beneath the endocardium
conducts as fast as the Purkinje network at its junctions with the muscle.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from physio.electrophysiology.anatomy.fibres import Fibres, rule_fibres
from physio.electrophysiology.anatomy.ventricle_surfaces import (
    Surfaces,
    carried_surfaces,
    edge_length,
    find_surfaces,
)
from physio.electrophysiology.anatomy.ventricles import LV, RV, SEPTUM
from physio.electrophysiology.mesh.mesh import Mesh
from physio.electrophysiology.voxels.voxels import Voxels

_FREE = 2.0 / 3.0  # of the way around is free wall, the rest septum
_BAND = 0.04  # of apex to base, about a root's height, that is looked through
_SECTOR = np.radians(6.0)  # one point of the way around
_FEW = 6  # sectors a way needs


@dataclass(frozen=True)
class Root:
    """A root point in ventricular coordinates.

    ``height`` is 0 at the apex and 1 at the base. ``around`` is 0 at the posterior
    interventricular junction, 2/3 at the anterior one and 1 at the posterior one again,
    along the free wall first and back through the septum (rt of Cobiveco, Schuler 2021,
    10.1016/j.media.2021.102247). ``onset`` in ms after the first.
    """

    name: str
    right: bool
    height: float
    around: float
    onset: float


#: A healthy heart's, of Gerach and Loewe 2024 (J Physiol 602:4605), table in
#: examples/JPhys/stimFiles of KIT-IBT/CardioMechanics.
ROOTS = (
    Root("left posterior", False, 0.46, 0.101, 0.0),
    Root("left anterior", False, 0.90, 0.528, 0.0),
    Root("left septal", False, 0.33, 0.821, 0.0),
    Root("right septal", True, 0.50, 0.875, 5.0),
    Root("right moderator band", True, 0.37, 0.432, 12.0),
)
RADIUS = 3.0  # mm about a root that starts with it, from the same table
#: Velocity of the endocardial layer (m/s), every way: the dense part of Camps 2021
#: (10.1016/j.media.2021.102143; range 1.0 to 1.9), as fixed beside 0.65 m/s along the
#: fibre by Li 2024 (lileitech/MI_inverse_inference).
FAST = 1.5
DEPTH = 1.0  # mm of the fast layer; a Purkinje network lies within about that


@dataclass(frozen=True, eq=False)
class Sinus:
    """A sinus beat of two ventricles, per node.

    ``onset`` in ms after the first root, inf away from the roots; ``fast`` masks the
    endocardial layer; ``rule`` are the fibres and coordinates the roots were placed by.
    """

    onset: Float[np.ndarray, " n_node"]
    fast: Bool[np.ndarray, " n_node"]
    rule: Fibres

    @property
    def sites(self) -> Bool[np.ndarray, " n_node"]:
        """The nodes about the roots."""
        return np.isfinite(self.onset)

    def velocity(self, muscle: float, fast: float = FAST) -> Float[np.ndarray, " n"]:
        """One velocity per node: the layer's, else the muscle's (m/s)."""
        return np.where(self.fast, fast, muscle)


def sinus(
    geometry: Mesh | Voxels,
    surfaces: Surfaces | None = None,
    roots: tuple[Root, ...] = ROOTS,
) -> Sinus:
    """Where and when sinus rhythm starts a biventricle, and its fast layer.

    Surfaces are those the geometry carries, else found. **Raises** ValueError as
    ``rule_fibres`` and ``place_roots`` do.
    """
    if surfaces is None:
        surfaces = carried_surfaces(geometry) or find_surfaces(geometry)
    rule = rule_fibres(geometry, surfaces=surfaces)
    fast = fast_layer(geometry.nodes, surfaces)
    onset = np.full(geometry.n_node, np.inf)
    for node, time in zip(*place_roots(geometry, surfaces, rule, roots), strict=True):
        away = np.linalg.norm(geometry.nodes - geometry.nodes[node], axis=1)
        near = fast & (away <= RADIUS)
        near[node] = True
        onset[near] = np.minimum(onset[near], time)
    return Sinus(onset, fast, rule)


def place_roots(
    geometry: Mesh | Voxels,
    surfaces: Surfaces,
    rule: Fibres,
    roots: tuple[Root, ...] = ROOTS,
) -> tuple[np.ndarray, Float[np.ndarray, " n_root"]]:
    """The node of each root on the endocardium, and its onset (ms).

    Heights and walls are those of ``rule`` (see ``rule_fibres``); the way around is
    measured along the endocardium at the root's height.

    **Raises** ValueError for a left ventricle alone, and where the endocardium does not
    reach a root's height or goes only part of the way around there.
    """
    if surfaces.rv_endo is None:
        raise ValueError(
            "Root points need two ventricles; these surfaces have no rv_endo."
        )
    nodes, walls = geometry.nodes, _node_walls(geometry, rule)
    upward = _upward(nodes, rule.apicobasal)
    band = max(_BAND, edge_length(geometry) / np.ptp(nodes @ upward))
    sides = {False: surfaces.lv_endo > 0, True: surfaces.rv_endo > 0}
    found = []
    for root in roots:
        free = root.around < _FREE
        own = RV if root.right else LV
        wall = sides[root.right] & (walls == (own if free else SEPTUM))
        wall &= np.abs(rule.apicobasal - root.height) <= band
        ring = sides[False] & (np.abs(rule.apicobasal - root.height) <= band)
        if not (wall.any() and ring.any()):
            raise ValueError(
                f"The {root.name} root at {root.height:g} of apex to base lies on no "
                "endocardium. Give roots of your own: Root(name, right, height, ...)."
            )
        share = root.around / _FREE if free else (root.around - _FREE) / (1 - _FREE)
        where = np.flatnonzero(wall)
        angle = _angle(
            nodes[where], nodes[ring].mean(axis=0), upward, nodes[walls == RV].mean(0)
        )
        # back through the septum; on the left free wall around the outside
        turned = angle if free and root.right else -angle
        if free and not root.right:
            turned = turned % (2 * np.pi)
        found.append(where[_along(nodes[where], turned, share, root.name)])
    return np.array(found), np.array([root.onset for root in roots])


def fast_layer(
    nodes: Float[np.ndarray, "n_node 3"], surfaces: Surfaces, depth: float = DEPTH
) -> Bool[np.ndarray, " n_node"]:
    """The nodes within ``depth`` (mm) of a node on an endocardium."""
    from scipy.spatial import KDTree

    on = surfaces.lv_endo > 0
    if surfaces.rv_endo is not None:
        on = on | (surfaces.rv_endo > 0)
    away, _ = KDTree(nodes[on]).query(nodes, distance_upper_bound=depth * (1 + 1e-6))
    return np.isfinite(away)


def _node_walls(geometry: Mesh | Voxels, rule: Fibres) -> np.ndarray:
    if isinstance(geometry, Voxels):
        return np.asarray(rule.wall)
    walls = np.zeros(geometry.n_node, np.int32)
    corners = geometry.elements["tetra"]
    walls[corners.reshape(-1)] = np.repeat(rule.wall, corners.shape[1])
    return walls


def _upward(nodes: np.ndarray, height: np.ndarray) -> np.ndarray:
    """The direction in which the height grows, over the whole heart."""
    ones = np.column_stack([nodes, np.ones(len(nodes))])
    slope = np.linalg.lstsq(ones, height, rcond=None)[0][:3]
    return slope / np.linalg.norm(slope)


def _angle(
    points: np.ndarray, middle: np.ndarray, upward: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """The angle about the long axis: 0 toward the right ventricle, pi/2 anterior."""
    aside = right - middle
    aside = aside - aside @ upward * upward
    aside = aside / np.linalg.norm(aside)
    away = points - middle
    # seen from the apex the right ventricle is on the left and the front is above
    return np.arctan2(away @ np.cross(upward, aside), away @ aside)


def _along(points: np.ndarray, angle: np.ndarray, share: float, name: str) -> int:
    """The point at a share of the way, which its points' angles put in order."""
    sector = np.floor((angle - angle.min()) / _SECTOR).astype(int)
    present = np.unique(sector)
    if len(present) < _FEW:
        raise ValueError(
            f"The endocardium at the {name} root spans {len(present)} sectors of "
            f"{np.degrees(_SECTOR):.0f} degrees, too few to go around. Use a finer "
            "geometry, or roots of your own."
        )
    line = np.stack([points[sector == k].mean(axis=0) for k in present])
    way = np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))
    way = np.concatenate([[0.0], way])
    target = [np.interp(share * way[-1], way, line[:, k]) for k in range(3)]
    return int(np.argmin(np.linalg.norm(points - target, axis=1)))
