"""Electrodes, leads and measures on synthetic and real electrocardiograms."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from physio.electrophysiology.signals import ecg, ecg_measures, electrodes
from physio.electrophysiology.signals import electrograms as eg

T = np.arange(0.0, 700.0, 1.0)
LEFT, UP, FORWARD = np.eye(3)  # a torso's axes for the tests


def bump(start, length, size):
    """A raised cosine: exactly zero outside [start, start + length]."""
    inside = (start <= T) & (start + length >= T)
    return np.where(
        inside, 0.5 * size * (1 - np.cos(2 * np.pi * (T - start) / length)), 0
    )


def synthetic(duration, *, noise=0.0, seed=0):
    """Twelve leads of a dipole: P, a QRS of known duration from 200 ms, T to 560 ms."""
    rng = np.random.default_rng(seed)
    half = 0.5 * duration
    directions = np.array([[1.0, 0.6], [0.5, 0.9]])  # lead I and foot, per wave
    first = bump(200.0, 0.6 * duration, 1.0)
    second = bump(200.0 + 0.8 * half, duration - 0.8 * half, -0.5)
    wave = bump(380.0, 180.0, 0.3)
    p_wave = bump(60.0, 90.0, 0.12)
    x = first * directions[0, 0] + second * directions[1, 0] + wave + p_wave
    y = first * directions[0, 1] + second * directions[1, 1] + 0.7 * wave + p_wave
    limbs = np.stack([-0.5 * x - 0.3 * y, 0.5 * x - 0.3 * y, 0.6 * y], axis=1)
    chest = np.outer(first, [0.2, 0.4, 0.6, 1.0, 1.1, 0.9])
    chest += np.outer(second, [1.4, 1.6, 1.2, 0.6, 0.3, 0.1])
    chest += np.outer(wave, [0.2, 0.9, 1.2, 1.0, 0.8, 0.6])
    leads = np.asarray(ecg.twelve_leads(np.concatenate([limbs, chest], axis=1)))
    return leads + noise * rng.normal(size=leads.shape)


@pytest.mark.parametrize("duration", [80.0, 100.0, 140.0])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_known_qrs_is_found(duration, noise):
    found = ecg_measures.measure(T, synthetic(duration, noise=noise))
    # a raised cosine starts flat: 6 % of its steepest slope is reached within 2 ms of
    # 48-84, the smoothing of 8 ms widens by as much, noise of 10 uV moves it by 5
    tolerance = 4.0 if noise == 0.0 else 8.0
    assert found.qrs_onset == pytest.approx(200.0, abs=tolerance)
    assert found.qrs_offset == pytest.approx(200.0 + duration, abs=tolerance)
    assert found.qrs_duration == found.qrs_offset - found.qrs_onset
    # the tangent of a raised cosine meets the line at 1/2 + 1/pi of its half-length
    end = 380.0 + 180.0 * (0.75 + 0.5 / np.pi)
    assert found.t_end == pytest.approx(end, abs=2.0 + 800.0 * noise)
    assert found.qt == pytest.approx(found.t_end - found.qrs_onset)
    assert found.t_peak == pytest.approx(470.0, abs=2.0 + 1000.0 * noise)
    # the smoothing lowers a peak 48 ms wide by less than 1 %
    assert found.t["V3"] == pytest.approx(0.36, abs=0.004 + 2 * noise)
    assert found.r["V5"] > 0.9 and found.s["V2"] < -0.5
    assert found.q["V5"] == pytest.approx(0.0, abs=0.03)


def test_a_threshold_that_is_too_high_cuts_the_qrs():
    leads = synthetic(100.0)
    assert ecg_measures.measure(T, leads, fraction=0.5).qrs_duration < 85.0
    # without smoothing, noise of 40 uV leaves no calm beside the QRS
    rough = synthetic(100.0, noise=0.04)
    assert ecg_measures.measure(T, rough).qrs_duration == pytest.approx(100.0, abs=12.0)
    with pytest.raises(ValueError, match="runs into the record's"):
        ecg_measures.measure(T, rough, smoothing=0.0)


def test_the_axis_follows_the_dipole():
    shape = bump(200.0, 90.0, 1.0)
    for degrees in (-60.0, 0.0, 45.0, 120.0):
        x, y = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        # potentials of a dipole on Einthoven's equilateral triangle
        corners = np.array(
            [[-math.sqrt(3) / 2, -0.5], [math.sqrt(3) / 2, -0.5], [0, 1]]
        )
        potentials = np.zeros((T.size, 9))
        potentials[:, :3] = np.outer(shape, corners @ [x, y])
        found = ecg_measures.measure(T, np.asarray(ecg.twelve_leads(potentials)))
        assert found.axis == pytest.approx(degrees, abs=1e-6)
        assert math.isnan(found.t_peak) and math.isnan(found.qt)  # there is no T wave
        assert math.isnan(ecg_measures.measure(T, np.outer(shape, [1.0]), ["V1"]).axis)


def test_leads_obey_einthoven_goldberger_and_wilson():
    potentials = np.random.default_rng(0).normal(size=(7, 9))
    leads = dict(
        zip(ecg.LEADS, np.asarray(ecg.twelve_leads(potentials)).T, strict=True)
    )
    np.testing.assert_allclose(leads["I"] + leads["III"], leads["II"], atol=1e-14)
    np.testing.assert_allclose(
        leads["aVR"] + leads["aVL"] + leads["aVF"], 0.0, atol=1e-14
    )
    # the reference does not matter, where each row of the matrix adds up to zero
    shifted = ecg.twelve_leads(potentials + 5.0)
    np.testing.assert_allclose(shifted, ecg.twelve_leads(potentials), atol=1e-13)
    broken = ecg.lead_matrix()
    broken[6, 0] = 0.0
    assert np.abs((potentials + 5.0) @ broken.T - potentials @ broken.T).max() > 1.0
    assert ecg.twelve_leads(jnp.zeros((2, 9), jnp.float32)).dtype == jnp.float32


def half_ellipsoids():
    """Nodes of a left ventricle 90 mm long and of a right one beside it, turned."""
    u, w = np.meshgrid(np.linspace(0.05, 0.75, 40), np.linspace(0, 2 * np.pi, 60))
    u, w = np.pi * u.ravel(), w.ravel()
    left = np.stack(
        [28 * np.sin(u) * np.cos(w), 28 * np.sin(u) * np.sin(w), -55 * np.cos(u)],
        axis=1,
    )
    left += np.random.default_rng(0).uniform(-0.3, 0.3, left.shape)  # no two alike
    right = left[np.cos(w) < 0] * [1.6, 1.0, 0.9] - [10.0, 0.0, 0.0]
    turn = np.linalg.qr(np.array([[2.0, 1, 0], [0, 1, 1], [1, 0, 2]]))[0]
    turn *= np.sign(np.linalg.det(turn))
    return left, right, turn, np.array([40.0, -20.0, 300.0])


def test_electrodes_turn_with_the_heart_and_grow_with_it():
    left, right, turn, shift = half_ellipsoids()
    nodes = np.concatenate([left, right])
    is_left = np.arange(len(nodes)) < len(left)
    axes = electrodes.heart_axes(nodes, is_left, ~is_left)
    long = (axes.apex - axes.base) / np.linalg.norm(axes.apex - axes.base)
    assert long @ [0.0, 0.0, -1.0] > math.cos(math.radians(5.0))
    placed = electrodes.place_electrodes(axes)
    moved = electrodes.place_electrodes(
        electrodes.heart_axes(2.0 * nodes @ turn.T + shift, is_left, ~is_left)
    )
    assert tuple(placed) == electrodes.ELECTRODES
    for name in placed:
        # the same axes but for round-off
        expected = 2.0 * placed[name] @ turn.T + shift
        np.testing.assert_allclose(moved[name], expected, atol=1e-6)
    # anatomy: arms above legs, V1 nearer the right ventricle, V6 to its far side
    centre = nodes[is_left].mean(axis=0)
    aside = axes.right - centre
    assert (placed["V1"] - centre) @ aside > 0.0 > (placed["V6"] - centre) @ aside
    assert (placed["LL"] - centre) @ long > 0.0 > (placed["RA"] - centre) @ long
    order = electrodes.electrode_array(placed)
    np.testing.assert_array_equal(order[3], placed["V1"])
    with pytest.raises(KeyError, match=r"missing \['V6'\]"):
        electrodes.electrode_array({k: v for k, v in placed.items() if k != "V6"})
    with pytest.raises(ValueError, match="must not lie on one line"):
        electrodes.place_electrodes(
            electrodes.HeartAxes(axes.base, axes.apex, axes.base)
        )
    with pytest.raises(ValueError, match="mask of the right ventricle"):
        electrodes.heart_axes(nodes, is_left, is_left & ~is_left)


def test_an_eikonal_map_gives_an_ecg():
    """A slab 60 mm long activated from one end, seen from both."""
    x = np.arange(0.0, 60.5, 0.5)
    nodes = np.stack([x, 0 * x, 0 * x], axis=1)
    times = 20.0 + x / 0.6
    t = np.arange(0.0, 600.0, 1.0)
    voltage = ecg.template_voltage(t, times, 250.0)
    assert voltage.shape == (600, 121)
    # half-way up at T, half-way down at T + APD (exp(-250 / 20) from exact)
    at = np.interp(times[60], t, np.asarray(voltage[:, 60]))
    assert at == pytest.approx(-35.0, abs=0.2)
    at = np.interp(times[60] + 250.0, t, np.asarray(voltage[:, 60]))
    assert at == pytest.approx(-35.0, abs=0.2)
    dead = ecg.template_voltage(t, np.where(x > 30, np.nan, times), 250.0)
    assert (np.asarray(dead)[:, -1] == -85.0).all() and not np.isnan(dead).any()

    lines = np.stack([np.arange(120), np.arange(1, 121)], axis=1)
    tensor = np.tile(0.14 * np.eye(3), (120, 1, 1))
    ends = np.array([[-40.0, 0.0, 1.0], [100.0, 0.0, 1.0]])
    weights = eg.gradient_weights(ends, nodes, lines, tensor, 0.6)
    behind, ahead = np.asarray(eg.unipolar(weights, voltage)).T
    # the far electrode sees the wave come, the near one sees it go
    k = 70
    assert ahead[k] > 0.0 > behind[k]
    # equal durations: repolarisation follows the same way, with the other sign
    assert ahead[k + 250] < 0.0 < behind[k + 250]
    # apex last to be activated but first to recover: an upright T, as in healthy hearts
    short = ecg.template_voltage(t, times, 250.0 - 1.5 * (x / 0.6))
    upright = np.asarray(eg.unipolar(weights, short))[:, 1]
    assert upright[200:400].max() > 2.0 * abs(upright[200:400].min())


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match="evenly spaced"):
        ecg_measures.measure(T**1.1, synthetic(100.0))
    with pytest.raises(ValueError, match="no lead changes"):
        ecg_measures.measure(T, np.zeros((700, 12)))
    with pytest.raises(ValueError, match="runs into the record's start"):
        ecg_measures.measure(T[:-203], synthetic(100.0)[203:])
    with pytest.raises(ValueError, match="lead names do not fit"):
        ecg_measures.measure(T, synthetic(100.0), ["I", "II"])


def test_real_beats_of_healthy_hearts_and_left_bundle_branch_block(shared_data):
    """Fifty of each; registered to common landmarks, so that time is not a clock's."""
    stored = np.load(shared_data("ecg8_healthy_lbbb_GPL") / "ecg8.npz")
    names = ["V1", "V2", "V3", "V4", "V5", "V6", "I", "II"]
    t = np.arange(1024.0)
    found = {
        kind: [ecg_measures.measure(t, 1e-3 * beat.T, names) for beat in stored[kind]]
        for kind in ("healthy", "lbbb")
    }
    median = {
        kind: {
            "qrs": np.median([m.qrs_duration for m in all_of]),
            "onset": np.median([m.qrs_onset for m in all_of]),
            "axis": np.median([m.axis for m in all_of]),
            "s": np.median([m.s["V3"] for m in all_of]),
            "t": np.median([m.t["I"] for m in all_of]),
        }
        for kind, all_of in found.items()
    }
    healthy, block = median["healthy"], median["lbbb"]
    # registration leaves the order and what does not depend on the clock
    assert block["qrs"] > healthy["qrs"] + 8.0
    assert abs(block["onset"] - healthy["onset"]) < 15.0
    assert 0.0 < healthy["axis"] < 90.0 and block["axis"] < healthy["axis"]
    assert block["s"] < healthy["s"] < 0.0
    assert healthy["t"] > 0.0 > block["t"]  # discordant T in lead I


def test_a_real_recording_is_delineated_alike_in_every_beat(shared_data):
    """PTB s0010_re: 12 leads at 1 kHz, infarction, QRS broad to the eye (125 ms)."""
    folder = shared_data("physionet_samples")
    record = np.fromfile(folder / "s0010_re.dat", "<i2").reshape(-1, 12) / 2000.0
    speed = np.linalg.norm(np.diff(record, axis=0), axis=1)
    speed = np.convolve(speed, np.full(30, 1 / 30), mode="same")
    tops, at = [], 1000
    while at < len(record) - 1500:
        top = at + int(np.argmax(speed[at : at + 700]))
        tops.append(top)
        at = top + 400
    beats = [ecg_measures.measure(T, record[top - 250 : top + 450]) for top in tops]
    durations = np.array([m.qrs_duration for m in beats])
    assert len(beats) > 40
    # read off an enlarged plot of the twelve leads: 126 +- 5 ms
    assert np.median(durations) == pytest.approx(126.0, abs=6.0)
    assert durations.std() < 4.0
    assert np.std([m.qt for m in beats]) < 15.0


def test_electrodes_on_a_real_heart_lie_where_they_belong(shared_data):
    """Rodero 01 in the scanner's axes: x to the left, y backward, z upward."""
    folder = shared_data("rodero01_four_chamber")
    stored = np.load(folder / "rodero_01_fullheart_2.0mm.npz")
    nodes, tetra, part = (stored[k] for k in ("points_mm", "tets", "tet_volume_id"))
    left, right = np.zeros((2, len(nodes)), bool)
    left[tetra[(part == 1) | (part == 7)]] = True
    right[tetra[part == 2]] = True
    axes = electrodes.heart_axes(nodes, left, right)
    assert 85.0 < np.linalg.norm(axes.apex - axes.base) < 105.0
    at = {
        k: v - 0.5 * (axes.base + axes.apex)
        for k, v in electrodes.place_electrodes(axes).items()
    }
    # the torso is turned by the heart alone, and still stands upright
    assert at["LA"][0] > 100.0 and at["RA"][0] < -100.0
    assert min(at["LA"][2], at["RA"][2]) > 100.0 and at["LL"][2] < -150.0
    assert max(at[f"V{k}"][1] for k in range(1, 6)) < -20.0  # in front
    assert at["V1"][0] < at["V4"][0] < at["V5"][0] < at["V6"][0]
    # broken: right and left ventricle exchanged put the left arm on the right
    mirrored = electrodes.HeartAxes(axes.base, axes.apex, 2 * axes.base - axes.right)
    wrong = electrodes.place_electrodes(mirrored)
    assert wrong["LA"][0] < axes.base[0]
