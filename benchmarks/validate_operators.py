"""Diffusion where the boundary is curved: order, negative weights, undershoot.

u - T div(D grad u) is solved for a known u on finer and finer grids, T = 1 ms.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.pages import Section, table
from physio.electrophysiology.anatomy.shapes import LeftVentricle
from physio.electrophysiology.diffusion.conductivity import Conductivity, Membrane
from physio.electrophysiology.diffusion.elements import on_mesh
from physio.electrophysiology.diffusion.grid import on_voxels
from physio.electrophysiology.diffusion.operator import (
    AbstractDiscretisation,
    largest_step,
)
from physio.electrophysiology.mesh import generate as meshing
from physio.electrophysiology.mesh.mesh import Mesh
from physio.electrophysiology.tissue.monodomain import discretise
from physio.electrophysiology.voxels.voxels import Voxels, active

RADIUS = 1.0  # mm
SLANTED = np.array([2.0, 1.0, 0.5]) / np.linalg.norm([2.0, 1.0, 0.5])
EVEN, UNEVEN = (0.1, 0.1, 0.1), (0.5, 0.1, 0.1)  # mm^2/ms
_FLAT = 2.0815759778  # first zero of j1', the ball's slowest mode with no flux out


def ball_voxels(parts: int) -> AbstractDiscretisation:
    """A ball, ``parts`` voxels to its radius, fibres slanted to the grid."""
    h, shape = RADIUS / parts, (2 * parts, 2 * parts, 2 * parts)
    centres = h * (np.indices(shape) + 0.5) - RADIUS
    index = active(np.linalg.norm(centres, axis=0) < RADIUS)
    return on_voxels(
        Voxels(
            spacing=h, origin=np.full(3, 0.5 * h - RADIUS), shape=shape,
            index=index, fibres=np.tile(SLANTED, (len(index), 1)),
        )
    )  # fmt: skip


def ball_tetrahedra(parts: int) -> AbstractDiscretisation:
    """A ball of tetrahedra whose outer nodes lie on the sphere."""
    low, high = np.full(3, -1.1 * RADIUS), np.full(3, 1.1 * RADIUS)
    nodes, tetra = meshing.stuffed(
        lambda x: np.linalg.norm(x, axis=-1) - RADIUS, low, high, RADIUS / parts
    )
    return _of(nodes, "tetra", tetra)


def sphere_triangles(parts: int) -> AbstractDiscretisation:
    """The surface of a ball."""
    nodes, triangles = meshing.sphere(parts)
    return _of(RADIUS * nodes, "triangle", triangles)


def _of(nodes: np.ndarray, kind: str, elements: np.ndarray) -> AbstractDiscretisation:
    fibres = np.tile(SLANTED, (len(elements), 1))
    return on_mesh(Mesh(nodes=nodes, elements={kind: elements}, fibres={kind: fibres}))


def slowest_mode(x: Any) -> Any:
    """j1(k r) x / r: no flux leaves the ball, a gradient along its surface remains."""
    z = _FLAT * jnp.linalg.norm(x)
    return (jnp.sin(z) / z**2 - jnp.cos(z) / z) / z * x[0]


def still_at_the_surface(x: Any) -> Any:
    """A polynomial whose whole gradient vanishes there, so that any D may be given."""
    return jnp.square(1 - x @ x) * (1 + x[0])


def on_the_sphere(x: Any) -> Any:
    """A spherical harmonic of degree 2: its surface Laplacian is -6 of itself."""
    return x[0] * x[1]


def flow(exact: Callable, diffusivity: tuple[float, ...]) -> Callable:
    """div(D grad u) of a function in space, fibres slanted."""
    along, across, _ = diffusivity
    d = across * np.eye(3) + (along - across) * np.outer(SLANTED, SLANTED)
    return lambda x: jnp.sum(d * jax.hessian(exact)(x))


def errors(
    geometry: AbstractDiscretisation,
    diffusivity: tuple[float, ...],
    exact: Callable,
    leaving: Callable,
) -> tuple[float, float]:
    """Largest and root-mean-square error of the solution, of the largest |u|."""
    operator = geometry.operator(jnp.array(diffusivity))
    nodes = jnp.asarray(geometry.nodes)
    u = jax.vmap(exact)(nodes)
    right = u - jax.vmap(leaving)(nodes)
    weight = operator.volumes
    solved = eqx.filter_jit(
        lambda operator, b: jax.scipy.sparse.linalg.cg(
            lambda v: weight * (v - operator(v)), b, tol=1e-10, maxiter=5000
        )[0]
    )(operator, weight * right)
    off = np.asarray(solved - u) / float(jnp.max(jnp.abs(u)))
    share = np.asarray(weight / jnp.sum(weight))
    return float(np.abs(off).max()), float(np.sqrt((share * off**2).sum()))


#: name -> geometry by parts of the radius, diffusivity, solution, its div(D grad u)
CURVED: dict[str, tuple[Callable, tuple[float, ...], Callable, Callable | None]] = {
    "voxels in a ball, D even": (ball_voxels, EVEN, slowest_mode, None),
    "voxels in a ball, D 5:1": (ball_voxels, UNEVEN, still_at_the_surface, None),
    "tetrahedra in a ball, D even": (ball_tetrahedra, EVEN, slowest_mode, None),
    "tetrahedra in a ball, D 5:1": (
        ball_tetrahedra, UNEVEN, still_at_the_surface, None,
    ),
    "triangles on a sphere, D even": (
        sphere_triangles, EVEN, on_the_sphere, lambda x: -0.6 * x[0] * x[1],
    ),
}  # fmt: skip
PARTS = (8, 12, 18, 27)


def orders() -> dict[str, tuple[list[float], float, float]]:
    """By case: largest errors, and the orders of the largest and the mean error.

    An order is the slope of a straight line through all spacings.
    """
    found = {}
    for name, (make, d, exact, leaving) in CURVED.items():
        leaving = flow(exact, d) if leaving is None else leaving
        both = np.array([errors(make(n), d, exact, leaving) for n in PARTS])
        slopes = -np.polyfit(np.log(PARTS), np.log(both), 1)[0]
        found[name] = (both[:, 0].tolist(), float(slopes[0]), float(slopes[1]))
    return found


def undershoot(geometry: AbstractDiscretisation) -> dict[str, float]:
    """Negative weights in % of all bonds, and how far a step falls below its foot.

    The voltage's step lies at x = 0; the lowest value within 100 time steps of half the
    limit, in % of its height. The diffusivities are the benchmark's, 7.6 : 1.
    """
    operator = geometry.operator(Membrane().diffusivity(Conductivity()))
    weights = np.asarray(operator.weights)
    bonds = np.abs(weights) > 1e-12 * np.abs(weights).max()
    dt = 0.5 * largest_step(operator)

    def step(v: Any, _: None) -> tuple[Any, Any]:
        v = v + dt * operator(v)
        return v, jnp.min(v)

    start = jnp.where(jnp.asarray(geometry.nodes)[:, 0] > 0, 1.0, 0.0)
    lowest = jax.jit(lambda v: jax.lax.scan(step, v, None, length=100)[1])(start)
    below = -np.minimum(np.where(bonds, weights, 0), 0).sum(axis=0)
    return {
        "negative_percent": 100 * float((weights[bonds] < 0).mean()),
        "deepest_percent": 100 * float((below / np.abs(weights).sum(axis=0)).max()),
        "undershoot_percent": max(0.0, -100 * float(jnp.min(lowest))),
    }


def operators() -> Section:
    """The order on curved domains, and what the 19-point stencil costs there."""
    found = orders()
    heart = LeftVentricle()
    signs = {
        "left ventricle, voxels of 1 mm": undershoot(discretise(heart.as_voxels(1.0))),
        "left ventricle, tetrahedra of 2 mm": undershoot(
            discretise(heart.as_mesh(2.0))
        ),
        "ball of voxels, one slanted fibre": undershoot(ball_voxels(18)),
    }
    worst = signs["left ventricle, voxels of 1 mm"]
    voxels = [order for name, (_, order, _) in found.items() if "voxels" in name]
    figures = {
        "curved_order": min(voxels),
        "negative_percent": worst["negative_percent"],
        "undershoot_percent": worst["undershoot_percent"],
    }
    rows = [[name, *off, top, mean] for name, (off, top, mean) in found.items()]
    header = [
        "largest error (share of the largest u)",
        *(f"radius/{n}" for n in PARTS),
        "order, largest error",
        "order, mean error",
    ]
    lines = [
        "u - T div(D grad u) solved for a known u, T = 1 ms, in a ball of radius 1 mm "
        "with D = 0.1 mm^2/ms. `D even`: the slowest mode without flux through the "
        "surface (on the sphere a harmonic of degree 2); `D 5:1`: 0.5 mm^2/ms along "
        "fibres slanted to the grid, a u whose gradient vanishes on the surface. "
        "Voxels follow the surface in stairs, elements have their nodes on it.",
        "",
        *table(header, rows),
        "Signs of the weights where D is 7.6 : 1 (the 19-point stencil on voxels): "
        "bonds with a negative weight; the largest share they have of a node's "
        "weights; how far a step of the voltage falls below its foot as it spreads.",
        "",
        *table(
            ["", "negative bonds %", "share of a node's weights %", "undershoot %"],
            [[name, *values.values()] for name, values in signs.items()],
        ),
    ]
    return {"ep-diffusion-curved": figures}, lines
