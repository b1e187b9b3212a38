"""NIfTI files and VTK images: what is a label map is read, what is none refused."""

import numpy as np
import pytest

from physio.electrophysiology.voxels import images
from physio.electrophysiology.voxels.images import from_image, label_map, read

nibabel = pytest.importorskip("nibabel")

# 10 x 8 x 6 voxels of 4 mm: 40 x 32 x 24 mm, 30.72 mL, half of it region 2
MASK = np.zeros((12, 10, 8), np.uint8)
MASK[1:11, 1:9, 1:7] = 1
MASK[6:11, 1:9, 1:7] = 2
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
AFFINE[:3, 3] = (5.0, -7.0, 11.0)
VOLUME = 30.72  # mL


def nifti(path, values, affine=AFFINE, *, unit="mm", sform=1, qform=1):
    """A file as scanners and segmentation programs write it."""
    image = nibabel.Nifti1Image(values, affine)
    image.header.set_xyzt_units(unit)
    image.set_sform(affine if sform else None, sform)
    image.set_qform(affine if qform else None, qform)
    nibabel.save(image, path)
    return path


def voxels(path, unit=None, spacing=None):
    found, note = read(path).in_mm(unit, path)
    return from_image(found.labels, found.affine, spacing=spacing), note


@pytest.mark.parametrize(
    ("unit", "scale", "note"),
    [
        ("mm", 1.0, "mm, as the file says"),
        ("micron", 1000.0, "um, as the format or the file says"),
        ("meter", 1e-3, "m, as the file says"),
        ("unknown", 1.0, "mm, inferred: 40.0 mm across is the size of a part"),
        ("unknown", 1e-3, "m, inferred: 40.0 mm"),
    ],
)
def test_the_header_s_unit_acts(tmp_path, unit, scale, note):
    affine = AFFINE.copy()
    affine[:3] *= scale
    found, told = voxels(nifti(tmp_path / "m.nii.gz", MASK, affine, unit=unit))
    assert found.volume / 1000.0 == pytest.approx(VOLUME, rel=1e-5)
    assert found.spacing == pytest.approx(4.0, rel=1e-5) and told.startswith(note)
    np.testing.assert_allclose(found.nodes.min(axis=0), [9.0, -3.0, 15.0], rtol=1e-5)
    assert np.bincount(found.regions).tolist() == [0, 240, 240]


def test_the_users_unit_acts_and_the_file_s_is_told(tmp_path):
    file = nifti(tmp_path / "m.nii", MASK, AFFINE, unit="micron")
    with pytest.raises(ValueError, match="should be in micrometres.*0.04 mm across"):
        voxels(file)
    found, note = voxels(file, "mm")
    assert found.volume / 1000.0 == pytest.approx(VOLUME)
    assert note == "mm, as given; the file says um"
    # millimetres said, micrometres meant
    large = AFFINE * [[1000], [1000], [1000], [1]]
    file = nifti(tmp_path / "n.nii", MASK, large, unit="mm")
    with pytest.raises(ValueError, match="would be 4e[+]04 mm.* um .40 mm across"):
        voxels(file)
    assert voxels(file, "um")[0].volume / 1000.0 == pytest.approx(VOLUME)
    assert "no heart's size" in read(file).in_mm("mm", file)[0].notes[0]


def test_a_small_heart_without_a_unit_is_asked_for(tmp_path):
    small = AFFINE * [[0.3], [0.3], [0.3], [1]]  # 12 units across: a rat, or 12 cm
    file = nifti(tmp_path / "m.nii", MASK, small, unit="unknown")
    with pytest.raises(ValueError, match="Type --unit mm or --unit cm"):
        voxels(file)
    assert voxels(file, "mm")[0].volume == pytest.approx(VOLUME * 27.0, rel=1e-4)
    # but one that says millimetres is taken at its word
    file = nifti(tmp_path / "n.nii", MASK, small, unit="mm")
    assert voxels(file)[0].volume == pytest.approx(VOLUME * 27.0, rel=1e-4)


def stored_255(path, dtype):
    """A mask stored as 255 with scl_slope 1/255, whichever writer did it."""
    image = nibabel.Nifti1Image((MASK > 0).astype(dtype) * 255, AFFINE)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    data = bytearray(path.read_bytes())
    data[112:116] = np.float32(1.0 / 255.0).tobytes()
    path.write_bytes(bytes(data))
    return path


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_scaled_masks_are_labels(tmp_path, dtype):
    found = read(stored_255(tmp_path / "m.nii", dtype))
    assert np.unique(found.labels).tolist() == [0, 1]
    assert found.size.volume / 1000.0 == pytest.approx(VOLUME)


def test_background_of_no_number_and_a_fourth_axis(tmp_path):
    values = np.where(MASK > 0, MASK, np.nan).astype(np.float32)[..., None]
    found = read(nifti(tmp_path / "m.nii", values))
    np.testing.assert_array_equal(found.labels, MASK)
    assert found.notes == ("480 voxels without a number are outside.",)
    series = np.stack([MASK, MASK], axis=-1)
    with pytest.raises(ValueError, match="a series, or colours"):
        read(nifti(tmp_path / "s.nii", series))


def test_a_mask_of_0_and_255(tmp_path):
    found, _ = voxels(nifti(tmp_path / "m.nii", (MASK > 0).astype(np.uint8) * 255))
    assert set(found.regions) == {255}
    assert found.volume / 1000.0 == pytest.approx(VOLUME)


def test_oblique_images_are_resampled_where_they_are(tmp_path):
    angle = np.radians(25.0)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0.0],
                     [np.sin(angle), np.cos(angle), 0.0], [0.0, 0.0, 1.0]])  # fmt: skip
    affine = np.eye(4)
    affine[:3, :3] = turn * [4.0, 4.0, 2.0]
    file = nifti(tmp_path / "m.nii", MASK, affine)
    found = read(file)
    assert not found.cubes
    with pytest.raises(ValueError, match="not cubes .*--spacing 2"):
        voxels(file)
    fine, _ = voxels(file, spacing=0.5)
    assert fine.volume / 1000.0 == pytest.approx(VOLUME / 2.0, rel=0.01)
    middle = affine[:3, :3] @ [5.5, 4.5, 3.5]
    np.testing.assert_allclose(fine.nodes.mean(axis=0), middle, atol=0.1)
    with pytest.raises(ValueError, match="% of the labelled volume|too coarse"):
        voxels(file, spacing=20.0)


def test_sform_goes_before_qform_and_neither_is_told(tmp_path):
    other = AFFINE.copy()
    other[0, 3] += 30.0
    image = nibabel.Nifti1Image(MASK, AFFINE)
    image.header.set_xyzt_units("mm")
    image.set_sform(AFFINE, 1)
    image.set_qform(other, 1)
    nibabel.save(image, tmp_path / "m.nii")
    found = read(tmp_path / "m.nii")
    np.testing.assert_allclose(found.affine, AFFINE)
    assert "sform and qform differ" in found.notes[0]
    found = read(nifti(tmp_path / "q.nii", MASK, sform=0))
    np.testing.assert_allclose(found.affine, AFFINE, atol=1e-5)
    assert not found.notes
    bare = read(nifti(tmp_path / "n.nii", MASK, sform=0, qform=0))
    assert "neither sform nor qform" in bare.notes[0]
    assert bare.size.volume / 1000.0 == pytest.approx(VOLUME)


def test_intensities_are_no_labels(tmp_path):
    rng = np.random.default_rng(0)
    tissue = rng.integers(20, 70, MASK.shape)
    ct = np.where(MASK > 0, tissue, -1024).astype(np.int16)
    with pytest.raises(ValueError, match="no segmentation: .* negative.* --threshold"):
        read(nifti(tmp_path / "ct.nii", ct))
    mr = np.where(MASK > 0, tissue, 0).astype(np.int16)  # 0 outside, and no two alike
    with pytest.raises(ValueError, match="neighbours that differ nearly everywhere"):
        read(nifti(tmp_path / "mr.nii", mr))
    share = np.where(MASK > 0, 0.8, 0.1).astype(np.float32)
    with pytest.raises(ValueError, match="fractions from 0.1 to 0.8.*--threshold 0.5"):
        read(nifti(tmp_path / "p.nii", share))
    found = read(tmp_path / "p.nii", threshold=0.5)
    np.testing.assert_array_equal(found.labels, MASK > 0)
    assert found.notes == ("Tissue is what is above 0.5, as given.",)
    # a segmentation of many regions is one
    many = np.arange(120)[:, None, None] + np.zeros((120, 6, 6), int)
    assert len(np.unique(label_map(many)[0])) == 120
    with pytest.raises(ValueError, match="mask is empty"):
        read(nifti(tmp_path / "e.nii", MASK * 0))


def test_large_labels_keep_their_value():
    labels = MASK.astype(np.int64) * 3_000_000_000
    found = from_image(labels, 4.0)
    assert set(found.regions.tolist()) == {3_000_000_000, 6_000_000_000}
    assert set(from_image(labels, 4.0, spacing=2.0).regions.tolist()) == {
        3_000_000_000, 6_000_000_000
    }  # fmt: skip


@pytest.mark.parametrize("suffix", [".vti", ".vtk"])
@pytest.mark.parametrize("cells", [True, False])
def test_vtk_images_are_read_as_labels(tmp_path, suffix, cells):
    pyvista = pytest.importorskip("pyvista")
    count = np.array(MASK.shape) + cells
    grid = pyvista.ImageData(dimensions=count, spacing=(4.0,) * 3, origin=(5, -7, 11))
    values = MASK.ravel(order="F")
    (grid.cell_data if cells else grid.point_data)["labels"] = values
    if suffix == ".vti":
        (grid.cell_data if cells else grid.point_data)["other"] = values * 2.0
    grid.save(tmp_path / f"im{suffix}")
    assert images.is_image(tmp_path / f"im{suffix}")
    found, note = voxels(tmp_path / f"im{suffix}")
    assert found.volume / 1000.0 == pytest.approx(VOLUME)
    assert note.startswith("mm, inferred")
    shift = 2.0 if cells else 0.0  # a cell's centre is half a cell from its corner
    np.testing.assert_allclose(
        found.nodes.min(axis=0), np.array([9.0, -3.0, 15.0]) + shift
    )
    first = found.regions[found.nodes[:, 0] < 28.0 + shift]
    assert set(first) == {1} and set(found.regions) == {1, 2}


def test_a_vtk_image_of_several_arrays_asks_which(tmp_path):
    pyvista = pytest.importorskip("pyvista")
    grid = pyvista.ImageData(dimensions=MASK.shape, spacing=(4.0,) * 3)
    grid.point_data["here"] = MASK.ravel(order="F")
    grid.point_data["there"] = MASK.ravel(order="F")
    grid.save(tmp_path / "im.vti")
    with pytest.raises(ValueError, match="holds here, there.*--region-field"):
        read(tmp_path / "im.vti")
    assert read(tmp_path / "im.vti", field="there").labels.max() == 2
    with pytest.raises(ValueError, match="no array 'nowhere'"):
        read(tmp_path / "im.vti", field="nowhere")


def test_files_that_cannot_be_read(tmp_path):
    file = nifti(tmp_path / "m.nii.gz", MASK)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="cannot be read as NIfTI"):
        read(file)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.nii")
    with pytest.raises(ValueError, match="leave --region-field out"):
        read(nifti(tmp_path / "o.nii", MASK), field="labels")
