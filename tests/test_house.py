"""The Makefile, .ci/run, constraints.txt and the extras do what the README promises."""

import datetime
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAKE = shutil.which("make") or pytest.skip("no make here", allow_module_level=True)

DEAD = "echo 'python: command not found' >&2; exit 127"  # a shim without its Python
GOOD = f'[ "$1" = -m ] && {{ mkdir -p "$3"; exit; }}; exec {sys.executable} "$@"'
OLD = 'case "$2" in *print*) echo 3.9 ;; *) exit 1 ;; esac'
BARE = f'case "$2" in *ensurepip*) exit 1 ;; esac; exec {sys.executable} "$@"'


def run(command: list[str], folder: Path, path: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        command,
        cwd=folder,
        env={"PATH": path, "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def make_venv(folder: Path, pythons: dict[str, str]) -> subprocess.CompletedProcess:
    """Run make's set-up on a machine whose PATH has only these pythons."""
    programs = folder / "bin"
    programs.mkdir()
    for name in ("sed", "touch", "mkdir"):
        (programs / name).symlink_to(shutil.which(name) or "")
    for name, script in pythons.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    for name in ("Makefile", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    return run([str(MAKE), ".venv/.made"], folder, str(programs))


@pytest.mark.parametrize(
    ("pythons", "taken"),
    [
        ({"python3.13": GOOD, "python3.11": GOOD, "python3": GOOD}, "python3.13"),
        ({"python3.13": DEAD, "python3.12": DEAD, "python3.11": GOOD}, "python3.11"),
        ({"python3.11": DEAD, "python3": GOOD}, "python3"),
    ],
)
def test_make_takes_the_first_python_that_answers(tmp_path, pythons, taken):
    marked = {name: f"echo {name} >> asked\n{text}" for name, text in pythons.items()}
    answer = make_venv(tmp_path, marked)
    assert answer.returncode == 0, answer.stderr
    assert (tmp_path / ".venv" / ".made").exists()
    assert (tmp_path / "asked").read_text().split()[-1] == taken


@pytest.mark.parametrize(
    ("pythons", "line"),
    [
        ({"python3.14": DEAD}, "sudo apt install python3.11 python3.11-venv"),
        ({"python3": OLD}, "found 3.9"),
        (
            {"python3": BARE},
            "sudo apt install python{}.{}-venv".format(*sys.version_info),
        ),
    ],
)
def test_make_prints_the_line_to_type(tmp_path, pythons, line):
    answer = make_venv(tmp_path, pythons)
    assert answer.returncode != 0
    assert line in answer.stderr
    assert not (tmp_path / ".venv").exists()


def test_ci_ends_with_the_counts_and_the_summary(tmp_path):
    fake = tmp_path / "make"
    summary = "==== 3 passed, 1 skipped in 1.20s ===="
    said = f"real data: 2 ran, 1 skipped\n{summary}"
    path = f"{tmp_path}:{os.environ['PATH']}"
    for script, code in ((f"echo '{said}'", 0), (f"echo '{said}'; exit 3", 1)):
        fake.write_text(f"#!/bin/sh\n{script}\n")
        fake.chmod(0o755)
        answer = run([str(ROOT / ".ci" / "run"), "test", "slow"], tmp_path, path)
        lines = answer.stdout.splitlines()
        assert answer.returncode == code
        assert lines[-1] == summary
        ran = 2 if code else 4  # it stops at the first stage that fails
        assert f"Real-data tests: {ran} ran, {ran // 2} skipped" in lines
        assert ("CI FAILED in stage test" in lines) == bool(code)


def test_a_stage_without_its_python_is_skipped_in_the_closing_summary(tmp_path):
    fake = tmp_path / "python3.12"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    answer = run(
        ["env", f"PYENV_ROOT={tmp_path}", str(ROOT / ".ci" / "run"), "core312"],
        tmp_path, path,
    )  # fmt: skip
    closing = answer.stdout[answer.stdout.index("\nStages:") :]
    assert answer.returncode == 0
    assert "SKIPPED: core312, no CPython 3.12 answers" in closing.splitlines()


def test_constraints_are_exact_and_used():
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"[\w.-]+==[\w.]+( ; .*)?", line), line
    for name in ("Makefile", ".ci/run"):
        text = (ROOT / name).read_text().replace("\\\n", " ")
        installs = [line for line in text.splitlines() if "pip install" in line]
        assert installs
        assert all("-c constraints.txt" in i or "--no-deps" in i for i in installs)


def test_validate_fails_where_there_are_no_data(tmp_path):
    environment = {**os.environ, "CORDAX_DATA": str(tmp_path / "none")}
    command = [sys.executable, str(ROOT / "benchmarks" / "validate.py")]
    answer = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert answer.returncode == 1
    said = f"No real data in {tmp_path / 'none'}. Set CORDAX_DATA to their folder."
    assert answer.stdout.strip() == said


def test_validate_writes_its_page_with_commit_and_date(tmp_path, monkeypatch):
    from benchmarks import acceptance, validate

    recorded = {}
    page = tmp_path / "validation.md"
    section = ("Real", lambda: ({"real-beat": {"rmse": 1.9}}, ["RMSE 1.9 mmHg."]))
    monkeypatch.setattr(validate, "PAGE", page)
    monkeypatch.setattr(validate, "PERIOP", tmp_path)
    monkeypatch.setattr(validate, "ROOT", tmp_path)
    monkeypatch.setattr(validate, "SECTIONS", {"real": section})
    monkeypatch.setattr(acceptance, "record", recorded.__setitem__)
    monkeypatch.setattr(acceptance, "record_tests", dict)
    monkeypatch.setattr(sys, "argv", ["validate.py"])
    assert validate.main() == 0
    text = page.read_text()
    today = datetime.date.today().isoformat()
    # a checkout without its history, as in an archive, has no commit to name
    assert re.search(rf"{today}, commit ([0-9a-f]{{7,}}\+?)?\.", text), text
    assert "## Real\n\n" in text and text.endswith("\n\nRMSE 1.9 mmHg.\n")
    assert recorded == {"real-beat": {"rmse": 1.9}}
    # one section again: the others stay
    page.write_text(text + "\n## Other\n\nkept\n")
    monkeypatch.setattr(
        validate, "SECTIONS", {"real": section, "other": ("Other", None)}
    )
    monkeypatch.setattr(sys, "argv", ["validate.py", "--only", "real"])
    assert validate.main() == 0
    assert page.read_text() == text + "\n## Other\n\nkept\n"


def test_extras():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {"cuda12", "tpu", "bayes", "test", "docs", "dev", "bench"}
    assert wanted <= set(project["optional-dependencies"])


PACKAGES = ("physio", "learned", "calibration", "cordax")


def test_no_room_holds_more_than_twelve_files():
    for package in PACKAGES:
        for init in (ROOT / package).rglob("__init__.py"):
            assert len(list(init.parent.glob("*.py"))) <= 12, init.parent


def test_every_room_has_its_layers():
    """A folder of more than one module has a list of layers; all are exhaustive."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layers = [c for c in contracts["tool"]["importlinter"]["contracts"]
              if c["type"] == "layers" and "containers" in c]  # fmt: skip
    assert all(c["exhaustive"] for c in layers)
    listed = [name for c in layers for name in c["containers"]]
    assert len(set(listed)) == len(listed)
    rooms = set()
    for package in PACKAGES:
        for init in (ROOT / package).rglob("__init__.py"):
            inside = [*init.parent.glob("[!_]*.py"), *init.parent.glob("*/__init__.py")]
            if len(inside) > 1:
                rooms.add(".".join(init.parent.relative_to(ROOT).parts))
    assert rooms == set(listed)
