"""Patient records: what is read, and a sentence for everything that can be wrong."""

from pathlib import Path

import numpy as np
import pytest

from calibration.observations import kinds as observation_kinds
from cordax import patients
from cordax.records import examine, record
from cordax.records.template import template

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


def write(folder: Path, text: str) -> Path:
    path = folder / "a.toml"
    path.write_text(text)
    return path


def test_reads_values_units_and_default_sd(tmp_path):
    text = GOOD + "cardiac_output_ml_s = 80\ncardiac_output_sd_percent = 10\n"
    found = examine.read(write(tmp_path, text + "mean_pressure_kpa = 12\n"))
    by_kind = {m.kind: m for m in found.measurements}
    assert by_kind["cardiac_output"].value == pytest.approx(4.8)
    assert by_kind["cardiac_output"].sd == pytest.approx(0.48)
    assert by_kind["mean_pressure"].value == pytest.approx(90.0074, abs=1e-4)
    assert by_kind["systolic_pressure"].sd == 8.0  # a cuff, as nothing else is said
    assert by_kind["systolic_pressure"].site == "cuff"
    assert by_kind["diastolic_pressure"].line == 9
    assert found.body_surface_area_m2 == pytest.approx(1.9, abs=0.02)
    assert found.warnings == ()


BAD = {  # what is typed: the line reported, words of the message, words of the remedy
    "kPa as mmHg": ("mean_pressure_mmhg = 12.4", 10, "looks like kpa", "= 12.4"),
    "L as mL": (
        "lv_end_diastolic_volume_ml = 0.14",
        10,
        "looks like l typed as ml",
        "lv_end_diastolic_volume_l = 0.14",
    ),
    "mL/min as L/min": ("cardiac_output_l_min = 4700", 10, "ml_min", "4700"),
    "fraction as percent": ("lv_ejection_fraction_percent = 0.35", 10, "fraction", ""),
    "negative": ("wedge_pressure_mmhg = -30", 10, "outside -2 to 55", "Correct"),
    "negative flow": ("cardiac_output_l_min = -4", 10, "outside", "cannot be negative"),
    "absurd": ("lv_dpdt_max_mmhg_s = 1e9", 10, "outside 150 to 6000", "Correct"),
    "NaN": ("mean_pressure_mmhg = nan", 10, "not finite", "Leave the line out"),
    "text": ('mean_pressure_mmhg = "90"', 10, "not a number", "= 90, without quotes"),
    "no unit": ("mean_pressure = 90", 10, "with its unit", "mean_pressure_mmhg"),
    "shorthand": ("map_mmhg = 90", 10, "mean_pressure", "mean_pressure_mmhg"),
    "misspelt": ("systolc_pressure_mmhg = 90", 10, "no key", "systolic_pressure_mmhg"),
    "nonsense": ("zzz = 1", 10, "no key", "record new"),
    "twice": ("systolic_pressure_kpa = 16", 10, "given twice", "Keep one"),
    "sd zero": ("heart_rate_sd_bpm = 0", 10, "above 0", "leave the line out"),
    "sd alone": ("wedge_pressure_sd_mmhg = 2", 10, "without a value", "wedge_pressure"),
    "site": ('arterial_pressure_site = "radiall"', 10, "radiall", '"radial"'),
    "volumes": (
        "lv_end_diastolic_volume_ml = 60\nlv_end_systolic_volume_ml = 90",
        11,
        "not below",
        "Correct",
    ),
    "resting on size": ("[[waveform]]\nsite = 1", 10, "needs file", "Type file"),
    "method": ('cardiac_output_method = "guess"', 10, "guess", "Type"),
    "role": ('cardiac_output_role = "maybe"', 10, "maybe", "Type"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_numbers_are_named_with_line_and_remedy(tmp_path, name):
    typed, line, message, fix = BAD[name]
    found = examine.problems(write(tmp_path, GOOD + typed + "\n"))
    errors = [p for p in found if p.level == "error"]
    assert any(
        p.line == line and message in p.message and fix in p.fix for p in errors
    ), "\n".join(map(str, found))
    with pytest.raises(record.RecordError) as caught:
        examine.read(tmp_path / "a.toml")
    assert f"a.toml:{line}: error" in str(caught.value)


def test_swapped_pressures_say_which_lines(tmp_path):
    text = GOOD.replace("120", "75", 1).replace("pressure_mmhg = 75\n", "x", 0)
    text = text.replace("diastolic_pressure_mmhg = 75", "diastolic_pressure_mmhg = 120")
    (found,) = examine.problems(write(tmp_path, text))
    assert found.line == 9
    assert "not below systolic_pressure 75 mmHg (line 8)" in found.message
    assert "Exchange" in found.fix


def test_a_patient_in_metres_is_told_so(tmp_path):
    text = GOOD.replace("height_cm = 175", "height_cm = 1.75")
    (found,) = examine.problems(write(tmp_path, text))
    assert found.line == 3
    assert "height_m = 1.75" in found.fix


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ('condition = "hfreff"', '"hfref"'),
        ('sex = "f"', '"female"'),
        ("id = 3", 'id = "..."'),
        ("agee_years = 3", "age_years"),
    ],
)
def test_bad_patient_keys(tmp_path, typed, words):
    text = GOOD.replace('id = "a"', typed)
    found = examine.problems(write(tmp_path, text))
    assert [p.line for p in found] == [2]
    assert words in found[0].fix


def test_an_index_needs_the_size_of_the_body(tmp_path):
    text = GOOD.replace("weight_kg = 75\n", "") + "cardiac_index_l_min_m2 = 2.7\n"
    (found,) = examine.problems(write(tmp_path, text))
    assert "height_cm and weight_kg" in found.fix


def test_files_that_are_none(tmp_path):
    (missing,) = examine.problems(tmp_path / "none.toml")
    assert "No such file" in missing.message
    assert "cordax record new" in missing.fix
    (bad,) = examine.problems(
        write(tmp_path, "[measurements]\nheart_rate_bpm = 70 bpm")
    )
    assert bad.line == 2
    assert "unit belongs to the key" in bad.fix
    (comma,) = examine.problems(write(tmp_path, "[measurements]\na_mmhg = 70,5\n"))
    assert "point" in comma.fix
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00\x81")
    assert "not text" in examine.problems(tmp_path / "b.toml")[0].message


def test_missing_and_unknown_tables(tmp_path):
    found = examine.problems(write(tmp_path, "[measurement]\nheart_rate_bpm = 70\n"))
    assert any("[measurements]" in p.fix and p.line == 1 for p in found)
    assert any("no table [measurements]" in p.message for p in found)


def test_nothing_to_fit_and_no_heart_period(tmp_path):
    found = examine.problems(write(tmp_path, "[measurements]\nwedge_pressure_mmhg = 9"))
    text = " ".join(map(str, found))
    assert "heart period is unknown" in text
    assert "nothing to calibrate" in text


def test_derived_numbers_are_checks(tmp_path):
    text = GOOD + (
        "cardiac_output_l_min = 5\nstroke_volume_ml = 71\nsystemic_resistance_wu = 17\n"
        "lv_end_diastolic_volume_ml = 130\nlv_end_systolic_volume_ml = 60\n"
        "lv_ejection_fraction_percent = 54\naortic_valve_mean_gradient_mmhg = 40\n"
        "aortic_valve_peak_gradient_mmhg = 66\naortic_valve_area_cm2 = 0.8\n"
    )
    found = examine.read(write(tmp_path, text))
    assert {m.kind for m in found.checks()} == {
        "stroke_volume",
        "systemic_resistance",
        "lv_ejection_fraction",
        "aortic_valve_peak_gradient",
        "aortic_valve_area",
    }
    assert all(m.why for m in found.checks())
    text += 'cardiac_output_role = "check"\n'
    found = examine.read(write(tmp_path, text))
    roles = {m.kind: m.role for m in found.measurements}
    assert roles["cardiac_output"] == "check"
    assert roles["stroke_volume"] == "likelihood"


@pytest.mark.parametrize("name", patients.names())
def test_embedded_patients_are_without_problems(name):
    path = patients.find(name)
    assert examine.problems(path) == []
    found = examine.read(path)
    assert found.id == name
    assert found.source


def test_the_embedded_beat_has_the_numbers_of_its_minute(record_property):
    found = examine.read(patients.find("periop"))
    wave = found.waveforms[0]
    points = max(w.beat.size for w in found.waveforms)
    record_property("points", points)
    assert points <= 64
    folder = patients.find("periop").parent
    assert "MIT License" in (folder / "periop_beat.LICENSE-MIT.txt").read_text()
    assert 60 / wave.period_s == pytest.approx(85.5, abs=0.1)
    # The mean of the beats' maxima is a little above the maximum of their mean.
    assert wave.beat.max() == pytest.approx(92.7, abs=0.3)
    assert wave.beat.min() == pytest.approx(49.1, abs=0.1)
    assert wave.beat.mean() == pytest.approx(64.6, abs=0.1)
    assert {w.role for w in found.waveforms} == {"check"}


def test_an_unknown_patient_lists_the_nearest():
    with pytest.raises(FileNotFoundError, match="Did you mean periop"):
        patients.find("perio")
    with pytest.raises(FileNotFoundError, match="Did you mean hfref"):
        patients.find("dcm")
    with pytest.raises(FileNotFoundError, match=r"'hfpef'. Is it aortic_stenosis, "):
        patients.find("hfpef")


def test_the_template_is_a_complete_record_that_names_every_kind(tmp_path):
    path = write(tmp_path, template("a.toml"))
    assert examine.problems(path) == []
    for kind in observation_kinds.KINDS:
        assert f"{kind}_" in path.read_text()


def test_every_line_of_the_template_is_accepted(tmp_path):
    text = template("a.toml").split("# A waveform:")[0]
    lines = [
        line[2:]
        if line.startswith("# ") and " = " in line and "pressure_mmhg," not in line
        else line
        for line in text.splitlines()
    ]
    lines = [line for line in lines if not line.startswith("cardiac_output_sd_l_min")]
    found = examine.problems(write(tmp_path, "\n".join(lines)))
    assert [p for p in found if p.level == "error"] == []


def test_a_record_survives_being_stored(tmp_path):
    found = examine.read(patients.find("periop"))
    again = record.from_payload(found.payload())
    assert again.measurements == found.measurements
    assert np.array_equal(again.waveforms[0].beat, found.waveforms[0].beat)


def only(found):
    """The one problem found."""
    assert len(found) == 1, "\n".join(map(str, found))
    return found[0]


def stated(folder, line):
    """Problems of a good record with one more line under [patient]."""
    return examine.problems(write(folder, GOOD.replace('id = "a"', line)))


def test_another_word_is_taken_and_said(tmp_path):
    (warning,) = stated(tmp_path, 'condition = ["septic_shock", "ventilated"]')
    assert warning.level == "warning"
    assert warning.message == "condition 'septic_shock': taken as sepsis"
    assert examine.read(tmp_path / "a.toml").conditions == ("sepsis", "ventilated")


@pytest.mark.parametrize(
    ("typed", "message", "fix"),
    [
        ("atrial_fibrillation", "not modelled; modelled are healthy, awake", "note = "),
        ("tamponade", "tamponade is not modelled", "calibrated without it"),
        ("heart failure", "does not say which", '"hfref" for an ejection fraction of'),
        ("no sepsis", "what is there now", "note"),
        ("AS and MR", "more than", '["aortic_stenosis", "mitral_regurgitation"].'),
        ("HTN, CKD", "'CKD' (kidney disease) is not mod", '["hypertension"], and note'),
        ("Septic shock on dobutamine", "'dobutamine' is not known", '["sepsis"], and'),
        ("sepsis?", "what is there now", "note"),
        ("zzz", "it may be healthy", "Type one of these"),
        ("pulmonic venous hypertension", "it may be healthy", "Type one of these"),
        ("infant", "children are not modelled", "from 18 years"),
    ],
)
def test_a_condition_is_never_swapped_for_one_spelled_alike(
    tmp_path, typed, message, fix
):
    found = only(stated(tmp_path, f'condition = "{typed}"'))
    assert found.level == "error"
    assert message in found.message
    assert fix in found.fix
    for wrong in ("mitral_regurgitation", "healthy"):
        assert f'condition = "{wrong}"' not in found.fix


@pytest.mark.parametrize(
    "line", ["age_years = 7", "age_years = 17.9", "height_cm = 95", "weight_kg = 14"]
)
def test_a_child_is_refused_and_not_told_to_leave_the_line_out(tmp_path, line):
    key = line.split()[0]
    text = "\n".join(row for row in GOOD.splitlines() if not row.startswith(key))
    path = write(tmp_path, text.replace('id = "a"', line))
    found = only(examine.problems(path))
    assert "children are not modelled" in found.message
    assert "leave" not in str(found)
    assert str(found.message).startswith(line)


def test_an_adult_of_18_is_read(tmp_path):
    assert stated(tmp_path, "age_years = 18") == []


@pytest.mark.parametrize(
    ("typed", "level", "words"),
    [
        ('arterial_pressure_site = "wrist"', "warning", "taken as radial"),
        ('arterial_pressure_site = "finger"', "error", "finger is no site known here"),
        ('arterial_pressure_site = "art line"', "error", "Type where it lies"),
        ('heart_rate_method = "TTE"', "warning", "taken as echo"),
        ('heart_rate_method = "estimated Fick"', "error", "type the sd instead"),
        ("rv_wall_thickness_mm = 4", "error", "Remove it"),
        ("wedge_pressure_torr = 9", "error", "wedge_pressure_mmhg"),
    ],
)
def test_sites_methods_and_keys_are_meant_not_spelled(tmp_path, typed, level, words):
    found = only(examine.problems(write(tmp_path, GOOD + typed + "\n")))
    assert found.level == level
    assert words in str(found)
    assert "lv_end" not in str(found)
