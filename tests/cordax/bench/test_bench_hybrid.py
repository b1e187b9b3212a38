"""The hybrid beside its parents: nobody sees what he predicts, and bad tables."""

import json
import sys

import numpy as np
import pytest

from cordax.bench import hybrid, hybrid_models, ventilation, ventilation_table
from cordax.bench.hybrid_models import TRAINERS, Forecast, Lines
from cordax.cli import run
from cordax.cli.app import BAD_INPUT, BAD_OPTIONS, DONE
from physio.hemodynamics.indices.respiratory_variation import Variation

HEADER = "id,vent_rel_vt,vent_RR,PPV_gam,PPV_classic,heart_rate"
SETTINGS = [(v, r) for v in (4.0, 6.0, 8.0) for r in (10.0, 17.0, 31.0)]
PATIENTS = ("a", "b", "c", "d", "e", "f")
FAST = ("mechanistic", "hybrid")


def shape(volume, rate):
    """What stands for the circulation."""
    return volume * rate**-0.2


def lacks(volume, rate):
    """What the circulation lacks in everybody: nothing at 6 mL/kg and 17 breaths."""
    return 1.0 + 0.08 * (volume - 6.0) - 0.012 * (rate - 17.0)


def lines(patients=PATIENTS, *, lacking=True, noise=0.02, seed=0):
    """Invented patients, each with a gain of its own."""
    rng = np.random.default_rng(seed)
    rows = [(p, v, r) for p in patients for v, r in SETTINGS]
    who = np.array([p for p, _, _ in rows])
    inputs = np.array([(v, r) for _, v, r in rows])
    made = shape(*inputs.T)
    gains = dict(zip(patients, rng.uniform(0.6, 2.0, len(patients)), strict=True))
    seen = made * np.array([gains[p] for p in who])
    seen = seen * (lacks(*inputs.T) if lacking else 1.0)
    seen = seen + noise * rng.standard_normal(seen.size)
    return Lines(who, inputs, 60.0 + 2.0 * (who == "b"), seen, made)


def text(of, heart_rate=70):
    rows = [
        f"{p},{v:g},{r:g},{y:.6g},{y:.6g},{heart_rate}"
        for p, (v, r), y in zip(of.patient, of.inputs, of.measured, strict=True)
    ]
    return "\n".join([HEADER, *rows]) + "\n"


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "vent.csv"
        path.write_text(content)
        return path

    return write


@pytest.fixture
def no_model(monkeypatch):
    """The invented shape in place of the circulation's."""

    def predict(volume, rate, heart_rate, **_):
        size = shape(volume / 70.0, rate)
        return Variation(size, size, size, size, size, size > 0)

    monkeypatch.setattr(ventilation, "predict", predict)


@pytest.fixture
def no_fit(monkeypatch):
    """The mechanistic model under the hybrid's name: nothing is optimised."""
    plain = hybrid_models.train_mechanistic
    monkeypatch.setitem(TRAINERS, "hybrid", lambda lines, known: plain(lines))


def error(of, model):
    return hybrid.score(of, hybrid.foreseen(of, model, hybrid.folds(of, 3, seed=0)))


def test_the_hybrid_mends_what_every_patient_lacks():
    of = lines()
    parent, both = error(of, "mechanistic"), error(of, "hybrid")
    # the parent lacks 10 to 30 % of 3 to 8 %; what is left is noise of 0.02 and its own
    assert parent["rmse"] > 0.3
    assert both["rmse"] < 0.2 * parent["rmse"]
    assert both["crps"] < 0.2 * parent["crps"]


def test_the_hybrid_adds_nothing_to_a_complete_circulation():
    of = lines(lacking=False)
    parent, both = error(of, "mechanistic"), error(of, "hybrid")
    # with nothing to mend the parent is at the noise, 0.02; the hybrid within half
    assert both["rmse"] < parent["rmse"] + 0.01
    assert parent["rmse"] < 0.03


@pytest.mark.parametrize("model", ["mechanistic", "hybrid", "gp", "boosting"])
def test_no_line_is_predicted_from_its_own_value(model):
    of = lines()
    train = TRAINERS[model](of.of(of.patient != "a"), None)
    own = of.of(of.patient == "a")
    plain = train.forecast(own)
    raised = own._replace(measured=own.measured + 5.0 * (np.arange(9) == 3))
    after = train.forecast(raised)
    np.testing.assert_allclose(after.mean[3], plain.mean[3], rtol=1e-9)
    np.testing.assert_allclose(after.draws[3], plain.draws[3], rtol=1e-9)
    # the broken sibling: other lines are predicted from it
    assert np.abs(np.delete(after.mean - plain.mean, 3)).max() > 1e-3


def test_a_patients_values_do_not_train_what_predicts_him():
    of = lines()
    parts = hybrid.one_by_one(of)
    own = of.patient == "a"
    strange = of._replace(measured=np.where(own, of.measured[::-1], of.measured))
    first, second = (
        next(iter(hybrid._splits(each, parts)))[0] for each in (of, strange)
    )
    assert "a" not in first.patient
    np.testing.assert_array_equal(first.measured, second.measured)


def test_folds_hold_every_patient_once():
    of = lines()
    parts = hybrid.folds(of, 4, seed=1)
    assert sorted(np.concatenate(parts)) == list(PATIENTS)
    assert {p.size for p in parts} == {1, 2}


def test_the_heart_rate_is_that_of_the_baseline_row(file):
    content = text(lines()).replace("a,6,17,", "a,6,17.5,")
    rows = content.splitlines()
    rows = [
        r[:-2] + "95" if r.startswith(("a,6,17.5,", "b,6,17,")) else r for r in rows
    ]
    settings = ventilation_table.read(file("\n".join(rows) + "\n"))
    found = hybrid.baseline_heart_rate(settings)
    assert (found[np.isin(settings.patient, ["a", "b"])] == 95.0).all()
    assert (found[settings.patient == "c"] == 70.0).all()


def test_the_difference_is_that_of_the_printed_errors():
    of = lines()
    off = np.random.default_rng(0).standard_normal((2, of.measured.size))
    draws = of.measured[:, None] + np.array([[-1.0, 0.0, 1.0]])
    first, second = (Forecast(of.measured + e, draws) for e in (0.5 * off[0], off[1]))
    found = hybrid.difference(of, first, second, seed=0)
    wanted = hybrid.score(of, first)["rmse"] - hybrid.score(of, second)["rmse"]
    assert found["mean"] == pytest.approx(wanted, rel=1e-9)
    assert found["interval90"][0] < wanted < found["interval90"][1]


def test_training_patients_are_known_again(file, no_model, no_fit, monkeypatch):
    path = file(text(lines()))
    settings = ventilation_table.read(path)
    assert hybrid.details(path, models=FAST)["learned"] == "shipped"
    known = hybrid.shipped()
    known["marks"]["patients"].append(hybrid.mark(settings, "d"))
    monkeypatch.setattr(hybrid, "shipped", lambda: known)
    found = hybrid.details(path, models=FAST)
    assert found["learned"] == "from the file's other patients"
    # one value changed: another patient
    settings.variation[settings.patient == "d"] += 0.01
    assert hybrid.mark(settings, "d") not in known["marks"]["patients"]


def test_the_command_prints_the_agreed_keys(file, no_model, capsys, here):
    assert run(["bench", "hybrid", str(file(text(lines()))), "--json"]) == DONE
    found = json.loads(capsys.readouterr().out)["ppv"]
    models = ["mechanistic", "gp", "log_gp", "hybrid"]
    assert list(found) == ["n", *models, "hybrid_minus"] and found["n"] == 54
    for name in models:
        assert list(found[name]) == ["rmse", "crps", "coverage90"]
    assert list(found["hybrid_minus"]) == models[:-1]
    for minus in found["hybrid_minus"].values():
        assert list(minus) == ["mean", "interval90"] and len(minus["interval90"]) == 2


def test_the_table_for_a_reader_names_every_model(
    file, no_model, capsys, here, monkeypatch
):
    monkeypatch.delitem(TRAINERS, "boosting")  # half a second a fold
    assert run(["bench", "hybrid", str(file(text(lines())))]) == DONE
    said = capsys.readouterr().out
    assert all(name in said for name in TRAINERS)
    assert "54 settings of 6 patients; hyper-parameters shipped" in said


def without(column):
    rows = [row.split(",") for row in text(lines()).splitlines()]
    k = rows[0].index(column)
    return "\n".join(",".join(r[:k] + r[k + 1 :]) for r in rows) + "\n"


@pytest.mark.parametrize(
    "content, said",
    [
        (without("vent_rel_vt"), "line 1: column vent_rel_vt is missing"),
        (without("heart_rate"), "line 1: column heart_rate is missing"),
        (text(lines(("a",))), "2 patients with PPV_gam at two settings or more are"),
        (f"{HEADER}\na,6,17,4,4,70\nb,6,17,4,4,70\n", "no patient has PPV_gam at two"),
        (HEADER + "\n", "no row is left"),
    ],
)
def test_a_bad_table_is_refused_in_words(content, said, file, no_model, capsys, here):
    assert run(["bench", "hybrid", str(file(content)), "--json"]) == BAD_INPUT
    assert said in json.loads(capsys.readouterr().out)["error"]


def test_nan_is_left_out_and_said(file, no_model, capsys, here):
    rows = text(lines()).splitlines()
    rows[2] = "a,4,17,nan,1,70"
    path = str(file("\n".join(rows) + "\n"))
    assert run(["bench", "hybrid", path, "--json"]) == DONE
    found = json.loads(capsys.readouterr().out)
    assert found["ppv"]["n"] == 53
    reason = {"why": "PPV_gam is missing", "where": [3]}
    assert found["table"] == {"rows": 54, "left_out": 1, "reasons": [reason]}


def test_a_patient_of_one_setting_is_left_out(file, no_model, no_fit):
    content = text(lines()) + "lone,6,17,4,4,70\n"
    found = hybrid.details(file(content), models=FAST)
    assert found["n"] == 54 and found["patients"] == 6


def test_constant_columns_are_scored_or_refused_in_words(file, no_model):
    flat = lines()._replace(measured=np.full(54, 5.0))
    found = hybrid.details(file(text(flat)), models=hybrid.REPORTED)
    assert all(np.isfinite(s["rmse"]) for s in found["scores"].values())
    one_rate = lines().of(lines().inputs[:, 1] == 17.0)
    path = file(text(one_rate))
    assert hybrid.details(path, models=FAST)["n"] == 18
    with pytest.raises(ValueError, match="breathing_rate is 17 in all 15 samples"):
        hybrid.details(
            path, models=FAST, population=ventilation.frozen_population()
        )  # learned from the file: rates that never differ teach nothing


def test_two_patients_are_too_few_to_learn_from(file, no_model, no_fit):
    path = file(text(lines(("a", "b"))))
    assert hybrid.details(path, models=FAST)["patients"] == 2
    with pytest.raises(ValueError, match="3 patients .* are wanted.* there are 2"):
        hybrid.details(path, models=FAST, population=ventilation.frozen_population())


def test_without_the_extra_the_line_to_type_is_said(
    file, no_model, capsys, here, monkeypatch
):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    path = str(file(text(lines())))
    assert run(["bench", "hybrid", path, "--json"]) == BAD_OPTIONS
    said = json.loads(capsys.readouterr().out)["error"]
    assert said.endswith("pip install 'cordax[learn]'")


def test_what_is_shipped_is_numbers_of_the_right_models():
    known = hybrid.shipped()
    assert set(known) - {"marks"} == set(TRAINERS) - {"boosting"}
    sizes = known["hybrid"]["sizes"]
    assert set(sizes) == set(vars(hybrid_models.Sizes(0, [0], 0, 0, [0], 0, 0)))


@pytest.mark.slow
def test_real_patients_are_predicted(shared_data):
    file = shared_data("periop_haemodynamics") / "vent_protocol_odd_ids.csv"
    found = hybrid.details(file, models=FAST)
    assert found["n"] == 239
    assert found["learned"] == "from the file's other patients"
    both, parent = (found["scores"][m] for m in ("hybrid", "mechanistic"))
    # measured 0.969 and 1.050; rounding elsewhere moves the third digit
    assert both["rmse"] <= 1.0 and parent["rmse"] <= 1.06
    assert 0.80 <= both["coverage90"] <= 0.97
