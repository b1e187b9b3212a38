"""The command line: verbs, exit codes, JSON, refusals. The twin is a stand-in."""

import json
import os
import re
import subprocess
import sys
import time
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from stored_twin import example as payload
from synthetic_report import example
from typed_commands import call

from calibration.sampling.interval import Interval
from cordax import patients
from cordax.cli.app import app
from cordax.reports import from_twin
from cordax.scenarios import scenario
from cordax.twins import store
from cordax.twins.what_if import ChangeRow, WhatIf


class Twin:
    """What the verbs ask of a twin, without a heart."""

    def __init__(self, name: str):
        self.name = name

    def save(self, folder, force=False):
        store.save(folder, payload() | {"id": self.name}, force=force)

    @staticmethod
    def load(folder):
        return Twin(store.load(folder)["id"])

    def whatif(self, treatments):
        ends = ((64.9, 60.0, 70.0), (69.8, 64.0, 75.0), (4.9, 1.5, 8.3))
        row = ChangeRow("mean_pressure", "mmHg", *(Interval(*x) for x in ends))
        asked = scenario.understand(treatments)
        title = " and ".join(map(str, asked.treatments))
        good = np.ones(256, bool)
        return WhatIf(title, (row,), "off", 255, 0, {}, good, notes=asked.notes)

    def remember(self, found):
        return self

    def keep(self, folder):
        self.kept = folder

    def _report_data(self):
        # few figures: drawing is what takes time here
        whole = example()
        return replace(whole, waveforms=whole.waveforms[:1], loops=())

    def _summary(self):
        row = {"name": "mean_pressure", "value": 64.6, "sd": 3.0, "unit": "mmHg"}
        row |= {"predicted": (64.9, 60.0, 70.0), "residual": -0.1, "role": "check"}
        return {"id": self.name, "observations": [row], "verdict": ["All is well."]}


@pytest.fixture
def twin(monkeypatch):
    """Puts the stand-in where twins are; its calibration may be replaced."""
    module = types.ModuleType("cordax.twins.twin")

    def calibrate(record, *, seed, progress, **options):
        progress("fit", 0.5)
        progress("fit", 1.0)
        return Twin(f"{record.id}-{seed}")

    def fitted(records, *, seed, progress, residual=None):
        return [None] * len(records)

    module.Twin = Twin
    monkeypatch.setitem(sys.modules, "cordax.twins.twin", module)
    making = types.ModuleType("cordax.twins.calibrate")
    making.calibrate, making.fitted = calibrate, fitted
    monkeypatch.setitem(sys.modules, "cordax.twins.calibrate", making)
    monkeypatch.setattr(from_twin, "summary", Twin._summary)
    monkeypatch.setattr(from_twin, "report_data", Twin._report_data)
    return making


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


def test_fit_makes_a_twin_and_says_what_is_next(capsys, here, twin):
    code, said, errors = call(capsys, "fit", "periop", "-o", "a", "--seed", "7")
    assert code == 0
    assert "seed 7" in said
    assert "Next: cordax report a" in said
    assert "All is well." in said
    assert "periop: fit" in errors
    assert store.load("a")["id"] == "periop-7"


def test_an_existing_folder_is_refused_before_anything_is_computed(capsys, here, twin):
    Path("a").mkdir()
    twin.calibrate = None  # would fail if it were called
    code, _, errors = call(capsys, "fit", "periop", "-o", "a")
    assert code == 2
    assert "--force" in errors
    assert os.listdir("a") == []


def test_several_patients_are_one_batch(capsys, here, twin):
    code, said, _ = call(capsys, "fit", "periop", "hfref", "-o", "ward", "--json")
    assert code == 0
    assert set(json.loads(said)["twins"]) == {"ward/periop", "ward/hfref"}
    assert json.loads(said)["seed"] == 20260101
    code, _, errors = call(capsys, "fit", "periop", "periop", "-o", "b")
    assert code == 2
    assert "the id 'periop'" in errors


def test_every_problem_of_every_record_is_told_at_once(capsys, here, twin):
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


def test_ctrl_c_keeps_what_is_finished(capsys, here, twin):
    done = twin.calibrate

    def stopped(record, *, interrupted, **options):
        if record.id == "hfref":
            interrupted(Twin("partial"))
            raise KeyboardInterrupt
        return done(record, interrupted=interrupted, **options)

    twin.calibrate = stopped
    code, _, errors = call(capsys, "fit", "periop", "hfref", "healthy", "-o", "w")
    assert code == 130
    assert "Interrupted" in errors
    assert "kept in w/hfref" in errors
    assert sorted(os.listdir("w")) == ["hfref", "periop"]
    assert store.load("w/hfref")["id"] == "partial"


def test_a_fit_tells_numbers_that_contradict_each_other(capsys, here, twin):
    text = Path(patients.find("healthy")).read_text()
    Path("a.toml").write_text(text + "mean_pressure_mmhg = 112\n")
    code, _, errors = call(capsys, "fit", "a.toml", "-o", "a")
    assert code == 0
    assert "warning: mean_pressure 112 mmHg, but systolic_pressure 116 mmHg" in errors


def test_whatif_reports_before_after_and_change(capsys, here, twin):
    Twin("a").save("a")
    code, said, _ = call(capsys, "whatif", "a", "fluid_bolus=0.5L", "vasodilator=0.8")
    assert code == 0
    assert "+4.90 (+1.50 to +8.30)" in said
    assert "reflex off" in said
    code, said, _ = call(capsys, "whatif", "a", "fluid_bolus=0.5L", "--json")
    assert json.loads(said)["scenario"] == "fluid_bolus=500mL"
    assert json.loads(said)["rows"][0]["change"] == [4.9, 1.5, 8.3]
    code, _, errors = call(capsys, "whatif", "a", "fluid_bolis=1")
    assert code == 1
    assert "fluid_bolus" in errors
    code, said, noted = call(capsys, "whatif", "a", "bleeding=1,5L peep=5", "--json")
    assert json.loads(said)["scenario"] == "haemorrhage=1500mL and peep=5cmH2O"
    assert json.loads(said)["notes"] == ["bleeding: taken as haemorrhage"]
    assert "bleeding: taken as haemorrhage" in noted


def test_a_missing_or_newer_twin_is_bad_input(capsys, here, twin):
    code, _, errors = call(capsys, "report", "none")
    assert code == 1
    assert "cordax fit PATIENT -o none" in errors
    Twin("a").save("a")
    path = Path("a/twin.json")
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 9'))
    code, said, _ = call(capsys, "whatif", "a", "peep=5", "--json")
    assert code == 1
    assert "newer cordax" in json.loads(said)["error"]


def test_report_and_export(capsys, here, twin):
    Twin("a").save("a")
    assert call(capsys, "report", "a")[0] == 0
    assert Path("a/report.html").exists()
    assert call(capsys, "report", "a")[0] == 0  # its own file may be written again
    assert call(capsys, "report", "a", "-o", "b.html")[0] == 0
    assert call(capsys, "report", "a", "-o", "b.html")[0] == 2
    code, _, errors = call(capsys, "export", "a")
    assert code == 2
    assert "--csv" in errors
    code, said, _ = call(capsys, "export", "a", "--csv", "--json")
    assert code == 1  # these draws have different lengths
    assert "different lengths" in said


def test_exported_tables(capsys, here, twin):
    plain = payload()
    plain["draws"] = {"r": plain["draws"]["beat"][:, 0], "beat": plain["draws"]["beat"]}
    store.save("a", plain)
    code, said, _ = call(capsys, "export", "a", "--csv", "-o", "t", "--json")
    assert code == 0
    assert json.loads(said)["files"]["draws.csv"] == 2
    assert (
        Path("t/draws.csv").read_text().splitlines()[0] == "r,beat[0],beat[1],beat[2]"
    )
    assert "mean_pressure,mmHg,64.9" in Path("t/indices.csv").read_text()
    assert call(capsys, "export", "a", "--csv", "-o", "t")[0] == 2


def test_the_demo_ends_with_the_path_of_its_report(capsys, here, twin):
    code, said, _ = call(capsys, "demo", "-o", "d")
    assert code == 0
    assert said.strip().endswith("d/report.html")
    assert call(capsys, "demo", "-o", "d")[0] == 2
    assert call(capsys, "demo", "-o", "d", "--force", "--json")[0] == 0


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
    "demo": ["demo", "-o", "new"],
    "whatif": ["whatif", "a", "peep=5"],
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
    capsys, here, twin, monkeypatch, name
):
    from cordax import doctor
    from cordax.bench import fluid_response, hybrid, niederer, ventilation
    from cordax.cohorts import residual as learn
    from cordax.cohorts import surrogate as learn_surrogate
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
    monkeypatch.setattr(learn, "read", lambda *a, **k: None)
    monkeypatch.setattr(learn, "learn", lambda *a, **k: (made, None))
    monkeypatch.setattr(learn_surrogate, "learn", lambda *a, **k: (made, {}))
    monkeypatch.setattr(storage, "save", lambda *a: None)
    for task in (fluid_response, ventilation, hybrid):
        monkeypatch.setattr(task, "details", lambda *a, **k: {"scores": {"map": {}}})
        monkeypatch.setattr(task, "run", lambda *a, **k: {"ppv": {}})
    monkeypatch.setattr(hybrid, "reported", lambda found: {"ppv": {}})
    plain = payload()
    plain["draws"] = {"r": plain["draws"]["beat"][:, 0]}
    store.save("a", plain)
    Path("a.csv").write_text("")
    code, said, _ = call(capsys, *COMMANDS[name], "--json")
    assert code == 0
    assert isinstance(json.loads(said), dict)


@pytest.mark.parametrize("command", ["fit", "demo"])
def test_the_default_seed_is_fixed_and_printed(capsys, here, twin, command):
    options = ["periop"] if command == "fit" else []
    code, said, _ = call(capsys, command, *options, "-o", "new")
    assert code == 0
    assert "seed 20260101" in said
    assert store.load("new")["id"] == "periop-20260101"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--version"], 0), (["record", "check", "none.toml"], 1), (["fitt"], 2)],
)
def test_the_process_ends_with_the_code(here, arguments, code):
    command = [sys.executable, "-m", "cordax", *arguments]
    assert subprocess.run(command, capture_output=True).returncode == code


def test_an_interrupt_ends_with_130(capsys, here, twin):
    def interrupted(record, **options):
        raise KeyboardInterrupt

    twin.calibrate = interrupted
    assert call(capsys, "fit", "periop", "-o", "new")[0] == 130
    assert not Path("new").exists()


def test_an_unknown_patient(capsys, here, twin):
    code, _, errors = call(capsys, "fit", "perio", "-o", "x")
    assert code == 1
    assert "periop" in errors


def test_a_full_disk_is_one_sentence(capsys, here, twin, monkeypatch):
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
