"""Pictures of electrophysiology: their scales, their words, and what they refuse."""

import re

import numpy as np
import pytest
from matplotlib.image import imread

from cordax.reports.figures import electrophysiology as plot_ep
from physio.electrophysiology.signals.ecg import LEADS
from physio.electrophysiology.signals.singularities import Tip

T = np.arange(0.0, 600.0, 2.0)
PX, DPI = 10, 254  # pixels a millimetre at this resolution


@pytest.fixture(scope="module")
def beat():
    """A spike of 1 mV at 200 ms in every lead."""
    spike = np.exp(-0.5 * ((T - 200.0) / 8.0) ** 2)
    return np.tile(spike[:, None], (1, 12))


def inked(path):
    """Which pixels are as dark as ink; grid lines are light."""
    return imread(path)[..., :3].max(axis=2) < 0.4


def test_the_ecg_page_is_true_to_scale(beat, tmp_path):
    path = plot_ep.ecg_page(T, beat, tmp_path / "ecg.png", cycle=800.0, dpi=DPI)
    dark = inked(path)
    height, width = dark.shape
    assert (width, height) == (2825, 1750)
    # the rhythm strip's pulse: 1 mV is 10 mm, 200 ms are 5 mm
    strip = dark[height - 10 * PX - 37 * PX : height - 10 * PX]
    pulse = strip[:, 10 * PX : 21 * PX]
    rows = np.flatnonzero(pulse.any(axis=1))
    assert np.ptp(rows) == pytest.approx(10 * PX, abs=4)  # a line is 3 pixels wide
    top = np.flatnonzero(pulse[rows[0] + 1])
    assert np.ptp(top) == pytest.approx(5 * PX, abs=4)
    # below the name: peaks 800 ms apart are 20 mm apart
    trace = strip[rows[0] : rows[0] + PX, 24 * PX :]
    columns = np.flatnonzero(trace.any(axis=0))
    peaks = columns[np.flatnonzero(np.diff(columns, prepend=-99) > 5 * PX)]
    assert len(peaks) == 12 or len(peaks) == 13
    np.testing.assert_allclose(np.diff(peaks), 20 * PX, atol=2)
    # broken: at half the gain the pulse is half as high
    half = inked(plot_ep.ecg_page(T, beat, tmp_path / "half.png", gain=5.0, dpi=DPI))[
        height - 47 * PX : height - 10 * PX, 10 * PX : 21 * PX
    ]
    assert np.ptp(np.flatnonzero(half.any(axis=1))) == pytest.approx(5 * PX, abs=4)


def test_the_ecg_page_names_its_leads_and_says_what_it_shows(beat, tmp_path):
    path = plot_ep.ecg_page(T, beat, tmp_path / "ecg.svg", cycle=800.0, title="Bed 3")
    words = re.findall(r">([^<>]+)</text>", path.read_text())
    assert sorted(w for w in words if w in LEADS) == sorted([*LEADS, "II"])
    assert "Bed 3" in words and any("25 mm/s" in w for w in words)
    assert any("repeated every 800 ms" in w for w in words)
    once = plot_ep.ecg_page(T, beat, tmp_path / "once.svg").read_text()
    assert "repeated" not in once
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ecg.svg", "once.svg"]


def test_a_long_record_runs_on_from_column_to_column():
    t = np.arange(0.0, 10000.0, 10.0)
    time, value = plot_ep._excerpt(t, t, 2500.0, 62.5, None)
    assert (value[0], value[-1]) == (2500.0, 5000.0)
    assert (time[0], time[-1]) == (0.0, 2500.0)


def test_an_ecg_page_refuses_what_it_cannot_show(beat, tmp_path):
    with pytest.raises(ValueError, match="pass cycle=598"):
        plot_ep.ecg_page(T, beat, tmp_path / "x.png", cycle=400.0)
    names = [*LEADS[:11], "V7"]
    with pytest.raises(ValueError, match=r"missing \['V6'\]"):
        plot_ep.ecg_page(T, beat, tmp_path / "x.png", names=names)
    assert not list(tmp_path.iterdir())


def test_curves_have_their_names(tmp_path):
    v = -85.0 + 100.0 * np.exp(-T / 200.0)
    path = plot_ep.action_potentials(T, {"one": v, "two": v + 5}, tmp_path / "ap.svg")
    assert {">one<", ">two<"} <= set(re.findall(r">\w+<", path.read_text()))
    interval = np.array([50.0, 200.0, 100.0])
    path = plot_ep.restitution(
        {"S1-S2": (interval, 200.0 + 0.2 * interval)}, tmp_path / "rest.svg"
    )
    assert "diastolic interval (ms)" in path.read_text()


def test_maps_of_grids_and_surfaces(tmp_path):
    x, y = np.meshgrid(np.arange(12.0), np.arange(8.0), indexing="ij")
    nodes = np.stack([x.ravel(), y.ravel(), np.zeros(96)], axis=1)
    times = 3.0 * nodes[:, 0]
    times[40] = np.nan
    path = plot_ep.activation_sheet(
        nodes, times, tmp_path / "map.png", shape=(12, 8), step=5.0
    )
    picture = imread(path)[..., :3]
    assert np.ptp(picture, axis=2).max() > 0.5  # it has colours
    tetrahedron = np.array([[0, 0, 0], [2, 0, 0], [0, 3, 0], [0, 0, 4.0]])
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    shut = plot_ep.activation_sheet(
        tetrahedron, np.arange(4.0), tmp_path / "s.png", triangles=faces, step=1.0
    )
    assert shut.stat().st_size > 1000
    with pytest.raises(ValueError, match="Nothing was activated"):
        plot_ep.activation_sheet(
            nodes, np.full(96, np.nan), tmp_path / "none.png", shape=(12, 8)
        )
    with pytest.raises(ValueError, match="either shape="):
        plot_ep.activation_sheet(nodes, times, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_tips_are_drawn(tmp_path):
    t = np.arange(20.0)
    where = np.stack([np.cos(t), np.sin(t), 0 * t], axis=1)
    path = plot_ep.tip_trajectories(
        [Tip(t, where, 1), Tip(t[:1], where[:1], -1)], tmp_path / "tip.svg"
    )
    assert "time (ms)" in path.read_text()
    with pytest.raises(ValueError, match="no tip to draw"):
        plot_ep.tip_trajectories([], tmp_path / "none.svg")
