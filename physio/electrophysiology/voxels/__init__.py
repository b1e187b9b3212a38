"""Tissue as active voxels, from an image or a closed surface."""

from physio.electrophysiology.voxels.images import (
    from_image,
    from_nifti,
    is_image,
    label_map,
    read,
)
from physio.electrophysiology.voxels.voxelise import from_mesh
from physio.electrophysiology.voxels.voxels import FACES, Voxels, active, flat_index

__all__ = [
    "FACES",
    "Voxels",
    "active",
    "flat_index",
    "from_image",
    "from_mesh",
    "from_nifti",
    "is_image",
    "label_map",
    "read",
]
