"""Surfaces of the formats PLY and STL, text and binary.

PLY names its faces' corners ``vertex_indices`` or ``vertex_index`` and may hold any
other property; STL holds three places for each triangle, in one or several solids.
Source: Turk, "The PLY polygon file format" (1994); 3D Systems, "StereoLithography
interface specification" (1989).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from physio.electrophysiology.mesh.formats.raw import Damaged, NotUnderstood, RawMesh

_WIDTH = {"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4"}
_WIDTH |= {"uint": "u4", "float": "f4", "double": "f8", "int8": "i1", "uint8": "u1"}
_WIDTH |= {"int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4", "int64": "i8"}
_WIDTH |= {"uint64": "u8", "float32": "f4", "float64": "f8"}
_ORDER = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}
_CORNERS = ("vertex_indices", "vertex_index")


@dataclass
class _Element:
    """One kind of row of a PLY file: (name, width, width of a list's count or "")."""

    name: str
    count: int
    properties: list[tuple[str, str, str]] = field(default_factory=list)


def read_ply(path: Path) -> RawMesh:
    """The points, faces and edges of a .ply file with their properties.

    **Raises** Damaged where it ends early, NotUnderstood for strips and for faces
    without corners.
    """
    data = path.read_bytes()
    order, elements, start = _header(data)
    rows: Any = _text_rows(data[start:]) if not order else None
    place, columns = start, {}
    for element in elements:
        if order:
            columns[element.name], place = _binary(data, place, element, order)
        else:
            columns[element.name] = _text(rows, element)
    strips = [e.name for e in elements if e.name == "tristrips" and e.count]
    if strips:
        raise NotUnderstood(
            "it holds triangle strips (tristrips), which are not read. Save it with "
            "triangles, or as .vtp"
        )
    return _from_columns(columns, {e.name: e.count for e in elements})


def _header(data: bytes) -> tuple[str, list[_Element], int]:
    if not data.startswith(b"ply"):
        raise Damaged("it does not begin with ply")
    end = re.search(rb"(?:^|\n)end_header[ \t]*\r?\n", data)
    if not end:
        raise Damaged("its header has no end")
    order, elements = None, []
    for line in data[: end.start()].decode("latin-1").splitlines():
        words = line.split()
        if words[:1] == ["format"]:
            order = _ORDER.get(words[1])
        elif words[:1] == ["element"]:
            elements.append(_Element(words[1], int(words[2])))
        elif words[:1] == ["property"]:
            widths = [_WIDTH.get(word) for word in words[1:-1] if word != "list"]
            if None in widths:
                raise NotUnderstood(f"its line {line!r} names an unknown type")
            listed = words[1] == "list"
            count = str(widths[0]) if listed else ""
            elements[-1].properties.append((words[-1], str(widths[-1]), count))
    if order is None:
        raise NotUnderstood("its format is neither ascii nor binary")
    return order, elements, end.end()


def _binary(
    data: bytes, place: int, element: _Element, order: str
) -> tuple[dict[str, Any], int]:
    """The columns of an element; lists of one length are read at once."""
    sizes: dict[str, int] = {}
    at = place
    for name, width, count in element.properties:  # of the first row
        if count and element.count:
            part = np.frombuffer(data[at : at + int(count[1])], order + count)
            sizes[name] = int(part[0]) if len(part) else 0
            at += int(count[1]) + sizes[name] * int(width[1])
        else:
            at += int(width[1])
    row = np.dtype([
        part
        for name, width, count in element.properties
        for part in (
            [(f"{name} count", order + count), (name, order + width, (sizes[name],))]
            if name in sizes else [(name, order + width)]
        )
    ])  # fmt: skip
    end = place + element.count * row.itemsize
    if end <= len(data):
        rows = np.frombuffer(data, row, element.count, place)
        if all((rows[f"{name} count"] == n).all() for name, n in sizes.items()):
            return {p[0]: rows[p[0]] for p in element.properties}, end
    elif not sizes:
        raise Damaged(f"it ends among its {element.count} rows of {element.name}")
    return _binary_slowly(data, place, element, order)


def _binary_slowly(
    data: bytes, place: int, element: _Element, order: str
) -> tuple[dict[str, Any], int]:
    columns: dict[str, list] = {p[0]: [] for p in element.properties}
    for _ in range(element.count):
        for name, width, count in element.properties:
            n = 1
            if count:
                part = np.frombuffer(data[place : place + int(count[1])], order + count)
                place += int(count[1])
                n = int(part[0]) if len(part) else 0
            end = place + n * int(width[1])
            if end > len(data):
                raise Damaged(
                    f"it ends among its {element.count} rows of {element.name}"
                )
            values = np.frombuffer(data[place:end], order + width)
            columns[name].append(values if count else values[0])
            place = end
    return dict(columns), place


def _text_rows(data: bytes) -> Iterator[list[bytes]]:
    return (line.split() for line in data.splitlines() if line.strip())


def _text(rows: Iterator[list[bytes]], element: _Element) -> dict[str, Any]:
    columns: dict[str, list] = {p[0]: [] for p in element.properties}
    for k in range(element.count):
        words = next(rows, None)
        if words is None:
            raise Damaged(f"it promises {element.count} {element.name}, holds {k}")
        place = 0
        for name, width, count in element.properties:
            n = int(words[place]) if count and place < len(words) else 1
            place += bool(count)
            part = words[place : place + n]
            if len(part) < n:
                raise Damaged(f"row {k} of {element.name} ends early")
            place += n
            number = float if width[0] == "f" else int
            values = [number(word) for word in part]
            columns[name].append(np.array(values) if count else values[0])
    return dict(columns)


def _from_columns(columns: dict[str, dict], counts: dict[str, int]) -> RawMesh:
    vertex = dict(columns.get("vertex", {}))
    if not {"x", "y", "z"} <= set(vertex):
        raise NotUnderstood("its points have no x, y and z")
    points = np.column_stack([np.asarray(vertex.pop(k), float) for k in "xyz"])
    raw = RawMesh(points, [])
    raw.point_data = {k: _plain(v) for k, v in vertex.items() if not _listed(v)}
    face = dict(columns.get("face", {}))
    name = next((k for k in _CORNERS if k in face), "")
    if counts.get("face") and not name:
        raise NotUnderstood(
            f"its faces have no {' or '.join(_CORNERS)}; they have {', '.join(face)}"
        )
    corners = face.pop(name, [])
    sides = np.array([len(row) for row in corners], dtype=np.int64)
    fields = {k: _plain(v) for k, v in face.items() if not _listed(v)}
    for n in np.unique(sides):
        mine = np.flatnonzero(sides == n)
        kind = {3: "triangle", 4: "quad"}.get(int(n), f"polygon of {n} corners")
        rows = np.stack([np.asarray(corners[k], np.int64) for k in mine])
        raw.blocks.append((kind, rows))
        for key, values in fields.items():
            raw.cell_data.setdefault(key, []).append(values[mine])
    if counts.get("edge"):
        edge = columns["edge"]
        ends = np.column_stack([_plain(edge[k]) for k in ("vertex1", "vertex2")])
        raw.blocks.append(("line", ends.astype(np.int64)))
        for parts in raw.cell_data.values():
            parts.append(np.full(len(ends), np.nan))
    left = sorted(set(columns) - {"vertex", "face", "edge", "tristrips"})
    lost = [k for k, v in (*vertex.items(), *face.items()) if _listed(v)]
    raw.notes += [f"Left out: {', '.join([*left, *lost])}."] if left or lost else []
    return raw


def _listed(values: Any) -> bool:
    return len(values) > 0 and np.ndim(values[0]) > 0


def _plain(values: Any) -> np.ndarray:
    """In the byte order of this machine."""
    found = np.asarray(values)
    return found.astype(found.dtype.newbyteorder("="))


def read_stl(path: Path) -> RawMesh:
    """The triangles of a .stl file, equal places joined; solids are regions 1, 2, ...

    **Raises** Damaged where it ends early.
    """
    data = path.read_bytes()
    count = int.from_bytes(data[80:84], "little")
    names: list[str] = []
    if len(data) == 84 + 50 * count:
        row = np.dtype([("n", "<f4", 3), ("x", "<f4", (3, 3)), ("attribute", "<u2")])
        rows = np.frombuffer(data, row, count, 84)
        places, solids = rows["x"].astype(np.float64), rows["attribute"]
    elif data.lstrip()[:5].lower() == b"solid" and b"facet" in data[:4096]:
        places, solids, names = _text_solids(data)
    else:
        raise Damaged(
            f"it promises {count} triangles, which are {84 + 50 * count} bytes, and "
            f"holds {len(data)}"
        )
    corners = places.reshape(-1, 3) + 0.0  # -0 and 0 are one place
    points, which = np.unique(corners, axis=0, return_inverse=True)
    raw = RawMesh(points, [("triangle", which.reshape(-1, 3))])
    if len(names) > 1:
        raw.cell_data["region"] = [solids.astype(np.int64)]
        told = ", ".join(f"{k + 1} {name}".strip() for k, name in enumerate(names))
        raw.notes.append(f"The file holds {len(names)} solids, the regions: {told}.")
    elif not names and solids.any():
        raw.cell_data["attribute"] = [solids.astype(np.int64)]
    return raw


def _text_solids(data: bytes) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Places (n, 3, 3), the solid of each triangle from 1, and the solids' names."""
    names: list[str] = []
    places: list[list[float]] = []
    solids, facets = [], 0
    ended = True
    for line in data.decode("latin-1").splitlines():
        words = line.split()
        word = words[0].lower() if words else ""
        if word == "solid":
            names.append(" ".join(words[1:]))
            ended = False
        elif word == "facet":
            facets += 1
            solids.append(len(names))
        elif word == "vertex":
            if len(words) != 4:
                raise Damaged("it ends inside a corner")
            places.append([float(x) for x in words[1:]])
        elif word == "endsolid":
            ended = True
    if not ended or len(places) != 3 * facets:
        raise Damaged(
            f"its {facets} facets have {len(places)} corners"
            + ("" if ended else " and its last solid has no end")
        )
    return np.reshape(places, (-1, 3, 3)), np.array(solids, np.int64), names
