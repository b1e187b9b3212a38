"""Deliberate mistakes apply and name a test; five of them are seen (slow)."""

import dataclasses

import mutants as listed
import pytest

#: What must be on the list, in words of a name.
WANTED = (
    "posterior shrunk to 0.7",
    "90 % interval that is 80 %",
    "what-if interval that is 50 %",
    "prior printed as posterior",
    "residual's sign flipped",
    "cardiac output labelled mL/min",
    "fluid twin scaled by the post-fluid stroke volume",
    "lesion mask absent from the operator",
    "sheet and normal velocity swapped",
    "sheet and normal conductivity swapped",
    "vasopressor that dilates veins",
    "potential energy of the pressure-volume area doubled",
    "reflex constant off by 2 %",
    "rank band 1000 times wider",
    "comparators that see their own target",
    "a learned gate opening the wrong way",
    "QT printed as QRS",
    "tau's asymptote +15 for +5",
    "reflex off where on is said",
)
ALL = listed.mutants()


@pytest.mark.parametrize("mutant", ALL, ids=lambda m: m.name)
def test_a_mistake_applies_once_and_names_a_test(mutant):
    changed = mutant.applied()
    compile(changed, mutant.file, "exec")
    assert changed != (listed.ROOT / mutant.file).read_text(encoding="utf-8")
    assert listed.names_a_test(mutant.test), mutant.test


def test_no_mistake_is_missing_or_twice():
    names = [m.name for m in ALL]
    assert len(set(names)) == len(names)
    for words in WANTED:
        assert any(name.startswith(words) for name in names), words


def test_what_does_not_apply_or_names_no_test_is_found():
    gone = dataclasses.replace(ALL[0], find="no such text anywhere")
    with pytest.raises(ValueError, match="stands 0 times"):
        gone.applied()
    with pytest.raises(ValueError, match="once is wanted"):
        dataclasses.replace(ALL[0], find="import").applied()
    assert not listed.names_a_test(ALL[0].test + "_of_old")
    assert not listed.names_a_test("tests/test_gone.py::test_it")


def test_those_chosen_are_some_and_the_same_for_the_same_tree():
    few = listed.chosen(5)
    assert few == listed.chosen(5) and len(set(few)) == 5 and set(few) <= set(ALL)


@pytest.mark.parametrize(
    ("code", "told", "killed"),
    [
        (1, "FAILED a.py::test_it - assert 1 == 2\n1 failed", True),
        (1, "FAILED a.py::test_it - AssertionError: \n1 failed", True),
        (0, "1 passed", False),
        (2, "ERROR a.py - NameError: name 'x'\n1 error", False),
        (1, "ERROR a.py::test_it - NameError: name 'x'\n1 error", False),
        (1, "FAILED a.py::test_it - TypeError: no\n1 failed", False),
    ],
)
def test_only_a_failed_assertion_kills(code, told, killed):
    assert listed.judge(code, told) is killed


@pytest.mark.slow
@pytest.mark.timeout(600)  # six processes, each importing all
def test_five_mistakes_are_seen():
    survived = [
        found for found in listed.attempts(listed.chosen(listed.CHOSEN))
        if not found.killed
    ]  # fmt: skip
    assert not survived, [(f.mutant.name, f.told) for f in survived]


@pytest.mark.slow
def test_a_mistake_that_no_test_sees_survives():
    """The sibling: a test that has nothing to do with the mistake."""
    blind = dataclasses.replace(
        next(m for m in ALL if "tau's" in m.name),
        test="tests/physio/hemodynamics/indices/test_beat.py"
        "::test_work_and_potential_energy_of_a_rectangle",
    )
    (found,) = listed.attempts((blind,))
    assert not found.killed
