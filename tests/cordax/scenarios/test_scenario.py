"""Treatments and their doses, typed or from a file."""

import pytest

from cordax.scenarios import doses, scenario


@pytest.mark.parametrize(
    ("typed", "dose"),
    [
        ("fluid_bolus=500mL", 500.0),
        ("fluid_bolus=0.5 L", 500.0),
        ("fluid-bolus=500", 500.0),
        ("vasodilator=0.8", 0.8),
        ("vasodilator=80%", 0.8),
        ("heart_rate=90bpm", 90.0),
        ("peep=10 cmH2O", 10.0),
        ("peep=1 kPa", 10.1972),
        ("valve_replacement=180mm2", 1.8),
    ],
)
def test_doses_reach_the_treatments_own_unit(typed, dose):
    found = scenario.parse(typed)
    assert found.dose == pytest.approx(dose, rel=1e-4)  # printed digits of kPa
    assert scenario.parse(str(found)) == scenario.Treatment(
        found.name, float(f"{found.dose:g}")
    )


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("fluid_bolis=500mL", "Did you mean fluid_bolus"),
        ("zzz=1", "cordax whatif --help"),
        ("fluid_bolus", "no dose. Type fluid_bolus=500mL"),
        ("fluid_bolus=", "no dose"),
        ("fluid_bolus=much", "not a number"),
        ("fluid_bolus=500mmHg", "'mmHg' does not fit.*in mL"),
        ("vasodilator=-20%", "cannot be negative.*typed 0.8"),
    ],
)
def test_bad_treatments_say_what_to_type(typed, words):
    with pytest.raises(scenario.ScenarioError, match=words):
        scenario.parse(typed)


def test_a_scenario_file(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(
        'title = "Both"\n[[treatment]]\nname = "fluid_bolus"\ndose = "0.5L"\n'
        '[[treatment]]\nname = "vasodilator"\ndose = 0.8\n'
    )
    found = scenario.parse_all([str(path)])
    assert str(found) == "Both"
    assert [str(t) for t in found.treatments] == [
        "fluid_bolus=500mL",
        "vasodilator=0.8",
    ]
    with pytest.raises(scenario.ScenarioError, match="stands alone"):
        scenario.parse_all([str(path), "peep=5"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = [", "not valid TOML"),
        ("", "no treatment"),
        ("titel = 1", "'titel' is unknown"),
        ('[[treatment]]\nname = "peep"', "treatment 1: type name"),
        ('[[treatment]]\nname = "peep"\ndose = true', "treatment 1: dose = True"),
        ('[[treatment]]\nname = "pep"\ndose = 1', "treatment 1: No treatment.*peep"),
    ],
)
def test_bad_scenario_files(tmp_path, text, words):
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(scenario.ScenarioError, match=words):
        scenario.read(path)


def test_a_missing_scenario_file(tmp_path):
    with pytest.raises(scenario.ScenarioError, match="no scenario file"):
        scenario.parse_all([str(tmp_path / "none.toml")])


def test_every_example_dose_is_accepted():
    for name, dose in doses.DOSES.items():
        assert scenario.parse(f"{name}={dose.example}").name == name


def test_the_names_and_the_doses_agree():
    from cordax.scenarios import names

    assert set(names.TREATMENTS) == set(doses.DOSES)
