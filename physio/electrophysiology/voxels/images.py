"""Images of labels as active voxels: arrays with an affine, NIfTI and VTK image data.

A label map has 0 outside and a whole number for every region of tissue. What is no
label map (a CT in Hounsfield units, a probability) is refused, unless a threshold says
what of it is tissue.
"""

from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from physio.electrophysiology.mesh.formats import libraries
from physio.electrophysiology.mesh.formats.raw import NotUnderstood
from physio.electrophysiology.mesh.units import MM_PER, Size, choose, doubt
from physio.electrophysiology.voxels.voxelise import grid_over
from physio.electrophysiology.voxels.voxels import Voxels, active
from physio.units import PERCENT

SUFFIXES = (".nii", ".nii.gz", ".vti")
_LABELS = ("label", "labels", "region", "regions", "tag", "material", "segmentation")
_UNITS = {"mm": "mm", "micron": "um", "meter": "m"}
# Segmentations of a whole body have up to some 120 labels, and most neighbours agree;
# of intensities few do.
_MOST_LABELS, _FEW_LABELS, _AGREE = 150, 8, 0.5
_VOLUME = 0.1  # what resampling may change of the labelled volume, as a share


@dataclass(frozen=True, eq=False)
class LabelImage:
    """Labels on three axes; ``affine`` maps (i, j, k, 1) to places in ``unit``.

    ``unit`` is what the file states ("" where it does not), ``notes`` what the reader
    took or left out.
    """

    labels: np.ndarray
    affine: np.ndarray
    unit: str = ""
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> Size:
        """The labelled part's sides and volume, in the image's own unit."""
        where = np.stack(np.nonzero(self.labels), axis=1)
        if not len(where):
            return Size((0.0, 0.0, 0.0))
        low, high = where.min(axis=0) - 0.5, where.max(axis=0) + 0.5
        corners = np.stack(np.meshgrid(*zip(low, high, strict=True)), -1).reshape(-1, 3)
        sides = np.ptp(corners @ self.affine[:3, :3].T, axis=0)
        voxel = abs(float(np.linalg.det(self.affine[:3, :3])))
        across = (float(sides[0]), float(sides[1]), float(sides[2]))
        return Size(across, len(where) * voxel)

    @property
    def cubes(self) -> bool:
        """Whether its voxels are cubes along x, y, z, which need no resampling."""
        return _straight(self.affine) is not None

    def in_mm(self, unit: str | None, path: object) -> tuple["LabelImage", str]:
        """The image in mm and how its unit is known: given, stated or inferred.

        **Raises** ValueError where that cannot be told, or makes no heart's size.
        """
        found, note = choose(self.size, unit, self.unit, path, guard=True)
        scale = np.diag([MM_PER[found]] * 3 + [1.0])
        odd = doubt(self.size.across * MM_PER[found])
        image = replace(
            self, affine=scale @ self.affine, unit="mm", notes=(*self.notes, *odd)
        )
        return image, note


def from_image(
    labels: np.ndarray,
    affine: np.ndarray | float | tuple[float, float, float],
    *,
    spacing: float | None = None,
) -> Voxels:
    """The voxels of an image that are not zero; their label is the region.

    ``labels`` has three axes (more of length 1 are dropped) and is 0, or not a number,
    outside. ``affine`` (4, 4) maps (i, j, k, 1) to mm, as NIfTI has it, or is the size
    of the image's voxels in mm. Without ``spacing`` the image's own voxels are taken,
    which must be cubes along x, y, z (in any order and sense); with it (mm) each new
    voxel takes the label at its centre.

    **Raises** ValueError where the image is empty, is no label map, is not of cubes
    and no spacing is given, or where the spacing is too coarse for it.
    """
    labels = label_map(labels)[0]
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
    found = np.zeros(shape, dtype=labels.dtype)
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
    voxel = abs(float(np.linalg.det(matrix[:3, :3])))
    kept = (found != 0).sum() * spacing**3 / ((labels != 0).sum() * voxel)
    if abs(kept - 1.0) > _VOLUME:
        raise ValueError(
            f"At a spacing of {spacing} mm the voxels hold {PERCENT * kept:.0f} % of "
            "the labelled volume. Give a finer one: --spacing "
            f"{min(spacing / 2.0, voxel ** (1 / 3)):.2g}"
        )
    index = active(found != 0)
    return Voxels(spacing, origin, shape, index, regions=found[tuple(index.T)])


def label_map(
    image: np.ndarray, threshold: float | None = None
) -> tuple[np.ndarray, list[str]]:
    """The image as whole numbers, 0 outside, and notes of what was taken for what.

    With ``threshold`` everything above it is label 1. Scaled labels (255 times 1/255)
    are rounded; not a number is outside.

    **Raises** ValueError for other than three axes, fractions, intensities, and where
    nothing is labelled.
    """
    values, notes = np.asarray(image), []
    while values.ndim > 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim != 3:
        series = " (a series, or colours). Save one of its volumes"
        raise ValueError(
            f"An image has three axes; got the shape {values.shape}"
            f"{series if values.ndim > 3 else ''}."
        )
    if values.dtype.kind not in "biuf":
        raise ValueError(
            f"The image holds {values.dtype}, not numbers. Save a label map: one whole "
            "number for each voxel."
        )
    if values.dtype.kind == "f":
        lost = ~np.isfinite(values)
        values = np.where(lost, 0.0, values)
        if lost.any():
            notes.append(f"{lost.sum()} voxels without a number are outside.")
    if threshold is not None:
        values = (values > threshold).astype(np.int32)
        notes.append(f"Tissue is what is above {threshold:g}, as given.")
    elif values.dtype.kind == "f":
        values = _rounded(values)
    _segmented(values)
    limits = np.iinfo(np.int32)
    small = limits.min <= int(values.min()) and int(values.max()) <= limits.max
    return values.astype(np.int32 if small else np.int64), notes


def _rounded(values: np.ndarray) -> np.ndarray:
    whole = np.rint(values)
    # a label times a slope of 32 bits; never so much that a fraction passes
    slack = np.minimum(1e-6 * np.abs(whole) + 1e-6, 0.01)
    if (np.abs(values - whole) > slack).any():
        raise ValueError(
            f"The image holds fractions from {values.min():.4g} to {values.max():.4g}, "
            "not labels. Give its segmentation (0 outside, a whole number for each "
            "region); or say above which value it is tissue: --threshold 0.5"
        )
    return whole.astype(np.int64)


def _segmented(values: np.ndarray) -> None:
    """Raises where whole numbers are no labels: negative, or no two alike."""
    found = np.unique(values[values != 0])
    if not len(found):
        raise ValueError(
            "The mask is empty: no voxel of the image differs from zero. Give another "
            "image, or a lower --threshold."
        )
    what = ""
    if found[0] < 0:
        what = "negative numbers"
    elif len(found) > _MOST_LABELS:
        what = "too many numbers for regions"
    elif len(found) > _FEW_LABELS and _agreement(values) < _AGREE:
        what = "neighbours that differ nearly everywhere"
    if what:
        raise ValueError(
            f"The image is no segmentation: {len(found)} different numbers from "
            f"{found[0]} to {found[-1]}, {what}, as a CT or MR image has. Give its "
            "label map (0 outside, 1, 2, ... the regions); or say above which value it "
            f"is tissue: --threshold {int(np.median(found))}"
        )


def _agreement(values: np.ndarray) -> float:
    """The share of neighbours, both labelled, that have one label."""
    same = both = 0
    for axis in range(3):
        first = np.moveaxis(values, axis, 0)[:-1]
        second = np.moveaxis(values, axis, 0)[1:]
        pair = (first != 0) & (second != 0)
        both += int(pair.sum())
        same += int((pair & (first == second)).sum())
    return same / both if both else 1.0


def is_image(path: Path) -> bool:
    """Whether a file is an image that is read here."""
    name = path.name.lower()
    if name.endswith(SUFFIXES):
        return True
    if not name.endswith(".vtk") or not path.is_file():
        return False
    with open(path, "rb") as file:
        return b"STRUCTURED_POINTS" in file.read(1024).upper()


def read(
    path: str | Path, *, threshold: float | None = None, field: str | None = None
) -> LabelImage:
    """The label map of a NIfTI file or of VTK image data, in the file's own unit.

    ``field`` names the labels of VTK image data where it has several arrays.

    **Raises** ImportError where nibabel is not installed, ValueError as ``label_map``
    does and for a file that cannot be read.
    """
    path = Path(path)
    if path.name.lower().endswith((".nii", ".nii.gz")):
        if field is not None:
            raise ValueError("A NIfTI image has one array: leave --region-field out.")
        values, affine, unit, notes = _nifti(path)
    else:
        values, affine, notes = _vtk(path, field)
        unit = ""
    try:
        labels, told = label_map(values, threshold)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return LabelImage(labels, affine, unit, (*notes, *told))


def from_nifti(
    path: str | Path, *, spacing: float | None = None, unit: str | None = None
) -> Voxels:
    """The voxels of a NIfTI image of labels (``from_image``), in its own frame.

    ``unit`` is that of its header where it is not given. **Raises** as ``read`` and
    ``from_image`` do.
    """
    image, _ = read(path).in_mm(unit, path)
    return from_image(image.labels, image.affine, spacing=spacing)


def _nifti(path: Path) -> tuple[np.ndarray, np.ndarray, str, list[str]]:
    try:
        nibabel = import_module("nibabel")
    except ImportError as error:
        raise ImportError(
            "NIfTI images are read by nibabel, which is not installed. Type: pip "
            "install 'cordax[imaging]'"
        ) from error
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    try:
        image = nibabel.load(path)
        values = np.asanyarray(image.dataobj)
    except Exception as error:  # nibabel, zlib and gzip raise their own
        why = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path} cannot be read as NIfTI: {why}.") from error
    header: Any = image.header
    unit = _UNITS.get(header.get_xyzt_units()[0], "")
    notes = []
    placed = [header.get_sform(coded=True), header.get_qform(coded=True)]
    given = [matrix for matrix, code in placed if code and matrix is not None]
    if not given:
        notes.append(
            "The image states neither sform nor qform: its first axis runs to the "
            "left, and the origin is its middle."
        )
    elif len(given) == 2 and not np.allclose(*given, rtol=1e-3, atol=1e-3):
        notes.append("The image's sform and qform differ; the sform was taken.")
    return values, np.asarray(image.affine, np.float64), unit, notes


def _vtk(path: Path, field: str | None) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The labels (x, y, z), the affine and notes of VTK image data."""
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    found, notes = libraries.vtk_dataset(path)
    if not found.IsA("vtkImageData"):
        raise NotUnderstood(f"{path} holds {found.GetClassName()}, not an image.")
    at_cells = libraries.vtk_fields(found.GetCellData(), notes)
    fields = libraries.vtk_fields(found.GetPointData(), notes) | at_cells
    usual = [name for name in fields if name.lower() in _LABELS]
    name = field or (usual or [*fields] if len(usual or fields) == 1 else [""])[0]
    if name not in fields:
        told = f"no array {field!r}" if field else f"{len(fields)} arrays"
        raise ValueError(
            f"{path} is an image with {told}; it holds {', '.join(fields) or 'none'}. "
            "Name the one of labels: --region-field NAME"
        )
    cells = name in at_cells
    shape = [max(n - cells, 1) for n in found.GetDimensions()]
    spacing = np.array(found.GetSpacing())
    turn = np.array(
        [[found.GetDirectionMatrix().GetElement(i, j) for j in range(3)]
         for i in range(3)]
    )  # fmt: skip
    first = np.array(found.GetExtent())[::2] + (0.5 if cells else 0.0)
    affine = np.eye(4)
    affine[:3, :3] = turn * spacing
    affine[:3, 3] = np.array(found.GetOrigin()) + affine[:3, :3] @ first
    values = fields[name]
    if values.ndim > 1:
        raise ValueError(f"{path}: {name} holds {values.shape[1]} numbers a voxel.")
    return values.reshape(shape[::-1]).transpose(2, 1, 0), affine, notes


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


def _straight(matrix: np.ndarray) -> np.ndarray | None:
    """Which image axis is x, y, z; None where voxels are not cubes along these."""
    turn = matrix[:3, :3]
    sizes = np.linalg.norm(turn, axis=0)
    axes = np.argmax(np.abs(turn), axis=1)
    straight = np.abs(turn[np.arange(3), axes])
    # NIfTI stores 32 bits: cubes are equal, and straight, to 1e-4
    if len(set(axes)) < 3 or np.ptp([*sizes, *straight]) > 1e-4 * sizes.mean():
        return None
    return axes


def _own_grid(labels: np.ndarray, matrix: np.ndarray) -> Voxels:
    """The image turned so that its axes are x, y, z."""
    turn = matrix[:3, :3]
    sizes = np.linalg.norm(turn, axis=0)
    axes = _straight(matrix)
    if axes is None:
        raise ValueError(
            "The voxels of the image are not cubes along x, y, z: their sides are "
            "{:.3g}, {:.3g} and {:.3g} mm. Give the wanted spacing: --spacing "
            "{:.2g}".format(*sizes, sizes.min())
        )
    backwards = [d for d in range(3) if turn[d, axes[d]] < 0.0]
    first = np.zeros(3)
    for d in backwards:
        first[axes[d]] = labels.shape[axes[d]] - 1
    turned = np.flip(labels.transpose(axes), axis=tuple(backwards))
    index = active(turned != 0)
    regions = turned[tuple(index.T)]
    origin = turn @ first + matrix[:3, 3]
    shape = (turned.shape[0], turned.shape[1], turned.shape[2])
    return Voxels(float(sizes.mean()), origin, shape, index, regions=regions)
