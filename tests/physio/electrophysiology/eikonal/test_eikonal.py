"""Activation times: exact fronts, their order, obstacles, derivatives, bad input."""

from itertools import permutations
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from physio.electrophysiology.eikonal.front import Origins, pull, push
from physio.electrophysiology.eikonal.local import over_edge
from physio.electrophysiology.eikonal.solve import Velocities, activation_times, prepare

ALONG, ACROSS = 0.65, 0.25
LENGTH = 12.0
SITE = np.array([3.0, 3.0, 3.0])  # a node of every block below


def grid(n: tuple[int, ...]) -> np.ndarray:
    axes = [np.arange(k + 1) for k in n]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(n))


def fibre(angle: float, n: int) -> np.ndarray:
    return np.tile([np.cos(angle), np.sin(angle), 0.0], (n, 1))


def tetra_block(n: int, angle: float = 0.0) -> SimpleNamespace:
    """Six tetrahedra per cube, all with the same diagonal."""
    shape = (n, n, n // 2)
    nodes, base = grid(shape), grid(tuple(k - 1 for k in shape))
    elements = []
    for order in permutations(range(3)):
        corners = [base]
        for axis in order:
            corners.append(corners[-1] + np.eye(3, dtype=int)[axis])
        size = [k + 1 for k in shape]
        elements.append(
            np.stack([np.ravel_multi_index(tuple(c.T), size) for c in corners], 1)
        )
    tetra = np.concatenate(elements).astype(np.int32)
    return SimpleNamespace(
        nodes=nodes * LENGTH / n,
        elements={"tetra": tetra},
        fibres={"tetra": fibre(angle, len(tetra))},
        sheets={},
    )


def triangle_sheet(n: int, angle: float = 0.0) -> SimpleNamespace:
    flat, base = grid((n, n)), grid((n - 1, n - 1))
    nodes = np.full((len(flat), 3), SITE[2])
    nodes[:, :2] = flat * LENGTH / n
    at = [
        np.ravel_multi_index(tuple((base + step).T), (n + 1, n + 1))
        for step in ((0, 0), (1, 0), (1, 1), (0, 1))
    ]
    triangle = np.concatenate(
        [np.stack([at[0], at[1], at[2]], 1), np.stack([at[0], at[2], at[3]], 1)]
    ).astype(np.int32)
    return SimpleNamespace(
        nodes=nodes,
        elements={"triangle": triangle},
        fibres={"triangle": fibre(angle, len(triangle))},
        sheets={},
    )


def voxel_block(n: int, angle: float = 0.0) -> SimpleNamespace:
    index = grid((n, n, n // 2)).astype(np.int32)
    spacing = LENGTH / n
    return SimpleNamespace(
        spacing=spacing,
        origin=np.zeros(3),
        index=index,
        nodes=spacing * index,
        fibres=fibre(angle, len(index)),
        sheets=None,
    )


BLOCKS = {
    "voxels": (voxel_block, 24),
    "tetra": (tetra_block, 24),
    "triangle": (triangle_sheet, 48),
}


def tissue(geometry, along=ALONG, across=ACROSS, dtype=float) -> Velocities:
    """One value per voxel or element, so that every test runs the same program."""
    if hasattr(geometry, "index"):
        n = len(geometry.index)
    else:
        (elements,) = geometry.elements.values()
        n = len(elements)
    along = jnp.broadcast_to(jnp.asarray(along, dtype), (n,))
    across = jnp.broadcast_to(jnp.asarray(across, dtype), (n,))
    return Velocities(along, across, across)


def run(geometry, velocity, sites, onset=0.0) -> np.ndarray:
    """Activation times; one site is filled up to two, the second of which is off."""
    sites, onset = np.atleast_2d(sites), np.atleast_1d(onset)
    if len(sites) == 1:
        sites, onset = np.repeat(sites, 2, axis=0), np.append(onset, np.inf)
    return np.asarray(activation_times(geometry, velocity, sites, onset))


def exact(nodes, site, angle, along=ALONG, across=ACROSS) -> np.ndarray:
    way = nodes - site
    lengthwise = way @ fibre(angle, 1)[0]
    rest = (way**2).sum(1) - lengthwise**2
    return np.sqrt(lengthwise**2 / along**2 + np.maximum(rest, 0) / across**2)


def order(name: str, angle: float, across: float = ACROSS) -> float:
    """Slope of the mean error over h log(L / h) when the edges are halved.

    The front of a point keeps its shape as it grows: the error at twice the distance
    is twice the error with edges half as long, so one block shows both.
    """
    make, n = BLOCKS[name]
    block = make(n, np.deg2rad(angle))
    error = np.abs(
        run(block, tissue(block, ALONG, across), SITE)
        - exact(block.nodes, SITE, np.deg2rad(angle))
    )
    step = LENGTH / n
    place = {tuple(k): i for i, k in enumerate(np.rint(block.nodes / step).astype(int))}
    site = np.rint(SITE / step).astype(int)
    pairs = [(i, place.get(tuple(2 * np.array(k) - site))) for k, i in place.items()]
    near, far = np.array([pair for pair in pairs if pair[1] is not None]).T
    coarse, fine = error[near].mean(), error[far].mean() / 2
    cells = np.log(np.abs(block.nodes[far] - SITE).max() / step)
    return np.log(fine / coarse) / np.log(0.5 * cells / (cells - np.log(2)))


@pytest.mark.parametrize("angle", [0.0, 30.0])
@pytest.mark.parametrize("name", list(BLOCKS))
def test_ellipsoids_to_first_order(name, angle):
    # Each cell at a distance r from the point adds an error of h / r, as the front
    # is curved: h log(L / h) in all, which first order is for a point source.
    assert order(name, angle) == pytest.approx(1.0, abs=0.1)  # found: 0.97 to 1.03


def test_wrong_velocities_do_not_converge():
    assert abs(order("triangle", 30.0, 1.1 * ACROSS)) < 0.5


def test_a_front_along_an_edge_keeps_its_end():
    # the root's argument is 0 to the last bit, which is where rounding can bite
    rng = np.random.default_rng(3)
    x, one, other = rng.normal(size=(3, 2000, 3))
    squared = [((p - q) ** 2).sum(1) for p, q in ((x, one), (x, other), (one, other))]
    for sign in (1.0, -1.0):
        t2 = 5.0 + sign * np.sqrt(squared[2])
        given = [jnp.asarray(a) for a in (np.full(2000, 5.0), t2, *squared)]
        time, share = jax.jit(over_edge)(*given)
        s = np.linspace(0, 1, 101)[:, None]
        way = one + s[..., None] * (other - one) - x
        line = (1 - s) * 5.0 + s * t2 + np.sqrt((way**2).sum(2))
        np.testing.assert_allclose(time, line.min(axis=0), rtol=1e-12)
        np.testing.assert_array_equal(share, 0.0 if sign > 0 else 1.0)
        assert np.abs(line[50] - line.min(axis=0)).max() > 0.1


def refracted(
    block, slow: float, fast: float, sine: float
) -> tuple[np.ndarray, np.ndarray]:
    """A plane wave that meets a faster half-space at x = L / 2: times and Snell's."""
    x, y = block.nodes[:, 0], block.nodes[:, 1]
    middle = LENGTH / 2
    centres = x[block.elements["triangle"]].mean(axis=1)
    speed = jnp.asarray(np.where(centres < middle, slow, fast))
    face = np.flatnonzero(x == 0)
    times = activation_times(
        block, Velocities.isotropic(speed), face, y[face] * sine / slow
    )
    across = [np.sqrt(1 / v**2 - (sine / slow) ** 2) for v in (slow, fast)]
    wanted = y * sine / slow + across[0] * np.minimum(x, middle)
    wanted = wanted + across[1] * np.maximum(x - middle, 0)
    # below, times depend on nodes that the wave would have reached from y < 0
    whole = y >= x
    return np.asarray(times)[whole], wanted[whole]


def test_refraction_at_a_half_space_is_exact():
    # plane fronts are linear in each half and the interface follows the edges
    block = triangle_sheet(48)
    block.fibres = {}
    times, wanted = refracted(block, 0.3, 0.5, 0.4)
    np.testing.assert_allclose(times, wanted, atol=1e-10)
    unbent = wanted + 0.02 * block.nodes[block.nodes[:, 1] >= block.nodes[:, 0], 0]
    assert np.abs(times - unbent).max() > 0.1


def walled(gap: bool) -> tuple[np.ndarray, SimpleNamespace]:
    block = voxel_block(24)
    x, y, _ = block.index.T
    wall = (x + y == 18) & ~(gap & (x == 0))
    conducts = np.where(wall, 0.0, 1.0)
    velocity = tissue(block, ACROSS * conducts, ACROSS * conducts)
    return run(block, velocity, np.array([1.0, 1.0, 3.0])), block


def test_a_diagonal_wall_holds_and_a_gap_in_it_does_not():
    times, block = walled(gap=False)
    x, y, _ = block.index.T
    np.testing.assert_array_equal(np.isnan(times), x + y >= 18)
    assert np.isfinite(times[x + y < 18]).all()
    opened, _ = walled(gap=True)
    np.testing.assert_array_equal(np.isnan(opened), (x + y == 18) & (x > 0))
    # around: from the site through the gap, two straight ways
    far = (x == 24) & (y == 24) & (block.index[:, 2] == 6)
    start, gate = np.array([1.0, 1.0, 3.0]), np.array([0.0, 9.0, 3.0])
    around = np.linalg.norm(gate - start) + np.linalg.norm([12.0, 12.0, 3.0] - gate)
    # the taut way, but for the voxel whose corner it bends around
    assert opened[far][0] == pytest.approx(around / ACROSS, abs=block.spacing / ACROSS)


def test_an_island_is_never_reached():
    block = tetra_block(24)
    inside = np.all(np.abs(block.nodes - [8.0, 8.0, 3.0]) <= 2.01, axis=1)
    core = np.all(np.abs(block.nodes - [8.0, 8.0, 3.0]) <= 1.01, axis=1)
    shell = inside[block.elements["tetra"]].all(1) & ~core[block.elements["tetra"]].all(
        1
    )
    velocity = tissue(block, np.where(shell, 0.0, ALONG), np.where(shell, 0.0, ACROSS))
    times = run(block, velocity, SITE)
    rim = np.zeros(len(times), bool)
    rim[block.elements["tetra"][~shell & ~core[block.elements["tetra"]].all(1)]] = True
    np.testing.assert_array_equal(np.isfinite(times), rim)
    assert np.isnan(times[core]).any()


def test_sites_compete_and_wait():
    block = prepare(voxel_block(24, 0.5))
    velocity = tissue(voxel_block(24))
    one, other = np.array([1.2, 2.3, 0.4]), np.array([10.0, 9.5, 5.5])
    both = run(block, velocity, np.stack([one, other]), [0.0, 7.0])
    first, second = run(block, velocity, one), run(block, velocity, other, 7.0)
    # where two fronts meet, a face reached by both can only be earlier, by a voxel
    assert np.all(both <= np.minimum(first, second) + 1e-9)
    assert np.abs(both - np.minimum(first, second)).max() < 1.0 / ACROSS
    np.testing.assert_allclose(second, run(block, velocity, other) + 7.0, atol=1e-9)
    assert np.abs(both - first).max() > 5.0


@pytest.mark.slow
def test_single_precision_agrees_with_double():
    block = voxel_block(24, 0.5)
    double = run(block, tissue(block), SITE)
    single = run(block, tissue(block, dtype=jnp.float32), SITE)
    assert single.dtype == np.float32
    # a front passes about 60 voxels, each rounding at 6e-8
    np.testing.assert_allclose(single, double, rtol=3e-6, atol=1e-5)


def dense(weights: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    n = len(weights)
    matrix = np.zeros((n, n + 1))
    np.add.at(matrix, (np.arange(n)[:, None], nodes), weights)
    return matrix[:, :n]


@pytest.mark.parametrize("cycle", [False, True])
def test_the_linear_systems_are_those_of_the_fixed_point(cycle):
    n, rng = 40, np.random.default_rng(1)
    nodes = np.stack([rng.integers(0, max(i, 1), 3) for i in range(n)])
    weights = rng.dirichlet(np.ones(3), n)
    weights[0] = 0.0
    if cycle:  # two nodes that lean on each other, as around an obtuse simplex
        nodes[10, 0], nodes[11, 0] = 11, 10
    empty = np.zeros((n, 3)), np.zeros(n, np.int32), np.zeros(n)
    came_from = Origins(
        *(jnp.asarray(x) for x in (nodes.astype(np.int32), weights, *empty))
    )
    times, source = jnp.arange(n, dtype=float), jnp.asarray(rng.normal(size=n))
    matrix = np.eye(n) - dense(weights, nodes)
    solved = np.linalg.solve(matrix, source)
    np.testing.assert_allclose(push(times, came_from, source), solved, rtol=1e-10)
    back = np.linalg.solve(matrix.T, source)
    np.testing.assert_allclose(pull(times, came_from, source), back, rtol=1e-10)
    assert np.abs(solved - np.asarray(source)).max() > 0.1  # W does matter


def functional(name: str):
    """A weighted sum of the times of a rotated block, its arguments and a direction."""
    make, n = BLOCKS[name]
    block, rng = make(n, 0.5), np.random.default_rng(0)
    space, n_medium = prepare(block), tissue(block).fibre.size
    weights = jnp.asarray(rng.normal(size=len(block.nodes)))
    sites = np.array([[1.23, 2.31, 0.47], [10.1, 8.9, 5.3]])
    if name == "triangle":
        sites[:, 2] = SITE[2]

    def value(arguments):
        along, across, sites, onset = arguments
        velocity = Velocities(along, across, across)
        return jnp.sum(weights * activation_times(space, velocity, sites, onset))

    start = (
        jnp.asarray(rng.uniform(0.5, 0.8, n_medium)),
        jnp.asarray(rng.uniform(0.2, 0.3, n_medium)),
        jnp.asarray(sites),
        jnp.asarray([0.0, 1.3]),
    )
    way = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape)), start)
    if name == "triangle":  # off the surface the time grows in both directions
        way = (*way[:2], way[2].at[:, 2].set(0.0), way[3])
    return value, start, way


def by_differences(value, start, way, step: float = 1e-6) -> float:
    ahead, behind = (
        jax.tree.map(lambda x, w, s=s: x + s * step * w, start, way) for s in (1, -1)
    )
    return float(value(ahead) - value(behind)) / (2 * step)


def along_way(gradient, way, parts=range(4)) -> float:
    return sum(float(jnp.sum(gradient[k] * way[k])) for k in parts)


@pytest.mark.parametrize(
    "name", ["voxels", "triangle", pytest.param("tetra", marks=pytest.mark.slow)]
)
def test_gradient_is_the_finite_difference(name):
    value, start, way = functional(name)
    gradient = jax.jit(jax.grad(value))(start)
    wanted = by_differences(value, start, way)
    # 1e-6 of a step: rounding 1e-13 * 1e3 ms / 1e-6, bends of T near a switch of face
    assert along_way(gradient, way) == pytest.approx(wanted, rel=1e-5)
    for part in range(4):  # each argument matters, so each was compared
        others = [k for k in range(4) if k != part]
        assert along_way(gradient, way, others) != pytest.approx(wanted, rel=1e-5)


@pytest.mark.slow
def test_forward_derivatives_batch_over_sites():
    value, start, way = functional("triangle")

    def moved(shift):
        here = (
            *start[:2],
            start[2] + shift * jnp.ones((2, 3)) * jnp.array([[1.0, 1, 0]]),
            start[3],
        )
        return jax.jvp(value, (here,), (way,))

    values, slopes = jax.jit(jax.vmap(moved))(jnp.array([0.0, 0.6]))
    assert float(values[0]) == pytest.approx(float(value(start)), rel=1e-12)
    assert float(slopes[0]) == pytest.approx(
        by_differences(value, start, way), rel=1e-5
    )
    assert float(slopes[1]) != pytest.approx(float(slopes[0]), rel=1e-3)


@pytest.mark.slow
def test_a_fast_layer_on_the_surface_of_a_volume():
    block = tetra_block(24)
    flat = triangle_sheet(24)
    lookup = {tuple(p): i for i, p in enumerate(block.nodes)}
    bottom = [lookup[(x, y, 0.0)] for x, y, _ in flat.nodes]
    block.elements["triangle"] = np.array(bottom, np.int32)[flat.elements["triangle"]]
    space = prepare(block, kinds=("tetra", "triangle"))
    velocity = {
        "tetra": Velocities(ALONG, ACROSS, ACROSS),
        "triangle": Velocities.isotropic(2.0),
    }
    start = lookup[(0.0, 0.0, 0.0)]
    times = np.asarray(activation_times(space, velocity, [start]))
    corner = lookup[(LENGTH, LENGTH, 0.0)]
    # the diagonal is made of edges, so the way along it is exact
    assert times[corner] == pytest.approx(np.sqrt(2) * LENGTH / 2.0, rel=1e-12)
    top = lookup[(LENGTH, LENGTH, LENGTH / 2)]
    assert times[corner] < times[top] <= times[corner] + LENGTH / 2 / ACROSS + 1e-9


HERE = np.zeros((2, 3))
FULL = np.full(25 * 25 * 13, 0.3)  # one per voxel: the program of the other tests


@pytest.mark.parametrize(
    ("velocity", "sites", "onset", "said"),
    [
        ((FULL,) * 3, HERE - [2.0, 0, 0], np.zeros(2), "Site 0 is 1.75 mm outside"),
        ((0 * FULL,) * 3, HERE, np.zeros(2), "Site 0 .*not conduct"),
        ((0.6, -0.3, 0.3), HERE, 0.0, "finite and >= 0"),
        ((0.6, FULL[:7], 0.3), HERE, 0.0, "has 7 values; .* 8125 .voxels"),
        ((0.6, 0.3, 0.2), HERE, 0.0, "no sheets"),
        ((0.6, 0.0, 0.0), HERE, 0.0, "0 in some directions only"),
        ((FULL,) * 3, HERE[:0], 0.0, "no site"),
        ((FULL,) * 3, HERE[:, :2], 0.0, "positions"),
        ((FULL,) * 3, HERE + np.nan, 0.0, "finite"),
        ((FULL,) * 3, [10**6], 0.0, "Node numbers are 0 to 8124"),
        ((FULL,) * 3, HERE, np.zeros(3), "one onset"),
        ((FULL,) * 3, HERE, np.nan, "Onsets are times"),
    ],
)
def test_bad_input_is_described(velocity, sites, onset, said):
    with pytest.raises(ValueError, match=said):
        activation_times(voxel_block(24), Velocities(*velocity), sites, onset)


def test_bad_geometry_is_described():
    block = voxel_block(24)
    velocity = Velocities(0.6, 0.3, 0.3)
    block.fibres = 2.0 * block.fibres
    with pytest.raises(ValueError, match="not unit vectors"):
        prepare(block)
    block.fibres = None
    with pytest.raises(ValueError, match="no fibres"):
        activation_times(block, velocity, HERE)
    mesh = tetra_block(24)
    mesh.sheets = mesh.fibres
    with pytest.raises(ValueError, match="right angles"):
        prepare(mesh)
    with pytest.raises(ValueError, match="wanted was line"):
        prepare(tetra_block(24), kinds=("line",))
    with pytest.raises(ValueError, match="given for line"):
        activation_times(tetra_block(24), {"line": velocity}, HERE)
    with pytest.raises(ValueError, match="needs? a Mesh or Voxels"):
        prepare(np.zeros(3))


@pytest.mark.parametrize(
    "kind", ["voxels", pytest.param("tetra", marks=pytest.mark.slow)]
)
def test_each_direction_is_as_fast_as_it_is_told(kind):
    """Fibres along x, sheets along y: a way along an axis takes its velocity."""
    told = {"fibre": 0.65, "sheet": 0.4, "normal": 0.2}  # mm/ms
    block = voxel_block(8) if kind == "voxels" else tetra_block(8)
    if kind == "voxels":
        block.sheets = np.tile([0.0, 1.0, 0.0], (len(block.index), 1))
    else:
        count = len(block.elements["tetra"])
        block.sheets = {"tetra": np.tile([0.0, 1.0, 0.0], (count, 1))}
    found = run(block, Velocities(**{k: jnp.asarray(v) for k, v in told.items()}), SITE)
    for axis, (which, length) in enumerate(zip(told, (9.0, 9.0, 3.0), strict=True)):
        end = SITE + length * np.eye(3)[axis]
        (k,) = np.flatnonzero(np.abs(block.nodes - end).max(axis=1) < 1e-9)
        # a straight way along an axis of the grid is exact
        assert found[k] == pytest.approx(length / told[which], rel=1e-3)
