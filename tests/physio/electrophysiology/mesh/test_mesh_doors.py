"""Every reader returns what its file states: counts by kind and sizes, by two readers.

The second reader is vtk's own where the format has one, else meshio or plain numpy; the
right values are those of the boxes the files are made of.
"""

import importlib
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from physio.electrophysiology.mesh.formats import files, stated
from physio.electrophysiology.mesh.formats.files import read, write
from physio.electrophysiology.mesh.formats.raw import NotUnderstood
from physio.electrophysiology.mesh.mesh import Mesh
from physio.electrophysiology.mesh.report import figures

_CUBE = np.array(
    [[0, 1, 3, 7], [0, 1, 7, 5], [0, 5, 7, 4], [0, 3, 2, 7], [0, 6, 4, 7], [0, 2, 6, 7]]
)
SIZES = {"tetra": 1000.0, "triangle": 100.0, "line": 1.0}  # mm^3, mm^2, mm
# The boxes: 60 x 50 x 40 mm, of which x < 20 is region 1; and 40 x 40 x 25 mm above.
FIRST, SECOND = 120.0, 40.0  # mL


def box(shape, sides, origin=(0.0, 0.0, 0.0)):
    """Nodes and tetrahedra of a box of shape cells, six to a cell, right way round."""
    axes = [np.linspace(0.0, s, n + 1) + o
            for n, s, o in zip(shape, sides, origin, strict=True)]  # fmt: skip
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    number = np.arange(len(nodes)).reshape([n + 1 for n in shape])
    corners = [
        number[i : i + shape[0], j : j + shape[1], k : k + shape[2]].ravel()
        for i in (0, 1) for j in (0, 1) for k in (0, 1)
    ]  # fmt: skip
    tetra = np.stack(corners, axis=1)[:, _CUBE].reshape(-1, 4)
    found = Mesh(nodes, {"tetra": tetra})
    wrong = found.measures("tetra") < 0.0
    tetra[wrong] = tetra[wrong][:, [0, 1, 3, 2]]
    return nodes, tetra


def regions(nodes, tetra):
    return np.where(nodes[tetra].mean(axis=1)[:, 0] < 20.0, 1, 2)


NODES, TETRA = box((3, 2, 2), (60.0, 50.0, 40.0))
ABOVE, MORE = box((2, 2, 1), (40.0, 40.0, 25.0), (10.0, 5.0, 45.0))
REGIONS = regions(NODES, TETRA)
ALONG = np.tile([1.0, 0.0, 0.0], (len(TETRA), 1))


def totals(mesh: Mesh) -> dict:
    """Number and size (mL, cm^2, mm) by kind, and by region of the tetrahedra."""
    found = {
        kind: (len(e), round(float(np.abs(mesh.measures(kind)).sum()) / SIZES[kind], 6))
        for kind, e in mesh.elements.items()
    }
    if "tetra" in mesh.elements:
        size = np.abs(mesh.measures("tetra"))
        found["regions"] = {
            int(k): round(float(size[mesh.regions["tetra"] == k].sum()) / 1000.0, 6)
            for k in np.unique(mesh.regions["tetra"])
        }
    return found


def by_vtk(path: Path) -> dict:
    """Number and size by kind as vtk counts and measures them, pieces and all."""
    names = {
        ".vtu": ("vtkIOXML", "vtkXMLUnstructuredGridReader"),
        ".pvtu": ("vtkIOXML", "vtkXMLPUnstructuredGridReader"),
        ".vtp": ("vtkIOXML", "vtkXMLPolyDataReader"),
        ".vtk": ("vtkIOLegacy", "vtkDataSetReader"),
        ".ply": ("vtkIOPLY", "vtkPLYReader"), ".stl": ("vtkIOGeometry", "vtkSTLReader"),
        ".vtkhdf": ("vtkIOHDF", "vtkHDFReader"),
    }  # fmt: skip
    module, name = names[path.suffix]
    reader = getattr(importlib.import_module(f"vtkmodules.{module}"), name)()
    reader.SetFileName(str(path))
    reader.Update()
    data = reader.GetOutput()
    counts, sizes = Counter(), Counter()
    for number in range(data.GetNumberOfCells()):
        cell = data.GetCell(number)
        kind = {10: "tetra", 5: "triangle", 3: "line", 4: "line", 6: "triangle"}.get(
            cell.GetCellType(), "other"
        )
        points = [np.array(cell.GetPoints().GetPoint(k))
                  for k in range(cell.GetNumberOfPoints())]  # fmt: skip
        parts = {"tetra": [points], "other": []}.get(kind)
        if parts is None:
            step = 2 if kind == "line" else 3
            parts = [points[k : k + step] for k in range(len(points) - step + 1)]
        for part in parts:
            counts[kind] += 1
            sides = [p - part[0] for p in part[1:]]
            if kind == "tetra":
                size = abs(np.linalg.det(sides)) / 6.0
            elif kind == "triangle":
                size = np.linalg.norm(np.cross(*sides)) / 2.0
            else:
                size = np.linalg.norm(sides[0])
            sizes[kind] += size / SIZES[kind]
    return {k: (counts[k], round(float(sizes[k]), 6)) for k in counts if k != "other"}


def agree(found: Mesh, path: Path) -> None:
    """Ours and vtk's, element for element and millilitre for millilitre."""
    ours = {k: v for k, v in totals(found).items() if k != "regions"}
    theirs = by_vtk(path)
    assert {k: v[0] for k, v in ours.items()} == {k: v[0] for k, v in theirs.items()}
    for kind, (_, size) in theirs.items():
        assert ours[kind][1] == pytest.approx(size, rel=1e-5)


def vtk_grid(nodes, cells, **fields):
    """A vtk grid of (type, corners) with fields of its cells."""
    pyvista = pytest.importorskip("pyvista")
    rows = np.concatenate([[len(c), *c] for _, c in cells]).astype(np.int64)
    kinds = np.array([kind for kind, _ in cells], np.uint8)
    grid = pyvista.UnstructuredGrid(rows, kinds, np.asarray(nodes, float))
    for name, values in fields.items():
        grid.cell_data[name] = values
    return grid


def both_bodies():
    nodes = np.concatenate([NODES, ABOVE])
    tetra = np.concatenate([TETRA, MORE + len(NODES)])
    tags = np.concatenate([REGIONS, np.full(len(MORE), 3)])
    return nodes, tetra, tags


def save_vtu(grid, path, mode, compressed, pieces=1, parallel=False):
    """As vtk itself writes it, in pieces; ``parallel`` in files of their own."""
    from vtkmodules.util.vtkAlgorithm import VTKPythonAlgorithmBase
    from vtkmodules.vtkCommonDataModel import vtkDataObject
    from vtkmodules.vtkCommonExecutionModel import vtkAlgorithm
    from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline as p

    class Pieces(VTKPythonAlgorithmBase):
        """Gives a writer the share of the cells that it asks for."""

        def __init__(self):
            super().__init__(0, None, 1, "vtkUnstructuredGrid")

        def RequestInformation(self, request, given, out):
            out.GetInformationObject(0).Set(vtkAlgorithm.CAN_HANDLE_PIECE_REQUEST(), 1)
            return 1

        def RequestData(self, request, given, out):
            info = out.GetInformationObject(0)
            asked = info.Get(p.UPDATE_PIECE_NUMBER())
            of = info.Get(p.UPDATE_NUMBER_OF_PIECES())
            cells = np.array_split(np.arange(grid.n_cells), of)[asked]
            vtkDataObject.GetData(info).ShallowCopy(grid.extract_cells(cells))
            return 1

    module = "vtkIOParallelXML" if parallel else "vtkIOXML"
    name = f"vtkXML{'P' if parallel else ''}UnstructuredGridWriter"
    writer = getattr(importlib.import_module(f"vtkmodules.{module}"), name)()
    writer.SetFileName(str(path))
    source = Pieces()
    writer.SetInputConnection(source.GetOutputPort())
    getattr(writer, f"SetDataModeTo{mode}")()
    if not compressed:
        writer.SetCompressorTypeToNone()
    if parallel:
        writer.SetNumberOfPieces(pieces)
        writer.SetEndPiece(pieces - 1)
    else:
        writer.SetNumberOfPieces(pieces)
    writer.Write()


TWO = {"tetra": (96, 160.0), "regions": {1: 40.0, 2: 80.0, 3: 40.0}}


@pytest.mark.parametrize(
    ("mode", "compressed"),
    [("Ascii", False), ("Binary", True), ("Appended", True), ("Appended", False)],
)
def test_every_piece_of_a_vtu(tmp_path, mode, compressed):
    nodes, tetra, tags = both_bodies()
    grid = vtk_grid(nodes, [(10, c) for c in tetra], region=tags)
    file = tmp_path / "two.vtu"
    save_vtu(grid, file, mode, compressed, pieces=3)
    assert stated.stated(file, ".vtu").pieces == 3
    found = read(file)
    assert totals(found) == TWO
    agree(found, file)
    assert found.stated["cells"] == 96
    # a shared node is in several pieces: no point of the file is lost
    assert found.n_node == found.stated["points"] >= len(nodes)


def test_every_file_of_a_pvtu_without_its_ghosts(tmp_path):
    nodes, tetra, tags = both_bodies()
    grid = vtk_grid(nodes, [(10, c) for c in tetra], region=tags)
    file = tmp_path / "two.pvtu"
    save_vtu(grid, file, "Appended", True, pieces=2, parallel=True)
    assert totals(read(file)) == TWO
    # the second piece repeats one cell of the first, marked as vtk marks it
    ghost = np.zeros(len(tetra), np.uint8)
    ghost[7] = 1
    grid.cell_data["vtkGhostType"] = ghost
    save_vtu(grid, tmp_path / "ghost.vtu", "Binary", True)
    found = read(tmp_path / "ghost.vtu")
    assert len(found.elements["tetra"]) == 95
    assert "Left out: 1 ghost cells, which repeat those of the piece beside." in (
        found.notes
    )
    assert "vtkGhostType" not in found.cell_fields
    # a file that is not there is said, not skipped
    next(tmp_path.glob("two_1.vtu")).unlink()
    with pytest.raises(ValueError, match="two.pvtu"):
        read(file)


CABLE = np.array([[60.0, 50.0, 40.0], [65.0, 55.0, 42.0], [70.0, 55.0, 45.0]])


@pytest.mark.parametrize("suffix", [".vtu", ".vtk", ".vtkhdf"])
def test_kinds_of_vtk_cells(tmp_path, suffix):
    nodes = np.concatenate([NODES, CABLE])
    first, last = len(NODES), len(NODES) - 1
    cells = [(10, c) for c in TETRA]
    cells += [(4, [last, first, first + 1, first + 2]), (3, [0, 1]), (1, [0])]
    cells += [(6, [0, 1, 3, 4]), (2, [4, 5]), (7, [0, 1, 4])]
    tags = np.concatenate([REGIONS, [9, 8, 7, 6, 5, 4]])
    file = tmp_path / f"kinds{suffix}"
    grid = vtk_grid(nodes, cells, region=tags)
    if suffix == ".vtkhdf":
        hdf = pytest.importorskip("vtkmodules.vtkIOHDF")
        writer = hdf.vtkHDFWriter()
        writer.SetFileName(str(file))
        writer.SetInputData(grid)
        writer.Write()
    else:
        grid.save(file)
    found = read(file)
    length = np.linalg.norm(np.diff(nodes[[last, first, first + 1, first + 2]], axis=0),
                            axis=1).sum()  # fmt: skip
    assert totals(found)["line"] == (4, round(length + 20.0, 6))
    assert totals(found)["tetra"] == (72, 120.0)
    assert sorted(found.regions["line"]) == [8, 9, 9, 9]
    assert sorted(found.regions["triangle"]) == [
        4,
        6,
        6,
    ]  # a polygon of 3, a strip of 2
    assert found.stated == {"points": len(nodes), "cells": 78, "pieces": 1}
    assert found.notes == ("Left out: poly-vertex, vertex.",)
    counts = {k: v[0] for k, v in by_vtk(file).items()}
    assert counts == {"tetra": 72, "line": 4, "triangle": 2}  # its polygon: other


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("suffix", [".vtp", ".vtk", ".vtkhdf"])
def test_poly_data_of_vtk(tmp_path, suffix, binary):
    pyvista = pytest.importorskip("pyvista")
    faces = np.insert(SIDES[:5], 0, 3, axis=1).ravel()
    lines, strips = [3, 0, 2, 4, 2, 1, 3], [4, 0, 1, 3, 5]
    found = pyvista.PolyData(OCTAHEDRON, faces=faces, lines=lines, strips=strips)
    found.cell_data["tag"] = np.arange(8)  # lines first, strips last
    file = tmp_path / f"m{suffix}"
    if suffix == ".vtkhdf":
        writer = pytest.importorskip("vtkmodules.vtkIOHDF").vtkHDFWriter()
        writer.SetFileName(str(file))
        writer.SetInputData(found)
        writer.Write()
    else:
        found.save(file, binary=binary)
    ours = read(file, unit="mm")
    agree(ours, file)
    assert ours.stated == {"points": 6, "cells": 8, "pieces": 1}
    assert sorted(ours.regions["line"]) == [0, 0, 1]
    assert sorted(ours.regions["triangle"]) == [2, 3, 4, 5, 6, 7, 7]


def test_strips_alternate(tmp_path):
    points = 40.0 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 2, 0.9]])
    grid = vtk_grid(points, [(6, [0, 1, 2, 3, 4])])
    grid.save(tmp_path / "strip.vtu")
    found = read(tmp_path / "strip.vtu", unit="mm")
    corners = found.nodes[found.elements["triangle"]]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (normal[:, 2] > 0.0).all()  # all on one side, as vtk has them


@pytest.mark.parametrize(
    ("number", "count", "name"),
    [(11, 8, "voxel"), (8, 4, "pixel"), (9, 4, "quad"), (12, 8, "hexahedron"),
     (24, 10, "quadratic tetra"), (13, 6, "wedge"), (42, 0, "polyhedron")],
)  # fmt: skip
def test_kinds_that_are_not_tissue_are_named(tmp_path, number, count, name):
    if number == 42:
        pytest.importorskip("vtkmodules.vtkIOXML")
        pyvista = pytest.importorskip("pyvista")
        faces = [4, 3, 0, 1, 2, 3, 0, 1, 3, 3, 1, 2, 3, 3, 0, 2, 3]
        grid = pyvista.UnstructuredGrid([len(faces), *faces], [42], NODES[[0, 1, 3, 9]])
    else:
        cells = [(10, TETRA[0]), (number, np.arange(count))]
        grid = vtk_grid(NODES, cells)
    grid.save(tmp_path / "m.vtu")
    with pytest.raises(ValueError, match=rf"holds .*{name} \(1\)") as caught:
        read(tmp_path / "m.vtu", unit="mm")
    assert "truncated" not in str(caught.value)


def test_text_fields_are_left_out_with_a_note(tmp_path):
    grid = vtk_grid(NODES, [(10, c) for c in TETRA], region=REGIONS)
    grid.cell_data["who"] = np.array(["anna"] * len(TETRA))
    grid.field_data["author"] = ["me"]
    grid.save(tmp_path / "m.vtu")
    found = read(tmp_path / "m.vtu")
    assert totals(found)["regions"] == {1: 40.0, 2: 80.0}
    assert found.notes == ("Left out: the field who, which holds no numbers.",)


@pytest.mark.parametrize("dtype", [np.int64, np.uint32, np.float64])
@pytest.mark.parametrize("suffix", [".vtu", ".vtkhdf", ".pts"])
def test_region_numbers_keep_their_value(tmp_path, dtype, suffix):
    tags = (REGIONS + 3_000_000_000).astype(dtype)
    grid = vtk_grid(NODES, [(10, c) for c in TETRA], region=tags)
    grid.save(tmp_path / "m.vtu")
    found = read(tmp_path / "m.vtu")
    assert set(found.regions["tetra"].tolist()) == {3_000_000_001, 3_000_000_002}
    write(found, tmp_path / f"again{suffix}")
    again = read(tmp_path / f"again{suffix}")
    np.testing.assert_array_equal(again.regions["tetra"], tags.astype(np.int64))
    small = Mesh(NODES, {"tetra": TETRA}, regions={"tetra": REGIONS.astype(dtype)})
    assert small.regions["tetra"].dtype == np.int32


def test_region_numbers_beyond_64_bits_are_refused(tmp_path):
    tags = REGIONS.astype(np.uint64) + np.uint64(2**63)
    grid = vtk_grid(NODES, [(10, c) for c in TETRA], region=tags)
    grid.save(tmp_path / "m.vtu")
    with pytest.raises(ValueError, match="no whole number of 64 bits"):
        read(tmp_path / "m.vtu")


def test_a_field_of_one_piece_only_is_not_made_up_for_the_other(tmp_path):
    nodes, tetra, tags = both_bodies()
    plain = vtk_grid(nodes, [(10, c) for c in tetra], region=tags, extra=1.0 * tags)
    save_vtu(plain, tmp_path / "m.vtu", "Ascii", False, pieces=2)
    text = (tmp_path / "m.vtu").read_text()

    def without(name):
        start = text.rindex(f'Name="{name}"')
        start = text.rindex("<DataArray", 0, start)
        end = text.index("</DataArray>", start) + len("</DataArray>")
        (tmp_path / "m.vtu").write_text(text[:start] + text[end:])
        return tmp_path / "m.vtu"

    with pytest.raises(NotUnderstood, match="field region, which some .* pieces lack"):
        read(without("region"))
    found = read(without("extra"))  # not needed: left out, and told
    assert totals(found) == TWO and "extra" not in found.cell_fields
    assert found.notes == (
        "Left out: the field extra, which some of the file's pieces lack.",
    )


# ---------------------------------------------------------------- gmsh


def entities(groups: dict[int, str], dimension: int = 3) -> str:
    """$Entities of two volumes with physical groups "1 11" and one curve without."""
    lines = ["$Entities", f"0 1 0 {len(groups)}", "5 0 0 0 60 0 0 0 0"]
    for tag, mine in groups.items():
        lines.append(f"{tag} 0 0 0 60 50 40 {len(mine.split())} {mine} 0")
    return "\n".join([*lines, "$EndEntities"])


def msh41(groups: dict[int, str], names: str = "", parametric: bool = False) -> str:
    """Two volumes (x below and above 20 mm), one curve, nodes numbered from 11."""
    first, second = TETRA[REGIONS == 1], TETRA[REGIONS == 2]
    lines = ["$MeshFormat", "4.1 0 8", "$EndMeshFormat", names, entities(groups)]
    n = len(NODES)
    lines += ["$Nodes", f"2 {n} 11 {n + 10}", f"1 5 {int(parametric)} 4"]
    lines += [str(k + 11) for k in range(4)]
    lines += ["{} {} {}".format(*x) + (" 0.5" if parametric else "") for x in NODES[:4]]
    lines += [f"3 1 {int(parametric)} {n - 4}", *(str(k + 11) for k in range(4, n))]
    lines += ["{} {} {}".format(*x) + (" 1 2 3" if parametric else "")
              for x in NODES[4:]]  # fmt: skip
    lines += ["$EndNodes", "$Elements", f"3 {len(TETRA) + 2} 1 {len(TETRA) + 2}"]
    lines += ["1 5 1 2", "1 11 12", "2 12 13"]
    for tag, rows, start in ((1, first, 3), (2, second, 3 + len(first))):
        lines.append(f"3 {tag} 4 {len(rows)}")
        lines += [f"{start + k} " + " ".join(map(str, row + 11))
                  for k, row in enumerate(rows)]  # fmt: skip
    return "\n".join([*lines, "$EndElements", ""])


NAMES = '$PhysicalNames\n3\n3 1 "heart"\n3 11 "left"\n3 12 "right"\n$EndPhysicalNames'


@pytest.mark.parametrize("parametric", [False, True])
def test_gmsh_elements_in_several_groups_or_none(tmp_path, parametric):
    file = tmp_path / "m.msh"
    file.write_text(msh41({1: "1 11", 2: "1 -12"}, NAMES, parametric))
    found = read(file)
    assert totals(found) == {
        "tetra": (72, 120.0), "line": (2, 40.0), "regions": {11: 40.0, 12: 80.0}
    }  # fmt: skip
    assert found.regions["line"].tolist() == [0, 0]  # SaveAll: of no group
    assert found.stated == {"points": len(NODES), "cells": 74, "pieces": 1}
    assert (
        "72 tetra are in several physical groups (1 heart, 11 left, 12 right)"
        in (found.notes[0])
    )
    assert found.cell_fields["gmsh:group 1 heart"]["tetra"].all()
    assert found.cell_fields["gmsh:group 11 left"]["tetra"].sum() == 24
    # one group each: no field, no note but the names
    file.write_text(msh41({1: "11", 2: "12"}, NAMES, parametric))
    found = read(file)
    assert totals(found)["regions"] == {11: 40.0, 12: 80.0}
    assert found.notes == ("Physical groups: 1 heart, 11 left, 12 right.",)
    # a group that holds one volume and nothing of the other
    file.write_text(msh41({1: "11", 2: ""}))
    assert totals(read(file))["regions"] == {0: 80.0, 11: 40.0}


def test_gmsh_2_names_an_element_once_for_each_of_its_groups(tmp_path):
    rows = [(k, *row) for k, row in zip(np.where(REGIONS == 1, 11, 12), TETRA + 1,
                                        strict=True)]  # fmt: skip
    lines = ["$MeshFormat", "2.2 0 8", "$EndMeshFormat", "$ParametricNodes"]
    lines += [str(len(NODES))]
    for k, x in enumerate(NODES):
        tail = {0: "0 1", 1: "1 7 0.5", 2: "2 7 0.5 0.5", 3: "3 7"}[k % 4]
        lines.append(f"{k + 1} {x[0]} {x[1]} {x[2]} {tail}")
    lines += ["$EndParametricNodes", "$Elements", str(2 * len(rows))]
    for number, group in ((0, 1), (len(rows), None)):
        for k, (own, *corners) in enumerate(rows):
            text = " ".join(map(str, corners))
            lines.append(f"{number + k + 1} 4 2 {group or own} 1 {text}")
    (tmp_path / "m.msh").write_text("\n".join([*lines, "$EndElements", ""]))
    found = read(tmp_path / "m.msh")
    assert totals(found) == {
        "tetra": (72, 120.0), "regions": {11: 40.0, 12: 80.0}
    }  # fmt: skip
    assert found.stated["cells"] == 144
    assert found.cell_fields["gmsh:group 1"]["tetra"].all()


@pytest.mark.parametrize("form", ["gmsh22", "gmsh"])
@pytest.mark.parametrize("binary", [True, False])
def test_gmsh_as_meshio_writes_it(tmp_path, form, binary):
    meshio = pytest.importorskip("meshio")
    nodes, tetra, tags = both_bodies()
    data = {"gmsh:physical": [tags], "gmsh:geometrical": [tags]}
    data |= {"fibre": [np.tile([0.0, 1.0, 0.0], (len(tetra), 1))]} if binary else {}
    points = {"height": nodes[:, 2]} if binary else {}
    mesh = meshio.Mesh(nodes, [("tetra", tetra)], cell_data=data, point_data=points)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # meshio's own: no entities for 4.1
        meshio.write(tmp_path / "m.msh", mesh, file_format=form, binary=binary)
    found = read(tmp_path / "m.msh")
    assert totals(found)["tetra"] == TWO["tetra"]
    assert found.stated["cells"] == 96 and found.stated["points"] == len(nodes)
    if binary:
        np.testing.assert_array_equal(found.fibres["tetra"][:, 1], 1.0)
        np.testing.assert_allclose(found.point_fields["height"], found.nodes[:, 2])
    if form == "gmsh22":
        assert totals(found) == TWO
    # meshio's own reader is the second
    other = meshio.read(tmp_path / "m.msh")
    assert sum(len(b.data) for b in other.cells if b.type == "tetra") == 96
    # and the file cut short anywhere is refused
    whole = (tmp_path / "m.msh").read_bytes()
    for share in (0.2, 0.6, 0.97):
        (tmp_path / "m.msh").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ValueError, match="m.msh"):
            read(tmp_path / "m.msh")


def test_gmsh_element_data_of_some_elements(tmp_path):
    rows = "".join(f"{k + 3} 0 0 1\n" for k in range(24))
    text = msh41({1: "11", 2: "12"}) + (
        '$ElementData\n1\n"FIB_DIR"\n1\n0.0\n3\n0\n3\n24\n' + rows + "$EndElementData\n"
    )
    (tmp_path / "m.msh").write_text(text)
    given = read(tmp_path / "m.msh", fibre="FIB_DIR").fibres["tetra"]
    assert given[:24].tolist() == [[0.0, 0.0, 1.0]] * 24
    assert np.isnan(given[24:]).all()  # which a check finds


def test_gmsh_that_is_not_understood_is_not_called_damaged(tmp_path):
    text = msh41({1: "11", 2: "12"})
    for old, new, word in (("4.1 0 8", "9.9 0 8", "format 9.9"),
                           ("3 2 4 48", "3 2 93 48", "element type 93")):  # fmt: skip
        (tmp_path / "m.msh").write_text(text.replace(old, new))
        with pytest.raises(NotUnderstood, match=word) as caught:
            read(tmp_path / "m.msh")
        assert "truncated" not in str(caught.value)


# ---------------------------------------------------------------- xdmf


def xdmf(tmp_path, grids: str) -> Path:
    head = '<?xml version="1.0"?><Xdmf Version="3.0" '
    head += 'xmlns:xi="https://www.w3.org/2001/XInclude"><Domain>'
    (tmp_path / "m.xdmf").write_text(f"{head}{grids}</Domain></Xdmf>")
    return tmp_path / "m.xdmf"


def item(values, kind="Float") -> str:
    shape = " ".join(str(n) for n in np.shape(values))
    text = " ".join(str(x) for x in np.ravel(values))
    number = "Float" if kind == "Float" else "Int"
    return (f'<DataItem Dimensions="{shape}" NumberType="{number}" Precision="8" '
            f'Format="XML">{text}</DataItem>')  # fmt: skip


def topology(kind, corners) -> str:
    return (f'<Topology TopologyType="{kind}" NumberOfElements="{len(corners)}">'
            f"{item(corners, 'Int')}</Topology>")  # fmt: skip


def test_xdmf_mesh_and_tags_in_grids_of_their_own(tmp_path):
    geometry = f'<Geometry GeometryType="XYZ">{item(NODES)}</Geometry>'
    turned = TETRA[::-1][:, [1, 0, 3, 2]]  # dolfinx orders cells and corners anew
    values = REGIONS[::-1]
    faces = TETRA[:6, :3]
    pointer = '<xi:include xpointer="xpointer(/Xdmf/Domain/Grid/Geometry)"/>'
    tags = (
        f'<Attribute Name="cell_tags" Center="Cell">{item(values, "Int")}</Attribute>'
    )
    sides = np.arange(6)
    facets = (
        f'<Attribute Name="facet_tags" Center="Cell">{item(sides, "Int")}</Attribute>'
    )
    file = xdmf(tmp_path, (
        f'<Grid Name="mesh">{topology("Tetrahedron", TETRA)}{geometry}</Grid>'
        f'<Grid Name="tags">{pointer}{topology("Tetrahedron", turned)}{tags}</Grid>'
        f'<Grid Name="facets">{pointer}{topology("Triangle", faces)}{facets}</Grid>'
    ))  # fmt: skip
    found = read(file)
    assert totals(found)["regions"] == {1: 40.0, 2: 80.0}
    np.testing.assert_array_equal(found.regions["tetra"], REGIONS)
    assert found.cell_fields["facet_tags"]["triangle"].tolist() == [0, 1, 2, 3, 4, 5]
    assert found.stated["cells"] == 72


def test_xdmf_collections_and_pointers_as_dolfin_writes(tmp_path):
    def grid(name, nodes, tetra, tags):
        tags = f'<Attribute Name="tag" Center="Cell">{item(tags, "Int")}</Attribute>'
        geometry = f'<Geometry GeometryType="XYZ">{item(nodes)}</Geometry>'
        return (f'<Grid Name="{name}">{topology("Tetrahedron", tetra)}{geometry}{tags}'
                "</Grid>")  # fmt: skip

    first = grid("mesh", NODES, TETRA, REGIONS)
    second = grid("b", ABOVE, MORE, np.full(len(MORE), 3))
    whole = '<Grid GridType="Collection" CollectionType="{}">{}</Grid>'
    found = read(xdmf(tmp_path, whole.format("Spatial", first + second)))
    assert totals(found) == TWO and found.stated["cells"] == 96
    found = read(xdmf(tmp_path, whole.format("Temporal", first + first)))
    assert totals(found)["regions"] == {1: 40.0, 2: 80.0}
    assert found.notes == ("The file holds several times; the first was read.",)
    pointer = "xpointer(//Grid[@Name='mesh']/*[self::Topology or self::Geometry])"
    values = item(REGIONS + 4, "Int")
    part = f'<Attribute Name="part" Center="Cell">{values}</Attribute>'
    later = f'<Grid Name="t"><xi:include xpointer="{pointer}"/>{part}</Grid>'
    found = read(xdmf(tmp_path, first + later), region="part")
    assert totals(found)["regions"] == {5: 40.0, 6: 80.0}


def test_xdmf_of_several_kinds_in_one_topology(tmp_path):
    mixed = [6, *TETRA[0], 2, 3, 0, 1, 2, 4, *TETRA[1][:3], 1, 1, 5]
    tags = (
        f'<Attribute Name="tag" Center="Cell">{item([4, 5, 6, 7], "Int")}</Attribute>'
    )
    file = xdmf(tmp_path, (
        '<Grid Name="m"><Topology TopologyType="Mixed" NumberOfElements="4">'
        f'{item(mixed, "Int")}</Topology><Geometry GeometryType="XYZ">{item(NODES)}'
        f"</Geometry>{tags}</Grid>"
    ))  # fmt: skip
    found = read(file, unit="mm")
    assert {k: v.tolist() for k, v in found.regions.items()} == {
        "tetra": [4], "triangle": [6], "line": [5, 5]
    }  # fmt: skip
    assert found.stated["cells"] == 4 and found.notes == ("Left out: vertex.",)


@pytest.mark.parametrize("form", ["HDF", "XML", "Binary"])
def test_xdmf_as_meshio_writes_it(tmp_path, form):
    meshio = pytest.importorskip("meshio")
    nodes, tetra, tags = both_bodies()
    cells = [("tetra", tetra), ("triangle", TETRA[:5, :3])]
    mesh = meshio.Mesh(nodes, cells, cell_data={"tag": [tags, np.full(5, 4)]})
    meshio.xdmf.write(tmp_path / "m.xdmf", mesh, data_format=form)
    found = read(tmp_path / "m.xdmf")
    assert totals(found) == TWO | {"triangle": totals(found)["triangle"]}
    assert found.regions["triangle"].tolist() == [4] * 5
    other = meshio.read(tmp_path / "m.xdmf")
    assert {b.type: len(b.data) for b in other.cells} == {"tetra": 96, "triangle": 5}


def test_xdmf_that_is_not_understood_names_what(tmp_path):
    geometry = f'<Geometry GeometryType="XYZ">{item(NODES)}</Geometry>'
    mesh = f'<Grid Name="mesh">{topology("Tetrahedron", TETRA)}{geometry}</Grid>'
    other = mesh.replace("60.0", "61.0").replace('"mesh"', '"other"')
    for text, word in (
        (mesh + other, "'other' has other points"),
        (mesh.replace("Tetrahedron", "Ikosahedron"), "topology 'ikosahedron'"),
        (mesh.replace("XYZ", "VXVYVZ"), "geometry is VXVYVZ"),
        (mesh.replace('Format="XML">', 'Format="HDF">none.h5:/a '), "none.h5"),
    ):
        with pytest.raises(ValueError, match=word) as caught:
            read(xdmf(tmp_path, text))
        assert "truncated" not in str(caught.value)
    (tmp_path / "m.xdmf").write_text(xdmf(tmp_path, mesh).read_text()[:400])
    with pytest.raises(ValueError, match="truncated"):
        read(tmp_path / "m.xdmf")


# ---------------------------------------------------------------- surfaces

OCTAHEDRON = 40.0 * np.array(
    [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1.0], [0, 0, -1]]
)
SIDES = np.array(
    [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5],
     [0, 3, 5]]
)  # fmt: skip
AREA = 8 * np.sqrt(3) / 4 * 2 * 1600.0 / 100.0  # cm^2


def ply(form: str, name: str, *, extra: bool) -> bytes:
    """A .ply file as others write it: own names, colours, flags on the faces."""
    more = "property uchar flags\nproperty list uchar float uv\n" if extra else ""
    head = (
        f"ply\nformat {form} 1.0\ncomment made by hand\nelement vertex 6\n"
        "property float x\nproperty float y\nproperty float z\nproperty uchar red\n"
        f"element face 8\n{more}property list uchar int {name}\nend_header\n"
    ).encode()
    body = b""
    order = "<" if "little" in form else ">"
    for k, x in enumerate(OCTAHEDRON):
        if form == "ascii":
            body += f"{x[0]} {x[1]} {x[2]} {k}\n".encode()
        else:
            body += x.astype(f"{order}f4").tobytes() + bytes([k])
    for k, side in enumerate(SIDES):
        uv = np.arange(k % 3, dtype=float)  # lists of different lengths
        if form == "ascii":
            flags = f"{k} {len(uv)} {' '.join(map(str, uv))} " if extra else ""
            body += f"{flags}3 {side[0]} {side[1]} {side[2]}\n".encode()
        else:
            if extra:
                body += bytes([k, len(uv)]) + uv.astype(f"{order}f4").tobytes()
            body += b"\x03" + side.astype(f"{order}i4").tobytes()
    return head + body


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize("name", ["vertex_indices", "vertex_index"])
@pytest.mark.parametrize("extra", [False, True])
def test_ply_of_other_programs(tmp_path, form, name, extra):
    file = tmp_path / "m.ply"
    file.write_bytes(ply(form, name, extra=extra))
    found = read(file, unit="mm")
    np.testing.assert_array_equal(found.elements["triangle"], SIDES)
    assert totals(found)["triangle"] == (8, pytest.approx(AREA))
    assert found.point_fields["red"].tolist() == [0, 1, 2, 3, 4, 5]
    if extra:
        assert found.cell_fields["flags"]["triangle"].tolist() == list(range(8))
        assert found.notes == ("Left out: uv.",)
    else:
        agree(found, file)
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(ValueError, match="truncated"):
        read(file, unit="mm")


def test_stl_of_several_solids_and_binary(tmp_path):
    def facets(sides):
        return "".join(
            "facet normal 0 0 0\nouter loop\n"
            + "".join("vertex {} {} {}\n".format(*OCTAHEDRON[k]) for k in side)
            + "endloop\nendfacet\n"
            for side in sides
        )

    file = tmp_path / "m.stl"
    file.write_text(
        f"solid upper part\n{facets(SIDES[:4])}endsolid upper part\n"
        f"solid lower\n{facets(SIDES[4:])}endsolid lower\n"
    )
    found = read(file, unit="mm")
    assert totals(found)["triangle"] == (8, pytest.approx(AREA)) and found.n_node == 6
    assert found.regions["triangle"].tolist() == [1] * 4 + [2] * 4
    assert found.notes == (
        "The file holds 2 solids, the regions: 1 upper part, 2 lower.",
    )
    agree(found, file)
    # binary, with a text header that begins like the text form
    row = np.zeros(8, np.dtype([("n", "<f4", 3), ("x", "<f4", (3, 3)), ("a", "<u2")]))
    row["x"] = OCTAHEDRON[SIDES]
    file.write_bytes(b"solid made by CAD".ljust(80) + b"\x08\0\0\0" + row.tobytes())
    found = read(file, unit="mm")
    assert totals(found)["triangle"] == (8, pytest.approx(AREA)) and found.n_node == 6
    agree(found, file)


def test_opencarp_beside_plain_numpy(tmp_path):
    nodes, tetra, tags = both_bodies()
    both = Mesh(nodes, {"tetra": tetra, "line": tetra[:3, :2]},
                regions={"tetra": tags, "line": np.array([7, 7, 8])})  # fmt: skip
    write(both, tmp_path / "m.pts")
    found = read(tmp_path / "m")
    assert totals(found)["tetra"] == TWO["tetra"]
    assert totals(found)["regions"] == TWO["regions"]
    rows = (tmp_path / "m.elem").read_text().split("\n")[1:-1]
    assert Counter(row[:2] for row in rows) == {"Tt": 96, "Ln": 3}
    assert found.stated == {"points": len(nodes), "cells": 99, "pieces": 1}


# ---------------------------------------------------------------- the guard itself


def test_a_reader_that_loses_cells_is_caught(tmp_path, monkeypatch):
    nodes, tetra, tags = both_bodies()
    grid = vtk_grid(nodes, [(10, c) for c in tetra], region=tags)
    save_vtu(grid, tmp_path / "m.vtu", "Binary", True, pieces=2)
    honest = files.libraries.read_vtk

    def last_piece_only(path):
        raw = honest(path)
        raw.blocks = [(kind, corners[:40]) for kind, corners in raw.blocks]
        raw.cell_data = {n: [v[:40] for v in vs] for n, vs in raw.cell_data.items()}
        raw.cells = 40
        return raw

    monkeypatch.setattr(files.libraries, "read_vtk", last_piece_only)
    with pytest.raises(ValueError, match="states 96 cells and 40 were read"):
        read(tmp_path / "m.vtu")


def test_images_are_called_images(tmp_path):
    pyvista = pytest.importorskip("pyvista")
    image = pyvista.ImageData(dimensions=(4, 4, 4), spacing=(5.0, 5.0, 5.0))
    image.cell_data["label"] = np.ones(27, np.int64)
    for suffix in (".vti", ".vtk"):
        image.save(tmp_path / f"im{suffix}")
        with pytest.raises(NotUnderstood, match="is an image .* NIfTI"):
            read(tmp_path / f"im{suffix}")
    (tmp_path / "scan.mha").write_bytes(b"ObjectType = Image")
    with pytest.raises(NotUnderstood, match="is an image .* as NIfTI"):
        read(tmp_path / "scan.mha")


def test_both_counts_are_in_the_figures(tmp_path):
    nodes, tetra, tags = both_bodies()
    grid = vtk_grid(nodes, [(10, c) for c in tetra], region=tags)
    save_vtu(grid, tmp_path / "m.vtu", "Ascii", False, pieces=2)
    found = figures(read(tmp_path / "m.vtu"))
    assert found["stated"]["cells"] == found["elements"]["tetra"] == 96
    assert found["stated"]["pieces"] == 2
    assert found["sizes"] == {"tetra": pytest.approx(160.0)}


def test_lines_beside_tetrahedra_are_labels():
    ends = np.array([[0, 1], [1, 2]], np.int32)
    mesh = Mesh(NODES, {"tetra": TETRA, "line": ends})
    assert mesh.tissue == ("tetra",)
    assert figures(mesh)["labels"] == ["line"]
    cables = Mesh(NODES, {"tetra": TETRA, "line": ends}, conducting_lines=True)
    assert cables.tissue == ("tetra", "line")
    sheet = Mesh(NODES, {"triangle": TETRA[:, :3], "line": ends})
    assert sheet.tissue == ("triangle", "line")
