"""A heart as active voxels of a regular grid: the geometry that needs no mesher.

``images`` makes them of an image, ``voxelise`` of a closed surface or tetrahedra.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float64, Int32

from physio.electrophysiology.mesh import geometry
from physio.electrophysiology.mesh.mesh import Mesh

# Above this many cells a dense table of the grid would cost more than 1 GB.
_DENSE = 2**28
FACES = ((-1, 0, 0), (1, 0, 0), (0, -1, 0), (0, 1, 0), (0, 0, -1), (0, 0, 1))
_CUBE = np.array(
    [
        [0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0],
        [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1],
    ]
)  # fmt: skip


def _none_given() -> np.ndarray:
    return np.zeros(0, dtype=np.int32)


@dataclass(frozen=True, eq=False)
class Voxels:
    """The active voxels of a grid, one node at the centre of each.

    ``spacing`` in mm; ``origin`` (3,) the centre of voxel (0, 0, 0) in mm; ``shape``
    the grid; ``index`` (n_node, 3) the active voxels in lexicographic order;
    ``regions`` (n_node,), 0 where not given; ``fibres`` and ``sheets`` (n_node, 3) unit
    vectors or None; ``fields`` one row per node.

    **Raises** ValueError where the arrays do not belong together.
    """

    # a door: shapes are checked below, in words, and not by the annotations
    spacing: float
    origin: np.ndarray
    shape: tuple[int, int, int]
    index: np.ndarray
    regions: np.ndarray = field(default_factory=_none_given)
    fibres: np.ndarray | None = None
    sheets: np.ndarray | None = None
    fields: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        index = np.ascontiguousarray(self.index, dtype=np.int32)
        if not self.spacing > 0.0:
            raise ValueError(f"The spacing is {self.spacing} mm; give more than 0.")
        if index.ndim != 2 or index.shape[1] != 3:
            raise ValueError(f"index has shape {index.shape}; give (n_node, 3).")
        if not len(index):
            raise ValueError(
                "There are no active voxels: the mask is empty. Give a mask that is "
                "not zero somewhere, or a smaller spacing."
            )
        object.__setattr__(self, "spacing", float(self.spacing))
        object.__setattr__(self, "origin", np.asarray(self.origin, dtype=np.float64))
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        object.__setattr__(self, "index", index)
        if ((index < 0) | (index >= self.shape)).any():
            raise ValueError(f"index leaves the grid of shape {self.shape}.")
        if (np.diff(self._flat) <= 0).any():
            raise ValueError(
                "index is not in lexicographic order, each voxel once. Sort it with "
                "np.unique(index, axis=0)."
            )
        regions = np.asarray(self.regions)
        if not len(regions):
            regions = np.zeros(len(index))
        object.__setattr__(self, "regions", regions.astype(np.int32))
        self._check_rows()

    def _check_rows(self) -> None:
        rows = {"regions": self.regions, **self.fields}
        for name in ("fibres", "sheets"):
            vectors = getattr(self, name)
            if vectors is not None:
                rows[name] = vectors
                if np.shape(vectors)[1:] != (3,):
                    raise ValueError(
                        f"The {name} have shape {np.shape(vectors)}; give unit vectors "
                        "(n_node, 3)."
                    )
        for name, values in rows.items():
            if np.ndim(values) == 0 or len(values) != self.n_node:
                raise ValueError(
                    f"{name} has shape {np.shape(values)} for {self.n_node} active "
                    "voxels. Give one row per voxel."
                )

    @property
    def n_node(self) -> int:
        return len(self.index)

    @property
    def nodes(self) -> Float64[np.ndarray, "n_node 3"]:
        """The centres of the active voxels (mm)."""
        return self.origin + self.spacing * self.index

    @property
    def volume(self) -> float:
        """The volume of all active voxels (mm^3)."""
        return self.n_node * self.spacing**3

    @cached_property
    def _flat(self) -> np.ndarray:
        return flat_index(self.index, self.shape)

    @cached_property
    def _table(self) -> np.ndarray | None:
        """The node at every cell of the grid, or -1; None where that is too much."""
        cells = int(np.prod(self.shape, dtype=np.int64))
        if cells > _DENSE:
            return None
        table = np.full(cells, -1, dtype=np.int32)
        table[self._flat] = np.arange(self.n_node, dtype=np.int32)
        return table

    def neighbour(self, offset: Sequence[int]) -> Int32[np.ndarray, " n_node"]:
        """The node at (ix, iy, iz) + offset of every node; -1 where none is active."""
        return self.node_at(self.index + np.asarray(offset, dtype=np.int32))

    def node_at(self, index: Int32[np.ndarray, "n 3"]) -> Int32[np.ndarray, " n"]:
        """The node of each (ix, iy, iz); -1 where that voxel is not active."""
        inside = ((index >= 0) & (index < self.shape)).all(axis=1)
        flat = np.where(inside, flat_index(index, self.shape), 0)
        if self._table is not None:
            return np.where(inside, self._table[flat], -1).astype(np.int32)
        place = np.minimum(np.searchsorted(self._flat, flat), self.n_node - 1)
        found = inside & (self._flat[place] == flat)
        return np.where(found, place, -1).astype(np.int32)

    def boundary(self) -> Bool[np.ndarray, " n_node"]:
        """Where one of the six neighbours across a face is not active."""
        edge = np.zeros(self.n_node, dtype=bool)
        for offset in FACES:
            edge |= self.neighbour(offset) < 0
        return edge

    def components(self) -> Int32[np.ndarray, " n_node"]:
        """The piece of each node, joined across faces; 0 is the largest."""
        pairs = [np.zeros((0, 2), np.int32)]
        own = np.arange(self.n_node, dtype=np.int32)
        for offset in FACES[1::2]:
            other = self.neighbour(offset)
            pairs.append(np.stack([own[other >= 0], other[other >= 0]], axis=1))
        pairs.append(np.stack([own, own], axis=1))  # a voxel alone is a piece too
        return geometry.components(self.n_node, np.concatenate(pairs))

    def only(self, keep: Bool[np.ndarray, " n_node"]) -> "Voxels":
        """The voxels of a mask, with what they carry.

        **Raises** ValueError where the mask is empty.
        """
        return replace(
            self,
            index=self.index[keep],
            regions=self.regions[keep],
            fibres=None if self.fibres is None else self.fibres[keep],
            sheets=None if self.sheets is None else self.sheets[keep],
            fields={name: values[keep] for name, values in self.fields.items()},
        )

    def to_mesh(self) -> Mesh:
        """The voxels as hexahedra, their fields by cell: for writing results."""
        corners = (self.index[:, None, :] + _CUBE).reshape(-1, 3)
        shape = tuple(n + 1 for n in self.shape)
        used, which = np.unique(flat_index(corners, shape), return_inverse=True)
        place = np.stack(np.unravel_index(used, shape), axis=1)
        kind = "hexahedron"
        return Mesh(
            nodes=self.origin + self.spacing * (place - 0.5),
            elements={kind: which.reshape(-1, 8).astype(np.int32)},
            regions={kind: self.regions},
            fibres={} if self.fibres is None else {kind: self.fibres},
            sheets={} if self.sheets is None else {kind: self.sheets},
            cell_fields={name: {kind: values} for name, values in self.fields.items()},
        )


def flat_index(index: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The place of (ix, iy, iz) in a grid read in C order; not checked for range."""
    wide = index.astype(np.int64)
    return (wide[:, 0] * shape[1] + wide[:, 1]) * shape[2] + wide[:, 2]


def active(
    mask: Bool[np.ndarray, "nx ny nz"],
) -> Int32[np.ndarray, "n_node 3"]:
    """The index of the voxels of a mask, in lexicographic order."""
    return np.stack(np.nonzero(mask), axis=1).astype(np.int32)
