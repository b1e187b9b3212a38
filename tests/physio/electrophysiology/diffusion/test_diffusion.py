"""The diffusion operator: what it conserves, and how fast it converges."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from blocks import box_tetrahedra, box_voxels, sheet_triangles

from physio.electrophysiology.diffusion.conductivity import (
    Conductivity,
    Membrane,
    monodomain,
)
from physio.electrophysiology.diffusion.elements import on_mesh
from physio.electrophysiology.diffusion.grid import (
    ActiveVoxels,
    FullGrid,
    full_grid,
    on_voxels,
)
from physio.electrophysiology.diffusion.operator import dense, largest_step

D = jnp.array([0.1, 0.02, 0.02])
SLANTED = np.array([2.0, 1.0, 0.5]) / np.linalg.norm([2.0, 1.0, 0.5])


def half_ball(x):
    return np.linalg.norm(x - 0.5, axis=1) < 0.55


def geometries():
    linked = sheet_triangles((5, 4), (1.0, 1.0), (1, 0, 0))
    linked.elements["line"] = np.array([[0, 20], [3, 17]], np.int32)
    return {
        "grid": full_grid((6, 5, 4), 0.2),
        "vertices": full_grid((6, 5), 0.2, vertices=True),
        "voxels": on_voxels(box_voxels((6, 6, 6), 0.2, SLANTED, keep=half_ball)),
        "tetrahedra": on_mesh(box_tetrahedra((4, 4, 4), (1, 1, 1), SLANTED, 0.02)),
        "triangles": on_mesh(sheet_triangles((5, 4), (1.0, 1.0), (0.6, 0.8, 0))),
        "linked": on_mesh(linked),
    }


def uneven(count):
    return (
        D[:, None] * jnp.asarray(np.random.default_rng(1).uniform(0.3, 2, count))[None]
    )


def matrix_of(operator):
    return np.asarray(eqx.filter_jit(dense)(operator))


def faults(matrix, volumes):
    """What is broken of: rows sum to zero, conserved, symmetric, nowhere growing."""
    weighted = volumes[:, None] * matrix
    size = np.abs(weighted).max()
    found = []
    if np.abs(matrix.sum(axis=1)).max() > 1e-12 * np.abs(matrix).max():
        found.append("rows")
    if np.abs(weighted.sum(axis=0)).max() > 1e-12 * size:
        found.append("conservation")
    if np.abs(weighted - weighted.T).max() > 1e-12 * size:
        found.append("symmetry")
    if np.linalg.eigvalsh(0.5 * (weighted + weighted.T)).max() > 1e-12 * size:
        found.append("growth")
    return found


@pytest.mark.parametrize("even", [True, False], ids=["even", "uneven"])
@pytest.mark.parametrize("name", geometries())
def test_the_operator_is_a_diffusion(name, even):
    geometry = geometries()[name]
    diffusivity = D if even else uneven(geometry.nodes.shape[0])
    operator = eqx.filter_jit(lambda g, d: g.operator(d))(geometry, diffusivity)
    matrix, volumes = matrix_of(operator), np.asarray(operator.volumes)
    assert faults(matrix, volumes) == []
    # a step at the limit that is promised does not grow, in the norm of the volumes
    step = np.eye(len(volumes)) + float(largest_step(operator)) * matrix
    assert np.abs(np.linalg.eigvals(step)).max() <= 1 + 1e-9


def test_a_broken_operator_is_found():
    operator = on_mesh(box_tetrahedra((3, 3, 3), (1, 1, 1), SLANTED, 0.02)).operator(D)
    matrix, volumes = matrix_of(operator), np.asarray(operator.volumes)
    assert "symmetry" in faults(matrix, np.ones_like(volumes))
    assert "rows" in faults(matrix + 1e-3 * np.eye(len(matrix)), volumes)
    assert "growth" in faults(-matrix, volumes)


def test_a_full_box_along_the_fibres_needs_no_lists():
    box = on_voxels(box_voxels((5, 4, 3), 0.2, (0, 1, 0)))
    assert isinstance(box, FullGrid) and box.order == (1, 0, 2)
    slanted = on_voxels(box_voxels((5, 4, 3), 0.2, SLANTED))
    assert isinstance(slanted, ActiveVoxels)
    # the same box through the lists is the same operator
    listed = box_voxels((5, 4, 3), 0.2, (0, 1, 0))
    listed.sheets = np.tile([1.0, 0, 0], (60, 1))
    as_lists = on_voxels(listed)
    assert isinstance(as_lists, ActiveVoxels)
    three = jnp.array([0.1, 0.03, 0.02])
    np.testing.assert_allclose(
        dense(box.operator(three)), dense(as_lists.operator(three)), atol=1e-12
    )


def test_neighbours_by_distance_are_those_by_number():
    """Voxels too far apart for 16 bits keep whole numbers."""
    near = geometries()["voxels"]
    assert near.near and near.operator(D).neighbours.dtype == jnp.int16
    far = dataclasses.replace(near, near=False)
    assert far.operator(D).neighbours.dtype == jnp.int32
    np.testing.assert_array_equal(
        matrix_of(near.operator(D)), matrix_of(far.operator(D))
    )
    wrong = dataclasses.replace(far.operator(D), near=True)
    assert np.abs(matrix_of(wrong) - matrix_of(far.operator(D))).max() > 0.1


@pytest.mark.parametrize("name", ["grid", "voxels", "tetrahedra", "triangles"])
def test_nothing_passes_where_nothing_conducts(name):
    geometry = geometries()[name]
    x = np.asarray(geometry.nodes)[:, 0]
    dead = np.abs(x - 0.5) <= 0.13
    diffusivity = jnp.where(jnp.asarray(dead)[None], 0, D[:, None])
    matrix = matrix_of(geometry.operator(diffusivity))
    assert np.abs(matrix[dead]).max() == 0
    left, right = ~dead & (x < 0.5), ~dead & (x > 0.5)
    assert left.any() and right.any()
    assert np.abs(matrix[np.ix_(left, right)]).max() == 0
    alive = matrix_of(geometry.operator(D))
    assert np.abs(alive[dead]).max() > 0


def manufactured(x, t):
    """Its gradient vanishes on the boundary of the unit box."""
    s = jnp.prod(jnp.square(x * (1 - x))) * 4.0 ** (2 * x.shape[0])
    return jnp.exp(-t) * s


def worst_error(geometry, tensor, dimension, steps):
    """Largest error at t = 0.2 of dV/dt = L V + source, exactly integrated in time."""
    nodes = jnp.asarray(geometry.nodes)[:, :dimension]
    operator = geometry.operator(jnp.array([0.5, 0.1, 0.1]))

    def source(t):
        def at(x):
            hessian = jax.hessian(manufactured)(x, t)
            return -manufactured(x, t) - jnp.sum(tensor * hessian)

        return jax.vmap(at)(nodes)

    exact = jax.vmap(manufactured, (0, None))
    # the source is exp(-t) times its start's, so is its table
    shape, dt = jax.jit(source)(0.0), 0.2 / steps

    def rate(t, v):
        return operator(v) + jnp.exp(-t) * shape

    def step(k, v):
        t = k * dt
        a = rate(t, v)
        b = rate(t + dt / 2, v + dt / 2 * a)
        c = rate(t + dt / 2, v + dt / 2 * b)
        d = rate(t + dt, v + dt * c)
        return v + dt * (a + 2 * b + 2 * c + d) / 6

    last = jax.jit(lambda v: jax.lax.fori_loop(0, steps, step, v))(exact(nodes, 0.0))
    return float(jnp.max(jnp.abs(last - exact(nodes, 0.2))))


def spread(fibre, dimension):
    f = np.asarray(fibre, float)[:dimension]
    return jnp.asarray(0.1 * np.eye(dimension) + 0.4 * np.outer(f, f))


def slope(make, fibre, dimension, counts):
    # RK4's error at these steps is far below the operator's
    errors = [
        worst_error(make(n), spread(fibre, dimension), dimension, 8 + n * n // 4)
        for n in counts
    ]
    rises = np.diff(np.log(errors)) / -np.diff(np.log(counts))
    return float(rises[-1]), errors


def vertices(n):
    return full_grid((n + 1, n + 1), 1 / n, vertices=True)


def voxels(n):
    return on_voxels(box_voxels((n, n, n), 1 / n, SLANTED))


def tetrahedra(n):
    return on_mesh(box_tetrahedra((n, n, n), (1, 1, 1), SLANTED))


def triangles(n):
    return on_mesh(sheet_triangles((n, n), (1, 1), (0.6, 0.8, 0)))


BUILDERS = {
    "grid": (lambda n: full_grid((n, n), 1 / n), (1, 0, 0), 2, (12, 24)),
    "vertices": (vertices, (1, 0, 0), 2, (12, 24)),
    "voxels": (voxels, SLANTED, 3, (10, 16)),
    "tetrahedra": (tetrahedra, SLANTED, 3, (8, 14)),
    "triangles": (triangles, (0.6, 0.8, 0), 2, (12, 24)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILDERS)
def test_the_error_falls_with_the_square_of_the_spacing(name, record_property):
    order, errors = slope(*BUILDERS[name])
    record_property(f"order_{name}", order)
    assert abs(order - 2) <= 0.2, errors


def test_a_first_order_scheme_is_found():
    """Half a node's volume wrong at the boundary of vertices is not second order."""

    order, _ = slope(lambda n: Shifted(vertices(n)), (1, 0, 0), 2, (12, 24))
    assert abs(order - 2) > 0.2


class Shifted:
    """A grid whose nodes are told half a spacing wrong."""

    def __init__(self, grid):
        self.nodes = np.asarray(grid.nodes) + 0.25 * grid.spacing[0]
        self.operator = grid.operator


def test_conductivities_have_one_conversion():
    # Niederer 2011, table 1: S/m along and across, chi 140 /mm, Cm 0.01 uF/mm^2
    inside, outside = jnp.array([0.17, 0.019, 0.019]), jnp.array([0.62, 0.24, 0.24])
    sigma = monodomain(inside, outside)
    assert float(sigma.fibre) == pytest.approx(0.133418, rel=1e-5)
    assert float(sigma.normal) == pytest.approx(0.0176062, rel=1e-5)
    diffusivity = Membrane().diffusivity(sigma)
    assert float(diffusivity[0]) == pytest.approx(0.09530, rel=1e-3)
    assert float(diffusivity[1]) == pytest.approx(0.012576, rel=1e-4)
    back = Membrane().conductivity(diffusivity)
    assert float(back.fibre) == pytest.approx(float(sigma.fibre), rel=1e-12)
    # the classic slip, chi forgotten, is off by its 140
    slip = float(sigma.fibre / Membrane().capacitance)
    assert slip / float(diffusivity[0]) == pytest.approx(140)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: full_grid((1, 5), 0.2), "two nodes"),
        (lambda: full_grid((5, 5), 0.0), "positive spacing"),
        (lambda: on_voxels(without_fibres()), "no fibres"),
        (lambda: full_grid((4, 4), 0.2).operator(jnp.ones((3, 7))), "one per node"),
        (lambda: monodomain(jnp.array([-1.0, 1, 1]), jnp.ones(3)), "positive"),
        (lambda: Conductivity(fibre=float("nan")), "fibre must be finite"),
        (lambda: on_mesh(flat_element()), "no size"),
        (lambda: on_mesh(stray_node()), "belong to no tetra"),
    ],
)
def test_bad_input_is_a_clear_error(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def without_fibres():
    voxels = box_voxels((3, 3, 3), 0.2, (1, 0, 0))
    voxels.fibres = None
    return voxels


def flat_element():
    mesh = box_tetrahedra((2, 2, 2), (1, 1, 1), SLANTED)
    mesh.nodes[:, 2] = 0
    return mesh


def stray_node():
    mesh = box_tetrahedra((2, 2, 2), (1, 1, 1), SLANTED)
    mesh.nodes = np.concatenate([mesh.nodes, [[9.0, 9.0, 9.0]]])
    return mesh


AXES = ("fibre", "sheet", "normal")
THREE = {"fibre": 0.3, "sheet": 0.2, "normal": 0.1}  # mS/mm


@pytest.mark.parametrize("name", ["grid", "voxels", "tetrahedra"])
def test_each_direction_conducts_with_its_own(name):
    """Of x^2 / 2 the operator makes the diffusivity along x, inside; likewise y, z.

    Fibres lie along y, sheets along z and their normal along x, but on a full grid,
    whose sheets lie along its first axis across.
    """
    along = {"x": "normal", "y": "fibre", "z": "sheet"}
    fibre, sheet = (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
    if name == "grid":
        along = {"x": "sheet", "y": "fibre", "z": "normal"}
        geometry = full_grid((5, 5, 5), 0.2, fibre_axis=1)
    elif name == "voxels":
        geometry = on_voxels(box_voxels((5, 5, 5), 0.2, fibre, sheet))
    else:
        mesh = box_tetrahedra((4, 4, 4), (1, 1, 1), fibre)
        mesh.sheets = {"tetra": np.tile(sheet, (len(mesh.elements["tetra"]), 1))}
        geometry = on_mesh(mesh)
    sigma = Conductivity(**THREE)
    matrix = matrix_of(geometry.operator(Membrane().diffusivity(sigma)))
    x = np.asarray(geometry.nodes)
    inside = np.all((x > 0.21) & (x < 0.79), axis=1)
    assert inside.any()
    for axis, which in enumerate(along.values()):
        found = (matrix @ (0.5 * x[:, axis] ** 2))[inside]
        # 140 /mm x 0.01 uF/mm^2
        np.testing.assert_allclose(found, THREE[which] / 1.4, rtol=1e-9)


def test_a_conductivity_and_its_diffusivity_keep_their_order():
    sigma = Conductivity(**THREE)
    found = np.asarray(Membrane().diffusivity(sigma))
    np.testing.assert_allclose(found, np.array([0.3, 0.2, 0.1]) / 1.4)
    back = Membrane().conductivity(jnp.asarray(found))
    assert [float(getattr(back, k)) for k in AXES] == pytest.approx([0.3, 0.2, 0.1])
