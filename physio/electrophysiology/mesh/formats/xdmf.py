"""XDMF files (.xdmf): one mesh in one or several grids, arrays in HDF5 or in the text.

FEniCS writes the mesh and its tags as grids of their own: a grid whose elements the
mesh already has gives them a field, other elements are added. Of times the first is
read; a spatial collection's grids are put one behind the other. Source: the XDMF model
and format, version 3.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from physio.electrophysiology.mesh import geometry
from physio.electrophysiology.mesh.formats.raw import Damaged, NotUnderstood, RawMesh

# kind and number of corners of a topology, by its name without case
_KINDS = {
    "polyvertex": ("vertex", 1), "polyline": ("line", 2), "triangle": ("triangle", 3),
    "quadrilateral": ("quad", 4), "tetrahedron": ("tetra", 4),
    "pyramid": ("pyramid", 5), "wedge": ("wedge", 6), "hexahedron": ("hexahedron", 8),
    "edge_3": ("quadratic line", 3), "triangle_6": ("quadratic triangle", 6),
    "tri_6": ("quadratic triangle", 6), "tetrahedron_10": ("quadratic tetra", 10),
    "tet_10": ("quadratic tetra", 10),
}  # fmt: skip
_NUMBERED = {1: "polyvertex", 2: "polyline", 4: "triangle", 5: "quadrilateral"}
_NUMBERED |= {6: "tetrahedron", 7: "pyramid", 8: "wedge", 9: "hexahedron"}
_NUMBERED |= {34: "edge_3", 36: "triangle_6", 38: "tetrahedron_10"}
_DTYPES = {"float": "f", "int": "i", "uint": "u", "char": "i", "uchar": "u"}


@dataclass
class _Grid:
    """One grid: elements by kind, and the fields of its cells and of its points."""

    name: str
    points: np.ndarray
    blocks: list[tuple[str, np.ndarray]]
    cells: int = 0
    cell_data: dict[str, np.ndarray] = field(default_factory=dict)
    point_data: dict[str, np.ndarray] = field(default_factory=dict)


def read(path: Path) -> RawMesh:
    """The mesh of a file with everything its grids say of it.

    **Raises** Damaged for text that is no XML or arrays that are not there,
    NotUnderstood for kinds of grids, topologies and arrays that are not known.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise Damaged(f"its XML breaks off or is wrong: {error}") from None
    reader = _Reader(path, root)
    domain = next((e for e in root if _tag(e) == "Domain"), None)
    if domain is None:
        raise Damaged("it has no Domain")
    grids = [g for e in domain if _tag(e) == "Grid" for g in reader.grids(e)]
    if not grids:
        raise NotUnderstood("it holds no grid with points and elements")
    return _joined(grids, reader.notes, reader.spatial)


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


class _Reader:
    """Follows a file's tree; ``notes`` say what was left out."""

    def __init__(self, path: Path, root: ElementTree.Element) -> None:
        self.path, self.root = path, root
        self.notes: list[str] = []
        self.spatial = False

    def grids(self, grid: ElementTree.Element) -> list[_Grid]:
        kind = grid.get("GridType", "Uniform").lower()
        inner = [e for e in grid if _tag(e) == "Grid"]
        if kind == "collection" and grid.get("CollectionType", "").lower() != "spatial":
            if len(inner) > 1:
                self.notes.append("The file holds several times; the first was read.")
            inner = inner[:1]
        elif kind in ("collection", "tree"):
            self.spatial = True
        elif kind != "uniform":
            raise NotUnderstood(
                f"its grid is {kind!r}; Uniform and Collection are read"
            )
        if kind != "uniform":
            return [found for e in inner for found in self.grids(e)]
        return [self._uniform(grid)]

    def _uniform(self, grid: ElementTree.Element) -> _Grid:
        parts = [part for e in grid for part in self._meant(e)]
        named = {_tag(e): e for e in parts}
        name = grid.get("Name", "")
        for wanted in ("Geometry", "Topology"):
            if wanted not in named:
                raise NotUnderstood(f"its grid {name!r} has no {wanted}")
        found = _Grid(name, self._points(named["Geometry"]), [])
        found.blocks, place = self._topology(named["Topology"])
        n_cell = found.cells = int(place.max(initial=-1)) + 1
        for part in parts:
            if _tag(part) != "Attribute":
                continue
            values = self._array(part)
            values = values.reshape(len(values), -1)
            values = values[:, 0] if values.shape[1] == 1 else values
            key, centre = part.get("Name", "field"), part.get("Center", "Node").lower()
            if centre == "cell" and len(values) == n_cell:
                found.cell_data[key] = values[place]
            elif centre == "node" and len(values) == len(found.points):
                found.point_data[key] = values
            else:
                self.notes.append(f"Left out: the field {key} ({centre}).")
        return found

    def _meant(self, element: ElementTree.Element) -> list[ElementTree.Element]:
        """The element itself, or those that it includes or refers to."""
        text = (element.text or "").strip()
        pointer = element.get("xpointer", "")
        if _tag(element) == "include":
            inner = pointer.removeprefix("xpointer(").removesuffix(")")
            owner, _, names = inner.partition("/*[self::")
            if names:  # .../*[self::Topology or self::Geometry], as dolfin writes
                wanted = [part.strip("]: ") for part in names.split(" or self::")]
                return [e for e in self._at(owner, pointer)[0] if _tag(e) in wanted]
            return self._at(inner, pointer)
        if element.get("Reference") is not None:
            reference = element.get("Reference", "")
            return self._at(text if reference.upper() == "XML" else reference, text)
        return [element]

    def _at(self, place: str, told: str) -> list[ElementTree.Element]:
        start = ".//" if place.strip().startswith("//") else "./"
        steps = place.strip().strip("/").split("/")
        if steps and steps[0] == _tag(self.root):
            steps = steps[1:]
        namespace = self.root.tag.rpartition("}")[0]
        prefix = f"{namespace}}}" if namespace else ""
        try:
            found = self.root.find(start + "/".join(prefix + step for step in steps))
        except SyntaxError:
            found = None
        if found is None:
            raise NotUnderstood(f"its reference {told or place!r} leads nowhere")
        return [found]

    def _points(self, element: ElementTree.Element) -> np.ndarray:
        kind = (element.get("GeometryType") or element.get("Type") or "XYZ").upper()
        if kind == "X_Y_Z":
            items = [e for e in element if _tag(e) == "DataItem"]
            return np.column_stack([self._item(e).ravel() for e in items])
        if kind not in ("XYZ", "XY"):
            raise NotUnderstood(f"its geometry is {kind}; XYZ and XY are read")
        found = self._array(element)
        return found.reshape(-1, len(kind))

    def _topology(
        self, element: ElementTree.Element
    ) -> tuple[list[tuple[str, np.ndarray]], np.ndarray]:
        """Blocks, and the place in the file of each of their cells."""
        name = (element.get("TopologyType") or element.get("Type") or "").lower()
        values = self._array(element).astype(np.int64)
        if name == "mixed":
            return _mixed(values.ravel())
        if name not in _KINDS:
            raise NotUnderstood(f"its topology {name!r} is not known")
        kind, sides = _KINDS[name]
        given = int(element.get("NodesPerElement") or values.shape[-1])
        if kind in ("line", "vertex") and given != sides and given > 1:
            if kind == "line":  # poly-lines of one length: their segments
                rows = values.reshape(-1, given)
                ends = np.stack([rows[:, :-1], rows[:, 1:]], axis=2).reshape(-1, 2)
                owner = np.repeat(np.arange(len(rows)), given - 1)
                return [("line", ends)], owner
            sides = given
        rows = values.reshape(-1, sides)
        return [(kind, rows)], np.arange(len(rows))

    def _array(self, element: ElementTree.Element) -> np.ndarray:
        inner = [e for e in element if _tag(e) in ("DataItem", "include")]
        items = [part for e in inner for part in self._meant(e)]
        if len(items) != 1:
            raise NotUnderstood(
                f"its {_tag(element)} has {len(items)} arrays; one is read"
            )
        return self._item(items[0])

    def _item(self, item: ElementTree.Element) -> np.ndarray:
        kind = item.get("ItemType", "Uniform").lower()
        if kind != "uniform":
            raise NotUnderstood(f"its array is of the kind {kind!r}; Uniform is read")
        shape = [int(n) for n in item.get("Dimensions", "").split()]
        text = (item.text or "").strip()
        form = item.get("Format", "XML").upper()
        number = (item.get("NumberType") or item.get("DataType") or "Float").lower()
        if number not in _DTYPES:
            raise NotUnderstood(f"its array holds {number}, not numbers")
        width = {"char": 1, "uchar": 1}.get(number, int(item.get("Precision", 4)))
        dtype = np.dtype(f"{_DTYPES[number]}{width}")
        if form == "HDF":
            return self._hdf(text, shape)
        if form == "XML":
            values = np.array(text.split(), dtype=np.float64)
            if dtype.kind in "iu":
                values = np.array(text.split(), dtype=np.int64)
        elif form == "BINARY":
            order = ">" if item.get("Endian", "Native").lower() == "big" else "<"
            start = int(item.get("Seek", 0))
            data = self._beside(text).read_bytes()[start:]
            count = int(np.prod(shape)) if shape else len(data) // dtype.itemsize
            if len(data) < count * dtype.itemsize:
                raise Damaged(f"its array file {text} ends early")
            values = np.frombuffer(data, dtype.newbyteorder(order), count)
            values = values.astype(dtype)
        else:
            raise NotUnderstood(f"its arrays are {form}; HDF, XML and Binary are read")
        return self._shaped(values, shape, "its array")

    def _beside(self, name: str) -> Path:
        file = self.path.parent / name
        if not file.exists():
            raise NotUnderstood(f"its arrays are in {name}, which is not beside it")
        return file

    def _hdf(self, text: str, shape: list[int]) -> np.ndarray:
        import h5py

        name, _, inner = text.partition(":")
        try:
            with h5py.File(self._beside(name.strip()), "r") as file:
                data: Any = file[inner.strip() or "/"]
                return self._shaped(np.asarray(data[()]), shape, f"{name}:{inner}")
        except KeyError:
            raise Damaged(f"{name} holds no array {inner}") from None

    def _shaped(self, values: np.ndarray, shape: list[int], name: str) -> np.ndarray:
        if shape and values.size != int(np.prod(shape)):
            raise Damaged(
                f"{name} holds {values.size} numbers where {int(np.prod(shape))} are "
                "stated"
            )
        return values.reshape(shape) if shape else values


def _mixed(values: np.ndarray) -> tuple[list[tuple[str, np.ndarray]], np.ndarray]:
    """Of a mixed topology: each cell's number of kind, then its corners."""
    rows: dict[str, list[np.ndarray]] = {}
    owners: dict[str, list[int]] = {}
    place = cell = 0
    while place < len(values):
        number = int(values[place])
        if number not in _NUMBERED:
            raise NotUnderstood(f"its mixed topology holds the unknown kind {number}")
        kind, sides = _KINDS[_NUMBERED[number]]
        place += 1
        if number <= 2:  # vertices and poly-lines tell how many
            sides = int(values[place])
            place += 1
        corners = values[place : place + sides]
        if len(corners) < sides:
            raise Damaged("its mixed topology ends inside an element")
        place += sides
        parts = [corners[k : k + 2] for k in range(sides - 1)] if number == 2 else []
        for part in parts or [corners]:
            rows.setdefault(kind, []).append(part)
            owners.setdefault(kind, []).append(cell)
        cell += 1
    blocks = [(kind, np.stack(parts)) for kind, parts in rows.items()]
    order = [np.array(owners[kind], np.int64) for kind, _ in blocks]
    return blocks, np.concatenate([np.zeros(0, np.int64), *order])


def _joined(grids: list[_Grid], notes: list[str], spatial: bool) -> RawMesh:
    """The first grid's mesh with the others' elements and fields."""
    whole = grids[0]
    raw = RawMesh(whole.points, [], dict(whole.point_data), notes=notes)
    raw.cells = sum(grid.cells for grid in grids)
    parts: list[tuple[str, np.ndarray, dict[str, np.ndarray]]] = []
    offset = 0
    for grid in grids:
        shared = grid.points.shape == whole.points.shape and np.array_equal(
            grid.points, whole.points
        )
        if grid is not whole and not shared:
            if not spatial:
                raise NotUnderstood(
                    f"its grid {grid.name!r} has other points than {whole.name!r}. "
                    "Save one mesh to a file"
                )
            offset = len(raw.points)
            raw.points = np.concatenate([raw.points, grid.points])
            _more_points(raw, grid, offset)
        elif grid is not whole:
            raw.point_data |= {k: v for k, v in grid.point_data.items()
                               if k not in raw.point_data}  # fmt: skip
        start = 0
        for kind, corners in grid.blocks:
            mine = {n: v[start : start + len(corners)]
                    for n, v in grid.cell_data.items()}  # fmt: skip
            start += len(corners)
            _add(parts, kind, corners + (0 if shared else offset), mine, not shared)
    names = dict.fromkeys(name for _, _, data in parts for name in data)
    for kind, corners, data in parts:
        raw.blocks.append((kind, corners))
        for name in names:
            like = next(d[name] for _, _, d in parts if name in d)
            none = np.full((len(corners), *like.shape[1:]), np.nan)
            raw.cell_data.setdefault(name, []).append(data.get(name, none))
    return raw


def _more_points(raw: RawMesh, grid: _Grid, before: int) -> None:
    for name in {*raw.point_data, *grid.point_data}:
        like = raw.point_data.get(name, grid.point_data.get(name))
        assert like is not None
        rest = like.shape[1:]
        first = raw.point_data.get(name, np.full((before, *rest), np.nan))
        last = grid.point_data.get(name, np.full((len(grid.points), *rest), np.nan))
        raw.point_data[name] = np.concatenate([first, last])


def _add(
    parts: list[tuple[str, np.ndarray, dict[str, np.ndarray]]],
    kind: str, corners: np.ndarray, data: dict[str, np.ndarray], apart: bool,
) -> None:  # fmt: skip
    """Elements that are there already get the fields; others are added."""
    there = next((part for part in parts if part[0] == kind), None)
    if there is None or apart:
        parts.append((kind, corners, data))
        return
    count = len(there[1])
    keys = geometry.row_keys(np.concatenate([there[1], corners]))
    order = np.argsort(keys[:count], kind="stable")
    place = np.minimum(np.searchsorted(keys[:count], keys[count:], sorter=order),
                       count - 1)  # fmt: skip
    known = keys[order[place]] == keys[count:]
    for name, values in data.items():
        rows = there[2].get(name)
        if rows is None:
            whole = known.all() and len(np.unique(order[place])) == count
            dtype = values.dtype if whole else np.float64
            rows = np.full((count, *values.shape[1:]), 0 if whole else np.nan, dtype)
        rows[order[place[known]]] = values[known]
        there[2][name] = rows
    if not known.all():
        parts.append((kind, corners[~known], {n: v[~known] for n, v in data.items()}))
