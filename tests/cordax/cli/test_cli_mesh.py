"""`cordax mesh check`: figures, problems, repair, exit codes."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cordax.cli import mesh as verbs
from cordax.cli.app import app, run
from physio.electrophysiology.anatomy.shapes import LeftVentricle
from physio.electrophysiology.mesh.formats.files import read, write

registered = any(group.name == "mesh" for group in app.registered_groups)
HEART = LeftVentricle().as_mesh(6.0)


@pytest.fixture(autouse=True)
def verb(monkeypatch):
    """Gives the application the verb, where it has not got it yet."""
    if not registered:
        groups = [*app.registered_groups]
        app.add_typer(verbs.app, name="mesh")
        yield
        app.registered_groups[:] = groups
    else:
        yield


def broken():
    """The heart with one tetrahedron inside out and a node too many."""
    corners = HEART.elements["tetra"].copy()
    corners[3] = corners[3][[1, 0, 2, 3]]
    fields = {n: np.append(v, v[-1:]) for n, v in HEART.point_fields.items()}
    return replace(
        HEART,
        nodes=np.concatenate([HEART.nodes, [[1.0, 2.0, 3.0]]]),
        elements={"tetra": corners},
        point_fields=fields,
    )


def test_a_sound_mesh_is_described(tmp_path, capsys):
    write(HEART, tmp_path / "heart.vtu")
    assert run(["mesh", "check", str(tmp_path / "heart.vtu")]) == 0
    text = capsys.readouterr().out
    for words in (f"{HEART.n_node} nodes", "region 1:", "mm, as the file says"):
        assert words in text
    assert text.rstrip().endswith("no problems")


def test_json_has_the_figures(tmp_path, capsys):
    write(HEART, tmp_path / "heart.pts")
    assert run(["mesh", "check", str(tmp_path / "heart.elem"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["nodes"] == HEART.n_node
    assert found["elements"] == {"tetra": len(HEART.elements["tetra"])}
    np.testing.assert_allclose(found["bounds_mm"], HEART.bounds, atol=1e-6)
    assert found["unit"] == "um" and found["components"] == 1
    assert found["problems"] == []


def test_problems_have_exit_code_one_and_are_mended_when_asked(tmp_path, capsys):
    write(broken(), tmp_path / "heart.vtu")
    command = ["mesh", "check", str(tmp_path / "heart.vtu")]
    assert run([*command, "--json"]) == 1
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert {p["name"] for p in problems} == {"inverted", "unreferenced nodes"}
    assert set(problems[0]) == {"name", "what", "where", "count", "advice"}
    assert run(command) == 1
    text = capsys.readouterr().out
    assert "problem: 1 tetrahedron inside out (tetra 3; the first at (" in text
    mended = tmp_path / "mended.vtu"
    assert run([*command, "--repair", str(mended)]) == 0
    text = capsys.readouterr().out
    assert "Turned 1 tetrahedron" in text and "Removed 1 node" in text
    assert read(mended).n_node == HEART.n_node
    assert read(tmp_path / "heart.vtu").n_node == HEART.n_node + 1
    # the file that is there is not replaced unasked
    assert run([*command, "--repair", str(mended)]) == 2
    assert run([*command, "--repair", str(mended), "--force", "--json"]) == 0
    out = capsys.readouterr()
    found = json.loads(out.out[out.out.index("{\n") :])
    assert len(found["repaired"]["done"]) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--unit", "inch"], "--unit takes m, cm, mm, um"),
        (["--repair", "out.obj"], "--repair writes .vtu"),
        (["--colour"], "No such option"),
    ],
)
def test_wrong_usage_is_two(tmp_path, capsys, options, words):
    write(HEART, tmp_path / "heart.vtu")
    assert run(["mesh", "check", str(tmp_path / "heart.vtu"), *options]) == 2
    assert words in capsys.readouterr().err


def test_a_bad_file_is_one_sentence(tmp_path, capsys):
    (tmp_path / "m.vtu").write_bytes(b"")
    assert run(["mesh", "check", str(tmp_path / "m.vtu")]) == 1
    assert "m.vtu is empty" in capsys.readouterr().err
    assert run(["mesh", "check", str(tmp_path / "none.vtu")]) == 1
    assert "none.vtu does not exist" in capsys.readouterr().err
    # and the unit, where the size does not tell
    small = replace(HEART, nodes=HEART.nodes * 0.4)
    import meshio

    cells = [("tetra", small.elements["tetra"])]
    meshio.Mesh(small.nodes, cells).write(tmp_path / "small.vtu")
    assert run(["mesh", "check", str(tmp_path / "small.vtu")]) == 1
    assert "--unit mm on the command line" in capsys.readouterr().err
    assert run(["mesh", "check", str(tmp_path / "small.vtu"), "--unit", "mm"]) == 0


def test_the_real_atria(shared_data, capsys):
    folder = shared_data("biatrial_bilayer_fibres_GPL3")
    file = str(folder / "biatrial_bilayer_IAC.pts")
    assert run(["mesh", "check", file, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["unit"] == "um" and found["components"] == 1
    assert found["elements"] == {"triangle": 97937, "line": 21567}
