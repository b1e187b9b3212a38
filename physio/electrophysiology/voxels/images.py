"""Images of labels as active voxels: arrays with an affine, and NIfTI files."""

from importlib import import_module
from pathlib import Path

import numpy as np

from physio.electrophysiology.voxels.voxelise import grid_over
from physio.electrophysiology.voxels.voxels import Voxels, active


def from_image(
    labels: np.ndarray,
    affine: np.ndarray | float | tuple[float, float, float],
    *,
    spacing: float | None = None,
) -> Voxels:
    """The voxels of an image that are not zero; their label is the region.

    ``labels`` has three axes. ``affine`` (4, 4) maps (i, j, k, 1) to mm, as NIfTI has
    it, or is the size of the image's voxels in mm. Without ``spacing`` the image's own
    voxels are taken, which must be cubes along x, y, z (in any order and sense); with
    it (mm) each new voxel takes the label at its centre.

    **Raises** ValueError where the image is empty, not of whole numbers, or not of
    cubes and no spacing is given.
    """
    labels = np.asarray(labels)
    if labels.ndim != 3:
        raise ValueError(f"An image has three axes; got the shape {labels.shape}.")
    if not (labels == np.rint(labels)).all():
        raise ValueError(
            "The image holds fractions, not labels. Threshold it first: image > 0.5"
        )
    if not labels.any():
        raise ValueError(
            "The mask is empty: no voxel of the image differs from zero. Name the "
            "label to keep, e.g. image == 1."
        )
    matrix = _affine(affine)
    if spacing is None:
        return _own_grid(labels, matrix)
    if not spacing > 0.0:
        raise ValueError(f"The spacing is {spacing} mm; give more than 0.")
    ends = np.stack(np.nonzero(labels), axis=1)
    low, high = ends.min(axis=0) - 0.5, ends.max(axis=0) + 0.5
    corners = np.stack(np.meshgrid(*zip(low, high, strict=True)), -1).reshape(-1, 3)
    placed = corners @ matrix[:3, :3].T + matrix[:3, 3]
    origin, shape = grid_over(placed.min(axis=0), placed.max(axis=0), spacing)
    inverse = np.linalg.inv(matrix)
    found = np.zeros(shape, dtype=np.int32)
    y, z = np.meshgrid(
        *(np.arange(n, dtype=np.float64) for n in shape[1:]), indexing="ij"
    )
    for i in range(shape[0]):  # plane by plane: the whole would not fit
        here = origin + spacing * np.stack([np.full_like(y, i), y, z], axis=-1)
        at = np.floor(here @ inverse[:3, :3].T + inverse[:3, 3] + 0.5).astype(np.int64)
        inside = ((at >= 0) & (at < labels.shape)).all(axis=-1)
        found[i][inside] = labels[tuple(at[inside].T)]
    if not found.any():
        raise ValueError(
            f"A spacing of {spacing} mm is too coarse: no voxel remains. Give less."
        )
    index = active(found != 0)
    return Voxels(spacing, origin, shape, index, regions=found[tuple(index.T)])


def from_nifti(path: str | Path, *, spacing: float | None = None) -> Voxels:
    """The voxels of a NIfTI image of labels (``from_image``), in its own frame.

    **Raises** ImportError where nibabel is not installed, ValueError as
    ``from_image`` does.
    """
    try:
        nibabel = import_module("nibabel")
    except ImportError as error:
        raise ImportError(
            "NIfTI images are read by nibabel, which is not installed. Type: pip "
            "install 'cordax[imaging]'"
        ) from error
    image = nibabel.load(path)
    return from_image(np.asanyarray(image.dataobj), image.affine, spacing=spacing)


def _affine(affine) -> np.ndarray:
    given = np.asarray(affine, dtype=np.float64)
    if given.shape == (4, 4):
        matrix = given
    elif given.shape in ((), (3,)):
        matrix = np.diag([*np.broadcast_to(given, 3), 1.0])
    else:
        raise ValueError(
            f"The affine has shape {given.shape}; give (4, 4), or the size of the "
            "voxels in mm."
        )
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-12:
        raise ValueError("The affine of the image cannot be inverted. Check it.")
    return matrix


def _own_grid(labels: np.ndarray, matrix: np.ndarray) -> Voxels:
    """The image turned so that its axes are x, y, z."""
    turn = matrix[:3, :3]
    sizes = np.linalg.norm(turn, axis=0)
    axes = np.argmax(np.abs(turn), axis=1)  # which image axis is x, y, z
    straight = np.abs(turn[np.arange(3), axes])
    # NIfTI stores 32 bits: cubes are equal, and straight, to 1e-4
    if len(set(axes)) < 3 or np.ptp([*sizes, *straight]) > 1e-4 * sizes.mean():
        raise ValueError(
            "The voxels of the image are not cubes along x, y, z: their sides are "
            "{:.3g}, {:.3g} and {:.3g} mm. Give the wanted spacing, e.g. "
            "spacing=0.5".format(*sizes)
        )
    backwards = [d for d in range(3) if turn[d, axes[d]] < 0.0]
    first = np.zeros(3)
    for d in backwards:
        first[axes[d]] = labels.shape[axes[d]] - 1
    turned = np.flip(labels.transpose(axes), axis=tuple(backwards))
    index = active(turned != 0)
    regions = turned[tuple(index.T)].astype(np.int32)
    origin = turn @ first + matrix[:3, 3]
    shape = (turned.shape[0], turned.shape[1], turned.shape[2])
    return Voxels(float(sizes.mean()), origin, shape, index, regions=regions)
