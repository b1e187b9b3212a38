"""Every block of docs/extending.md runs as it stands."""

import re
from pathlib import Path

import pytest

from calibration.observations.kinds import KINDS
from physio.electrophysiology.mesh.formats import COUNTERS, READERS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "extending.md"
SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.M | re.S)
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
SECTIONS = dict(SECTION.findall(PAGE.read_text()))
PROMISED = {
    "A cell",
    "A drug",
    "A valve",
    "An observation",
    "A closure",
    "A report section",
    "A file format",
}

#: What a section adds to a catalogue.
ADDED: dict = {
    "A file format": ((READERS, ".off"), (COUNTERS, ".off")),
    "An observation": ((KINDS, "ra_maximum_volume"),),
}


def test_every_kind_has_its_section():
    assert set(SECTIONS) == PROMISED
    assert "tutorials/add_a_valve.md" in SECTIONS["A valve"]  # run by test_tutorials


@pytest.mark.parametrize("title", sorted(PROMISED - {"A valve"}))
def test_a_section_runs_as_it_stands(title, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for catalogue, name in ADDED.get(title, ()):  # goes with the test
        monkeypatch.setitem(catalogue, name, None)
    blocks = BLOCK.findall(SECTIONS[title])
    assert blocks
    names: dict = {"__name__": "extending"}
    for block in blocks:
        exec(compile(block, f"<{title}>", "exec"), names)
