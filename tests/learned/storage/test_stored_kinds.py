"""Every class that a learned part may be made of names its kind, and comes back.

``learned_v1`` holds files that the version before kinds wrote (class names as kinds): a
residual from the veins to the right atrium whose last weights are -1 ... 1, and the
closure of a vein bent by -0.5 ... 0.5.
"""

import ast
from dataclasses import fields
from pathlib import Path
from typing import ClassVar

import equinox as eqx
import jax
import numpy as np
import pytest

import learned
import physio
from learned.blocks.ranges import Range
from learned.storage import hybrid, trees
from learned.storage.file import LearnedError
from learned.storage.hybrid import Learned, Substitution
from learned.terms.closure import LearnedActivation, LearnedVessel
from learned.terms.residual import NeuralResidual
from physio import get
from physio.hemodynamics.elements.chambers import AbstractActivation, TwoCosine
from physio.hemodynamics.elements.element import AbstractCompartment
from physio.hemodynamics.exchange import Exchange
from physio.hemodynamics.loops.states import named_state

V1 = Path(__file__).parent / "learned_v1"

#: What files of schema 1 may hold: names that are read for ever.
FORMER = {
    "Range", "NeuralResidual", "Network", "Exchange", "Instead", "LearnedVessel",
    "LearnedReflex", "LearnedActivation", "MonotoneMap", "Discrepancy", "Sizes",
    "LearnedGate", "LearnedCurrent", "Surrogate", "Outputs", "Wave", "Processes",
    "Kernel", "Polynomial", "ElasticVessel", "Vein", "Baroreflex", "FourierSeries",
    "ShiftingChamber",
}  # fmt: skip

#: Modules of learned/ that are in no file, and why.
NOT_STORED = {
    "Learned": "the file itself",
    "Emulated": "an answer of a surrogate",
    "Followed": "an answer: a current followed along a voltage",
    "ClampRecord": "measured data",
    "ClampFit": "the result of a fit; its gate is stored",
    "Gated": "a cell with a gate in it; the gate is stored",
    "_Moving": "what training moves, put back when it ends",
}

#: Elements that no law of a closure is.
NO_LAW = {
    "Reservoir": "a boundary",
    "PressureSource": "a boundary",
    "LearnedVessel": "",
    "LearnedActivation": "",
}


def modules_of(package):
    """Classes with fields of a package, by what its files say: name -> has a kind."""
    found = {}
    for path in sorted(Path(package.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases = {ast.unparse(base) for base in node.bases}
                names = {
                    ast.unparse(one.target)
                    for one in node.body
                    if isinstance(one, ast.AnnAssign)
                }
                found[node.name] = (bases, "stored_as" in names, path)
    return found


def is_module(name, known):
    """Whether a class is an equinox module, through the classes it stands on."""
    bases = known[name][0] if name in known else set()
    return "eqx.Module" in bases or any(is_module(base, known) for base in bases)


def test_every_module_of_learned_names_its_kind_or_a_reason():
    known = modules_of(physio) | modules_of(learned)
    ours = {
        name
        for name, (_, _, path) in known.items()
        if Path(learned.__file__).parent in path.parents and is_module(name, known)
    }
    unnamed = {name for name in ours if not known[name][1]}
    assert unnamed == set(NOT_STORED)
    assert all(NOT_STORED.values())
    stored = {kind.__name__ for kind in hybrid._classes().values()}
    assert ours - unnamed <= stored  # each is found by the reader


@pytest.mark.parametrize("law", [AbstractActivation, AbstractCompartment])
def test_every_law_a_closure_may_stand_about_can_be_stored(law):
    hybrid._classes()
    stored = set(hybrid._classes().values())
    laws = {
        kind
        for kind in law.__subclasses__()
        if kind.__module__.startswith("physio.") and kind.__name__ not in NO_LAW
    }
    assert len(laws) >= 3
    assert laws <= stored


def test_former_names_are_read_for_ever():
    assert set(hybrid._classes()) >= FORMER


def test_a_kind_belongs_to_the_class_that_names_it():
    found = hybrid._classes()
    assert all(vars(kind)["stored_as"] == name for name, kind in found.items())
    assert not any("stored_as" in {f.name for f in fields(k)} for k in found.values())


@pytest.fixture(scope="module")
def base():
    return named_state("healthy_man", reflex=False)


def test_a_residual_of_the_former_version_is_read(base):
    found = hybrid.load(V1 / "residual.h5")
    assert isinstance(found.part, NeuralResidual) and isinstance(found.into, Exchange)
    last = np.asarray(found.part.network.weights[-1])
    np.testing.assert_allclose(last.ravel(), np.linspace(-1, 1, last.size), atol=1e-15)
    assert found.range.names == ("pressure.systemic_veins",)
    assert found.training == {"patients": 24, "curve": [3.0, 1.0]}
    assert found.data_sha256 == "0" * 64
    found.require(base)


def test_a_closure_of_the_former_version_is_read(base):
    found = hybrid.load(V1 / "closure.h5")
    assert isinstance(found.part, LearnedVessel)
    assert isinstance(found.into, Substitution)  # as "Instead" in the file
    assert found.into.name == "systemic_veins"
    bent = np.asarray(found.part.curve.weights)
    np.testing.assert_allclose(bent, np.linspace(-0.5, 0.5, bent.size), atol=1e-15)
    assert eqx.tree_equal(found.part.base, get(base, "systemic_veins"))


@pytest.mark.parametrize("name", ["residual", "closure"])
def test_what_was_written_before_is_written_alike(tmp_path, name):
    """So that the former version reads what this one writes."""
    from learned.storage.file import read_arrays

    hybrid.save(tmp_path / "again.h5", hybrid.load(V1 / f"{name}.h5"))
    before, arrays = read_arrays(V1 / f"{name}.h5")
    after, again = read_arrays(tmp_path / "again.h5")
    assert after["tree"] == before["tree"] and after["kind"] == before["kind"]
    assert set(arrays) == set(again)
    assert all(np.array_equal(arrays[key], again[key]) for key in arrays)


def test_an_activation_about_its_published_law_comes_back(tmp_path):
    """It did not: the law of the named states was not among the classes read."""
    box = Range(("heart_rate",), ("1/min",), np.array([50.0]), np.array([90.0]))
    closure = LearnedActivation.of(TwoCosine("ventricles"), box)
    into = Substitution("left_ventricle.activation")
    hybrid.save(tmp_path / "a.h5", Learned(closure, into, "Circulation", {}))
    assert eqx.tree_equal(hybrid.load(tmp_path / "a.h5").part, closure)


class Own(eqx.Module):
    """A part of one's own."""

    weight: jax.Array


def test_a_part_of_ones_own_is_read_by_its_name_or_kind(tmp_path, monkeypatch):
    part = Learned(Own(jax.numpy.ones(2)), None, "Circulation", {})
    hybrid.save(tmp_path / "own.h5", part)
    with pytest.raises(LearnedError, match="'Own', which this reader does not know"):
        hybrid.load(tmp_path / "own.h5")
    again = hybrid.load(tmp_path / "own.h5", {"Own": Own})
    assert eqx.tree_equal(again.part, part.part)
    monkeypatch.setattr(Own, "__module__", "learned.terms.new")
    with pytest.raises(LearnedError, match="Own cannot be stored: it names no kind"):
        hybrid.save(tmp_path / "new.h5", part)
    assert not (tmp_path / "new.h5").exists()


def test_two_classes_of_one_kind_are_refused(monkeypatch):
    class Second(eqx.Module):
        stored_as: ClassVar[str] = "Range"

    Second.__module__ = "learned.blocks.curve"
    monkeypatch.setattr("learned.blocks.curve.Second", Second, raising=False)
    with pytest.raises(ValueError, match="both stored as Range"):
        trees.stored_classes(("learned.blocks",))
