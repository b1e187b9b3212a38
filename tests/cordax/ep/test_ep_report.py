"""The pictures and the page of `cordax ep`: surfaces, pixels, nothing from outside."""

import base64
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from cordax.ep import electrocardiogram, report, view
from cordax.ep.heart import Heart
from cordax.ep.run import Outcome
from cordax.ep.settings import Settings, again, stored
from cordax.ep.surface import coarser, surface
from cordax.reports.figures import surface as plot_ep3d
from physio.electrophysiology.anatomy.shapes import LeftVentricle, Sheet, Slab


def heart_of(geometry) -> Heart:
    regions = np.zeros(len(geometry.nodes), np.int32)
    return Heart(geometry, regions, {})


SOLID = LeftVentricle().as_voxels(3.0)
VOXELS = heart_of(SOLID)


def outcome(activation) -> Outcome:
    figures = {
        "nodes": 4, "spacing_mm": 1.0, "total_activation_time_ms": 12.0,
        "activated_percent": 100.0, "apd_ms": [270.0, 280.0, 290.0],
        "beats_per_node": 1, "dt_ms": 0.1, "scheme": "SecondOrder", "seconds": 3.0,
        "velocity": {"wanted_m_per_s": [0.6, 0.3, 0.2]},
    }  # fmt: skip
    told = Settings(heart="left_ventricle", stimulate=((1.0, 2.0, 3.0),))
    return Outcome(told, VOXELS, figures, ("A <warning>.",), activation)


def enclosed(found) -> float:
    a, b, c = (found.points[found.triangles[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)


def edges_used_once(found) -> int:
    pairs = np.sort(found.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    _, count = np.unique(pairs, axis=0, return_counts=True)
    return int((count == 1).sum())


def test_the_surface_of_voxels_is_closed_and_faces_outwards():
    found = surface(VOXELS)
    assert edges_used_once(found) == 0
    # smoothing takes off corners: less than a tenth of the wall's volume
    assert enclosed(found) == pytest.approx(SOLID.volume, rel=0.1)
    # the sibling that fails: without one triangle it is open
    assert edges_used_once(replace(found, triangles=found.triangles[1:])) == 3


def test_values_reach_the_surface():
    for geometry in (VOXELS.geometry, Slab().as_mesh(2.0), Sheet().as_mesh(10.0)):
        heart = heart_of(geometry)
        found = surface(heart)
        np.testing.assert_allclose(found.at(np.ones(len(heart.nodes))), 1.0, rtol=1e-9)
        height = found.at(heart.nodes[:, 0])
        # the middle of a voxel is half a spacing inside its surface, corners more
        assert np.abs(height - found.points[:, 0]).max() < 3.0
        half = np.where(heart.nodes[:, 0] > 5.0, np.nan, 1.0)
        shown = found.at(half)
        assert np.isnan(shown[found.points[:, 0] > 9.0]).all()
        assert shown[found.points[:, 0] < 1.0] == pytest.approx(1.0)


def test_a_large_surface_is_made_coarser():
    whole = surface(VOXELS)
    small = coarser(whole, 500)
    assert len(small.points) <= 500 < len(whole.points)
    assert enclosed(small) == pytest.approx(enclosed(whole), rel=0.25)
    np.testing.assert_allclose(small.at(np.ones(len(VOXELS.nodes))), 1.0, rtol=1e-9)
    assert coarser(whole, 10**6) is whole


def ball():
    """A sphere of radius 10 mm as a latitude-longitude grid of triangles."""
    polar, around = np.meshgrid(
        np.linspace(0.01, np.pi - 0.01, 40),
        np.linspace(0, 2 * np.pi, 80),
        indexing="ij",
    )
    points = 10.0 * np.stack(
        [np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)],
        axis=-1,
    ).reshape(-1, 3)
    corner = (np.arange(39)[:, None] * 80 + np.arange(79)[None]).ravel()
    quads = np.stack([corner, corner + 80, corner + 81, corner + 1], axis=1)
    return points, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def test_pixels_show_the_side_that_faces_the_viewer():
    points, triangles = ball()
    front, behind = plot_ep3d.views(points)
    seen = plot_ep3d.draw(points, triangles, front, 101)
    across = seen.at(points[:, 0])
    depth = seen.at(points[:, 1])
    assert np.nanmax(depth) <= 0.3  # from -y: the rim is at 0, a triangle is 0.8 mm
    at = (np.arange(101) + 0.5 - 50.5) / seen.scale
    shown = np.isfinite(across[50])
    # linear values are exact at a pixel's middle; the grid's facets cost 1e-2 mm
    np.testing.assert_allclose(across[50][shown], at[shown], atol=0.02)
    assert np.isnan(across[0, 0])
    other = plot_ep3d.draw(points, triangles, behind, 101)
    assert np.nanmin(other.at(points[:, 1])) >= -0.3
    # the sibling that fails: nearer and farther exchanged
    wrong = plot_ep3d.View("", front.right, front.up, -front.near)
    assert np.nanmax(plot_ep3d.draw(points, triangles, wrong, 101).at(points[:, 1])) > 5


def test_a_flat_sheet_is_seen_from_above_only():
    sides = plot_ep3d.views(Sheet().as_mesh(10.0).nodes)
    assert [side.name for side in sides] == ["from above"]
    np.testing.assert_array_equal(sides[0].near, [0.0, 0.0, 1.0])


def test_isochrones_lie_at_round_numbers():
    np.testing.assert_allclose(
        plot_ep3d.levels(np.array([3.0, np.nan, 97.0])), np.arange(0.0, 101.0, 10.0)
    )
    assert plot_ep3d.levels(np.array([5.0])).size == 2
    with pytest.raises(ValueError, match="Nothing was activated"):
        plot_ep3d.levels(np.array([np.nan]))


def test_maps_and_films_are_drawn(tmp_path):
    from matplotlib.image import imread

    points, triangles = ball()
    times = np.where(points[:, 2] > 8.0, np.nan, points[:, 2] + 10.0)
    path = plot_ep3d.activation_views(points, triangles, times, tmp_path / "a.png")
    image = imread(path)[..., :3]
    spread = np.ptp(image, axis=2)
    assert (spread > 0.3).mean() > 0.15  # colours fill much of it
    t = np.arange(4.0)
    film = plot_ep3d.film(
        points, triangles, t, lambda k: points[:, 2] * k, tmp_path / "f.gif", dpi=40
    )
    content = film.read_bytes()
    assert content[:6] == b"GIF89a"
    assert content.count(b"\x21\xf9\x04") == 4  # one control block a frame
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "f.gif"}


def outside(page: str) -> list[str]:
    """What a page would ask a network for."""
    asked = re.findall(r"""(?:src|href)\s*=\s*["']?(?!data:|#)([^"'\s>]+)""", page)
    return asked + re.findall(r"""(?:https?:)?//[a-z0-9-]+\.[a-z]{2,}[^\s"'<]*""", page)


def test_the_page_asks_the_network_for_nothing():
    activation = VOXELS.nodes[:, 2] - VOXELS.nodes[:, 2].min()
    about = {"versions": {"cordax": "1"}, "created": "now", "command": "cordax ep run"}
    shown = view.html(surface(VOXELS), activation)
    page = report.html(outcome(activation), {"activation.png": b"x"}, shown, about)
    assert outside(page) == []
    # the sibling that fails
    assert outside(page + '<script src="https://unpkg.com/vtk.js"></script>')
    assert "A &lt;warning&gt;." in page
    assert "All of the tissue was activated within 12.0 ms." in page
    assert "0.60 / 0.30 / 0.20 m/s" in page and "cordax ep run --again" in page


def test_the_view_holds_the_surface():
    activation = np.where(VOXELS.nodes[:, 2] > 10.0, np.nan, VOXELS.nodes[:, 2] + 60.0)
    found = surface(VOXELS)
    page = view.html(found, activation)
    (held,) = re.findall(r'id="heart-data">(.*?)</script>', page, re.S)
    data = json.loads(held)

    def array(name: str, kind: str) -> np.ndarray:
        return np.frombuffer(base64.b64decode(data[name]), kind)

    points = array("points", "<i2").reshape(-1, 3) / 32767 * data["radius"]
    size = np.ptp(found.points, axis=0)
    # positions have 16 bits of the radius
    np.testing.assert_allclose(np.ptp(points, axis=0), size, atol=1e-3 * size.max())
    triangles = array("triangles", "<u2").reshape(-1, 3)
    assert triangles.max() < len(points) == len(array("times", "<f4"))
    never = array("times", "<f4") < -1e8
    assert 0.05 < never.mean() < 0.5
    assert len(data["colours"]) == len(data["levels"]) - 1 <= 64
    with pytest.raises(ValueError, match="Nothing was activated"):
        view.html(found, np.full(len(VOXELS.nodes), np.nan))


def test_nothing_activated_is_said_in_words():
    found = outcome(np.zeros(1))
    found.figures["activated_percent"] = 0.0
    assert report.verdict(found) == "Nothing was activated."


def test_settings_survive_their_file(tmp_path):
    told = Settings(
        heart="slab", velocity=(0.6,), ablate=((1.0, 2.0, 3.0, 4.0),), s2=(300.0,)
    )
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"schema": 1, "settings": stored(told)}))
    assert again(path) == told
    path.write_text(json.dumps({"schema": 1, "settings": {"hearth": "slab"}}))
    with pytest.raises(ValueError, match="unknown settings: hearth"):
        again(path)
    path.write_text("{")
    with pytest.raises(ValueError, match=r"Name OUT/run\.json"):
        again(path)


def test_an_ecg_is_measured_from_the_rest_before_it():
    t = np.arange(1.0, 600.0)
    wave = np.exp(-(((t - 50) / 12) ** 2)) + 0.3 * np.exp(-(((t - 320) / 30) ** 2))
    share = np.linspace(0.5, 1.5, 12)
    found, why = electrocardiogram.measures(t, wave[:, None] * share[None])
    assert why == ""
    # a Gaussian of width 12 ms stands out of 6 % of its slope for about 60 ms
    assert 45.0 < found["qrs_duration_ms"] < 80.0
    assert 300.0 < found["qt_ms"] < 400.0
    found, why = electrocardiogram.measures(t, np.zeros((t.size, 12)))
    assert found == {} and "flat" in why


def test_every_measure_of_the_ecg_stands_under_its_own_name():
    found = outcome(np.zeros(1))
    found.figures["ecg"] = {"qrs_duration_ms": 93.0, "qt_ms": 381.0, "axis_deg": 52.0}
    told = dict(report.rows(found))
    assert told["QRS duration"] == "93.0 ms"
    assert told["QT"] == "381 ms"
    assert told["Frontal QRS axis"] == "52.0 degrees"
    card = re.search(r"<b>QRS duration</b>(.*?)</div>", report._cards(found))
    assert card and card[1].startswith('<span class="big">93.0<small>ms')
