"""The prediction of pulse-pressure variation: its arithmetic and what it refuses."""

import json
from functools import partial

import numpy as np
import pytest

from cordax.bench import ventilation as bench
from cordax.bench import ventilation_table
from cordax.cli import run
from cordax.cli.app import BAD_INPUT, DONE
from physio.hemodynamics.indices.respiratory_variation import Variation

KEYS = {
    "n", "rmse", "rmse_gain_vt", "rmse_median_shape", "ratio_31_10_vt8",
    "ratio_31_10_vt6",
}  # fmt: skip
HEADER = "id,vent_rel_vt,vent_RR,PPV_gam,PPV_classic,heart_rate"
SETTINGS = ((8, 10, 1.0), (8, 31, 0.8), (6, 10, 0.75), (6, 31, 0.6), (4, 10, 0.5))


def shapely(volume, rate):
    return {(v, r): s for v, r, s in SETTINGS}[volume, rate]


def table(patients=("a", "b", "c")):
    """Invented patients of one shape, each with a size of its own."""
    rows = [
        f"{name},{volume},{rate},{(k + 3) * size:.6g},{(k + 3) * size:.6g},70"
        for k, name in enumerate(patients)
        for volume, rate, size in SETTINGS
    ]
    return "\n".join([HEADER, *rows]) + "\n"


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "vent.csv"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def no_model(monkeypatch):
    """The invented shape in place of the circulation's."""

    def predict(volume, rate, heart_rate, **_):
        size = np.array([
            shapely(round(max(v / 70.0, 4.0)) if v > 351 else 4, r)
            for v, r in zip(volume, rate, strict=True)
        ])  # fmt: skip
        return Variation(size, size, size, size, size, size > 0)

    monkeypatch.setattr(bench, "predict", predict)


def test_the_right_shape_predicts_exactly_whatever_its_size(file, no_model):
    found = bench.details(file(table()))
    assert found["n"] == 15 and found["patients"] == 3
    assert found["rmse"] == pytest.approx(0.0, abs=1e-5)
    assert found["rmse_median_shape"] == pytest.approx(0.0, abs=1e-5)
    assert found["rmse_gain_vt"] > 0.1
    assert found["difference_gain_vt_upper"] < 0.0
    assert found["ratio_31_10_vt8"] == found["observed_ratio_31_10_vt8"] == 0.8
    assert found["median_gain"] == pytest.approx(4.0)


def test_a_setting_is_never_predicted_from_itself(file):
    settings = ventilation_table.read(file(table()))
    shape = np.ones(15)
    plain = bench.from_the_others(shape, settings)
    settings.variation[0] += 100.0
    raised = bench.from_the_others(shape, settings)
    assert raised[0] == plain[0] and raised[1] > plain[1] + 10.0
    assert (raised[5:] == plain[5:]).all()


def test_the_median_shape_is_that_of_the_others(file):
    settings = ventilation_table.read(file(table()))
    before = bench.median_shape(settings)
    settings.variation[:5] = [1.0, 9.0, 1.0, 9.0, 1.0]
    np.testing.assert_allclose(bench.median_shape(settings)[:5], before[:5])


def test_no_comparator_sees_what_it_is_scored_on(file):
    """Two patients of different shapes: the median of the others is the other's."""
    settings = ventilation_table.read(file(table(("a", "b"))))
    one, other = np.array([1.0, 9.0, 1.0, 9.0, 1.0]), settings.variation[5:].copy()
    settings.variation[:5] = one
    found = bench.median_shape(settings)
    np.testing.assert_allclose(found[:5], other / other.mean())
    np.testing.assert_allclose(found[5:], one / one.mean())

    def foreseen():
        return {
            name: bench.from_the_others(shape, settings)
            for name, shape in bench.comparators(settings).items()
        }

    before = foreseen()
    settings.variation[0] += 50.0
    for name, after in foreseen().items():
        assert after[0] == pytest.approx(before[name][0]), name
        assert after[1] > before[name][1] + 1.0, name  # the others do see it


def test_a_value_not_measured_is_left_out_and_a_lone_one_too(file, no_model):
    text = table().replace("a,8,31,2.4,", "a,8,31,NA,") + "d,8,10,5,5,70\n"
    found = bench.details(file(text))
    assert found["n"] == 14 and found["patients"] == 3


def test_what_the_table_lacks_is_none(file, no_model):
    lines = [line for line in table().splitlines() if ",6," not in line]
    found = bench.run(file("\n".join(lines) + "\n"))["ppv"]
    assert found["ratio_31_10_vt6"] is None and found["ratio_31_10_vt8"] == 0.8


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("vent_RR", "RR", "line 1: column vent_RR is missing"),
        ("a,8,10,3,3,70", "a,8,10,x,3,70", "line 2, column PPV_gam: 'x' is not a num"),
        ("a,8,10,3,3,70", "a,8,10,inf,3,70", "line 2, column PPV_gam: 'inf' is not a"),
        ("a,8,10,3,3,70", "a,560,10,3,3,70", "line 2, column vent_rel_vt: 560 lies ou"),
        ("a,8,10,3,3,70", "a,8,10,-3,3,70", "line 2, column PPV_gam: -3 lies outside"),
        ("a,8,10,3,3,70", "a,8,10,3,3", "line 2: 5 cells under 6 names"),
        ("a,8,31,", "a,8,10,", "line 3, column vent_RR: patient a has this setting"),
    ],
)
def test_a_bad_table_is_refused_by_line_and_column(file, old, new, said):
    with pytest.raises(ValueError, match=f"vent.csv, {said}"):
        ventilation_table.read(file(table().replace(old, new, 1)))


def test_a_table_with_nothing_to_predict_is_refused(file, no_model):
    with pytest.raises(ValueError, match="no patient has PPV_gam at two settings"):
        bench.details(file(f"{HEADER}\na,8,10,3,3,70\n"))
    with pytest.raises(ValueError, match="no row is left. Below the names"):
        ventilation_table.read(file(HEADER + "\n"))


def holes():
    """Each kind of hole: a lone setting, none of PPV, no heart rate, nothing at all."""
    rows = ["d,8,10,5,5,70", "e,8,10,,5,70", "e,8,31,NA,-,70", "f,8,10,5,5,", "f,,,,,"]
    return table() + "\n".join([*rows, ",8,10,5,5,70", ",,,,,"]) + "\n"


def test_rows_with_holes_are_left_out_counted_and_said(
    file, no_model, capsys, monkeypatch
):
    few = partial(bench.scores.paired_difference, resamples=20)
    monkeypatch.setattr(bench.scores, "paired_difference", few)
    path = str(file(holes()))
    assert run(["bench", "ventilation", path, "--json"]) == DONE
    found = json.loads(capsys.readouterr().out)
    assert found["ppv"] == bench.run(file(table()))["ppv"]
    assert found["table"] == {
        "rows": 21,
        "left_out": 6,
        "reasons": [
            {"why": "heart_rate is missing", "where": [20]},
            {"why": "vent_rel_vt is missing", "where": [21]},
            {"why": "id is missing", "where": [22]},
            {"why": "its patient has no other setting with PPV_gam", "where": [17]},
            {"why": "PPV_gam is missing", "where": [18, 19]},
        ],
    }
    file(holes())
    assert run(["bench", "ventilation", path]) == DONE
    said = " ".join(capsys.readouterr().out.split())
    assert "Left out: 6 of 21 rows: 1 for heart_rate is missing (line 20)" in said
    assert "2 for PPV_gam is missing (lines 18, 19)" in said


def test_only_an_empty_rest_is_an_error(file):
    rows = [",".join([*line.split(",")[:5], ""]) for line in table().splitlines()[1:]]
    with pytest.raises(ValueError, match="no row is left. Left out: 15 of 15 rows"):
        ventilation_table.read(file("\n".join([HEADER, *rows]) + "\n"))


def test_real_rows_add_up(shared_data):
    path = shared_data("periop_haemodynamics") / "vent_protocol_odd_ids.csv"
    lines = [line for line in path.read_text().splitlines()[1:] if line.strip()]
    found = ventilation_table.read(path)
    assert found.left_out.of == len(lines)
    assert found.line.size + found.left_out.count == len(lines)


def test_a_common_delay_explains_a_later_phase():
    rate = np.array([10.0, 17.0, 31.0])
    early = np.array([0.2, 0.3, 0.4])
    size, delay = bench.phase_error((early + 0.4 * rate / 60.0) % 1.0, early, rate)
    assert size < 1e-3 and delay == pytest.approx(0.4, abs=0.006)
    # the broken sibling: a shift of phase is no common delay
    assert bench.phase_error((early + np.array([0.3, 0.0, 0.3])), early, rate)[0] > 0.06


def test_the_command_prints_the_agreed_keys(
    file, no_model, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)  # outside the checkout
    path = str(file(table()))
    assert run(["bench", "ventilation", path, "--json"]) == DONE
    assert set(json.loads(capsys.readouterr().out)["ppv"]) == KEYS
    assert run(["bench", "ventilation", path + ".no", "--json"]) == BAD_INPUT
    assert "vent.csv.no" in json.loads(capsys.readouterr().out)["error"]


@pytest.mark.slow
def test_real_patients_are_predicted(shared_data):
    folder = shared_data("periop_haemodynamics")
    found = bench.details(folder / "vent_protocol_odd_ids.csv")
    assert found["n"] == 239
    assert found["rmse"] <= 1.06
    assert 0.79 <= found["ratio_31_10_vt8"] <= 0.92
    assert 0.75 <= found["ratio_31_10_vt6"] <= 0.87
    assert 0.55 <= found["ratio_classic_31_10_vt8"] <= 0.72
    assert 0.58 <= found["ratio_vt4_vt8"] <= 0.72
    assert 1.15 <= found["ratio_vt10_vt8"] <= 1.42
    assert 0.7 <= found["median_gain"] <= 1.3
