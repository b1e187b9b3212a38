"""VTKHDF files (.vtkhdf): unstructured grids and polygonal data, through h5py.

Source: the VTK documentation, "VTKHDF file format", versions 1.0 to 2.2. Partitions
are put one behind the other; of a file with time steps the first is read.
"""

from pathlib import Path
from typing import Any

import numpy as np

from physio.electrophysiology.mesh.formats.raw import (
    VTK_NUMBERS,
    RawMesh,
    from_vtk_cells,
)

_POLY = {"Vertices": 1, "Lines": 4, "Polygons": 5, "Strips": 6}


def read(path: Path) -> RawMesh:
    """The points, cells and fields of a file.

    **Raises** ValueError where the file is of another type, OSError or KeyError where
    it is damaged.
    """
    import h5py

    with h5py.File(path, "r") as file:
        if "VTKHDF" not in file:
            raise ValueError("it has no group VTKHDF")
        root: Any = file["VTKHDF"]
        kind = root.attrs.get("Type", b"")
        kind = kind.decode() if isinstance(kind, bytes) else str(kind)
        if kind not in ("UnstructuredGrid", "PolyData"):
            raise ValueError(f"it holds {kind or 'nothing'}, not UnstructuredGrid")
        raw = _grid(root) if kind == "UnstructuredGrid" else _polygons(root)
        if "Steps" in root:
            raw.notes.append("The file holds several times; the first was read.")
        unit = root.attrs.get("length_unit", "")
        raw.unit = unit.decode() if isinstance(unit, bytes) else str(unit)
    return raw


def _parts(root: Any) -> int:
    steps = root.get("Steps")
    if steps is not None and "NumberOfParts" in steps:
        return int(steps["NumberOfParts"][0])
    return len(root["NumberOfPoints"])


def _cells(
    group: Any, part_points: np.ndarray, n_part: int
) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (n_cell + 1) and connectivity of the whole, partitions joined."""
    cells = group["NumberOfCells"][:n_part]
    corners = group["NumberOfConnectivityIds"][:n_part]
    offsets = group["Offsets"][: int(cells.sum()) + n_part].astype(np.int64)
    connectivity = group["Connectivity"][: int(corners.sum())].astype(np.int64)
    starts = np.cumsum(part_points) - part_points
    connectivity += np.repeat(starts, corners)
    whole, begin, before = [np.zeros(1, np.int64)], 0, 0
    for n_cell, n_corner in zip(cells, corners, strict=True):
        part = offsets[begin : begin + int(n_cell) + 1]
        whole.append(part[1:] + before)
        begin, before = begin + int(n_cell) + 1, before + int(n_corner)
    return np.concatenate(whole), connectivity


def _grid(root: Any) -> RawMesh:
    n_part = _parts(root)
    counts = root["NumberOfPoints"][:n_part]
    offsets, connectivity = _cells(root, counts, n_part)
    types = root["Types"][: len(offsets) - 1]
    cell_data = _fields(root, "CellData", len(types))
    blocks, data = from_vtk_cells(types, offsets, connectivity, cell_data)
    n_point = int(counts.sum())
    points = root["Points"][:n_point]
    return RawMesh(points, blocks, _fields(root, "PointData", n_point), data)


def _polygons(root: Any) -> RawMesh:
    n_part = _parts(root)
    counts = root["NumberOfPoints"][:n_part]
    types, offsets, corners = [], [np.zeros(1, np.int64)], []
    for name, number in _POLY.items():
        if name not in root:
            continue
        ends, connectivity = _cells(root[name], counts, n_part)
        sides = np.diff(ends)
        kinds = np.full(len(sides), number)
        kinds[(number == 5) & (sides > 3)] = 7
        types.append(kinds)
        offsets.append(ends[1:] + sum(len(part) for part in corners))
        corners.append(connectivity)
    numbers = np.concatenate([np.zeros(0, np.int64), *types])
    cell_data = _fields(root, "CellData", len(numbers))
    whole = np.concatenate([np.zeros(0, np.int64), *corners])
    blocks, data = from_vtk_cells(numbers, np.concatenate(offsets), whole, cell_data)
    n_point = int(counts.sum())
    points = root["Points"][:n_point]
    return RawMesh(points, blocks, _fields(root, "PointData", n_point), data)


def _fields(root: Any, group: str, count: int) -> dict[str, np.ndarray]:
    if group not in root:
        return {}
    return {name: values[:count] for name, values in root[group].items()}


def write(raw: RawMesh, path: Path) -> None:
    """Writes an unstructured grid, compressed."""
    import h5py

    sizes = [np.full(len(c), c.shape[1], np.int64) for _, c in raw.blocks]
    types = [np.full(len(c), VTK_NUMBERS[k], np.uint8) for k, c in raw.blocks]
    ends = np.cumsum(np.concatenate(sizes))
    connectivity = np.concatenate([c.astype(np.int64).ravel() for _, c in raw.blocks])
    with h5py.File(path, "w") as file:
        root = file.create_group("VTKHDF")
        root.attrs["Version"] = np.array([2, 0])
        root.attrs["Type"] = np.bytes_("UnstructuredGrid")
        root.attrs["length_unit"] = np.bytes_(raw.unit)
        for name, count in (
            ("NumberOfPoints", len(raw.points)),
            ("NumberOfCells", len(ends)),
            ("NumberOfConnectivityIds", len(connectivity)),
        ):
            root[name] = np.array([count], dtype=np.int64)
        _save(root, "Points", raw.points)
        _save(root, "Connectivity", connectivity)
        _save(root, "Offsets", np.concatenate([[0], ends]))
        _save(root, "Types", np.concatenate(types))
        points, cells = root.create_group("PointData"), root.create_group("CellData")
        for name, values in raw.point_data.items():
            _save(points, name, values)
        for name, parts in raw.cell_data.items():
            _save(cells, name, np.concatenate(parts))


def _save(group: Any, name: str, values: np.ndarray) -> None:
    group.create_dataset(name, data=values, compression="gzip", compression_opts=1)
