"""`cordax learn residual` and a twin that uses what was learned."""

import json
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calibration import Experiment, Fit, Free, LogNormal, Observation, Problem, Space
from cordax.cli.app import run as main
from cordax.reports.data import MovedRow
from cordax.reports.from_twin import moved_in_words, summary
from cordax.twins.learned_range import InputRow, flag, input_rows
from cordax.twins.store import StoreError
from cordax.twins.surrogate_density import log_density
from cordax.twins.twin import Twin
from learned.blocks.ranges import Range
from learned.storage import file as learned_file
from learned.storage import hybrid as storage
from learned.storage.hybrid import Learned, Substitution
from learned.surrogates.polynomial import fit_polynomial
from learned.surrogates.surrogate import fit_surrogate
from learned.terms.closure import LearnedVessel
from learned.terms.residual import neural_residual
from physio import settle
from physio.compose import mechanistic
from physio.hemodynamics.exchange import exchange
from physio.hemodynamics.loops.states import named_state
from physio.hemodynamics.treatments import lvad, peep
from physio.parameters import get

RECORD = """
[patient]
id = "{name}"
age_years = 45
sex = "male"
height_cm = 178
weight_kg = 78
condition = ["healthy", "awake"]

[measurements]
arterial_pressure_site = "aortic"
heart_rate_bpm = {rate}
systolic_pressure_mmhg = {systolic}
diastolic_pressure_mmhg = {diastolic}
central_venous_pressure_mmhg = {venous}
cardiac_output_l_min = {output}
"""


def ward(folder, n):
    folder.mkdir()
    for k in range(n):
        text = RECORD.format(
            name=f"p{k}", rate=60 + 3 * k, systolic=110 + 4 * k, diastolic=70 + 2 * k,
            venous=3 + 0.5 * k, output=5.0 + 0.3 * k,
        )  # fmt: skip
        (folder / f"p{k}.toml").write_text(text)
    return folder


def learned_by_hand():
    base = named_state("healthy_man", reflex=False)
    box = Range(
        ("pressure.systemic_veins",), ("mmHg",), np.array([2.0]), np.array([9.0])
    )
    made = neural_residual(box, {"flow": ("mL/s", 10.0)}, key=jax.random.key(0))
    last = lambda r: r.network.biases[-1]  # noqa: E731 (a tree_at lens)
    made = eqx.tree_at(last, made, jnp.array([0.5]))
    into = exchange(base, ("systemic_veins", "right_atrium"))
    return Learned(made, into, "Circulation", {"patients": 9})


def law_by_hand():
    vessel = named_state("healthy_man").compartments["systemic_veins"]
    box = Range(("filling_pressure",), ("mmHg",), np.array([2.0]), np.array([9.0]))
    law = LearnedVessel.of(vessel, box)
    return Learned(law, Substitution("systemic_veins"), "Circulation", {})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: p / "nowhere", "There is no"),
        (lambda p: (p / "a.txt", (p / "a.txt").write_text("x"))[0], "is neither"),
        (lambda p: (p / "a.csv", (p / "a.csv").write_text("x"))[0], "is missing"),
        (lambda p: ((p / "empty").mkdir(), p / "empty")[1], "holds no patient record"),
        (lambda p: ward(p / "two", 2), "holds 2 patients: 4 or more"),
    ],
)
def test_what_cannot_be_learned_from_is_told(tmp_path, capsys, make, said):
    target = tmp_path / "out.residual"
    assert main(["learn", "residual", str(make(tmp_path)), "-o", str(target)]) == 1
    assert said in capsys.readouterr().err
    assert not target.exists()


def test_one_patient_twice_is_refused(tmp_path, capsys):
    folder = ward(tmp_path / "ward", 4)
    (folder / "again.toml").write_text((folder / "p0.toml").read_text())
    assert main(["learn", "residual", str(folder), "-o", str(tmp_path / "r")]) == 1
    assert "must not be both learned from and held out" in capsys.readouterr().err


def test_a_wrong_record_is_named(tmp_path, capsys):
    folder = ward(tmp_path / "ward", 4)
    text = (folder / "p2.toml").read_text()
    (folder / "p2.toml").write_text(
        text.replace("_pressure_mmhg = 118", "_pressure_mmhg = nan")
    )
    assert main(["learn", "residual", str(folder), "-o", str(tmp_path / "r")]) == 1
    assert "p2.toml" in capsys.readouterr().err


def test_an_existing_file_is_not_replaced(tmp_path, capsys):
    (tmp_path / "r").write_text("kept")
    assert main(["learn", "residual", str(tmp_path), "-o", str(tmp_path / "r")]) == 2
    assert (tmp_path / "r").read_text() == "kept"


def test_fit_refuses_a_residual_that_is_not_one(tmp_path, capsys):
    (tmp_path / "r").write_text("hello")
    command = ["fit", "healthy", "-o", str(tmp_path / "t"), "--residual"]
    assert main([*command, str(tmp_path / "r")]) == 1
    assert "not a file of cordax" in capsys.readouterr().err
    assert main([*command, str(tmp_path / "none")]) == 1
    assert "There is no file" in capsys.readouterr().err
    alien = Learned(learned_by_hand().part, None, "TenTusscher2006", {})
    storage.save(tmp_path / "alien", alien)
    assert main([*command, str(tmp_path / "alien")]) == 1
    capsys.readouterr()
    storage.save(tmp_path / "law", law_by_hand())
    assert main([*command, str(tmp_path / "law")]) == 1
    assert "A LearnedVessel is not a residual" in capsys.readouterr().err
    storage.save(tmp_path / "fast", surrogate_by_hand())
    assert main([*command, str(tmp_path / "fast")]) == 1
    assert "A Surrogate is not a residual" in capsys.readouterr().err
    assert not (tmp_path / "t").exists()


def test_fit_refuses_a_surrogate_that_is_none(tmp_path, capsys):
    command = ["fit", "healthy", "-o", str(tmp_path / "t"), "--surrogate"]
    assert main([*command, str(tmp_path / "none")]) == 1
    assert "There is no file" in capsys.readouterr().err
    assert not (tmp_path / "t").exists()


def test_treatments_reach_through_a_hybrid_to_its_base():
    hybrid = learned_by_hand().onto(named_state("healthy_man", reflex=False))
    supported = lvad(9000.0)(peep(5.0)(hybrid))
    assert "lvad" in mechanistic(supported).connections
    assert mechanistic(supported).airway is not None
    assert eqx.tree_equal(supported.correction, hybrid.correction)
    assert bool(settle(supported, steps_per_beat=150).ok)


def test_stroke_volume_cannot_be_reached_by_a_correction():
    base = named_state("healthy_man", reflex=False)
    with pytest.raises(ValueError, match="may not reach aortic_root"):
        exchange(base, ("aortic_root", "systemic_veins"))


def test_the_flag_says_how_many_draws_left_the_range():
    seen = {
        "learned.low.pressure.systemic_veins": np.array([3.0, 1.0, 4.0, 5.0]),
        "learned.high.pressure.systemic_veins": np.array([5.0, 5.0, 9.7, 6.0]),
    }
    rows = input_rows(learned_by_hand(), seen, np.array([True, True, True, True]))
    assert rows[0].outside == 0.5 and rows[0].seen == (1.0, 9.7)
    assert rows[0].excess == pytest.approx(1.0 / 7.0)
    assert "In 50 % of the draws pressure.systemic_veins" in flag(rows)
    inside = input_rows(learned_by_hand(), seen, np.array([True, False, False, True]))
    assert flag(inside) == ""
    assert isinstance(rows[0], InputRow)


def test_what_moved_is_said_in_sd():
    far = MovedRow("systemic.resistance", "mmHg s/mL", 1.0, 1.2, 0.8)
    near = MovedRow("systemic_veins.unstressed_volume", "mL", 3.0, 3.0, 0.01)
    assert "systemic.resistance (+0.8 sd)" in moved_in_words((far, near))
    assert "No mechanistic parameter moved" in moved_in_words((near,))


def told(x):
    """What stands for a simulator: every output a product of powers of parameters."""
    size = jnp.exp(0.2 * jnp.sum(jnp.log(x), axis=1))
    return {"cardiac_output": 5.0 * size, "systolic_pressure@radial": 110.0 / size}


NAMES = ("systemic.resistance", "systemic_arteries.compliance")
FREED = Space(tuple(Free(name, LogNormal(1.0, 0.3)) for name in NAMES))
SEEN = (
    Observation("cardiac_output", 5.5, 0.4, "L/min", discrepancy_sd=0.3),
    Observation("systolic_pressure", 112.0, 5.0, "mmHg", "radial", 0.0, bias=2.0),
    Observation("mean_pressure", 90.0, 2.0, "mmHg", role="check"),
)


def surrogate_by_hand(
    system="Circulation", names=NAMES, units=("mmHg s/mL", "mL/mmHg")
):
    x = np.exp(0.4 * np.random.default_rng(0).standard_normal((80, len(names))))
    made = fit_surrogate(
        x, told(x), names, units, key=jax.random.key(0),
        learn=partial(fit_polynomial, degree=1),
    )  # fmt: skip
    return Learned(made, None, system, {})


def fit_by_hand(space=FREED, seen=SEEN, output=5.0):
    """A fit at the prior's median, which predicts what ``told`` does there."""
    model = named_state("healthy_man", reflex=False)
    problem = Problem(model, space, seen, Experiment())
    n, one = space.size, jnp.ones(1)
    predictions = {"cardiac_output": output, "systolic_pressure@radial": 112.0}
    return Fit(
        problem, model, jnp.zeros(n), jax.tree.map(jnp.asarray, predictions), {}, {},
        jnp.zeros((2, n)), jnp.eye(n), jnp.eye(n), jnp.zeros(3), jnp.zeros((3, n)),
        one, one > 0, jnp.ones(1, int), jnp.zeros((1, n)), (),
    )  # fmt: skip


@pytest.mark.parametrize("names", [NAMES, NAMES[::-1]])
def test_a_surrogate_becomes_a_log_density(names):
    units = ("mmHg s/mL", "mL/mmHg")
    units = units if names == NAMES else units[::-1]
    found = log_density(surrogate_by_hand(names=names, units=units), fit_by_hand())
    z = jax.random.normal(jax.random.key(1), (5, 2))
    seen = told(jnp.exp(0.3 * z))
    off = (seen["cardiac_output"] - 5.5) / 0.5
    away = (seen["systolic_pressure@radial"] + 2.0 - 112.0) / 5.0
    expected = -0.5 * (off**2 + away**2 + jnp.sum(z**2, axis=1))
    # linear in logarithms, which polynomials of first degree tell; ridge 1e-10
    np.testing.assert_allclose(found(z), expected, rtol=1e-6)
    # 8 prior sd out: beyond the range it counts less than it says
    far = jnp.array([[8.0, 0.0]])
    seen, outside = found.seen(far[0])
    assert float(outside) > 0.5
    plain = found(far)[0] + 50.0 * outside
    assert float(plain) == pytest.approx(
        -0.5 * float(((seen["cardiac_output"] - 5.5) / 0.5) ** 2
        + ((seen["systolic_pressure@radial"] + 2.0 - 112.0) / 5.0) ** 2 + 64.0)
    )  # fmt: skip


def test_what_the_surrogate_varies_and_the_fit_does_not_is_the_models():
    alone = Space(FREED.free[:1])
    found = log_density(surrogate_by_hand(), fit_by_hand(alone, output=5.2))
    (name,) = found.fixed
    held = get(named_state("healthy_man", reflex=False), NAMES[1])
    assert name == NAMES[1] and float(found.fixed[name]) == float(held)


@pytest.mark.parametrize(
    ("learned", "fit", "said"),
    [
        (lambda: learned_by_hand(), fit_by_hand, "NeuralResidual is no surrogate"),
        (lambda: surrogate_by_hand("TenTusscher2006"), fit_by_hand, "of a TenTussch"),
        (
            lambda: surrogate_by_hand(units=("1", "mL/mmHg")),
            fit_by_hand,
            "wants systemic.resistance in 1; the model has it in mmHg s/mL",
        ),
        (
            surrogate_by_hand,
            lambda: fit_by_hand(
                Space((*FREED.free, Free("pulmonary.resistance", LogNormal(0.1, 0.3))))
            ),
            "frees pulmonary.resistance, which the surrogate does not vary",
        ),
        (
            surrogate_by_hand,
            lambda: fit_by_hand(
                seen=(*SEEN, Observation("wedge_pressure", 8.0, 1.0, "mmHg"))
            ),
            "wedge_pressure was observed; the surrogate does not tell it",
        ),
        (surrogate_by_hand, lambda: fit_by_hand(output=7.0), "of another circulation"),
    ],
)
def test_a_surrogate_of_something_else_is_refused(learned, fit, said):
    with pytest.raises(learned_file.LearnedError, match=said):
        log_density(learned(), fit())


@pytest.mark.slow
def test_from_a_ward_to_a_report(tmp_path, capsys):
    folder, file = ward(tmp_path / "ward", 5), tmp_path / "ward.residual"
    learn = [
        "learn",
        "residual",
        str(folder),
        "-o",
        str(file),
        "--steps",
        "4",
        "--json",
    ]
    assert main(learn) == 0
    told = json.loads(capsys.readouterr().out)["training"]
    assert told["patients"] == 5 and told["held_out"] == 1
    assert not file.with_name("ward.residual.training").exists()

    twin_folder = tmp_path / "twin"
    fit = [
        "fit",
        str(folder / "p1.toml"),
        "-o",
        str(twin_folder),
        "--residual",
        str(file),
    ]
    assert main(fit) == 0
    said = capsys.readouterr().out
    assert "What the learned residual adds" in said
    assert main(["whatif", str(twin_folder), "haemorrhage=1500mL"]) == 0
    # far outside the ward's venous pressures: the flag is on the screen
    assert "leaves the range the residual was learned in" in " ".join(
        capsys.readouterr().out.split()
    )
    assert main(["report", str(twin_folder)]) == 0
    page = (twin_folder / "report.html").read_text()
    assert "The learned part" in page and "What the residual adds" in page
    assert "What moved" in page and "haemorrhage" in page

    twin = Twin.load(twin_folder)
    assert twin.residual is not None and twin.plain_z is not None
    assert any("learned residual adds flows" in a for a in twin.start.assumptions)
    added = summary(twin)["learned"]["added"]
    changed = {row["name"]: row["added"][0] for row in added}
    both = (
        twin.rest.features["cardiac_output"]
        - twin.mechanistic_rest.features["cardiac_output"]
    )
    assert changed["cardiac_output"] == pytest.approx(float(np.median(both[1:])))

    other = learned_by_hand()
    storage.save(twin_folder / "residual.h5", other)
    with pytest.raises(StoreError, match="not what this twin was calibrated with"):
        Twin.load(twin_folder)
    (twin_folder / "residual.h5").unlink()
    with pytest.raises(StoreError, match="Calibrate again"):
        Twin.load(twin_folder)


@pytest.mark.slow
def test_a_surrogate_is_judged_on_draws_it_has_not_seen_and_comes_back(
    tmp_path, capsys
):
    file = tmp_path / "healthy.surrogate"
    asked = ["learn", "surrogate", "healthy", "-o", str(file), "--runs", "256"]
    assert main([*asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["training"]["runs"] >= 230
    # a polynomial of second degree on 256 runs; 4096 of third degree reach 0.3 %
    assert told["training"]["median_error"] < 0.04
    assert 0.9 <= told["training"]["median_coverage95"] <= 1.0
    found = storage.load(file)
    x = jnp.sqrt(found.range.lower * found.range.upper)
    seen = found.part(x)
    assert bool(seen.inside) and 60.0 < float(seen.values["mean_pressure"]) < 130.0
    assert not bool(found.part(3.0 * found.range.upper).inside)
    with pytest.raises(learned_file.LearnedError, match="is not a correction"):
        found.onto(named_state("healthy_man"))
    assert main(asked) == 2  # it exists
    asked[-1] = "3"
    assert main([*asked, "--force"]) == 2
    assert main(["learn", "surrogate", "nobody", "-o", str(tmp_path / "x")]) == 1
    assert not (tmp_path / "x").exists()
