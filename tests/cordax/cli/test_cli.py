"""The command line: verbs, exit codes, JSON, refusals, on a small real twin.

`cordax fit` runs once, whole (the fixture ``fitted``). Where a test is of what a verb
does around a calibration (folders, batches, Ctrl-C), ``quick`` hands that real twin
back instead of calibrating the same patient again.
"""

import csv
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest
from pages import numbers
from typed_commands import call

from cordax.cli import show
from cordax.cli.app import app
from cordax.patients import find
from cordax.reports.from_twin import summary
from cordax.twins import calibrate as calibrating
from cordax.twins import store
from cordax.twins.twin import Twin


@pytest.fixture
def kept(here, fitted):
    """The twin folder in the folder where commands are typed."""
    return Path(shutil.copytree(fitted.folder, here / "a"))


@pytest.fixture
def quick(here, monkeypatch, small_twin):
    """The real twin, for whoever calibrates its patient; three more of his records."""
    text = find("periop").read_text()
    shutil.copy(find("periop").with_name("periop_beat.csv"), here)
    for name in ("anna", "bert", "carl"):
        copy = text.replace('id = "periop"', f'id = "{name}"')
        Path(f"{name}.toml").write_text(copy)

    def calibrate(record, *, seed, progress, **options):
        progress("fit", 0.5)
        progress("fit", 1.0)
        return dataclasses.replace(small_twin, record=record, seed=seed)

    def fitted(records, *, seed, progress, residual=None):
        return [None] * len(records)

    monkeypatch.setattr(calibrating, "calibrate", calibrate)
    monkeypatch.setattr(calibrating, "fitted", fitted)
    return small_twin


def test_help_is_instant_and_states_the_intended_use(record_property):
    program = (
        "import sys; from cordax.cli import run\n"
        "assert run(['--help']) == 0 and run(['whatif', '--help']) == 0\n"
        "assert not {'jax', 'numpy', 'matplotlib', 'h5py'} & set(sys.modules)\n"
    )
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    # two helps in one process: without JAX 0.3 s; with it at least 1.6
    taken = time.perf_counter() - start
    record_property("seconds", taken)
    assert taken < 5
    assert "not a medical device" in done.stdout
    assert "vasodilator (number): multiplies systemic resistance" in done.stdout


def test_the_version(capsys):
    assert call(capsys, "--version")[1].startswith("cordax ")


@pytest.mark.parametrize(
    "verb",
    ["fit", "demo", "whatif", "report", "export", "patients", "doctor"]
    + ["record new", "record check"],
)
def test_every_verb_explains_itself_with_an_example(capsys, verb):
    code, said, _ = call(capsys, *verb.split(), "--help")
    assert code == 0
    assert re.search(rf"cordax {verb}", said)
    assert "Example" in said
    assert "--json" in said


def test_a_record_is_written_and_checked(capsys, here):
    assert call(capsys, "record", "new", "anna.toml")[0] == 0
    code, said, _ = call(capsys, "record", "check", "anna.toml")
    assert code == 0
    assert "no problems" in said
    code, _, said = call(capsys, "record", "new", "anna.toml")
    assert code == 2
    assert "--force" in said
    text = Path("anna.toml").read_text().replace("mmhg = 120", "mmhg = 16")
    Path("anna.toml").write_text(text)
    code, said, _ = call(capsys, "record", "check", "anna.toml")
    assert code == 1
    assert re.search(r"anna.toml:\d+: error: systolic_pressure_mmhg = 16", said)
    code, said, _ = call(capsys, "record", "check", "anna.toml", "periop", "--json")
    assert code == 1
    found = json.loads(said)
    assert found["errors"] == 1
    assert found["records"]["anna.toml"][0]["line"] > 0
    assert found["records"]["periop"] == []


def test_patients_are_listed(capsys, record_property):
    code, said, _ = call(capsys, "patients", "--json")
    assert code == 0
    record_property("patients", len(json.loads(said)))
    assert set(json.loads(said)) >= {"periop", "healthy", "hfref", "aortic_stenosis"}
    assert "periop" in call(capsys, "patients")[1]


def printed(text, name):
    """The numbers of a printed table's row."""
    rows = [line for line in text.splitlines() if line.strip().startswith(name)]
    assert len(rows) == 1, (name, rows)
    return numbers(rows[0].strip().removeprefix(name))


def test_fit_makes_a_twin_and_says_what_is_next(fitted, small_twin):
    assert fitted.code == 0
    assert "seed 7" in fitted.out
    assert f"Next: cordax report {fitted.folder}" in fitted.out.replace("\n", "")
    assert "periop: fit" in fitted.err and "periop: posterior" in fitted.err
    kept = store.load(fitted.folder)
    assert kept["record"]["id"] == "periop" and kept["seed"] == small_twin.seed == 7


def test_fit_prints_what_the_twin_found(fitted, small_twin):
    """Measurement, sd, prediction and residual, as the report has them."""
    for row in summary(small_twin)["observations"]:
        words = row["name"].replace("_", " ").capitalize()
        got = printed(fitted.out, words)
        wanted = [row["value"], row["sd"], *row["predicted"], row["residual"]]
        # three digits, or one after the point of the residual
        assert got[:5] == pytest.approx(wanted[:5], rel=6e-3)
        assert got[5] == pytest.approx(wanted[5], abs=0.051)
    for line in small_twin.verdict:
        assert line in fitted.out


def test_an_existing_folder_is_refused_before_anything_is_computed(
    capsys, here, monkeypatch
):
    Path("a").mkdir()
    monkeypatch.setattr(calibrating, "calibrate", None)  # would fail if called
    code, _, errors = call(capsys, "fit", "periop", "-o", "a")
    assert code == 2
    assert "--force" in errors
    assert os.listdir("a") == []


def test_several_patients_are_one_batch(capsys, quick):
    code, said, _ = call(
        capsys, "fit", "anna.toml", "bert.toml", "-o", "ward", "--json"
    )
    assert code == 0
    assert set(json.loads(said)["twins"]) == {"ward/anna", "ward/bert"}
    assert json.loads(said)["seed"] == 20260101
    assert json.loads(said)["twins"]["ward/anna"]["patient"] == "anna"
    assert Twin.load("ward/bert").record.id == "bert"
    code, _, errors = call(capsys, "fit", "anna.toml", "anna.toml", "-o", "b")
    assert code == 2
    assert "the id 'anna'" in errors


def test_every_problem_of_every_record_is_told_at_once(capsys, here):
    for name in ("a", "b"):
        Path(f"{name}.toml").write_text("[measurements]\nheart_rate_bpm = -1\n")
    code, _, errors = call(capsys, "fit", "a.toml", "b.toml", "-o", "w", "--quiet")
    assert code == 1
    assert "a.toml:2" in errors
    assert "b.toml:2" in errors
    assert not Path("w").exists()
    code, said, _ = call(capsys, "fit", "a.toml", "-o", "w", "--json")
    assert code == 1
    assert 2 in [problem["line"] for problem in json.loads(said)["problems"]]


def test_ctrl_c_keeps_what_is_finished(capsys, quick, monkeypatch):
    done = calibrating.calibrate

    def stopped(record, *, interrupted, **options):
        if record.id == "bert":
            told = quick.diagnostics | {"method": "laplace"}
            rough = dataclasses.replace(quick, record=record, diagnostics=told)
            interrupted(rough)
            raise KeyboardInterrupt
        return done(record, interrupted=interrupted, **options)

    monkeypatch.setattr(calibrating, "calibrate", stopped)
    records = ("anna.toml", "bert.toml", "carl.toml")
    code, _, errors = call(capsys, "fit", *records, "-o", "w")
    assert code == 130
    assert "Interrupted" in errors
    assert "kept in w/bert" in errors
    assert sorted(os.listdir("w")) == ["anna", "bert"]
    assert Twin.load("w/bert").diagnostics["method"] == "laplace"


def test_a_fit_tells_numbers_that_contradict_each_other(capsys, quick):
    text = Path("anna.toml").read_text()
    wrong = re.sub(r"mean_pressure_mmhg = [\d.]+", "mean_pressure_mmhg = 88", text)
    assert wrong != text
    Path("anna.toml").write_text(wrong)
    code, _, errors = call(capsys, "fit", "anna.toml", "-o", "w")
    assert code == 0
    assert "warning: mean_pressure 88 mmHg, but systolic_pressure 92.7 mmHg" in errors


def test_whatif_reports_before_after_and_change(capsys, kept, monkeypatch):
    monkeypatch.setattr(show.out, "width", 160)  # no cell is folded
    doses = ("fluid_bolus=0.5L", "vasodilator=0.8")
    code, said, _ = call(capsys, "whatif", "a", *doses)
    assert code == 0
    assert "reflex blunted, loop gain" in said
    code, exact, _ = call(capsys, "whatif", "a", *doses, "--json")
    found = json.loads(exact)
    assert found["scenario"] == "fluid_bolus=500mL and vasodilator=0.8"
    rows = {row["index"]: row for row in found["rows"]}
    for name, words in (("mean_pressure", "Mean pressure"), ("tau", "Tau")):
        row = rows[name]
        wanted = [*row["before"], *row["after"], *row["change"]]
        assert printed(said, words) == pytest.approx(wanted, rel=6e-3, abs=6e-3)
        middle, low, high = row["change"]
        assert low <= middle <= high
    assert rows["cardiac_output"]["unit"] == "L/min"
    assert rows["cardiac_output"]["change"][1] > 0.0  # fluid and less to pump against
    # the answer is kept for the report
    (asked,) = Twin.load("a").what_ifs
    assert list(asked.row("mean_pressure").change) == rows["mean_pressure"]["change"]
    code, _, errors = call(capsys, "whatif", "a", "fluid_bolis=1")
    assert code == 1
    assert "fluid_bolus" in errors
    code, said, noted = call(capsys, "whatif", "a", "bleeding=0,5L peep=5", "--json")
    assert json.loads(said)["scenario"] == "haemorrhage=500mL and peep=5cmH2O"
    assert json.loads(said)["notes"] == ["bleeding: taken as haemorrhage"]
    assert "bleeding: taken as haemorrhage" in noted


def test_a_missing_or_newer_twin_is_bad_input(capsys, kept):
    code, _, errors = call(capsys, "report", "none")
    assert code == 1
    assert "cordax fit PATIENT -o none" in errors
    path = Path("a/twin.json")
    path.write_text(
        path.read_text().replace(f'"schema": {store.SCHEMA}', '"schema": 9')
    )
    code, said, _ = call(capsys, "whatif", "a", "peep=5", "--json")
    assert code == 1
    assert "newer cordax" in json.loads(said)["error"]


def test_report_and_export(capsys, kept):
    assert call(capsys, "report", "a")[0] == 0
    assert call(capsys, "report", "a")[0] == 0  # its own file may be written again
    assert "Twin of periop" in Path("a/report.html").read_text()
    Path("b.html").write_text("mine")
    assert call(capsys, "report", "a", "-o", "b.html")[0] == 2
    assert Path("b.html").read_text() == "mine"
    code, _, errors = call(capsys, "export", "a")
    assert code == 2
    assert "--csv" in errors


def test_exported_tables_are_the_twins_numbers(capsys, kept, small_twin):
    code, said, _ = call(capsys, "export", "a", "--csv", "-o", "t", "--json")
    assert code == 0
    count = json.loads(said)["files"]
    drawn = len(small_twin.draws)
    names = [*small_twin.start.space.names, "reflex.gain"]

    def read(name):
        with open(f"t/{name}", newline="") as file:
            return list(csv.DictReader(file))

    draws = read("draws.csv")
    assert count["draws.csv"] == len(draws) == drawn
    assert set(draws[0]) == set(names)
    parameters = read("parameters.csv")
    assert [r["name"] for r in parameters] == names
    for r in parameters:
        # quantiles of what the other table holds, and not of the prior
        values = np.sort([float(d[r["name"]]) for d in draws])
        ends = [float(r[k]) for k in ("q05", "median", "q95")]
        assert ends == pytest.approx(np.percentile(values, [5, 50, 95]), rel=1e-9)
        prior = [float(r[k]) for k in ("prior_q05", "prior_median", "prior_q95")]
        assert (prior == ends) == (r["name"] == "reflex.gain")
    assert call(capsys, "export", "a", "--csv", "-o", "t")[0] == 2


def test_the_demo_ends_with_the_path_of_its_report(capsys, quick):
    code, said, _ = call(capsys, "demo", "-o", "d")
    assert code == 0
    assert said.strip().endswith("d/report.html")
    assert "fluid_bolus=500mL" in said
    assert "seed 20260101" in said and store.load("d")["seed"] == 20260101
    assert call(capsys, "demo", "-o", "d")[0] == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fit"], "PATIENT"),
        (["fit", "periop"], "--output"),
        (["fitt"], "fit"),
        (["fit", "periop", "-o", "x", "--sed", "1"], "--seed"),
        (["fit", "periop", "-o", "x", "--seed", "a"], "valid"),
        (["whatif", "a"], "NAME=DOSE"),
    ],
)
def test_wrong_options(capsys, here, arguments, words):
    code, _, errors = call(capsys, *arguments)
    assert code == 2
    assert words in errors


COMMANDS = {
    "fit": ["fit", "periop", "-o", "new"],
    "demo": ["demo", "-o", "a", "--force"],
    "whatif": ["whatif", "a", "fluid_bolus=500mL"],
    "report": ["report", "a"],
    "export": ["export", "a", "--csv"],
    "patients": ["patients"],
    "record new": ["record", "new", "new.toml"],
    "record check": ["record", "check", "periop"],
    "bench fluid-response": ["bench", "fluid-response", "a.csv"],
    "bench ventilation": ["bench", "ventilation", "a.csv"],
    "bench hybrid": ["bench", "hybrid", "a.csv"],
    "learn residual": ["learn", "residual", "a.csv", "-o", "new"],
    "learn surrogate": ["learn", "surrogate", "periop", "-o", "new"],
    "bench niederer": ["bench", "niederer"],
    "mesh check": ["mesh", "check", "slab.vtu"],
    "ep cell": ["ep", "cell", "mitchell_schaeffer_2003", "--beats", "2"],
    "ep run": [
        "ep",
        "run",
        "--heart",
        "slab",
        "--spacing",
        "1",
        "--eikonal",
        "-o",
        "new",
    ],
    "doctor": ["doctor"],
}


def every_command() -> dict[str, set[str]]:
    """Each command that can be typed, and its options."""
    import typer.main

    def leaves(command, words=()):
        inside = getattr(command, "commands", None)
        if inside is None:
            yield " ".join(words), {o for p in command.params for o in p.opts}
        for name, one in (inside or {}).items():
            yield from leaves(one, (*words, name))

    return dict(leaves(typer.main.get_command(app)))


def test_json_and_seed_are_offered_wherever_they_apply():
    found = every_command()
    assert set(found) == set(COMMANDS)
    assert all("--json" in options for options in found.values())
    random = {name for name, options in found.items() if "--seed" in options}
    scored = {"bench fluid-response", "bench ventilation", "bench hybrid"}
    assert random == {"fit", "demo", "learn residual", "learn surrogate"} | scored


@pytest.mark.parametrize("name", COMMANDS)
def test_what_json_prints_is_json_and_nothing_else(
    capsys, kept, quick, monkeypatch, name
):
    from cordax import doctor
    from cordax.bench import fluid_response, hybrid, niederer, ventilation
    from cordax.cohorts import residual as learn
    from cordax.cohorts import surrogate as learn_surrogate
    from cordax.cohorts.table import LeftOut
    from learned.storage import hybrid as storage
    from physio.electrophysiology.anatomy import shapes as hearts
    from physio.electrophysiology.mesh.formats import files as mesh_files

    monkeypatch.setattr(doctor, "renderer", lambda: "works")
    monkeypatch.setattr(
        niederer, "run", lambda *a, **k: dict.fromkeys(niederer.POINTS, 1.0)
    )
    if name == "mesh check":
        mesh_files.write(hearts.Slab(30.0, 31.0, 32.0).as_mesh(10.0), "slab.vtu")
    made = types.SimpleNamespace(training={"patients": 4})
    cohort = types.SimpleNamespace(left_out=LeftOut())
    monkeypatch.setattr(learn, "read", lambda *a, **k: cohort)
    monkeypatch.setattr(learn, "learn", lambda *a, **k: (made, None))
    monkeypatch.setattr(learn_surrogate, "learn", lambda *a, **k: (made, {}))
    monkeypatch.setattr(storage, "save", lambda *a: None)
    for task in (fluid_response, ventilation, hybrid):
        told = {"scores": {"map": {}}, "table": LeftOut()}
        monkeypatch.setattr(task, "details", lambda *a, told=told, **k: told)
    scored = {"ppv": {}}, LeftOut()
    monkeypatch.setattr(ventilation, "scores_and_table", lambda *a, **k: scored)
    monkeypatch.setattr(hybrid, "reported", lambda found: {"ppv": {}})
    Path("a.csv").write_text("")
    code, said, _ = call(capsys, *COMMANDS[name], "--json")
    assert code == 0
    assert isinstance(json.loads(said), dict)


def test_the_default_seed_is_fixed_and_printed(capsys, quick):
    code, said, _ = call(capsys, "fit", "periop", "-o", "new")
    assert code == 0
    assert "seed 20260101" in said
    assert store.load("new")["seed"] == 20260101


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--version"], 0), (["record", "check", "none.toml"], 1), (["fitt"], 2)],
)
def test_the_process_ends_with_the_code(here, arguments, code):
    command = [sys.executable, "-m", "cordax", *arguments]
    assert subprocess.run(command, capture_output=True).returncode == code


def test_an_interrupt_ends_with_130(capsys, here, monkeypatch):
    def interrupted(record, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(calibrating, "calibrate", interrupted)
    assert call(capsys, "fit", "periop", "-o", "new")[0] == 130
    assert not Path("new").exists()


def test_an_unknown_patient(capsys, here):
    code, _, errors = call(capsys, "fit", "perio", "-o", "x")
    assert code == 1
    assert "periop" in errors


def test_a_full_disk_is_one_sentence(capsys, here, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    code, _, errors = call(capsys, "record", "new", "a.toml")
    assert code == 1
    assert "disk is full" in errors
    assert os.listdir(here) == []


def test_doctor_finds_versions_devices_and_shadows(capsys, here, monkeypatch):
    from cordax import doctor

    monkeypatch.setattr(doctor, "renderer", lambda: "works")
    code, said, _ = call(capsys, "doctor", "--json")
    found = json.loads(said)
    assert found["problems"] == []
    assert code == 0
    assert {"cordax", "jax", "python"} <= set(found["versions"])
    assert found["devices"]
    foreign = here / "learned" / "__init__.py"
    foreign.parent.mkdir()
    foreign.write_text("")
    find = doctor.find_spec

    def shadowed(name):
        spec = find(name)
        if name == "learned":
            spec = types.SimpleNamespace(submodule_search_locations=[foreign.parent])
        return spec

    monkeypatch.setattr(doctor, "find_spec", shadowed)
    code, said, _ = call(capsys, "doctor")
    assert code == 1
    assert "learned comes from" in " ".join(said.split())


def test_a_renderer_that_crashes_is_told(monkeypatch):
    from cordax import doctor

    monkeypatch.setattr(doctor, "_RENDER", "import os; os.kill(os.getpid(), 11)")
    assert "libegl1" in doctor.renderer()
    monkeypatch.setattr(doctor, "_RENDER", "import time; time.sleep(60)")
    monkeypatch.setattr(doctor, "_RENDER_LIMIT_S", 1)
    assert "did not answer" in doctor.renderer()


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        ("fit bad.toml worse.toml -o new", 1, "(and 3 more in the JSON)"),
        ("whatif none peep=5", 1, "There is no twin folder none"),
        ("bench ventilation none.csv", 1, "There is no file none.csv"),
        ("record check bad.toml", 1, "problems were found"),
        ("mesh check bad.toml", 1, "is not a mesh by its name"),
        ("ep run --heart slab", 2, "Name the folder to make"),
        ("fit periop -o bad.toml", 2, "is a file, not a folder"),
        ("fit", 2, "PATIENT"),
        ("fitt", 2, "fitt"),
    ],
)
def test_an_error_as_json_is_one_line_beside_it(capsys, here, typed, code, said):
    for name in ("bad", "worse"):
        Path(f"{name}.toml").write_text("[measurements]\nheart_rate_bpm = 1\n")
    plain = call(capsys, *typed.split())
    found, text, line = call(capsys, *typed.split(), "--json")
    assert found == plain[0] == code
    assert json.loads(text)
    assert line.startswith("Error: ") and said in line
    assert line.count("\n") == 1
