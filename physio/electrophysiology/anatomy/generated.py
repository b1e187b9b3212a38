"""What every generated heart can do: be asked anywhere, be a mesh, be voxels."""

import abc
from dataclasses import replace
from typing import ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from physio.electrophysiology.mesh import geometry
from physio.electrophysiology.mesh.mesh import Mesh
from physio.electrophysiology.voxels.voxels import FACES, Voxels, active

# A face's middle lies inside a curved surface by edge^2 / (8 R): far less than this
# share of the edge, which in turn is less than any wall.
_OUTWARDS = 0.2


class Anatomy(NamedTuple):
    """What a heart is at points.

    ``code`` is 0 in tissue, else the surface beyond which the point lies; the rest is
    right for tissue and continued to the points just outside of it.
    """

    code: Int[np.ndarray, " n"]
    regions: Int[np.ndarray, " n"]
    fibres: Float[np.ndarray, "n 3"]
    sheets: Float[np.ndarray, "n 3"]
    fields: dict[str, np.ndarray]


class AbstractHeart(abc.ABC):
    """A shape in closed form, in mm, with exact fibres.

    Its meshes and voxels carry ``transmural`` (0 endocardium to 1 epicardium) and
    ``apicobasal`` (0 to 1) where they have a meaning, and for each name in
    ``surfaces`` a field that is 1 at the nodes on that surface and 0 elsewhere.
    """

    #: The surfaces by name, and the code of ``at`` for what lies beyond them.
    surfaces: ClassVar[dict[str, int]]

    @abc.abstractmethod
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner of the box around the heart (mm)."""

    @abc.abstractmethod
    def at(self, points: Float[np.ndarray, "n 3"]) -> Anatomy:
        """What the heart is at points (mm)."""

    @abc.abstractmethod
    def as_mesh(self, edge: float) -> Mesh:
        """Elements with edges of about ``edge`` (mm)."""

    def as_voxels(self, spacing: float) -> Voxels:
        """Voxels of ``spacing`` (mm) whose centres lie in the heart.

        Voxel faces lie on the lower bounds, and on the upper ones where the size is a
        multiple of the spacing.

        **Raises** ValueError where no voxel's centre does.
        """
        if not spacing > 0.0:
            raise ValueError(f"The spacing is {spacing} mm; give more than 0.")
        low, high = self.bounds()
        count = np.maximum(np.rint((high - low) / spacing), 1).astype(np.int64)
        flat = high == low  # a sheet is one voxel thick, around its plane
        count = np.where(flat, 1, count)
        origin = np.where(flat, low, low + 0.5 * spacing)
        shape = (int(count[0]), int(count[1]), int(count[2]))
        index = self._inside(origin, shape, spacing)
        if not len(index):
            raise ValueError(
                f"A spacing of {spacing} mm is too coarse for a heart of "
                "{:.3g} x {:.3g} x {:.3g} mm. Give less.".format(*(high - low))
            )
        found = self.at(origin + spacing * index)
        voxels = Voxels(
            spacing,
            origin,
            shape,
            index,
            regions=found.regions.astype(np.int32),
            fibres=found.fibres,
            sheets=found.sheets,
            fields=found.fields,
        )
        return replace(voxels, fields=found.fields | self._voxel_surfaces(voxels))

    def _inside(self, origin, shape, spacing) -> np.ndarray:
        """The voxels in tissue, plane by plane: the whole grid would be large."""
        y, z = np.meshgrid(*(np.arange(n) for n in shape[1:]), indexing="ij")
        mask = np.zeros(shape, dtype=bool)
        for i in range(shape[0]):
            plane = np.stack([np.full_like(y, i), y, z], axis=-1).reshape(-1, 3)
            code = self.at(origin + spacing * plane).code
            mask[i] = (code == 0).reshape(y.shape)
        return active(mask)

    def _voxel_surfaces(self, voxels: Voxels) -> dict[str, np.ndarray]:
        marks = {name: np.zeros(voxels.n_node, np.int8) for name in self.surfaces}
        if not marks:
            return marks
        nodes = voxels.nodes
        for offset in FACES:
            bare = np.flatnonzero(voxels.neighbour(offset) < 0)
            beyond = nodes[bare] + voxels.spacing * np.array(offset)
            code = self.at(beyond).code
            for name, number in self.surfaces.items():
                marks[name][bare[code == number]] = 1
        return marks

    def _meshed(
        self, nodes: np.ndarray, kind: str, corners: np.ndarray, edge: float
    ) -> Mesh:
        """The mesh with the heart's fields, fibres at the elements' middles."""
        corners = corners.astype(np.int32)
        at_nodes = self.at(nodes)
        at_middle = self.at(nodes[corners].mean(axis=1))
        fields = dict(at_nodes.fields)
        if kind == "tetra" and self.surfaces:
            fields |= self._mesh_surfaces(nodes, corners, edge)
        return Mesh(
            nodes=nodes,
            elements={kind: corners},
            regions={kind: at_middle.regions},
            fibres={kind: at_middle.fibres},
            sheets={} if kind == "line" else {kind: at_middle.sheets},
            point_fields=fields,
            unit_note="mm, generated",
        )

    def _mesh_surfaces(self, nodes, corners, edge) -> dict[str, np.ndarray]:
        faces = geometry.boundary_faces(corners)
        a, b, c = (nodes[faces[:, k]] for k in range(3))
        normal = geometry.cross(b - a, c - a)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        code = self.at((a + b + c) / 3.0 + _OUTWARDS * edge * normal).code
        marks = {name: np.zeros(len(nodes), np.int8) for name in self.surfaces}
        for name, number in self.surfaces.items():
            marks[name][faces[code == number]] = 1
        return marks


def positive(heart: AbstractHeart, *names: str) -> None:
    """Raises ValueError where one of the sizes is not above 0 mm."""
    for name in names:
        if not getattr(heart, name) > 0.0:
            raise ValueError(
                f"The {name} of a {type(heart).__name__} is {getattr(heart, name)} mm; "
                "give more than 0."
            )
