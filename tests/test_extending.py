"""Every block of docs/extending.md runs as it stands."""

import re
from pathlib import Path

import pytest

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


def test_every_kind_has_its_section():
    assert set(SECTIONS) == PROMISED
    assert "tutorials/add_a_valve.md" in SECTIONS["A valve"]  # run by test_tutorials


@pytest.mark.parametrize("title", sorted(PROMISED - {"A valve"}))
def test_a_section_runs_as_it_stands(title, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for catalogue in (READERS, COUNTERS):  # what the page adds goes with the test
        monkeypatch.setitem(catalogue, ".off", None)
    blocks = BLOCK.findall(SECTIONS[title])
    assert blocks
    names: dict = {"__name__": "extending"}
    for block in blocks:
        exec(compile(block, f"<{title}>", "exec"), names)
