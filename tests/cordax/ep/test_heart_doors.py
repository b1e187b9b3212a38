"""What of a heart's file conducts, and how large it is: by value, before any run."""

from dataclasses import replace

import numpy as np
import pytest
from typed_commands import call

from cordax.ep import heart, report
from cordax.ep.run import compute
from cordax.ep.settings import Settings
from physio.electrophysiology.diffusion.elements import on_mesh
from physio.electrophysiology.eikonal.elements import mesh_neighbourhood
from physio.electrophysiology.mesh.formats.files import write
from physio.electrophysiology.mesh.mesh import Mesh

_CUBE = np.array(
    [[0, 1, 3, 7], [0, 1, 7, 5], [0, 5, 7, 4], [0, 3, 2, 7], [0, 6, 4, 7], [0, 2, 6, 7]]
)


def block(cells=(6, 5, 4), side=10.0) -> Mesh:
    """60 x 50 x 40 mm of tetrahedra, fibres along x; x < 20 is region 1, else 2."""
    axes = [side * np.arange(n + 1.0) for n in cells]
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    number = np.arange(len(nodes)).reshape([n + 1 for n in cells])
    corners = [
        number[i : i + cells[0], j : j + cells[1], k : k + cells[2]].ravel()
        for i in (0, 1) for j in (0, 1) for k in (0, 1)
    ]  # fmt: skip
    tetra = np.stack(corners, axis=1)[:, _CUBE].reshape(-1, 4)
    wrong = Mesh(nodes, {"tetra": tetra}).measures("tetra") < 0.0
    tetra[wrong] = tetra[wrong][:, [0, 1, 3, 2]]
    tags = np.where(nodes[tetra].mean(axis=1)[:, 0] < 20.0, 1, 2)
    along = np.tile([1.0, 0.0, 0.0], (len(tetra), 1))
    return Mesh(nodes, {"tetra": tetra}, {"tetra": tags}, {"tetra": along})


BLOCK = block()
EDGE = np.flatnonzero((BLOCK.nodes[:, 0] == 0.0) & (BLOCK.nodes[:, 2] == 0.0))
FRONT = {"eikonal": True, "elements": True, "velocity": (0.6, 0.2, 0.2)}


def lined(path: str, mesh: Mesh = BLOCK, **more) -> str:
    """The block with the curve of its y edge as lines, as gmsh saves it."""
    ends = np.stack([EDGE[:-1], EDGE[1:]], axis=1)
    away = np.array([[60.0, 50.0, 40.0], [66.0, 58.0, 40.0]])
    nodes = np.concatenate([mesh.nodes, away[1:]])
    cable = [[mesh.n_node - 1, mesh.n_node]] if more.get("cable") else []
    lines = np.concatenate([ends, np.reshape(cable, (-1, 2)).astype(int)])
    write(replace(mesh, nodes=nodes, elements=mesh.elements | {"line": lines}), path)
    return path


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def built(**told) -> heart.Heart:
    return heart.build(Settings(**{**FRONT, **told}), np.nan)


def test_a_curve_beside_tetrahedra_is_a_label_unless_asked(here):
    file = lined("lines.vtu")
    label, cables = built(file=file), built(file=file, conduct_lines=True)
    for found, kinds in ((label, ["tetra"]), (cables, ["tetra", "line"])):
        assert [star.kind for star in mesh_neighbourhood(found.geometry).stars] == kinds
    assert (
        "5 lines beside the tetrahedra (50 mm) were taken for labels"
        in (label.notes[0])
    )
    assert label.notes[0].endswith("--mesh --conduct-lines")
    assert cables.notes[0] == (
        "5 lines beside the tetrahedra (50 mm) conduct as cables, as asked."
    )
    assert "lines_mm" not in label.size
    assert cables.size["lines_mm"] == pytest.approx(50.0)
    # in tissue a line is a link: none where it is a label
    assert len(on_mesh(label.geometry).link_nodes) == 0
    assert label.size["volume_ml"] == pytest.approx(120.0)
    assert label.size["size_mm"] == pytest.approx([60.0, 50.0, 40.0])


@pytest.mark.slow
def test_a_curve_leads_the_front_only_where_it_is_asked_to(here):
    write(BLOCK, "plain.vtu")
    start = ((0.0, 0.0, 0.0, 0.1),)
    plain, label, cables = (
        compute(Settings(file=file, stimulate=start, **FRONT, **more))
        for file, more in (
            ("plain.vtu", {}),
            (lined("lines.vtu"), {}),
            ("lines.vtu", {"conduct_lines": True}),
        )
    )
    late = [x.figures["total_activation_time_ms"] for x in (plain, label, cables)]
    assert late[1] == pytest.approx(late[0], rel=1e-5)
    # 50 mm at 0.6 m/s along the cable in place of 0.2 across the fibres
    at = int(np.flatnonzero((BLOCK.nodes == [0.0, 50.0, 0.0]).all(axis=1))[0])
    times = [
        x.activation[np.argsort(x.heart.order)][at] for x in (plain, label, cables)
    ]
    assert times == pytest.approx([250.0, 250.0, 50.0 / 0.6], rel=1e-3)
    assert late[2] < late[0] - 30.0
    assert "taken for labels" in label.warnings[0] and label.figures["unit"]


def test_nodes_of_a_cable_that_does_not_conduct_are_no_tissue(here):
    file = lined("cable.vtu", cable=True)
    found = built(file=file)
    assert len(found.nodes) == BLOCK.n_node
    assert len(found.geometry.elements["line"]) == 5  # labels on tissue stay
    found = built(file=file, conduct_lines=True)
    assert len(found.nodes) == BLOCK.n_node + 1
    voxels = built(file=file, elements=False, spacing=4.0)
    assert "--mesh --conduct-lines" in voxels.notes[0]


def test_a_bath_may_have_no_fibres(here):
    fibres = np.where((BLOCK.regions["tetra"] == 1)[:, None], 0.0,
                      BLOCK.fibres["tetra"])  # fmt: skip
    write(replace(BLOCK, fibres={"tetra": fibres}), "bath.pts")
    with pytest.raises(heart.MeshProblems, match="--regions-insulating 1$"):
        built(file="bath.pts")
    for elements in (True, False):
        found = built(file="bath.pts", insulating=(1,), elements=elements, spacing=4.0)
        # 80 mL of region 2
        assert found.size["volume_ml"] == pytest.approx(80.0, rel=0.05)
        assert set(found.regions) == {2}
        assert "Left out as insulating: regions 1." in found.notes
    # a fault in the tissue is still one
    fibres = fibres.copy()
    fibres[-1] = 0.0
    write(replace(BLOCK, fibres={"tetra": fibres}), "bath.pts")
    with pytest.raises(heart.MeshProblems, match="1 fibre of 480"):
        built(file="bath.pts", insulating=(1,))


def test_large_region_numbers_are_kept_and_can_be_named(here):
    tags = BLOCK.regions["tetra"].astype(np.int64) + 3_000_000_000
    write(replace(BLOCK, regions={"tetra": tags}), "big.vtu")
    found = built(file="big.vtu", insulating=(3_000_000_001,))
    assert set(found.regions.tolist()) == {3_000_000_002}
    assert found.size["volume_ml"] == pytest.approx(80.0)
    with pytest.raises(ValueError, match=r"regions are \[3000000001, 3000000002\]"):
        built(file="big.vtu", insulating=(7,))
    labels = replace(BLOCK, elements=BLOCK.elements | {"triangle": BLOCK.surface()})
    write(replace(labels, regions={"tetra": tags}), "labelled.vtu")
    with pytest.raises(ValueError, match="No tissue is left"):
        built(file="labelled.vtu", insulating=(3_000_000_001, 3_000_000_002))


def test_fields_of_fibres_sheets_and_regions_can_be_named(here):
    across = np.tile([0.0, 1.0, 0.0], (len(BLOCK.elements["tetra"]), 1))
    fields = {"FIB_DIR": {"tetra": BLOCK.fibres["tetra"]}, "CROSS": {"tetra": across}}
    fields["zone"] = BLOCK.regions
    bare = Mesh(BLOCK.nodes, BLOCK.elements, cell_fields=fields)
    write(bare, "named.vtu")
    with pytest.raises(ValueError, match="FIB_DIR or CROSS: --fibre-field FIB_DIR"):
        built(file="named.vtu")
    names = {"fibre_field": "FIB_DIR", "sheet_field": "CROSS", "region_field": "zone"}
    found = built(file="named.vtu", **names).geometry
    np.testing.assert_array_equal(found.fibres["tetra"], BLOCK.fibres["tetra"])
    np.testing.assert_array_equal(found.sheets["tetra"], across)
    np.testing.assert_array_equal(found.regions["tetra"], BLOCK.regions["tetra"])
    voxels = built(file="named.vtu", elements=False, spacing=5.0, **names).geometry
    assert (voxels.fibres == [1.0, 0.0, 0.0]).all() and set(voxels.regions) == {1, 2}
    with pytest.raises(KeyError, match="Did you mean FIB_DIR"):
        built(file="named.vtu", fibre_field="FIB_DIRR")


def test_a_closed_surface_is_filled_with_a_note_and_an_open_one_names_mesh(here):
    shell = Mesh(BLOCK.nodes, {"triangle": BLOCK.surface()}).without_unused_nodes()
    write(shell, "shell.vtp")
    told = {"elements": False, "spacing": 4.0, "velocity": (0.6,)}
    filled = built(file="shell.vtp", **told)
    assert filled.size["volume_ml"] == pytest.approx(120.0, rel=0.1)
    assert "mL of solid tissue" in filled.notes[0]
    assert "--mesh" in filled.notes[0] and "--surface" in filled.notes[0]
    thin = built(file="shell.vtp", velocity=(0.6,))
    # 2 (60 x 50 + 60 x 40 + 50 x 40) mm^2
    assert thin.size["area_cm2"] == pytest.approx(148.0) and not any(
        "filled" in note for note in thin.notes
    )
    write(shell.only({"triangle": np.arange(len(shell.elements["triangle"])) > 3}),
          "open.vtp")  # fmt: skip
    with pytest.raises(ValueError, match="surface is open.*--mesh"):
        built(file="open.vtp", **told)
    with pytest.raises(ValueError, match="no region|regions are"):
        built(file="shell.vtp", insulating=(4,), **told)


def test_images_with_units_thresholds_and_labels(here):
    nibabel = pytest.importorskip("nibabel")
    mask = np.ones((10, 8, 6), np.uint8)
    mask[:3] = 5
    micron = nibabel.Nifti1Image(mask, np.diag([4000.0, 4000.0, 4000.0, 1.0]))
    micron.header.set_xyzt_units("micron")
    nibabel.save(micron, "um.nii.gz")
    told = {"file": "um.nii.gz", "elements": False, "velocity": (0.6,)}
    found = built(**told)
    assert found.size["volume_ml"] == pytest.approx(30.72)
    assert found.size["size_mm"] == pytest.approx([40.0, 32.0, 24.0])
    assert found.unit_note == "um, as the format or the file says"
    part = built(**told, insulating=(5,))
    assert part.size["volume_ml"] == pytest.approx(30.72 * 0.7)
    for option in ({"elements": True}, {"fibre_field": "f"}):
        with pytest.raises(ValueError, match="is an image"):
            built(**{**told, **option})
    share = nibabel.Nifti1Image(np.where(mask == 5, 0.2, 0.9), np.diag([4, 4, 4, 1.0]))
    share.header.set_xyzt_units("mm")
    nibabel.save(share, "share.nii.gz")
    told["file"] = "share.nii.gz"
    with pytest.raises(ValueError, match="--threshold 0.5"):
        built(**told)
    assert built(**told, threshold=0.5).size["volume_ml"] == pytest.approx(30.72 * 0.7)
    oblique = nibabel.Nifti1Image(mask, np.diag([4.0, 4.0, 2.0, 1.0]))
    oblique.header.set_xyzt_units("mm")
    nibabel.save(oblique, "flat.nii.gz")
    told["file"] = "flat.nii.gz"
    found = built(**told)  # a spacing is chosen, and told
    assert found.size["volume_ml"] == pytest.approx(15.36, rel=0.05)
    assert "no cubes" in found.notes[0] and "--spacing" in found.notes[0]


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"heart": "slab", "unit": "mm"}, "--unit is for files"),
        ({"heart": "slab", "region_field": "x"}, "--region-field is for files"),
        ({"file": "a.vtu", "conduct_lines": True}, "Type --conduct-lines --mesh"),
        ({"file": "a.vtu", "conduct_lines": True, "elements": True}, "--eikonal"),
        (
            {"file": "a.vtu", "fibres": "rule", "fibre_field": "f"},
            "leave --fibre-field",
        ),
    ],
)
def test_options_that_would_be_ignored_are_refused(told, words):
    with pytest.raises(ValueError, match=words):
        Settings(**told)


def test_options_that_a_file_has_no_use_for_are_refused(here):
    write(BLOCK, "m.vtu")
    with pytest.raises(ValueError, match="no lines beside tetrahedra: leave"):
        built(file="m.vtu", conduct_lines=True)
    ends = np.stack([EDGE[:-1], EDGE[1:]], axis=1)
    write(Mesh(BLOCK.nodes, {"line": ends}), "cable.vtu")
    with pytest.raises(ValueError, match="On its lines: --mesh"):
        built(file="cable.vtu", elements=False, spacing=1.0)
    assert built(file="cable.vtu").size["lines_mm"] == pytest.approx(50.0)
    with pytest.raises(ValueError, match="leave --threshold out"):
        built(file="m.vtu", threshold=0.5)


def test_a_rat_s_heart_without_a_unit_is_asked_for(capsys, here):
    import meshio

    tetra, along = BLOCK.elements["tetra"], BLOCK.fibres["tetra"]
    small = 0.2 * BLOCK.nodes  # a rat, or 12 cm
    meshio.Mesh(small, [("tetra", tetra)], cell_data={"fibre": [along]}).write("m.vtu")
    options = ["ep", "run", "m.vtu", "--eikonal", "--mesh", "--velocity", "0.6,0.2,0.2"]
    code, _, errors = call(capsys, *options, "-o", "x")
    told = " ".join(errors.split())
    assert code == 1 and "Type --unit mm or --unit cm" in told
    assert "small animal (12 mm across, 0.96 mL, walls of 3.2 mm)" in told
    found = built(file="m.vtu", unit="mm")
    assert found.unit_note == "mm, as given"
    assert found.size["size_mm"] == pytest.approx([12.0, 10.0, 8.0])
    rows = dict(report.size_rows(found.size))
    assert rows == {
        "Size": "12.0 x 10.0 x 8.00 mm, 0.96 mL", "Unit of the file": "mm, as given"
    }  # fmt: skip
