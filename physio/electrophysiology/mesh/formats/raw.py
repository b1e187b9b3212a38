"""What every mesh file holds, before its unit, regions and fibres are known."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(eq=False)
class RawMesh:
    """Points and blocks of elements as they stand in a file.

    ``blocks`` are (kind, corners) in the file's order; ``point_data`` by name;
    ``cell_data`` by name, one array per block. ``unit`` is what the file or its format
    states, or empty. ``note`` says what was left out or converted.
    """

    points: np.ndarray
    blocks: list[tuple[str, np.ndarray]]
    point_data: dict[str, np.ndarray] = field(default_factory=dict)
    cell_data: dict[str, list[np.ndarray]] = field(default_factory=dict)
    unit: str = ""
    notes: list[str] = field(default_factory=list)


VTK_KINDS = {1: "vertex", 3: "line", 4: "polyline", 5: "triangle", 9: "quad"}
VTK_KINDS |= {10: "tetra", 12: "hexahedron", 13: "wedge", 14: "pyramid"}
VTK_KINDS |= {2: "vertices", 6: "triangle strip", 7: "polygon", 24: "tetra10"}
VTK_NUMBERS = {kind: number for number, kind in VTK_KINDS.items()}


def from_vtk_cells(
    types: np.ndarray, offsets: np.ndarray, connectivity: np.ndarray, cell_data: dict
) -> tuple[list[tuple[str, np.ndarray]], dict[str, list[np.ndarray]]]:
    """Blocks by kind, from VTK's types (n), offsets (n + 1) and connectivity.

    A polyline becomes its segments, each with the polyline's data.

    **Raises** ValueError where the offsets do not fit the connectivity.
    """
    counts = np.diff(offsets)
    if len(offsets) != len(types) + 1 or (counts < 0).any():
        raise ValueError("the offsets of its cells do not fit their number")
    if len(offsets) and offsets[-1] > len(connectivity):
        raise ValueError("its cells name more corners than it holds")
    blocks: list[tuple[str, np.ndarray]] = []
    data: dict[str, list[np.ndarray]] = {name: [] for name in cell_data}
    for number in np.unique(types):
        kind = VTK_KINDS.get(int(number), f"VTK cell type {number}")
        cells = np.flatnonzero(types == number)
        if kind == "polyline" or (kind == "line" and (counts[cells] != 2).any()):
            kind, (cells, corners) = "line", _segments(cells, offsets, connectivity)
        elif len(np.unique(counts[cells])) == 1:
            starts = offsets[cells][:, None]
            corners = connectivity[starts + np.arange(int(counts[cells[0]]))]
        else:
            corners = np.zeros((len(cells), 0), np.int64)  # of a kind we do not use
        blocks.append((kind, corners))
        for name, values in cell_data.items():
            data[name].append(values[cells])
    return blocks, data


def _segments(cells, offsets, connectivity) -> tuple[np.ndarray, np.ndarray]:
    counts = np.diff(offsets)[cells] - 1
    owner = np.repeat(cells, counts)
    step = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    start = offsets[owner] + step
    return owner, np.stack([connectivity[start], connectivity[start + 1]], axis=1)
