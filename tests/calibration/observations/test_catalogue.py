"""The catalogue of measurements is whole: each entry, and what its relations say."""

from itertools import combinations

import numpy as np
import pytest

from calibration.observations import kinds
from calibration.observations.entry import METHODS, SITES, UNITS
from calibration.observations.independence import independent
from calibration.observations.kinds import KINDS
from calibration.observations.numbers import Observation
from calibration.observations.relations import expected, implied, leaves, reason, value
from physio import settle
from physio.hemodynamics.indices import beat
from physio.hemodynamics.loops.states import named_state
from physio.periodic import periodic_beat

AREA = 1.9  # m^2


@pytest.fixture(scope="module")
def indices():
    """What is read of a healthy and of a stenotic beat, by kind."""

    def read(name):
        model = named_state(name)
        periodic = settle(model)
        found = beat.summarize(
            periodic_beat(periodic), periodic.system, body_surface_area=AREA
        )
        of_kind = {kind: float(found[a.index]) for kind, a in KINDS.items() if a.index}
        known = {"heart_rate": float(found["heart_rate"]), "body_surface_area": AREA}
        return of_kind | known

    return {name: read(name) for name in ("healthy_man", "aortic_stenosis")}


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_is_whole(kind):
    about = KINDS[kind]
    assert about.unit in UNITS and about.meaning and about.title
    low, high = about.usual
    assert about.low <= low < high <= about.high
    assert about.low <= about.example <= about.high and low <= about.example <= high
    assert about.sd > 0.0 and set(about.by_method) <= set(METHODS)
    assert all(sd > 0.0 for sd in about.by_method.values())
    assert about.discrepancy.sd(about.example) > 0.0 or about.discrepancy.none_because
    assert not (about.discrepancy.sd(1.0) and about.discrepancy.none_because)
    if about.site_sd is not None:
        assert set(about.site_sd) == set(SITES) - {"", "aortic"}
    assert set(about.below) <= set(KINDS)
    assert all(about.example < KINDS[k].example for k in about.below)
    if about.healthy:
        assert about.healthy.source
        for ends in (about.healthy.men, about.healthy.women):
            assert ends[0] < ends[1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_an_index_of_the_beat_or_says_why_not(kind, indices):
    about = KINDS[kind]
    if about.index is None:
        assert about.without_index
        return
    assert about.without_index is None
    assert beat.UNITS[about.index] == about.unit
    found = indices["healthy_man"][kind]
    assert about.low <= found <= about.high


def test_names_are_unique():
    words = [word for about in KINDS.values() for word in about.aliases]
    assert len(words) == len(set(words))
    assert not set(words) & set(KINDS)
    titles = [about.title for about in KINDS.values()]
    assert len(titles) == len(set(titles))
    read = [about.index for about in KINDS.values() if about.index]
    assert len(read) == len(set(read))
    places = [about.card for about in KINDS.values() if about.card is not None]
    assert sorted(places) == list(range(1, len(places) + 1))
    assert len(kinds.cards()) == len(places)


RELATED = [kind for kind, about in KINDS.items() if about.relation]


#: A rule of thumb is one of stenosed valves.
AT = [
    (kind, state)
    for kind in RELATED
    for state in ("healthy_man", "aortic_stenosis")
    if not (KINDS[kind].relation.within and state == "healthy_man")
]


@pytest.mark.parametrize(("kind", "state"), AT)
def test_a_relation_is_true_of_a_beat(kind, state, indices):
    relation = KINDS[kind].relation
    seen = indices[state]
    assert set(relation.of) <= {*KINDS, "body_surface_area"}
    expected = relation.formula(*(seen[one] for one in relation.of))
    # identities hold to rounding of a sum over the beat; a rule of thumb as it says
    assert seen[kind] == pytest.approx(expected, rel=relation.within or 1e-6)


@pytest.mark.parametrize("kind", RELATED)
def test_a_relation_is_true_of_the_examples(kind):
    at = {k: about.example for k, about in KINDS.items()} | {"body_surface_area": AREA}
    relation = KINDS[kind].relation
    # examples are rounded; a healthy valve has no jet to which its rules apply
    within = relation.within and 2.0 * relation.within or 0.05
    assert at[kind] == pytest.approx(
        relation.formula(*(at[one] for one in relation.of)), rel=within
    )


@pytest.mark.parametrize("kind", RELATED)
def test_what_a_relation_ties_counts_once(kind):
    """All of a relation's members together: one of them says nothing new."""
    members = [kind, *(k for k in KINDS[kind].relation.of if k in KINDS)]
    if KINDS[kind].derived or "heart_rate" in members:
        return  # never fitted; the rate is known: see the pairs
    found = implied([(member, "") for member in members])
    assert len(found) == 1
    rest = [member for member in members if (member, "") not in found]
    assert implied([(member, "") for member in rest]) == {}


def test_flows_are_one_measurement():
    flows = ("cardiac_output", "cardiac_index", "stroke_volume", "stroke_volume_index")
    for pair in combinations(flows, 2):
        assert implied([(kind, "") for kind in pair]) == {(pair[1], ""): (pair[0],)}
    assert implied([(k, "") for k in flows[:2]], first=["cardiac_index"]) == {
        ("cardiac_output", ""): ("cardiac_index",)
    }
    assert reason("stroke_volume", ("cardiac_output",)) == (
        "follows from cardiac_output at the heart rate"
    )


@pytest.mark.parametrize("side", ["lv", "rv"])
def test_two_of_edv_esv_and_ef_say_all(side):
    three = [f"{side}_{n}" for n in (
        "end_diastolic_volume", "end_systolic_volume", "ejection_fraction"
    )]  # fmt: skip
    for pair in combinations(three, 2):
        assert implied([(kind, "") for kind in pair]) == {}
    (found,) = implied([(kind, "") for kind in three]).items()
    assert found == ((three[2], ""), (three[0], three[1]))
    seen = [
        Observation(kind, KINDS[kind].example, 5.0, KINDS[kind].unit) for kind in three
    ]
    roles = [o.role for o in independent(tuple(seen))]
    assert roles == ["likelihood", "likelihood", "check"]


def test_a_pulse_pressure_follows_at_its_own_site_only():
    both = [("systolic_pressure", "radial"), ("diastolic_pressure", "radial")]
    assert list(implied([*both, ("pulse_pressure", "radial")])) == [
        ("pulse_pressure", "radial")
    ]
    assert implied([*both, ("pulse_pressure", "cuff")]) == {}
    assert implied([*both[:1], ("pulse_pressure", "radial")]) == {}
    assert implied([*both, ("mean_pressure", "radial")]) == {}  # not an identity


def test_a_heart_rate_is_known_and_implied_by_nothing():
    assert implied([("heart_rate", ""), ("cardiac_output", "")]) == {}


def test_values_follow_through_several_relations():
    at = {"cardiac_output": 5.0, "heart_rate": 50.0, "body_surface_area": 2.0}
    assert leaves("stroke_volume_index") == tuple(at)
    assert value("stroke_volume_index", at) == pytest.approx(50.0)
    assert np.isreal(value("stroke_volume_index", at))


def test_what_is_expected_has_the_error_of_what_it_follows_from():
    seen = {"rv_end_diastolic_volume": 200.0, "rv_end_systolic_volume": 100.0}
    sds = {"rv_end_diastolic_volume": 10.0, "rv_end_systolic_volume": 8.0}
    found, sd = expected("rv_ejection_fraction", seen, sds)
    # EF = 100 (1 - S / D): slopes 100 S / D^2 = 0.25 and -100 / D = -0.5 a mL
    assert (found, sd) == (pytest.approx(50.0), pytest.approx(np.hypot(2.5, 4.0)))
    assert expected("rv_ejection_fraction", {}, {}) is None
    thumb = {"aortic_valve_mean_gradient": 40.0}
    assert expected("aortic_valve_peak_gradient", thumb, {}) is None


def test_left_out_of_its_relation_a_measurement_would_count_twice(monkeypatch):
    """That the rank is what notices: without the relation nothing is found."""
    from dataclasses import replace

    alone = replace(KINDS["rv_ejection_fraction"], relation=None)
    monkeypatch.setitem(KINDS, "rv_ejection_fraction", alone)
    names = ("end_diastolic_volume", "end_systolic_volume", "ejection_fraction")
    assert implied([(f"rv_{name}", "") for name in names]) == {}
