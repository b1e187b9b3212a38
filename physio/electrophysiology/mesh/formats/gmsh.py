"""gmsh files (.msh) of the formats 2 and 4.1, text and binary.

Physical groups are the regions. An element may be in several groups, in no group
(``Mesh.SaveAll``), and its nodes may carry parametric coordinates
(``Mesh.SaveParametric``): all of it is read. Source: the gmsh reference manual, "MSH
file format" and "Legacy formats".
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from physio.electrophysiology.mesh.formats.gmsh_sections import (
    Stream,
    data_rows,
    physical_names,
    split,
)
from physio.electrophysiology.mesh.formats.raw import Damaged, NotUnderstood, RawMesh

# kind, dimension and number of nodes of gmsh's element types
_TYPES = {
    1: ("line", 1, 2), 2: ("triangle", 2, 3), 3: ("quad", 2, 4), 4: ("tetra", 3, 4),
    5: ("hexahedron", 3, 8), 6: ("wedge", 3, 6), 7: ("pyramid", 3, 5),
    8: ("quadratic line", 1, 3), 9: ("quadratic triangle", 2, 6),
    10: ("quadratic quad", 2, 9), 11: ("quadratic tetra", 3, 10),
    12: ("quadratic hexahedron", 3, 27), 13: ("quadratic wedge", 3, 18),
    14: ("quadratic pyramid", 3, 14), 15: ("vertex", 0, 1),
    16: ("quadratic quad", 2, 8), 17: ("quadratic hexahedron", 3, 20),
    18: ("quadratic wedge", 3, 15), 19: ("quadratic pyramid", 3, 13),
    21: ("cubic triangle", 2, 10), 26: ("cubic line", 1, 4), 29: ("cubic tetra", 3, 20),
}  # fmt: skip
_NUMERIC = ("Entities", "PartitionedEntities", "Nodes", "ParametricNodes", "Elements")
Groups = tuple[int, ...]


@dataclass
class _Found:
    """Elements as rows of (kind): numbers, corners, entity and groups of each."""

    numbers: dict[str, list[np.ndarray]] = field(default_factory=dict)
    corners: dict[str, list[np.ndarray]] = field(default_factory=dict)
    entities: dict[str, list[np.ndarray]] = field(default_factory=dict)
    groups: dict[str, list[Groups]] = field(default_factory=dict)
    cells: int = 0

    def add(self, kind: str, number, corners, entity, groups: list[Groups]) -> None:
        for store, rows in (
            (self.numbers, number), (self.corners, corners), (self.entities, entity),
        ):  # fmt: skip
            store.setdefault(kind, []).append(rows)
        self.groups.setdefault(kind, []).extend(groups)
        self.cells += len(corners)


def read(path: Path) -> RawMesh | None:
    """The mesh of a file; None where its format is 4.0, which is another reader's.

    **Raises** Damaged where it ends early, NotUnderstood for a format or element type
    that is not known.
    """
    data = path.read_bytes()
    if data.startswith(b"$NOD"):
        raise NotUnderstood(
            "it is of gmsh's format 1; 2.2, 4.0 and 4.1 are read. Save it again: gmsh "
            "FILE -save -format msh41"
        )
    sections = dict(split(data))
    about = sections.get("MeshFormat", b"").split(b"\n")[0].split()
    if len(about) < 3:
        raise Damaged("it does not begin with $MeshFormat")
    version, binary = about[0].decode(), about[1] == b"1"
    if version == "4.0":
        return None
    if version not in ("2", "2.0", "2.1", "2.2", "4.1"):
        raise NotUnderstood(
            f"gmsh's format {version} is not known; 2.2, 4.0 and 4.1 are. Save it "
            "again: gmsh FILE -save -format msh41"
        )
    order = "<"
    if binary:
        one = sections["MeshFormat"].split(b"\n", 1)[1][:4]
        order = "<" if int.from_bytes(one, "little") == 1 else ">"
    for name in ("Elements", "Nodes"):
        if name not in sections and f"Parametric{name}" not in sections:
            raise Damaged(f"it has no section ${name}")
    streams = {
        name: Stream(name, content, order, binary)
        for name, content in sections.items()
        if name in _NUMERIC
    }
    newer = version == "4.1"
    tags, points = (_nodes41 if newer else _nodes2)(streams)
    found = (_elements41 if newer else _elements2)(streams)
    return _assembled(tags, points, found, sections, order, binary)


def _entities(streams: dict[str, Stream]) -> dict[tuple[int, int], Groups]:
    """The physical groups of each (dimension, entity)."""
    groups: dict[tuple[int, int], Groups] = {}
    for name in ("Entities", "PartitionedEntities"):
        if name not in streams:
            continue
        stream, parts = streams[name], name.startswith("Part")
        if parts:
            ghosts = stream.sizes(2)[1]
            stream.ints(2 * ghosts)
        for dimension, count in enumerate(stream.sizes(4)):
            for _ in range(count):
                tag = int(stream.ints(1)[0])
                if parts:  # the entity it is a part of, and its partitions
                    stream.ints(2)
                    stream.ints(stream.sizes(1)[0])
                stream.reals(3 if dimension == 0 else 6)
                mine = stream.ints(stream.sizes(1)[0])
                groups[dimension, tag] = tuple(sorted({abs(int(k)) for k in mine}))
                if dimension:
                    stream.ints(stream.sizes(1)[0])
    return groups


def _nodes41(streams: dict[str, Stream]) -> tuple[np.ndarray, np.ndarray]:
    stream = streams["Nodes"]
    n_block, n_node, _, _ = stream.sizes(4)
    tags, points = [np.zeros(0, np.int64)], [np.zeros((0, 3))]
    for _ in range(n_block):
        dimension, _, parametric = stream.ints(3)
        count = stream.sizes(1)[0]
        tags.append(stream.sizes(count))
        width = 3 + (dimension if parametric else 0)
        points.append(stream.reals(count * width).reshape(count, width)[:, :3])
    found = np.concatenate(tags)
    if len(found) != n_node:
        raise Damaged(f"it promises {n_node} nodes and holds {len(found)}")
    return found, np.concatenate(points)


def _nodes2(streams: dict[str, Stream]) -> tuple[np.ndarray, np.ndarray]:
    if "ParametricNodes" in streams:
        return _parametric2(streams["ParametricNodes"])
    stream = streams["Nodes"]
    count = _count(stream)
    if stream.binary:
        row = np.dtype([("tag", stream.order + "i4"), ("x", stream.order + "f8", 3)])
        stream.check(stream.place + count * row.itemsize <= len(stream.content))
        rows = np.frombuffer(stream.content, row, count, stream.place)
        return rows["tag"].astype(np.int64), rows["x"].astype(np.float64)
    rows = stream.reals(4 * count).reshape(count, 4)
    return rows[:, 0].astype(np.int64), rows[:, 1:]


def _parametric2(stream: Stream) -> tuple[np.ndarray, np.ndarray]:
    """Rows of number, x, y, z, dimension, entity and its 0 to 2 coordinates."""
    count = _count(stream)
    tags, points = np.zeros(count, np.int64), np.zeros((count, 3))
    for k in range(count):
        tags[k] = stream.ints(1)[0]
        points[k] = stream.reals(3)
        dimension = int(stream.ints(2)[0])
        stream.reals({1: 1, 2: 2}.get(dimension, 0))
    return tags, points


def _count(stream: Stream) -> int:
    """The number that a section of format 2 begins with: a line of text."""
    if not stream.binary:
        return int(stream.ints(1)[0])
    line, _, _ = stream.content.partition(b"\n")
    stream.place = len(line) + 1
    return int(line)


def _known(number: int) -> tuple[str, int, int]:
    if number not in _TYPES:
        raise NotUnderstood(
            f"gmsh's element type {number} is not known. Mesh it with elements of the "
            "first order: Mesh.ElementOrder = 1"
        )
    return _TYPES[number]


def _elements41(streams: dict[str, Stream]) -> _Found:
    groups = _entities(streams)
    stream, found = streams["Elements"], _Found()
    n_block, n_cell, _, _ = stream.sizes(4)
    for _ in range(n_block):
        dimension, entity, number = (int(k) for k in stream.ints(3))
        count = int(stream.sizes(1)[0])
        kind, _, sides = _known(number)
        rows = stream.sizes(count * (1 + sides)).reshape(count, 1 + sides)
        mine = groups.get((dimension, entity), ())
        whose = np.full(count, entity, np.int64)
        found.add(kind, rows[:, 0], rows[:, 1:], whose, [mine] * count)
    if found.cells != n_cell:
        raise Damaged(f"it promises {n_cell} elements and holds {found.cells}")
    return found


def _elements2(streams: dict[str, Stream]) -> _Found:
    stream, found = streams["Elements"], _Found()
    promised = _count(stream)
    rows: dict[int, list[np.ndarray]] = {}
    seen = 0
    while seen < promised:
        if stream.binary:
            number, count, n_tag = (int(k) for k in stream.ints(3))
            sides = _known(number)[2]
            part = stream.ints(count * (1 + n_tag + sides)).reshape(count, -1)
        else:
            tag, number, n_tag = (int(k) for k in stream.ints(3))
            count, sides = 1, _known(number)[2]
            part = np.append(tag, stream.ints(n_tag + sides))[None]
        tags = np.zeros((count, 2), np.int64)
        tags[:, : min(n_tag, 2)] = part[:, 1 : 1 + min(n_tag, 2)]
        row = np.column_stack([part[:, 0], tags, part[:, 1 + n_tag :]])
        rows.setdefault(number, []).append(row)
        seen += count
    for number, parts in rows.items():
        whole = np.concatenate(parts)
        groups: list[Groups] = [(int(k),) if k else () for k in whole[:, 1]]
        parts = _once(whole[:, 0], whole[:, 3:], whole[:, 2], groups)
        found.add(_known(number)[0], *parts)
    found.cells = seen
    return found


def _once(
    numbers: np.ndarray, corners: np.ndarray, entities: np.ndarray, groups: list[Groups]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[Groups]]:
    """Format 2 names an element of several groups once for each: put together.

    The same corners in the same group twice are left as they are, for a check to find.
    """
    if len(np.unique(np.sort(corners), axis=0)) == len(corners):
        return numbers, corners, entities, groups
    place: dict[tuple, int] = {}
    kept: list[int] = []
    merged: list[Groups] = []
    rows = zip(entities.tolist(), corners.tolist(), groups, strict=True)
    for k, (entity, row, mine) in enumerate(rows):
        key = (entity, *row)
        before = place.get(key)
        if before is None or not mine or set(mine) <= set(merged[before]):
            place.setdefault(key, len(kept))
            kept.append(k)
            merged.append(mine)
        else:
            merged[before] = tuple(sorted({*merged[before], *mine}))
    return numbers[kept], corners[kept], entities[kept], merged


def _assembled(
    tags: np.ndarray, points: np.ndarray, found: _Found, sections: dict[str, bytes],
    order: str, binary: bool,
) -> RawMesh:  # fmt: skip
    names = physical_names(sections.get("PhysicalNames", b""))
    sort = np.argsort(tags, kind="stable")
    raw = RawMesh(points, [], cells=found.cells)
    regions, entities, numbers, memberships = [], [], [], []
    for kind in found.corners:
        number, corners, entity = (
            np.concatenate(store[kind])
            for store in (found.numbers, found.corners, found.entities)
        )
        groups = found.groups[kind]
        place = np.searchsorted(tags, corners, sorter=sort)
        placed = sort[np.minimum(place, len(tags) - 1)]
        if not (tags[placed] == corners).all():
            raise Damaged(f"its {kind} elements name nodes that it does not hold")
        raw.blocks.append((kind, placed))
        regions.append(_region(groups))
        entities.append(entity)
        numbers.append(number)
        memberships.append(groups)
    if any(any(groups) for groups in memberships):
        raw.cell_data["gmsh:physical"] = regions
    raw.cell_data["gmsh:geometrical"] = entities
    _tell_groups(raw, memberships, names)
    _fields(raw, sections, tags[sort], sort, numbers, (order, binary))
    return raw


def _region(groups: list[Groups]) -> np.ndarray:
    """Each element's group; of several the one of fewest elements, 0 of none."""
    size = Counter(k for mine in groups for k in mine)
    chosen = {
        mine: min(mine, key=lambda k: (size[k], -k), default=0) for mine in set(groups)
    }
    return np.array([chosen[mine] for mine in groups], dtype=np.int64)


def _tell_groups(
    raw: RawMesh, memberships: list[list[Groups]], names: dict[tuple[int, int], str]
) -> None:
    """Notes of the groups' names; a field for every group that shares elements."""
    dimensions = {kind: d for kind, d, _ in _TYPES.values()}
    shared: dict[tuple[int, int], str] = {}
    for (kind, _), groups in zip(raw.blocks, memberships, strict=True):
        several = [mine for mine in groups if len(mine) > 1]
        here = {(dimensions[kind], k) for mine in several for k in mine}
        shared |= {key: _group_field(key, names) for key in sorted(here)}
        if several:
            those = ", ".join(_group_field(key, names)[11:] for key in sorted(here))
            raw.notes.append(
                f"{len(several)} {kind} are in several physical groups ({those}): the "
                "region is the group of fewest elements, and each group is a field."
            )
    for (dimension, group), name in shared.items():
        raw.cell_data[name] = [
            np.array([dimensions[kind] == dimension and group in mine for mine in rows],
                     dtype=np.int8)
            for (kind, _), rows in zip(raw.blocks, memberships, strict=True)
        ]  # fmt: skip
    held = {dimensions[kind] for kind, _ in raw.blocks}
    told = [f"{k} {name}" for (d, k), name in sorted(names.items()) if d in held]
    if told:
        raw.notes.append(f"Physical groups: {', '.join(told)}.")


def _group_field(key: tuple[int, int], names: dict[tuple[int, int], str]) -> str:
    return " ".join(["gmsh:group", str(key[1]), *filter(None, [names.get(key, "")])])


def _fields(
    raw: RawMesh, sections: dict[str, bytes], tags: np.ndarray, sort: np.ndarray,
    numbers: list[np.ndarray], how: tuple[str, bool],
) -> None:  # fmt: skip
    """$NodeData and $ElementData as fields, not a number where they say nothing."""
    for key, content in sections.items():
        section = key.split()[0]
        if section == "ElementNodeData":
            raw.notes.append("Left out: $ElementNodeData (values by corner).")
        if section not in ("NodeData", "ElementData"):
            continue
        name, where, values = data_rows(section, content, *how)
        if section == "NodeData":
            rows = np.full((len(tags), values.shape[1]), np.nan)
            rows[sort] = _looked_up(tags, where, values)
            raw.point_data[name] = rows[:, 0] if values.shape[1] == 1 else rows
            continue
        parts = []
        for number in numbers:
            order = np.argsort(number)
            part = np.full((len(number), values.shape[1]), np.nan)
            part[order] = _looked_up(number[order], where, values)
            parts.append(part[:, 0] if values.shape[1] == 1 else part)
        raw.cell_data[name] = parts


def _looked_up(keys: np.ndarray, where: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The rows of ``values`` for sorted keys; NaN for a key that ``where`` lacks."""
    rows = np.full((len(keys), values.shape[1]), np.nan)
    place = np.minimum(np.searchsorted(keys, where), max(len(keys) - 1, 0))
    known = keys[place] == where if len(keys) else np.zeros(len(where), bool)
    rows[place[known]] = values[known]
    return rows
