"""The real hearts of the data folder, as geometries with their surfaces named."""

import json
from pathlib import Path

import numpy as np

from physio.electrophysiology.anatomy.ventricle_surfaces import (
    Surfaces,
    surfaces_by_class,
)
from physio.electrophysiology.mesh.formats import files as mesh_files
from physio.electrophysiology.mesh.geometry import boundary_faces
from physio.electrophysiology.mesh.mesh import Mesh
from physio.electrophysiology.voxels.voxelise import from_mesh
from physio.electrophysiology.voxels.voxels import Voxels

VENTRICLES, ATRIA = (1, 2, 7), (3, 4)  # regions of the four-chamber heart
_FILE = "rodero_01_fullheart_2.0mm"
_WALLS = {
    "epi": ("Left ventricle epicardium", "Right ventricle epicardium"),
    "lv_endo": ("Left ventricle endocardium",),
    "rv_endo": ("Right ventricle endocardium", "Right ventricle septum"),
}


def four_chambers(folder: Path) -> Mesh:
    """All tetrahedra; the ventricles' surfaces as point fields, and coordinates.

    What is no wall of the ventricles' surface is their base.
    """
    data = np.load(folder / f"{_FILE}.npz")
    names = json.loads((folder / f"{_FILE}.namemap.json").read_text())
    number = {n: int(k) for k, n in names["_surface_id_to_name"].items()}
    n_node, kinds = len(data["points_mm"]), data["tet_volume_id"]
    fields = {name: data[f"uvc_{name}"] for name in ("transmural", "apico_basal")}
    for name, parts in _WALLS.items():
        wanted = np.isin(data["tri_surface_id"], [number[part] for part in parts])
        fields[name] = _marked(n_node, data["tris"][wanted])
    faces = boundary_faces(data["tets"][np.isin(kinds, VENTRICLES)])
    wall = np.any([fields[name][faces].all(axis=1) for name in _WALLS], axis=0)
    fields["base"] = _marked(n_node, faces[~wall])
    tetra = {"tetra": data["tets"]}
    return Mesh(data["points_mm"], tetra, {"tetra": kinds}, point_fields=fields)


def part(whole: Mesh, regions: tuple[int, ...]) -> Mesh:
    """The tetrahedra of these regions."""
    own = np.isin(whole.regions["tetra"], regions)
    return whole.only({"tetra": own}).without_unused_nodes()


def shared_faces(whole: Mesh) -> np.ndarray:
    """Points (mm) on the faces ventricles share with atria, a quarter edge apart."""
    kinds, tetra = whole.regions["tetra"], whole.elements["tetra"]
    faces = [boundary_faces(tetra[np.isin(kinds, of)]) for of in (VENTRICLES, ATRIA)]
    keys = [{tuple(face) for face in np.sort(some, axis=1).tolist()} for some in faces]
    both = whole.nodes[np.array(sorted(keys[0] & keys[1]))]
    parts = np.array([(i, j, 4 - i - j) for i in range(5) for j in range(5 - i)]) / 4
    return np.einsum("pk,fkx->fpx", parts, both).reshape(-1, 3)


def _marked(n_node: int, faces: np.ndarray) -> np.ndarray:
    mark = np.zeros(n_node, np.int8)
    mark[faces] = 1
    return mark


def biventricle(folder: Path, spacing: float) -> tuple[Voxels, Surfaces]:
    """The truncated biventricle as voxels, its surfaces by the classes in its file."""
    mesh = mesh_files.read(folder / "geo1_heart.vtp", unit="mm")
    voxels = from_mesh(mesh, spacing)
    numbers = {"base": 1, "epi": 2, "lv_endo": 3, "rv_endo": 4}
    return voxels, surfaces_by_class(voxels, voxels.fields["class"], numbers)
