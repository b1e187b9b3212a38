"""Medical words are understood by what they mean; every name has its words, once."""

import re

import pytest

from calibration.observations import kinds
from cordax import vocabulary
from cordax.records import keys
from cordax.scenarios import doses, scenario
from cordax.vocabulary import CONDITIONS, METHODS, ROLES, SITES, TREATMENTS
from cordax.vocabulary.matching import Term, Vocabulary, edits, letters
from physio.hemodynamics.loops.state_values import VALUES

ALL = [CONDITIONS, TREATMENTS, SITES, METHODS, ROLES]
HEALTHY = {"healthy_man", "healthy_woman"}  # chosen by sex, typed as "healthy"


def test_every_condition_treatment_site_and_method_has_its_words():
    states = {name for name in VALUES if name not in HEALTHY}
    manner = {"healthy", "awake", "anaesthetised", "ventilated"}
    assert set(CONDITIONS) == states | manner
    assert set(TREATMENTS) == set(doses.DOSES)
    assert tuple(SITES) == keys.SITES
    assert set(METHODS) == set(kinds.METHODS)
    for words in ALL:
        assert all(words.names.values()), words.what


@pytest.mark.parametrize("words", ALL, ids=lambda words: words.what)
def test_no_word_means_two_things(words):
    owners: dict[str, set[str]] = {}
    for name, others in words.names.items():
        for word in (name, *others):
            owners.setdefault(letters(word), set()).add(name)
    for group in (words.choices, words.lacking):
        for term, about in group.items():
            for word in (term, *about.words):
                owners.setdefault(letters(word), set()).add(term)
    assert {word: who for word, who in owners.items() if len(who) > 1} == {}
    assert len(words.meanings) == len(owners)


def test_a_word_with_two_meanings_is_refused():
    with pytest.raises(ValueError, match="'m.r.' means both 'a' and 'b'"):
        _ = Vocabulary("thing", {"a": ("MR",), "b": ("m.r.",)}).meanings
    with pytest.raises(ValueError, match="both 'a' and 'lack'"):
        _ = Vocabulary("thing", {"a": ("MR",)}, {}, {"lack": Term(("mr",))}).meanings


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("septic_shock", "sepsis"),
        ("Septic Shock", "sepsis"),
        ("dcm", "hfref"),
        ("Heart failure with preserved ejection fraction", "hfpef"),
        ("chronic heart failure with reduced ejection fraction", "hfref"),
        ("AS", "aortic_stenosis"),
        ("severe AS", "aortic_stenosis"),
        ("aortic valve stenosis", "aortic_stenosis"),
        ("MR", "mitral_regurgitation"),
        ("PAH", "pulmonary_arterial_hypertension"),
        ("htn", "hypertension"),
        ("hypertension stage 2", "hypertension"),
        ("bleeding", "haemorrhage"),
        ("hypovolemia", "haemorrhage"),
        ("non-ischaemic cardiomyopathy", "hfref"),
    ],
)
def test_other_words_are_taken_for_the_name(typed, name):
    meaning = CONDITIONS.understand(typed)
    assert (meaning.kind, meaning.names) == ("other word", (name,))


@pytest.mark.parametrize(
    ("typed", "term"),
    [
        ("atrial_fibrillation", "atrial fibrillation"),
        ("atrial fibrilation", "atrial fibrillation"),
        ("atrial_fib", "atrial fibrillation"),
        ("AF", "atrial fibrillation"),
        ("tamponade", "tamponade"),
        ("HOCM", "hypertrophic cardiomyopathy"),
        ("VSD", "congenital heart disease"),
        ("constrictive pericarditis", "pericarditis"),
        ("PE", "pulmonary embolism"),
        ("STEMI", "myocardial infarction"),
        ("hypotension", "hypotension"),
        ("hypotention", "hypotension"),
        ("cardiogenic shock", "cardiogenic shock"),
        ("neonate", "children"),
    ],
)
def test_what_the_model_lacks_is_known_to_be_lacking(typed, term):
    meaning = CONDITIONS.understand(typed)
    assert (meaning.kind, meaning.term) == ("not modelled", term)
    assert meaning.names == ()


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("hfreff", ("hfref",)),
        ("sepsus", ("sepsis",)),
        ("sespis", ("sepsis",)),
        ("aortic_stenois", ("aortic_stenosis",)),
        ("mitral_regurg", ("mitral_regurgitation",)),
        ("hfrpef", ("hfref", "hfpef")),  # as near to both: both are named
    ],
)
def test_only_a_misspelling_gets_the_nearest_name(typed, names):
    meaning = CONDITIONS.understand(typed)
    assert meaning.kind == "misspelt"
    assert set(meaning.names) == set(names)


@pytest.mark.parametrize(
    "typed",
    ["zzz", "mitral", "lupus", "atrial", "xs", "", "心", "aortic sclerosis"]
    # an abbreviation beside a word is no slip of the pen
    + ["hypertension AS", "LV dysfunction MR", "pulmonic venous hypertension"],
)
def test_what_is_no_misspelling_gets_none(typed):
    assert CONDITIONS.understand(typed).kind == "unknown"


@pytest.mark.parametrize(
    "typed", ["no heart failure", "history of sepsis", "possible MR", "post MI"]
)
def test_a_doubted_word_is_not_taken(typed):
    assert CONDITIONS.understand(typed).kind == "doubt"


@pytest.mark.parametrize(
    "typed", ["heart failure", "CHF", "pulmonary hypertension", "shock", "HFmrEF"]
)
def test_a_word_that_leaves_open_which_asks(typed):
    meaning = CONDITIONS.understand(typed)
    assert meaning.kind == "choice"
    assert meaning.names == ()


def test_a_list_of_words_is_taken_apart_whole_by_whole():
    kinds = [(p, m.kind) for p, m in CONDITIONS.parts("Septic shock with AF (new)")]
    assert kinds == [
        ("Septic shock", "other word"),
        ("AF", "not modelled"),
        ("new", "unknown"),
    ]
    assert CONDITIONS.parts("heart failure with preserved ejection fraction") == []
    assert CONDITIONS.parts("pulmonic venous hypertension") == []
    assert CONDITIONS.parts("this and that") == []


@pytest.mark.parametrize("words", ALL, ids=lambda words: words.what)
def test_every_choice_says_what_to_type_and_hints_name_only_names(words):
    assert all(term.hint for term in words.choices.values())
    for term in (*words.choices.values(), *words.lacking.values()):
        assert set(re.findall(r'"(\w+)"', term.hint)) <= set(words.names), term.hint


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [("sepsis", "sespis", 1), ("hypotension", "hypertension", 2), ("", "ab", 2)],
)
def test_edits_count_letters_and_exchanges(one, other, apart):
    assert edits(one, other) == apart
    assert edits(other, one) == apart


def test_a_key_of_another_ventricle_is_no_misspelling():
    known = ["lv_end_systolic_volume_ml", "systolic_pressure_mmhg", "age_years"]
    assert vocabulary.nearest_keys("rv_end_systolic_volume_ml", known) == []
    assert vocabulary.nearest_keys("diastolic_pressure_mmhg", known) == []
    assert vocabulary.nearest_keys("systolc_presure_mmhg", known) == [known[1]]
    assert vocabulary.nearest_keys("agee_years", known) == [known[2]]


def test_hints_type_only_doses_that_are_understood():
    for term in (*TREATMENTS.choices.values(), *TREATMENTS.lacking.values()):
        for word in term.hint.replace(",", " ").replace(";", " ").split():
            if "=" in word:
                assert scenario.parse(word.rstrip(".:")).dose > 0
