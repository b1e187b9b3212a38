"""Fibres and sheets by rule, from Laplace's equation between the heart's surfaces.

The Laplace-Dirichlet rule of Bayer, Blake, Plank and Trayanova 2012
(doi:10.1007/s10439-012-0593-5). Three solutions that sum to one, λ, ρ and ε, are 1 on
the left endocardium, the right one and the epicardium and 0 on the other two; ψ rises
from apex to base. Each of λ, ρ, ε gives a frame of unit vectors: l along grad ψ, t
along the part of its own gradient across l (outwards from the left cavity), c = l x t.
In each the fibre is f = cos α c + sin α l, and the frames are blended by the shortest
turn among their equivalent ones (bislerp), left and right by ρ / (λ + ρ), both and the
epicardial one by ε.

Two departures, both for a rotation that is even across the wall:

- The angle in the three frames is α = λ α_lv - ρ α_rv + ε α_epi, λ α_lv - ρ α_rv -
  ε α_epi and λ α_lv + ρ α_rv + ε α_epi. The paper leaves ε out of the first two, which
  makes the rotation quadratic in the free walls (Schuler 2021, LDRB_Fibers; linear as
  in Piersanti et al. 2021, doi:10.1016/j.cma.2020.113468).
- λ, ρ and ψ are solved twice, the second time with the length of the first gradients
  as diffusivity: then they grow evenly along the way, where a harmonic function is
  steeper toward the smaller surface.
"""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float64, Int32

from physio.electrophysiology.anatomy.laplace import (
    AbstractSpace,
    hold,
    solve,
    space,
    steepness,
)
from physio.electrophysiology.anatomy.ventricle_surfaces import (
    Surfaces,
    carried_surfaces,
    find_surfaces,
)
from physio.electrophysiology.anatomy.ventricles import LV, RV, SEPTUM
from physio.electrophysiology.mesh.geometry import cross
from physio.electrophysiology.mesh.mesh import Mesh
from physio.electrophysiology.voxels.voxels import Voxels

_RIGHT_ANGLE = 90.0
_CHUNK = 500_000


@dataclass(frozen=True)
class Angles:
    """The angles of the rule, in degrees.

    ``alpha`` turns the fibre from around the heart toward the base, positive for a
    right-handed helix; ``beta`` turns the sheet around the fibre, from across the wall
    toward the base. Those of the right endocardium are the left one's unless given.
    Across the septum they go from the left to minus the right value, as seen from the
    left. The default ``beta`` are those of Bayer 2012.
    """

    alpha_endo: float = 60.0
    alpha_epi: float = -60.0
    beta_endo: float = -65.0
    beta_epi: float = 25.0
    alpha_endo_right: float | None = None
    beta_endo_right: float | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not abs(value) <= _RIGHT_ANGLE:
                raise ValueError(
                    f"{name} is {value}; give degrees from -90 to 90, not radians."
                )

    def corners(self, name: str) -> tuple[float, float, float]:
        """``alpha`` or ``beta`` at the left and right endocardium and epicardium."""
        left, right = getattr(self, f"{name}_endo"), getattr(self, f"{name}_endo_right")
        return left, left if right is None else right, getattr(self, f"{name}_epi")


@dataclass(frozen=True, eq=False)
class Fibres:
    """Directions by rule, and the coordinates they come from.

    Unit vectors per tetrahedron or voxel; ``wall`` is 1 in the left free wall, 2 in the
    right one, 3 in the septum. Per node, ``transmural`` is 0 at the endocardium of the
    node's ventricle to 1 at the epicardium, across the septum from left to right, and
    ``apicobasal`` 0 at the left apex to 1 at the base, both about even in length.
    """

    fibres: Float64[np.ndarray, "n_place 3"]
    sheets: Float64[np.ndarray, "n_place 3"]
    normals: Float64[np.ndarray, "n_place 3"]
    wall: Int32[np.ndarray, " n_place"]
    transmural: Float64[np.ndarray, " n_node"]
    apicobasal: Float64[np.ndarray, " n_node"]

    def given(self, geometry: Mesh | Voxels) -> Mesh | Voxels:
        """The geometry with these fibres and sheets in place of any it had."""
        if isinstance(geometry, Voxels):
            return replace(geometry, fibres=self.fibres, sheets=self.sheets)
        return replace(
            geometry,
            fibres=geometry.fibres | {"tetra": self.fibres},
            sheets=geometry.sheets | {"tetra": self.sheets},
        )


def with_fibres(
    geometry: Mesh | Voxels,
    angles: Angles | None = None,
    *,
    surfaces: Surfaces | None = None,
) -> Mesh | Voxels:
    """The geometry with fibres and sheets by rule in place of any it had.

    Arguments and errors are those of :func:`rule_fibres`.
    """
    return rule_fibres(geometry, angles, surfaces=surfaces).given(geometry)


def rule_fibres(
    geometry: Mesh | Voxels,
    angles: Angles | None = None,
    *,
    surfaces: Surfaces | None = None,
) -> Fibres:
    """Fibres, sheets and coordinates of a left ventricle or a biventricle by rule.

    Of a mesh the tetrahedra count, and the result is per tetrahedron. Without
    ``surfaces`` they are those the geometry carries as fields "epi", "lv_endo", "base"
    and, of a biventricle, "rv_endo"; else they are found.

    **Raises** ValueError where surfaces are not found or do not belong together, for
    tissue in pieces and for a mesh without tetrahedra.
    """
    where = space(geometry)
    pieces = int(geometry.components().max()) + 1
    if pieces > 1:
        raise ValueError(
            f"The tissue is in {pieces} pieces, and a rule needs one. Keep the largest "
            "of voxels by voxels.only(voxels.components() == 0), of a mesh by "
            "cordax mesh check FILE --repair OUT."
        )
    if surfaces is None:
        surfaces = carried_surfaces(geometry) or find_surfaces(geometry)
    if len(surfaces.epi) != geometry.n_node:
        raise ValueError(
            f"The surfaces have {len(surfaces.epi)} nodes and the geometry "
            f"{geometry.n_node}. Find them on this geometry."
        )
    angles = Angles() if angles is None else angles
    left, right = _transmural(where, surfaces)
    height = _apicobasal(where, surfaces)
    gradients = [where.gradient(u) for u in (left, right, height)]
    shares = [where.at_places(u) for u in (left, right)]
    corners = np.radians([angles.corners("alpha"), angles.corners("beta")])
    parts = [
        np.asarray(
            _directions(
                *(g[start : start + _CHUNK] for g in gradients),
                *(u[start : start + _CHUNK] for u in shares),
                jnp.asarray(corners, shares[0].dtype),
            ),
            np.float64,
        )
        for start in range(0, len(shares[0]), _CHUNK)
    ]
    fibres, sheets = _square(np.concatenate(parts))
    transmural = 1 - np.where(_right_nodes(where, left, right), right, left)
    return Fibres(
        fibres=fibres,
        sheets=sheets,
        normals=cross(sheets, fibres),
        wall=_wall(*shares),
        transmural=np.clip(transmural, 0.0, 1.0).astype(np.float64),
        apicobasal=np.clip(np.asarray(height, np.float64), 0.0, 1.0),
    )


def _transmural(where: AbstractSpace, surfaces: Surfaces) -> tuple[Array, Array]:
    """λ and ρ; ε is what is left to one."""
    none = np.zeros(len(surfaces.epi))
    right_endo = none if surfaces.rv_endo is None else surfaces.rv_endo
    c, held = where.even(), []
    for one, other in ((surfaces.lv_endo, right_endo), (right_endo, surfaces.lv_endo)):
        held.append({1.0: one, 0.0: surfaces.epi + other})
    left, right = jnp.zeros(len(none), c.dtype), jnp.zeros(len(none), c.dtype)
    for again in (False, True):
        if again:
            outwards = 1 - left - right
            c = steepness(*(where.gradient(u) for u in (left, right, outwards)))
        operator = where.operator(c)
        left = solve(operator, hold(where, held[0], c), left)
        if surfaces.rv_endo is not None:
            right = solve(operator, hold(where, held[1], c), right)
    return left, right


def _apicobasal(where: AbstractSpace, surfaces: Surfaces) -> Array:
    """ψ: 0 at the left apex, 1 at the base."""
    c = where.even()
    height = jnp.zeros(len(surfaces.apex), c.dtype)
    for again in (False, True):
        c = steepness(where.gradient(height)) if again else c
        held = hold(where, {1.0: surfaces.base}, c, zero=surfaces.apex)
        height = solve(where.operator(c), held, height)
    return height


def _square(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fibre and sheet, of length 1 and at right angles beyond 32 bits."""
    fibres, sheets = frame[:, :, 0], frame[:, :, 2]
    fibres = fibres / np.linalg.norm(fibres, axis=1, keepdims=True)
    sheets = sheets - np.sum(sheets * fibres, axis=1, keepdims=True) * fibres
    return fibres, sheets / np.linalg.norm(sheets, axis=1, keepdims=True)


def _wall(left: Array, right: Array) -> np.ndarray:
    """The wall is between the two surfaces whose solutions are not the least."""
    shares = np.stack([right, left, 1 - left - right])
    least = np.argmin(shares, axis=0)
    return np.array([LV, RV, SEPTUM], np.int32)[least]


def _right_nodes(where: AbstractSpace, left: Array, right: Array) -> np.ndarray:
    """Which nodes are of the right free wall, by the mean of the places around them.

    At a node on a surface two of the solutions vanish alike and say nothing.
    """
    near_left, near_right = (np.asarray(where.around(u)) for u in (left, right))
    return (near_left < near_right) & (near_left < 1 - near_left - near_right)


@jax.jit
def _directions(
    to_left: Float[Array, "n 3"],
    to_right: Float[Array, "n 3"],
    upward: Float[Array, "n 3"],
    left: Float[Array, " n"],
    right: Float[Array, " n"],
    corners: Float[Array, "2 3"],
) -> Float[Array, "n 3 3"]:
    """Columns fibre, normal, sheet at every place."""
    tiny = jnp.finfo(left.dtype).eps
    # outside 0 to 1 only by what the solver leaves
    left, right = jnp.clip(left, 0, 1), jnp.clip(right, 0, 1)
    epi = jnp.clip(1 - left - right, 0, 1)
    amounts = jnp.stack([left, right, epi])
    across = (-to_left, to_right, -to_left - to_right)
    signs = ((1, -1, 1), (1, -1, -1), (1, 1, 1))
    frames = []
    for direction, sign in zip(across, signs, strict=True):
        share = jnp.asarray(sign, left.dtype)[:, None] * amounts
        alpha, beta = (jnp.sum(c[:, None] * share, axis=0) for c in corners)
        frames.append(_turned(_frame(upward, direction), alpha, beta))
    both = left + right
    toward_right = jnp.where(both > tiny, right / jnp.where(both > tiny, both, 1), 0.5)
    inner = _blended(frames[0], frames[1], toward_right)
    return _blended(inner, frames[2], epi)


def _length(v: Array) -> Array:
    return jnp.linalg.norm(v, axis=-1, keepdims=True)


def _unit(v: Array) -> Array:
    size = _length(v)
    return v / jnp.where(size > 0, size, 1)


def _frame(upward: Array, across: Array) -> Array:
    """Columns c, up, t; any up or t where a gradient is nothing or both parallel."""
    up, t = _unit(upward), _unit(across)
    up = jnp.where(_length(up) > 0, up, _unit(_aside(t)))
    t = t - jnp.sum(t * up, axis=-1, keepdims=True) * up
    t = _unit(jnp.where(_length(t) > 1e-4, t, _aside(up)))
    return jnp.stack([jnp.cross(up, t), up, t], axis=-1)


def _aside(v: Array) -> Array:
    """Some vector across v, not nothing even where v is."""
    axis = jnp.eye(3, dtype=v.dtype)[jnp.argmin(jnp.abs(v), axis=-1)]
    return jnp.where(_length(v) > 0, jnp.cross(v, axis), axis)


def _turned(frame: Array, alpha: Array, beta: Array) -> Array:
    """The frame turned by alpha about t, then by beta about the fibre."""
    c, up, t = (frame[..., k] for k in range(3))
    ca, sa, cb, sb = (
        f(angle)[:, None] for angle in (alpha, beta) for f in (jnp.cos, jnp.sin)
    )
    fibre, side = ca * c + sa * up, -sa * c + ca * up
    return jnp.stack([fibre, cb * side - sb * t, sb * side + cb * t], axis=-1)


def _blended(a: Array, b: Array, share: Array) -> Array:
    """From frame a to b by the shortest turn, axes counting without their sense.

    Of the four frames with a's axes, the one nearest to b is turned by ``share`` of the
    way: the bislerp of Bayer 2012, in rotations instead of quaternions.
    """
    flips = jnp.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], a.dtype)
    cosines = jnp.sum(a * b, axis=-2)
    nearest = flips[jnp.argmax(cosines @ flips.T, axis=-1)]
    a = a * nearest[:, None, :]
    turn = jnp.einsum("nji,njk->nik", a, b)
    axis = jnp.stack(
        [
            turn[:, 2, 1] - turn[:, 1, 2],
            turn[:, 0, 2] - turn[:, 2, 0],
            turn[:, 1, 0] - turn[:, 0, 1],
        ],
        axis=-1,
    )
    sine = jnp.linalg.norm(axis, axis=-1)
    angle = share * jnp.arctan2(sine, jnp.trace(turn, axis1=1, axis2=2) - 1)
    axis = axis / jnp.where(sine > 0, sine, 1)[:, None]
    x, y, z = axis.T
    o = jnp.zeros_like(x)
    cross = jnp.stack([o, -z, y, z, o, -x, -y, x, o], axis=-1).reshape(-1, 3, 3)
    s, c = jnp.sin(angle)[:, None, None], jnp.cos(angle)[:, None, None]
    step = jnp.eye(3, dtype=a.dtype)[None] + s * cross + (1 - c) * (cross @ cross)
    return a @ step
