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
        ("fluid_bolus=1,5L", 1500.0),  # a decimal comma
        ("fluid_bolus=0,500 l", 500.0),  # no thousands begin with 0
        ("fluid_bolus=500 ML", 500.0),
        ("fluid_bolus=5 dL", 500.0),
        ("fluid_bolus=0mL", 0.0),
        ("lvad=9krpm", 9000.0),
        ("lvad=9000 RPM", 9000.0),
        ("inotrope=130%", 1.3),
        ("inotrope=x1,3", 1.3),
        ("vasodilator=50%", 0.5),  # half of it and half less are the same
        ("valve_repair=90%", 0.9),
        ("beta_blocker=50%", 0.5),
        ("heart_rate=1.5 Hz", 90.0),
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
        ("zzz=1", "Known are fluid_bolus, .*cordax whatif --help"),
        ("fluid_bolus", "no dose. Type fluid_bolus=500mL"),
        ("fluid_bolus=", "no dose"),
        ("fluid_bolus=much", "not a number"),
        ("fluid_bolus=500mmHg", "'mmHg' does not fit.*in mL"),
        ("vasodilator=-20%", "cannot be negative.*typed vasodilator=0.8"),
        ("vasopressor=-20%", "cannot be negative.*typed vasodilator=0.8"),
        ("fluid_bolus=-500mL", "Type haemorrhage=500mL"),
        ("inotrope=30%", "inotrope=1.3 for 30 % more, or inotrope=0.7 for 30 % less"),
        ("inotrope=0.3", "from 0.4 to 3. Type inotrope=1.3 for 30 % more"),
        ("inotrope=30", "inotrope=1.3 for 30 % more"),
        ("vasopressor=30%", "Type vasopressor=1.3 for 30 % more$"),
        ("vasodilator=30%", "vasodilator=0.7 for 30 % less, or vasodilator=0.3 where"),
        ("vasodilator=0.2", "from 0.3 to 1. Type vasodilator=0.8 for 20 % less"),
        ("vasodilator=1.3", "raise .* 30 %. Type vasopressor=1.3 for that"),
        ("vasodilator=130%", "Type vasopressor=1.3 for that, or vasodilator=0.7"),
        ("vasopressor=0.7", "lower .* 30 %. Type vasodilator=0.7 for that"),
        ("lvad=9", "from 1000 to 20000 rpm. If 9 krpm is meant, type lvad=9000rpm"),
        ("fluid_bolus=0.5", "If 0.5 L is meant, type fluid_bolus=500mL"),
        ("fluid_bolus=1,500mL", "Type fluid_bolus=1500mL or fluid_bolus=1.5mL"),
        ("fluid_bolus=1.500 mL", "from 10 to 6000 mL"),  # German thousands
        ("fluid_bolus=20mL/kg", "Multiply with the weight"),
        ("fluid_bolus=1e999", "from 10 to 6000 mL"),
        ("valve_repair=90", "from 0 to 1. If 90 % is meant, type valve_repair=0.9"),
        ("valve_replacement=23mm", "size in mm is not its effective area"),
        ("valve_replacement=23", "size in mm is not its effective area"),
        ("beta_blocker=50mg", "mg is not understood; 1 is a standard daily dose"),
        ("heart_rate=1.5", "If 1.5 Hz is meant, type heart_rate=90/min"),
        ("noradrenaline=0.1ug/kg/min", "no dose of its own.*vasopressor=1.3 is 30 %"),
        ("nitroprusside=1", "Only its arteries are modelled: vasodilator=0.7"),
        ("dobutamine=5", "inotrope=1.3 vasodilator=0.85"),
        ("furosemid=40mg", "'furosemid' .diuretic. is not modelled. There is no kid"),
        ("GTN", "not modelled. It dilates veins"),
        ("albumin=350mL", "type fluid_bolus=500mL"),
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


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("left_ventrical", "Did you mean left_ventricle[?]"),
        ("right_ventricle", "'right_ventricle'. Known are"),
        ("purkinje", "'purkinje'. Known are"),
        ("biven", "Did you mean biventricle[?]"),
    ],
)
def test_a_heart_is_not_swapped_for_one_spelled_alike(typed, words):
    from cordax.scenarios import names

    with pytest.raises(ValueError, match=words):
        names.called(typed, names.HEARTS, "heart")


def test_the_names_and_the_doses_agree():
    from cordax.scenarios import names

    assert set(names.TREATMENTS) == set(doses.DOSES)


def test_another_word_for_a_treatment_is_taken_and_said():
    found = scenario.understand("bleeding=0.3 L")
    assert str(found) == "haemorrhage=300mL"
    assert found.notes == ("bleeding: taken as haemorrhage",)
    assert scenario.understand("Fluid bolus=500").notes == ()
    with pytest.raises(scenario.ScenarioError, match="saline: taken as fluid_bolus"):
        scenario.parse("saline=5")


@pytest.mark.parametrize(
    "asked",
    [
        "fluid_bolus=0.5L peep=5 cmH2O",
        ["fluid_bolus=500mL", "peep=5"],
        ("fluid_bolus=500mL, peep=5",),
        {"fluid_bolus": "0.5 L", "peep": 5},
        [{"fluid_bolus": 500}, scenario.Treatment("peep", 5.0)],
        scenario.Scenario(
            (scenario.parse("fluid_bolus=500"), scenario.parse("peep=5"))
        ),
    ],
)
def test_treatments_may_be_asked_in_several_ways(asked):
    found = scenario.understand(asked)
    assert [(t.name, t.dose) for t in found.treatments] == [
        ("fluid_bolus", 500.0),
        ("peep", 5.0),
    ]


@pytest.mark.parametrize("asked", ["", [], {}, ["fluid_bolus"], {"peep": None}])
def test_what_is_no_treatment_is_refused(asked):
    with pytest.raises(scenario.ScenarioError, match="Type|not a number"):
        scenario.understand(asked)


def test_a_scenario_file_takes_other_words_and_says_so(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text('[[treatment]]\nname = "bleeding"\ndose = "0,5 L"\n')
    found = scenario.understand(str(path))
    assert found.notes == ("bleeding: taken as haemorrhage",)
    assert found.treatments[0].dose == 500.0
    path.write_text('[[treatment]]\nname = "noradrenaline"\ndose = 0.1\n')
    with pytest.raises(scenario.ScenarioError, match="treatment 1: .*vasopressor=1.3"):
        scenario.read(path)


def test_no_dose_that_changes_nothing_is_out_of_range():
    for name, dose in doses.DOSES.items():
        assert dose.low < dose.high
        if dose.none is not None:
            assert scenario.parse(f"{name}={dose.none}").dose == dose.none
