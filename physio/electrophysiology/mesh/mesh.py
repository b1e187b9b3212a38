"""The geometry of a heart: nodes, elements, regions and fibres, in mm.

Files are read and written by ``mesh_files``, problems found and mended by
``mesh_check``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float, Int, Int32

from physio.electrophysiology.mesh import geometry

CORNERS = {"tetra": 4, "hexahedron": 8, "triangle": 3, "line": 2}


@dataclass(frozen=True, eq=False)
class Mesh:
    """Tetrahedra, triangles and lines over one set of nodes.

    ``nodes`` (n_node, 3) in mm. ``elements``, ``regions`` (0 where not given),
    ``fibres`` and ``sheets`` (unit vectors, absent where unknown) are by kind of
    element: "tetra", "triangle", "line"; "hexahedron" serves to write voxels.
    ``point_fields`` hold one row per node, ``cell_fields`` one row per element of
    each kind. ``unit`` is the unit the file was in and ``unit_note`` how it is known;
    ``notes`` say what a reader left out or converted.

    **Raises** ValueError where the arrays do not belong together.
    """

    # a door: shapes are checked below, in words, and not by the annotations
    nodes: np.ndarray
    elements: dict[str, np.ndarray]
    regions: dict[str, np.ndarray] = field(default_factory=dict)
    fibres: dict[str, np.ndarray] = field(default_factory=dict)
    sheets: dict[str, np.ndarray] = field(default_factory=dict)
    point_fields: dict[str, np.ndarray] = field(default_factory=dict)
    cell_fields: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    unit: str = "mm"
    unit_note: str = "mm, as given"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        nodes = np.ascontiguousarray(self.nodes, dtype=np.float64)
        if nodes.ndim != 2 or nodes.shape[1] != 3:
            raise ValueError(f"Nodes have shape {nodes.shape}; give (n_node, 3) in mm.")
        elements = {k: _corners(k, e, len(nodes)) for k, e in self.elements.items()}
        regions = {k: np.zeros(len(e), np.int32) for k, e in elements.items()}
        for kind, given in self.regions.items():
            _per_element(kind, given, elements, "regions")
            regions[kind] = np.ascontiguousarray(given, dtype=np.int32)
        for name, group in (("fibres", self.fibres), ("sheets", self.sheets)):
            kept = {}
            for kind, given in group.items():
                _per_element(kind, given, elements, name)
                kept[kind] = _vectors(name, kind, given)
            object.__setattr__(self, name, kept)
        for name, values in self.point_fields.items():
            if np.ndim(values) == 0 or len(values) != len(nodes):
                raise ValueError(
                    f"Point field {name!r} has shape {np.shape(values)} for "
                    f"{len(nodes)} nodes. Give one row per node."
                )
        for name, groups in self.cell_fields.items():
            for kind, values in groups.items():
                _per_element(kind, values, elements, f"cell field {name!r}")
        object.__setattr__(self, "nodes", nodes)
        object.__setattr__(self, "elements", elements)
        object.__setattr__(self, "regions", regions)

    @property
    def n_node(self) -> int:
        return len(self.nodes)

    @property
    def tissue(self) -> tuple[str, ...]:
        """The kinds that conduct: where there are volumes, triangles are labels."""
        volumes = [k for k in ("tetra", "hexahedron") if k in self.elements]
        shown = volumes or [k for k in ("triangle",) if k in self.elements]
        return (*shown, *(k for k in ("line",) if k in self.elements))

    @property
    def bounds(self) -> Float[np.ndarray, "3 2"]:
        """Lowest and highest x, y, z (mm), leaving out what is not a number."""
        whole = self.nodes[np.isfinite(self.nodes).all(axis=1)]
        if not len(whole):
            return np.full((3, 2), np.nan)
        return np.stack([whole.min(axis=0), whole.max(axis=0)], axis=1)

    @property
    def size(self) -> Float[np.ndarray, " 3"]:
        """Extent along x, y, z (mm)."""
        return self.bounds[:, 1] - self.bounds[:, 0]

    def measures(self, kind: str) -> Float[np.ndarray, " n_elem"]:
        """Signed volume (mm^3), area (mm^2) or length (mm) of each element."""
        return geometry.measures(self.nodes, self.elements[kind])

    def centroids(self, kind: str) -> Float[np.ndarray, "n_elem 3"]:
        """The mean of the corners of each element (mm)."""
        return self.nodes[self.elements[kind]].mean(axis=1)

    def edges(self) -> Int[np.ndarray, "n_edge 2"]:
        """The edges of the tissue, each once, lower node first."""
        pairs = self._pairs()
        return np.sort(pairs[np.sort(geometry.unique_rows(pairs)[0])], axis=1)

    def components(self) -> Int32[np.ndarray, " n_node"]:
        """The piece of tissue of each node, 0 the largest; -1 outside the tissue."""
        return geometry.components(self.n_node, self._pairs())

    def surface(self) -> Int32[np.ndarray, "n_face 3"]:
        """The triangles around the volume, facing outwards; of a surface, its own."""
        if "tetra" in self.elements:
            return geometry.boundary_faces(self.elements["tetra"])
        if "triangle" in self.elements:
            return self.elements["triangle"]
        raise ValueError("A mesh of lines has no surface.")

    def only(self, keep: Mapping[str, Bool[np.ndarray, " _"]]) -> "Mesh":
        """The mesh with the elements of ``keep`` (a mask per kind), all its nodes.

        A kind that is not named, or of which nothing is left, is dropped.
        """
        keep = {k: m for k, m in keep.items() if k in self.elements and m.any()}

        def cut(group: dict) -> dict:
            return {k: v[keep[k]] for k, v in group.items() if k in keep}

        return replace(
            self,
            elements=cut(self.elements),
            regions=cut(self.regions),
            fibres=cut(self.fibres),
            sheets=cut(self.sheets),
            cell_fields={name: cut(g) for name, g in self.cell_fields.items()},
        )

    def renumbered(
        self, source: Int[np.ndarray, " n_new"], target: Int[np.ndarray, " n_node"]
    ) -> "Mesh":
        """The mesh over the nodes ``source``; ``target`` is the new number of each."""
        moved = {k: target[e].astype(np.int32) for k, e in self.elements.items()}
        fields = {name: values[source] for name, values in self.point_fields.items()}
        return replace(
            self, nodes=self.nodes[source], elements=moved, point_fields=fields
        )

    def without_unused_nodes(self) -> "Mesh":
        """The mesh without the nodes that no element names."""
        used = np.zeros(self.n_node, dtype=bool)
        for corners in self.elements.values():
            used[corners] = True
        return self.renumbered(np.flatnonzero(used), np.cumsum(used) - 1)

    def _pairs(self) -> Int[np.ndarray, "n_pair 2"]:
        parts = [geometry.element_edges(self.elements[k], k) for k in self.tissue]
        return np.concatenate([np.zeros((0, 2), np.int32), *parts])


def _corners(kind: str, given, n_node: int) -> np.ndarray:
    if kind not in CORNERS:
        raise ValueError(
            f"A mesh has elements of the kinds {', '.join(CORNERS)}; got {kind!r}."
        )
    corners = np.asarray(given)
    shape = corners.shape
    if corners.ndim != 2 or shape[1] != CORNERS[kind] or corners.dtype.kind not in "iu":
        raise ValueError(
            f"Elements of kind {kind!r} need whole numbers of shape (n_elem, "
            f"{CORNERS[kind]}); got {corners.dtype} of shape {shape}."
        )
    outside = (corners < 0) | (corners >= n_node)
    if outside.any():
        where = int(np.flatnonzero(outside.any(axis=1))[0])
        raise ValueError(
            f"{kind} {where} names the node {corners[where][outside[where]][0]}, and "
            f"the mesh has nodes 0 to {n_node - 1}. Count nodes from 0."
        )
    return np.ascontiguousarray(corners, dtype=np.int32)


def _per_element(kind: str, given, elements: dict, name: str) -> None:
    if kind not in elements:
        raise ValueError(
            f"The {name} name the kind {kind!r}, of which the mesh has no elements; "
            f"it has {', '.join(elements) or 'none at all'}."
        )
    count = len(given) if np.ndim(given) else 0
    if count != len(elements[kind]):
        raise ValueError(
            f"The {name} hold {count} rows for {len(elements[kind])} elements of kind "
            f"{kind!r}. Give one row per element."
        )


def _vectors(name: str, kind: str, given) -> np.ndarray:
    vectors = np.asarray(given)
    if vectors.ndim != 2 or vectors.shape[1] != 3:
        raise ValueError(
            f"The {name} of kind {kind!r} have shape {vectors.shape}; give unit "
            "vectors (n_elem, 3)."
        )
    if vectors.dtype.kind != "f":
        vectors = vectors.astype(np.float64)
    return np.ascontiguousarray(vectors)
