"""Activation, recovery, restitution and velocity read off known waves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from physio.electrophysiology.signals import activation as act

T = np.arange(0.0, 1000.0, 1.0)


def trapezoids(starts, durations, rest=-85.0, peak=35.0, up=2.0, down=100.0):
    """A train of beats made of straight lines: exact crossings at any level."""
    times, values = [-1.0], [rest]
    for start, duration in zip(starts, durations, strict=True):
        times += [
            start,
            start + up,
            start + up + duration,
            start + up + duration + down,
        ]
        values += [rest, peak, peak, rest]
    return np.interp(T, times, values)


@pytest.fixture
def recording():
    """Three nodes: two beats, one beat, none."""
    two = trapezoids([50.0, 500.0], [180.0, 120.0])
    one = trapezoids([80.0], [180.0])
    return np.stack([two, one, np.full_like(T, -85.0)], axis=1)


def test_beats_of_straight_lines_are_read_exactly(recording):
    beats = act.action_potentials(T, recording, -25.0, percent=90.0)
    nan = np.nan
    # -25 mV is half-way up a rise of 2 ms; 90 % recovered is 90 of the 100 ms fall
    np.testing.assert_allclose(
        beats.activation, [[51.0, 81.0, nan], [501.0, nan, nan]], atol=1e-9
    )
    np.testing.assert_allclose(
        beats.repolarisation, [[322.0, 352.0, nan], [712.0, nan, nan]], atol=1e-9
    )
    np.testing.assert_allclose(beats.duration[:, 0], [271.0, 211.0], atol=1e-9)
    assert np.isnan(beats.diastolic_interval[0]).all()
    assert beats.diastolic_interval[1, 0] == pytest.approx(179.0)
    interval, duration = act.restitution_pairs(beats.activation, beats.repolarisation)
    np.testing.assert_allclose([interval, duration], [[179.0], [211.0]])


def test_never_activated_is_nan_not_the_first_time(recording):
    broken = T[np.argmax(recording > -25.0, axis=0)]
    assert broken[2] == 0.0
    assert np.isnan(act.activation_times(T, recording, -25.0)[:, 2]).all()


def test_a_level_in_millivolts_and_a_beat_cut_by_the_end(recording):
    activation = act.activation_times(T, recording, -25.0)
    recovered = act.repolarisation_times(T, recording, activation, level=-25.0)
    assert recovered[0, 0] == pytest.approx(282.0)
    short = act.action_potentials(T[:600], recording[:600], -25.0)
    assert np.isnan(short.repolarisation[1, 0]) and short.activation[1, 0] == 501.0


def test_the_number_of_beats_is_static_under_vmap(recording):
    stack = jnp.stack([recording, recording[:, ::-1]])
    times = jax.jit(jax.vmap(lambda v: act.activation_times(T, v, -25.0, n_beat=3)))(
        stack
    )
    assert times.shape == (2, 3, 3)
    np.testing.assert_allclose(times[1, :, ::-1], times[0])
    assert np.isnan(times[0, 2]).all()  # a third beat nowhere
    with pytest.raises(ValueError, match="n_beat="):
        jax.jit(lambda v: act.activation_times(T, v, -25.0))(recording)
    with pytest.raises(ValueError, match=r"got 1 times and V of shape \(1, 3\)"):
        act.activation_times(T[:1], recording[:1], -25.0)


def test_blanking_hides_chatter_at_the_threshold():
    chatter = trapezoids([50.0], [180.0])[:, None]
    chatter[54] = -60.0  # one sample below the level
    assert act.activation_times(T, chatter, -25.0).shape == (2, 1)
    assert act.activation_times(T, chatter, -25.0, blanking=20.0).shape == (1, 1)


def test_frames_in_half_precision_keep_the_time(recording):
    late = T + 1e5  # half precision ends at 65,504
    beats = act.action_potentials(late, recording.astype(np.float16), -25.0)
    # half precision steps by 1/16 mV here, on an upstroke of 60 mV/ms
    np.testing.assert_allclose(beats.activation[0, :2], [100051.0, 100081.0], atol=2e-3)
    assert beats.duration.dtype == np.float64
    lost = act.action_potentials(late.astype(np.float32), recording, -25.0)
    assert lost.activation.dtype == np.float32


def lattice(shape, spacing):
    """Nodes of a box and their six (four, two) neighbours."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1)
    index = index.reshape(-1, 3)
    number = np.arange(len(index)).reshape(shape)
    rows = []
    for axis in range(3):
        for step in (-1, 1):
            other = index.copy()
            other[:, axis] += step
            there = (other[:, axis] >= 0) & (other[:, axis] < shape[axis])
            safe = np.clip(other, 0, np.array(shape) - 1)
            rows.append(np.where(there, number[tuple(safe.T)], -1))
    return spacing * index.astype(float), np.array(rows, dtype=np.int32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_plane_wave_has_one_velocity_in_a_volume(dtype):
    nodes, neighbours = lattice((6, 5, 4), 0.5)
    normal = np.array([2.0, -1.0, 0.5])
    normal /= np.linalg.norm(normal)
    times = nodes @ normal / 0.6
    found = act.conduction_velocity(
        times.astype(dtype), nodes.astype(dtype), neighbours
    )
    assert found.vector.dtype == dtype and bool(found.sound.all())
    # a linear field is fitted exactly: what remains is round-off
    np.testing.assert_allclose(
        found.vector,
        np.tile(0.6 * normal, (len(nodes), 1)),
        atol=2e4 * np.finfo(dtype).eps,
    )
    np.testing.assert_allclose(found.speed, 0.6, rtol=1e5 * np.finfo(dtype).eps)


def test_on_a_surface_the_velocity_lies_in_the_tangent_plane():
    """A wave that slows as it winds round a cylinder of radius 4 mm, 1 mm apart."""
    angle, height = np.meshgrid(np.arange(25) * 0.25, np.arange(10.0), indexing="ij")
    nodes = np.stack([4 * np.cos(angle), 4 * np.sin(angle), height], -1).reshape(-1, 3)
    _, neighbours = lattice((25, 10, 1), 1.0)
    height, arc = height.ravel(), 4.0 * angle.ravel()
    times = 2.0 * height + 3.0 * arc + 0.2 * arc**2
    expected = 1.0 / np.sqrt(4.0 + (3.0 + 0.4 * arc) ** 2)
    outward = nodes * [1, 1, 0] / 4.0
    inner = (arc > 0.5) & (arc < 23.5)
    found = act.conduction_velocity(times, nodes, neighbours[:4], dimension=2)
    # in the tangent plane a step is sin(0.25) / 0.25 of its arc, 1.04 % shorter
    np.testing.assert_allclose(found.speed[inner], expected[inner], rtol=1.1e-2)
    off = np.abs(np.sum(np.asarray(found.vector) * outward, axis=1))[inner]
    assert off.max() < 1e-9
    # broken: as a volume, the curvature of the sheet becomes a gradient across it
    thick = act.conduction_velocity(times, nodes, neighbours[:4], dimension=3)
    assert np.abs(np.asarray(thick.speed) / expected - 1.0)[inner].max() > 0.02


def test_colliding_fronts_are_flagged_and_nothing_else():
    nodes, neighbours = lattice((21, 9, 1), 1.0)
    x = nodes[:, 0]
    times = np.minimum(x, 20.4 - x) / 0.5  # meet at x = 10.2
    found = act.conduction_velocity(times, nodes, neighbours, dimension=2)
    assert set(x[~np.asarray(found.sound)]) == {10.0}
    kept = np.asarray(found.speed)[np.asarray(found.sound)]
    assert kept.max() < 0.5 * 4 / 3 and kept.min() > 0.5 - 1e-9
    # broken: unflagged, the collision looks five times as fast
    assert float(found.speed.max()) > 2.0


def test_dead_tissue_and_single_nodes_are_not_sound():
    nodes, neighbours = lattice((7, 5, 1), 1.0)
    times = nodes[:, 0] / 0.5
    times[17] = np.nan
    found = act.conduction_velocity(times, nodes, neighbours, dimension=2)
    beside = set(neighbours[:, 17]) - {-1} | {17}
    assert set(np.flatnonzero(~np.asarray(found.sound))) == beside
    assert np.isnan(found.speed[17]) and np.isfinite(found.speed[16])
    cable, along = lattice((9, 1, 1), 0.2)
    single = act.conduction_velocity(cable[:, 0] / 0.7, cable, along, dimension=1)
    np.testing.assert_allclose(single.speed, 0.7)
    with pytest.raises(ValueError, match="dimension 1, 2 or 3; got 4"):
        act.conduction_velocity(times, nodes, neighbours, dimension=4)


def test_isochrones_and_total_time():
    times = np.array([3.0, 8.0, 12.9, 13.0, np.nan])
    np.testing.assert_array_equal(act.isochrones(times, 5.0), [0, 1, 1, 2, -1])
    np.testing.assert_array_equal(
        act.isochrones(times, 5.0, start=5.0), [-1, 0, 1, 1, -1]
    )
    assert float(act.total_activation_time(times)) == 10.0
    assert np.isnan(act.total_activation_time(np.full(3, np.nan)))
    with pytest.raises(ValueError, match="above 0 ms"):
        act.isochrones(times, 0.0)
