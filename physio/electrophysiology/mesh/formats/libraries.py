"""The formats that vtk and meshio read and write, and nothing of our own.

The only module that imports them. vtk reads its own formats, whole: meshio takes the
last of several pieces, and drops kinds of cells it does not know. meshio reads gmsh's
format 4.0 and writes.
"""

import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from physio.electrophysiology.mesh.formats.raw import (
    Damaged,
    IsImage,
    NotUnderstood,
    RawMesh,
    from_vtk_cells,
    without_copies,
)

#: Readers of vtk's by the ending of a file's name: module, class.
VTK = {
    ".vtu": ("vtkIOXML", "vtkXMLUnstructuredGridReader"),
    ".pvtu": ("vtkIOXML", "vtkXMLPUnstructuredGridReader"),
    ".vtp": ("vtkIOXML", "vtkXMLPolyDataReader"),
    ".pvtp": ("vtkIOXML", "vtkXMLPPolyDataReader"),
    ".vti": ("vtkIOXML", "vtkXMLImageDataReader"),
    ".vtk": ("vtkIOLegacy", "vtkDataSetReader"),
}
MESHIO = {".vtu": "vtu", ".msh": "gmsh", ".xdmf": "xdmf", ".ply": "ply", ".stl": "stl"}
#: What the files we write say of their unit, within their first lines.
STAMP = b"length unit: mm"


def read_meshio(path: Path) -> RawMesh:
    """A file as meshio reads it; any exception where it cannot."""
    module = importlib.import_module(f"meshio.{MESHIO[path.suffix.lower()]}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # meshio's own, of numpy
        found: Any = module.read(str(path))
    blocks = [(b.type, np.asarray(b.data)) for b in found.cells]
    data = {n: [np.asarray(v) for v in vs] for n, vs in found.cell_data.items()}
    return RawMesh(found.points, blocks, dict(found.point_data), data)


def vtk_dataset(path: Path) -> tuple[Any, list[str]]:
    """What vtk makes of a file and warns of.

    **Raises** Damaged or ValueError where it finds a fault.
    """
    from vtkmodules.vtkCommonCore import (
        vtkLogger,
        vtkOutputWindow,
        vtkStringOutputWindow,
    )

    suffix = path.suffix.lower()
    module, name = VTK[suffix]
    reader: Any = getattr(importlib.import_module(f"vtkmodules.{module}"), name)()
    reader.SetFileName(str(path))
    if suffix == ".vtk":
        for what in ("Scalars", "Vectors", "Tensors", "Fields"):
            getattr(reader, f"ReadAll{what}On")()
    # a truncated legacy file is only spoken of, as a warning: listen meanwhile
    heard, before = vtkStringOutputWindow(), vtkOutputWindow.GetInstance()
    vtkOutputWindow.SetInstance(heard)
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)
    try:
        reader.Update()
    finally:
        vtkOutputWindow.SetInstance(before)
        vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_WARNING)
    found = reader.GetOutput()
    lines = [line for line in heard.GetOutput().splitlines() if line.strip()]
    said = "".join(lines[-1:]).partition("): ")[2]
    if reader.GetErrorCode() or found is None or "error" in heard.GetOutput().lower():
        why = said or "vtk does not read it, and does not say why"
        raise (Damaged if _cut_short(path, suffix) else ValueError)(why)
    return found, [f"vtk says: {said.rstrip('.')}."] if said else []


def _cut_short(path: Path, suffix: str) -> bool:
    """Whether an XML file lacks its end; vtk's errors on legacy ones are of that."""
    if suffix == ".vtk":
        return True
    with open(path, "rb") as file:
        file.seek(max(path.stat().st_size - 64, 0))
        return b"</VTKFile>" not in file.read()


def read_vtk(path: Path) -> RawMesh:
    """A file of vtk's formats with every piece, cell and number that it holds.

    **Raises** IsImage for an image, NotUnderstood for another grid without elements,
    Damaged where vtk finds that the file is cut short.
    """
    from vtkmodules.util.numpy_support import vtk_to_numpy

    found, notes = vtk_dataset(path)
    if found.IsA("vtkImageData"):
        shape = " x ".join(str(n) for n in found.GetDimensions())
        raise IsImage(f"VTK image data of {shape} points")
    with warnings.catch_warnings():
        # GetCellTypesArray: its successor has another meaning before vtk 9.6
        warnings.simplefilter("ignore", DeprecationWarning)
        return _from_vtk(found, vtk_to_numpy, notes)


def vtk_fields(data: Any, notes: list[str]) -> dict[str, np.ndarray]:
    """The arrays of numbers by name; text is left out, with a note."""
    from vtkmodules.util.numpy_support import vtk_to_numpy

    fields = {}
    for k in range(data.GetNumberOfArrays()):
        array, name = data.GetArray(k), data.GetAbstractArray(k).GetName()
        if array is None:
            notes.append(f"Left out: the field {name}, which holds no numbers.")
        else:
            fields[name or f"field {k}"] = vtk_to_numpy(array)
    return fields


def _from_vtk(found: Any, to_numpy: Callable, notes: list[str]) -> RawMesh:
    def cells(array: Any) -> tuple[np.ndarray, np.ndarray]:
        return (
            to_numpy(array.GetOffsetsArray()).astype(np.int64),
            to_numpy(array.GetConnectivityArray()).astype(np.int64),
        )

    if not (found.IsA("vtkUnstructuredGrid") or found.IsA("vtkPolyData")):
        raise NotUnderstood(
            f"it holds a grid without elements ({found.GetClassName()}). Save it as "
            "an unstructured grid (.vtu), e.g. with ParaView's Append Datasets"
        )
    if found.GetPoints() is None or not found.GetNumberOfPoints():
        raise ValueError("it holds no points")
    if found.IsA("vtkUnstructuredGrid"):
        if not found.GetNumberOfCells():
            raise ValueError("it holds no cells")
        types = to_numpy(found.GetCellTypesArray())
        offsets, connectivity = cells(found.GetCells())
    else:
        groups = (("Verts", 2), ("Lines", 4), ("Polys", 7), ("Strips", 6))
        kinds, ends, corners = [], [np.zeros(1, np.int64)], []
        for name, number in groups:
            offsets, connectivity = cells(getattr(found, f"Get{name}")())
            kinds.append(np.full(len(offsets) - 1, number))
            ends.append(offsets[1:] + sum(len(part) for part in corners))
            corners.append(connectivity)
        types, offsets = np.concatenate(kinds), np.concatenate(ends)
        connectivity = np.concatenate(corners)
    data = vtk_fields(found.GetCellData(), notes)
    blocks, data = from_vtk_cells(types, offsets, connectivity, data)
    points = to_numpy(found.GetPoints().GetData())
    fields = vtk_fields(found.GetPointData(), notes)
    raw = RawMesh(points, blocks, fields, data, notes=notes, cells=len(types))
    return without_copies(raw)


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
