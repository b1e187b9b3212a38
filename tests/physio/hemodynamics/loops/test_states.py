"""Every named state lies inside its published ranges."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from physio import settle
from physio.hemodynamics.indices.beat import UNITS, summarize
from physio.hemodynamics.loops.state_values import VALUES
from physio.hemodynamics.loops.states import named_state
from physio.periodic import periodic_beat

RANGES = sorted((Path(__file__).parents[3] / "reference/states").glob("*.toml"))
NAMES = [path.stem for path in RANGES]


def published(name):
    """The reference file of a state."""
    return tomllib.loads(next(p for p in RANGES if p.stem == name).read_text())


def outside(name, circulation):
    """What of a circulation lies outside the published ranges of a state."""
    data = published(name)
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


#: where a range's numbers come from: read in the source; one end read there; recalled,
#: not read again; cited, with nothing noted of reading it again
ORIGINS = {"read", "part", "recalled", "cited"}


def test_every_state_has_published_ranges():
    assert set(VALUES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_range_says_whether_its_numbers_were_read(name):
    for row in published(name)["range"]:
        assert row["origin"] in ORIGINS and row["source"], row["index"]
        note = row.get("note", "")
        if "recalled" in note and "numbers read" not in note:
            assert row["origin"] in {"recalled", "part"}, row["index"]
        if "UNSURE" in note:
            assert row["origin"] in {"recalled", "part"}, row["index"]


@pytest.mark.parametrize("name", NAMES)
def test_state_lies_inside_its_published_ranges(name, record_property):
    found, count = outside(name, named_state(name)), len(published(name)["range"])
    record_property("outside", len(found))
    record_property("lines" if name.startswith("healthy") else "ranges", count)
    origins = [row["origin"] for row in published(name)["range"]]
    record_property("recalled", origins.count("recalled") + origins.count("part"))
    assert found == {}


def test_the_test_can_fail():
    assert outside("hfref", named_state("healthy_man"))


def test_an_unknown_state_lists_those_there_are():
    with pytest.raises(KeyError, match="healthy_man"):
        named_state("healthy")


@pytest.fixture(scope="module")
def healthy():
    """The healthy man's beat and its indices."""
    periodic = settle(named_state("healthy_man"))
    beat = periodic_beat(periodic)
    return beat, summarize(beat, periodic.system, body_surface_area=1.95)


def test_every_index_has_a_unit_and_a_finite_value(healthy, record_property):
    found = healthy[1]
    assert set(found) <= set(UNITS)
    assert not [name for name, value in found.items() if not np.isfinite(value)]
    # those of the breath come from many beats: test_ventilation.py
    breath = {"pulse_pressure_variation", "stroke_volume_variation"}
    assert set(UNITS) - set(found) == breath
    record_property("indices", len(found))


def test_indices_mean_what_they_are_called(healthy):
    beat, found = healthy
    f = {name: float(value) for name, value in found.items()}
    stroke = f["lv_end_diastolic_volume"] - f["lv_end_systolic_volume"]
    assert f["lv_stroke_volume"] == pytest.approx(stroke)
    share = 100.0 * stroke / f["lv_end_diastolic_volume"]
    assert f["lv_ejection_fraction"] == pytest.approx(share)
    output = f["stroke_volume"] * f["heart_rate"] / 1000.0  # L/min
    assert f["cardiac_output"] == pytest.approx(output)
    assert f["cardiac_index"] == pytest.approx(output / 1.95)
    drop = f["mean_pressure"] - f["central_venous_pressure"]
    assert f["systemic_resistance"] == pytest.approx(drop / output)  # Wood units
    ratio = f["arterial_elastance"] / f["end_systolic_elastance"]
    assert f["ea_ees_ratio"] == pytest.approx(ratio)
    share = 100.0 * f["stroke_work"] / f["pressure_volume_area"]
    assert f["work_efficiency"] == pytest.approx(share)


def test_the_loop_is_closed_and_its_area_is_the_stroke_work(healthy):
    beat, found = healthy
    volume = np.asarray(beat.observed.volume["left_ventricle"])
    pressure = np.asarray(beat.observed.pressure["left_ventricle"])
    assert volume[-1] == pytest.approx(volume[0], abs=1e-6)
    assert pressure[-1] == pytest.approx(pressure[0], abs=1e-6)
    area = -np.trapezoid(pressure, volume)
    assert area == pytest.approx(float(found["stroke_work"]), rel=1e-9)
