"""A twin of a real patient: calibrated, asked, saved and loaded."""

import dataclasses
import json
import re

import numpy as np
import pytest

import cordax
from calibration import fit
from cordax.reports.from_twin import report_data, summary
from cordax.reports.sections import identifiability
from cordax.twins import calibrate as calibrating
from cordax.twins import prepare as build
from cordax.twins import store
from cordax.twins.calibrate import calibrate
from cordax.twins.store import StoreError
from cordax.twins.twin import Twin
from physio.parameters import get, replace


@pytest.fixture(scope="module")
def twin(small_twin):
    return small_twin


def test_every_measurement_is_explained(twin):
    rows = summary(twin)["observations"]
    assert len(rows) == 7
    assert max(abs(row["residual"]) for row in rows) < 2.0


def test_the_interval_of_what_was_measured_is_narrower_than_the_prior(twin):
    ratio = dict(zip(twin.start.space.names, twin.sd_ratio, strict=True))
    assert ratio["systemic.resistance"] < 0.7
    # nothing measured at rest in the arteries tells the right ventricle's stiffness
    assert ratio["right_ventricle.passive_elastance"] > 0.7


def test_its_report_says_how_far_the_sampler_can_be_trusted(twin):
    told = twin.diagnostics
    page = identifiability(report_data(twin))
    for name, key in (
        ("pareto-k", "pareto_k"),
        ("effective draws", "ess"),
        ("draws without a periodic beat", "failed"),
    ):
        row = re.search(rf"<t[dh][^>]*>{name}</t[dh]>.*?</tr>", page, re.S)
        assert row and f">{told[key]:.4g}<" in row[0] and ">good<" in row[0], name
    assert told["ess"] >= told["ess_wanted"] and told["pareto_k"] <= 0.7


def test_nothing_given_changes_nothing(twin):
    for row in twin.whatif({"fluid_bolus": 0}).rows:
        assert row.change == (0.0, 0.0, 0.0), row
        # the beats are periodic to 1e-8; slopes and peaks magnify that
        near = 1e-6 * abs(row.before.median) + 1e-6
        assert np.allclose(row.after, row.before, rtol=0.0, atol=near)


def test_a_vasodilator_lowers_pressure_and_the_table_says_what_the_reflex_did(twin):
    found = twin.whatif("vasodilation=0.8")
    assert found.notes == ("vasodilation: taken as vasodilator",)
    assert found.title == "vasodilator=0.8"
    middle, low, high = found.row("mean_pressure").change
    assert low < middle < high < 0.0
    assert found.row("cardiac_output").change.median > 0.0
    assert found.reflex.startswith("blunted")
    with pytest.raises(KeyError, match="cardiac_output"):
        found.row("cardiac_outptu")


def test_asking_changes_nothing(twin):
    before = twin.what_ifs
    found = twin.whatif(["vasodilator=0.8"])
    assert twin.what_ifs is before
    with pytest.raises(dataclasses.FrozenInstanceError):
        twin.what_ifs = (found,)
    once = twin.remember(found)
    assert once.remember(found).what_ifs == once.what_ifs and not twin.what_ifs


def test_a_dose_the_heart_does_not_bear_is_refused(twin):
    with pytest.raises(ValueError, match="smaller"):
        twin.whatif(["haemorrhage=4500mL"])


def test_save_and_load_give_the_same_answers(twin, tmp_path):
    found = twin.whatif(["vasodilator=0.8"])
    twin.remember(found).save(tmp_path / "twin")
    again = Twin.load(tmp_path / "twin")
    (kept,) = again.what_ifs
    assert kept.rows == found.rows and kept.title == "vasodilator=0.8"
    np.testing.assert_array_equal(kept.good, found.good)
    one, two = (t.whatif(["vasodilator=0.7"]).rows for t in (twin, again))
    assert [r.name for r in one] == [r.name for r in two]
    for a, b in zip(one, two, strict=True):
        assert np.allclose(a.after, b.after, rtol=1e-9)
    with pytest.raises(FileExistsError):
        twin.save(tmp_path / "twin")


def test_a_twin_of_ones_own_circulation_is_loaded_leaf_by_leaf(twin, tmp_path):
    own = replace(twin.start.model, "aortic_valve.resistance", 0.004)
    start = build.start(twin.record, model=own)
    mine = dataclasses.replace(twin, start=start, what_ifs=())
    mine.save(tmp_path / "twin")
    again = cordax.load(tmp_path / "twin", model=own)
    assert isinstance(again, cordax.Twin)
    np.testing.assert_array_equal(again.draws, twin.draws)
    assert float(get(again.model, "aortic_valve.resistance")) == 0.004
    # the circulation that cordax builds by itself is not this one
    with pytest.raises(StoreError, match="aortic_valve.resistance"):
        cordax.load(tmp_path / "twin")


def test_ctrl_c_while_sampling_keeps_what_the_fit_found(twin, tmp_path, monkeypatch):
    s = twin.start
    found = fit(s.model, s.space, s.observations, s.experiment, starts=1)
    sampled = calibrating.sample_fit
    calls = []

    def interrupted(*arguments, **options):
        calls.append(options.get("method"))
        if len(calls) == 1:
            raise KeyboardInterrupt
        return sampled(*arguments, **options)

    monkeypatch.setattr(calibrating, "sample_fit", interrupted)
    handed = []
    with pytest.raises(KeyboardInterrupt):
        calibrate(twin.record, found=found, interrupted=handed.append)
    (kept,) = handed
    assert calls == [None, "laplace"]
    assert kept.diagnostics["method"] == "laplace"
    np.testing.assert_array_equal(kept.z, found.z)
    kept.save(tmp_path / "twin")
    np.testing.assert_array_equal(cordax.load(tmp_path / "twin").draws, kept.draws)


def test_a_leaf_that_is_not_what_cordax_builds_is_refused(twin, tmp_path):
    twin.save(tmp_path / "twin")
    payload = store.load(tmp_path / "twin")
    payload["model"]["leaves"]["systemic.resistance"] *= 1.01
    store.save(tmp_path / "twin", payload, force=True)
    with pytest.raises(StoreError, match="systemic.resistance"):
        Twin.load(tmp_path / "twin")


def test_a_measurement_or_the_seed_edited_by_hand_is_noticed(twin, tmp_path):
    twin.save(tmp_path / "twin")
    path = tmp_path / "twin" / "twin.json"
    plain = json.loads(path.read_text())
    for part, change in {
        "record": {"record": plain["record"] | {"age_years": 30.0}},
        "seed": {"seed": twin.seed + 1},
        "verdict": {"verdict": ["All is well."]},
    }.items():
        path.write_text(json.dumps(plain | change))
        with pytest.raises(StoreError, match=f"changed after the fit: {part}"):
            Twin.load(tmp_path / "twin")
    path.write_text(json.dumps(plain))
    assert Twin.load(tmp_path / "twin").seed == twin.seed
