"""The formats that meshio and vtk read and write, and nothing of our own.

The only module that imports them. vtk reads .vtp and .vtk: meshio has no reader for
the first, and fails on binary files of the second that others write.
"""

import importlib
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from physio.electrophysiology.mesh.formats.raw import RawMesh, from_vtk_cells

MESHIO = {".vtu": "vtu", ".msh": "gmsh", ".xdmf": "xdmf", ".ply": "ply", ".stl": "stl"}
#: What the files we write say of their unit, within their first lines.
STAMP = b"length unit: mm"


def read_meshio(path: Path) -> RawMesh:
    """A file as meshio reads it; any exception where it cannot."""
    suffix = path.suffix.lower()
    module = importlib.import_module(f"meshio.{MESHIO[suffix]}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # meshio's own, of numpy
        found: Any = module.read(str(path))
    blocks = [(b.type, np.asarray(b.data)) for b in found.cells]
    data = {n: [np.asarray(v) for v in vs] for n, vs in found.cell_data.items()}
    if suffix == ".ply":
        _as_many_faces(path, sum(len(corners) for _, corners in blocks))
    return RawMesh(found.points, blocks, dict(found.point_data), data)


def _as_many_faces(path: Path, found: int) -> None:
    """meshio reads a PLY file that ends among its faces without a word."""
    with open(path, "rb") as file:
        promised = re.search(rb"\nelement face (\d+)", file.read(1 << 16))
    if promised and int(promised[1]) != found:
        raise ValueError(f"it promises {int(promised[1])} faces and holds {found}")


def read_vtk(path: Path) -> RawMesh:
    """A .vtp or .vtk file; ValueError where vtk finds a fault in it."""
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkCommonCore import vtkOutputWindow, vtkStringOutputWindow

    if path.suffix.lower() == ".vtp":
        from vtkmodules.vtkIOXML import vtkXMLPolyDataReader as Reader
    else:
        from vtkmodules.vtkIOLegacy import vtkDataSetReader as Reader
    reader: Any = Reader()
    reader.SetFileName(str(path))
    if path.suffix.lower() == ".vtk":
        reader.ReadAllScalarsOn()
        reader.ReadAllVectorsOn()
        reader.ReadAllTensorsOn()
        reader.ReadAllFieldsOn()
    # a truncated legacy file is only spoken of, as a warning: listen meanwhile
    said, before = vtkStringOutputWindow(), vtkOutputWindow.GetInstance()
    vtkOutputWindow.SetInstance(said)
    try:
        reader.Update()
    finally:
        vtkOutputWindow.SetInstance(before)
    found = reader.GetOutput()
    if reader.GetErrorCode() or found is None or "error" in said.GetOutput().lower():
        last = [line for line in said.GetOutput().splitlines() if line.strip()][-1:]
        raise ValueError("".join(last) or "vtk finds it damaged")
    with warnings.catch_warnings():
        # GetCellTypesArray: its successor has another meaning before vtk 9.6
        warnings.simplefilter("ignore", DeprecationWarning)
        return _from_vtk(found, vtk_to_numpy)


def _from_vtk(found: Any, to_numpy: Callable) -> RawMesh:
    def fields(data: Any) -> dict[str, np.ndarray]:
        arrays = [data.GetArray(k) for k in range(data.GetNumberOfArrays())]
        return {a.GetName(): to_numpy(a) for a in arrays if a is not None}

    def cells(array: Any) -> tuple[np.ndarray, np.ndarray]:
        return (
            to_numpy(array.GetOffsetsArray()).astype(np.int64),
            to_numpy(array.GetConnectivityArray()).astype(np.int64),
        )

    if found.GetPoints() is None or not found.GetNumberOfPoints():
        raise ValueError("it holds no points")
    if hasattr(found, "GetCellTypesArray"):  # an unstructured grid
        types = to_numpy(found.GetCellTypesArray())
        offsets, connectivity = cells(found.GetCells())
    elif hasattr(found, "GetPolys"):
        groups = (("Verts", 1), ("Lines", 4), ("Polys", 5), ("Strips", 6))
        kinds, ends, corners = [], [np.zeros(1, np.int64)], []
        for name, number in groups:
            offsets, connectivity = cells(getattr(found, f"Get{name}")())
            sides = np.diff(offsets)
            kinds.append(np.where((number == 5) & (sides != 3), 7, number))
            ends.append(offsets[1:] + sum(len(part) for part in corners))
            corners.append(connectivity)
        types, offsets = np.concatenate(kinds), np.concatenate(ends)
        connectivity = np.concatenate(corners)
    else:
        raise ValueError("it holds a grid without elements")
    data = fields(found.GetCellData())
    blocks, data = from_vtk_cells(types, offsets, connectivity, data)
    points = to_numpy(found.GetPoints().GetData())
    return RawMesh(points, blocks, fields(found.GetPointData()), data)


def write_meshio(raw: RawMesh, path: Path, suffix: str) -> None:
    """Writes .vtu, .ply or .stl with the unit among its first lines."""
    import meshio

    points = raw.point_data
    if suffix == ".stl":
        points = {}
    elif suffix == ".ply":  # one number per node, and no 64-bit integers
        points = {n: v for n, v in points.items() if v.ndim == 1}
        points = {
            n: v.astype(np.int32) if v.dtype == np.int64 else v
            for n, v in points.items()
        }
    cells = raw.cell_data if suffix == ".vtu" else {}
    blocks: Any = raw.blocks
    fields: Any = (points, cells)
    found = meshio.Mesh(raw.points, blocks, *fields)
    module = importlib.import_module(f"meshio.{MESHIO[suffix]}")
    module.write(str(path), found, binary=True)
    if suffix == ".vtu":
        _insert(path, b"?>\n", b"<!--" + STAMP + b"-->\n")
    elif suffix == ".ply":
        _insert(path, b"1.0\n", b"comment " + STAMP + b"\n")
    else:  # the 80 bytes of text a binary STL begins with
        with open(path, "r+b") as file:
            file.write(STAMP.ljust(80))


def _insert(path: Path, after: bytes, text: bytes) -> None:
    data = path.read_bytes()
    place = data.index(after) + len(after)
    path.write_bytes(data[:place] + text + data[place:])


def write_vtp(raw: RawMesh, path: Path) -> None:
    """Writes triangles and lines with their fields and the unit."""
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
    from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter

    order = [k for kind in ("line", "triangle") for k, b in enumerate(raw.blocks)
             if b[0] == kind]  # fmt: skip
    data = vtkPolyData()
    points = vtkPoints()
    points.SetData(numpy_to_vtk(np.ascontiguousarray(raw.points), deep=True))
    data.SetPoints(points)
    for kind, corners in raw.blocks:
        cells = vtkCellArray()
        sides = corners.shape[1]
        ids = np.ascontiguousarray(corners, dtype=np.int64).ravel()
        ends = np.arange(0, len(ids) + 1, sides, dtype=np.int64)
        cells.SetData(
            numpy_to_vtkIdTypeArray(ends, deep=True),
            numpy_to_vtkIdTypeArray(ids, deep=True),
        )
        (data.SetLines if kind == "line" else data.SetPolys)(cells)

    def add(target: Any, name: str, values: np.ndarray) -> None:
        array = numpy_to_vtk(np.ascontiguousarray(values), deep=True)
        array.SetName(name)
        target.AddArray(array)

    for name, values in raw.point_data.items():
        add(data.GetPointData(), name, values)
    for name, parts in raw.cell_data.items():
        add(data.GetCellData(), name, np.concatenate([parts[k] for k in order]))
    writer = vtkXMLPolyDataWriter()
    writer.SetFileName(str(path))
    writer.SetInputData(data)
    if not writer.Write():
        raise OSError(f"{path} could not be written as .vtp.")
    _insert(path, b"?>\n", b"<!--" + STAMP + b"-->\n")
