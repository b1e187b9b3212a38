"""`cordax ep` and `cordax bench niederer`: what they write, and what they refuse."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typed_commands import call

from cordax.cli import run
from cordax.ep import heart, membranes, report, settings, setup
from cordax.ep.run import compute
from cordax.reports.html import escape
from physio.electrophysiology.anatomy.shapes import LeftVentricle, Slab
from physio.electrophysiology.mesh import order as mesh_order
from physio.electrophysiology.mesh.formats import files as mesh_files
from physio.electrophysiology.tissue import recording
from physio.electrophysiology.tissue.monodomain import discretise

# A ventricle in a few thousand voxels: a front of 1 S/m is wide enough for 3 mm.
SMALL = ["--heart", "left_ventricle", "--spacing", "3", "--conductivity", "1"]
SMALL += ["--prepace", "0"]
FAST = ["--heart", "slab", "--spacing", "1", "--eikonal"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One whole run with everything a folder can hold."""
    made = tmp_path_factory.mktemp("run") / "lv"
    options = ["--ecg", "--movie", "--every", "5", "--duration", "460"]
    assert run(["ep", "run", *SMALL, *options, "-o", str(made)]) == 0
    return made


@pytest.mark.parametrize("verb", ["ep run", "ep cell", "bench niederer"])
def test_every_verb_explains_itself_with_an_example(capsys, verb):
    code, said, _ = call(capsys, *verb.split(), "--help")
    assert code == 0
    assert f"cordax {verb}" in said
    assert "Example" in said
    assert "--json" in said


def test_the_page_on_hearts_types_options_that_exist(capsys):
    page = Path(__file__).resolve().parents[3] / "docs" / "hearts.md"
    lines = [
        x.split() for x in page.read_text().splitlines() if x.startswith("cordax ")
    ]
    assert len(lines) == 7
    for _, *words in lines:
        _, said, _ = call(capsys, *words[:2], "--help")
        unknown = [w for w in words if w.startswith("--") and w not in said]
        assert unknown == [], words


def test_a_run_writes_fields_tables_pictures_and_a_report(folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "activation.png", "activation.vtu", "cordax.json", "ecg.csv", "ecg.png",
        "movie.gif", "probes.csv", "probes.png", "report.html", "run.json",
    }  # fmt: skip
    found = json.loads((folder / "run.json").read_text())
    figures = found["figures"]
    assert figures["activated_percent"] == 100.0
    # apex to base is 70 mm along the wall; 1 S/m conducts at about 0.9 m/s
    assert 60.0 < figures["total_activation_time_ms"] < 110.0
    low, middle, high = figures["apd_ms"]
    assert 240.0 < low <= middle <= high < 320.0  # Mitchell-Schaeffer's is 280 ms
    assert figures["ecg"]["qrs_duration_ms"] > 0.5 * figures["total_activation_time_ms"]
    assert figures["warnings"] == []
    # the size and the unit, in the file as in the report: 70 mm and the apex's wall
    assert figures["unit"] == "mm, as generated"
    assert figures["size_mm"][2] == pytest.approx(72.0, abs=3.0)
    muscle = LeftVentricle().as_voxels(3.0).volume / 1000.0
    assert figures["volume_ml"] == pytest.approx(muscle)
    page = (folder / "report.html").read_text()
    assert all(text in page for pair in report.size_rows(figures) for text in pair)
    assert set(found["versions"]) >= {"cordax", "jax", "numpy"}


def test_the_fields_open_as_they_were_computed(folder):
    fields = pytest.importorskip("pyvista").read(folder / "activation.vtu").cell_data
    assert {"activation", "repolarisation", "apd", "region"} <= set(fields)
    voxels = LeftVentricle().as_voxels(3.0)
    assert len(fields["activation"]) == voxels.n_node
    # what is near the apex comes first, and the base last
    low = voxels.nodes[:, 2] < -40.0
    assert fields["activation"][low].max() < fields["activation"][~low].max() / 2
    np.testing.assert_allclose(
        fields["apd"], fields["repolarisation"] - fields["activation"], rtol=1e-12
    )


def test_tables_have_units_and_rows(folder):
    probes = (folder / "probes.csv").read_text().splitlines()
    assert probes[0] == "t_ms,at the stimulus (mV),half-way (mV),farthest (mV)"
    values = np.loadtxt(probes[1:], delimiter=",")
    assert values[:, 1:].min() > -81.0 and values[:, 1:].max() < 40.0
    ecg = np.loadtxt((folder / "ecg.csv").read_text().splitlines()[1:], delimiter=",")
    assert ecg.shape == (92, 13)
    # Einthoven's law, to the digits written: II = I + III
    np.testing.assert_allclose(
        ecg[:, 2], ecg[:, 1] + ecg[:, 3], atol=1e-4 * np.abs(ecg[:, 1:4]).max()
    )


def test_the_same_settings_run_again_give_the_same(capsys, here):
    assert run(["ep", "run", *FAST, "--velocity", "0.5,0.3,0.2", "-o", "a"]) == 0
    capsys.readouterr()
    again = ["--again", "a/run.json", "--fields", "vtkhdf"]
    code, said, _ = call(capsys, "ep", "run", *again, "-o", "b", "--json")
    assert code == 0
    before = json.loads(Path("a/run.json").read_text())["figures"]
    after = json.loads(said)
    assert after.pop("folder") == "b" and "report.html" in after.pop("files")
    assert after.pop("seconds") >= 0 and before.pop("seconds") >= 0
    assert after == before
    pyvista = pytest.importorskip("pyvista")
    fields = [
        pyvista.read(path).cell_data["activation"]
        for path in ("a/activation.vtu", "b/activation.vtkhdf")
    ]
    assert np.array_equal(*fields) and np.isfinite(fields[0]).all()
    changed = json.loads(Path("a/run.json").read_text())
    changed["schema"] = 99
    Path("new.json").write_text(json.dumps(changed))
    code, _, errors = call(capsys, "ep", "run", "--again", "new.json", "-o", "c")
    assert code == 1 and "newer cordax" in errors


def test_a_lesion_delays_what_lies_behind_it():
    told = settings.Settings(
        heart="slab", spacing=1.0, eikonal=True, stimulate=((0.0, 3.5, 1.5, 1.5),)
    )
    # a wall across the slab but for its last 2 mm
    wall = replace(told, ablate=((10.0, 0.0, 0.0, 10.0, 5.0, 3.0, 2.0),))
    without, with_wall = compute(told), compute(wall)
    behind = with_wall.heart.nodes[:, 0] > 13.0
    delay = (with_wall.activation - without.activation)[behind]
    assert (delay > -1e-3).all() and delay.max() > 3.0
    ablated = with_wall.fields["ablated"] == 1
    assert np.isnan(with_wall.activation[ablated]).all() and ablated.any()


def test_an_isolated_half_is_said_not_to_be_reached(capsys, here):
    code, said, _ = call(
        capsys, "ep", "run", *FAST, "--stimulate", "1,1,1,2", "--ablate",
        "10,0,1.5,10,7,1.5,3", "-o", "x", "--json",
    )  # fmt: skip
    assert code == 0
    assert 30.0 < json.loads(said)["activated_percent"] < 70.0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "-o DIR"),
        (["-o", "x"], "cordax ep run FILE"),
        (["-o", "there", *FAST], "--force"),
        (["-o", "x", *FAST, "--velocity", "1", "--conductivity", "1"], "not both"),
        (["-o", "x", *FAST, "--velocity", "1,2"], "three"),
        (["-o", "x", *FAST, "--stimulate", "1,2"], "x,y,z"),
        (["-o", "x", *FAST, "--velocity", "fast"], "--velocity takes numbers"),
        (["-o", "x", *FAST, "--movie"], "--eikonal does not compute"),
        (["-o", "x", "--heart", "slab", "--unit", "inch"], "--unit takes"),
        (["-o", "x", *FAST, "--fields", "vtp"], "--fields takes vtu or vtkhdf"),
        (["-o", "x", *FAST, "--sinus", "--surface", "base"], "its own root points"),
        (["-o", "x", *SMALL, "--sinus"], "conducts faster in a layer"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_computed(
    capsys, here, options, words
):
    Path("there").mkdir()
    code, _, errors = call(capsys, "ep", "run", *options)
    assert code == 2
    assert words in " ".join(errors.split())
    assert not Path("x").exists() and os.listdir("there") == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--heart", "left_ventrical"], "Did you mean left_ventricle"),
        (
            ["--heart", "slab", "--cell", "ten_tuscher_2006"],
            "Did you mean ten_tusscher_2006",
        ),
        ([*FAST, "--stimulate", "90,0,0,1"], "No node lies within 1 mm"),
        ([*FAST, "--ablate", "90,0,0,1"], "The lesion 90,0,0,1 touches no node"),
        ([*FAST, "--stimulate", "1,1,1,1", "--ablate", "1,1,1,3"], "is ablated"),
        ([*FAST, "--surface", "transmurl"], "Did you mean transmural"),
        ([*FAST, "--ecg"], "An ECG needs two ventricles"),
        ([*FAST, "--regions-insulating", "0"], "No tissue is left"),
        ([*FAST, "--regions-insulating", "7"], "There is no region [7]"),
        (SMALL + ["--dt", "5"], "above the stability limit of this tissue"),
        (SMALL + ["--layer", "epi"], "has no layers"),
        (SMALL + ["--duration", "3", "--beats", "2"], "Give --duration"),
        (SMALL + ["--probe", "0,0,0"], "No node lies within"),
        (["none.vtu"], "none.vtu does not exist"),
    ],
)
def test_bad_input_is_explained(capsys, here, options, words):
    code, _, errors = call(capsys, "ep", "run", *options, "-o", "x")
    assert code == 1
    assert words in " ".join(errors.split())
    assert not Path("x").exists()


def test_a_cable_of_slow_cells_runs_with_the_defaults():
    told = settings.Settings(
        heart="cable", cell="aliev_panfilov_1996", velocity=(0.6,), prepace=0,
        duration=60.0,
    )  # fmt: skip
    found = compute(told).figures
    # 20 mm at 0.6 m/s less 3 mm of stimulus, and an end that hurries a wide front:
    # D / v = 0.6 / 0.3885^2 = 4.0 mm, ln 2 of it over 0.6 m/s 4.6 ms
    total = found["total_activation_time_ms"]
    assert total == pytest.approx((20.0 - 3.3) / 0.6 - 4.6, abs=1.5)
    assert found["velocity"]["errors_percent"]["along"] < 1.0
    (line,) = [line for line in found["warnings"] if "m/s" in line]
    assert "is 4 mm wide at 0.6 m/s" in line and "4.6 ms earlier" in line
    assert "10.1016/0960-0779(95)00089-5" in found["cell_source"]


def test_a_spacing_too_fine_to_be_stable_names_one_that_is(capsys, here):
    options = ["--heart", "cable", "--conductivity", "5", "--prepace", "0"]
    code, _, errors = call(
        capsys, "ep", "run", *options, "--spacing", "0.02", "-o", "x"
    )
    assert code == 1
    (told,) = re.findall(r"Type --spacing ([\d.]+), or wider", " ".join(errors.split()))
    given = settings.Settings(
        heart="cable", conductivity=(5.0,), prepace=0, spacing=float(told)
    )
    found = membranes.cells(given)
    # the sibling that fails: a tenth less
    finer = replace(given, spacing=0.9 * float(told))
    made, less = (heart.build(x, found.free) for x in (given, finer))
    assert setup.time_step(given, made, found, discretise(made.geometry)) == 0.0025
    with pytest.raises(ValueError, match=f"--spacing {told}"):
        setup.time_step(finer, less, found, discretise(less.geometry))


@pytest.mark.parametrize(
    ("name", "velocity", "spacing"),
    [
        ("atrium", 1.0, 20.0),
        ("ring", 0.6, 6.0),
        ("slab", 0.6, 14.0),
        ("cable", 0.2, 3.0),
    ],
)
def test_a_spacing_too_coarse_names_one_that_is_not(name, velocity, spacing):
    """By the heart, which has no voxel there, or by the wave; one hint leads on."""
    cells = membranes.cells(settings.Settings(heart=name, prepace=0))
    told = settings.Settings(
        heart=name, velocity=(velocity,), spacing=spacing, prepace=0
    )

    def checked(told):
        setup.check_spacing(told, heart.build(told, cells.free), cells)

    with pytest.raises(ValueError, match=r"Type --spacing [\d.]+, or less") as said:
        checked(told)
    found = re.search(r"Type --spacing ([\d.]+),", str(said.value))
    assert found
    checked(replace(told, spacing=float(found[1])))


def test_waves_slowed_by_the_grid_are_a_warning_everywhere(capsys, here, monkeypatch):
    """A cell without coefficients, and none to be found: second order, and said so."""

    def lost(cell):
        raise ValueError("No wave keeps its velocity.")

    monkeypatch.setattr(membranes, "fitted_average", lost)
    options = ["--heart", "cable", "--spacing", "2", "--conductivity", "1"]
    options += ["--prepace", "0", "--duration", "40"]
    code, said, _ = call(capsys, "ep", "run", *options, "-o", "x")
    assert code == 0
    run_file = json.loads(Path("x/run.json").read_text())["figures"]
    grid, slow = run_file["warnings"][:2]
    assert "slowed by the grid (second order)" in grid
    got, fine = (
        run_file["velocity"][k][0] for k in ("got_m_per_s", "continuum_m_per_s")
    )
    assert f"run at {got:.3g} m/s where {fine:.3g} m/s this conductivity" in slow
    assert -15.0 < 100 * (got / fine - 1) < -5.0
    assert "A finer grid is truer: --spacing 1.4" in slow
    page = Path("x/report.html").read_text()
    for line in (grid, slow):
        assert line in said and escape(line) in page


@pytest.mark.parametrize(
    ("velocity", "lines"),
    [
        ({"waves_m_per_s": {"along": (0.6, 0.629), "across": (0.3, 0.29)}}, []),
        (
            {"waves_m_per_s": {"along": (0.6, 0.64), "between": (0.5, 0.4)}},
            ["along the fibre run at 0.64 m/s where 0.6 m/s were wanted: +6.7 %",
             "oblique to the fibre run at 0.4 m/s where 0.5 m/s were wanted: -20.0 %"],
        ),
        (
            {"got_m_per_s": (1.0, np.nan, 0.5), "continuum_m_per_s": (1.0, 0.5, 0.5)},
            ["No wave travels along the sheet"],
        ),
        ({"given_s_per_m": [1, 1, 1]}, []),
    ],
)  # fmt: skip
def test_a_velocity_that_misses_by_more_than_five_per_cent_is_said(velocity, lines):
    geometry = Slab().as_voxels(1.0)
    made = heart.Heart(geometry, geometry.regions, {})
    said = setup.velocity_warnings(velocity, made)
    assert len(said) == len(lines)
    assert all(line in told for line, told in zip(lines, said, strict=True))


def test_a_region_whose_layer_conducts_otherwise_is_said():
    layers = "1=epi,2=endo,3=m"
    told = settings.Settings(
        heart="slab", cell="bueno_orovio_2008", layer=layers, prepace=0
    )
    found = membranes.cells(told)
    endo, m = found.notes
    assert "region 2 are 7 % faster" in endo and "region 3 are 23 % faster" in m
    same = membranes.cells(replace(told, layer="1=epi,2=epi"))
    assert same.notes == ()


def test_a_misspelt_heart_is_told_before_a_cell_is_paced(capsys, here, monkeypatch):
    def paced(settings):
        raise AssertionError("a cell was paced")

    monkeypatch.setattr("cordax.ep.membranes.cells", paced)
    for given in (["--heart", "slap"], ["none.vtu"]):
        assert call(capsys, "ep", "run", *given, "-o", "x")[0] == 1
    with pytest.raises(AssertionError, match="was paced"):
        compute(settings.Settings(heart="slab"))


@pytest.mark.slow
def test_a_sinus_beat_of_two_ventricles(capsys, here):
    """Roots and fast layer, by the front and in tissue."""
    coarse = ["--heart", "biventricle", "--spacing", "2.5", "--velocity", "0.9"]
    options = ["--sinus", "--ecg", "--json", "--prepace", "0"]
    found = {}
    for name, more in (
        ("front", [*options, "--eikonal"]),
        ("tissue", [*options, "--duration", "150"]),
    ):
        code, said, _ = call(capsys, "ep", "run", *coarse, *more, "-o", name)
        assert code == 0
        found[name] = json.loads(said)
        assert found[name]["activated_percent"] == 100.0
    total = {name: run["total_activation_time_ms"] for name, run in found.items()}
    assert 25.0 < total["front"] < 80.0  # from the apex alone it is 125 ms
    # the layer is one voxel thick here, and the muscle loads it
    assert total["front"] < total["tissue"] < 1.8 * total["front"]
    assert found["front"]["velocity"]["fast_layer_m_per_s"] == 1.5
    assert 25.0 < found["front"]["ecg"]["qrs_duration_ms"] < 80.0


def test_a_region_without_a_cell_is_named(capsys, here):
    code, _, errors = call(
        capsys, "ep", "run", "--heart", "left_ventricle", "--spacing", "3",
        "--conductivity", "1", "--cell", "bueno_orovio_2008", "--layer", "2=epi",
        "--prepace", "0", "-o", "x",
    )  # fmt: skip
    assert code == 1
    assert "Regions [1] have no model" in errors


MESH = LeftVentricle().as_mesh(9.0)


def stl(path: str, nodes: np.ndarray, triangles: np.ndarray) -> None:
    """Writes a surface that does not say its unit."""
    row = [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("spare", "<u2")]
    facets = np.zeros(len(triangles), np.dtype(row))
    facets["corners"] = nodes[triangles]
    count = np.array([len(triangles)], "<u4")
    Path(path).write_bytes(b" " * 80 + count.tobytes() + facets.tobytes())


@pytest.mark.slow
def test_results_on_elements_keep_the_numbers_of_the_file(capsys, here):
    order = np.random.default_rng(0).permutation(MESH.n_node)
    scrambled = mesh_order.restored(MESH, order)
    mesh_files.write(scrambled, "scrambled.vtu")
    options = ["--mesh", "--eikonal", "--stimulate", "0,0,-45,8"]
    code, _, _ = call(capsys, "ep", "run", "scrambled.vtu", *options, "-o", "x")
    assert code == 0
    found = mesh_files.read(Path("x/activation.vtu"), unit="mm")
    assert np.allclose(found.nodes, scrambled.nodes, atol=1e-4)
    assert (found.elements["tetra"] == scrambled.elements["tetra"]).all()
    # the front moves away from the apex
    away = np.linalg.norm(found.nodes - [0.0, 0.0, -45.0], axis=1)
    late = found.point_fields["activation"]
    assert np.corrcoef(away, late)[0, 1] > 0.8
    assert np.corrcoef(away[order], late)[0, 1] < 0.3


def test_broken_files_are_explained(capsys, here):
    bare = replace(MESH, fibres={}, sheets={})
    mesh_files.write(bare, "bare.vtu")
    Path("cut.vtu").write_bytes(Path("bare.vtu").read_bytes()[:4000])
    corners = bare.elements["tetra"].copy()
    corners[5] = corners[5][[1, 0, 2, 3]]
    mesh_files.write(replace(bare, elements={"tetra": corners}), "inside_out.vtu")
    surface = MESH.surface()
    shell = {"triangle": surface[:-9]}
    mesh_files.write(
        replace(bare, elements=shell, regions={}, point_fields={}), "open.ply"
    )
    mesh_files.write(MESH, "heart.pts")
    lines = Path("heart.lon").read_text().splitlines()
    Path("heart.lon").write_text("\n".join(lines[:-3]) + "\n")
    slab = Slab().as_mesh(3.0)
    stl("slab.stl", slab.nodes, slab.surface())
    for name, words in (
        ("bare.vtu", "has no fibres. Make them by rule: --fibres rule"),
        ("cut.vtu", "truncated"),
        ("inside_out.vtu", "1 tetrahedron inside out"),
        ("open.ply", "The surface is open"),
        ("heart.pts", "heart.lon"),
        ("slab.stl", "--unit mm on the command line"),
    ):
        code, _, errors = call(
            capsys, "ep", "run", name, "--eikonal", "--spacing", "5", "-o", "x"
        )
        assert code == 1, name
        assert words in " ".join(errors.split()), (name, errors)
    code, said, _ = call(
        capsys, "ep", "run", "inside_out.vtu", "--eikonal", "-o", "x", "--json"
    )
    assert code == 1
    assert [p["name"] for p in json.loads(said)["problems"]] == ["inverted"]


@pytest.mark.parametrize(("unit", "per_mm"), [("um", 1e3), ("m", 1e-3)])
def test_a_heart_in_another_unit_is_the_same_heart(here, unit, per_mm):
    told = settings.Settings(
        file="heart.stl", eikonal=True, spacing=4.0, velocity=(0.6,)
    )
    shapes = []
    for scale in (1.0, per_mm):
        stl("heart.stl", scale * MESH.nodes, MESH.surface())
        shapes.append(heart.build(told, np.nan).nodes)
    # STL holds 32 bits
    np.testing.assert_allclose(shapes[1], shapes[0], atol=1e-3)
    wrong = replace(told, unit="mm")
    with pytest.raises(ValueError, match=r"mind the unit|too coarse"):
        heart.build(wrong, np.nan)


def test_a_full_disk_is_one_sentence(capsys, here, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    code, _, errors = call(capsys, "ep", "run", *FAST, "-o", "x")
    assert code == 1
    assert "disk is full" in errors
    assert os.listdir(here) == []


def test_ctrl_c_says_where_the_run_can_go_on(capsys, here, monkeypatch):
    whole = recording.run

    def interrupted(*args, checkpoint, progress, **options):
        def stop(done, duration):
            raise KeyboardInterrupt

        return whole(
            *args, checkpoint=checkpoint, checkpoint_every=0.0, progress=stop, **options
        )

    monkeypatch.setattr(recording, "run", interrupted)
    options = [*SMALL, "--duration", "40", "--checkpoint", "kept"]
    code, _, errors = call(capsys, "ep", "run", *options, "-o", "x")
    assert code == 130
    assert "kept holds the run so far" in errors
    assert not Path("x").exists()
    monkeypatch.setattr(recording, "run", whole)
    told = settings.Settings(
        heart="left_ventricle", spacing=3.0, conductivity=(1.0,), prepace=0,
        duration=40.0,
    )  # fmt: skip
    resumed, straight = compute(told, checkpoint=Path("kept")), compute(told)
    np.testing.assert_array_equal(resumed.activation, straight.activation)
    assert np.isfinite(straight.activation).sum() > 100


def test_a_cell_is_measured_and_drawn(capsys, here):
    options = ["mitchell_schaeffer_2003", "--bcl", "500", "--beats", "3"]
    code, said, _ = call(
        capsys, "ep", "cell", *options, "--plot", "ap.png", "--restitution", "--json"
    )
    assert code == 0
    found = json.loads(said)
    assert found["files"] == ["ap.png", "ap-restitution.png"]
    assert all(Path(name).stat().st_size > 5000 for name in found["files"])
    assert found["rest_mv"] == pytest.approx(-80.0, abs=0.1)  # v = 0
    # 67.7 ms of recovery and 213 of plateau: Mitchell and Schaeffer's figure 2
    assert 240.0 < found["apd90_ms"] < 320.0
    assert found["apd30_ms"] < found["apd50_ms"] < found["apd90_ms"]
    apd = np.array(found["restitution"]["apd90_ms"], float)
    assert (np.diff(apd[np.isfinite(apd)]) > 0).all()
    code, said, _ = call(capsys, "ep", "cell", *options)
    assert code == 0 and "APD90" in said and "-80.0 mV" in said


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["tor_ord"], 1, "Did you mean tor_ord_2019"),
        (["courtemanche_1998", "--layer", "epi"], 1, "has no layers"),
        (["mitchell_schaeffer_2003", "--plot", "a.xls"], 2, "--plot writes"),
        (["mitchell_schaeffer_2003", "--beats", "0"], 2, "--beats"),
    ],
)
def test_a_cell_that_cannot_be_paced(capsys, here, options, code, words):
    found, _, errors = call(capsys, "ep", "cell", *options)
    assert found == code
    assert words in errors


def test_the_benchmark_is_printed_beside_its_references(capsys, here, monkeypatch):
    from cordax.bench import niederer
    from cordax.bench.niederer_table import CODES, CONVERGED

    times = {name: value for name, (value, _) in CONVERGED.items()}
    monkeypatch.setattr(niederer, "run", lambda *a, **k: times | {"P8": float("nan")})
    code, said, _ = call(capsys, "bench", "niederer", "--dx", "0.2", "--json")
    assert code == 0
    assert set(json.loads(said)["points"]) == set(niederer.POINTS)
    assert json.loads(said)["points"]["P8"] is None
    code, said, _ = call(capsys, "bench", "niederer", "--dx", "0.2")
    assert code == 0 and "38.56 ± 5" in said and "+0.0 %" in said
    assert call(capsys, "bench", "niederer", "--scheme", "third")[0] == 2
    # the mean of the codes converges to what is called converged
    for name, (mean, sd) in CODES[0.1].items():
        assert abs(mean - CONVERGED[name][0]) < 2.1 * sd
