"""A learned part's file: read back as it was, refused where it does not fit."""

import json

import equinox as eqx
import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from learned.blocks.ranges import Range
from learned.storage import file as learned_file
from learned.storage import hybrid as storage
from learned.storage import trees
from learned.storage.file import LearnedError
from learned.storage.hybrid import Learned, Substitution
from learned.terms.closure import LearnedVessel
from learned.terms.ion_channel import LearnedCurrent, LearnedGate
from learned.terms.residual import neural_residual
from physio import AbstractAugmented, get, replace
from physio.electrophysiology.cells.published.ten_tusscher_2006 import ten_tusscher_2006
from physio.hemodynamics.exchange import exchange
from physio.hemodynamics.loops.regazzoni import regazzoni
from physio.hemodynamics.loops.states import named_state

KEY = jax.random.key(5)


@pytest.fixture(scope="module")
def base():
    return named_state("healthy_man", reflex=False)


def residual(name="pressure.systemic_veins", unit="mmHg"):
    box = Range((name,), (unit,), np.array([1.0]), np.array([15.0]))
    made = neural_residual(box, {"flow": ("mL/s", 20.0)}, key=KEY)
    last = lambda r: r.network.weights[-1]  # noqa: E731 (a tree_at lens)
    return eqx.tree_at(last, made, jax.random.normal(KEY, last(made).shape))


@pytest.fixture(scope="module")
def learned(base):
    into = exchange(base, ("systemic_veins", "right_atrium"))
    told = {"held_out_loss": 0.25, "patients": 24, "curve": [3.0, 1.0]}
    return Learned(
        residual(), into, "Circulation", told, learned_file.digest(np.ones(3))
    )


@pytest.fixture
def path(learned, tmp_path):
    storage.save(tmp_path / "residual.h5", learned)
    return tmp_path / "residual.h5"


def rewritten(path, **changes):
    """The file with entries of its header replaced."""
    header, arrays = learned_file.read_arrays(path)
    learned_file.write_arrays(path, header | changes, arrays)


def test_a_part_comes_back_as_it_was(base, learned, path):
    again = storage.load(path)
    assert eqx.tree_equal(again.part, learned.part)
    assert again.into == learned.into and again.training == learned.training
    assert again.data_sha256 == learned.data_sha256
    hybrid = again.onto(base)
    assert isinstance(hybrid, AbstractAugmented)
    y = base.initial_state()
    t = jnp.zeros(())
    a = hybrid.vector_field(t, y, None)
    b = learned.onto(base).vector_field(t, y, None)
    assert eqx.tree_equal(a, b)
    assert not eqx.tree_equal(a, base.vector_field(t, y, None))


def test_the_header_can_be_read_by_a_person(path):
    with h5py.File(path) as file:
        header = json.loads(file.attrs["header"])
    assert header["range"] == {
        "pressure.systemic_veins": {"unit": "mmHg", "from": 1.0, "to": 15.0}
    }
    assert header["kind"] == "NeuralResidual" and header["system"] == "Circulation"
    assert header["versions"]["jax"] == jax.__version__


def test_a_part_is_refused_on_another_system_or_unit(base, learned):
    with pytest.raises(LearnedError, match="learned for a Circulation; this is a TenT"):
        learned.onto(ten_tusscher_2006())
    volume = residual("volume.systemic_veins")
    wrong = eqx.tree_at(lambda m: m.part, learned, volume)
    with pytest.raises(LearnedError, match="in mmHg; the model has it in mL"):
        wrong.onto(base)
    spleen = eqx.tree_at(lambda m: m.part, learned, residual("pressure.spleen"))
    with pytest.raises(LearnedError, match="no 'pressure.spleen'"):
        spleen.onto(base)
    own = residual("parameter.spleen.resistance", "mmHg s/mL")
    with pytest.raises(LearnedError, match="no parameter 'spleen.resistance'"):
        eqx.tree_at(lambda m: m.part, learned, own).onto(base)
    alien = Learned(learned.part, None, "Circulation", {})
    with pytest.raises(LearnedError, match="is not a correction"):
        alien.onto(base)


def test_flows_into_compartments_the_model_lacks_are_refused(learned):
    other = regazzoni()
    names = set(learned.into.compartments) - set(other.compartments)
    assert names  # a smaller loop
    with pytest.raises(LearnedError, match=r"has no|does not have|has no 'pressure"):
        learned.onto(other)


def test_files_that_are_not_ours_are_refused(tmp_path, path):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        storage.load(tmp_path / "nothing.h5")
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(LearnedError, match="not a file of cordax, or is damaged"):
        storage.load(tmp_path / "text.h5")
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["x"] = np.ones(3)
    with pytest.raises(LearnedError, match="not a file of cordax"):
        storage.load(tmp_path / "foreign.h5")
    rewritten(path, format="cordax-training")
    with pytest.raises(LearnedError, match="not a learned part"):
        storage.load(path)


def test_a_damaged_file_is_told(path):
    with h5py.File(path, "a") as file:
        name = sorted(file)[0]
        file[name][...] = 7.0
    with pytest.raises(LearnedError, match="not those it was saved with"):
        storage.load(path)


def test_newer_older_and_broken_schemas(path):
    rewritten(path, schema=2)
    with pytest.raises(LearnedError, match="newer cordax .schema 2.*pip install"):
        storage.load(path)
    rewritten(path, schema=0)
    with pytest.raises(LearnedError, match="schema is 0"):
        storage.load(path)
    rewritten(path, schema=1)
    storage.load(path)  # the first ever released


def test_every_released_schema_has_a_migration():
    assert set(learned_file.MIGRATIONS) == set(range(1, learned_file.SCHEMA))


def test_nothing_but_our_classes_comes_back(path):
    header, arrays = learned_file.read_arrays(path)
    tree = json.loads(json.dumps(header["tree"]).replace("NeuralResidual", "Popen"))
    learned_file.write_arrays(path, header | {"tree": tree}, arrays)
    with pytest.raises(LearnedError, match="'Popen', which this reader does not know"):
        storage.load(path)
    gone = json.loads(json.dumps(header["tree"]).replace('"scale"', '"bound"'))
    learned_file.write_arrays(path, header | {"tree": gone}, arrays)
    with pytest.raises(LearnedError, match="no field bound any more"):
        storage.load(path)


def test_what_is_not_finite_or_not_plain_is_not_written(learned, tmp_path):
    broken = eqx.tree_at(
        lambda m: m.part.network.biases[0], learned, jnp.full(16, jnp.nan)
    )
    with pytest.raises(LearnedError, match="holds NaN or infinity"):
        storage.save(tmp_path / "x.h5", broken)
    odd = Learned(learned.part, learned.into, "Circulation", {"f": print})
    with pytest.raises(LearnedError, match="cannot be stored"):
        storage.save(tmp_path / "x.h5", odd)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_old_file(learned, path, monkeypatch):
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("physio.files._flush", full)
    with pytest.raises(OSError, match="residual.h5"):
        storage.save(path, learned)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_trees_keep_every_kind_of_value():
    value = {"a": (1, 2.5, None, True, "x"), "b": [jnp.arange(3), {"c": np.ones(2)}]}
    arrays: dict[str, np.ndarray] = {}
    again = trees.rebuild(trees.flatten(value, arrays), arrays, {})
    assert again["a"] == value["a"] and eqx.tree_equal(again["b"][0], value["b"][0])
    assert np.array_equal(again["b"][1]["c"], np.ones(2))
    with pytest.raises(trees.TreeError, match="not a tree of ours"):
        trees.rebuild({"call": "system"}, {}, {})


def test_a_closure_comes_back_and_stands_about_the_patients_own_law(base, tmp_path):
    box = Range(("filling_pressure",), ("mmHg",), np.array([0.0]), np.array([20.0]))
    law = get(base, "systemic_veins")
    closure = LearnedVessel.of(law, box)
    bent = jnp.linspace(-0.5, 0.5, closure.curve.weights.size)
    closure = eqx.tree_at(lambda c: c.curve.weights, closure, bent)
    storage.save(
        tmp_path / "veins.h5",
        Learned(closure, Substitution("systemic_veins"), "Circulation", {}),
    )
    again = storage.load(tmp_path / "veins.h5")
    assert eqx.tree_equal(again.part, closure)
    stiff = replace(base, "systemic_veins.compliance", 70.0)
    hybrid = again.onto(stiff)
    assert float(get(hybrid, "systemic_veins.compliance")) == 70.0
    volume = law.unstressed_volume + 500.0
    a, b = (
        get(m, "systemic_veins").transmural_pressure(volume, {})
        for m in (stiff, hybrid)
    )
    assert abs(float(a - b)) > 0.1
    with pytest.raises(LearnedError, match="no law to replace"):
        Learned(closure, Substitution("spleen"), "Circulation", {}).onto(base)


def test_a_current_comes_back(tmp_path):
    gate = LearnedGate.of(
        "slow", half=-20.0, steepness=10.0, tau=200.0, voltages=(-90.0, 40.0)
    )
    current = LearnedCurrent.of(
        gate, np.linspace(0, 1, 9), most=0.05, reversal=-86.0, key=KEY
    )
    into = Substitution("unused")
    storage.save(tmp_path / "i.h5", Learned(current, into, "TenTusscher2006", {}))
    assert eqx.tree_equal(storage.load(tmp_path / "i.h5").part, current)
