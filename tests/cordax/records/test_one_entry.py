"""An entry of the catalogue alone makes a measurement known everywhere."""

from dataclasses import replace
from types import SimpleNamespace

import equinox as eqx
import numpy as np
import pytest

from calibration.observations.kinds import KINDS
from calibration.observations.numbers import Observation
from calibration.problems.circulation import Experiment
from cordax.records import examine
from cordax.records.keys import UNITS, default_suffix, split_key
from cordax.records.template import template
from cordax.reports.from_twin import observation_rows
from cordax.reports.healthy_ranges import published
from cordax.reports.html import named, unit, words
from cordax.twins import prepare
from physio.hemodynamics.loops.states import named_state

GOOD = """\
[patient]
id = "a"
height_cm = 175
weight_kg = 75

[measurements]
heart_rate_bpm = 70
systolic_pressure_mmhg = 120
diastolic_pressure_mmhg = 75
"""
RV = """\
rv_end_diastolic_volume_ml = 160
rv_end_systolic_volume_ml = 72
rv_ejection_fraction_percent = 55
"""


def checked(folder, typed, text=GOOD):
    path = folder / "a.toml"
    path.write_text(text + typed)
    return examine.problems(path)


def line_of(kind):
    """The template's line of a kind, its # removed."""
    start = f"{kind}_{default_suffix(KINDS[kind].unit)} "
    (line,) = [
        line.removeprefix("# ")
        for line in template("a.toml").splitlines()
        if line.removeprefix("# ").startswith(start)
    ]
    return line


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_known_at_every_door(tmp_path, kind):
    about = KINDS[kind]
    line = line_of(kind)
    key, number = line.split("#")[0].split("=")
    parsed, suffix, is_sd = split_key(key.strip(), KINDS)
    assert (parsed, is_sd) == (kind, False)
    assert float(number) * UNITS[about.unit][suffix] == pytest.approx(about.example)
    rest = "\n".join(
        row for row in GOOD.splitlines() if not row.startswith(key.strip())
    )
    typed = f"\n{line}\n"
    assert [p for p in checked(tmp_path, typed, rest) if p.level == "error"] == []
    found = next(
        m for m in examine.read(tmp_path / "a.toml").measurements if m.kind == kind
    )
    assert found.unit == about.unit and found.sd > 0.0
    far = f"\n{key} = {1000.0 * about.example:g}\n"
    (error,) = [p for p in checked(tmp_path, far, rest) if p.key == key.strip()]
    assert error.level == "error" and about.meaning in error.message
    for word in about.aliases:
        (told,) = checked(tmp_path, f"{word}_{suffix} = 1\n")
        assert key.strip() in told.fix
    assert words(kind) == words(about.index or kind) == about.title
    assert unit(about.unit) in named(kind, about.unit)
    if about.healthy:
        men, source = published(kind, "male")
        assert men == about.healthy.men and source == about.healthy.source


def test_right_ventricular_volumes_are_fitted_once(tmp_path):
    assert checked(tmp_path, RV) == []
    record = examine.read(tmp_path / "a.toml")
    (check,) = record.checks()
    assert check.kind == "rv_ejection_fraction"
    assert "rv_end_diastolic_volume and rv_end_systolic_volume" in check.why
    start = prepare.start(record)
    start.experiment.check(start.model, start.observations)
    fitted = {o.kind for o in start.observations if o.role == "likelihood"}
    assert fitted >= {"rv_end_diastolic_volume", "rv_end_systolic_volume"}
    assert all(float(o.discrepancy_sd) > 0.0 for o in start.observations)
    typed = RV + 'rv_ejection_fraction_role = "likelihood"\n'
    assert checked(tmp_path, typed) == []
    (check,) = examine.read(tmp_path / "a.toml").checks()
    assert check.kind == "rv_end_systolic_volume"
    all_three = typed + "".join(
        f'rv_end_{time}_volume_role = "likelihood"\n'
        for time in ("diastolic", "systolic")
    )
    (warning,) = checked(tmp_path, all_three)
    assert warning.level == "warning" and "cannot be fitted" in warning.message
    (swapped,) = checked(tmp_path, RV.replace("72", "172"))
    assert "not below rv_end_diastolic_volume" in swapped.message


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (
            RV.replace("= 55", "= 22").replace(
                "rv_ej",
                "rv_end_diastolic_volume_method"
                ' = "mri"\nrv_ejection_fraction_method = "mri"\nrv_ej',
            ),
            "rv_end_diastolic_volume 160 mL and rv_end_systolic_volume 72 mL give 55 %",
        ),
        (
            "pulmonary_mean_pressure_mmhg = 40\nwedge_pressure_mmhg = 10\n"
            "transpulmonary_gradient_mmhg = 12\n",
            "pulmonary_mean_pressure 40 mmHg and wedge_pressure 10 mmHg give 30 mmHg",
        ),
        (
            "pulmonary_mean_pressure_mmhg = 40\nwedge_pressure_mmhg = 10\n"
            "cardiac_output_l_min = 5\npulmonary_resistance_dyn_s_cm5 = 40\n",
            "cardiac_output 5 L/min give 6 WU",
        ),
    ],
)
def test_a_number_that_its_relation_denies_is_a_warning(tmp_path, typed, told):
    (warning,) = checked(tmp_path, typed)
    assert warning.level == "warning" and told in warning.message
    assert "but" in warning.message


def test_numbers_within_their_errors_are_no_contradiction(tmp_path):
    assert checked(tmp_path, RV.replace("= 55", "= 45")) == []
    assert checked(tmp_path, "pulse_pressure_mmhg = 60\n") == []


def test_a_resistance_is_never_fitted(tmp_path):
    typed = 'systemic_resistance_wu = 17\nsystemic_resistance_role = "likelihood"\n'
    (warning,) = checked(tmp_path, typed)
    assert "cannot be fitted: follows from pressures and output" in warning.message
    record = examine.read(tmp_path / "a.toml")
    assert [m.kind for m in record.checks()] == ["systemic_resistance"]
    assert prepare.start(record).observations


def test_what_is_not_compared_is_said(tmp_path):
    assert checked(tmp_path, "aortic_valve_area_cm2 = 0.8\n") == []
    found = prepare.start(examine.read(tmp_path / "a.toml"))
    assert any(
        "aortic_valve_area is not compared" in line for line in found.assumptions
    )


@pytest.fixture
def invented(monkeypatch):
    """A kind that no other file has heard of: an index of the beat by another name."""
    entry = replace(
        KINDS["rv_end_diastolic_volume"],
        meaning="right atrial volume by a new machine",
        index="ra_maximum_volume",
        relation=None,
        below=(),
        example=90.0,
        aliases=("rav",),
        title="Right atrium",
        sd=0.2,
        by_method={},
    )
    monkeypatch.setitem(KINDS, "right_atrium", entry)
    return entry


def test_one_entry_is_enough(tmp_path, invented):
    assert "right atrial volume by a new machine" in line_of("right_atrium")
    assert checked(tmp_path, "right_atrium_l = 0.09\n") == []
    (told,) = checked(tmp_path, "rav_ml = 90\n")
    assert "right_atrium_ml" in told.fix
    (error,) = checked(tmp_path, "right_atrium_ml = 90000\n")
    assert "by a new machine" in error.message
    checked(tmp_path, "right_atrium_ml = 90\n")
    start = prepare.start(examine.read(tmp_path / "a.toml"))
    (seen,) = [o for o in start.observations if o.kind == "right_atrium"]
    assert (float(seen.value), seen.unit, seen.role) == (90.0, "mL", "likelihood")
    assert float(seen.sd) == pytest.approx(18.0)
    assert float(seen.discrepancy_sd) == pytest.approx(0.06 * 90.0)
    (row,) = _rows(start, seen, predicted=100.0)
    assert (row.name, row.unit, row.role) == ("right_atrium", "mL", "likelihood")
    assert row.residual == pytest.approx(-10.0 / np.hypot(18.0, 5.4))
    assert words(row.name) == words("ra_maximum_volume") == "Right atrium"


def _rows(start, seen, predicted):
    """The report's rows of one observation, for a twin that predicts a number."""
    rest = SimpleNamespace(values=(np.full(5, predicted),))
    start = SimpleNamespace(observations=(seen,))
    return observation_rows(SimpleNamespace(start=start, rest=rest))


def test_the_model_is_read_at_the_entrys_index(invented):
    """The beat's own right atrium, under the entry's name: traced, not run."""
    seen = (Observation("right_atrium", 90.0, 18.0, "mL"),)
    model = named_state("healthy_man", reflex=False)
    there = Experiment(features=lambda beat, _: {"ra_maximum_volume": beat.t[0]})
    there.check(model, seen)
    predicted = eqx.filter_eval_shape(there.predict, model, seen)
    assert set(predicted.features) == {"ra_maximum_volume"}
    assert predicted.values[0].shape == ()
    away = Experiment(features=lambda beat, _: {"right_atrium": beat.t[0]})
    with pytest.raises(ValueError, match="'ra_maximum_volume' is not among"):
        away.check(model, seen)
