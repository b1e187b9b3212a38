"""Meshes survive their files, and files that cannot be used say why in a sentence."""

import os
from dataclasses import replace

import numpy as np
import pytest

from physio.electrophysiology.anatomy.shapes import Atrium, LeftVentricle, Slab
from physio.electrophysiology.mesh import memory as mesh_memory
from physio.electrophysiology.mesh.check import check
from physio.electrophysiology.mesh.formats import files as mesh_files
from physio.electrophysiology.mesh.formats.files import read, write
from physio.electrophysiology.mesh.mesh import Mesh


def heart() -> Mesh:
    """A ventricle with everything a file can carry."""
    mesh = LeftVentricle().as_mesh(6.0)
    count = len(mesh.elements["tetra"])
    rng = np.random.default_rng(0)
    return replace(
        mesh,
        regions={"tetra": rng.integers(1, 5, count).astype(np.int32)},
        point_fields=mesh.point_fields | {"flow": rng.normal(size=(mesh.n_node, 3))},
        cell_fields={"stiffness": {"tetra": rng.random(count).astype(np.float32)}},
    )


HEART = heart()
ATRIUM = replace(Atrium().as_mesh(5.0), sheets={})


def assert_same(found: Mesh, wanted: Mesh, *, digits: float = 0.0) -> None:
    """The same mesh; coordinates and directions to ``digits`` of their size."""
    close = dict(rtol=0.0, atol=digits)
    np.testing.assert_allclose(found.nodes, wanted.nodes, **close)
    assert found.elements.keys() == wanted.elements.keys()
    for kind, corners in wanted.elements.items():
        np.testing.assert_array_equal(found.elements[kind], corners)
        np.testing.assert_array_equal(found.regions[kind], wanted.regions[kind])
    for name in ("fibres", "sheets"):
        ours, theirs = getattr(found, name), getattr(wanted, name)
        assert ours.keys() == theirs.keys(), name
        for kind, vectors in theirs.items():
            np.testing.assert_allclose(ours[kind], vectors, **close)


def assert_same_fields(found: Mesh, wanted: Mesh) -> None:
    assert found.point_fields.keys() == wanted.point_fields.keys()
    for name, values in wanted.point_fields.items():
        np.testing.assert_array_equal(found.point_fields[name], values)
    assert found.cell_fields.keys() == wanted.cell_fields.keys()
    for name, group in wanted.cell_fields.items():
        assert found.cell_fields[name].keys() == group.keys()
        for kind, values in group.items():
            np.testing.assert_array_equal(found.cell_fields[name][kind], values)


@pytest.mark.parametrize("suffix", [".vtu", ".vtkhdf"])
def test_everything_comes_back(tmp_path, suffix):
    file = tmp_path / f"heart{suffix}"
    write(HEART, file)
    found = read(file)
    assert_same(found, HEART)
    assert_same_fields(found, HEART)
    assert found.unit_note == "mm, as the file says"
    assert [f.name for f in tmp_path.iterdir()] == [file.name]
    # the comparison can fail: another region, another field
    changed = HEART.regions["tetra"].copy()
    changed[0] += 1
    with pytest.raises(AssertionError):
        assert_same(found, replace(HEART, regions={"tetra": changed}))
    with pytest.raises(AssertionError):
        assert_same_fields(found, replace(HEART, cell_fields={}))


@pytest.mark.parametrize("suffix", [".vtu", ".vtkhdf"])
def test_kinds_without_a_field_stay_without(tmp_path, suffix):
    ends = np.array([[0, 1], [1, 2]], dtype=np.int32)
    mesh = replace(HEART, elements=HEART.elements | {"line": ends})
    file = tmp_path / f"both{suffix}"
    write(mesh, file)
    assert_same(read(file), mesh)
    assert_same_fields(read(file), mesh)
    assert list(read(file, keep="tetra").elements) == ["tetra"]
    assert "Left out: line." in read(file, keep="tetra").notes


def test_surfaces_come_back(tmp_path):
    for suffix in (".vtp", ".ply", ".stl", ".vtu"):
        file = tmp_path / f"atrium{suffix}"
        write(ATRIUM, file)
        found = read(file)
        assert found.unit_note == "mm, as the file says"
        if suffix == ".stl":  # three corners each, in 32 bits: nodes are found again
            assert check(found) == [] and found.n_node == ATRIUM.n_node
            assert found.measures("triangle") == pytest.approx(
                ATRIUM.measures("triangle"), rel=1e-4
            )
            continue
        assert found.point_fields.keys() == ATRIUM.point_fields.keys()
        if suffix == ".ply":
            assert_same(found, replace(ATRIUM, fibres={}))
        else:
            assert_same(found, ATRIUM)


def test_vtp_with_lines(tmp_path):
    ends = np.array([[0, 1], [1, 2]], dtype=np.int32)
    mesh = replace(ATRIUM, elements=ATRIUM.elements | {"line": ends})
    mesh = replace(mesh, regions=mesh.regions | {"line": np.array([7, 8], np.int32)})
    write(mesh, tmp_path / "links.vtp")
    found = read(tmp_path / "links.vtp")
    assert_same(found, mesh)


def test_vtk_reads_what_we_write(tmp_path):
    vtk = pytest.importorskip("vtkmodules.vtkIOHDF")
    write(HEART, tmp_path / "heart.vtkhdf")
    reader = vtk.vtkHDFReader()
    reader.SetFileName(str(tmp_path / "heart.vtkhdf"))
    reader.Update()
    grid = reader.GetOutput()
    assert grid.GetNumberOfPoints() == HEART.n_node
    assert grid.GetNumberOfCells() == len(HEART.elements["tetra"])
    assert grid.GetCellData().GetArray("region") is not None


def test_vtkhdf_in_two_parts_and_as_polygons(tmp_path):
    import h5py

    with h5py.File(tmp_path / "parts.vtkhdf", "w") as file:
        root = file.create_group("VTKHDF")
        root.attrs["Type"] = np.bytes_("UnstructuredGrid")
        root["NumberOfPoints"] = [4, 4]
        root["NumberOfCells"] = [1, 1]
        root["NumberOfConnectivityIds"] = [4, 4]
        one = 50.0 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
        root["Points"] = np.concatenate([one, one + 60.0])
        root["Offsets"] = [0, 4, 0, 4]
        root["Connectivity"] = [0, 1, 2, 3, 0, 1, 2, 3]
        root["Types"] = np.array([10, 10], np.uint8)
        root["CellData/Tag"] = [3, 4]
    found = read(tmp_path / "parts.vtkhdf")
    assert found.elements["tetra"].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert found.regions["tetra"].tolist() == [3, 4]
    with h5py.File(tmp_path / "poly.vtkhdf", "w") as file:
        root = file.create_group("VTKHDF")
        root.attrs["Type"] = np.bytes_("PolyData")
        root["NumberOfPoints"] = [4]
        root["Points"] = one
        for name, ids in (("Lines", [0, 1, 2]), ("Polygons", [1, 2, 3])):
            group = root.create_group(name)
            group["NumberOfCells"] = [1]
            group["NumberOfConnectivityIds"] = [3]
            group["Offsets"] = [0, 3]
            group["Connectivity"] = ids
    found = read(tmp_path / "poly.vtkhdf")
    assert found.elements["line"].tolist() == [[0, 1], [1, 2]]  # a polyline's segments
    assert found.elements["triangle"].tolist() == [[1, 2, 3]]


@pytest.mark.parametrize("header", [True, False])
def test_opencarp_with_and_without_headers(tmp_path, header):
    write(HEART, tmp_path / "heart.pts")
    assert {f.name for f in tmp_path.iterdir()} == {
        "heart.pts",
        "heart.elem",
        "heart.lon",
    }
    if not header:
        for file in tmp_path.iterdir():
            file.write_text(file.read_text().split("\n", 1)[1])
    for name in ("heart", "heart.pts", "heart.elem", "heart.lon"):
        found = read(tmp_path / name)
        # 10 digits of micrometres, 8 of directions
        assert_same(found, replace(HEART), digits=1e-7)
        assert found.unit == "um"
    assert found.nodes.max() == pytest.approx(HEART.nodes.max())


def test_opencarp_of_several_kinds_without_fibres(tmp_path):
    (tmp_path / "m.pts").write_text("4\n0 0 0\n60000 0 0\n0 60000 0\n0 0 60000\n")
    (tmp_path / "m.elem").write_text("3\nLn 0 1 5\nTt 0 1 2 3 6\nLn 1 2 7\n")
    found = read(tmp_path / "m")
    assert found.regions["line"].tolist() == [5, 7]
    assert found.elements["tetra"].tolist() == [[0, 1, 2, 3]]
    assert found.size == pytest.approx([60.0, 60.0, 60.0]) and not found.fibres
    assert "no fibres were read" in found.notes[0]
    (tmp_path / "m.elem").write_text("Ln 0 1\nTt 0 1 2 3\n")  # no tags
    assert read(tmp_path / "m").regions["tetra"].tolist() == [0]


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("m.lon", "1\n1 0 0\n", "holds 1 fibres for 2 elements"),
        ("m.lon", "1 0\n1 0\n", "3 or 6 numbers"),
        ("m.pts", "5\n0 0 0\n60000 0 0\n", "promises 5 points and holds 2"),
        ("m.pts", "0 0 0\n60000 0\n", "ends inside a line"),
        ("m.pts", "0 0 0\n6000x 0 0\n", "not a number"),
        ("m.elem", "9\nTt 0 1 2 3 1\n", "promises 9 elements and holds 1"),
        ("m.elem", "2\nTt 0 1 2 3 1\nTt 0 1", "truncated"),
        ("m.elem", "2\nTt 0 1 2 3 1\nT", "Line 3 of"),
        ("m.elem", "Qd 0 1 2 3 1\n" * 2, "holds quad"),
        ("m.elem", "Tt 0 1 2 9 1\nTt 0 1 2 3 1\n", "names the node 9"),
    ],
)
def test_damaged_opencarp_files(tmp_path, file, text, words):
    (tmp_path / "m.pts").write_text("4\n0 0 0\n60000 0 0\n0 60000 0\n0 0 60000\n")
    (tmp_path / "m.elem").write_text("2\nTt 0 1 2 3 1\nTt 1 0 2 3 1\n")
    (tmp_path / "m.lon").write_text("1\n1 0 0\n0 1 0\n")
    assert read(tmp_path / "m").elements["tetra"].shape == (2, 4)
    (tmp_path / file).write_text(text)
    with pytest.raises(ValueError, match=words):
        read(tmp_path / "m")


def meshio_file(path, mesh: Mesh, scale: float = 1.0, names=("region", "fibre")):
    """As another program would write it: no unit, its own names."""
    import meshio

    kinds = list(mesh.elements)
    data = {names[0]: [mesh.regions[k] for k in kinds]}
    if mesh.fibres and names[1]:
        data[names[1]] = [mesh.fibres[k] for k in kinds]
    cells = [(k, mesh.elements[k]) for k in kinds]
    meshio.Mesh(mesh.nodes * scale, cells, cell_data=data).write(path)
    return path


@pytest.mark.parametrize(
    ("suffix", "names"),
    [
        (".vtu", ("elemTag", "fiber")),
        (".vtu", ("Material", "f0")),
        (".xdmf", ("tag", "fibers")),
    ],
)
def test_usual_names_of_regions_and_fibres(tmp_path, suffix, names):
    found = read(meshio_file(tmp_path / f"m{suffix}", HEART, names=names))
    wanted = replace(HEART, sheets={}, point_fields={}, cell_fields={})
    assert_same(found, wanted)
    assert not found.cell_fields


def test_gmsh_physical_groups(tmp_path):
    import meshio

    cells = [("tetra", HEART.elements["tetra"]), ("vertex", np.array([[0]]))]
    tags = [HEART.regions["tetra"], np.array([9])]
    data = {"gmsh:physical": tags, "gmsh:geometrical": tags}
    mesh = meshio.Mesh(HEART.nodes, cells, cell_data=data)
    meshio.write(tmp_path / "m.msh", mesh, file_format="gmsh22", binary=True)
    found = read(tmp_path / "m.msh")
    np.testing.assert_array_equal(found.regions["tetra"], HEART.regions["tetra"])
    assert list(found.cell_fields) == ["gmsh:geometrical"]
    assert found.notes == ("Left out: vertex.",)


def test_legacy_vtk_with_whole_numbers(tmp_path):
    # written by vtk itself: what meshio cannot read
    pyvista = pytest.importorskip("pyvista")
    kinds = np.full(len(HEART.elements["tetra"]), 10, np.uint8)
    cells = np.insert(HEART.elements["tetra"], 0, 4, axis=1)
    grid = pyvista.UnstructuredGrid(cells.ravel(), kinds, HEART.nodes)
    grid.cell_data["region"] = HEART.regions["tetra"]
    grid.cell_data["fibre"] = HEART.fibres["tetra"]
    for binary in (True, False):
        grid.save(tmp_path / "m.vtk", binary=binary)
        found = read(tmp_path / "m.vtk")
        np.testing.assert_array_equal(found.regions["tetra"], HEART.regions["tetra"])
        # ASCII files have ten digits or so
        np.testing.assert_allclose(
            found.fibres["tetra"], HEART.fibres["tetra"], atol=1e-6
        )


def test_fields_may_have_any_name(tmp_path):
    file = meshio_file(tmp_path / "m.vtu", HEART, names=("layer", "myofibre"))
    plain = read(file)
    assert plain.regions["tetra"].max() == 0 and not plain.fibres
    assert set(plain.cell_fields) == {"layer", "myofibre"}
    named = read(file, region="layer", fibre="myofibre")
    np.testing.assert_array_equal(named.regions["tetra"], HEART.regions["tetra"])
    assert not named.cell_fields and "tetra" in named.fibres
    with pytest.raises(KeyError, match="Did you mean layer"):
        read(file, region="layr")
    with pytest.raises(KeyError, match="no field 'fibber'"):
        read(file, fibre="fibber")
    with pytest.raises(ValueError, match="not whole numbers"):
        read(file, region="myofibre")


def test_fibres_at_the_nodes_become_the_elements(tmp_path):
    import meshio

    around = np.stack([-HEART.nodes[:, 1], HEART.nodes[:, 0], 0 * HEART.nodes[:, 0]], 1)
    around /= np.maximum(np.linalg.norm(around, axis=1, keepdims=True), 1e-9)
    around[::2] *= -1.0  # a fibre has no head: signs must not cancel
    cells = [("tetra", HEART.elements["tetra"])]
    mesh = meshio.Mesh(HEART.nodes, cells, point_data={"fibre": around})
    mesh.write(tmp_path / "m.vtu")
    found = read(tmp_path / "m.vtu")
    assert "given at the nodes" in found.notes[0] and not found.point_fields
    middle = found.centroids("tetra")
    exact = np.stack([-middle[:, 1], middle[:, 0], 0 * middle[:, 0]], axis=1)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    far = np.hypot(middle[:, 0], middle[:, 1]) > 15.0
    along = np.abs(np.einsum("ij,ij->i", found.fibres["tetra"], exact))
    # 6 mm elements 15 mm from the axis: within 10 degrees
    assert along[far].min() > np.cos(np.radians(10.0))


@pytest.mark.parametrize(("unit", "scale"), [("m", 1e-3), ("cm", 0.1), ("um", 1e3)])
def test_the_unit_is_inferred_from_the_size(tmp_path, unit, scale):
    file = meshio_file(tmp_path / "m.vtu", HEART, scale)
    found = read(file)
    assert found.unit == unit
    # the ventricle is 70.2 mm long
    assert found.unit_note == f"{unit}, inferred: 70.2 mm across is the size of a heart"
    np.testing.assert_allclose(found.nodes, HEART.nodes, rtol=1e-12, atol=1e-12)
    assert read(file, unit="mm").size == pytest.approx(HEART.size * scale)
    assert read(file, unit="mm").unit_note == "mm, as given"


@pytest.mark.parametrize(
    ("mesh", "scale", "words"),
    [
        (HEART, 0.4, "is 28.1 units across"),  # between parts in mm and in cm
        (HEART, 1e-9, "a heart is 60 to 200 mm"),
        (Slab(), 1.0, "not the shape of a heart"),  # 20 mm, or 200 mm in cm?
    ],
)
def test_a_unit_that_cannot_be_told_is_asked_for(tmp_path, mesh, scale, words):
    if isinstance(mesh, Slab):
        mesh = mesh.as_mesh(1.0)
    file = meshio_file(tmp_path / "m.vtu", mesh, scale)
    with pytest.raises(ValueError, match=words) as caught:
        read(file)
    assert "unit='mm' in read or --unit mm" in str(caught.value)
    assert read(file, unit="mm").n_node == mesh.n_node
    with pytest.raises(ValueError, match="got unit='inch'"):
        read(file, unit="inch")


def test_opencarp_in_millimetres_is_noticed(tmp_path):
    write(HEART, tmp_path / "m.pts")
    lines = (tmp_path / "m.pts").read_text().split("\n")
    rows = np.loadtxt(lines[1:]) / 1000.0
    np.savetxt(tmp_path / "m.pts", rows)
    with pytest.raises(ValueError, match="should be in micrometres"):
        read(tmp_path / "m")
    assert read(tmp_path / "m", unit="mm").size == pytest.approx(HEART.size)


@pytest.mark.parametrize("suffix", [".vtu", ".vtkhdf", ".vtp", ".ply", ".stl", ".vtk"])
def test_a_truncated_file_is_a_sentence(tmp_path, suffix, capfd):
    file = tmp_path / f"m{suffix}"
    if suffix == ".vtk":
        pyvista = pytest.importorskip("pyvista")
        pyvista.Sphere(radius=50.0).save(file)
    else:
        write(HEART if suffix in (".vtu", ".vtkhdf") else ATRIUM, file)
    whole = file.read_bytes()
    for share in (0.1, 0.5, 0.97):
        file.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ValueError, match="truncated") as caught:
            read(file)
        assert "\n" not in str(caught.value) and str(file) in str(caught.value)
    capfd.readouterr()  # vtk speaks on its own stream too


def test_files_that_are_no_meshes(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read(tmp_path / "none.vtu")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read(tmp_path / "none.pts")
    (tmp_path / "m.vtu").write_bytes(b"")
    with pytest.raises(ValueError, match="m.vtu is empty"):
        read(tmp_path / "m.vtu")
    (tmp_path / "m.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match="not a mesh by its name: meshes are .vtu"):
        read(tmp_path / "m.npz")
    (tmp_path / "only.pts").write_text("1\n0 0 0\n")
    with pytest.raises(ValueError, match="only.elem is missing"):
        read(tmp_path / "only")
    write(ATRIUM, tmp_path / "a.vtp")
    os.rename(tmp_path / "a.vtp", tmp_path / "a.vtu")
    with pytest.raises(ValueError, match="its content is VTK PolyData"):
        read(tmp_path / "a.vtu")
    (tmp_path / "picture.ply").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(ValueError, match="not what its name says"):
        read(tmp_path / "picture.ply")


def test_a_mesh_without_usable_elements(tmp_path):
    import meshio

    quads = np.array([[0, 1, 2, 3]])
    nodes = 50.0 * np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 1]])
    meshio.Mesh(nodes, [("quad", quads)]).write(tmp_path / "q.vtu")
    with pytest.raises(ValueError, match="holds quad. Convert it, or remesh it"):
        read(tmp_path / "q.vtu")
    both = [("quad", quads), ("triangle", quads[:, :3])]
    meshio.Mesh(nodes, both).write(tmp_path / "b.vtu")
    with pytest.raises(ValueError, match="pass keep='triangle' to drop the others"):
        read(tmp_path / "b.vtu")
    found = read(tmp_path / "b.vtu", keep="triangle")
    assert found.notes == ("Left out: quad.",)
    with pytest.raises(ValueError, match="got 'quad'"):
        read(tmp_path / "b.vtu", keep="quad")


def test_a_file_too_large_for_the_memory_is_not_loaded(tmp_path, monkeypatch):
    file = tmp_path / "huge.vtk"
    with open(file, "wb") as out:
        out.write(b"# vtk DataFile Version 3.0\n")
        out.truncate(2 * 10**9)  # sparse: takes no disk
    monkeypatch.setattr(mesh_memory, "available", lambda: 4e9)
    with pytest.raises(ValueError, match="needs about .* GB of memory .* 4.0 GB are"):
        read(file)
    # a small file that promises much: compressed, or damaged
    write(HEART, tmp_path / "m.vtu")
    text = (tmp_path / "m.vtu").read_bytes()
    count = f'NumberOfPoints="{HEART.n_node}"'.encode()
    many = text.replace(count, b'NumberOfPoints="900000000"')
    assert many != text
    (tmp_path / "m.vtu").write_bytes(many)
    with pytest.raises(ValueError, match="needs about 1.* GB"):
        read(tmp_path / "m.vtu")
    # and a heart that fits is read
    monkeypatch.setattr(mesh_memory, "available", lambda: 1e9)
    (tmp_path / "m.vtu").write_bytes(text)
    assert read(tmp_path / "m.vtu").n_node == HEART.n_node


def test_available_memory_is_plausible():
    free = mesh_memory.available()
    assert free is None or 1e6 < free < 1e14


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("m.obj", "Name it m.vtu"),
        ("m.stl", ".stl files hold triangles; the mesh has tetra"),
        ("m.vtp", "files hold lines and triangles"),
    ],
)
def test_what_cannot_be_written(tmp_path, name, words):
    with pytest.raises(ValueError, match=words):
        write(HEART, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "m.vtkhdf"
    write(HEART, file)
    before = file.read_bytes()

    def fail(raw, path):
        path.write_bytes(b"half")
        raise RuntimeError("no")

    monkeypatch.setattr(mesh_files.vtkhdf, "write", fail)
    with pytest.raises(RuntimeError):
        write(HEART, file)
    assert file.read_bytes() == before
    assert [f.name for f in tmp_path.iterdir()] == ["m.vtkhdf"]


def test_voxels_are_written_as_hexahedra(tmp_path):
    import meshio

    voxels = LeftVentricle().as_voxels(4.0)
    write(voxels.to_mesh(), tmp_path / "v.vtu")
    found = meshio.read(tmp_path / "v.vtu")
    assert found.cells[0].type == "hexahedron"
    assert len(found.cells[0].data) == voxels.n_node
    np.testing.assert_array_equal(
        found.cell_data["transmural"][0], voxels.fields["transmural"]
    )


def test_the_real_files(shared_data):
    surface = read(shared_data("biv_cobiveco") / "geo1_heart.vtp")
    # PROVENANCE.md: closed, 24,991 points, 49,978 triangles, classes 1 to 4
    assert surface.n_node == 24991 and check(surface) == []
    assert len(surface.elements["triangle"]) == 49978
    counts = np.bincount(surface.point_fields["class"])
    assert counts.tolist() == [0, 510, 11396, 5736, 7349]
    assert surface.unit_note.startswith("mm, inferred: 109.0 mm")


def test_the_real_atria(shared_data, tmp_path):
    folder = shared_data("biatrial_bilayer_fibres_GPL3")
    atria = read(folder / "biatrial_bilayer_IAC")
    # PROVENANCE.md: nodes, triangles, links, size in mm, unit fibres
    assert atria.n_node == 50949
    assert {k: len(e) for k, e in atria.elements.items()} == {
        "triangle": 97937,
        "line": 21567,
    }
    assert atria.size == pytest.approx([90.6, 87.8, 82.4], abs=0.05)
    assert set(np.unique(atria.regions["line"])) <= set(range(32, 46))
    assert {p.name for p in check(atria)} == {
        "open surface",
        "non-manifold edges",
        "duplicate elements",
    }
    write(atria, tmp_path / "atria.vtu")
    assert_same(read(tmp_path / "atria.vtu"), atria)
