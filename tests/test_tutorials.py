"""The tutorials' code runs as it stands, and prints what the pages say it prints."""

import contextlib
import importlib
import io
import re
import sys
from pathlib import Path

import pytest

TUTORIALS = Path(__file__).resolve().parents[1] / "docs" / "tutorials"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
FILE = re.compile(r"# ((?:physio|tests|cordax)/[\w/]+\.py)\n")


def blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of every fenced block, in order."""
    return BLOCK.findall((TUTORIALS / f"{page}.md").read_text())


def printed(code: str, names: dict) -> str:
    """What a block prints when it is run after those before it."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        exec(compile(code, "<tutorial>", "exec"), names)
    return told.getvalue()


def files(page: str) -> dict[str, str]:
    """The blocks that say which file they are, by its path."""
    named = ((FILE.match(text), text) for _, text in blocks(page))
    return {match[1]: text for match, text in named if match}


@pytest.fixture
def valve(tmp_path, monkeypatch):
    """The elements' package with the tutorial's new file and its one line."""
    import physio.hemodynamics.elements as package

    path = "physio/hemodynamics/elements/tilting_disc.py"
    (tmp_path / Path(path).name).write_text(files("add_a_valve")[path])
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    lines = [t for _, t in blocks("add_a_valve") if t.startswith("from physio.hemo")]
    assert len(lines) == 1 and lines[0].count("\n") == 1  # as promised
    names: dict = {}
    exec(lines[0], names)
    monkeypatch.setattr(package, "TiltingDisc", names["TiltingDisc"], raising=False)
    yield package
    sys.modules.pop("physio.hemodynamics.elements.tilting_disc", None)


def test_add_a_valve_prints_what_the_page_says(valve):
    names: dict = {}
    ran, last = 0, ""
    for language, text in blocks("add_a_valve"):
        if language == "text" and last:
            assert last == text
            ran, last = ran + 1, ""
        elif language == "python" and "print(" in text:
            last = printed(text, names)
    assert ran == 2 and not last


def test_the_valves_own_tests_pass(valve):
    names: dict = {}
    exec(
        files("add_a_valve")["tests/physio/hemodynamics/elements/test_tilting_disc.py"],
        names,
    )
    names["test_an_open_disc_is_an_orifice"]()
    names["test_a_disc_closes_at_its_pace"]()
    for drop in (-80.0, 0.0, 80.0):
        names["test_its_flow_has_finite_derivatives"](drop)


def test_the_valves_name_can_be_typed(valve, monkeypatch):
    from cordax.scenarios import doses, names, scenario
    from physio.hemodynamics import treatments
    from physio.hemodynamics.loops.states import named_state

    told = files("add_a_valve")
    monkeypatch.setattr(doses, "DOSES", dict(doses.DOSES))
    made = dict(vars(treatments))
    exec(told["physio/hemodynamics/treatments.py"], made)
    exec(told["cordax/scenarios/doses.py"], vars(doses) | {"DOSES": doses.DOSES})
    with monkeypatch.context() as patch:
        patch.setattr(treatments, "tilting_disc", made["tilting_disc"], raising=False)
        importlib.reload(names)
        heart = scenario.parse("tilting_disc=2.0cm2").make()(named_state("hfref"))
        assert type(heart.connections["aortic_valve"]).__name__ == "TiltingDisc"
    monkeypatch.undo()
    importlib.reload(names)
