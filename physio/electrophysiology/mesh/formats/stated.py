"""What a mesh file says it holds, counted without its reader.

Only headers and first lines are looked at, never the arrays that the readers decode:
a reader that returns less than its file states is found by comparing the two.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

_HEAD = 1 << 16


@dataclass(frozen=True)
class Stated:
    """Points, cells and pieces that a file states; None where it does not say.

    ``uneven`` names the fields that some of its pieces lack.
    """

    points: int | None = None
    cells: int | None = None
    pieces: int = 1
    uneven: tuple[str, ...] = ()


def stated(path: Path, suffix: str) -> Stated:
    """What the file at ``path`` states; of openCARP, the file of that suffix."""
    return COUNTERS.get(suffix, _nothing)(path)


def _nothing(path: Path) -> Stated:
    return Stated()


_KINDS = rb"NumberOf(Points|Cells|Verts|Lines|Strips|Polys)\s*=\s*[\"'](\d+)[\"']"
_FIELD = rb"<(?:Data)?Array\s[^>]*?Name\s*=\s*[\"']([^\"']*)"


def _vtk_xml(path: Path) -> Stated:
    """The sums over all pieces of a .vtu or .vtp."""
    return _of_pieces([path])


def _vtk_parallel(path: Path) -> Stated:
    """The sums over the files that a .pvtu or .pvtp names."""
    named = rb"<Piece\s[^>]*Source\s*=\s*[\"']([^\"']+)"
    files = [path.parent / s.decode() for s in re.findall(named, path.read_bytes())]
    return _of_pieces(files) if all(file.exists() for file in files) else Stated()


def _of_pieces(paths: list[Path]) -> Stated:
    points = cells = pieces = 0
    fields: dict[str, list[set[str]]] = {"Point": [], "Cell": []}
    for path in paths:
        text = path.read_bytes().partition(b"<AppendedData")[0]
        for piece in re.split(rb"<Piece(?=\s)", text)[1:]:
            head = piece.partition(b">")[0]
            numbers = {name: int(n) for name, n in re.findall(_KINDS, head)}
            n_point = numbers.pop(b"Points", 0)
            n_cell = sum(numbers.values())
            points, cells, pieces = points + n_point, cells + n_cell, pieces + 1
            for place, count in (("Point", n_point), ("Cell", n_cell)):
                if count:
                    fields[place].append(_names(piece, place))
    uneven = {
        name
        for sets in fields.values()
        for name in set().union(*sets)
        if not all(name in held for held in sets)
    }
    if not pieces:
        return Stated()
    return Stated(points, cells, pieces, tuple(sorted(uneven)))


def _names(piece: bytes, place: str) -> set[str]:
    """The names of a piece's fields of points or cells."""
    tag = f"{place}Data".encode()
    section = rb"<%s(?:\s[^>]*)?>(.*?)</%s>" % (tag, tag)
    found = re.search(section, piece, re.DOTALL)
    names = re.findall(_FIELD, found[1]) if found else []
    return {name.decode("utf-8", "replace") for name in names}


def _vtk_legacy(path: Path) -> Stated:
    data = path.read_bytes()
    points = re.search(rb"(?i)(?:^|\n)POINTS\s+(\d+)", data)
    words = (
        rb"(?i)(?:^|\n)(CELLS|VERTICES|LINES|POLYGONS|TRIANGLE_STRIPS)\s+(\d+)\s+\d+"
    )
    found = re.findall(words, data)
    version = re.match(rb"# vtk DataFile Version (\d+)\.(\d+)", data)
    offsets = version and (int(version[1]), int(version[2])) >= (5, 0)
    # since 5.0 the first number is that of the offsets, one more than the cells
    cells = sum(max(int(n) - bool(offsets), 0) for _, n in found)
    return Stated(int(points[1]) if points else None, cells if found else None)


def _gmsh(path: Path) -> Stated:
    data = path.read_bytes()
    points = re.search(rb"\$(?:Parametric)?Nodes\r?\n([^\n]*)", data)
    start = re.search(rb"\$Elements\r?\n", data)
    version = re.match(rb"\$MeshFormat\r?\n(\S+) (\d)", data)
    if not (version and points and start):
        return Stated()
    newer = version[1].startswith(b"4")
    if version[2] == b"1" and newer:
        place, here = points.start(1) + 8, start.end() + 8
        first, last = (int.from_bytes(data[k : k + 8], "little") for k in (place, here))
        return Stated(first, last)
    column = 1 if newer else 0
    rows = points[1].split(), data[start.end() :].split(b"\n", 1)[0].split()
    if any(len(row) <= column for row in rows):
        return Stated()
    return Stated(int(rows[0][column]), int(rows[1][column]))


def _ply(path: Path) -> Stated:
    with open(path, "rb") as file:
        head = file.read(_HEAD).split(b"end_header")[0]
    found = {n: int(k) for n, k in re.findall(rb"\nelement (\w+) (\d+)", head)}
    cells = sum(found.get(name, 0) for name in (b"face", b"edge", b"tristrips"))
    return Stated(found.get(b"vertex"), cells)


def _stl(path: Path) -> Stated:
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(84)
    count = int.from_bytes(head[80:84], "little")
    if len(head) == 84 and size == 84 + 50 * count:
        return Stated(None, count)
    data = path.read_bytes()
    solids = len(re.findall(rb"(?m)^\s*solid\b", data))
    return Stated(None, len(re.findall(rb"(?m)^\s*facet\b", data)), max(solids, 1))


def _vtkhdf(path: Path) -> Stated:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            root: Any = file["VTKHDF"]
            if "Steps" in root:
                return Stated()
            names = ("Vertices", "Lines", "Polygons", "Strips")
            poly = [root[name] for name in names if name in root]
            groups = [root] if "NumberOfCells" in root else poly
            cells = sum(int(group["NumberOfCells"][()].sum()) for group in groups)
            parts = root["NumberOfPoints"][()]
            return Stated(int(parts.sum()), cells, len(parts))
    except (OSError, KeyError):
        return Stated()


def _opencarp(path: Path) -> Stated:
    """The lines of .pts and .elem, less their headers."""
    counts = []
    for suffix in (".pts", ".elem"):
        data = path.with_suffix(suffix).read_bytes()
        full = sum(1 for _ in re.finditer(rb"[^\s][^\n]*", data))
        counts.append(full - (len(data.lstrip().partition(b"\n")[0].split()) == 1))
    return Stated(*counts)


def _xdmf(path: Path) -> Stated:
    """Of the first grid that has points of its own, or of all in its collection."""
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError:
        return Stated()
    for grid in root.iter():
        if grid.tag.rpartition("}")[2] != "Grid":
            continue
        if grid.get("CollectionType", "").lower() == "spatial":
            return _summed([_of_grid(part) for part in grid])
        found = _of_grid(grid)
        if found != Stated():
            return found
    return Stated()


def _summed(parts: list[Stated]) -> Stated:
    points = [part.points or 0 for part in parts]
    cells = [part.cells or 0 for part in parts]
    return Stated(sum(points), sum(cells), len(parts))


def _of_grid(grid: ElementTree.Element) -> Stated:
    parts = {child.tag.rpartition("}")[2]: child for child in grid}
    if "Topology" not in parts or "Geometry" not in parts:
        return Stated()
    item = parts["Geometry"].find("DataItem")
    shape = "" if item is None else item.get("Dimensions", "")
    cells = parts["Topology"].get("NumberOfElements", "").split()
    return Stated(
        int(shape.split()[0]) if shape.split() else None,
        int(cells[0]) if len(cells) == 1 else None,
    )


COUNTERS: dict[str, Callable[[Path], Stated]] = {
    ".vtu": _vtk_xml, ".vtp": _vtk_xml, ".pvtu": _vtk_parallel, ".pvtp": _vtk_parallel,
    ".vtk": _vtk_legacy, ".msh": _gmsh, ".ply": _ply, ".stl": _stl, ".xdmf": _xdmf,
    ".vtkhdf": _vtkhdf, ".pts": _opencarp, ".elem": _opencarp, ".lon": _opencarp,
}  # fmt: skip
