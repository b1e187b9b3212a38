"""The prediction of the response to fluid: what it may see, and what it refuses."""

import json
import re
from dataclasses import replace
from functools import partial

import equinox as eqx
import numpy as np
import pytest
from scipy.stats import norm

from benchmarks import fluid_response_priors as derived
from cordax.bench import fluid_response as bench
from cordax.cli import run
from cordax.cli.app import BAD_INPUT, BAD_OPTIONS, DONE
from cordax.cohorts import fluid_challenge as fluid_twin
from cordax.cohorts import fluid_table

KEYS = {
    "n", "rmse", "rmse_no_change", "rmse_mean_change", "crps", "crps_mean_change",
    "coverage90",
}  # fmt: skip
BEFORE = ("SV", "SVI", "CI", "MAP", "PP", "CVP", "SVV")
# Invented patients: before (in the order above), then MAP, SV and CVP after
PATIENTS = {
    "a": ((70, 36, 2.5, 70, 52, 9, 9.0), (76, 74, 11)),
    "b": ((82, 41, 2.7, 78, 60, "NA", 5.0), (80, 83, "NA")),
    "c": ((58, 33, 2.2, 65, 45, 12, 12.0), (74, 60, 13)),
}


def table(patients=PATIENTS):
    header = ["id", *(f"{n}_pre_fluid_avg" for n in BEFORE)]
    header += [f"{n}_post_fluid_avg" for n in ("MAP", "SV", "CVP")]
    rows = [[name, *before, *after] for name, (before, after) in patients.items()]
    return "\n".join(",".join(map(str, row)) for row in [header, *rows]) + "\n"


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "fluid.csv"
        path.write_text(text)
        return path

    return write


@pytest.fixture(scope="module")
def patients(tmp_path_factory):
    path = tmp_path_factory.mktemp("fluid") / "fluid.csv"
    path.write_text(table())
    return fluid_table.read(path)


@pytest.fixture(scope="module")
def fits(patients):
    return bench.calibrate(patients, bench.frozen_priors())


@pytest.mark.slow
def test_calibration_meets_what_was_measured(patients, fits):
    # the line where the patient has no CVP is fitted as well, without it
    for patient, found in zip(patients, fits, strict=True):
        pressure = float(found.features["mean_pressure"])
        stroke = float(found.features["stroke_volume"])
        # two standard deviations of each, as the likelihood has them
        assert pressure == pytest.approx(patient.before["MAP"], abs=3.5)
        assert stroke == pytest.approx(patient.before["SV"], rel=0.11)


def changes(fits, bolus):
    priors = bench.frozen_priors()
    return bench.changes(fits, bolus, priors, seed=1, draws=4)


@pytest.mark.slow
def test_no_fluid_changes_nothing(fits, record_property):
    none = changes(fits, 0.0)
    for change in none.values():
        largest = float(np.abs(change).max())
        record_property("change", largest)
        # the tolerance of the search for the periodic beat is 1e-8
        assert largest < 1e-6


@pytest.mark.slow
def test_fluid_raises_pressure_stroke_and_filling(fits):
    some = changes(fits, 250.0)
    for name, change in some.items():
        assert (change.mean(axis=1) > 0.1).all(), name
    # the least variation with the breath: a flat heart, the least from the fluid; the
    # other two vary more, one of them at a high venous pressure
    gained = some["sv"].mean(axis=1) / [70.0, 82.0, 58.0]
    assert gained[1] < 0.9 * min(gained[0], gained[2])


def test_discrepancies_have_mean_zero():
    change = np.array([[1.0, 3.0], [-2.0, 0.0]])
    noisy = bench._with_discrepancy(change, 5.0)
    np.testing.assert_allclose(noisy.mean(axis=1), change.mean(axis=1), atol=1e-12)
    assert noisy.std(axis=1).min() > 4.5


@pytest.fixture
def quick(monkeypatch, fits):
    """The fits and draws above in the place of new ones: nothing is computed twice.

    What the fits are *given* is compared instead: values before the fluid alone.
    """
    given = []

    def calibrate(patients, priors, progress):
        seen = [o for p in patients for o in fluid_twin.observations(p, priors)]
        rest = [(p.id, p.heart_rate, p.body_surface) for p in patients]
        given.append((rest, [(o.kind, float(o.value), float(o.sd)) for o in seen]))
        return fits

    made, compared = bench.changes, bench.scoring.paired_difference
    monkeypatch.setattr(
        bench.scoring, "paired_difference", partial(compared, resamples=50)
    )
    monkeypatch.setattr(bench, "calibrate", calibrate)
    monkeypatch.setattr(bench, "changes", lambda *a, **k: made(*a, **{**k, "draws": 4}))
    return given


def difference(first, second):
    """The largest difference of any prediction; what is None must be None in both."""
    most = 0.0
    for a, b in zip(first["patients"], second["patients"], strict=True):
        for name in ("map", "sv", "cvp"):
            for key in ("change", "predicted", "lower", "upper"):
                one, other = a[name][key], b[name][key]
                assert (one is None) == (other is None)
                if one is not None:
                    most = max(most, abs(one - other))
    return most


def measured_after(after):
    """The patients with other values after the fluid."""
    return {
        name: (before, values)
        for (name, (before, _)), values in zip(PATIENTS.items(), after, strict=True)
    }


@pytest.mark.slow
def test_columns_after_the_fluid_change_no_prediction(file, record_property):
    """Nothing is replaced: every table is calibrated and given its fluid anew."""

    def foreseen(patients):
        read = fluid_table.read(file(table(patients)))
        return bench.predict(read, seed=1, draws=4).predictive

    after = [values for _, values in PATIENTS.values()]
    first = foreseen(PATIENTS)
    for others in (after[1:] + after[:1], [("", "NA", "")] * 3):
        for name, values in foreseen(measured_after(others)).items():
            most = float(np.abs(values - first[name]).max())
            record_property("difference", most)
            assert most == 0.0, name
    # what was measured before the fluid does change it
    (pressures, rest), *_ = PATIENTS.values()
    moved = PATIENTS | {
        "a": ((*pressures[:3], pressures[3] + 3.0, *pressures[4:]), rest)
    }
    assert np.abs(foreseen(moved)["map"][0] - first["map"][0]).max() > 0.01


@pytest.mark.slow
def test_columns_after_the_fluid_only_score(file, quick):
    found = bench.details(file(table()))
    after = [values for _, values in PATIENTS.values()]
    mixed = bench.details(file(table(measured_after(after[1:] + after[:1]))))
    blanked = bench.details(file(table(measured_after([("", "NA", "")] * 3))))
    for other in (mixed, blanked):
        assert difference(found, other) == 0.0
    assert quick[0] == quick[1] == quick[2]
    assert mixed["scores"]["map"]["rmse"] != found["scores"]["map"]["rmse"]
    assert blanked["scores"]["map"] == {"n": 0}
    # a prediction that did change would be seen
    blanked["patients"][0]["map"]["change"] += 1e-12
    assert difference(found, blanked) > 0.0


def test_of_the_three_flows_one_enters_the_likelihood(patients):
    priors = bench.frozen_priors()
    for patient in patients:
        seen = {o.kind for o in fluid_twin.observations(patient, priors)}
        flows = ("stroke_volume", "stroke_volume_index", "cardiac_output")
        assert seen.intersection((*flows, "cardiac_index")) == {"stroke_volume"}


def test_a_patient_left_out_does_not_tune_what_foretells_him():
    """The tuning that the frozen priors came from, on an invented table of changes."""
    rng = np.random.default_rng(0)
    size, n = len(derived.TUNED), 8
    seen = rng.normal(5.0, 3.0, (len(derived.WEIGHT), n))
    shape = (len(derived.WEIGHT), n)
    slope = rng.normal(0.0, 0.5, (size, *shape))
    made = (seen.mean(1, keepdims=True) + np.zeros(shape), slope, 0.0 * slope,
            np.ones(shape))  # fmt: skip
    mean, sd, _ = derived.left_out(made, seen, np.zeros(size))
    changed = seen.copy()
    changed[:, 0] += 40.0
    again, spread, _ = derived.left_out(made, changed, np.zeros(size))
    np.testing.assert_array_equal(again[:, 0], mean[:, 0])
    np.testing.assert_array_equal(spread[:, 0], sd[:, 0])
    assert np.abs(again[:, 1:] - mean[:, 1:]).max() > 0.1  # the others do learn of it


@pytest.mark.slow
def test_keys_of_the_json_are_exact(file, quick, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # outside the checkout
    assert run(["bench", "fluid-response", str(file(table())), "--json"]) == DONE
    found = json.loads(capsys.readouterr().out)
    assert found.pop("table") == {"rows": 3, "left_out": 0, "reasons": []}
    assert set(found) == {"map", "sv", "cvp"}
    assert all(set(score) == KEYS for score in found.values())
    assert [found[q]["n"] for q in ("map", "sv", "cvp")] == [3, 3, 2]
    assert all(0.0 <= score["coverage90"] <= 1.0 for score in found.values())
    changed = np.array([6.0, 2.0, 9.0])
    assert found["map"]["rmse_no_change"] == pytest.approx(np.sqrt((changed**2).mean()))


@pytest.mark.slow
def test_the_mean_change_compared_with_is_frozen(file, quick):
    training = bench.frozen_priors()["training"]["mean_change_map"]
    error = training - np.array([6.0, 2.0, 9.0])
    found = bench.run(file(table()))["map"]["rmse_mean_change"]
    assert found == pytest.approx(np.sqrt((error**2).mean()))


@pytest.mark.slow
def test_the_table_says_what_was_assumed(file, quick, capsys):
    assert run(["bench", "fluid-response", str(file(table())), "--bolus", "300"]) == 0
    said = capsys.readouterr().out
    assert "Bolus 300 mL" in said
    assert "MAP, mmHg" in said


BAD = {
    "a column is missing": (lambda t: t.replace("CVP_pre", "XVP_pre"), "CVP_pre"),
    "text": (lambda t: t.replace("70,36", "seventy,36"), "'seventy' is not a number"),
    "not a number": (lambda t: t.replace("70,36", "inf,36"), "line 2, column SV_pre"),
    "kPa": (lambda t: t.replace(",78,60", ",10.4,60"), "line 3, column MAP_pre"),
    "mL/min": (lambda t: t.replace("36,2.5", "36,2500"), "L/min/m2"),
    "no such body": (lambda t: t.replace("70,36", "70,100"), "give 0.7 m2"),
    "no such heart rate": (lambda t: t.replace("36,2.5", "36,10"), "277.8 /min"),
    "a cell too many": (lambda t: t.replace("76,74,11", "76,74,11,4"), "line 2"),
    "an id twice": (lambda t: t.replace("\nc,", "\na,"), "already on line 2"),
    "a cell too few": (lambda t: t.replace("76,74,11", "76,74"), "line 2"),
    "nobody": (lambda t: t.splitlines()[0] + "\n", "no row is left"),
    "nobody whole": (lambda t: re.sub(r",2\.\d,", ",NA,", t), "no patient has SV"),
    "nothing": (lambda t: "", "has no line"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_refused(file, what):
    spoil, told = BAD[what]
    with pytest.raises(ValueError, match="fluid.csv") as error:
        fluid_table.read(file(spoil(table())))
    assert told in str(error.value)


def spoilt():
    """The invented patients, and what exports leave in such tables."""
    lines = table().splitlines()
    missing = ",70,36,2.5,,52,9,9.0,76,74,11"
    return "\n".join(
        [*lines, "d" + missing, missing, ",,,,,,,,,,", "e,-,36,2.5,70,52,9,9,76,74,11"]
    )


def test_rows_with_holes_are_left_out_with_their_reason(file):
    patients, left_out = fluid_table.cohort(file(spoilt()))
    assert [p.id for p in patients] == ["a", "b", "c"]
    assert left_out.plain() == {
        "rows": 6,
        "left_out": 3,
        "reasons": [
            {"why": "id is missing", "where": [6]},
            {"why": "MAP_pre_fluid_avg is missing", "where": [5]},
            {"why": "SV_pre_fluid_avg is missing", "where": [8]},
        ],
    }
    (said,) = left_out.words()
    assert said.startswith("Left out: 3 of 6 rows: 1 for id is missing (line 6); ")


@pytest.mark.parametrize(
    "export",
    [
        lambda t: t.replace(",", "\t"),
        lambda t: t.replace(".", "@").replace(",", ";").replace("@", ","),
        lambda t: "\ufeff" + t.replace("\n", "\r\n"),
        lambda t: "sep=,\n" + t,
    ],
)
def test_other_exports_hold_the_same_patients(file, export):
    text = export(table())
    found = fluid_table.read(file(text))
    plain = fluid_table.read(file(table()))
    assert [(p.id, p.before, p.after) for p in found] == [
        (p.id, p.before, p.after) for p in plain
    ]


def test_exit_codes(file, capsys):
    bad = str(file(BAD["kPa"][0](table())))
    assert run(["bench", "fluid-response", bad]) == BAD_INPUT
    assert run(["bench", "fluid-response", bad + ".not"]) == BAD_INPUT
    good = str(file(table()))
    assert run(["bench", "fluid-response", good, "--bolus", "-1"]) == BAD_OPTIONS
    assert "bolus" in capsys.readouterr().err


@pytest.mark.slow
def test_a_patient_without_stroke_volume_is_left_out(file, quick):
    none = (("NA", 36, 2.5, 70, 52, 9, 9.0), (76, 74, 11))
    found = bench.details(file(table({**PATIENTS, "d": none})))
    assert found["table"]["left_out"] == 1
    assert found["table"]["reasons"][0]["where"] == [5]
    assert any("Left out" in line for line in found["assumptions"])
    assert found["scores"]["map"]["n"] == 3


@pytest.fixture
def real(shared_data):
    return shared_data("periop_haemodynamics") / "fluid_response_odd_ids.csv"


def test_frozen_constants_are_those_of_the_odd_patients(real):
    training = bench.frozen_priors()["training"]
    patients = fluid_table.read(real)
    for name in ("map", "sv", "cvp"):
        seen = bench.observed_change(patients, name)
        seen = seen[np.isfinite(seen)]
        assert training[f"n_{name}"] == seen.size
        assert training[f"mean_change_{name}"] == pytest.approx(seen.mean())
        # typed with four digits
        assert training[f"sd_change_{name}"] == pytest.approx(
            seen.std(ddof=1), rel=1e-3
        )


@pytest.mark.slow
def test_real_patients_are_predicted_as_recorded(real):
    found = bench.run(real)
    assert [found[q]["n"] for q in ("map", "sv", "cvp")] == [24, 24, 23]
    # the lines, on the patients that the priors were frozen from
    assert found["map"]["rmse"] <= 1.03 * 6.77
    assert found["map"]["crps"] <= 1.03 * 3.81
    assert found["sv"]["rmse"] < 4.13
    assert found["sv"]["crps"] < 2.35
    assert found["cvp"]["rmse"] <= 1.03 * 1.02
    assert found["cvp"]["crps"] <= 1.03 * 0.58
    assert all(0.75 <= score["coverage90"] <= 1.0 for score in found.values())


def test_the_circulation_of_a_patient_is_built_from_before_the_fluid(patients):
    """Size, rate, priors and what is fitted, with other values after the fluid."""
    priors, (patient, *_) = bench.frozen_priors(), patients
    assert patient.body_surface == 70.0 / 36.0
    assert patient.heart_rate == pytest.approx(1000.0 * 2.5 / 36.0)
    other = replace(
        patient, after={k: 2.0 * (v or 1.0) for k, v in patient.after.items()}
    )

    def whole(of):
        model = fluid_twin._model(of, priors)
        return (
            model,
            fluid_twin._space(model, priors),
            fluid_twin.observations(of, priors),
        )

    assert bool(eqx.tree_equal(whole(patient), whole(other)))
    # the sibling: another stroke volume before the fluid is another circulation
    larger = replace(patient, before=patient.before | {"SV": 75.0})
    assert not bool(eqx.tree_equal(whole(patient)[0], whole(larger)[0]))


def test_what_is_compared_with_does_not_see_what_it_is_scored_on():
    """The mean change of the training, and its spread: closed forms."""
    seen, mean, sd, n = np.array([6.0, 2.0, 9.0]), 4.0, 3.0, 24.0
    made = np.array([5.0, 4.0, 8.0])
    draws = made[:, None] + np.linspace(-2.0, 2.0, 5)
    found = bench._score(made, draws, seen, (mean, sd, n))
    assert found["rmse"] == pytest.approx(np.sqrt(((made - seen) ** 2).mean()))
    assert found["rmse_no_change"] == pytest.approx(np.sqrt((seen**2).mean()))
    assert found["rmse_mean_change"] == pytest.approx(
        np.sqrt(((mean - seen) ** 2).mean())
    )

    def crps(mean, sd):
        z = (seen - mean) / sd
        both = z * (2.0 * norm.cdf(z) - 1.0) + 2.0 * norm.pdf(z) - 1.0 / np.sqrt(np.pi)
        return (sd * both).mean()

    around = sd * np.sqrt(1.0 + 1.0 / n)
    assert found["crps_mean_change"] == pytest.approx(crps(mean, around))
    assert found["crps_no_change"] == pytest.approx(crps(0.0, np.hypot(mean, sd)))
