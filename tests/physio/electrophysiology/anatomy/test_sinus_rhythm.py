"""Root points and the fast layer: where they lie on a biventricle, what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from physio.electrophysiology.anatomy.fibres import rule_fibres
from physio.electrophysiology.anatomy.shapes import Biventricle
from physio.electrophysiology.anatomy.sinus_rhythm import (
    DEPTH,
    ROOTS,
    Root,
    fast_layer,
    place_roots,
    sinus,
)
from physio.electrophysiology.anatomy.ventricle_surfaces import carried_surfaces
from physio.electrophysiology.anatomy.ventricles import LV, RV, SEPTUM

BIV = Biventricle()  # long axis along z, right ventricle towards x: the front is +y


@pytest.fixture(scope="module")
def heart():
    geometry = BIV.as_mesh(3.0)
    surfaces = carried_surfaces(geometry)
    return geometry, surfaces, rule_fibres(geometry, surfaces=surfaces)


def test_roots_lie_where_their_names_say(heart):
    geometry, surfaces, rule = heart
    found, onset = place_roots(geometry, surfaces, rule)
    at = dict(zip([r.name for r in ROOTS], geometry.nodes[found], strict=True))
    assert at["left posterior"][1] < -5.0 < 5.0 < at["left anterior"][1]
    middle = geometry.nodes[surfaces.lv_endo > 0].mean(axis=0)
    assert at["left septal"][0] > middle[0] + 5.0
    # the right septum faces the left one, the moderator band's end is beyond it
    assert at["right moderator band"][0] > at["left septal"][0] + 8.0
    assert np.abs(rule.apicobasal[found] - [r.height for r in ROOTS]).max() < 0.06
    assert (surfaces.lv_endo[found[:3]] > 0).all()
    assert surfaces.rv_endo is not None and (surfaces.rv_endo[found[3:]] > 0).all()
    assert onset.tolist() == [r.onset for r in ROOTS]


def test_ways_around_are_shares_of_the_wall(heart):
    """Half-way along the free wall is lateral; from end to end the order is kept."""
    geometry, surfaces, rule = heart
    shares = np.linspace(0.05, 0.95, 7)
    free = [Root("", False, 0.6, 2 / 3 * s, 0.0) for s in shares]
    septal = [Root("", False, 0.6, 2 / 3 + s / 3, 0.0) for s in shares]
    found, _ = place_roots(geometry, surfaces, rule, (*free, *septal))
    x, y, _ = geometry.nodes[found].T
    outside, inside = np.arctan2(y[:7], -x[:7]), np.arctan2(y[7:], x[7:])
    # forward along the free wall, and back again through the septum
    assert (np.diff(outside) > 0.2).all() and (np.diff(inside) < -0.05).all()
    assert np.abs(y[[3, 10]]).max() < 3.0  # an edge: the heart is symmetric about y = 0
    assert x[3] < x[10] - 30.0  # the cavity is 40 mm wide


def test_a_mirrored_heart_has_its_front_elsewhere(heart):
    """The check of the front can fail: seen in a mirror it is on the other side."""
    geometry, surfaces, rule = heart
    mirrored = replace(geometry, nodes=geometry.nodes * [-1.0, 1.0, 1.0])
    found, _ = place_roots(mirrored, surfaces, rule)
    at = dict(zip([r.name for r in ROOTS], mirrored.nodes[found], strict=True))
    assert at["left anterior"][1] < -5.0 < 5.0 < at["left posterior"][1]


def test_the_fast_layer_is_as_deep_as_told(heart):
    geometry, surfaces, _ = heart
    on = (surfaces.lv_endo > 0) | (surfaces.rv_endo > 0)
    assert (fast_layer(geometry.nodes, surfaces, 1e-3) == on).all()
    deep = fast_layer(geometry.nodes, surfaces, 4.0)
    some = geometry.nodes[deep][::20]
    away = np.linalg.norm(some[:, None] - geometry.nodes[on][None], axis=2).min(axis=1)
    assert away.max() <= 4.0 and deep.sum() > 1.2 * on.sum()


def test_a_sinus_beat_starts_about_its_roots(heart):
    geometry, _, rule = heart
    beat = sinus(geometry)
    assert set(beat.onset[beat.sites]) == {0.0, 5.0, 12.0}
    assert beat.fast[beat.sites].all()
    assert (beat.velocity(0.65)[beat.fast] == 1.5).all()
    assert (beat.velocity(0.65)[~beat.fast] == 0.65).all()
    walls = set(np.unique(beat.rule.wall))
    assert walls == {LV, RV, SEPTUM} and DEPTH == 1.0
    assert np.allclose(beat.rule.apicobasal, rule.apicobasal)


def test_what_is_refused(heart):
    geometry, surfaces, rule = heart
    with pytest.raises(ValueError, match="need two ventricles"):
        place_roots(geometry, replace(surfaces, rv_endo=None), rule)
    high = Root("too high", True, 1.6, 0.4, 0.0)
    with pytest.raises(ValueError, match="too high root at 1.6 .* no endocardium"):
        place_roots(geometry, surfaces, rule, (high,))
