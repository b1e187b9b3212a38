"""Every named state lies inside its published ranges."""

import tomllib
from pathlib import Path

import pytest

from physio import settle
from physio.hemodynamics.indices import UNITS, summarize
from physio.hemodynamics.state_values import VALUES
from physio.hemodynamics.states import named_state
from physio.simulate import periodic_beat

RANGES = sorted((Path(__file__).parents[1] / "reference/states").glob("*.toml"))
NAMES = [path.stem for path in RANGES]


def outside(name, circulation):
    """What of a circulation lies outside the published ranges of a state."""
    data = tomllib.loads(next(p for p in RANGES if p.stem == name).read_text())
    periodic = settle(circulation)
    assert bool(periodic.ok)
    area = data["body_surface_area_m2"]
    seen = summarize(periodic_beat(periodic), periodic.system, body_surface_area=area)
    seen["stressed_blood_volume"] = circulation.blood_volume - sum(
        part.unstressed_volume for part in circulation.compartments.values()
    )
    return {
        row["index"]: (float(seen[row["index"]]), row["low"], row["high"])
        for row in data["range"]
        if not row["low"] <= float(seen[row["index"]]) <= row["high"]
    }


def test_every_state_has_published_ranges():
    assert set(VALUES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_state_lies_inside_its_published_ranges(name):
    assert outside(name, named_state(name)) == {}


def test_the_test_can_fail():
    assert outside("hfref", named_state("healthy_man"))


def test_an_unknown_state_lists_those_there_are():
    with pytest.raises(KeyError, match="healthy_man"):
        named_state("healthy")


def test_every_index_has_a_unit():
    model = named_state("healthy_man")
    beat = periodic_beat(settle(model))
    assert set(summarize(beat, model, body_surface_area=1.9)) <= set(UNITS)
