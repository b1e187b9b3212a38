"""Phase, singularities, filaments, tips and frequency of made-up rotations."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from physio.electrophysiology.signals import phase as ph
from physio.electrophysiology.signals import rotors

TURN = 2.0 * np.pi


def icosphere(splits):
    """A sphere of radius 1 of triangles seen from outside."""
    g = 0.5 * (1 + 5**0.5)
    nodes = [
        (-1, g, 0), (1, g, 0), (-1, -g, 0), (1, -g, 0), (0, -1, g), (0, 1, g),
        (0, -1, -g), (0, 1, -g), (g, 0, -1), (g, 0, 1), (-g, 0, -1), (-g, 0, 1),
    ]  # fmt: skip
    nodes = [np.array(n) / np.linalg.norm(n) for n in nodes]
    triangles = [
        (0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11), (1, 5, 9),
        (5, 11, 4), (11, 10, 2), (10, 7, 6), (7, 1, 8), (3, 9, 4), (3, 4, 2),
        (3, 2, 6), (3, 6, 8), (3, 8, 9), (4, 9, 5), (2, 4, 11), (6, 2, 10),
        (8, 6, 7), (9, 8, 1),
    ]  # fmt: skip
    for _ in range(splits):
        middle = {}

        def between(a, b, middle=middle):
            key = (min(a, b), max(a, b))
            if key not in middle:
                middle[key] = len(nodes)
                point = nodes[a] + nodes[b]
                nodes.append(point / np.linalg.norm(point))
            return middle[key]

        triangles = [
            piece
            for a, b, c in triangles
            for ab, bc, ca in [(between(a, b), between(b, c), between(c, a))]
            for piece in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
        ]
    return np.array(nodes), np.array(triangles, dtype=np.int32)


def tetra_box(n, spacing):
    """A box of n^3 nodes, each cube cut into six positively oriented tetrahedra."""
    grid = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1).reshape(-1, 3)
    number = np.arange(n**3).reshape(n, n, n)
    corner = number[:-1, :-1, :-1].ravel()
    steps = {(1, 0, 0): n * n, (0, 1, 0): n, (0, 0, 1): 1}
    tetra = []
    for a in steps:
        for b in steps:
            for c in steps:
                if len({a, b, c}) < 3:
                    continue
                path = np.cumsum([0, steps[a], steps[b], steps[c]])
                if np.linalg.det([a, b, c]) < 0:
                    path = path[[0, 2, 1, 3]]
                tetra.append(corner[:, None] + path)
    return spacing * grid, np.concatenate(tetra).astype(np.int32)


def test_total_winding_on_a_closed_surface_is_zero():
    nodes, triangles = icosphere(3)
    rng = np.random.default_rng(0)
    # two spirals of the phase of (x - y z) + i (y + x z), and noise in every node
    for noise in (0.0, 3.0):
        phase = np.arctan2(nodes[:, 1], nodes[:, 0]) + noise * rng.normal(
            size=len(nodes)
        )
        charge = np.asarray(rotors.charges(phase, triangles))
        assert charge.any() and charge.sum() == 0
    assert np.abs(charge).sum() > 50
    # broken: one charged triangle seen from inside
    flipped = triangles.copy()
    which = np.flatnonzero(charge)[0]
    flipped[which] = flipped[which][::-1]
    assert int(rotors.charges(phase, flipped).sum()) == -2 * charge[which]


def test_the_poles_of_a_sphere_are_found_within_an_edge():
    nodes, triangles = icosphere(3)
    # turned, so that no node lies at a pole
    axis, aside, third = np.linalg.qr(np.array([[1, 2, 3], [0, 1, 1], [2, 0, 1.0]]))[
        0
    ].T
    axis = np.cross(aside, third)
    phase = np.arctan2(nodes @ third, nodes @ aside)
    found = rotors.singularities(phase, triangles, nodes)
    order = np.argsort(found.position @ axis)
    edge = np.linalg.norm(nodes[triangles[:, 0]] - nodes[triangles[:, 1]], axis=1).max()
    ends = np.array([-axis, axis])
    assert np.linalg.norm(found.position[order] - ends, axis=1).max() < edge
    np.testing.assert_array_equal(found.charge[order], [-1, 1])


@pytest.mark.parametrize("turning", [1, -1])
def test_a_spiral_on_a_grid_has_its_place_and_chirality(turning):
    nx, ny, centre = 30, 20, np.array([12.3, 8.7])
    x, y = np.meshgrid(np.arange(nx), np.arange(ny), indexing="ij")
    nodes = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], axis=1).astype(float)
    away = nodes[:, :2] - centre
    radius, angle = np.hypot(*away.T), np.arctan2(away[:, 1], away[:, 0])
    # the front angle = turning * t + ..., an Archimedean spiral of 12 mm pitch
    phase = turning * angle * -1.0 - TURN * radius / 12.0
    found = rotors.singularities(phase, rotors.grid_loops((nx, ny)), nodes)
    assert len(found.charge) == 1
    # a front that turns counter-clockwise is one whose phase falls counter-clockwise
    assert found.charge[0] == -turning
    # linear interpolation of exp(i phase): a fraction of the 1 mm edge
    assert np.linalg.norm(found.position[0, :2] - centre) < 0.35
    assert found.position[0, 2] == 0.0


def test_unknown_phases_and_whole_turns_make_no_singularity():
    loops = rotors.grid_loops((3, 3))
    assert loops.shape == (4, 4)
    phase = np.linspace(0.0, 1.0, 9)
    assert not rotors.charges(phase + TURN * np.arange(9), loops).any()
    phase[4] = np.nan
    assert not rotors.charges(phase, loops).any()
    none = rotors.singularities(phase, loops, np.zeros((9, 3)))
    assert none.position.shape == (0, 3)
    np.testing.assert_allclose(ph.wrap(np.array([np.pi, -np.pi])), [np.pi, -np.pi])


def test_hilbert_phase_of_a_sine_and_its_edges():
    t = np.arange(1000.0)
    v = np.stack([-40 + 30 * np.cos(TURN * t / 100.0 + 0.3), 0 * t - 80.0], axis=1)
    found = ph.hilbert_phase(v)
    expected = ph.wrap(TURN * t / 100.0 + 0.3)
    # ten whole periods: the transform is exact
    assert np.abs(ph.wrap(found.phase[:, 0] - expected)).max() < 1e-9
    assert np.isnan(found.phase[:, 1]).all() and not found.sound[:, 1].any()
    uneven = ph.hilbert_phase(v[:953])
    error = np.abs(ph.wrap(uneven.phase[:, 0] - expected[:953]))
    sound = np.asarray(uneven.sound[:, 0])
    assert sound.sum() == pytest.approx(953 - 200, abs=30)
    # a cut period leaks: small inside, large at the ends, which are flagged
    assert error[sound].max() < 0.15 < error[~sound].max()


def test_delay_phase_turns_once_a_cycle_in_the_sense_of_the_hilbert_phase():
    t = np.arange(400.0)
    v = np.stack([-20 + 50 * np.cos(TURN * t / 80.0), 0 * t - 80.0], axis=1)
    phase = ph.delay_phase(v, 20)
    assert phase.shape == (380, 2) and np.isnan(phase[:, 1]).all()
    # a quarter period of delay makes a circle
    np.testing.assert_allclose(
        ph.wrap(phase[:, 0] - ph.hilbert_phase(v).phase[20:, 0]), 0.0, atol=1e-6
    )
    with pytest.raises(ValueError, match="between 1 and 399 samples"):
        ph.delay_phase(v, 400)


def straight_and_ring(nodes):
    """Phases with a straight filament at x 4.2, y 4.6, and with a ring of radius 3."""
    x, y, z = nodes.T
    straight = np.arctan2(y - 4.6, x - 4.2) + 0.3 * z
    ring = np.arctan2(z - 4.4, np.hypot(x - 4.5, y - 4.55) - 3.0)
    return straight, ring


@pytest.mark.parametrize("kind", ["voxels", "tetrahedra"])
def test_filaments_in_a_volume(kind):
    n = 10
    if kind == "voxels":
        nodes = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1)
        index = nodes.reshape(-1, 3).astype(np.int32)
        nodes, faces = index.astype(float), rotors.voxel_faces(index)
        assert len(faces.cells) == (n - 1) ** 3
        assert len(faces.loops) == 3 * n * (n - 1) ** 2
    else:
        nodes, tetra = tetra_box(n, 1.0)
        faces = rotors.tetra_faces(tetra)
        assert len(faces.cells) == 6 * (n - 1) ** 3
        nodes = nodes.astype(float)
    straight, ring = (
        rotors.filaments(p, faces, nodes) for p in straight_and_ring(nodes)
    )
    assert straight.closed == (False,)
    points = straight.points[straight.lines[0]]
    # from surface to surface, in order, within half an edge of the axis
    assert set(points[[0, -1], 2]) == {0.0, 9.0}
    assert (np.diff(points[:, 2]) * np.sign(points[-1, 2] - points[0, 2]) > -0.5).all()
    assert np.abs(points[:, :2] - [4.2, 4.6]).max() < 0.5
    assert straight.length[0] == pytest.approx(9.0, rel=0.15)  # zigzags between faces
    assert ring.closed == (True,)
    away = np.hypot(*(ring.points[:, :2] - [4.5, 4.55]).T)
    assert (
        np.abs(away - 3.0).max() < 0.6 and np.abs(ring.points[:, 2] - 4.4).max() < 0.6
    )
    assert ring.length[0] == pytest.approx(TURN * 3.0, rel=0.2)


def test_as_much_enters_a_cell_as_leaves_it():
    nodes, tetra = tetra_box(5, 1.0)
    faces = rotors.tetra_faces(tetra)
    phase = TURN * np.random.default_rng(1).random(len(nodes))
    flux = np.asarray(rotors.charges(phase, faces.loops))[faces.cells] * faces.outward
    assert np.abs(flux).sum() > 100 and not flux.sum(axis=1).any()
    # broken: one face counted the wrong way round
    wrong = dataclasses.replace(faces, outward=faces.outward * [1, 1, 1, -1])
    flux = np.asarray(rotors.charges(phase, wrong.loops))[wrong.cells] * wrong.outward
    assert flux.sum(axis=1).any()


def test_tips_are_followed_through_a_gap_and_apart_from_each_other():
    t = np.arange(40.0)
    circle = 5.0 + 2.0 * np.stack([np.cos(t / 5), np.sin(t / 5), 0 * t], axis=1)
    frames = []
    for k in range(40):
        rows = [(circle[k], 1)]
        if k >= 10:
            rows.append((circle[k] + [0.4, 0.0, 0.0], -1))  # beside it, other charge
        if k == 20:
            rows = rows[1:]  # missed once
        where = np.array([place for place, _ in rows])
        sign = np.array([charge for _, charge in rows])
        frames.append(rotors.Singularities(where, sign, np.arange(len(rows))))
    tips = rotors.track(t, frames, reach=1.0, gap=1)
    assert [tip.charge for tip in tips] == [1, -1]
    assert [tip.lifetime for tip in tips] == [39.0, 29.0]
    assert len(tips[0].t) == 39
    assert tips[0].path_length == pytest.approx(39 * 0.4, rel=5e-3)  # chords
    assert tips[0].meander == pytest.approx(2.0, rel=0.05)
    assert len(rotors.track(t, frames, reach=1.0, gap=0)) == 3  # broken by the gap
    assert len(rotors.track(t, frames, reach=0.1)) > 39
    with pytest.raises(ValueError, match="5 times, 40 frames"):
        rotors.track(t[:5], frames, reach=1.0)


def test_dominant_frequency_between_bins_and_regularity():
    t = np.arange(0.0, 4000.0, 5.0)
    rng = np.random.default_rng(2)
    noisy = np.sin(TURN * 6.37e-3 * t) + 3.0 * rng.normal(size=t.size)
    v = np.stack([np.sin(TURN * 6.37e-3 * t), noisy, 0 * t], axis=1)
    found = ph.dominant_frequency(t, v, band=(3.0, 15.0))
    # bins are 0.25 Hz apart; the parabola errs by up to 5 % of a bin on a Hann peak
    assert float(found.frequency[0]) == pytest.approx(6.37, abs=0.0125)
    assert float(found.frequency[1]) == pytest.approx(6.37, abs=0.125)
    assert found.regularity[0] > 0.99 > 0.7 > found.regularity[1]
    assert np.isnan(found.frequency[2]) and np.isnan(found.regularity[2])
    with pytest.raises(ValueError, match="evenly spaced"):
        ph.dominant_frequency(np.sqrt(t + 1.0), v)
    with pytest.raises(ValueError, match="holds 0 frequencies of a record of 3995 ms"):
        ph.dominant_frequency(t, v, band=(3.05, 3.15))


def test_phases_keep_single_precision_and_can_be_vmapped():
    v = jnp.asarray(np.random.default_rng(3).normal(size=(2, 64, 9)), jnp.float32)
    loops = rotors.grid_loops((3, 3))
    charge = jax.vmap(lambda x: rotors.charges(ph.delay_phase(x, 3), loops))(v)
    assert charge.shape == (2, 61, 4) and charge.dtype == jnp.int32
    assert ph.hilbert_phase(v[0]).phase.dtype == jnp.float32
    assert ph.delay_phase(v[0], 3).dtype == jnp.float32
    assert ph.hilbert_phase(v[0].astype(jnp.float16)).phase.dtype == jnp.float32
