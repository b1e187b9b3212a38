"""What every verb that writes may replace, and what not even --force lets it touch."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from stored_twin import example as payload
from test_cli import every_command
from typed_commands import call

from cordax.ep import settings
from cordax.records.template import template
from cordax.reports.csv_tables import KIND as TABLES
from cordax.reports.data import ReportData
from cordax.twins import store
from physio.electrophysiology.anatomy.shapes import Slab
from physio.electrophysiology.mesh.formats import files as meshes
from physio.files import file_mark, replacing_folder

RECORD = template("anna.toml").replace("= 120 #", "= 131 #")  # filled in by hand
#: Verbs that write nothing that is named on the command line.
READ = {
    "whatif",  # adds to the twin that it asks, and replaces only its own answers
    "patients", "record check", "doctor", "bench fluid-response", "bench ventilation",
    "bench hybrid", "bench niederer",
}  # fmt: skip


class Reached(ValueError):
    """The computation began: nothing stood in its way."""


def reached(*_: Any, **__: Any) -> None:
    raise Reached("the run has begun")


@dataclass(frozen=True)
class Case:
    """How a verb is typed, what it writes, and what of its own it may replace."""

    typed: str  # {} is the target
    own: Callable[[Path], Any]
    target: str = "out"
    folder: bool = False
    patched: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()  # what it reads and may be named by mistake


def a_folder(kind: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with replacing_folder(path, kind) as inside:
            (inside / "one.csv").write_text("1")

    return make


def a_twin(path: Path) -> None:
    store.save(path, payload() | {"draws": {"r": payload()["draws"]["beat"][:, 0]}})


def a_learned(kind: str) -> Callable[[Path], None]:
    from learned.storage.file import FORMAT, write_arrays

    return lambda path: write_arrays(path, {"format": FORMAT, "kind": kind}, {})


def a_mesh(path: Path) -> None:
    meshes.write(Slab(4.0, 4.0, 4.0).as_mesh(2.0), path)


def a_marked(kind: str) -> Callable[[Path], int]:
    return lambda path: path.write_text(f"<x>{file_mark(kind)}</x>")


CASES = {
    "fit": Case("fit anna.toml -o {}", a_twin, folder=True,
                reads=("anna.toml",)),
    "demo": Case("demo -o {}", a_twin, folder=True),
    "report": Case("report twin -o {}", a_marked("report"), "a.html", reads=("twin",),
                   patched=("cordax.reports.page.render",)),
    "export": Case("export twin --csv -o {}", a_folder(TABLES), folder=True,
                   reads=("twin",), patched=("cordax.reports.csv_tables.write_csv",)),
    "record new": Case("record new {}", lambda p: p.write_text(template("b.toml")),
                       "b.toml", patched=("physio.files.write_atomic",)),
    "learn residual": Case("learn residual anna.csv -o {}", a_learned("NeuralResidual"),
                           reads=("anna.csv",),
                           patched=("cordax.cohorts.residual.read",)),
    "learn surrogate": Case("learn surrogate anna.toml -o {}", a_learned("Surrogate"),
                            reads=("anna.toml",),
                            patched=("cordax.cohorts.surrogate.learn",)),
    "mesh check": Case("mesh check heart.vtu --repair {}", a_mesh, "out.vtu",
                       reads=("heart.vtu",),
                       patched=("physio.electrophysiology.mesh.check.repair",)),
    "ep cell": Case("ep cell aliev_panfilov_1996 --plot {}", a_marked("figure"),
                    "a.svg", patched=("cordax.ep.cell.measure",)),
    "ep run": Case("ep run heart.vtu -o {}", a_folder(settings.KIND), folder=True,
                   reads=("heart.vtu",), patched=("cordax.ep.run.compute",)),
}  # fmt: skip


def bare(twin: Any) -> ReportData:
    """A page with nothing on it."""
    return ReportData(
        title="a", patient={}, verdict=(), observations=(), indices=(), parameters=(),
        seed=1, versions={}, created="",
    )  # fmt: skip


@pytest.fixture
def typed(here, monkeypatch, capsys):
    """Types a verb at a target and tells its exit code and what it said.

    The folder holds a record, a twin, a mesh and a table; nothing is computed.
    """
    Path("anna.toml").write_text(RECORD)
    Path("anna.csv").write_text("id\n")
    a_twin(Path("twin"))
    a_mesh(Path("heart.vtu"))

    def type_it(name: str, target: str | Path, *options: str):
        monkeypatch.setattr("cordax.twins.calibrate.calibrate", reached)
        monkeypatch.setattr("cordax.tasks.open_twin", lambda folder: None)
        monkeypatch.setattr("cordax.reports.from_twin.report_data", bare)
        for place in CASES[name].patched:
            monkeypatch.setattr(place, reached)
        words = CASES[name].typed.format(target).split()
        code, _, said = call(capsys, *words, *options)
        return code, " ".join(said.split())

    return type_it


def everything() -> dict[str, bytes]:
    return {str(f): f.read_bytes() for f in Path().rglob("*") if f.is_file()}


def test_every_verb_is_known_to_write_or_only_to_read():
    found = every_command()
    assert set(found) == set(CASES) | READ and not set(CASES) & READ
    writes = {"--output", "-o", "--force", "--repair", "--plot", "--checkpoint"}
    for name in READ:
        assert not writes & found[name], f"{name} writes: give it a case"
    for name in CASES:
        assert "--force" in found[name]


@pytest.mark.parametrize("name", CASES)
def test_a_patients_record_is_never_replaced(typed, name):
    target = CASES[name].target
    Path(target).write_text(RECORD)
    before = everything()
    for options in ((), ("--force",)):
        code, said = typed(name, target, *options)
        assert code == 2 and target in said and "add --force" not in said
    assert everything() == before


@pytest.mark.parametrize("name", CASES)
def test_a_folder_of_the_user_is_never_replaced(typed, name):
    target = Path(CASES[name].target)
    target.mkdir()
    (target / "anna.toml").write_text(RECORD)
    before = everything()
    code, said = typed(name, target, "--force")
    assert code == 2 and str(target) in said
    assert everything() == before


@pytest.mark.parametrize("name", CASES)
def test_another_kind_of_ours_is_never_replaced(typed, name):
    target = Path(CASES[name].target)
    a_folder("something else")(target)
    before = everything()
    assert typed(name, target, "--force")[0] == 2
    shutil.rmtree(target)
    a_learned("Something else")(target)
    code, said = typed(name, target, "--force")
    assert code == 2 and str(target) in said
    target.unlink()
    assert everything() == {
        k: v for k, v in before.items() if not k.startswith(str(target))
    }


@pytest.mark.parametrize("name", [n for n in CASES if CASES[n].folder])
def test_a_note_kept_in_our_folder_is_not_lost(typed, name):
    target = Path(CASES[name].target)
    CASES[name].own(target)
    (target / "notes.md").write_text("seen on the ward")
    before = everything()
    code, said = typed(name, target, "--force")
    assert code == 2 and "notes.md" in said
    assert everything() == before


@pytest.mark.parametrize("name", [n for n in CASES if CASES[n].reads])
def test_what_the_verb_reads_is_never_replaced(typed, name):
    before = everything()
    for target in CASES[name].reads:
        assert typed(name, target, "--force")[0] == 2
    assert everything() == before


@pytest.mark.parametrize("name", CASES)
def test_its_own_kind_is_replaced_by_force_alone(typed, name):
    target = CASES[name].target
    CASES[name].own(Path(target))
    code, said = typed(name, target)
    assert code == 2 and "add --force" in said
    code, said = typed(name, target, "--force")
    assert code == 1 and "the run has begun" in said


def test_a_record_inside_the_twin_it_gave_is_not_lost(typed, capsys):
    shutil.copy("anna.toml", "twin/anna.toml")
    before = everything()
    code, _, said = call(capsys, "fit", "twin/anna.toml", "-o", "twin", "--force")
    assert code == 2 and "reads" in said
    assert everything() == before


def test_run_again_from_the_folder_to_replace(typed, capsys):
    a_folder(settings.KIND)(Path("lv"))
    shutil.move("lv/one.csv", "lv/run.json")
    code, _, said = call(capsys, "ep", "run", "--again", "lv/run.json", "-o", "lv")
    assert code == 2 and "this command reads" in " ".join(said.split())


def test_the_companions_of_a_target_are_looked_at_too(typed, capsys):
    Path("out.elem").write_text("my own list")
    before = everything()
    command = ["mesh", "check", "heart.vtu", "--repair", "out.pts", "--force"]
    assert call(capsys, *command)[0] == 2
    Path("a-restitution.svg").write_text("<svg>my own</svg>")
    before = everything()
    assert typed("ep cell", "a.svg", "--restitution", "--force")[0] == 2
    assert everything() == before


def test_a_checkpoint_is_not_put_among_other_files(typed, capsys):
    command = ["ep", "run", "heart.vtu", "-o", "lv", "--checkpoint"]
    for place, named in (("anna.toml", "is a file"), ("twin", "holds arrays.h5")):
        code, _, said = call(capsys, *command, place)
        assert code == 2 and named in said


def test_a_page_that_the_user_put_in_a_twins_folder_stays(typed, capsys):
    Path("twin/report.html").write_text("<html>my own page</html>")
    before = everything()
    for options in ((), ("--force",)):
        assert call(capsys, "report", "twin", *options)[0] == 2
    assert everything() == before


def test_what_was_drawn_and_written_is_known_again(here):
    from cordax.ep.cell import draw
    from cordax.reports.figures.circulation import KIND
    from cordax.reports.page import is_report, write
    from physio.files import bears_mark

    trace = {"t_ms": [0.0, 1.0, 2.0], "v_mv": [-85.0, 20.0, -85.0]}
    found = {"cell": "a", "layer": "", "bcl_ms": 1000.0, "trace": trace}
    for suffix in ("png", "svg", "pdf"):
        (path,) = draw(found, f"ap.{suffix}")
        assert bears_mark(path, KIND), suffix
    assert is_report(write(bare(None), "a.html"))
