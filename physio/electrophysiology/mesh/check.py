"""What is wrong with a mesh, where, how much of it, and what to do; and its mending.

``check`` only looks. ``repair`` changes the mesh and says what it did; nothing else
in the package repairs a mesh.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import SupportsInt

import numpy as np
from jaxtyping import Bool, Int

from physio.electrophysiology.mesh import geometry
from physio.electrophysiology.mesh.mesh import Mesh
from physio.units import PERCENT

# An element this flat (size over longest edge to its power) is degenerate; 32-bit
# coordinates 100 mm from the origin and 1 mm edges leave about 6e-6 by rounding.
FLAT = 1e-5
# Nodes nearer than this share of the mesh's size are one place: above the rounding
# of 32-bit coordinates (6e-8), far below an edge.
SAME_PLACE = 1e-6
# A fibre is of unit length within this; six printed digits leave 2e-6.
UNIT_LENGTH = 1e-3
_SHOWN = 5
_LINKED = "give a line element between nodes that are layers on purpose"


@dataclass(frozen=True)
class MeshProblem:
    """One kind of fault: what it is, where, how many, and what to do about it.

    ``name`` is the word that ``repair`` takes, where it can mend the fault.
    """

    name: str
    what: str
    where: str
    count: int
    advice: str

    def __str__(self) -> str:
        return f"{self.what} ({self.where}). {self.advice}"


def check(mesh: Mesh) -> list[MeshProblem]:
    """Every problem of the mesh; an empty list where it can be used as it is."""
    found = [*_nodes(mesh)]
    for kind in mesh.elements:
        found += _elements(mesh, kind)
    found += _pieces(mesh)
    if "tetra" not in mesh.elements and "triangle" in mesh.elements:
        found += _surface(mesh)
    for name, group in (("fibre", mesh.fibres), ("sheet", mesh.sheets)):
        for kind in ("tetra", "triangle"):
            if kind in group and kind in mesh.tissue:
                found += _directions(mesh, name, kind, group[kind])
    return found


def _nodes(mesh: Mesh) -> Iterable[MeshProblem]:
    lost = ~np.isfinite(mesh.nodes).all(axis=1)
    if lost.any():
        yield MeshProblem(
            "coordinates",
            f"{_n(lost.sum(), 'node')} without finite coordinates",
            _listed("node", np.flatnonzero(lost)),
            int(lost.sum()),
            "Export the mesh again; such nodes cannot be mended.",
        )
    twice = np.flatnonzero(_same_place(mesh) != np.arange(mesh.n_node))
    if len(twice):
        yield MeshProblem(
            "duplicate nodes",
            f"{_n(len(twice), 'node')} at the place of another, so that nothing "
            "conducts across",
            _places(mesh, "node", twice, mesh.nodes[twice[0]]),
            len(twice),
            f"Merge them with repair, or {_LINKED}.",
        )
    unused = _unused(mesh)
    if unused.any():
        yield MeshProblem(
            "unreferenced nodes",
            f"{_n(unused.sum(), 'node')} that no element names",
            _listed("node", np.flatnonzero(unused)),
            int(unused.sum()),
            "Remove them with repair.",
        )


def _elements(mesh: Mesh, kind: str) -> Iterable[MeshProblem]:
    flat = _flat(mesh, kind)
    faults = (
        ("degenerate", flat, "without size", "Remove them with repair."),
        ("inverted", _negative(mesh, kind) & ~flat, "inside out", "Turn with repair."),
        ("duplicate elements", _repeated(mesh, kind), "named twice", "Use repair."),
    )
    for name, mask, what, advice in faults:
        where = np.flatnonzero(mask)
        if len(where):
            share = "all " if mask.all() and len(mask) > 1 else ""
            centre = mesh.nodes[mesh.elements[kind][where[0]]].mean(axis=0)
            yield MeshProblem(
                name,
                f"{share}{_n(len(where), kind)} {what}",
                _places(mesh, kind, where, centre),
                len(where),
                advice,
            )
    if kind == "tetra":
        yield from _overlaps(mesh, mesh.elements[kind][~faults[2][1]])


def _overlaps(mesh: Mesh, tetra: Int[np.ndarray, "n_elem 4"]) -> Iterable[MeshProblem]:
    faces = tetra[:, geometry.TETRA_FACES].reshape(-1, 3)
    keys = geometry.row_keys(faces)
    ordered = np.sort(keys)
    third = ordered[2:][ordered[2:] == ordered[:-2]]
    if len(third):
        face = faces[np.argmax(keys == third[0])]
        yield MeshProblem(
            "overlap",
            f"{_n(len(np.unique(third)), 'face')} shared by more than two tetrahedra, "
            "which therefore overlap",
            _places(mesh, "node", face, mesh.nodes[face[0]]),
            len(np.unique(third)),
            "Mesh this place again.",
        )


def _pieces(mesh: Mesh) -> Iterable[MeshProblem]:
    label = mesh.components()
    sizes = np.bincount(label[label >= 0])
    if len(sizes) > 1:
        start = int(np.argmax(label == 1))
        yield MeshProblem(
            "pieces",
            f"{len(sizes)} pieces of tissue that do not touch",
            f"their nodes: {_some(sizes)}; the second near {_at(mesh.nodes[start])}",
            len(sizes),
            "Join them, or keep the largest with repair(mesh, ['pieces']).",
        )


def _surface(mesh: Mesh) -> Iterable[MeshProblem]:
    alone, many = geometry.open_edges(mesh.elements["triangle"])
    if len(alone):
        rims = geometry.components(mesh.n_node, alone).max() + 1
        yield MeshProblem(
            "open surface",
            f"the surface is open: {_n(len(alone), 'edge')} with one triangle, around "
            f"{_n(rims, 'hole')}",
            f"the first at {_at(mesh.nodes[alone[0, 0]])}",
            len(alone),
            "Fine for atrial tissue; close it before filling it with voxels.",
        )
    if len(many):
        yield MeshProblem(
            "non-manifold edges",
            f"{_n(len(many), 'edge')} with more than two triangles",
            f"the first at {_at(mesh.nodes[many[0, 0]])}",
            len(many),
            "Fine where walls meet on purpose; else separate the sheets there.",
        )


def _directions(mesh: Mesh, name: str, kind: str, given) -> Iterable[MeshProblem]:
    length = np.linalg.norm(given, axis=1)
    with np.errstate(invalid="ignore"):
        wrong = np.abs(length - 1.0) > UNIT_LENGTH
    none = ~np.isfinite(length) | (length == 0.0)
    for word, what, mask, advice in (
        ("directions", "zero or not a number", none, "Give these elements a direction"),
        (f"{name} length", "not of unit length", wrong & ~none, "Rescale with repair"),
    ):
        where = np.flatnonzero(mask)
        if len(where):
            centre = mesh.nodes[mesh.elements[kind][where[0]]].mean(axis=0)
            yield MeshProblem(
                word,
                f"{_n(len(where), name)} of {len(mask)} {what}",
                _places(mesh, kind, where, centre),
                len(where),
                f"{advice}.",
            )


def _same_place(mesh: Mesh) -> Int[np.ndarray, " n_node"]:
    """The lowest node at the place of each; nodes joined by a line stay apart."""
    n_node = mesh.n_node
    if not n_node:
        return np.zeros(0, dtype=np.int64)
    nodes = np.where(np.isfinite(mesh.nodes), mesh.nodes, 0.0)
    extent = max(float(np.ptp(nodes, axis=0).max()), 1e-300)
    # 1e6 steps along each axis are 60 bits of one key
    steps = np.rint((nodes - nodes.min(axis=0)) / (SAME_PLACE * extent))
    steps = steps.astype(np.int64)
    key = (steps[:, 0] << 42) | (steps[:, 1] << 21) | steps[:, 2]
    lost = ~np.isfinite(mesh.nodes).all(axis=1)
    key[lost] = -1 - np.flatnonzero(lost)
    _, first, which = np.unique(key, return_index=True, return_inverse=True)
    same = first[which]
    if "line" in mesh.elements:
        ends = mesh.elements["line"]
        ends = ends[same[ends[:, 0]] == same[ends[:, 1]]]
        apart = np.isin(same, same[ends[:, 0]])
        same = np.where(apart, np.arange(n_node), same)
    return same


def _unused(mesh: Mesh) -> Bool[np.ndarray, " n_node"]:
    unused = np.ones(mesh.n_node, dtype=bool)
    for corners in mesh.elements.values():
        unused[corners] = False
    return unused


def _flat(mesh: Mesh, kind: str) -> Bool[np.ndarray, " n_elem"]:
    corners = mesh.elements[kind]
    repeated = geometry.repeated_corners(corners)
    if kind == "line":
        return repeated  # layers may lie on each other
    longest = np.zeros(len(corners))
    for first, last in geometry.element_edges(np.arange(corners.shape[1])[None], kind):
        side = mesh.nodes[corners[:, last]] - mesh.nodes[corners[:, first]]
        np.maximum(longest, np.einsum("ij,ij->i", side, side), out=longest)
    longest = np.sqrt(longest)
    power = 2 if kind == "triangle" else 3
    with np.errstate(invalid="ignore"):
        return repeated | (np.abs(mesh.measures(kind)) <= FLAT * longest**power)


def _negative(mesh: Mesh, kind: str) -> Bool[np.ndarray, " n_elem"]:
    if kind not in ("tetra", "hexahedron"):
        return np.zeros(len(mesh.elements[kind]), dtype=bool)
    return mesh.measures(kind) < 0.0


def _repeated(mesh: Mesh, kind: str) -> Bool[np.ndarray, " n_elem"]:
    if kind not in mesh.tissue:  # one face may belong to several named surfaces
        return np.zeros(len(mesh.elements[kind]), dtype=bool)
    again = np.ones(len(mesh.elements[kind]), dtype=bool)
    again[geometry.unique_rows(mesh.elements[kind])[0]] = False
    return again


def repair(mesh: Mesh, names: Iterable[str] | None = None) -> tuple[Mesh, list[str]]:
    """Mends the named problems and says what it did, one sentence each.

    ``names`` are those of ``MeshProblem.name``; without them everything in ``REPAIRS``
    but "pieces", in its order.

    **Raises** ValueError for a name that cannot be mended.
    """
    wanted = [n for n in REPAIRS if n != "pieces"] if names is None else list(names)
    unknown = [name for name in wanted if name not in REPAIRS]
    if unknown:
        raise ValueError(
            f"Repair cannot mend {unknown[0]!r}; it mends {', '.join(REPAIRS)}."
        )
    said: list[str] = []
    for name in REPAIRS:
        if name in wanted:
            mesh, sentence = REPAIRS[name](mesh)
            said += [sentence] if sentence else []
    return mesh, said


def _merge(mesh: Mesh) -> tuple[Mesh, str]:
    same = _same_place(mesh)
    kept = same == np.arange(mesh.n_node)
    if kept.all():
        return mesh, ""
    target = (np.cumsum(kept) - 1)[same]
    merged = mesh.renumbered(np.flatnonzero(kept), target)
    return merged, f"Merged {_n((~kept).sum(), 'node')} with another at its place."


def _without(
    test: Callable[[Mesh, str], Bool[np.ndarray, " n_elem"]], word: str
) -> Callable[[Mesh], tuple[Mesh, str]]:
    def remove(mesh: Mesh) -> tuple[Mesh, str]:
        bad = {kind: test(mesh, kind) for kind in mesh.elements}
        count = sum(int(mask.sum()) for mask in bad.values())
        if not count:
            return mesh, ""
        rest = mesh.only({kind: ~mask for kind, mask in bad.items()})
        return rest, f"Removed {_n(count, f'{word} element')}."

    return remove


def _turn(mesh: Mesh) -> tuple[Mesh, str]:
    if "tetra" not in mesh.elements:
        return mesh, ""
    wrong = _negative(mesh, "tetra") & ~_flat(mesh, "tetra")
    if not wrong.any():
        return mesh, ""
    turned = mesh.elements["tetra"].copy()
    turned[wrong, 2:] = turned[wrong][:, [3, 2]]
    mesh = replace(mesh, elements={**mesh.elements, "tetra": turned})
    return mesh, f"Turned {_n(wrong.sum(), 'tetra')} inside out the right way."


def _drop_unused(mesh: Mesh) -> tuple[Mesh, str]:
    count = int(_unused(mesh).sum())
    if not count:
        return mesh, ""
    rest = mesh.without_unused_nodes()
    return rest, f"Removed {_n(count, 'node')} that no element names."


def _rescale(field: str, word: str) -> Callable[[Mesh], tuple[Mesh, str]]:
    def rescaled(mesh: Mesh) -> tuple[Mesh, str]:
        group, count = {}, 0
        for kind, given in getattr(mesh, field).items():
            length = np.linalg.norm(given, axis=1)
            wrong = np.isfinite(length) & (length > 0.0)
            wrong &= np.abs(length - 1.0) > UNIT_LENGTH
            unit = given.copy()
            unit[wrong] /= length[wrong, None]
            group[kind], count = unit, count + int(wrong.sum())
        if not count:
            return mesh, ""
        return replace(mesh, **{field: group}), f"Rescaled {_n(count, word)}."

    return rescaled


def _largest(mesh: Mesh) -> tuple[Mesh, str]:
    label = mesh.components()
    if label.max(initial=-1) < 1:
        return mesh, ""
    kept = {k: np.all(label[e] <= 0, axis=-1) for k, e in mesh.elements.items()}
    rest = mesh.only(kept).without_unused_nodes()
    share = PERCENT * rest.n_node / mesh.n_node
    return rest, f"Kept the largest piece, {share:.1f} % of the nodes."


#: What can be mended, in the order it is done.
REPAIRS: dict[str, Callable[[Mesh], tuple[Mesh, str]]] = {
    "duplicate nodes": _merge,
    "degenerate": _without(_flat, "degenerate"),
    "duplicate elements": _without(_repeated, "repeated"),
    "inverted": _turn,
    "pieces": _largest,
    "unreferenced nodes": _drop_unused,
    "fibre length": _rescale("fibres", "fibre"),
    "sheet length": _rescale("sheets", "sheet"),
}


def _n(number: SupportsInt, word: str) -> str:
    count = int(number)
    if word == "tetra":
        return f"{count} tetrahedr{'on' if count == 1 else 'a'}"
    if count == 1:
        return f"1 {word}"
    ending = "s" if word != "hexahedron" else ""
    return f"{count} {'hexahedra' if not ending else word}{ending}"


def _some(numbers: Int[np.ndarray, " n"]) -> str:
    shown = ", ".join(str(number) for number in numbers[:_SHOWN])
    rest = len(numbers) - _SHOWN
    return f"{shown} and {rest} more" if rest > 0 else shown


def _listed(word: str, numbers: Int[np.ndarray, " n"]) -> str:
    return f"{word} {_some(numbers)}"


def _at(place: np.ndarray) -> str:
    return "({:.4g}, {:.4g}, {:.4g}) mm".format(*place)


def _places(mesh: Mesh, word: str, numbers, place) -> str:
    return f"{_listed(word, numbers)}; the first at {_at(place)}"
