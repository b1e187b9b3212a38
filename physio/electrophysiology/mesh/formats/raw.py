"""What every mesh file holds, before its unit, regions and fibres are known."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np


class NotUnderstood(ValueError):
    """A file that is sound, and holds something the reader does not know.

    The message is a sentence that names it and what to do.
    """


class IsImage(NotUnderstood):
    """The file holds an image; ``what`` says which, in words."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"it is an image ({what}), not a mesh")


class Damaged(ValueError):
    """A file that ends early or contradicts itself; the message says where."""


@dataclass(eq=False)
class RawMesh:
    """Points and blocks of elements as they stand in a file.

    ``blocks`` are (kind, corners) in the file's order; ``point_data`` by name;
    ``cell_data`` by name, one array per block. ``unit`` is what the file or its format
    states, or empty. ``notes`` say what was left out or converted. ``cells`` is the
    number of the file's own cells that the blocks hold, before any was cut into parts
    (None: as many as the blocks have rows).
    """

    points: np.ndarray
    blocks: list[tuple[str, np.ndarray]]
    point_data: dict[str, np.ndarray] = field(default_factory=dict)
    cell_data: dict[str, list[np.ndarray]] = field(default_factory=dict)
    unit: str = ""
    notes: list[str] = field(default_factory=list)
    cells: int | None = None

    @property
    def n_cell(self) -> int:
        """The file's cells that were read."""
        rows = sum(len(corners) for _, corners in self.blocks)
        return rows if self.cells is None else self.cells


VTK_KINDS = {0: "empty", 1: "vertex", 2: "poly-vertex", 3: "line", 4: "poly-line"}
VTK_KINDS |= {5: "triangle", 6: "triangle strip", 7: "polygon", 8: "pixel", 9: "quad"}
VTK_KINDS |= {10: "tetra", 11: "voxel", 12: "hexahedron", 13: "wedge", 14: "pyramid"}
VTK_KINDS |= {21: "quadratic line", 22: "quadratic triangle", 24: "quadratic tetra"}
VTK_KINDS |= {15: "pentagonal prism", 16: "hexagonal prism", 23: "quadratic quad"}
VTK_KINDS |= {25: "quadratic hexahedron", 42: "polyhedron", 71: "Lagrange tetra"}
VTK_NUMBERS = {"line": 3, "triangle": 5, "tetra": 10, "hexahedron": 12}
_COPY = 1  # vtk's flag of a cell that another piece owns
_GHOSTS = "vtkGhostType"


def from_vtk_cells(
    types: np.ndarray, offsets: np.ndarray, connectivity: np.ndarray, cell_data: dict
) -> tuple[list[tuple[str, np.ndarray]], dict[str, list[np.ndarray]]]:
    """Blocks by kind, from VTK's types (n), offsets (n + 1) and connectivity.

    A poly-line becomes its segments and a strip its triangles, each with the whole's
    data; a polygon of three corners is a triangle. No cell is left out.

    **Raises** Damaged where the offsets do not fit the connectivity.
    """
    counts = np.diff(offsets)
    if len(offsets) != len(types) + 1 or (counts < 0).any():
        raise Damaged("the offsets of its cells do not fit their number")
    if len(offsets) and offsets[-1] > len(connectivity):
        raise Damaged("its cells name more corners than it holds")
    blocks: list[tuple[str, np.ndarray]] = []
    data: dict[str, list[np.ndarray]] = {name: [] for name in cell_data}
    for number in np.unique(types):
        for cells in _alike(np.flatnonzero(types == number), int(number), counts):
            kind = VTK_KINDS.get(int(number), f"VTK cell type {number}")
            sides = int(counts[cells[0]])
            if kind in ("poly-line", "line", "triangle strip"):
                cut = 2 if "line" in kind else 3
                cells, corners = _cut(cells, cut, offsets, connectivity)
                kind = "line" if cut == 2 else "triangle"
            else:
                corners = connectivity[offsets[cells][:, None] + np.arange(sides)]
            if kind == "polygon" and sides in (3, 4):
                kind = "triangle" if sides == 3 else "quad"
            blocks.append((kind, corners))
            for name, values in cell_data.items():
                data[name].append(values[cells])
    return blocks, data


def _alike(cells: np.ndarray, number: int, counts: np.ndarray) -> Iterable[np.ndarray]:
    """Cells of one type by their number of corners; those that are cut, together."""
    if number in (3, 4, 6):
        return [cells]
    return [cells[counts[cells] == n] for n in np.unique(counts[cells])]


def _cut(cells, n_corner: int, offsets, connectivity) -> tuple[np.ndarray, np.ndarray]:
    """The segments of poly-lines or triangles of strips, and the cell of each."""
    counts = np.maximum(np.diff(offsets)[cells] - (n_corner - 1), 0)
    owner = np.repeat(cells, counts)
    step = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    start = offsets[owner] + step
    corners = connectivity[start[:, None] + np.arange(n_corner)]
    if n_corner == 3:  # every second triangle of a strip is the other way round
        odd = step % 2 == 1
        corners[odd] = corners[odd][:, [1, 0, 2]]
    return owner, corners


def without_copies(raw: RawMesh) -> RawMesh:
    """Without the cells that a parallel writer repeats from the piece beside."""
    raw.point_data.pop(_GHOSTS, None)
    flags = raw.cell_data.pop(_GHOSTS, None)
    if flags is None:
        return raw
    own = [(np.asarray(part).astype(np.int64) & _COPY) == 0 for part in flags]
    copies = sum(int((~mask).sum()) for mask in own)
    raw.blocks = [(k, c[m]) for (k, c), m in zip(raw.blocks, own, strict=True)]
    raw.cell_data = {
        name: [part[m] for part, m in zip(parts, own, strict=True)]
        for name, parts in raw.cell_data.items()
    }
    if copies:
        raw.notes.append(
            f"Left out: {copies} ghost cells, which repeat those of the piece beside."
        )
    return raw
