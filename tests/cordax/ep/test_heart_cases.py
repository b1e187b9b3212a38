"""Files that users of other programs stumbled over, each with its right value."""

import numpy as np
import pytest

from cordax.ep import heart
from cordax.ep.settings import Settings
from physio.electrophysiology.mesh.formats.files import read

BOTH = {11: 40.0, 12: 80.0}


def volumes(mesh) -> dict[int, float]:
    """mL of tetrahedra by region."""
    size, tags = np.abs(mesh.measures("tetra")) / 1000.0, mesh.regions["tetra"]
    return {int(k): float(size[tags == k].sum()) for k in np.unique(tags)}


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("01_vtu_pieces_two_bodies/two_bodies.vtu", {1: 120.0, 2: 40.0}),
        ("02_vtu_purkinje_polyline/purk_polyline.vtu", {1: 120.0}),
        ("02_vtu_purkinje_polyline/purk_lines.vtu", {1: 120.0}),
        ("05_cad_edge_lines_conduct/l_yes.vtu", {1: 120.0}),
        ("07_msh41_saveall_groups/g_4.1_all_saveall.msh", BOTH),
        ("08_msh_parametric_nodes/g_2.2_param.msh", BOTH),
        ("08_msh_parametric_nodes/g_4.1_param.msh", BOTH),
        ("09_xdmf_mesh_and_tags/x_dx.xdmf", {1: 40.0, 2: 80.0}),
        ("10_vtu_string_field/v_string.vtu", {1: 40.0, 2: 80.0}),
        ("11_carp_bath_zero_fibre/c_zero.pts", {1: 40.0, 2: 80.0}),
        ("13_msh41_two_groups/g_4.1_overlap.msh", BOTH),
        ("18_region_number_wraps/f_big.vtu", {3000000001: 40.0, 3000000002: 80.0}),
    ],
)
def test_every_region_has_its_volume(shared_cases, name, right):
    found = read(shared_cases(f"hearts/{name}"))
    assert volumes(found) == pytest.approx(right, rel=1e-6)
    assert "line" not in found.tissue


def test_a_poly_line_is_its_segments(shared_cases):
    lines, whole = (
        read(shared_cases(f"hearts/02_vtu_purkinje_polyline/purk_{name}.vtu"))
        for name in ("lines", "polyline")
    )
    for found in (lines, whole):
        assert found.measures("line").sum() == pytest.approx(67.32, abs=0.005)
        assert len(found.elements["line"]) == 12
        assert set(found.regions["line"]) == {9}


def test_a_ply_of_vertex_index(shared_cases):
    found = read(shared_cases("hearts/17_ply_vertex_index/p_index.ply"), unit="mm")
    assert found.measures("triangle").sum() / 100.0 == pytest.approx(111.79, abs=0.005)


@pytest.mark.parametrize(
    ("name", "told", "volume"),
    [
        ("03_small_heart_unit/u_12mm.vtu", {"unit": "mm", "elements": True}, 0.96),
        ("04_nifti_micron/n_um.nii.gz", {}, 30.72),
        ("04_nifti_micron/n_um.nii.gz", {"unit": "um"}, 30.72),
        ("12_nifti_slope_255/n_slope2.nii", {}, 30.72),
        ("11_carp_bath_zero_fibre/c_zero.pts",
         {"insulating": (1,), "elements": True}, 80.0),
        ("15_fibre_field_name/f_svfsi.vtu",
         {"fibre_field": "FIB_DIR", "elements": True, "velocity": (0.6, 0.3, 0.3)},
         120.0),
        ("16_vtk_image_data/im.vti", {}, 120.0),
        ("16_vtk_image_data/im.vtk", {"unit": "mm"}, 120.0),
    ],
)  # fmt: skip
def test_what_runs_has_the_right_volume(shared_cases, name, told, volume):
    pytest.importorskip("nibabel")
    file = str(shared_cases(f"hearts/{name}"))
    told = {"eikonal": True, "velocity": (0.6,)} | told
    found = heart.build(Settings(file=file, **told), np.nan)
    assert found.size["volume_ml"] == pytest.approx(volume, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("03_small_heart_unit/u_12mm.vtu", "Type --unit mm or --unit cm"),
        ("11_carp_bath_zero_fibre/c_zero.pts", "--regions-insulating 1"),
        ("15_fibre_field_name/f_svfsi.vtu", "--fibre-field FIB_DIR"),
        ("19_intensity_image_as_labels/hu.nii.gz", "no segmentation.*--threshold"),
    ],
)
def test_what_cannot_run_says_what_to_type(shared_cases, name, words):
    pytest.importorskip("nibabel")
    file = str(shared_cases(f"hearts/{name}"))
    told = Settings(file=file, eikonal=True, velocity=(0.6, 0.3, 0.3))
    with pytest.raises(ValueError, match=words) as caught:
        heart.build(told, np.nan)
    assert "truncated" not in str(caught.value)
